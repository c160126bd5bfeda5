//! Revisions of the language: changes of what an expression means.

/// The revision of the language that gave an expression its present meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// It has always meant the same.
    #[default]
    First,
    /// The quotient of two ints is a float. Before, it was an int, cut towards zero.
    FloatQuotients,
}
