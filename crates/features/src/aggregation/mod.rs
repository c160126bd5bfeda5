//! The aggregations. `table.rs` has an entry for each. The keys of pipeline files, type checks, the schema, the reference and
//! the oracle's cases follow from the table.
//!
//! To add an aggregation, add a variant in `definition.rs` and its entry in `table.rs`. CONTRIBUTING.md lists the other files,
//! for those that need a new accumulator or a new way of reading one.

mod definition;
mod table;

pub use definition::{Aggregation, Constructor, Definition, Empty, Operand, Output, Parameter, WindowRule};

use crate::accumulator::Accumulator;
use riskstream_events::{Value, ValueType};

impl Aggregation {
    /// All aggregations, in the order of the reference.
    pub const TABLE: &[Definition] = table::TABLE;

    /// What the table says of it.
    pub fn definition(self) -> &'static Definition {
        self.entry().0
    }

    /// The value of its parameter.
    pub fn parameter(self) -> Parameter {
        self.entry().1
    }

    pub(crate) fn accumulator(self) -> Accumulator {
        self.entry().2
    }

    /// The word that the pipeline file and messages use.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// Whether a value must be named.
    pub fn needs_value(self) -> bool {
        !self.definition().operand.is_events()
    }

    /// Whether values of this type can be aggregated.
    pub fn accepts(self, value_type: ValueType) -> bool {
        self.definition().operand.accepts(value_type)
    }

    /// The type of the feature, given that of the value (if one is named).
    pub fn output_type(self, value: Option<ValueType>) -> ValueType {
        self.definition().output.value_type(value)
    }

    /// Whether the window may be without a width: no entry has to be forgotten.
    pub fn allows_no_window(self) -> bool {
        self.definition().window != WindowRule::Limited
    }

    /// Whether it takes a half-life in place of a window.
    pub fn is_decayed(self) -> bool {
        self.definition().window == WindowRule::HalfLife
    }

    /// Whether float values enter in fixed point: one that is too large for the feature's precision is left out then. Every
    /// other aggregation takes each finite float exactly as it is.
    pub fn is_fixed_point(self) -> bool {
        self.accumulator().is_fixed_point()
    }

    /// The value when nothing counts, unless the feature states another.
    pub fn empty_value(self) -> Value {
        self.definition().empty_value()
    }
}
