//! From text to a tree. Events and places come from serde-saphyr's parser; no other file knows it.

use super::node::{Key, Node, NodeValue, ScalarText};
use crate::diagnostics::{Diagnostic, Diagnostics, Span};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span as ParserSpan};
use std::collections::HashMap;

/// The most values that a file may have, those that aliases repeat included. Bounds the memory.
const MOST_VALUES: usize = 1_000_000;
/// The deepest that collections may be nested. Bounds the recursion.
const DEEPEST: usize = 100;

/// The value of `${NAME}`; `None` if there is no such variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Parses `source` into a tree. `None` if it is not YAML. Duplicate keys and unknown variables are diagnostics; the tree
/// leaves them out.
pub fn parse(source: &str, environment: Environment<'_>, diagnostics: &mut Diagnostics) -> Option<Node> {
    let mut builder = Builder {
        parser: Parser::new_from_str(source),
        source,
        environment,
        diagnostics,
        anchors: HashMap::new(),
        values: 0,
    };
    match builder.document() {
        Ok(node) => Some(node),
        Err(diagnostic) => {
            diagnostics.add(diagnostic);
            None
        }
    }
}

struct Builder<'a, 'b> {
    parser: Parser<'a, serde_saphyr::granit_parser::StrInput<'a>>,
    source: &'a str,
    environment: Environment<'b>,
    diagnostics: &'b mut Diagnostics,
    anchors: HashMap<usize, Node>,
    values: usize,
}

impl<'a> Builder<'a, '_> {
    fn document(&mut self) -> Result<Node, Diagnostic> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, _) => {
                    return Ok(collection(NodeValue::Map(Vec::new()), 0..0));
                }
                (event, span) => {
                    let node = self.node(event, span, 0)?;
                    return self.end().map(|()| node);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Diagnostic> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(..), span) => {
                    return Err(
                        Diagnostic::new("the file must hold one YAML document", span).label("a second one begins here")
                    );
                }
                _ => {}
            }
        }
    }

    /// The next event that is not a comment.
    fn next(&mut self) -> Result<(Event<'a>, Span), Diagnostic> {
        loop {
            let Some(next) = self.parser.next() else {
                return Ok((Event::StreamEnd, self.source.len()..self.source.len()));
            };
            match next {
                Ok((event, span)) if event.is_node() || is_structure(&event) => {
                    return Ok((event, bytes(self.source, &span)));
                }
                Ok(_) => {}
                Err(error) => {
                    let at = error.marker().byte_offset().unwrap_or(0).min(self.source.len());
                    return Err(
                        Diagnostic::new(format!("this is not YAML: {}", first_line(&error)), at..at)
                            .label("here")
                            .help("usual causes are a tab, a missing quote, or a line with the wrong indentation"),
                    );
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        self.count(1, &span)?;
        if depth > DEEPEST {
            let message = format!("values are nested more than {DEEPEST} deep");
            return Err(Diagnostic::new(message, span));
        }
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let (value, written) = self.scalar(&text, style, &span);
                Ok(self.anchored(anchor, Node { value, span, written }))
            }
            Event::SequenceStart(_, anchor, _) => {
                let value = self.list(depth)?;
                Ok(self.anchored(anchor, collection(value, span)))
            }
            Event::MappingStart(_, anchor, _) => {
                let value = self.map(depth)?;
                Ok(self.anchored(anchor, collection(value, span)))
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(Diagnostic::new(
                        "an alias cannot be part of the value that it refers to",
                        span,
                    ));
                };
                let node = node.clone();
                self.count(count(&node), &span)?;
                Ok(node)
            }
            _ => Err(Diagnostic::new("a value is missing here", span)),
        }
    }

    /// Counts values, up to the most that a file may have.
    fn count(&mut self, more: usize, span: &Span) -> Result<(), Diagnostic> {
        self.values += more;
        if self.values <= MOST_VALUES {
            return Ok(());
        }
        let message = format!("the file has more than {MOST_VALUES} values");
        let help = "what an alias refers to counts each time; keep longer lists in another system";
        Err(Diagnostic::new(message, span.clone()).help(help))
    }

    fn anchored(&mut self, anchor: usize, node: Node) -> Node {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        node
    }

    fn list(&mut self, depth: usize) -> Result<NodeValue, Diagnostic> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(NodeValue::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<NodeValue, Diagnostic> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(NodeValue::Map(entries)),
                Event::Scalar(text, ..) => Key {
                    name: text.into_owned(),
                    span,
                },
                _ => return Err(Diagnostic::new("a key must be a name", span)),
            };
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            if let Some((first, _)) = entries.iter().find(|(other, _)| other.name == key.name) {
                self.diagnostics.add(
                    Diagnostic::new(format!("the key `{}` occurs twice", key.name), key.span)
                        .label("the second time")
                        .also(first.span.clone(), "the first time")
                        .help("remove one of them, or give it another name"),
                );
            } else {
                entries.push((key, node));
            }
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: &Span) -> (NodeValue, ScalarText) {
        let Some(replaced) = self.interpolate(text, span) else {
            return (NodeValue::Unknown, ScalarText::Nothing);
        };
        let has_variable = text.replace("$${", "").contains("${");
        let value = match (style, has_variable) {
            (ScalarStyle::Plain, false) => plain(replaced.clone()),
            (ScalarStyle::Plain, true) => value_of_variable(replaced.clone()),
            _ => NodeValue::Text(replaced.clone()),
        };
        let written = match (&value, has_variable) {
            _ if replaced.is_empty() && value == NodeValue::Null => ScalarText::Nothing,
            (_, false) => ScalarText::Literal(replaced),
            (_, true) => ScalarText::Substituted(replaced),
        };
        (value, written)
    }

    /// Replaces `${NAME}` and `${NAME:-default}`; `$${` is a literal `${`. `None`, with a diagnostic, if a variable is
    /// not set or a brace is missing.
    fn interpolate(&mut self, text: &str, span: &Span) -> Option<String> {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        let mut complete = true;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                result.push_str(&rest[..at]);
                result.push('{');
                rest = &rest[at + 2..];
                continue;
            }
            result.push_str(&rest[..at]);
            let Some(end) = rest[at..].find('}') else {
                self.diagnostics.add(
                    Diagnostic::new("`${` has no closing `}`", span.clone())
                        .help("write `${NAME}` for an environment variable, `$${` for the characters `${`"),
                );
                return None;
            };
            let inside = &rest[at + 2..at + end];
            rest = &rest[at + end + 1..];
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            match (self.environment)(name).or_else(|| default.map(str::to_owned)) {
                Some(value) => result.push_str(&value),
                None => {
                    complete = false;
                    self.diagnostics.add(
                        Diagnostic::new(format!("the environment variable {name} is not set"), span.clone())
                            .label("used here")
                            .help(format!("set it, or give a default: `${{{name}:-value}}`")),
                    );
                }
            }
        }
        result.push_str(rest);
        complete.then_some(result)
    }
}

fn is_structure(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::DocumentStart(..) | Event::StreamEnd | Event::SequenceEnd | Event::MappingEnd
    )
}

/// The value of a plain scalar by YAML 1.2's core schema.
fn plain(text: String) -> NodeValue {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => return NodeValue::Null,
        "true" | "True" | "TRUE" => return NodeValue::Bool(true),
        "false" | "False" | "FALSE" => return NodeValue::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return NodeValue::Float(f64::NAN),
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return NodeValue::Text(text);
    }
    let number_like = text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(value), _) => NodeValue::Int(value),
        (_, Ok(value)) if number_like => NodeValue::Float(value),
        _ => NodeValue::Text(text),
    }
}

/// The value of a scalar with variables, where the file says what is needed. `null` and `~` are texts; nothing is nothing.
fn value_of_variable(text: String) -> NodeValue {
    match plain(text.clone()) {
        NodeValue::Null if !text.is_empty() => NodeValue::Text(text),
        value => value,
    }
}

fn collection(value: NodeValue, span: Span) -> Node {
    Node {
        value,
        span,
        written: ScalarText::Nothing,
    }
}

fn bytes(source: &str, span: &ParserSpan) -> Span {
    let start = span.start.byte_offset().unwrap_or(0).min(source.len());
    let end = span.end.byte_offset().unwrap_or(start).clamp(start, source.len());
    // The parser's span of a plain or block scalar may include the line break after it.
    let end = start + source[start..end].trim_end().len();
    start..end
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        NodeValue::List(items) => items.iter().map(count).sum(),
        NodeValue::Map(entries) => entries.iter().map(|(_, node)| count(node)).sum(),
        _ => 0,
    }
}

fn first_line(error: &impl std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(source: &str) -> Node {
        let mut diagnostics = Diagnostics::default();
        let node = parse(
            source,
            &|name| (name == "SET").then(|| "7".to_owned()),
            &mut diagnostics,
        );
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        node.unwrap()
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        for (text, json) in [
            ("a: 1", r#"{"a":1}"#),
            ("a: -1.5e3", r#"{"a":-1500.0}"#),
            ("a: '1'", r#"{"a":"1"}"#),
            ("a: 1d", r#"{"a":"1d"}"#),
            ("a: 2026-01-01T00:00:00Z", r#"{"a":"2026-01-01T00:00:00Z"}"#),
            ("a: 127.0.0.1:9464", r#"{"a":"127.0.0.1:9464"}"#),
            ("a: yes", r#"{"a":"yes"}"#),
            ("a: true", r#"{"a":true}"#),
            ("a:", r#"{"a":null}"#),
            ("a: inf", r#"{"a":"inf"}"#),
            ("a: [x, {b: 2}]", r#"{"a":["x",{"b":2}]}"#),
            ("a: &x {b: 1}\nc: *x", r#"{"a":{"b":1},"c":{"b":1}}"#),
            ("a: ${SET}", r#"{"a":7}"#),
            ("a: '${SET}'", r#"{"a":"7"}"#),
            ("a: x${NOT:-y}z", r#"{"a":"xyz"}"#),
            ("a: $${SET}", r#"{"a":"${SET}"}"#),
            ("", "{}"),
        ] {
            assert_eq!(tree(text).to_json().to_string(), json, "{text}");
        }
    }

    #[test]
    fn small_files_cannot_become_large_trees() {
        let mut source = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            source += &format!("a{level}: &a{level} [{below}]\n");
        }
        let mut diagnostics = Diagnostics::default();
        assert!(parse(&source, &|_| None, &mut diagnostics).is_none());
        let mut diagnostics = Diagnostics::default();
        assert!(parse(&"[".repeat(5_000), &|_| None, &mut diagnostics).is_none());
    }

    #[test]
    fn a_long_list_fits_and_a_longer_one_is_refused_with_the_limit() {
        let list = |entries: usize| format!("a: [{}x]", "x, ".repeat(entries - 1));
        let mut diagnostics = Diagnostics::default();
        assert!(parse(&list(300_000), &|_| None, &mut diagnostics).is_some());
        assert!(parse(&list(1_000_001), &|_| None, &mut diagnostics).is_none());
        assert!(
            format!("{diagnostics:?}").contains("more than 1000000 values"),
            "{diagnostics:?}"
        );
    }
}
