//! Running a model without tensors: its graph, loaded, checked and simplified by tract, as steps over rows of f32.
//!
//! tract's cost is by the node and by the run, which is most of the time that a linear pipeline or a small network
//! takes for one row. Where all that a graph does is done to each row by itself, in f32, with operators
//! that are known here, it is compiled to a [`Program`]: every value gets a place in one buffer, which is used again, so
//! nothing is allocated. All other graphs are run by tract.

mod arithmetic;
mod compile;
mod dense;

use std::fmt;

use tract_onnx::prelude::TractResult;

use arithmetic::Binary;
pub(crate) use compile::compile;
use dense::Dense;

/// Rows that pass through all steps together: enough for a matrix product, few enough to stay in the cache.
const BLOCK: usize = 64;

/// An operator on rows of f32: reads rows, writes one row for each. It may keep memory to use again.
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

/// Steps from rows to rows, with the memory they need. Each thread has its own copy.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The value that holds the rows.
    input: Value,
    steps: Vec<Step>,
    output: Value,
    /// The columns of all values.
    columns: usize,
    /// The values of a block of rows, one after the other, each in row-major order.
    memory: Vec<f32>,
}

/// Columns that a step reads or writes: the place of the first among the columns of all values, and their number.
#[derive(Clone, Copy, Debug)]
struct Value {
    first: usize,
    columns: usize,
}

#[derive(Clone, Debug)]
struct Step {
    action: Action,
    inputs: Vec<Value>,
    /// Lies behind all inputs.
    output: Value,
    /// What becomes of the output where it lies: each row with a row of constants, or with a single one.
    finish: Vec<(Binary, Vec<f32>)>,
}

#[derive(Clone)]
enum Action {
    Copy,
    /// The inputs side by side.
    Concat,
    /// Columns of the input, in this order.
    Pick(Vec<usize>),
    /// Two inputs, number by number.
    Pairwise(Binary),
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
            Action::Pick(_) => "Pick",
            Action::Pairwise(_) => "Pairwise",
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
    /// Calls `visit` with the results of rows, some rows at a time: for each row as many numbers as the output has
    /// columns.
    pub fn run(&mut self, rows: &[f32], mut visit: impl FnMut(&[f32])) -> TractResult<()> {
        for rows in rows.chunks(BLOCK * self.input.columns) {
            let count = rows.len() / self.input.columns;
            self.memory.resize((self.columns * count).max(self.memory.len()), 0.0);
            self.memory[self.input.first * count..][..rows.len()].copy_from_slice(rows);
            for step in &mut self.steps {
                step.run(&mut self.memory, count)?;
            }
            visit(self.output.of(&self.memory, count));
        }
        Ok(())
    }
}

impl Step {
    fn run(&mut self, memory: &mut [f32], count: usize) -> TractResult<()> {
        let (before, after) = memory.split_at_mut(self.output.first * count);
        let output = &mut after[..self.output.columns * count];
        let input = |index: usize| self.inputs[index].of(before, count);
        match &mut self.action {
            Action::Copy => output.copy_from_slice(input(0)),
            Action::Concat => concat(&self.inputs, before, output, count),
            Action::Pick(columns) => pick(columns, input(0), output, count),
            Action::Pairwise(binary) => {
                output.copy_from_slice(input(0));
                binary.pairwise(output, input(1));
            }
            Action::Dense(dense) => dense.run(input(0), output),
            Action::Function(function) => function.run(input(0), output)?,
        }
        for (binary, constants) in &self.finish {
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

fn pick(columns: &[usize], input: &[f32], output: &mut [f32], count: usize) {
    let rows = input.chunks_exact(input.len() / count);
    for (row, output) in rows.zip(output.chunks_exact_mut(columns.len())) {
        for (&column, output) in columns.iter().zip(output) {
            *output = row[column];
        }
    }
}
