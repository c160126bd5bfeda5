//! Reads text into a tree with the place of every value.

mod node;
mod place;
mod yaml;

pub use node::{Key, Node, NodeValue, ScalarText};
pub use place::within;
pub use yaml::{Environment, parse};
