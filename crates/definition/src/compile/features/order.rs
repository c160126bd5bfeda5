//! The order in which features are compiled, and cycles among them.

use super::FeatureCompiler;
use crate::compile::identifiers::identifiers;
use crate::compile::topological::in_order;
use crate::diagnostics::Diagnostic;
use crate::syntax::Feature;
use crate::syntax::read::Map;
use crate::text::Key;
use std::collections::HashMap;

impl FeatureCompiler<'_, '_, '_> {
    /// The features in topological order: each after those that it mentions. Cycles are reported and left out.
    pub(super) fn in_order<'f>(&mut self, features: &'f Map<Feature>) -> Vec<(&'f Key, &'f Feature)> {
        let nodes: Vec<(&Key, &Feature)> = features.iter().filter(|(name, _)| self.is_free(name)).collect();
        let index: HashMap<&str, usize> = nodes
            .iter()
            .enumerate()
            .map(|(at, (name, _))| (name.name.as_str(), at))
            .collect();
        let needs: Vec<Vec<usize>> = nodes
            .iter()
            .enumerate()
            .map(|(at, (name, feature))| {
                // `logins: {count: logins}` names an input.
                let is_input = feature.inputs().any(|input| input == name.name);
                let mut needs: Vec<usize> = feature
                    .sources()
                    .flat_map(|source| identifiers(&source.value.0))
                    .flat_map(|name| std::iter::once(name).chain(self.keys_of_table(name)))
                    .filter_map(|name| index.get(name).copied())
                    .filter(|needed| !(is_input && *needed == at))
                    .collect();
                needs.sort_unstable();
                needs.dedup();
                needs
            })
            .collect();
        let order = in_order(&needs, &mut |circle| {
            self.report_circle(&circle.iter().map(|at| nodes[*at].0).collect::<Vec<_>>());
        });
        order
            .into_iter()
            .map(|at| nodes[at])
            .filter(|(name, _)| !self.names.is_broken(&name.name))
            .collect()
    }

    pub(super) fn report_circle(&mut self, circle: &[&Key]) {
        let Some((first, others)) = circle.split_first() else {
            return;
        };
        let mut chain: Vec<&str> = circle.iter().map(|key| key.name.as_str()).collect();
        chain.push(&first.name);
        let message = if others.is_empty() {
            format!("`{}` is defined by itself", first.name)
        } else {
            "these features are defined by each other in a circle".to_owned()
        };
        let mut diagnostic = Diagnostic::new(message, first.span.clone())
            .label(chain.join(" → "))
            .help("one of them must be defined without the others");
        for other in others {
            diagnostic = diagnostic.also(other.span.clone(), "part of the circle");
        }
        self.diagnostics.add(diagnostic);
        circle.iter().for_each(|key| self.names.declare_broken(&key.name));
    }
}
