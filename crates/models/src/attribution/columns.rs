//! Which column of the row each column of a value in the graph is computed from.

use std::cell::Cell;

use tract_onnx::pb::{NodeProto, TensorProto};

use crate::graph_index::{GraphIndex, is_elementwise};
use crate::input::Input;
use crate::operators::attributes::{Attributes, tensor_integers};

/// For each column of `value` the column of the row that it depends on; `None` if one depends on several, or an
/// operator is not known here.
pub(super) fn columns(index: &GraphIndex<'_>, inputs: &[Input], value: &str) -> Option<Vec<u32>> {
    const MAX_DEPTH: usize = 64;
    const MAX_STEPS: usize = 100_000;
    let steps = Cell::new(MAX_STEPS);
    let tracer = Tracer { index, inputs, steps };
    Some(tracer.trace(value, MAX_DEPTH)?.of_row)
}

/// A value of several columns.
#[derive(PartialEq)]
struct Columns {
    /// For each column, row-major, the column of the row.
    of_row: Vec<u32>,
    /// The sizes of the axes behind the first, which counts rows.
    axes: Vec<usize>,
}

impl Columns {
    fn flat(of_row: Vec<u32>) -> Columns {
        Columns {
            axes: vec![of_row.len()],
            of_row,
        }
    }
}

struct Tracer<'a> {
    index: &'a GraphIndex<'a>,
    inputs: &'a [Input],
    /// How many values may still be looked at. A value that is read twice is looked at twice, so that a short chain of
    /// such values would take for ever.
    steps: Cell<usize>,
}

impl<'a> Tracer<'a> {
    /// The depth below, if that is allowed.
    fn below(&self, depth: usize) -> Option<usize> {
        self.steps.set(self.steps.get().checked_sub(1)?);
        depth.checked_sub(1)
    }

    fn trace(&self, value: &str, depth: usize) -> Option<Columns> {
        let depth = self.below(depth)?;
        if let Some(input) = self.inputs.iter().find(|input| input.name == value) {
            let first = input.first_column as u32;
            return Some(Columns {
                of_row: (first..first + input.columns as u32).collect(),
                axes: input.axes.clone(),
            });
        }
        let node = self.index.producer(value)?;
        if is_elementwise(node) {
            return self.elementwise(node, depth);
        }
        let first = || self.trace(node.input.first()?, depth);
        match node.op_type.as_str() {
            "Concat" => self.concat(node, depth),
            "FeatureVectorizer" => {
                let parts: Vec<Columns> = node
                    .input
                    .iter()
                    .map(|input| self.trace(input, depth))
                    .collect::<Option<_>>()?;
                let widths = Attributes(node).ints("inputdimensions").ok()?.iter();
                let is_whole = |(part, &width): (&Columns, &i64)| usize::try_from(width) == Ok(part.of_row.len());
                parts.iter().zip(widths).all(is_whole).then_some(())?;
                Some(Columns::flat(parts.into_iter().flat_map(|part| part.of_row).collect()))
            }
            "OneHotEncoder" => {
                let (attributes, encoded) = (Attributes(node), first()?);
                let categories =
                    attributes.ints("cats_int64s").ok()?.len() + attributes.byte_strings("cats_strings").ok()?.len();
                let of_row = encoded.of_row.iter();
                Some(Columns {
                    of_row: of_row
                        .flat_map(|&column| std::iter::repeat_n(column, categories))
                        .collect(),
                    axes: [encoded.axes, vec![categories]].concat(),
                })
            }
            "Reshape" => {
                let reshaped = first()?;
                let shape = tensor_integers(self.index.constant(node.input.get(1)?)?)?;
                (shape == [-1, reshaped.of_row.len() as i64]).then(|| Columns::flat(reshaped.of_row))
            }
            "Flatten" if matches!(Attributes(node).int("axis"), Ok(None | Some(1))) => {
                Some(Columns::flat(first()?.of_row))
            }
            _ => self.selection(node, depth),
        }
    }

    /// The node's operands must depend on the same columns; the others are constants for all rows.
    fn elementwise(&self, node: &NodeProto, depth: usize) -> Option<Columns> {
        let constants: Vec<&TensorProto> = node
            .input
            .iter()
            .filter_map(|input| self.index.constant(input))
            .collect();
        let is_operand = |input: &&String| self.index.constant(input).is_none() && !self.is_number(input, depth);
        let mut operands = node
            .input
            .iter()
            .filter(is_operand)
            .map(|input| self.trace(input, depth));
        let first = operands.next()??;
        let are_same = operands.all(|other| other.as_ref() == Some(&first));
        let fit = constants
            .iter()
            .all(|tensor| is_row_or_number(tensor, first.of_row.len()));
        (are_same && fit).then_some(first)
    }

    /// Whether the value is one number or text for all rows: skl2onnx computes texts to impute from a constant.
    fn is_number(&self, value: &str, depth: usize) -> bool {
        let Some(depth) = self.below(depth) else {
            return false;
        };
        match (self.index.constant(value), self.index.producer(value)) {
            (Some(tensor), _) => is_row_or_number(tensor, 1),
            (None, Some(node)) => is_elementwise(node) && node.input.iter().all(|input| self.is_number(input, depth)),
            (None, None) => false,
        }
    }

    /// Values side by side along an axis behind the first.
    fn concat(&self, node: &NodeProto, depth: usize) -> Option<Columns> {
        let parts: Vec<Columns> = node
            .input
            .iter()
            .map(|input| self.trace(input, depth))
            .collect::<Option<_>>()?;
        let rank = parts.first()?.axes.len();
        let axis = match Attributes(node).int("axis").ok()?? {
            axis if axis < 0 => usize::try_from(axis + rank as i64).ok()?,
            axis => usize::try_from(axis - 1).ok()?,
        };
        let outside = |part: &Columns| -> Option<(Vec<usize>, Vec<usize>)> {
            let (before, rest) = part.axes.split_at_checked(axis)?;
            Some((before.to_vec(), rest.get(1..)?.to_vec()))
        };
        let expected = outside(parts.first()?)?;
        parts
            .iter()
            .all(|part| outside(part).as_ref() == Some(&expected))
            .then_some(())?;
        let blocks: usize = expected.0.iter().product();
        (blocks > 0).then_some(())?;
        let mut of_row = Vec::new();
        for block in 0..blocks {
            for part in &parts {
                let length = part.of_row.len() / blocks;
                of_row.extend_from_slice(&part.of_row[block * length..][..length]);
            }
        }
        let joined = parts.iter().map(|part| part.axes[axis]).sum();
        Some(Columns {
            of_row,
            axes: [expected.0, vec![joined], expected.1].concat(),
        })
    }

    /// Columns of a value whose rows have one axis.
    fn selection(&self, node: &'a NodeProto, depth: usize) -> Option<Columns> {
        let (source, selected) = self.index.selection(node)?;
        let source = self.trace(source, depth)?;
        (source.axes.len() == 1).then_some(())?;
        let columns = selected.iter().map(|&column| source.of_row.get(column).copied());
        Some(Columns::flat(columns.collect::<Option<_>>()?))
    }
}

/// Whether the constant holds one number, or one for each of `columns`, the same for every row.
fn is_row_or_number(tensor: &TensorProto, columns: usize) -> bool {
    let elements: i64 = tensor.dims.iter().product();
    let last = tensor.dims.last().copied().unwrap_or(1);
    elements == 1 || (elements == last && last == columns as i64)
}
