//! Avro to rows: a projection, compiled once from the writer's schema, reads the plan's fields from the bytes and skips the
//! rest. It builds only the values that go into the row.
//!
//! Sources: the Avro 1.12 specification, "Binary encoding" and "Schema resolution".

mod compile;
mod connect;
mod decode;
mod defaults;
mod error;
mod names;
mod program;
mod projection;
mod schema;

pub use connect::{add_logical_types, is_variable_scale_decimal};
pub use error::SchemaError;
pub use program::MAX_DEPTH;
pub use projection::{AvroProjection, ReaderSchema};
