//! Checking of function calls.

use crate::check::Checker;
use crate::error::{ExpressionError, nearest};
use crate::foreign_syntax;
use crate::node::{BoolNode, FloatNode, IntNode, Node, TextNode};
use crate::number::{float_max, float_min};
use crate::operators::{Same, float, kind_names, unify};
use crate::reference::{FUNCTIONS, Function, Style};
use crate::texts::text_function;
use crate::time;
use cel::IdedExpr;
use cel::common::ast::CallExpr;
use jiff::tz::TimeZone;
use riskstream_events::zone::time_zone;
use std::ops::Range;

impl Checker<'_> {
    /// The result of a function. The value before the dot is its first argument.
    pub(crate) fn function(&mut self, call: &CallExpr, tree: &IdedExpr) -> Option<Node> {
        let open = self.positions.token(tree.id).start;
        let place = self.positions.name_before(open, &call.func_name);
        let function = self.find_function(call, place.clone());
        let target = call
            .target
            .as_deref()
            .filter(|_| function.is_some_and(|f| f.style != Style::Before));
        if let Some(function @ Function { name: "ip_in", .. }) = function
            && let [address, networks] = call.args.as_slice()
        {
            return self.ip_in(function, address, networks, tree);
        }
        let target = target.map(|target| self.check(target));
        let arguments = self.check_all(&call.args);
        let function = function?;
        if call.target.is_some() && function.style == Style::Before
            || call.target.is_none() && function.style == Style::After
        {
            let (is, is_not) = match function.style {
                Style::Before => ("function", "method"),
                _ => ("method", "function"),
            };
            let error = ExpressionError::new(format!("{} is a {is}, not a {is_not}", function.name), place);
            return self.fail(error.with_help(format!("write {}", function.usage)));
        }
        let mut nodes = Vec::new();
        if let Some(target) = target {
            nodes.push(target?);
        }
        nodes.extend(arguments?);
        let span = self.positions.span(tree);
        let (least, most) = function.arguments;
        if !(least..=most).contains(&nodes.len()) {
            let message = format!("{} does not take {}", function.name, arguments_given(call.args.len()));
            let error = ExpressionError::new(message, span);
            return self.fail(error.with_help(format!("write {}", function.usage)));
        }
        self.apply(function, nodes, span)
    }

    fn find_function(&mut self, call: &CallExpr, place: Range<usize>) -> Option<&'static Function> {
        let name = call.func_name.trim_start_matches('.');
        if let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) {
            return Some(function);
        }
        let error = ExpressionError::new(format!("unknown function {name}"), place);
        let help = foreign_syntax::function(name).map_or_else(|| known_functions(name), str::to_owned);
        self.fail(error.with_help(help))
    }

    /// Applies a function to as many arguments as it takes.
    fn apply(&mut self, function: &Function, nodes: Vec<Node>, span: Range<usize>) -> Option<Node> {
        self.check_function_of(function.name, &nodes, &span)?;
        let kinds = kind_names(&nodes);
        let applied = match (function.name, nodes.as_slice()) {
            ("timestamp", [Node::Text(TextNode::Constant(text))]) => {
                return match time::parse_timestamp(text) {
                    Some(micros) => Some(Node::Timestamp(IntNode::Constant(micros))),
                    None => self.bad_constant("a timestamp", "timestamp(\"2026-01-31T12:00:00Z\")", span),
                };
            }
            ("duration", [Node::Text(TextNode::Constant(text))]) => {
                return match time::parse_duration(text) {
                    Some(micros) => Some(Node::Duration(IntNode::Constant(micros))),
                    None => self.bad_constant("a duration", "duration(\"1h30m\")", span),
                };
            }
            (name, [Node::Timestamp(_), Node::Text(TextNode::Constant(zone))]) if name.starts_with("get") => {
                let Some(zone) = time_zone(zone) else {
                    return self.bad_constant("a time zone", "\"Europe/Paris\" or \"+02:00\"", span);
                };
                local_time_part(name, nodes, zone)
            }
            ("matches", [Node::Text(text), Node::Text(pattern)]) => {
                return self.matches(text.clone(), pattern, span);
            }
            ("haversine_km", [_, _, _, _]) => haversine_km(nodes),
            ("coalesce" | "min" | "max", [_, _, ..]) | ("coalesce", _) => {
                several(function.name, self.recover_constants(nodes))
            }
            _ => number_function(function.name, &nodes)
                .or_else(|| text_function(function.name, &nodes))
                .or_else(|| conversion(function.name, &nodes))
                .or_else(|| time_part(function.name, &nodes)),
        };
        match applied {
            Some(node) => Some(node),
            None => {
                let message = format!("{} does not take {}", function.name, kinds.join(" and "));
                self.fail(ExpressionError::new(message, span).with_help(format!("write {}", function.usage)))
            }
        }
    }

    fn bad_constant(&mut self, what: &str, example: &str, span: Range<usize>) -> Option<Node> {
        self.fail(ExpressionError::new(format!("this is not {what}"), span).with_help(format!("write {example}")))
    }
}

/// The function that was meant, or else all of them.
fn known_functions(name: &str) -> String {
    let names = || FUNCTIONS.iter().map(|function| function.name);
    match nearest(name, names()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the functions are {}", names().collect::<Vec<_>>().join(", ")),
    }
}

fn arguments_given(count: usize) -> String {
    match count {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        count => format!("{count} arguments"),
    }
}

/// Functions of several arguments of one type.
fn several(name: &str, nodes: Vec<Node>) -> Option<Node> {
    let int: fn(i64, i64) -> i64 = if name == "min" { Ord::min } else { Ord::max };
    let float: fn(f64, f64) -> f64 = if name == "min" { float_min } else { float_max };
    if name != "coalesce" && nodes.iter().any(|node| matches!(node, Node::Null)) {
        return None;
    }
    Some(match (name, unify(nodes)?) {
        ("coalesce", Same::Bool(parts)) => Node::Bool(BoolNode::Coalesce(parts.into())),
        ("coalesce", Same::Int(parts)) => Node::Int(IntNode::Coalesce(parts.into())),
        ("coalesce", Same::Float(parts)) => Node::Float(FloatNode::Coalesce(parts.into())),
        ("coalesce", Same::Text(parts)) => Node::Text(TextNode::Coalesce(parts.into())),
        ("coalesce", Same::Timestamp(parts)) => Node::Timestamp(IntNode::Coalesce(parts.into())),
        ("coalesce", Same::Duration(parts)) => Node::Duration(IntNode::Coalesce(parts.into())),
        (_, Same::Int(parts)) => Node::Int(IntNode::Extreme(int, parts.into())),
        (_, Same::Float(parts)) => Node::Float(FloatNode::Extreme(float, parts.into())),
        (_, Same::Timestamp(parts)) => Node::Timestamp(IntNode::Extreme(int, parts.into())),
        (_, Same::Duration(parts)) => Node::Duration(IntNode::Extreme(int, parts.into())),
        (_, Same::Bool(_) | Same::Text(_)) => return None,
    })
}

fn number_function(name: &str, nodes: &[Node]) -> Option<Node> {
    let of_int = |function: fn(i64) -> Option<i64>, part: &IntNode| IntNode::Apply(function, Box::new(part.clone()));
    match (name, nodes) {
        ("abs", [Node::Int(part)]) => return Some(Node::Int(of_int(i64::checked_abs, part))),
        ("abs", [Node::Duration(part)]) => {
            return Some(Node::Duration(of_int(i64::checked_abs, part)));
        }
        ("div", [Node::Int(dividend), Node::Int(divisor)]) => {
            let sides = Box::new((dividend.clone(), divisor.clone()));
            return Some(Node::Int(IntNode::Arithmetic(i64::checked_div, sides)));
        }
        ("sign", [Node::Int(part)]) => return Some(Node::Int(of_int(|x| Some(x.signum()), part))),
        ("min" | "max", [node @ (Node::Int(_) | Node::Float(_))]) => return Some(node.clone()),
        ("min" | "max" | "sum" | "mean", [Node::List(list)]) => {
            use riskstream_events::ValueType::{Float, Int};
            return matches!(list.element(), Int | Float)
                .then(|| Node::Float(FloatNode::OfList(list_summary(name), Box::new(list.clone()))));
        }
        ("pow", [x, y]) => {
            let sides = Box::new((float(x.clone())?, float(y.clone())?));
            return Some(Node::Float(FloatNode::Arithmetic(f64::powf, sides)));
        }
        _ => {}
    }
    let [node] = nodes else { return None };
    let test: Option<fn(f64) -> bool> = match name {
        "isNaN" => Some(f64::is_nan),
        "isFinite" => Some(f64::is_finite),
        _ => None,
    };
    if let Some(test) = test {
        return Some(Node::Bool(BoolNode::FloatTest(test, Box::new(float(node.clone())?))));
    }
    let function: fn(f64) -> f64 = match name {
        "abs" => f64::abs,
        "sign" => |x| {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                x
            }
        },
        "log" => f64::ln,
        "log1p" => f64::ln_1p,
        "log10" => f64::log10,
        "exp" => f64::exp,
        "sqrt" => f64::sqrt,
        "floor" => f64::floor,
        "ceil" => f64::ceil,
        "round" => f64::round,
        _ => return None,
    };
    Some(Node::Float(FloatNode::Apply(function, Box::new(float(node.clone())?))))
}

fn list_summary(name: &str) -> fn(&mut dyn Iterator<Item = f64>) -> Option<f64> {
    match name {
        "min" => |numbers| numbers.reduce(float_min),
        "max" => |numbers| numbers.reduce(float_max),
        "sum" => |numbers| Some(numbers.fold(0.0, |sum, x| sum + x)),
        _ => |numbers| {
            let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
            (count > 0.0).then_some(sum / count)
        },
    }
}

fn conversion(name: &str, nodes: &[Node]) -> Option<Node> {
    let [node] = nodes else { return None };
    Some(match (name, node.clone()) {
        ("bool", Node::Bool(part)) => Node::Bool(part),
        ("bool", Node::Text(part)) => Node::Bool(BoolNode::ParseText(parse_bool, Box::new(part))),
        ("int", Node::Int(part)) => Node::Int(part),
        ("int", Node::Float(part)) => Node::Int(IntNode::OfFloat(Box::new(part))),
        ("int", Node::Bool(part)) => Node::Int(IntNode::OfBool(Box::new(part))),
        ("int", Node::Text(part)) => Node::Int(IntNode::OfText(|text| text.parse().ok(), Box::new(part))),
        ("int", Node::Timestamp(part)) => Node::Int(IntNode::Apply(time::to_epoch, Box::new(part))),
        ("double", Node::Bool(part)) => Node::Float(FloatNode::OfInt(Box::new(IntNode::OfBool(Box::new(part))))),
        ("double", Node::Text(part)) => Node::Float(FloatNode::OfText(|text| text.parse().ok(), Box::new(part))),
        ("double", number @ (Node::Int(_) | Node::Float(_))) => Node::Float(float(number)?),
        ("string", Node::Text(part)) => Node::Text(part),
        ("string", Node::Bool(part)) => Node::Text(TextNode::OfBool(Box::new(part))),
        ("string", Node::Int(part)) => Node::Text(TextNode::OfInt(Box::new(part))),
        ("string", Node::Float(part)) => Node::Text(TextNode::OfFloat(Box::new(part))),
        ("string", Node::Timestamp(part)) => Node::Text(TextNode::OfTimestamp(Box::new(part))),
        ("timestamp", Node::Timestamp(part)) => Node::Timestamp(part),
        ("timestamp", Node::Int(part)) => Node::Timestamp(IntNode::Apply(time::from_epoch, Box::new(part))),
        ("timestamp", Node::Text(part)) => Node::Timestamp(IntNode::OfText(time::parse_timestamp, Box::new(part))),
        _ => return None,
    })
}

fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "t" | "1" => Some(true),
        "false" | "False" | "FALSE" | "f" | "0" => Some(false),
        _ => None,
    }
}

fn time_part(name: &str, nodes: &[Node]) -> Option<Node> {
    let (function, part): (fn(i64) -> Option<i64>, &IntNode) = match nodes {
        [Node::Timestamp(part)] => (timestamp_part(name)?, part),
        [Node::Duration(part)] => (duration_part(name)?, part),
        _ => return None,
    };
    Some(Node::Int(IntNode::Apply(function, Box::new(part.clone()))))
}

fn timestamp_part(name: &str) -> Option<fn(i64) -> Option<i64>> {
    Some(match name {
        "getFullYear" => time::full_year,
        "getMonth" => time::month,
        "getDate" => time::date,
        "getDayOfMonth" => time::day_of_month,
        "getDayOfWeek" => time::day_of_week,
        "getDayOfYear" => time::day_of_year,
        "getHours" => time::hours,
        "getMinutes" => time::minutes,
        "getSeconds" => time::seconds,
        "getMilliseconds" => time::milliseconds,
        _ => return None,
    })
}

fn duration_part(name: &str) -> Option<fn(i64) -> Option<i64>> {
    Some(match name {
        "getHours" => time::duration_hours,
        "getMinutes" => time::duration_minutes,
        "getSeconds" => time::duration_seconds,
        _ => return None,
    })
}

fn haversine_km(nodes: Vec<Node>) -> Option<Node> {
    let parts: Option<Vec<FloatNode>> = nodes.into_iter().map(float).collect();
    let parts = <[FloatNode; 4]>::try_from(parts?).ok()?;
    Some(Node::Float(FloatNode::Haversine(Box::new(parts))))
}

/// The part of a timestamp in the local time of a time zone.
fn local_time_part(name: &str, nodes: Vec<Node>, zone: TimeZone) -> Option<Node> {
    let Some(Node::Timestamp(part)) = nodes.into_iter().next() else {
        return None;
    };
    let local = IntNode::LocalTime(Box::new((part, zone)));
    Some(Node::Int(IntNode::Apply(timestamp_part(name)?, Box::new(local))))
}
