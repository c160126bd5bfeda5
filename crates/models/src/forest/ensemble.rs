//! A tree ensemble as its model file describes it.

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

impl Ensemble {
    /// The largest number of branches from a root to a leaf; `None` if the nodes do not form trees.
    pub fn depth(&self) -> Option<usize> {
        let mut deepest = 0;
        let mut seen = vec![false; self.nodes.len()];
        let mut waiting: Vec<(u32, usize)> = self.roots.iter().map(|&root| (root, 0)).collect();
        while let Some((index, depth)) = waiting.pop() {
            deepest = deepest.max(depth);
            let Node::Branch(branch) = self.nodes.get(index as usize)? else {
                continue;
            };
            if std::mem::replace(&mut seen[index as usize], true) {
                return None;
            }
            waiting.extend([(branch.on_true, depth + 1), (branch.on_false, depth + 1)]);
        }
        Some(deepest)
    }
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
    /// Whether a missing value (NaN) takes the branch on which the comparison holds.
    pub missing_is_true: bool,
    pub on_true: u32,
    pub on_false: u32,
}

/// The comparison of a value with the threshold of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,
    /// Membership of the value in a range of [`Ensemble::members`].
    Member {
        first: u32,
        count: u32,
    },
}

/// Why the nodes do not form an ensemble.
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
