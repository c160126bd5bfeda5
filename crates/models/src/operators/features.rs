//! FeatureVectorizer and ArrayFeatureExtractor (ai.onnx.ml 1): concatenation and selection of columns.

use tract_onnx::model::OnnxOpRegister;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::Attributes;
use super::kernel::{Kernel, TensorType, operator, rows_of_f32, tensor};

pub(crate) fn register(operators: &mut OnnxOpRegister) {
    operators.insert("FeatureVectorizer", |_, node| Ok(operator(feature_vectorizer(node)?)));
    operators.insert("ArrayFeatureExtractor", |_, _| Ok(operator(ArrayFeatureExtractor)));
}

/// Concatenates the columns of several inputs, each truncated or padded with zeros to its declared width.
#[derive(Debug)]
struct FeatureVectorizer {
    widths: Vec<usize>,
}

fn feature_vectorizer(node: &NodeProto) -> TractResult<FeatureVectorizer> {
    let widths = Attributes(node).ints("inputdimensions")?;
    ensure!(
        widths.len() == node.input.len(),
        "{} inputdimensions for {} inputs",
        widths.len(),
        node.input.len()
    );
    let width = |&width: &i64| usize::try_from(width).ok().filter(|&width| width <= 1 << 24);
    let widths: Option<Vec<usize>> = widths.iter().map(width).collect();
    Ok(FeatureVectorizer {
        widths: widths.context("inputdimensions are out of range")?,
    })
}

impl Kernel for FeatureVectorizer {
    fn name(&self) -> &'static str {
        "FeatureVectorizer"
    }

    fn inputs(&self) -> usize {
        self.widths.len()
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        let rows = inputs.first().context("there are no inputs")?.shape.first().cloned();
        let width: usize = self.widths.iter().sum();
        Ok(tvec!(TensorType::new(
            f32::datum_type(),
            [rows.context("the input is a single number")?, width.to_dim()]
        )))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let rows = inputs
            .first()
            .and_then(|input| input.shape().first())
            .copied()
            .unwrap_or(0);
        let width: usize = self.widths.iter().sum();
        let mut joined = vec![0f32; rows * width];
        let mut first = 0;
        for (input, &taken) in inputs.iter().zip(&self.widths) {
            let (values, _) = rows_of_f32(input)?;
            let columns = values.len() / rows.max(1);
            ensure!(
                columns * rows == values.len(),
                "the inputs differ in their number of rows"
            );
            let copied = columns.min(taken);
            for (row, target) in values
                .chunks_exact(columns.max(1))
                .zip(joined.chunks_exact_mut(width.max(1)))
            {
                target[first..first + copied].copy_from_slice(&row[..copied]);
            }
            first += taken;
        }
        Ok(tvec!(tensor(&[rows, width], joined)?))
    }
}

/// Selects elements along the last axis. A vector is one row.
#[derive(Debug)]
struct ArrayFeatureExtractor;

impl Kernel for ArrayFeatureExtractor {
    fn name(&self) -> &'static str {
        "ArrayFeatureExtractor"
    }

    fn inputs(&self) -> usize {
        2
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        let picked = inputs[1]
            .shape
            .iter()
            .try_fold(1usize, |product, dim| product.checked_mul(dim.to_usize().ok()?));
        // The number of indices may be the number of rows, one class label for each.
        let picked = picked.map_or_else(|| inputs[1].shape.iter().cloned().product(), |picked| picked.to_dim());
        let (_, outer) = inputs[0].shape.split_last().context("the input is a single number")?;
        let mut shape: TVec<TDim> = outer.iter().cloned().collect();
        if shape.is_empty() {
            shape.push(1.to_dim());
        }
        shape.push(picked);
        Ok(tvec!(TensorType::new(inputs[0].datum, shape)))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let indices = inputs[1].cast_to::<i64>()?;
        let indices = indices.try_as_plain_ram()?.as_slice::<i64>()?;
        dispatch_datum!(pick(inputs[0].datum_type())(&inputs[0], indices))
    }
}

fn pick<T: Datum>(input: &TValue, indices: &[i64]) -> TractResult<TVec<TValue>> {
    let (&length, outer) = input.shape().split_last().context("the input is a single number")?;
    let find = |&index: &i64| usize::try_from(index).ok().filter(|&index| index < length);
    let found: Option<Vec<usize>> = indices.iter().map(find).collect();
    let found = found.with_context(|| format!("an index is not below {length}"))?;
    let values = input.try_as_plain_ram()?.as_slice::<T>()?;
    let picked = values
        .chunks_exact(length.max(1))
        .flat_map(|row| found.iter().map(|&index| row[index].clone()))
        .collect();
    let mut shape: Vec<usize> = if outer.is_empty() { vec![1] } else { outer.to_vec() };
    shape.push(found.len());
    Ok(tvec!(tensor(&shape, picked)?))
}
