//! Loading a model.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use tract_onnx::pb::GraphProto;

use crate::description::{ModelDescription, describe, elements};
use crate::graph::graph;
use crate::guard::catch_panic;
use crate::input::{Input, inputs};
use crate::model_graph::ModelGraph;
use crate::proto::decode;
use crate::texts::Vocabulary;
use crate::{Cell, ColumnKind, Limits, ModelError, ScoreOutput, graph_builder};

/// How to load a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// The output that is the score. `None`: the only float output; its second column, or its first if it has only one.
    pub score: Option<ScoreOutput>,
    /// Upper bounds on the size of the model.
    pub limits: Limits,
}

/// A loaded model: immutable, shared by all threads.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) shared: Arc<SharedModel>,
}

#[derive(Debug)]
pub(crate) struct SharedModel {
    /// The file: verification and attribution decode it again.
    pub bytes: Vec<u8>,
    pub limits: Limits,
    pub description: ModelDescription,
    pub inputs: Vec<Input>,
    pub width: usize,
    pub vocabulary: Vocabulary,
    /// The kind of each column of a row.
    columns: Vec<ColumnKind>,
    /// The columns of integers and booleans, which have no NaN for a missing value.
    pub integer_columns: Vec<usize>,
    /// Computes the output that holds the score.
    pub scoring: ModelGraph,
    pub score_column: usize,
    pub score_columns: usize,
    all_outputs: OnceLock<ModelGraph>,
}

impl Model {
    /// Loads a model file.
    ///
    /// # Errors
    /// When the file cannot be read or [`Model::from_bytes`] fails.
    pub fn load(path: &Path, options: &LoadOptions) -> Result<Model, ModelError> {
        Model::from_bytes(&read(path, &options.limits)?, options)
    }

    /// Loads a model from the bytes of an ONNX file.
    ///
    /// # Errors
    /// When the bytes are not a valid model, exceed the limits, use unsupported operators, or do not determine which
    /// number is the score.
    pub fn from_bytes(bytes: &[u8], options: &LoadOptions) -> Result<Model, ModelError> {
        catch_panic(ModelError::Invalid, || load(bytes, options))
    }

    /// The number of columns of a row, over all inputs in the file's order.
    pub fn input_width(&self) -> usize {
        self.shared.width
    }

    /// The kind of each column of a row, over all inputs in the file's order.
    pub fn columns(&self) -> &[ColumnKind] {
        &self.shared.columns
    }

    /// The model's inputs: their names, and the sizes of all axes but the first, which counts rows. The columns of a
    /// row are the elements of the inputs in this order, row-major.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &[usize])> {
        let inputs = self.shared.inputs.iter();
        inputs.map(|input| (input.name.as_str(), input.axes.as_slice()))
    }

    /// The code of `text` in a column of texts. All texts that the model does not know have the code 0.
    pub fn text_code(&self, text: &str) -> f64 {
        f64::from(self.shared.vocabulary.code(text))
    }

    /// Appends rows to `rows` in the form that a [`Scorer`](crate::Scorer) takes: texts as codes, a missing number as
    /// NaN, a missing text as the empty text. `cells` holds [`Model::input_width`] cells for each row.
    ///
    /// # Errors
    /// When the number of cells is not a multiple of [`Model::input_width`], or a column of texts holds a number, or a
    /// column of numbers a text.
    pub fn encode(&self, cells: &[Cell<'_>], rows: &mut Vec<f64>) -> Result<(), ModelError> {
        let columns = self.columns();
        if !cells.len().is_multiple_of(columns.len()) {
            return Err(ModelError::Rows {
                expected: columns.len(),
                given: cells.len(),
            });
        }
        for (position, (cell, &kind)) in cells.iter().zip(columns.iter().cycle()).enumerate() {
            rows.push(match (kind, cell) {
                (ColumnKind::Number, Cell::Number(number)) => *number,
                (ColumnKind::Number, Cell::Missing) => f64::NAN,
                (ColumnKind::Text, Cell::Text(text)) => self.text_code(text),
                (ColumnKind::Text, Cell::Missing) => self.text_code(""),
                (ColumnKind::Number, Cell::Text(_)) | (ColumnKind::Text, Cell::Number(_)) => {
                    return Err(ModelError::Cell {
                        column: position % columns.len(),
                        expected: kind,
                    });
                }
            });
        }
        Ok(())
    }

    /// The SHA-256 of the file's bytes, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.shared.description.sha256
    }

    /// Inputs, outputs, operators, trees, and which output is the score.
    pub fn description(&self) -> &ModelDescription {
        &self.shared.description
    }
}

impl SharedModel {
    /// The graph that computes all outputs, built at the first call.
    pub fn all_outputs(&self) -> Result<&ModelGraph, ModelError> {
        if let Some(graph) = self.all_outputs.get() {
            return Ok(graph);
        }
        let graph = catch_panic(ModelError::Invalid, || {
            let model = decode(&self.bytes, &self.limits)?;
            let outputs: Vec<&str> = self
                .description
                .outputs
                .iter()
                .map(|output| output.name.as_str())
                .collect();
            graph_builder::build(&model, &self.inputs, &self.vocabulary, &outputs, &self.limits)
        })?;
        Ok(self.all_outputs.get_or_init(|| graph))
    }
}

/// The bytes of a model file. Checks its size before reading it.
pub(crate) fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, ModelError> {
    let read_error = |source| ModelError::Read {
        path: path.to_owned(),
        source,
    };
    let size = std::fs::metadata(path).map_err(read_error)?.len();
    if size > limits.file_bytes {
        return Err(ModelError::Limit(format!(
            "{size} bytes, {} are allowed",
            limits.file_bytes
        )));
    }
    std::fs::read(path).map_err(read_error)
}

fn load(bytes: &[u8], options: &LoadOptions) -> Result<Model, ModelError> {
    let limits = &options.limits;
    let model = decode(bytes, limits)?;
    let graph = graph(&model)?;
    let inputs = inputs(graph, limits)?;
    let output = score_output(graph, options.score.as_ref())?;
    let vocabulary = Vocabulary::new(graph)?;
    let scoring = graph_builder::build(&model, &inputs, &vocabulary, &[output], limits)?;
    let asked = options.score.as_ref().and_then(|score| score.column);
    let (score_column, score_columns) = score_column(output, scoring.output_columns[0], asked)?;
    let score = ScoreOutput {
        output: output.to_owned(),
        column: Some(score_column),
    };
    let shared = SharedModel {
        description: describe(&model, graph, bytes, Some(&score)),
        width: inputs.iter().map(|input| input.columns).sum(),
        columns: columns(&inputs),
        integer_columns: integer_columns(&inputs),
        vocabulary,
        bytes: bytes.to_vec(),
        limits: limits.clone(),
        inputs,
        scoring,
        score_column,
        score_columns,
        all_outputs: OnceLock::new(),
    };
    Ok(Model {
        shared: Arc::new(shared),
    })
}

fn columns(inputs: &[Input]) -> Vec<ColumnKind> {
    let kinds = |input: &Input| {
        let kind = if input.is_text {
            ColumnKind::Text
        } else {
            ColumnKind::Number
        };
        std::iter::repeat_n(kind, input.columns)
    };
    inputs.iter().flat_map(kinds).collect()
}

fn integer_columns(inputs: &[Input]) -> Vec<usize> {
    let integers = inputs.iter().filter(|input| !input.datum.is_float() && !input.is_text);
    integers
        .flat_map(|input| input.first_column..input.first_column + input.columns)
        .collect()
}

/// The name of the output that holds the score: the one asked for, or the only one of floats.
fn score_output<'a>(graph: &'a GraphProto, asked: Option<&ScoreOutput>) -> Result<&'a str, ModelError> {
    let names = || {
        graph
            .output
            .iter()
            .map(|output| output.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(asked) = asked {
        let found = graph.output.iter().find(|output| output.name == asked.output);
        let missing = || {
            ModelError::Score(format!(
                "the model has no output {:?}; its outputs are: {}",
                asked.output,
                names()
            ))
        };
        return Ok(&found.ok_or_else(missing)?.name);
    }
    let is_float = |kind: &str| matches!(kind, "float" | "double" | "float16" | "map");
    let mut floats = graph.output.iter().filter(|output| is_float(&elements(output)));
    match (floats.next(), floats.next()) {
        (Some(only), None) => Ok(&only.name),
        (None, _) => Err(ModelError::Score(format!(
            "no output is of type float, double or float16, as a score must be; the outputs are: {}",
            names()
        ))),
        _ => Err(ModelError::Score(format!(
            "which output is the score? Name one of: {}",
            names()
        ))),
    }
}

/// The score's column, and the number of columns of its output.
fn score_column(output: &str, columns: Option<usize>, asked: Option<usize>) -> Result<(usize, usize), ModelError> {
    let columns =
        columns.ok_or_else(|| ModelError::Score(format!("output {output:?} has no fixed number of columns")))?;
    match (asked, columns) {
        (Some(column), _) if column < columns => Ok((column, columns)),
        (Some(column), _) => Err(ModelError::Score(format!(
            "output {output:?} has {columns} columns, there is no {output}[{column}]"
        ))),
        (None, 1) => Ok((0, 1)),
        (None, 2) => Ok((1, 2)),
        (None, _) => Err(ModelError::Score(format!(
            "which column of {output:?} is the score? It has {columns}: write {output}[0] to {output}[{}]",
            columns.saturating_sub(1)
        ))),
    }
}
