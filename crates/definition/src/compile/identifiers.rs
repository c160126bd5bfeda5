//! The names that an expression mentions, found without its types: they order the features and tell which fields
//! are used at all.

use std::collections::BTreeSet;

/// All identifiers of an expression, and of `a.b.c` also `a.b` and `a`. Texts in quotes are skipped. May hold names of
/// functions; never misses a variable.
pub fn identifiers(source: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let bytes = source.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'\'') => at = after_text(bytes, at, quote),
            first if first.is_ascii_alphabetic() || first == b'_' => {
                let end = end_of_name(bytes, at);
                let name = &source[at..end];
                found.insert(name);
                found.extend(name.match_indices('.').map(|(dot, _)| &name[..dot]));
                at = end;
            }
            first if first.is_ascii_digit() => {
                // `1e5` holds no name.
                while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'.') {
                    at += 1;
                }
            }
            _ => at += 1,
        }
    }
    found
}

fn end_of_name(bytes: &[u8], start: usize) -> usize {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut at = start;
    while at < bytes.len() {
        let dotted = bytes[at] == b'.'
            && bytes
                .get(at + 1)
                .is_some_and(|next| next.is_ascii_alphabetic() || *next == b'_');
        if !is_part(bytes[at]) && !dotted {
            break;
        }
        at += 1;
    }
    at
}

fn after_text(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_expressions() {
        for (source, expected) in [
            ("amount > 3.5 * mean_30d", "amount mean_30d"),
            ("event_time.getHours() <= 6", "event_time event_time.getHours"),
            (
                "merchant.country in risky && x == \"a b\"",
                "in merchant merchant.country risky x",
            ),
            (r#"'it\'s' + "no" == a"#, "a"),
            ("1e5 + b2", "b2"),
            ("", ""),
            ("'open", ""),
        ] {
            assert_eq!(
                identifiers(source).into_iter().collect::<Vec<_>>().join(" "),
                expected,
                "{source}"
            );
        }
    }
}
