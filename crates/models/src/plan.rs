//! From a prepared graph to something that runs: tract's part.

use std::sync::Arc;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dimension;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{
    GraphProto, ModelProto, TensorShapeProto, TypeProto, ValueInfoProto, tensor_shape_proto, type_proto,
};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{DimLike, Framework};

use crate::graph::{fed_inputs, prepare};
use crate::guard::brief;
use crate::program::{self, Program};
use crate::texts::Texts;
use crate::trial::{self, Trial};
use crate::{Limits, ModelError, bounded, corrections, fusion, operators, supported, texts};

/// An input of the graph and the columns of a row that feed it.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub name: String,
    pub datum: DatumType,
    /// Sizes of all axes but the first, which counts rows.
    pub axes: Vec<usize>,
    /// Its columns hold codes of texts.
    pub is_text: bool,
    /// The first of its columns in a row.
    pub first_column: usize,
    pub columns: usize,
    /// The number of rows, when the file fixes it.
    fixed_rows: Option<usize>,
    /// The name the file gives the number of rows.
    rows_name: Option<String>,
}

/// A model ready to run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub runnable: Arc<TypedSimplePlan>,
    /// The same without tensors, where the graph allows it.
    pub program: Option<Box<Program>>,
    /// The model runs on exactly so many rows at a time.
    pub fixed_rows: Option<usize>,
    /// For each output the number of columns in a row, where known.
    pub output_columns: Vec<Option<usize>>,
}

/// Reads the graph's inputs: tensors of numbers or texts whose first axis counts rows.
pub(crate) fn inputs(graph: &GraphProto, limits: &Limits) -> Result<Vec<Input>, ModelError> {
    let mut inputs = Vec::new();
    let mut first_column = 0usize;
    for info in fed_inputs(graph) {
        let input = input(info, first_column)?;
        first_column = first_column.saturating_add(input.columns);
        if first_column > limits.input_columns {
            return Err(ModelError::Limit(format!(
                "more than {} input columns",
                limits.input_columns
            )));
        }
        inputs.push(input);
    }
    if inputs.is_empty() {
        return Err(ModelError::Invalid("the graph has no inputs".to_owned()));
    }
    Ok(inputs)
}

fn input(info: &ValueInfoProto, first_column: usize) -> Result<Input, ModelError> {
    let refuse = |reason: &str| {
        Err(ModelError::Input {
            input: info.name.clone(),
            reason: reason.to_owned(),
        })
    };
    let Some(TypeValue::TensorType(tensor)) = info.r#type.as_ref().and_then(|kind| kind.value.as_ref()) else {
        return refuse("it is no tensor");
    };
    let datum = match DataType::try_from(tensor.elem_type).unwrap_or(DataType::Undefined) {
        DataType::Float => f32::datum_type(),
        DataType::Double => f64::datum_type(),
        // The graph gets codes instead of texts.
        DataType::Int64 | DataType::String => i64::datum_type(),
        DataType::Int32 => i32::datum_type(),
        DataType::Bool => bool::datum_type(),
        other => {
            return refuse(&format!("elements of type {} are not supported", other.as_str_name()));
        }
    };
    let Some(shape) = &tensor.shape else {
        return refuse("it has no shape: export it as [None, columns]");
    };
    let Some((rows, axes)) = shape.dim.split_first() else {
        return refuse("it is a single number, not rows");
    };
    let mut sizes = Vec::new();
    for axis in axes {
        match axis.value {
            Some(Dimension::DimValue(size)) if size > 0 => sizes.push(usize::try_from(size).unwrap_or(usize::MAX)),
            _ => return refuse("its number of columns is not fixed: export it as [None, columns]"),
        }
    }
    let columns = sizes
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size))
        .unwrap_or(usize::MAX);
    let (fixed_rows, rows_name) = match &rows.value {
        Some(Dimension::DimValue(rows)) if *rows > 0 => (usize::try_from(*rows).ok(), None),
        Some(Dimension::DimParam(name)) => (None, Some(name.clone())),
        _ => (None, None),
    };
    Ok(Input {
        name: info.name.clone(),
        datum,
        axes: sizes,
        is_text: texts::is_text(info),
        first_column,
        columns,
        fixed_rows,
        rows_name,
    })
}

impl Input {
    /// A single column of floats.
    fn column(name: &str) -> Self {
        let datum = f32::datum_type();
        Input {
            name: name.to_owned(),
            datum,
            axes: vec![1],
            is_text: false,
            first_column: 0,
            columns: 1,
            fixed_rows: None,
            rows_name: None,
        }
    }

    /// The declaration of an input of floats.
    fn declaration(&self) -> ValueInfoProto {
        let shape = TensorShapeProto { dim: Vec::new() };
        let tensor = type_proto::Tensor {
            elem_type: DataType::Float as i32,
            shape: Some(shape),
        };
        let kind = TypeProto {
            value: Some(TypeValue::TensorType(tensor)),
            ..TypeProto::default()
        };
        ValueInfoProto {
            name: self.name.clone(),
            r#type: Some(kind),
            ..ValueInfoProto::default()
        }
    }
}

impl Plan {
    /// Builds the plan that computes `outputs`.
    ///
    /// A number of rows fixed in the file (often 1, from exporters that trace one row) is replaced by a variable one
    /// where the graph allows it.
    pub fn new(
        model: &ModelProto,
        inputs: &[Input],
        texts: &Texts,
        outputs: &[&str],
        limits: &Limits,
    ) -> Result<Plan, ModelError> {
        let graph = model
            .graph
            .as_ref()
            .ok_or_else(|| ModelError::Invalid("the file holds no graph".to_owned()))?;
        let graph = prepare(graph, outputs)?;
        supported::check(&graph, limits)?;
        let graph = texts::encode(graph, texts)?;
        let graph = match fuse(model, &graph, limits) {
            Some(fused) => prepare(&fused, outputs)?,
            None => graph,
        };
        let model = with_graph(model, graph);
        let fixed_rows = inputs.iter().find_map(|input| input.fixed_rows);
        let build = |rows| {
            let plan = build(&model, inputs, rows, limits)?;
            let trial = trial::run(&plan, inputs)?;
            Ok((plan, trial))
        };
        match (build(None), fixed_rows) {
            (Ok((plan, Trial::RowsApart)), _) => Ok(plan),
            (Ok((_, Trial::RowsTogether)), _) => Ok(build(Some(1))?.0),
            (Err(ModelError::Invalid(_)), Some(rows)) => Ok(build(Some(rows))?.0),
            (Err(error), _) => Err(error),
        }
    }
}

fn with_graph(model: &ModelProto, graph: GraphProto) -> ModelProto {
    ModelProto {
        graph: Some(graph),
        opset_import: model.opset_import.clone(),
        ..ModelProto::default()
    }
}

/// The graph with a sum over trees made one ensemble, where there is one and it can be.
pub(crate) fn fuse(model: &ModelProto, graph: &GraphProto, limits: &Limits) -> Option<GraphProto> {
    let fusion = fusion::find(graph)?;
    let inputs: Vec<Input> = fusion
        .leaf_graph
        .input
        .iter()
        .map(|input| Input::column(&input.name))
        .collect();
    let mut leaf_graph = fusion.leaf_graph.clone();
    leaf_graph.input = inputs.iter().map(Input::declaration).collect();
    let plan = build(&with_graph(model, leaf_graph), &inputs, None, limits).ok()?;
    let longest = fusion.leaf_values.iter().map(Vec::len).max()?;
    let mut tensors = tvec!();
    for values in &fusion.leaf_values {
        let mut padded = values.clone();
        padded.resize(longest, *values.first()?);
        tensors.push(Tensor::from_shape(&[longest, 1], &padded).ok()?.into_tvalue());
    }
    let outputs = plan.runnable.run(tensors).ok()?;
    let mut results = Vec::new();
    for (output, values) in outputs.iter().zip(&fusion.leaf_values) {
        let computed = output.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?;
        (computed.len() == longest).then_some(())?;
        results.push(computed[..values.len()].to_vec());
    }
    fusion::apply(graph, &fusion, &results)
}

fn build(model: &ModelProto, inputs: &[Input], fixed_rows: Option<usize>, limits: &Limits) -> Result<Plan, ModelError> {
    let mut model = model.clone();
    let graph = model.graph.get_or_insert_default();
    for (info, input) in graph.input.iter_mut().zip(inputs) {
        set_shape(info, input, fixed_rows);
    }
    let invalid = |error: TractError| bounded::limit(&error).unwrap_or_else(|| ModelError::Invalid(brief(&error)));
    let mut inferred = operators::front_end().model_for_proto_model(&model).map_err(invalid)?;
    bounded::bound(&mut inferred, model.graph.get_or_insert_default(), limits);
    let mut typed = inferred.into_typed().map_err(invalid)?;
    check_sizes(&typed, limits)?;
    corrections::apply(&mut typed).map_err(invalid)?;
    let typed = typed.into_decluttered().map_err(invalid)?;
    check_sizes(&typed, limits)?;
    let program = program::compile(&typed, inputs).map(Box::new);
    let optimized = typed.into_optimized().map_err(invalid)?;
    let output_columns = output_columns(&optimized).map_err(invalid)?;
    let runnable = TypedSimplePlan::new(optimized).map_err(invalid)?;
    Ok(Plan {
        runnable,
        program,
        fixed_rows,
        output_columns,
    })
}

/// Gives the input's first axis a symbol: the file's own, for the rest of the graph may speak of it, or "rows".
fn set_shape(info: &mut ValueInfoProto, input: &Input, fixed_rows: Option<usize>) {
    let is_plain = |name: &&String| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    let rows = match fixed_rows {
        Some(rows) => Dimension::DimValue(rows as i64),
        None => Dimension::DimParam(
            input
                .rows_name
                .as_ref()
                .filter(is_plain)
                .map_or("rows", String::as_str)
                .to_owned(),
        ),
    };
    let sizes = input.axes.iter().map(|&size| Dimension::DimValue(size as i64));
    let dimension = |value| tensor_shape_proto::Dimension {
        value: Some(value),
        ..Default::default()
    };
    if let Some(TypeValue::TensorType(tensor)) = info.r#type.as_mut().and_then(|kind| kind.value.as_mut())
        && let Some(shape) = tensor.shape.as_mut()
    {
        shape.dim = std::iter::once(rows).chain(sizes).map(dimension).collect();
    }
}

/// No tensor of one row may exceed the limit, nor all of them together by far.
fn check_sizes(model: &TypedModel, limits: &Limits) -> Result<(), ModelError> {
    const TOGETHER: i64 = 8;
    let one_row = model
        .symbols
        .all_symbols()
        .into_iter()
        .fold(SymbolValues::default(), |values, symbol| values.with(&symbol, 1));
    let most = limits.tensor_elements as i64;
    let mut total = 0i64;
    for node in &model.nodes {
        for output in &node.outputs {
            let elements = output.fact.shape.iter().try_fold(1i64, |product, dim| {
                product.checked_mul(dim.eval(&one_row).to_i64().ok()?)
            });
            let elements = elements.unwrap_or(0);
            if elements > most {
                return Err(ModelError::Limit(format!(
                    "node {:?} makes a tensor of {:?}",
                    node.name, output.fact.shape
                )));
            }
            total = total.saturating_add(elements);
        }
    }
    if total > TOGETHER * most {
        return Err(ModelError::Limit(format!("{total} elements in the tensors of one row")));
    }
    Ok(())
}

fn output_columns(model: &TypedModel) -> TractResult<Vec<Option<usize>>> {
    let columns = |fact: &TypedFact| {
        fact.shape
            .iter()
            .skip(1)
            .try_fold(1usize, |product, dim| product.checked_mul(dim.to_usize().ok()?))
    };
    (0..model.outputs.len())
        .map(|output| Ok(columns(model.output_fact(output)?)))
        .collect()
}
