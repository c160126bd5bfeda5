//! The part of a graph in front of its score function.

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::{DatumType, TypedSimpleState};

use crate::guard::run_error;
use crate::model_graph::ModelGraph;
use crate::{Model, ModelError, graph_builder};

/// How the columns that the score function reads follow from a row.
#[derive(Debug)]
pub(super) enum Preprocessing {
    /// They are the columns of the row as a float input takes them.
    ToFloats,
    /// They are the columns of the row.
    Doubles,
    /// They are the columns of the row as integers, which trees and linear functions convert to floats.
    ToIntegers,
    /// A part of the graph computes them.
    Graph(Box<ModelGraph>),
}

impl Preprocessing {
    /// The preprocessing that computes the value `name`; `None` if it cannot be computed by itself.
    pub fn of(model: &Model, file: &ModelProto, name: &str) -> Option<Preprocessing> {
        let shared = &*model.shared;
        match shared.inputs.as_slice() {
            [only] if only.name == name => Some(match only.datum {
                DatumType::F32 => Preprocessing::ToFloats,
                DatumType::F64 => Preprocessing::Doubles,
                _ => Preprocessing::ToIntegers,
            }),
            inputs => graph_builder::build(file, inputs, &shared.vocabulary, &[name], &shared.limits)
                .ok()
                .map(|graph| Preprocessing::Graph(Box::new(graph))),
        }
    }

    /// Whether the columns are of type f64.
    pub fn gives_doubles(&self) -> bool {
        match self {
            Preprocessing::ToFloats | Preprocessing::ToIntegers => false,
            Preprocessing::Doubles => true,
            Preprocessing::Graph(graph) => {
                let fact = graph.runnable.model().output_fact(0);
                fact.is_ok_and(|fact| fact.datum_type == DatumType::F64)
            }
        }
    }

    /// Appends the columns of one row to `columns`.
    pub fn run(
        &self,
        model: &Model,
        state: &mut Option<TypedSimpleState>,
        row: &[f64],
        columns: &mut Vec<f64>,
    ) -> Result<(), ModelError> {
        match self {
            Preprocessing::ToFloats => columns.extend(row.iter().map(|&value| f64::from(value as f32))),
            Preprocessing::Doubles => columns.extend_from_slice(row),
            Preprocessing::ToIntegers => columns.extend(row.iter().map(|&value| f64::from(value as i64 as f32))),
            Preprocessing::Graph(graph) => {
                let tensors = graph.run(state, &model.shared.inputs, row.len(), row, 1)?;
                let tensor = tensors[0].cast_to::<f64>().map_err(run_error)?;
                let values = tensor.try_as_plain_ram().and_then(|plain| plain.as_slice::<f64>());
                columns.extend_from_slice(values.map_err(run_error)?);
            }
        }
        Ok(())
    }
}
