//! What a pipeline file may say and a roll-out may not.

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::text::{Node, NodeValue};

/// Sections of the pipeline file, why they cannot be rolled out, and what to do instead.
const REFUSED: [(&[&str], &str, &str); 5] = [
    (
        &["inputs", "entities", "max_future"],
        "it decides what is read and counted, and state depends on that",
        "change it in the pipeline file, and restart",
    ),
    (
        &["outcomes"],
        "it is part of the schema of decisions",
        "change it in the pipeline file, and restart",
    ),
    (
        &["outputs", "headers"],
        "it says where decisions go, not what they are",
        "change it in the pipeline file, and restart",
    ),
    (
        &[
            "name",
            "delivery",
            "kafka",
            "registry",
            "state",
            "http",
            "personal_data",
            "rollout",
        ],
        "it says how the service runs, not what it decides",
        "change it in the pipeline file, and restart",
    ),
    (
        &["model"],
        "models have roles in a roll-out",
        "write `champion: {file: …}`",
    ),
];

/// Reports the sections of the text that cannot be rolled out, and takes them out.
pub fn refuse(tree: &mut Node, diagnostics: &mut Diagnostics) {
    let NodeValue::Map(entries) = &mut tree.value else {
        return;
    };
    entries.retain(|(key, _)| {
        let Some((_, why, help)) = REFUSED.iter().find(|(keys, ..)| keys.contains(&key.name.as_str())) else {
            return true;
        };
        diagnostics.add(
            Diagnostic::new(format!("`{}` cannot be rolled out", key.name), key.span.clone())
                .label(*why)
                .help(*help),
        );
        false
    });
}
