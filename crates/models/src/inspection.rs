//! Looking into a file that may not be usable.

use std::path::Path;

use crate::description::{ModelDescription, describe};
use crate::guard::guarded;
use crate::model::{graph, read};
use crate::operators::tree_ensemble;
use crate::proto::decode;
use crate::supported::unsupported_operators;
use crate::{LoadOptions, Model, ModelError};

/// What a model file holds, whether or not it can be used.
#[derive(Debug)]
pub struct Inspection {
    /// What is in it.
    pub description: ModelDescription,
    /// The longest way from a tree's root to a leaf, in branches; `None` without trees that can be read.
    pub tree_depth: Option<usize>,
    /// Why it cannot be used: every operator that is not supported, or else what loading it says. Empty: it can.
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
    /// When the bytes are no ONNX model, exceed the limits, or hold tensors that contradict themselves.
    pub fn of_bytes(bytes: &[u8], options: &LoadOptions) -> Result<Inspection, ModelError> {
        guarded(ModelError::Invalid, || {
            let model = decode(bytes, &options.limits)?;
            let graph = graph(&model)?;
            let mut problems = unsupported_operators(graph);
            let mut description = describe(&model, graph, bytes, None);
            match Model::from_bytes(bytes, options) {
                // An operator that the score does not need is no problem.
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
