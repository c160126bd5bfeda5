//! A tree ensemble as its model file describes it, before it is laid out for speed.

/// Decision trees over rows of numbers, each leaf adding weights to some targets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ensemble {
    pub nodes: Vec<Node>,
    /// The root node of each tree, in the order in which their leaves are added up.
    pub roots: Vec<u32>,
    /// Leaf weights, referred to by [`Node::Leaf`].
    pub weights: Vec<Weight>,
    /// Members of [`Comparison::Member`] sets.
    pub members: Vec<f64>,
    /// Number of targets or classes.
    pub targets: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    pub target: u32,
    pub value: f64,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Branch(Branch),
    /// A range of [`Ensemble::weights`].
    Leaf {
        first: u32,
        count: u32,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub feature: u32,
    pub comparison: Comparison,
    pub threshold: f64,
    /// Whether a missing value (NaN) goes where the comparison holds.
    pub missing_is_true: bool,
    pub on_true: u32,
    pub on_false: u32,
}

/// How a value is compared with a branch's threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,
    /// Is the value in a range of [`Ensemble::members`]?
    Member {
        first: u32,
        count: u32,
    },
}

/// Why an ensemble is no ensemble.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum EnsembleError {
    #[error("node {node} points to node {child}, which does not exist")]
    MissingChild { node: u32, child: u32 },
    #[error("node {0} leads back to itself")]
    Cycle(u32),
    #[error("a leaf has a weight for target {target}, but there are {targets} targets")]
    Target { target: u32, targets: usize },
    #[error("more than 2^31 nodes")]
    TooLarge,
}
