//! The answer of the models for one event, as far as the policy depends on it.

/// Why a model gave no score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelFailure {
    /// It failed on the row.
    Failed,
    /// It exceeded its time budget.
    Late,
    /// Its answer is not a finite number.
    NotANumber,
    /// It was not asked: its circuit is open after repeated failures.
    CircuitOpen,
}

impl ModelFailure {
    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            ModelFailure::Failed => "failed",
            ModelFailure::Late => "late",
            ModelFailure::NotANumber => "not_a_number",
            ModelFailure::CircuitOpen => "circuit_open",
        }
    }
}

/// The score of one event, and the model that gave it. Models are named by their index in the line-up in force.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Answer {
    /// The model that was asked first: the champion or a challenger. `None` if rules alone decide.
    pub asked: Option<usize>,
    /// The model that gave the score: `asked` or its fallback. Without a score it is `asked`.
    pub model: Option<usize>,
    /// The score, if a model gave one.
    pub score: Option<f64>,
    /// Why `asked` gave no score. Its fallback may have given one.
    pub failure: Option<ModelFailure>,
}
