//! Recurrent layers that keep NaN. tract's sigmoid and tanh do not keep it, nor do its fused operators.
//!
//! A missing value in an event of a sequence makes all gates NaN by the formulas of the specification (GRU, LSTM), and
//! so the state from this event on.

use std::borrow::Cow;

use tract_onnx::tract_core::ops::gru_cell::GruEpilogue;
use tract_onnx::tract_core::ops::gru_seq::GruSeq;
use tract_onnx::tract_core::ops::lstm_cell::LstmEpilogue;
use tract_onnx::tract_hir::internal::tract_ndarray::{ArrayView1, ArrayView2, Ix2, Ix3};
use tract_onnx::tract_hir::internal::*;

/// The corrected form of one of tract's fused operators.
pub(super) fn replacement(op: &dyn TypedOp) -> Option<Box<dyn TypedOp>> {
    if let Some(cell) = op.downcast_ref::<GruEpilogue>() {
        Some(Box::new(RecurrentCell::Gru(cell.clone())))
    } else if let Some(cell) = op.downcast_ref::<LstmEpilogue>() {
        Some(Box::new(RecurrentCell::Lstm(cell.clone())))
    } else if let Some(sequence) = op.downcast_ref::<GruSeq>() {
        let reset_every_turn = true;
        let sequence = sequence.clone();
        Some(Box::new(NanGruSeq(GruSeq {
            reset_every_turn,
            ..sequence
        })))
    } else {
        None
    }
}

/// The rest of one step after its products: computes the next state from the pre-activations of the gates and the
/// state.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RecurrentCell {
    /// Inputs: the products with the input and with the state, and the state.
    Gru(GruEpilogue),
    /// Inputs: the sum of both products, and the state of the cell. Outputs: the next state, and that of the cell.
    Lstm(LstmEpilogue),
}

impl RecurrentCell {
    fn inner(&self) -> &dyn TypedOp {
        match self {
            RecurrentCell::Gru(cell) => cell,
            RecurrentCell::Lstm(cell) => cell,
        }
    }
}

impl Op for RecurrentCell {
    fn name(&self) -> StaticName {
        self.inner().name()
    }

    op_as_typed_op!();
}

impl EvalOp for RecurrentCell {
    op_out_of_plan!();

    fn eval(&self, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut outputs = self.inner().eval(context, inputs.clone())?;
        if inputs[0].datum_type() != f32::datum_type() {
            return Ok(outputs);
        }
        let slices = inputs.iter().map(|input| input.try_as_plain_ram()?.as_slice::<f32>());
        let slices = slices.collect::<TractResult<TVec<&[f32]>>>()?;
        let (gates, hidden, state) = match self {
            RecurrentCell::Gru(cell) => {
                let gates: Vec<f32> = slices[0].iter().zip(slices[1]).map(|(x, h)| x + h).collect();
                (Cow::Owned(gates), cell.hidden, slices[2])
            }
            RecurrentCell::Lstm(cell) => (Cow::Borrowed(slices[0]), cell.hidden, slices[1]),
        };
        let any_is_nan = |numbers: &[f32]| numbers.iter().fold(false, |any, number| any | number.is_nan());
        if !any_is_nan(&gates) && !any_is_nan(state) {
            return Ok(outputs);
        }
        // A row holds all units of the first gate, then of the second, and so on.
        let in_row = gates.len() / state.len() * hidden;
        let is_nan = |index: usize| {
            let row = &gates[index / hidden * in_row..][..in_row];
            state[index].is_nan()
                || row
                    .iter()
                    .skip(index % hidden)
                    .step_by(hidden)
                    .any(|gate| gate.is_nan())
        };
        for output in &mut outputs {
            let mut tensor = output.clone().into_tensor();
            let mut numbers = tensor.try_as_plain_ram_mut()?;
            let numbers = numbers.as_slice_mut::<f32>()?.iter_mut().enumerate();
            numbers
                .filter(|(index, _)| is_nan(*index))
                .for_each(|(_, number)| *number = f32::NAN);
            *output = tensor.into_tvalue();
        }
        Ok(outputs)
    }
}

impl TypedOp for RecurrentCell {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.inner().output_facts(inputs)
    }

    as_op!();
}

/// A GRU over a whole sequence. Inputs: rows of steps of numbers, W (unless the numbers are already multiplied by it),
/// R, B if present, the initial state. Outputs: the states after each step (empty if not read), and the last state.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NanGruSeq(GruSeq);

impl NanGruSeq {
    /// A patch of tract's for the inner operator, with its operators corrected again.
    fn corrected(patch: Option<TypedModelPatch>) -> Option<TypedModelPatch> {
        let mut patch = patch?;
        for node in &mut patch.model.nodes {
            if let Some(sequence) = node.op_as::<GruSeq>() {
                node.op = Box::new(NanGruSeq(sequence.clone()));
            }
        }
        Some(patch)
    }

    /// Sets the states from the first step with a NaN gate on to NaN.
    fn restore_nan(&self, inputs: &[TValue], outputs: &mut TVec<TValue>) -> TractResult<()> {
        let numbers = inputs[0].to_plain_array_view::<f32>()?.into_dimensionality::<Ix3>()?;
        let start = inputs[inputs.len() - 1].try_as_plain_ram()?;
        let start = start.as_slice::<f32>()?;
        if numbers.iter().chain(start).all(|number| number.is_finite()) {
            return Ok(());
        }
        let weights = match self.0.projected {
            true => None,
            false => Some(inputs[1].to_plain_array_view::<f32>()?.into_dimensionality::<Ix2>()?),
        };
        let steps = numbers.dim().1;
        let mut all = outputs[0].clone().into_tensor();
        let mut last = outputs[1].clone().into_tensor();
        let mut states = all.to_plain_array_view_mut::<f32>()?.into_dimensionality::<Ix3>()?;
        let mut ends = last.to_plain_array_view_mut::<f32>()?.into_dimensionality::<Ix3>()?;
        let starts = start.chunks(self.0.hidden);
        let of_rows = states.outer_iter_mut().zip(ends.outer_iter_mut());
        for ((numbers, start), (mut states, mut end)) in numbers.outer_iter().zip(starts).zip(of_rows) {
            let mut is_nan = start.iter().any(|number| number.is_nan());
            for step in 0..steps {
                let step = if self.0.chunk < 0 { steps - 1 - step } else { step };
                is_nan = is_nan || makes_nan(numbers.row(step), weights.as_ref());
                if is_nan && self.0.emit_y {
                    states.row_mut(step).fill(f32::NAN);
                }
            }
            if is_nan {
                end.fill(f32::NAN);
            }
        }
        *outputs = tvec!(all.into_tvalue(), last.into_tvalue());
        Ok(())
    }
}

/// Whether a gate of a step is NaN. Infinite inputs can make it NaN.
fn makes_nan(numbers: ArrayView1<'_, f32>, weights: Option<&ArrayView2<'_, f32>>) -> bool {
    let Some(weights) = weights.filter(|_| !numbers.iter().all(|number| number.is_finite())) else {
        return numbers.iter().any(|number| number.is_nan());
    };
    weights.outer_iter().any(|weights| weights.dot(&numbers).is_nan())
}

impl Op for NanGruSeq {
    fn name(&self) -> StaticName {
        self.0.name()
    }

    op_as_typed_op!();
}

impl EvalOp for NanGruSeq {
    not_out_of_plan!();

    fn state(&self, context: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        let inner = self.0.state(context)?.context("tract's GruSeq has a state")?;
        Ok(Some(Box::new(NanGruState(inner))))
    }
}

impl TypedOp for NanGruSeq {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.0.output_facts(inputs)
    }

    fn declutter(&self, model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
        self.0.declutter(model, node).map(NanGruSeq::corrected)
    }

    fn codegen(&self, model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
        self.0.codegen(model, node).map(NanGruSeq::corrected)
    }

    as_op!();
}

/// tract's state, which holds packed weights.
#[derive(Clone, Debug)]
struct NanGruState(Box<dyn OpState>);

impl OpState for NanGruState {
    fn eval(&mut self, context: &EvalContext, op: &dyn Op, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let op = op
            .downcast_ref::<NanGruSeq>()
            .context("the state of another operator")?;
        let mut outputs = self.0.eval(context, &op.0, inputs.clone())?;
        op.restore_nan(&inputs, &mut outputs)?;
        Ok(outputs)
    }

    fn reset_lanes(&mut self, lanes: &[LaneId]) -> TractResult<()> {
        self.0.reset_lanes(lanes)
    }
}
