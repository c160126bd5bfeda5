//! A model of a line-up, and where its inputs come from.

use crate::explanation::Explanation;
use riskstream_events::Slot;
use riskstream_models::Model;
use std::sync::Arc;
use std::time::Duration;

/// A loaded model, the slots of its inputs, its time budget and its fallback.
#[derive(Clone, Debug)]
pub struct ModelPlan {
    /// Name and version as `name@version`, for metrics and shadow scores.
    pub label: Arc<str>,
    /// The model's name.
    pub name: String,
    /// The model's version.
    pub version: String,
    /// The model.
    pub model: Arc<Model>,
    /// The SHA-256 of its card in hexadecimal, if it has one. Explanations depend on the card's text.
    pub card: Option<String>,
    /// The slots of the listed inputs, in the model's order: numbers where the model takes numbers, texts where it takes
    /// texts, lists where it takes sequences. Null becomes NaN, or the empty text.
    pub inputs: Vec<Slot>,
    /// The source of each of the model's columns, in the model's order.
    pub columns: Vec<Column>,
    /// The value that fills up a sequence of numbers that is shorter than the model's.
    pub pad: f64,
    /// Explains its scores, if decisions are explained.
    pub explanation: Option<Explanation>,
    /// The time budget of a call. Without one the call may take any time.
    pub within: Option<Duration>,
    /// The index of the model that is asked where this one gives no score.
    pub fallback: Option<usize>,
}

/// The source of the value of one column of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Index among the model's listed inputs.
    pub input: usize,
    /// For an input that is a list, which of its values: 0 is the newest. `None` for an input that is one value.
    pub back: Option<usize>,
}
