//! The parts of a task, each alone: source, state and sink; and the task that is composed of them.

mod labels;
mod shop;
mod sink;
mod source;
mod state;
mod task;
