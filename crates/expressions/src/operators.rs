//! Checking of operators.

use crate::check::Checker;
use crate::error::ExpressionError;
use crate::node::{BoolNode, Element, FloatNode, IntNode, Kind, Node, Test, TextNode};
use crate::revision::Revision;
use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, operators as op};
use riskstream_events::ValueType;
use std::cmp::Ordering::{Equal, Greater, Less};

/// Nodes brought to one type.
pub(crate) enum Same {
    Bool(Vec<BoolNode>),
    Int(Vec<IntNode>),
    Float(Vec<FloatNode>),
    Text(Vec<TextNode>),
    Timestamp(Vec<IntNode>),
    Duration(Vec<IntNode>),
}

/// Brings nodes to one type: integers among floats are widened, null takes any type. None when they
/// do not fit together, or when there is nothing but null.
pub(crate) fn unify(nodes: Vec<Node>) -> Option<Same> {
    let mut kinds = nodes.iter().map(Node::kind).filter(|kind| *kind != Kind::Null);
    let first = kinds.next()?;
    let kind = kinds.try_fold(first, |common, kind| match (common, kind) {
        _ if common == kind => Some(common),
        (Kind::Int, Kind::Float) | (Kind::Float, Kind::Int) => Some(Kind::Float),
        _ => None,
    })?;
    let nodes = nodes.into_iter();
    Some(match kind {
        Kind::Bool => Same::Bool(
            nodes
                .map(|n| if let Node::Bool(n) = n { n } else { BoolNode::Null })
                .collect(),
        ),
        Kind::Int => Same::Int(nodes.map(int_or_null).collect()),
        Kind::Float => Same::Float(nodes.map(|n| float(n).unwrap_or(FloatNode::Null)).collect()),
        Kind::Text => Same::Text(
            nodes
                .map(|n| if let Node::Text(n) = n { n } else { TextNode::Null })
                .collect(),
        ),
        Kind::Timestamp => Same::Timestamp(nodes.map(int_or_null).collect()),
        Kind::Duration => Same::Duration(nodes.map(int_or_null).collect()),
        Kind::List | Kind::Null => return None,
    })
}

fn int_or_null(node: Node) -> IntNode {
    match node {
        Node::Int(node) | Node::Timestamp(node) | Node::Duration(node) => node,
        _ => IntNode::Null,
    }
}

/// The names of the types of nodes, for messages.
pub(crate) fn kind_names(nodes: &[Node]) -> Vec<&'static str> {
    nodes.iter().map(|node| node.kind().name()).collect()
}

/// The two sides of an operator.
fn pair<T>(parts: Vec<T>) -> Option<Box<(T, T)>> {
    let [left, right] = <[T; 2]>::try_from(parts).ok()?;
    Some(Box::new((left, right)))
}

/// A number as a float.
pub(crate) fn float(node: Node) -> Option<FloatNode> {
    match node {
        Node::Float(node) => Some(node),
        Node::Int(IntNode::Constant(value)) => Some(FloatNode::Constant(value as f64)),
        Node::Int(node) => Some(FloatNode::OfInt(Box::new(node))),
        _ => None,
    }
}

/// The tests of the comparison operators, and the tests for exchanged sides. A NaN is unequal to
/// everything and neither less nor greater.
fn comparison(name: &str) -> Option<(&'static str, Test, Test)> {
    let (less, less_equal): (Test, Test) = (|o| o == Some(Less), |o| matches!(o, Some(Less | Equal)));
    let (greater, greater_equal): (Test, Test) = (|o| o == Some(Greater), |o| matches!(o, Some(Greater | Equal)));
    let (equal, unequal): (Test, Test) = (|o| o == Some(Equal), |o| o != Some(Equal));
    Some(match name {
        op::EQUALS => ("==", equal, equal),
        op::NOT_EQUALS => ("!=", unequal, unequal),
        op::LESS => ("<", less, greater),
        op::LESS_EQUALS => ("<=", less_equal, greater_equal),
        op::GREATER => (">", greater, less),
        op::GREATER_EQUALS => (">=", greater_equal, less_equal),
        _ => return None,
    })
}

type IntOperation = fn(i64, i64) -> Option<i64>;
type FloatOperation = fn(f64, f64) -> f64;

/// The arithmetic operators. Ints have no `/` of their own: their quotient is a float. Floats have no remainder.
fn arithmetic(name: &str) -> Option<(&'static str, Option<IntOperation>, Option<FloatOperation>)> {
    Some(match name {
        op::ADD => ("+", Some(i64::checked_add), Some(|a, b| a + b)),
        op::SUBSTRACT => ("-", Some(i64::checked_sub), Some(|a, b| a - b)),
        op::MULTIPLY => ("*", Some(i64::checked_mul), Some(|a, b| a * b)),
        op::DIVIDE => ("/", None, Some(|a, b| a / b)),
        op::MODULO => ("%", Some(i64::checked_rem), None),
        _ => return None,
    })
}

impl Checker<'_> {
    /// The result of an operator; none when the call is not of an operator.
    pub(crate) fn operator(&mut self, call: &CallExpr, tree: &IdedExpr) -> Option<Option<Node>> {
        let name = call.func_name.as_str();
        if let Some((symbol, test, exchanged)) = comparison(name) {
            let sides = self.sides(call);
            return Some(sides.and_then(|(a, b)| self.compare(symbol, test, exchanged, a, b, tree)));
        }
        if let Some((symbol, ints, floats)) = arithmetic(name) {
            let sides = self.sides(call);
            return Some(sides.and_then(|(a, b)| self.arithmetic(symbol, ints, floats, a, b, tree)));
        }
        match name {
            op::LOGICAL_AND | op::LOGICAL_OR => Some(self.logical(call)),
            op::LOGICAL_NOT => {
                let part = self.condition(&call.args[0], "!");
                Some(part.map(|part| Node::Bool(BoolNode::Not(Box::new(part)))))
            }
            op::NEGATE => Some(self.check(&call.args[0]).and_then(|node| self.negate(node, tree))),
            op::CONDITIONAL => Some(self.conditional(call, tree)),
            op::IN => Some(self.membership(call, tree)),
            op::INDEX if self.refuse_entry(call, tree) => Some(None),
            op::INDEX => Some(
                self.sides(call)
                    .and_then(|(list, index)| self.element(list, index, tree)),
            ),
            _ => None,
        }
    }

    /// Checks both sides of an operator, so that the errors of each are found.
    fn sides(&mut self, call: &CallExpr) -> Option<(Node, Node)> {
        pair(self.check_all(&call.args)?).map(|sides| *sides)
    }

    /// An error about the types of an operator's sides.
    pub(crate) fn mismatch<T>(&mut self, symbol: &str, kinds: &[&str], tree: &IdedExpr) -> Option<T> {
        let message = format!("{symbol} does not take {}", kinds.join(" and "));
        let error = ExpressionError::new(message, self.positions.span(tree));
        let texts_and_numbers = kinds.contains(&"text") && (kinds.contains(&"int") || kinds.contains(&"float"));
        self.fail(match symbol {
            "==" | "!=" | "<" | "<=" | ">" | ">=" if texts_and_numbers => {
                error.with_help("compare like with like: int(x), double(x) or string(x) convert")
            }
            "+" if texts_and_numbers => error.with_help("string(x) makes a text of a number"),
            "<" | "<=" | ">" | ">=" if kinds[0] == "bool" => match self.split_chain(symbol, tree) {
                Some(split) => error.with_help(format!("write {split}")),
                None => error,
            },
            "<" | "<=" | ">" | ">=" if kinds.contains(&"null") => error.with_help("write == null or != null"),
            "%" => error.with_help("% takes two ints: int(x) converts, div(a, b) divides ints"),
            _ => error,
        })
    }

    /// For `a < b < c`, which compares a bool with c: `a < b && b < c`.
    fn split_chain(&self, symbol: &str, tree: &IdedExpr) -> Option<String> {
        let Expr::Call(outer) = &tree.expr else { return None };
        let Expr::Call(inner) = &outer.args.first()?.expr else {
            return None;
        };
        comparison(&inner.func_name)?;
        let [first, middle, last] =
            [&outer.args[0], inner.args.get(1)?, outer.args.get(1)?].map(|part| self.positions.text(part));
        Some(format!("{first} && {middle} {symbol} {last}"))
    }

    fn compare(
        &mut self,
        symbol: &str,
        test: Test,
        exchanged: Test,
        a: Node,
        b: Node,
        tree: &IdedExpr,
    ) -> Option<Node> {
        self.check_comparison(symbol, &a, &b, &self.positions.span(tree))?;
        let kinds = [a.kind().name(), b.kind().name()];
        let (a, b) = *pair(self.recover_constants(vec![a, b]))?;
        let node = match (a, b) {
            (Node::Null, other) | (other, Node::Null) => {
                let absent = BoolNode::IsNull(Box::new(other));
                match symbol {
                    "==" => absent,
                    "!=" => BoolNode::Not(Box::new(absent)),
                    _ => return self.mismatch(symbol, &kinds, tree),
                }
            }
            (Node::Int(a), Node::Float(b)) => BoolNode::CompareIntFloat(test, Box::new((a, b))),
            (Node::Float(a), Node::Int(b)) => BoolNode::CompareIntFloat(exchanged, Box::new((b, a))),
            (a, b) => match unify(vec![a, b]).and_then(|same| compare_same(test, same)) {
                Some(node) => node,
                None => return self.mismatch(symbol, &kinds, tree),
            },
        };
        Some(Node::Bool(node))
    }

    fn arithmetic(
        &mut self,
        symbol: &str,
        ints: Option<IntOperation>,
        floats: Option<FloatOperation>,
        a: Node,
        b: Node,
        tree: &IdedExpr,
    ) -> Option<Node> {
        let kinds = [a.kind().name(), b.kind().name()];
        let of_ints = |a, b| Some(IntNode::Arithmetic(ints?, Box::new((a, b))));
        match (symbol, a, b) {
            ("/", Node::Int(a), Node::Int(b)) => {
                self.revision = Revision::FloatQuotients;
                Some(Node::Float(FloatNode::Quotient(Box::new((a, b)))))
            }
            (_, Node::Int(a), Node::Int(b)) => of_ints(a, b).map(Node::Int),
            ("+", Node::Text(a), Node::Text(b)) => Some(Node::Text(TextNode::Concatenate(Box::new((a, b))))),
            ("-", Node::Timestamp(a), Node::Timestamp(b)) | ("+" | "-", Node::Duration(a), Node::Duration(b)) => {
                of_ints(a, b).map(Node::Duration)
            }
            ("+" | "-", Node::Timestamp(a), Node::Duration(b)) | ("+", Node::Duration(a), Node::Timestamp(b)) => {
                of_ints(a, b).map(Node::Timestamp)
            }
            (_, a, b) => match (floats, float(a), float(b)) {
                (Some(operation), Some(a), Some(b)) => {
                    Some(Node::Float(FloatNode::Arithmetic(operation, Box::new((a, b)))))
                }
                _ => self.mismatch(symbol, &kinds, tree),
            },
        }
    }

    /// An element of a list in the row.
    fn element(&mut self, list: Node, index: Node, tree: &IdedExpr) -> Option<Node> {
        let kinds = [list.kind().name(), index.kind().name()];
        let (Node::List(list), Node::Int(index)) = (list, index) else {
            let message = format!(
                "[ ] takes an element of a list by its number, not of {} by {}",
                kinds[0], kinds[1]
            );
            let error = ExpressionError::new(message, self.positions.span(tree));
            return self.fail(match kinds {
                ["list", "float"] => error.with_help("int(x) converts, div(a, b) divides ints"),
                _ => error,
            });
        };
        let element_type = list.element();
        let element = Box::new(Element { list, index });
        Some(match element_type {
            ValueType::Bool => Node::Bool(BoolNode::Element(element)),
            ValueType::Int => Node::Int(IntNode::Element(element)),
            ValueType::Float => Node::Float(FloatNode::Element(element)),
            ValueType::Text => Node::Text(TextNode::Element(element)),
            ValueType::Timestamp => Node::Timestamp(IntNode::TimestampElement(element)),
            ValueType::List => {
                let error = ExpressionError::new("lists of lists are not supported", self.positions.span(tree));
                return self.fail(error);
            }
        })
    }

    /// A part that must be a bool.
    pub(crate) fn condition(&mut self, tree: &IdedExpr, symbol: &str) -> Option<BoolNode> {
        match self.check(tree)? {
            Node::Bool(node) => Some(node),
            Node::Null => Some(BoolNode::Null),
            other => {
                let message = format!("{symbol} takes bool, not {}", other.kind().name());
                let error = ExpressionError::new(message, self.positions.span(tree));
                self.fail(match other.kind() {
                    Kind::Int | Kind::Float => error.with_help("compare it with a number, as in x > 0"),
                    Kind::Text => error.with_help("compare it with a text, as in x == \"a\" or x in [\"a\", \"b\"]"),
                    _ => error,
                })
            }
        }
    }

    /// `&&` and `||`, with the terms of a chain in one flat node.
    fn logical(&mut self, call: &CallExpr) -> Option<Node> {
        let name = call.func_name.as_str();
        let symbol = if name == op::LOGICAL_AND { "&&" } else { "||" };
        let parts: Vec<Option<BoolNode>> = call.args.iter().map(|tree| self.condition(tree, symbol)).collect();
        let mut terms = Vec::new();
        for part in parts.into_iter().collect::<Option<Vec<BoolNode>>>()? {
            match part {
                BoolNode::And(inner) if name == op::LOGICAL_AND => terms.extend(inner),
                BoolNode::Or(inner) if name == op::LOGICAL_OR => terms.extend(inner),
                term => terms.push(term),
            }
        }
        Some(Node::Bool(if name == op::LOGICAL_AND {
            BoolNode::And(terms.into())
        } else {
            BoolNode::Or(terms.into())
        }))
    }

    fn negate(&mut self, node: Node, tree: &IdedExpr) -> Option<Node> {
        match node {
            Node::Int(part) => Some(Node::Int(IntNode::Apply(i64::checked_neg, Box::new(part)))),
            Node::Duration(part) => Some(Node::Duration(IntNode::Apply(i64::checked_neg, Box::new(part)))),
            Node::Float(part) => Some(Node::Float(FloatNode::Apply(|x| -x, Box::new(part)))),
            other => self.mismatch("-", &[other.kind().name()], tree),
        }
    }

    fn conditional(&mut self, call: &CallExpr, tree: &IdedExpr) -> Option<Node> {
        let condition = self.condition(&call.args[0], "?");
        let branches = self.check_all(&call.args[1..])?;
        let condition = condition?;
        fn with<T>(condition: BoolNode, branches: Vec<T>) -> Option<Box<(BoolNode, T, T)>> {
            let (then, otherwise) = *pair(branches)?;
            Some(Box::new((condition, then, otherwise)))
        }
        let kinds = kind_names(&branches);
        match unify(self.recover_constants(branches)) {
            Some(Same::Bool(parts)) => Some(Node::Bool(BoolNode::Conditional(with(condition, parts)?))),
            Some(Same::Int(parts)) => Some(Node::Int(IntNode::Conditional(with(condition, parts)?))),
            Some(Same::Float(parts)) => Some(Node::Float(FloatNode::Conditional(with(condition, parts)?))),
            Some(Same::Text(parts)) => Some(Node::Text(TextNode::Conditional(with(condition, parts)?))),
            Some(Same::Timestamp(parts)) => Some(Node::Timestamp(IntNode::Conditional(with(condition, parts)?))),
            Some(Same::Duration(parts)) => Some(Node::Duration(IntNode::Conditional(with(condition, parts)?))),
            None => {
                let message = format!("the branches of ? : must have one type, not {}", kinds.join(" and "));
                self.fail(ExpressionError::new(message, self.positions.span(tree)))
            }
        }
    }
}

fn compare_same(test: Test, same: Same) -> Option<BoolNode> {
    Some(match same {
        Same::Bool(sides) => BoolNode::CompareBool(test, pair(sides)?),
        Same::Int(sides) | Same::Timestamp(sides) | Same::Duration(sides) => BoolNode::CompareInt(test, pair(sides)?),
        Same::Float(sides) => BoolNode::CompareFloat(test, pair(sides)?),
        Same::Text(sides) => BoolNode::CompareText(test, pair(sides)?),
    })
}
