//! Inspecting a model file that may not be usable.

use std::path::Path;

use crate::description::{ModelDescription, describe};
use crate::graph::graph;
use crate::guard::catch_panic;
use crate::model::read;
use crate::operators::tree_ensemble;
use crate::proto::decode;
use crate::supported::unsupported_operators;
use crate::{LoadOptions, Model, ModelError};

/// The contents of a model file, usable or not, and why it cannot be used.
#[derive(Debug)]
pub struct Inspection {
    /// A summary of the file.
    pub description: ModelDescription,
    /// The largest depth of a tree, in branches from root to leaf; `None` if there is no tree that can be read.
    pub tree_depth: Option<usize>,
    /// Why the model cannot be used: every unsupported operator, or else the error of loading. Empty if it can be used.
    pub problems: Vec<ModelError>,
}

impl Inspection {
    /// Inspects a model file.
    ///
    /// # Errors
    /// When the file cannot be read or [`Inspection::of_bytes`] fails.
    pub fn of_file(path: &Path, options: &LoadOptions) -> Result<Inspection, ModelError> {
        Inspection::of_bytes(&read(path, &options.limits)?, options)
    }

    /// Inspects the bytes of an ONNX file.
    ///
    /// # Errors
    /// When the bytes are not an ONNX model, exceed the limits, or hold inconsistent tensors.
    pub fn of_bytes(bytes: &[u8], options: &LoadOptions) -> Result<Inspection, ModelError> {
        catch_panic(ModelError::Invalid, || {
            let model = decode(bytes, &options.limits)?;
            let graph = graph(&model)?;
            let mut problems = unsupported_operators(graph);
            let mut description = describe(&model, graph, bytes, None);
            match Model::from_bytes(bytes, options) {
                // Unsupported operators that the score does not depend on are pruned.
                Ok(model) => {
                    description = model.description().clone();
                    problems.clear();
                }
                Err(error) if problems.is_empty() => problems.push(error),
                Err(_) => {}
            }
            Ok(Inspection {
                description,
                tree_depth: graph.node.iter().filter_map(tree_ensemble::depth).max(),
                problems,
            })
        })
    }
}
