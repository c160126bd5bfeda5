//! Places within scalars: where an expression's diagnostic points.

use crate::diagnostics::Span;

/// The place in `source` of the bytes `inner` of the scalar `value`, which stands at `scalar`. Skips quotes, escapes and
/// line folding. Returns the place of the whole scalar if the value differs from the text because a variable was
/// replaced.
pub fn within(source: &str, scalar: &Span, value: &str, inner: &Span) -> Span {
    let raw = &source[scalar.clone()];
    let is_quoted = raw.starts_with(['"', '\'']);
    let places = match is_quoted
        .then(|| places(raw, 1, value))
        .flatten()
        .or_else(|| places(raw, 0, value))
    {
        Some(places) => places,
        None => return scalar.clone(),
    };
    let last = places.len() - 1;
    let start = places[inner.start.min(last)];
    let end = match inner.end.min(last) {
        0 => start,
        end => places[end - 1] + raw[places[end - 1]..].chars().next().map_or(0, char::len_utf8),
    };
    scalar.start + start..scalar.start + end.max(start)
}

/// The place of each byte of `value` in its scalar `raw`, and of its end.
fn places(raw: &str, start: usize, value: &str) -> Option<Vec<usize>> {
    let mut places = Vec::with_capacity(value.len() + 1);
    let mut at = start;
    for wanted in value.chars() {
        let found = loop {
            match raw[at..].chars().next() {
                Some(found) if found == wanted => break Some(found),
                Some(found) if found.is_whitespace() && wanted.is_whitespace() => {
                    break Some(found);
                }
                Some(found) if found.is_whitespace() || found == '\\' || found == '\'' => at += found.len_utf8(),
                // The parser cuts off a block scalar's last line break.
                None if wanted.is_whitespace() => break None,
                _ => return None,
            }
        };
        places.extend(std::iter::repeat_n(at, wanted.len_utf8()));
        at += found.map_or(0, char::len_utf8);
    }
    places.push(at);
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Diagnostics;
    use crate::text::node::NodeValue;
    use crate::text::yaml::parse;

    #[test]
    fn places_within_scalars() {
        for (source, inner, expected) in [
            ("a: x > bad", "bad", "bad"),
            ("a: \"x > bad\"", "bad", "bad"),
            ("a: 'it''s bad'", "bad", "bad"),
            ("a: \"q \\\"w\\\" bad\"", "bad", "bad"),
            ("a: >\n  x >\n  bad\n", "bad", "bad"),
            ("a: |\n  x >\n  bad\n", "bad", "bad"),
            ("a: |\n  \"x\" >\n  bad\n", "bad", "bad"),
            ("a: x >\n  bad", "bad", "bad"),
            ("a: ${SET}${SET}7", "777", "${SET}${SET}7"),
        ] {
            let mut diagnostics = Diagnostics::default();
            let node = parse(source, &|_| Some("7".to_owned()), &mut diagnostics).unwrap();
            let NodeValue::Map(entries) = node.value else { panic!() };
            let scalar = &entries[0].1;
            let value = match &scalar.value {
                NodeValue::Text(text) => text.clone(),
                NodeValue::Int(int) => int.to_string(),
                other => panic!("{other:?}"),
            };
            let at = value.find(inner).unwrap();
            let place = within(source, &scalar.span, &value, &(at..at + inner.len()));
            assert_eq!(&source[place], expected, "{source}");
        }
    }
}
