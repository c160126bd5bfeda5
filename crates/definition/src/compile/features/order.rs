//! The order in which features are compiled, and cycles among them.

use super::FeatureCompiler;
use crate::compile::identifiers::identifiers;
use crate::diagnostics::Diagnostic;
use crate::syntax::Feature;
use crate::syntax::read::Map;
use crate::text::Key;
use std::collections::HashMap;

impl FeatureCompiler<'_, '_> {
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
            .map(|(_, feature)| {
                let mut needs: Vec<usize> = feature
                    .sources()
                    .flat_map(|source| identifiers(&source.value.0))
                    .filter_map(|name| index.get(name).copied())
                    .collect();
                needs.sort_unstable();
                needs.dedup();
                needs
            })
            .collect();
        let mut order = Vec::new();
        let mut marks = vec![Mark::New; nodes.len()];
        for start in 0..nodes.len() {
            let mut path = Vec::new();
            if let Err(circle) = visit(start, &needs, &mut marks, &mut path, &mut order) {
                self.report_circle(&circle.iter().map(|at| nodes[*at].0).collect::<Vec<_>>());
            }
        }
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

/// Depth-first search. The error is a cycle.
fn visit(
    at: usize,
    needs: &[Vec<usize>],
    marks: &mut [Mark],
    path: &mut Vec<usize>,
    order: &mut Vec<usize>,
) -> Result<(), Vec<usize>> {
    match marks[at] {
        Mark::Done => return Ok(()),
        Mark::Open => {
            let start = path.iter().position(|other| *other == at).unwrap_or(0);
            let circle = path[start..].to_vec();
            path.iter().for_each(|open| marks[*open] = Mark::Done);
            return Err(circle);
        }
        Mark::New => {}
    }
    marks[at] = Mark::Open;
    path.push(at);
    for next in &needs[at] {
        visit(*next, needs, marks, path, order)?;
    }
    path.pop();
    marks[at] = Mark::Done;
    order.push(at);
    Ok(())
}
