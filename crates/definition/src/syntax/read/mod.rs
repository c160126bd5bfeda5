//! From the tree to typed sections. Reading goes on after a diagnostic: a broken part is left out, and later phases know
//! that it was reported.

mod collection;
mod scalar;
mod section;
mod value;
mod word;

pub use collection::{List, Map};
pub use scalar::{ByteSize, Duration, ExpressionText, PropertyText, Raw, Time};
pub(crate) use section::section;
pub use section::{Keys, count, join, key_name};
pub use value::{Read, Required, Spanned, expected};
pub(crate) use word::word;
pub use word::{VARIABLE, Word};
