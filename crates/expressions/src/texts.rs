//! Checking of functions of texts.

use crate::check::{Checker, dotted_name};
use crate::error::ExpressionError;
use crate::network::{Networks, PrefixLengths};
use crate::node::{BoolNode, FloatNode, IntNode, ListNode, Node, TextNode};
use crate::reference::Function;
use cel::IdedExpr;
use compact_str::{CompactString, ToCompactString};
use regex::{Regex, RegexBuilder};
use riskstream_events::{Value, has_check_digit};
use std::ops::Range;

/// Longer patterns are refused.
const LONGEST_PATTERN: usize = 1_000;

/// A compiled pattern takes at most this many bytes.
const PATTERN_MEMORY: usize = 1 << 18;

/// The similarity of texts is that of their first characters, as many as this: it takes time as the product of their lengths.
const MOST_COMPARED: usize = 128;

impl Checker<'_> {
    /// `text.matches(pattern)`.
    pub(crate) fn matches(&mut self, text: TextNode, pattern: &TextNode, span: Range<usize>) -> Option<Node> {
        let TextNode::Constant(pattern) = pattern else {
            let error = ExpressionError::new("a pattern must be a constant text", span);
            return self.fail(error.with_help("write text.matches(\"^[0-9]+$\"): patterns are compiled at the start"));
        };
        match compile_pattern(pattern) {
            Ok(regex) => Some(Node::Bool(BoolNode::Matches(Box::new((text, regex))))),
            Err((message, help)) => self.fail(ExpressionError::new(message, span).with_help(help)),
        }
    }

    /// `ip_in(address, networks)`: one network, a list of them or the name of a list.
    pub(crate) fn ip_in(
        &mut self,
        function: &Function,
        address: &IdedExpr,
        networks: &IdedExpr,
        tree: &IdedExpr,
    ) -> Option<Node> {
        let span = self.positions.span(networks);
        let address = self.check(address);
        let list = match self.constant_list(networks) {
            Some(list) => list?,
            None => match self.check(networks)? {
                Node::Text(TextNode::Constant(network)) => [Value::Text(network)].into(),
                _ => {
                    let error = ExpressionError::new("the networks must be constant texts", span);
                    return self.fail(error.with_help(format!("write {}", function.usage)));
                }
            },
        };
        let address = address?;
        self.check_function_of(
            function.name,
            std::slice::from_ref(&address),
            &self.positions.span(tree),
        )?;
        let texts: Option<Vec<&str>> = list
            .iter()
            .map(|value| match value {
                Value::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let (Node::Text(address), Some(texts)) = (address, texts) else {
            let error = ExpressionError::new(
                "ip_in takes a text, and networks that are texts",
                self.positions.span(tree),
            );
            return self.fail(error.with_help(format!("write {}", function.usage)));
        };
        match Networks::new(texts.iter().copied()) {
            Ok(networks) => Some(Node::Bool(BoolNode::IpIn(Box::new((address, networks))))),
            Err((index, help)) => {
                let error = ExpressionError::new(format!("{:?} is no network", texts[index]), span);
                self.fail(error.with_help(help))
            }
        }
    }

    /// The elements of a list of constants: a literal, or the name of one. `None` if it is neither.
    pub(crate) fn constant_list(&mut self, tree: &IdedExpr) -> Option<Option<std::sync::Arc<[Value]>>> {
        use crate::scope::Entry;
        use cel::common::ast::Expr;
        if let Expr::List(literal) = &tree.expr {
            return Some(self.constant_elements(literal, tree));
        }
        let name = dotted_name(tree)?;
        match self.scope.get(name.trim_start_matches('.')) {
            Some(Entry::Constants { values, .. }) => Some(Some(values.clone())),
            _ => None,
        }
    }
}

/// The error is a message and what to do instead.
fn compile_pattern(pattern: &str) -> Result<Regex, (String, &'static str)> {
    let syntax = "see https://docs.rs/regex/latest/regex/#syntax: no look-around, no back-references";
    if pattern.len() > LONGEST_PATTERN {
        let message = format!("the pattern has {} bytes, {LONGEST_PATTERN} are allowed", pattern.len());
        return Err((message, "write x in [a, b] to look for many texts"));
    }
    let compiled = RegexBuilder::new(pattern).size_limit(PATTERN_MEMORY).build();
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => (
            "the pattern takes too much memory".to_owned(),
            "repeat less: x{1,100} takes as much as a hundred x",
        ),
        // The error shows the pattern over several lines; the last one says what is wrong.
        error => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default();
            let reason = reason.strip_prefix("error: ").unwrap_or(reason);
            (format!("this is not a pattern: {reason}"), syntax)
        }
    })
}

/// Functions of texts that may be any.
pub(crate) fn text_function(name: &str, nodes: &[Node]) -> Option<Node> {
    match (name, nodes) {
        ("size", [Node::Text(text)]) => {
            let count: fn(&str) -> Option<i64> = |text| i64::try_from(text.chars().count()).ok();
            Some(Node::Int(IntNode::OfText(count, Box::new(text.clone()))))
        }
        ("size", [Node::List(list)]) => Some(Node::Int(IntNode::LengthOfList(Box::new(list.clone())))),
        ("ip_network", [Node::Text(text), lengths @ ..]) => {
            let length = |node: &Node| match node {
                Node::Int(IntNode::Constant(bits)) => Some(*bits),
                _ => None,
            };
            let lengths = match lengths {
                [v4] => PrefixLengths::new(length(v4)?, 64),
                [v4, v6] => PrefixLengths::new(length(v4)?, length(v6)?),
                _ => None,
            };
            Some(Node::Text(TextNode::IpNetwork(Box::new(text.clone()), lengths?)))
        }
        ("similarity", [Node::Text(text), Node::Text(other), method @ ..]) => {
            let measure: fn(&str, &str) -> f64 = match method {
                [] => jaro_winkler,
                [Node::Text(TextNode::Constant(method))] if method == "jaro_winkler" => jaro_winkler,
                [Node::Text(TextNode::Constant(method))] if method == "damerau_levenshtein" => damerau_levenshtein,
                _ => return None,
            };
            let sides = Box::new((text.clone(), other.clone()));
            Some(Node::Float(FloatNode::OfTexts(measure, sides)))
        }
        (_, [Node::Text(text), Node::Text(other)]) => {
            let sides = Box::new((text.clone(), other.clone()));
            let test: fn(&str, &str) -> bool = match name {
                "startsWith" => |text, prefix| text.starts_with(prefix),
                "endsWith" => |text, suffix| text.ends_with(suffix),
                "contains" => |text, part| text.contains(part),
                "split" => return Some(Node::List(ListNode::Split(sides))),
                _ => return None,
            };
            Some(Node::Bool(BoolNode::TextTest(test, sides)))
        }
        (_, [Node::Text(text)]) => {
            let text = Box::new(text.clone());
            let function: fn(&str) -> CompactString = match name {
                "lowerAscii" => lower_ascii,
                "upperAscii" => |text| {
                    let mut text = CompactString::from(text);
                    text.make_ascii_uppercase();
                    text
                },
                "trim" => |text| text.trim().into(),
                "email_domain" => return Some(Node::Text(TextNode::Part(email_domain, text))),
                "luhn" => {
                    return Some(Node::Bool(BoolNode::ParseText(
                        |text| Some(has_check_digit(text)),
                        text,
                    )));
                }
                _ => return None,
            };
            Some(Node::Text(TextNode::Apply(function, text)))
        }
        _ => None,
    }
}

fn lower_ascii(text: &str) -> CompactString {
    let mut text = CompactString::from(text);
    text.make_ascii_lowercase();
    text
}

/// What follows the last `@`, in lower case; `None` if either side of it is empty.
fn email_domain(address: &str) -> Option<CompactString> {
    let (name, domain) = address.trim().rsplit_once('@')?;
    let domain = domain.trim_end_matches('.');
    (!name.is_empty() && !domain.is_empty()).then(|| domain.to_lowercase().to_compact_string())
}

fn jaro_winkler(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(beginning(a), beginning(b))
}

/// 1 for equal texts, 0 if no character stays.
fn damerau_levenshtein(a: &str, b: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(beginning(a), beginning(b))
}

fn beginning(text: &str) -> &str {
    match text.char_indices().nth(MOST_COMPARED) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
