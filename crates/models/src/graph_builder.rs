//! Building a [`ModelGraph`]: prepare the graph for tract, let tract load it within bounds, correct its operators,
//! optimize it, and check how it treats the rows of a batch.

use tract_onnx::pb::{GraphProto, ModelProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{DimLike, Framework};

use crate::batch_check::{self, RowDependence};
use crate::graph::{graph, prepare};
use crate::guard::shortened;
use crate::input::Input;
use crate::model_graph::ModelGraph;
use crate::texts::Vocabulary;
use crate::{Limits, ModelError, bounded, corrections, half, operators, program, supported, texts, tree_fusion};

/// Builds the graph that computes `outputs`.
///
/// A number of rows that the file fixes (often 1, from exporters that trace one row) is replaced by a variable one if
/// the graph works with it. A graph whose rows depend on each other runs on one row at a time.
pub(crate) fn build(
    model: &ModelProto,
    inputs: &[Input],
    vocabulary: &Vocabulary,
    outputs: &[&str],
    limits: &Limits,
) -> Result<ModelGraph, ModelError> {
    let graph = prepared(model, vocabulary, outputs, limits)?;
    let model = with_graph(model, graph);
    let fixed_rows = inputs.iter().find_map(|input| input.fixed_rows);
    let build = |rows| {
        let graph = load(&model, inputs, rows, limits)?;
        let dependence = batch_check::check(&graph, inputs)?;
        Ok((graph, dependence))
    };
    match (build(None), fixed_rows) {
        (Ok((graph, RowDependence::Independent)), _) => Ok(graph),
        (Ok((_, RowDependence::Dependent)), _) => Ok(build(Some(1))?.0),
        (Err(ModelError::Invalid(_)), Some(rows)) => Ok(build(Some(rows))?.0),
        (Err(error), _) => Err(error),
    }
}

/// The graph that computes `outputs` in the form in which it is run: on codes instead of texts, on float instead of
/// float16, with one ensemble for a sum over trees.
pub(crate) fn prepared(
    model: &ModelProto,
    vocabulary: &Vocabulary,
    outputs: &[&str],
    limits: &Limits,
) -> Result<GraphProto, ModelError> {
    let graph = prepare(graph(model)?, outputs)?;
    supported::check(&graph, limits)?;
    let graph = half::widen(texts::encode(graph, vocabulary)?);
    match fuse_trees(model, &graph, limits) {
        Some(fused) => prepare(&fused, outputs),
        None => Ok(graph),
    }
}

fn with_graph(model: &ModelProto, graph: GraphProto) -> ModelProto {
    ModelProto {
        graph: Some(graph),
        opset_import: model.opset_import.clone(),
        ..ModelProto::default()
    }
}

/// `graph` with a sum over trees fused into one ensemble; `None` if there is no such sum, or it cannot be fused.
fn fuse_trees(model: &ModelProto, graph: &GraphProto, limits: &Limits) -> Option<GraphProto> {
    let fusion = tree_fusion::find(graph)?;
    let inputs: Vec<Input> = fusion
        .leaf_graph
        .input
        .iter()
        .map(|input| Input::single_column(&input.name))
        .collect();
    let mut leaf_graph = fusion.leaf_graph.clone();
    leaf_graph.input = inputs.iter().map(Input::declaration).collect();
    let leaf_graph = load(&with_graph(model, leaf_graph), &inputs, None, limits).ok()?;
    let longest = fusion.leaf_values.iter().map(Vec::len).max()?;
    let mut tensors = tvec!();
    for values in &fusion.leaf_values {
        let mut padded = values.clone();
        padded.resize(longest, *values.first()?);
        tensors.push(Tensor::from_shape(&[longest, 1], &padded).ok()?.into_tvalue());
    }
    let outputs = leaf_graph.runnable.run(tensors).ok()?;
    let mut results = Vec::new();
    for (output, values) in outputs.iter().zip(&fusion.leaf_values) {
        let computed = output.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?;
        (computed.len() == longest).then_some(())?;
        results.push(computed[..values.len()].to_vec());
    }
    tree_fusion::apply(graph, &fusion, &results)
}

/// Has tract load and optimize a prepared model.
fn load(
    model: &ModelProto,
    inputs: &[Input],
    fixed_rows: Option<usize>,
    limits: &Limits,
) -> Result<ModelGraph, ModelError> {
    let mut model = model.clone();
    let graph = model.graph.get_or_insert_default();
    for (info, input) in graph.input.iter_mut().zip(inputs) {
        input.set_shape(info, fixed_rows);
    }
    let invalid = |error: TractError| bounded::limit(&error).unwrap_or_else(|| ModelError::Invalid(shortened(&error)));
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
    Ok(ModelGraph {
        runnable,
        program,
        fixed_rows,
        output_columns,
    })
}

/// Refuses a graph with a tensor larger than the limit for one row, or whose tensors together exceed eight times the
/// limit.
fn check_sizes(model: &TypedModel, limits: &Limits) -> Result<(), ModelError> {
    const TOTAL_FACTOR: i64 = 8;
    let one_row = model
        .symbols
        .all_symbols()
        .into_iter()
        .fold(SymbolValues::default(), |values, symbol| values.with(&symbol, 1));
    let limit = limits.tensor_elements as i64;
    let mut total = 0i64;
    for node in &model.nodes {
        for output in &node.outputs {
            let elements = output.fact.shape.iter().try_fold(1i64, |product, dim| {
                product.checked_mul(dim.eval(&one_row).to_i64().ok()?)
            });
            let elements = elements.unwrap_or(0);
            if elements > limit {
                return Err(ModelError::Limit(format!(
                    "node {:?} makes a tensor of {:?}",
                    node.name, output.fact.shape
                )));
            }
            total = total.saturating_add(elements);
        }
    }
    if total > TOTAL_FACTOR * limit {
        return Err(ModelError::Limit(format!("{total} elements in the tensors of one row")));
    }
    Ok(())
}

/// For each output the number of columns in a row, if known.
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
