//! The lists of a roll-out.

use crate::compile::{Names, RolloutScope, constants};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::{ListSection, RolloutFile};
use crate::text::Key;

/// Declares the lists of constants. They take the place of the pipeline file's that have the same names.
pub fn compile_lists(file: &RolloutFile, scope: &RolloutScope, names: &mut Names<'_>, diagnostics: &mut Diagnostics) {
    for (key, list) in &file.lists.0 {
        let refused = match list {
            Some(ListSection::Constants(_)) => refuse(key, scope, names, diagnostics),
            Some(ListSection::Entries(_)) => {
                diagnostics.add(refuse_entries(key));
                true
            }
            // It was reported.
            None => true,
        };
        if refused || !names.check_free(&key.name, &key.span, diagnostics) {
            names.declare_broken(&key.name);
            continue;
        }
        let Some(ListSection::Constants(list)) = list else {
            continue;
        };
        let declared =
            constants(list, diagnostics).map(|values| names.declare_list(&key.name, &values, key.span.clone()));
        match declared {
            Some(Ok(())) => continue,
            Some(Err(error)) => diagnostics.add(Diagnostic::new(error.to_string(), key.span.clone())),
            None => {}
        }
        names.declare_broken(&key.name);
    }
}

/// Whether a list of constants cannot have this name, which is reported.
fn refuse(key: &Key, scope: &RolloutScope, names: &Names<'_>, diagnostics: &mut Diagnostics) -> bool {
    let name = &key.name;
    let diagnostic = if let Some(user) = scope.bound_lists.get(name) {
        Diagnostic::new(format!("the list `{name}` cannot be rolled out"), key.span.clone())
            .label(format!("{user} of the pipeline file uses it"))
            .help("what is counted and sent on must not depend on a roll-out: give the new list another name, and use that in rules")
    } else if scope.lists.get(name) == Some(&false) {
        refuse_entries(key)
    } else if names.get(name).is_some() || scope.tables.contains_key(name) {
        Diagnostic::new(
            format!("`{name}` is a field, feature or table of the pipeline file"),
            key.span.clone(),
        )
        .help("give the list another name")
    } else {
        return false;
    };
    diagnostics.add(diagnostic);
    true
}

fn refuse_entries(key: &Key) -> Diagnostic {
    Diagnostic::new(format!("the list `{}` cannot be rolled out", key.name), key.span.clone())
        .label("a list with a topic")
        .help(
            "every copy follows the topics of lists from its start on: add the list to the pipeline file, and restart. Entries need no \
             roll-out: `riskstream lists add`",
        )
}
