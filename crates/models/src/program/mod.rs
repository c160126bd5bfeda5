//! Running a model without tensors, as steps over rows of f32.
//!
//! tract has a cost for each node and each run. For one row it is most of the time of a linear pipeline or a small
//! network. This module compiles a graph, after tract has loaded, checked and simplified it, to a [`Program`] if all
//! its operators are known here and act on each row alone, in f32. All values of a program lie in one buffer that is
//! reused, so that a run allocates nothing. tract runs all other graphs.

mod arithmetic;
mod compile;
mod dense;

use std::fmt;

use tract_onnx::prelude::TractResult;

use arithmetic::Binary;
pub(crate) use compile::compile;
use dense::Dense;

/// Rows that pass through all steps at a time: enough for an efficient matrix product, few enough for the cache.
const BLOCK_ROWS: usize = 64;

/// An operator on rows of f32: writes one row for each row that it reads. It may keep buffers from run to run.
pub(crate) trait RowFunction: Send + Sync {
    fn run(&mut self, rows: &[f32], output: &mut [f32]) -> TractResult<()>;
    fn duplicate(&self) -> Box<dyn RowFunction>;
}

impl<F: FnMut(&[f32], &mut [f32]) -> TractResult<()> + Clone + Send + Sync + 'static> RowFunction for F {
    fn run(&mut self, rows: &[f32], output: &mut [f32]) -> TractResult<()> {
        self(rows, output)
    }

    fn duplicate(&self) -> Box<dyn RowFunction> {
        Box::new(self.clone())
    }
}

/// Steps from input rows to output rows, with their buffer. Each thread has its own copy.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The value that holds the input rows.
    input: Value,
    steps: Vec<Instruction>,
    output: Value,
    /// The number of columns of all values.
    columns: usize,
    /// The values of a block of rows, one after another, each row-major.
    memory: Vec<f32>,
}

/// Columns that a step reads or writes: the index of the first among the columns of all values, and their number.
#[derive(Clone, Copy, Debug)]
struct Value {
    first: usize,
    columns: usize,
}

#[derive(Clone, Debug)]
struct Instruction {
    action: Action,
    inputs: Vec<Value>,
    /// It lies behind all inputs in the buffer.
    output: Value,
    /// Functions of the output and constants, one for all columns or one for each, applied in place.
    constants: Vec<(Binary, Vec<f32>)>,
}

#[derive(Clone)]
enum Action {
    Copy,
    /// The inputs side by side.
    Concat,
    /// Columns of the input, in this order.
    Select(Vec<usize>),
    /// A function of the elements of two inputs.
    ElementWise(Binary),
    Dense(Dense),
    Function(Box<dyn RowFunction>),
}

impl Clone for Box<dyn RowFunction> {
    fn clone(&self) -> Self {
        (**self).duplicate()
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Action::Copy => "Copy",
            Action::Concat => "Concat",
            Action::Select(_) => "Select",
            Action::ElementWise(_) => "ElementWise",
            Action::Dense(_) => "Dense",
            Action::Function(_) => "Function",
        })
    }
}

impl Value {
    fn of<'m>(&self, memory: &'m [f32], count: usize) -> &'m [f32] {
        &memory[self.first * count..][..self.columns * count]
    }
}

impl Program {
    /// Calls `visit` with the output of some rows at a time, row-major. The numbers of `rows` are rounded to f32.
    pub fn run(&mut self, rows: &[f64], mut visit: impl FnMut(&[f32])) -> TractResult<()> {
        for rows in rows.chunks(BLOCK_ROWS * self.input.columns) {
            let count = rows.len() / self.input.columns;
            self.memory.resize((self.columns * count).max(self.memory.len()), 0.0);
            let input = &mut self.memory[self.input.first * count..][..rows.len()];
            for (rounded, &number) in input.iter_mut().zip(rows) {
                *rounded = number as f32;
            }
            for step in &mut self.steps {
                step.run(&mut self.memory, count)?;
            }
            visit(self.output.of(&self.memory, count));
        }
        Ok(())
    }
}

impl Instruction {
    fn run(&mut self, memory: &mut [f32], count: usize) -> TractResult<()> {
        let (before, after) = memory.split_at_mut(self.output.first * count);
        let output = &mut after[..self.output.columns * count];
        let input = |index: usize| self.inputs[index].of(before, count);
        match &mut self.action {
            Action::Copy => output.copy_from_slice(input(0)),
            Action::Concat => concat(&self.inputs, before, output, count),
            Action::Select(columns) => select(columns, input(0), output, count),
            Action::ElementWise(binary) => {
                output.copy_from_slice(input(0));
                binary.element_wise(output, input(1));
            }
            Action::Dense(dense) => dense.run(input(0), output),
            Action::Function(function) => function.run(input(0), output)?,
        }
        for (binary, constants) in &self.constants {
            binary.with_constants(output, constants);
        }
        Ok(())
    }
}

fn concat(inputs: &[Value], memory: &[f32], output: &mut [f32], count: usize) {
    for (row, output) in output.chunks_exact_mut(output.len() / count).enumerate() {
        let mut rest = output;
        for input in inputs {
            let (first, others) = rest.split_at_mut(input.columns);
            first.copy_from_slice(&input.of(memory, count)[row * input.columns..][..input.columns]);
            rest = others;
        }
    }
}

fn select(columns: &[usize], input: &[f32], output: &mut [f32], count: usize) {
    let rows = input.chunks_exact(input.len() / count);
    for (row, output) in rows.zip(output.chunks_exact_mut(columns.len())) {
        for (&column, output) in columns.iter().zip(output) {
            *output = row[column];
        }
    }
}
