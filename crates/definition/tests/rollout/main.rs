//! The text of a roll-out: what it may not say, and what its author reads then.

mod decides;
mod refusals;
mod shop;
