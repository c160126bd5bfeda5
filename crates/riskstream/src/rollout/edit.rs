//! Edits to the text of a roll-out. Everything else in the text stays as it was typed.

use riskstream_definition::syntax::RolloutFile;
use std::ops::Range;

/// The text with this revision. The text must not have a revision yet.
pub fn with_revision(text: &str, revision: u64) -> String {
    set(text, "revision", None, revision)
}

/// The text as revision `revision`, which restores the models of revision `restores`. `file` is what the text says.
pub fn restoring(text: &str, file: &RolloutFile, revision: u64, restores: u64) -> String {
    let given = file.revision.as_ref().map(|given| given.span.clone());
    let restored = file.restores.as_ref().map(|given| given.span.clone());
    // The later place in the text is edited first: an edit moves what follows it.
    match (&given, &restored) {
        (Some(given), Some(restored)) if restored.start > given.start => {
            let text = set(text, "restores", Some(restored.clone()), restores);
            set(&text, "revision", Some(given.clone()), revision)
        }
        _ => {
            let text = set(text, "revision", given, revision);
            set(&text, "restores", restored, restores)
        }
    }
}

/// Replaces the number at `span`, or adds the key at the beginning if there is none.
fn set(text: &str, key: &str, span: Option<Range<usize>>, number: u64) -> String {
    match span {
        Some(span) => format!("{}{number}{}", &text[..span.start], &text[span.end..]),
        None => match text.trim_start().strip_prefix('{') {
            Some(rest) => format!("{{{key}: {number}, {rest}"),
            None => format!("{key}: {number}\n{text}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use riskstream_definition::read_rollout;

    #[test]
    fn a_restoring_text_has_the_new_revision_and_the_restored_one() {
        for (text, expected) in [
            ("revision: 7\nshadows: []\n", "restores: 3\nrevision: 9\nshadows: []\n"),
            ("{revision: 7, shadows: []}", "{restores: 3, revision: 9, shadows: []}"),
            ("restores: 10\nrevision: 7\n", "restores: 3\nrevision: 9\n"),
            ("revision: 7\nrestores: 10 # why\n", "revision: 9\nrestores: 3 # why\n"),
        ] {
            let file = read_rollout("a roll-out", text).unwrap();
            assert_eq!(restoring(text, &file, 9, 3), expected);
        }
    }
}
