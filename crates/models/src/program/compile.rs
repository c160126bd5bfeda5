//! Compiles a graph that tract has simplified to a program.
//!
//! Compilation fails, and tract runs the graph, if an operator is not known here or does not act on each row alone in
//! f32.

use std::collections::HashMap;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{Gather, Slice, TypedConcat};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_hir::internal::*;

use super::arithmetic::Binary;
use super::dense::Dense;
use super::{Action, Instruction, Program, RowFunction, Value};
use crate::input::Input;
use crate::operators::kernel::row_function;

/// Upper bound on the columns of all values: those of a block of rows take 16 MiB.
const MAX_COLUMNS: usize = 1 << 16;

/// The program of a graph with one output; `None` if tract has to run it.
pub(crate) fn compile(model: &TypedModel, inputs: &[Input]) -> Option<Program> {
    let [output] = model.output_outlets().ok()? else {
        return None;
    };
    let width = inputs.iter().map(|input| input.columns).sum();
    let input = Value {
        first: 0,
        columns: width,
    };
    let mut compiler = Compiler {
        model,
        values: HashMap::new(),
        steps: Vec::new(),
        columns: width,
        input,
    };
    let sources = model.input_outlets().ok()?;
    for node in model.eval_order().ok()? {
        let node = model.node(node);
        match sources.iter().position(|source| source.node == node.id) {
            Some(place) => compiler.graph_input(node, inputs.get(place)?)?,
            None if node.op_is::<Const>() => {}
            None => compiler.node(node)?,
        }
    }
    Some(Program {
        input,
        output: *compiler.values.get(output)?,
        steps: compiler.steps,
        columns: compiler.columns,
        memory: Vec::new(),
    })
}

struct Compiler<'a> {
    model: &'a TypedModel,
    values: HashMap<OutletId, Value>,
    steps: Vec<Instruction>,
    /// The number of columns of all values so far.
    columns: usize,
    /// The input row.
    input: Value,
}

impl Compiler<'_> {
    fn graph_input(&mut self, node: &TypedNode, input: &Input) -> Option<()> {
        // Other types would have to be converted first.
        (input.is_text || input.datum == f32::datum_type()).then_some(())?;
        let outlet = OutletId::new(node.id, 0);
        (self.columns_of(outlet)? == input.columns).then_some(())?;
        if input.columns == self.input.columns {
            self.values.insert(outlet, self.input);
            return Some(());
        }
        let columns = (input.first_column..input.first_column + input.columns).collect();
        self.push(node, Action::Select(columns), vec![self.input])
    }

    /// The number of columns of a value that holds a row of numbers or codes for each input row.
    fn columns_of(&self, outlet: OutletId) -> Option<usize> {
        let fact = self.model.outlet_fact(outlet).ok()?;
        let (rows, axes) = fact.shape.split_first()?;
        matches!(rows, TDim::Sym(_)).then_some(())?;
        let columns = axes
            .iter()
            .try_fold(1usize, |product, axis| product.checked_mul(axis.to_usize().ok()?))?;
        (columns > 0).then_some(columns)
    }

    fn is_f32(&self, outlet: OutletId) -> bool {
        self.model
            .outlet_fact(outlet)
            .is_ok_and(|fact| fact.datum_type == f32::datum_type())
    }

    fn push(&mut self, node: &TypedNode, action: Action, inputs: Vec<Value>) -> Option<()> {
        let outlet = OutletId::new(node.id, 0);
        let output = Value {
            first: self.columns,
            columns: self.columns_of(outlet)?,
        };
        self.columns = self.columns.checked_add(output.columns)?;
        (self.columns <= MAX_COLUMNS).then_some(())?;
        self.steps.push(Instruction {
            action,
            inputs,
            output,
            constants: Vec::new(),
        });
        self.values.insert(outlet, output);
        Some(())
    }

    /// Compiles a node with one output.
    fn node(&mut self, node: &TypedNode) -> Option<()> {
        (node.outputs.len() == 1).then_some(())?;
        let input = |compiler: &Self, place: usize| compiler.values.get(node.inputs.get(place)?).copied();
        if let Some(axis) = node.op_as::<AxisOp>() {
            return self.reshape(node, axis);
        }
        if let Some(function) = row_function(self.model, node) {
            return self.push(node, Action::Function(function), vec![input(self, 0)?]);
        }
        if let Some(concat) = node.op_as::<TypedConcat>() {
            return self.concat(node, concat);
        }
        if let Some(slice) = node.op_as::<Slice>() {
            return self.slice(node, slice);
        }
        if let Some(gather) = node.op_as::<Gather>() {
            return self.gather(node, gather);
        }
        if !self.is_f32(OutletId::new(node.id, 0)) || !node.inputs.iter().all(|&input| self.is_f32(input)) {
            return None;
        }
        if let Some(operator) = node.op_as::<TypedBinOp>() {
            return self.binary(node, Binary::named(operator.0.name())?);
        }
        if let Some(ElementWiseOp(operator, None)) = node.op_as::<ElementWiseOp>() {
            return self.push(
                node,
                Action::Function(element_wise(operator.clone())),
                vec![input(self, 0)?],
            );
        }
        if let Some(product) = node.op_as::<EinSum>() {
            return self.product(node, product);
        }
        None
    }

    /// Elements keep their order when axes are added, removed, split or joined, provided that the first counts rows.
    fn reshape(&mut self, node: &TypedNode, axis: &AxisOp) -> Option<()> {
        (!matches!(axis, AxisOp::Move(..))).then_some(())?;
        let outlet = OutletId::new(node.id, 0);
        let value = *self.values.get(node.inputs.first()?)?;
        (self.columns_of(outlet)? == value.columns).then_some(())?;
        self.values.insert(outlet, value);
        Some(())
    }

    fn concat(&mut self, node: &TypedNode, concat: &TypedConcat) -> Option<()> {
        (concat.axis > 0).then_some(())?;
        let input = |&outlet: &OutletId| {
            let shape = &self.model.outlet_fact(outlet).ok()?.shape;
            let is_row = shape[1..concat.axis].iter().all(|axis| *axis == 1.to_dim());
            self.values.get(&outlet).copied().filter(|_| is_row)
        };
        let inputs = node.inputs.iter().map(input).collect::<Option<_>>()?;
        self.push(node, Action::Concat, inputs)
    }

    fn slice(&mut self, node: &TypedNode, slice: &Slice) -> Option<()> {
        let input = self.matrix(node.inputs[0])?;
        (slice.axis == 1).then_some(())?;
        let columns = slice.start.to_usize().ok()?..slice.end.to_usize().ok()?;
        self.push(node, Action::Select(columns.collect()), vec![input])
    }

    fn gather(&mut self, node: &TypedNode, gather: &Gather) -> Option<()> {
        let input = self.matrix(node.inputs[0])?;
        (gather.axis == 1).then_some(())?;
        let indices = self.constant(node.inputs[1])?.cast_to::<i64>().ok()?.into_owned();
        let indices = indices.try_as_plain_ram().ok()?.as_slice::<i64>().ok()?.to_vec();
        let column = |&index: &i64| {
            let index = if index < 0 { index + input.columns as i64 } else { index };
            usize::try_from(index).ok().filter(|&index| index < input.columns)
        };
        let columns = indices.iter().map(column).collect::<Option<_>>()?;
        self.push(node, Action::Select(columns), vec![input])
    }

    /// The value of a tensor of rank 2.
    fn matrix(&self, outlet: OutletId) -> Option<Value> {
        (self.model.outlet_fact(outlet).ok()?.rank() == 2).then_some(())?;
        self.values.get(&outlet).copied()
    }

    fn constant(&self, outlet: OutletId) -> Option<&Arc<Tensor>> {
        self.model.outlet_fact(outlet).ok()?.konst.as_ref()
    }

    fn binary(&mut self, node: &TypedNode, binary: Binary) -> Option<()> {
        let [first, second] = node.inputs[..] else {
            return None;
        };
        let columns = self.columns_of(OutletId::new(node.id, 0))?;
        let (binary, value, other) = match self.constant(first) {
            Some(_) => (binary.swapped(), second, first),
            None => (binary, first, second),
        };
        let value = self
            .values
            .get(&value)
            .copied()
            .filter(|value| value.columns == columns)?;
        if let Some(other) = self.values.get(&other) {
            (other.columns == columns).then_some(())?;
            let inputs = vec![value, *other];
            return self.push(node, Action::ElementWise(binary), inputs);
        }
        let constant = self.constant(other)?;
        let is_row = constant.len() == 1 || constant.len() == columns && constant.shape()[0] == 1;
        is_row.then_some(())?;
        let constants = constant.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.to_vec();
        self.with_constants(node, value, (binary, constants))
    }

    /// Applies a function with constants: in place if nothing else reads the value, otherwise to a copy.
    fn with_constants(&mut self, node: &TypedNode, value: Value, constants: (Binary, Vec<f32>)) -> Option<()> {
        if value.first == self.input.first || self.readers(value) > 1 {
            self.push(node, Action::Copy, vec![value])?;
        } else {
            self.values.insert(OutletId::new(node.id, 0), value);
        }
        let output = *self.values.get(&OutletId::new(node.id, 0))?;
        let step = self.steps.iter_mut().find(|step| step.output.first == output.first)?;
        step.constants.push(constants);
        Some(())
    }

    /// The largest number of readers of an outlet with this value; an output of the graph counts as one.
    fn readers(&self, value: Value) -> usize {
        let outlets = self.values.iter().filter(|(_, other)| other.first == value.first);
        let readers = outlets.map(|(outlet, _)| {
            let is_output = self.model.outputs.contains(outlet);
            self.model.node(outlet.node).outputs[outlet.slot].successors.len() + usize::from(is_output)
        });
        readers.max().unwrap_or(0)
    }

    /// Rows times a constant matrix, or a constant vector, which gives one column.
    fn product(&mut self, node: &TypedNode, product: &EinSum) -> Option<()> {
        let [first, second] = node.inputs[..] else {
            return None;
        };
        let is_first = self.constant(first).is_none();
        let (rows, matrix) = if is_first { (first, second) } else { (second, first) };
        let (rows_place, matrix_place) = if is_first { (0, 1) } else { (1, 0) };
        let value = self.matrix(rows)?;
        let columns = self.columns_of(OutletId::new(node.id, 0))?;
        let axes = &product.axes;
        // The axes of the product's rows and columns, and the axis that is summed over.
        let row = axes.axis((InOut::Out(0), 0)).ok()?;
        let column = axes.axis((InOut::Out(0), 1)).ok()?;
        let summed = axes.axis((InOut::In(rows_place), 1)).ok()?;
        let is_product = product.q_params.is_none()
            && axes.rank(InOut::Out(0)) == 2
            && row.inputs[rows_place][..] == [0]
            && row.inputs[matrix_place].is_empty()
            && column.inputs[rows_place].is_empty()
            && summed.outputs[0].is_empty();
        let matrix = self.constant(matrix)?;
        is_product.then_some(())?;
        let weights = match (
            &summed.inputs[matrix_place][..],
            &column.inputs[matrix_place][..],
            matrix.rank(),
        ) {
            ([0], [1], 2) => matrix.as_ref().clone(),
            ([1], [0], 2) => matrix.as_ref().clone().permute_axes(&[1, 0]).ok()?,
            ([0], [], 1) if columns == 1 => matrix.as_ref().clone(),
            _ => return None,
        };
        (weights.len() == value.columns.checked_mul(columns)?).then_some(())?;
        let weights = weights.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.to_vec();
        self.push(node, Action::Dense(Dense::new(value.columns, weights)), vec![value])
    }
}

/// A function of each number, computed by tract. NaN gives NaN, as in ONNX Runtime; some functions of tract do not keep
/// it.
fn element_wise(operator: Box<dyn ElementWiseMiniOp>) -> Box<dyn RowFunction> {
    let mut tensor = Tensor::default();
    Box::new(move |rows: &[f32], output: &mut [f32]| {
        if tensor.len() != rows.len() {
            tensor = Tensor::zero::<f32>(&[rows.len()])?;
        }
        tensor
            .try_as_plain_ram_mut()?
            .as_slice_mut::<f32>()?
            .copy_from_slice(rows);
        operator.eval_in_place(&mut tensor, None)?;
        let results = tensor.try_as_plain_ram()?.as_slice::<f32>()?;
        for ((output, result), value) in output.iter_mut().zip(results).zip(rows) {
            *output = if value.is_nan() { f32::NAN } else { *result };
        }
        Ok(())
    })
}
