//! Adds an operator of this crate to tract.

use std::fmt::Debug;
use std::sync::Arc;

use tract_onnx::tract_hir::internal::*;

use crate::program::RowFunction;

/// The element type and shape of a tensor. The number of rows may be a symbol.
#[derive(Clone, Debug)]
pub(crate) struct TensorType {
    pub datum: DatumType,
    pub shape: TVec<TDim>,
}

impl TensorType {
    pub fn new(datum: DatumType, shape: impl IntoIterator<Item = TDim>) -> Self {
        TensorType {
            datum,
            shape: shape.into_iter().collect(),
        }
    }

    /// The number of rows and columns. A vector is a single row.
    pub fn rows_and_columns(&self) -> TractResult<(TDim, usize)> {
        let (rows, columns) = match self.shape.as_slice() {
            [columns] => (1.to_dim(), columns),
            [rows, columns] => (rows.clone(), columns),
            _ => bail!("expected rows of columns, got a tensor of rank {}", self.shape.len()),
        };
        Ok((rows, columns.to_usize().context("the number of columns must be known")?))
    }
}

/// An operator: computes the types of its outputs from those of its inputs, and its outputs from its inputs.
pub(crate) trait Kernel: Debug + Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// The types of the outputs; an error if the operator does not support the inputs.
    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>>;

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>>;

    /// A replacement of this kernel for inputs of these types.
    fn specialize(&self, inputs: &[TensorType]) -> TractResult<Option<Arc<dyn Kernel>>> {
        let _ = inputs;
        Ok(None)
    }

    /// The same operator on rows of f32, for kernels with one input and one output that act on each row alone. `input`
    /// is the type of the input; an input of i64 holds codes of texts and is given as f32.
    fn row_function(self: Arc<Self>, input: &TensorType) -> Option<Box<dyn RowFunction>> {
        let _ = input;
        None
    }

    fn inputs(&self) -> usize {
        1
    }

    fn outputs(&self) -> usize {
        1
    }
}

/// A kernel as an operator of tract's. Two are equal if they share the kernel.
#[derive(Clone, Debug)]
struct Operator(Arc<dyn Kernel>);

/// The result of a builder in tract's register for `kernel`.
pub(crate) fn operator(kernel: impl Kernel) -> (Box<dyn InferenceOp>, Vec<String>) {
    (expand(Operator(Arc::new(kernel))), Vec::new())
}

impl PartialEq for Operator {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Operator {}

impl Op for Operator {
    fn name(&self) -> StaticName {
        self.0.name().into()
    }

    op_as_typed_op!();
}

impl EvalOp for Operator {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        self.0.run(&inputs)
    }
}

impl TypedOp for Operator {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let inputs: TVec<TensorType> = inputs
            .iter()
            .map(|fact| TensorType::new(fact.datum_type, fact.shape.iter().cloned()))
            .collect();
        let outputs = self.0.output_types(&inputs)?;
        Ok(outputs
            .into_iter()
            .map(|output| output.datum.fact(&*output.shape))
            .collect())
    }

    as_op!();
}

impl Expansion for Operator {
    fn name(&self) -> StaticName {
        self.0.name().into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.0.outputs())
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, self.0.inputs())?;
        check_output_arity(outputs, self.0.outputs())?;
        solver.given_all(inputs.iter().map(|input| &input.datum_type), move |solver, datums| {
            solver.given_all(inputs.iter().map(|input| &input.shape), move |solver, shapes| {
                let types: TVec<TensorType> = datums
                    .iter()
                    .zip(shapes)
                    .map(|(&datum, shape)| TensorType { datum, shape })
                    .collect();
                for (output, found) in outputs.iter().zip(self.0.output_types(&types)?) {
                    solver.equals(&output.datum_type, found.datum)?;
                    solver.equals(&output.shape, found.shape)?;
                }
                Ok(())
            })
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let mut types = tvec!();
        for &input in inputs {
            let fact = model.outlet_fact(input)?;
            types.push(TensorType::new(fact.datum_type, fact.shape.iter().cloned()));
        }
        let operator = match self.0.specialize(&types)? {
            Some(kernel) => Operator(kernel),
            None => self.clone(),
        };
        model.wire_node(prefix, operator, inputs)
    }
}

/// The row function of a node, if it is one of this crate's operators and has one.
pub(crate) fn row_function(model: &TypedModel, node: &TypedNode) -> Option<Box<dyn RowFunction>> {
    let Operator(kernel) = node.op_as::<Operator>()?;
    let [input] = node.inputs[..] else {
        return None;
    };
    let fact = model.outlet_fact(input).ok()?;
    let input = TensorType::new(fact.datum_type, fact.shape.iter().cloned());
    Arc::clone(kernel).row_function(&input)
}

/// The row function of a kernel that changes numbers in place.
pub(crate) fn in_place<K: Kernel>(
    kernel: Arc<K>,
    input: &TensorType,
    change: fn(&K, &mut [f32]),
) -> Option<Box<dyn RowFunction>> {
    let function = move |rows: &[f32], output: &mut [f32]| {
        output.copy_from_slice(rows);
        change(&kernel, output);
        Ok(())
    };
    (input.datum == f32::datum_type()).then(|| Box::new(function) as Box<dyn RowFunction>)
}

/// The numbers of a tensor as f32, row-major, and the number of columns.
pub(crate) fn rows_of_f32(tensor: &TValue) -> TractResult<(std::borrow::Cow<'_, [f32]>, usize)> {
    let columns = tensor.shape().last().copied().unwrap_or(1);
    if tensor.datum_type() == f32::datum_type() {
        return Ok((tensor.try_as_plain_ram()?.as_slice::<f32>()?.into(), columns));
    }
    let cast = tensor.cast_to::<f32>()?.into_owned();
    let values = cast.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
    Ok((values.into(), columns))
}

/// A tensor of these elements.
pub(crate) fn tensor<T: Datum>(shape: &[usize], elements: Vec<T>) -> TractResult<TValue> {
    let array = tract_ndarray::ArrayD::from_shape_vec(shape, elements)?;
    Ok(Tensor::from(array).into_tvalue())
}
