//! Changes to the text of a roll-out that leave everything else in it as it was typed.

use riskstream_definition::rollout::RolloutFile;

/// The text with this revision, where it has none of its own.
pub fn with_revision(text: &str, revision: u64) -> String {
    set(text, "revision", None, revision)
}

/// The text as a new revision that restores an earlier one.
pub fn restoring(text: &str, file: &RolloutFile, revision: u64, restores: u64) -> String {
    // What stands later in the text is changed first, so that places before it stay right.
    let given = file.revision.as_ref().map(|given| given.span.clone());
    let restored = file.restores.as_ref().map(|given| given.span.clone());
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

fn set(text: &str, key: &str, span: Option<std::ops::Range<usize>>, number: u64) -> String {
    match span {
        Some(span) => format!("{}{number}{}", &text[..span.start], &text[span.end..]),
        None => match text.trim_start().strip_prefix('{') {
            Some(rest) => format!("{{{key}: {number}, {rest}"),
            None => format!("{key}: {number}\n{text}"),
        },
    }
}
