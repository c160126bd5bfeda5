//! Phase `inputs`: the input topics with their fields.

mod agreement;
mod avro_types;
mod field;
mod input;
mod kinds;
mod overlap;
mod resolve;
mod schema_file;

pub use field::ResolvedField;
pub use input::ResolvedInput;
pub use kinds::check_kinds;
pub use overlap::check_places;
pub use resolve::compile;
