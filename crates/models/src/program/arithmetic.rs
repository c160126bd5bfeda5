//! Arithmetic on rows.

/// A function of two numbers: of an input and a constant, or of two inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    /// The second minus the first.
    SubtractFrom,
    Multiply,
    Divide,
    /// The second divided by the first.
    DivideInto,
    Minimum,
    Maximum,
}

impl Binary {
    /// The function with this name in tract.
    pub fn named(name: &str) -> Option<Binary> {
        Some(match name {
            "Add" => Binary::Add,
            "Sub" => Binary::Subtract,
            "SubF" => Binary::SubtractFrom,
            "Mul" => Binary::Multiply,
            "Div" => Binary::Divide,
            "Min" => Binary::Minimum,
            "Max" => Binary::Maximum,
            _ => return None,
        })
    }

    /// The same function with its operands swapped.
    pub fn swapped(self) -> Binary {
        match self {
            Binary::Subtract => Binary::SubtractFrom,
            Binary::SubtractFrom => Binary::Subtract,
            Binary::Divide => Binary::DivideInto,
            Binary::DivideInto => Binary::Divide,
            Binary::Add | Binary::Multiply | Binary::Minimum | Binary::Maximum => self,
        }
    }

    /// Applies the function to each row of `numbers` and `constants`, which are one number or one for each column.
    pub fn with_constants(self, numbers: &mut [f32], constants: &[f32]) {
        match constants {
            [constant] => self.dispatch(Uniform(numbers, *constant)),
            _ => numbers
                .chunks_exact_mut(constants.len())
                .for_each(|row| self.element_wise(row, constants)),
        }
    }

    /// Applies the function to the elements of `numbers` and `others` in turn.
    pub fn element_wise(self, numbers: &mut [f32], others: &[f32]) {
        self.dispatch(Pairs(numbers, others));
    }

    /// One loop for each function, which the compiler turns into vector instructions.
    fn dispatch(self, numbers: impl Combine) {
        match self {
            Binary::Add => numbers.combine(|a, b| a + b),
            Binary::Subtract => numbers.combine(|a, b| a - b),
            Binary::SubtractFrom => numbers.combine(|a, b| b - a),
            Binary::Multiply => numbers.combine(|a, b| a * b),
            Binary::Divide => numbers.combine(|a, b| a / b),
            Binary::DivideInto => numbers.combine(|a, b| b / a),
            Binary::Minimum => numbers.combine(minimum),
            Binary::Maximum => numbers.combine(maximum),
        }
    }
}

/// The smaller number; NaN if either is NaN, as in ONNX Runtime.
fn minimum(a: f32, b: f32) -> f32 {
    if a <= b || a.is_nan() { a } else { b }
}

/// The larger number; NaN if either is NaN, as in ONNX Runtime.
fn maximum(a: f32, b: f32) -> f32 {
    if a >= b || a.is_nan() { a } else { b }
}

trait Combine {
    fn combine(self, function: impl Fn(f32, f32) -> f32);
}

struct Uniform<'a>(&'a mut [f32], f32);

impl Combine for Uniform<'_> {
    fn combine(self, function: impl Fn(f32, f32) -> f32) {
        self.0.iter_mut().for_each(|number| *number = function(*number, self.1));
    }
}

struct Pairs<'a>(&'a mut [f32], &'a [f32]);

impl Combine for Pairs<'_> {
    fn combine(self, function: impl Fn(f32, f32) -> f32) {
        self.0
            .iter_mut()
            .zip(self.1)
            .for_each(|(number, &other)| *number = function(*number, other));
    }
}
