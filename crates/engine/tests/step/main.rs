//! The step: admission, state and features, labels, keys, the policy on an answer.

mod admit;
mod apply;
mod decide;
mod shop;
