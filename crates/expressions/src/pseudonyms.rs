//! Checks the use of pseudonyms: they are compared with each other only. Their characters mean nothing, and a clear text
//! equals none of them. Constants are written as published pseudonyms, if what is published has a secret of its own; here
//! they become those of the state, which rows hold.

use crate::check::Checker;
use crate::error::ExpressionError;
use crate::node::{ListNode, Node, TextNode};
use crate::set::{Constants, Set};
use riskstream_events::{Slot, is_pseudonym};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Functions that give a text as it is.
const UNCHANGING: [&str; 2] = ["coalesce", "string"];

impl Checker<'_> {
    /// The slot of the pseudonym that a text or list holds; `None` if it holds none.
    pub(crate) fn pseudonym(&self, node: &Node) -> Option<Slot> {
        match node {
            Node::Text(text) => self.pseudonym_in(text),
            Node::List(list) => self.pseudonym_in_list(list),
            _ => None,
        }
    }

    fn pseudonym_in(&self, text: &TextNode) -> Option<Slot> {
        match text {
            TextNode::Slot(slot) => match self.loops.iter().find(|variable| variable.slot == *slot) {
                Some(variable) => variable.pseudonym,
                None => self.scope.is_pseudonym(*slot).then_some(*slot),
            },
            TextNode::Element(element) => self.pseudonym_in_list(&element.list),
            TextNode::Conditional(parts) => self.pseudonym_in(&parts.1).or_else(|| self.pseudonym_in(&parts.2)),
            TextNode::Coalesce(parts) => parts.iter().find_map(|part| self.pseudonym_in(part)),
            TextNode::Concatenate(sides) => self.pseudonym_in(&sides.0).or_else(|| self.pseudonym_in(&sides.1)),
            _ => None,
        }
    }

    fn pseudonym_in_list(&self, list: &ListNode) -> Option<Slot> {
        match list {
            ListNode::Slot { slot, .. } => self.scope.is_pseudonym(*slot).then_some(*slot),
            ListNode::Constant { .. } | ListNode::Split(_) => None,
        }
    }

    /// Refuses a function that reads the characters of a pseudonym.
    pub(crate) fn check_function_of(&mut self, function: &str, nodes: &[Node], span: &Range<usize>) -> Option<()> {
        let texts = nodes.iter().filter(|node| matches!(node, Node::Text(_)));
        let found = texts.filter_map(|node| self.pseudonym(node)).next();
        match found.filter(|_| !UNCHANGING.contains(&function)) {
            None => Some(()),
            Some(slot) => self.refuse_pseudonym(
                slot,
                |name| format!("{function} would read the pseudonym of {name}"),
                span,
            ),
        }
    }

    /// Refuses an order of pseudonyms, and a comparison with a text that is none.
    pub(crate) fn check_comparison(&mut self, symbol: &str, a: &Node, b: &Node, span: &Range<usize>) -> Option<()> {
        let (first, second) = (self.pseudonym(a), self.pseudonym(b));
        let Some(slot) = first.or(second) else { return Some(()) };
        if !matches!((a, b), (Node::Text(_), Node::Text(_))) {
            return Some(());
        }
        if !matches!(symbol, "==" | "!=") {
            let message = |name: &str| format!("{symbol} would compare the pseudonym of {name}");
            return self.refuse_pseudonym(slot, message, span);
        }
        let is_alike = |side: &Node, found: Option<Slot>| found.is_some() || is_constant_pseudonym(side);
        match is_alike(a, first) && is_alike(b, second) {
            true => Some(()),
            false => self.refuse_clear(slot, span),
        }
    }

    /// Refuses to look for a pseudonym among texts of which one is none.
    pub(crate) fn check_members(&mut self, value: &Node, are_pseudonyms: bool, span: &Range<usize>) -> Option<()> {
        match self.pseudonym(value).filter(|_| !are_pseudonyms) {
            None => Some(()),
            Some(slot) => self.refuse_clear(slot, span),
        }
    }

    /// Nodes that become one text, or are compared: if one of them holds pseudonyms, the constants among the others become those
    /// of the state. A node that holds pseudonyms has no other constants.
    pub(crate) fn recover_constants(&self, mut nodes: Vec<Node>) -> Vec<Node> {
        if let Some(published) = self.scope.published()
            && nodes.iter().any(|node| self.pseudonym(node).is_some())
        {
            for node in &mut nodes {
                if let Node::Text(TextNode::Constant(text)) = node
                    && let Some(recovered) = published.recover(text)
                {
                    *text = recovered;
                }
            }
        }
        nodes
    }

    /// The constants among which a value is looked for: if it is a pseudonym, those of the state.
    pub(crate) fn recover_set<'c>(&self, value: &Node, constants: &'c Constants) -> Cow<'c, Constants> {
        match (self.scope.published(), constants) {
            (Some(published), Constants::Text(texts)) if self.pseudonym(value).is_some() => {
                let mut recovered = Vec::new();
                texts.for_each(|text| recovered.push(published.recover(text).unwrap_or_else(|| text.clone())));
                Cow::Owned(Constants::Text(Arc::new(Set::new(recovered))))
            }
            _ => Cow::Borrowed(constants),
        }
    }

    fn refuse_clear(&mut self, slot: Slot, span: &Range<usize>) -> Option<()> {
        let message = |name: &str| format!("the pseudonym of {name} equals no text that is not one");
        self.refuse_pseudonym(slot, message, span)
    }

    fn refuse_pseudonym(&mut self, slot: Slot, message: impl Fn(&str) -> String, span: &Range<usize>) -> Option<()> {
        let name = self.scope.name_of(slot).unwrap_or("a personal field");
        let error = ExpressionError::new(message(name), span.clone());
        self.fail(error.with_help(format!(
            "the text of {name} is not kept: derive from it what may be, as in derive: {{card_bin: bin}}, and use that"
        )))
    }
}

/// Whether a node is a constant that can be a pseudonym.
pub(crate) fn is_constant_pseudonym(node: &Node) -> bool {
    matches!(node, Node::Text(TextNode::Constant(text)) if is_pseudonym(text))
}
