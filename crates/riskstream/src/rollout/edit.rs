//! Edits to the text of a roll-out. Everything else in the text stays as it was typed.

use riskstream_definition::syntax::RolloutFile;
use riskstream_definition::with_key;
use serde_json::Value;
use std::ops::Range;

/// The text as revision `revision`, which restores revision `restores`. `file` is what the text says.
pub fn restoring(text: &str, file: &RolloutFile, revision: u64, restores: u64) -> String {
    let given = file.revision.as_ref().map(|given| given.span.clone());
    let restored = file.restores.as_ref().map(|given| given.span.clone());
    let (revision, restores) = (revision.into(), restores.into());
    // The later place in the text is edited first: an edit moves what follows it.
    match (&given, &restored) {
        (Some(given), Some(restored)) if restored.start > given.start => {
            let text = set(text, "restores", Some(restored.clone()), &restores);
            set(&text, "revision", Some(given.clone()), &revision)
        }
        _ => {
            let text = set(text, "revision", given, &revision);
            set(&text, "restores", restored, &restores)
        }
    }
}

/// The text with another author. `file` is what the text says.
pub fn by(text: &str, file: &RolloutFile, author: &str) -> String {
    let given = file.author.as_ref().map(|given| given.span.clone());
    set(text, "author", given, &author.into())
}

/// The text with another description. `file` is what the text says.
pub fn because(text: &str, file: &RolloutFile, description: &str) -> String {
    let given = file.description.as_ref().map(|given| given.span.clone());
    set(text, "description", given, &description.into())
}

/// Replaces the value at `span`, or adds the key if there is none.
fn set(text: &str, key: &str, span: Option<Range<usize>>, value: &Value) -> String {
    match span {
        Some(span) => format!("{}{value}{}", &text[..span.start], &text[span.end..]),
        None => with_key(text, key, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use riskstream_definition::read_rollout;

    #[test]
    fn a_restoring_text_has_the_new_revision_and_the_restored_one() {
        for (text, expected) in [
            ("revision: 7\nshadows: []\n", "revision: 9\nshadows: []\nrestores: 3\n"),
            ("{revision: 7, shadows: []}", "{restores: 3, revision: 9, shadows: []}"),
            ("restores: 10\nrevision: 7\n", "restores: 3\nrevision: 9\n"),
            ("revision: 7\nrestores: 10 # why\n", "revision: 9\nrestores: 3 # why\n"),
        ] {
            let file = read_rollout("a roll-out", text).unwrap();
            assert_eq!(restoring(text, &file, 9, 3), expected);
        }
    }

    #[test]
    fn the_author_is_added_or_replaced() {
        for (text, expected) in [
            ("revision: 7\n", "revision: 7\nauthor: \"ben\"\n"),
            (
                "revision: 7\nauthor: anna # she\n",
                "revision: 7\nauthor: \"ben\" # she\n",
            ),
        ] {
            let file = read_rollout("a roll-out", text).unwrap();
            assert_eq!(by(text, &file, "ben"), expected);
        }
    }
}
