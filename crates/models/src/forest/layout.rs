//! Laying trees out for speed.
//!
//! Every comparison becomes `key < cut` over integer keys (see [`super::key`]). A comparison that needs two cuts or more
//! (equality, set membership) becomes a search tree over them. Where a node is reached in several ways its record is
//! copied, which shares everything below it.
//!
//! Siblings are adjacent: the next node is `child + (key >= cut)`. A leaf compares a constant slot that holds the lowest
//! key, so it always leads to `child`, which is itself, and its `cut` is free to hold the leaf's value.

use super::crown::{Crowns, SLOTS};
use super::ensemble::{Ensemble, EnsembleError, Node};
use super::key::{Key, Number};
use super::split::Splits;

/// A node as the traversal reads it.
pub(crate) trait Record: Copy + std::fmt::Debug + Send + Sync + 'static {
    type Number: Number;

    /// Largest slot and child that fit.
    const MAX_SLOT: usize;
    const MAX_CHILD: usize;

    fn new(cut: KeyOf<Self>, slot: u32, child: u32) -> Self;
    fn cut(self) -> KeyOf<Self>;
    fn slot(self) -> usize;
    fn child(self) -> u32;
}

pub(crate) type KeyOf<R> = <<R as Record>::Number as Number>::Key;

/// Eight bytes: up to 511 features and 4 million nodes, which is nearly every model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compact {
    cut: i32,
    packed: u32,
}

impl Record for Compact {
    type Number = f32;
    const MAX_SLOT: usize = (1 << 10) - 1;
    const MAX_CHILD: usize = (1 << 22) - 1;

    fn new(cut: i32, slot: u32, child: u32) -> Self {
        Compact {
            cut,
            packed: child << 10 | slot,
        }
    }
    #[inline(always)]
    fn cut(self) -> i32 {
        self.cut
    }
    #[inline(always)]
    fn slot(self) -> usize {
        (self.packed & 1023) as usize
    }
    #[inline(always)]
    fn child(self) -> u32 {
        self.packed >> 10
    }
}

/// For what does not fit [`Compact`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wide<N: Number> {
    cut: N::Key,
    slot: u32,
    child: u32,
}

impl<N: Number> Record for Wide<N> {
    type Number = N;
    const MAX_SLOT: usize = u32::MAX as usize;
    const MAX_CHILD: usize = u32::MAX as usize;

    fn new(cut: N::Key, slot: u32, child: u32) -> Self {
        Wide { cut, slot, child }
    }
    #[inline(always)]
    fn cut(self) -> N::Key {
        self.cut
    }
    #[inline(always)]
    fn slot(self) -> usize {
        self.slot as usize
    }
    #[inline(always)]
    fn child(self) -> u32 {
        self.child
    }
}

/// Where a tree begins, and between how many and how many steps its leaves lie away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    pub root: u32,
    pub min_steps: u32,
    pub max_steps: u32,
}

/// The nodes of all trees, and how wide a row of keys is.
#[derive(Debug)]
pub(crate) struct Layout<R: Record> {
    pub records: Vec<R>,
    pub trees: Vec<Tree>,
    pub crowns: Crowns<R>,
    /// Number of slots in a row of keys, those that fill it up included.
    pub slots: usize,
    /// Number of features that any branch looks at: the largest one and those before it.
    pub features: usize,
}

/// Lays out `ensemble`; `None` when its records do not fit `R`.
///
/// `leaf_payload` gives what a leaf's record holds, from its range of weights.
pub(crate) fn lay_out<R: Record>(
    ensemble: &Ensemble,
    leaf_payload: impl FnMut(u32, u32) -> KeyOf<R>,
) -> Result<Option<Layout<R>>, EnsembleError> {
    let features = features(ensemble);
    if 2 * features > R::MAX_SLOT {
        return Ok(None);
    }
    let mut builder = Builder::<R, _> {
        ensemble,
        leaf_payload,
        splits: Splits::new::<R::Number>(ensemble),
        features: features as u32,
        records: Vec::with_capacity(ensemble.nodes.len()),
        placed: vec![UNPLACED; ensemble.nodes.len()],
        queue: Vec::new(),
        copies: Vec::new(),
    };
    let steps = builder.steps()?;
    let mut trees = Vec::with_capacity(ensemble.roots.len());
    for &root in &ensemble.roots {
        let (min_steps, max_steps) = steps[root as usize];
        trees.push(Tree {
            root: builder.tree(root)?,
            min_steps,
            max_steps,
        });
        if builder.records.len() > R::MAX_CHILD {
            return if R::MAX_CHILD == u32::MAX as usize {
                Err(EnsembleError::TooLarge)
            } else {
                Ok(None)
            };
        }
    }
    let slots = 2 * features + 1;
    let crowns = Crowns::new(&builder.records, &trees, slots);
    Ok(Some(Layout {
        slots: slots.max(SLOTS),
        crowns,
        records: builder.records,
        trees,
        features,
    }))
}

fn features(ensemble: &Ensemble) -> usize {
    let largest = ensemble.nodes.iter().filter_map(|node| match node {
        Node::Branch(branch) => Some(branch.feature as usize + 1),
        Node::Leaf { .. } => None,
    });
    largest.max().unwrap_or(0)
}

const UNPLACED: u32 = u32::MAX;

/// A part of a branch's search tree that waits for its record: the cuts `from..to`, at `position`.
struct Pending {
    position: u32,
    node: u32,
    from: u32,
    to: u32,
}

struct Builder<'a, R: Record, P> {
    ensemble: &'a Ensemble,
    leaf_payload: P,
    splits: Splits<KeyOf<R>>,
    features: u32,
    records: Vec<R>,
    /// Where each node's first record lies.
    placed: Vec<u32>,
    queue: Vec<Pending>,
    /// Records to be filled with a copy of a node's record once all are written.
    copies: Vec<(u32, u32)>,
}

impl<R: Record, P: FnMut(u32, u32) -> KeyOf<R>> Builder<'_, R, P> {
    /// Writes one tree's records, breadth first, so that the upper nodes, visited most, lie together. Returns the root's
    /// position.
    fn tree(&mut self, root: u32) -> Result<u32, EnsembleError> {
        let position = self.reserve(1);
        self.put(root, position)?;
        let mut next = 0;
        while next < self.queue.len() {
            let Pending {
                position,
                node,
                from,
                to,
            } = self.queue[next];
            next += 1;
            self.write(position, node, from, to)?;
        }
        self.queue.clear();
        for (position, node) in std::mem::take(&mut self.copies) {
            self.records[position as usize] = self.records[self.placed[node as usize] as usize];
        }
        Ok(position)
    }

    fn reserve(&mut self, count: usize) -> u32 {
        let position = self.records.len() as u32;
        self.records
            .resize(self.records.len() + count, R::new(KeyOf::<R>::LOWEST, 0, 0));
        position
    }

    /// Puts a node at a position: now if it is a leaf, later if it is a branch, as a copy if it has a place already.
    fn put(&mut self, node: u32, position: u32) -> Result<(), EnsembleError> {
        if self.placed[node as usize] != UNPLACED {
            self.copies.push((position, node));
            return Ok(());
        }
        self.placed[node as usize] = position;
        match self.ensemble.nodes[node as usize] {
            Node::Leaf { first, count } => {
                let payload = (self.leaf_payload)(first, count);
                self.records[position as usize] = R::new(payload, 2 * self.features, position);
            }
            Node::Branch(ref branch) => {
                let to = self.splits.of::<R::Number>(node, branch).count();
                self.queue.push(Pending {
                    position,
                    node,
                    from: 0,
                    to,
                });
            }
        }
        if self.records.len() >= UNPLACED as usize - 2 {
            return Err(EnsembleError::TooLarge);
        }
        Ok(())
    }

    /// Writes the record for the middle one of the cuts `from..to` and sees to both sides of it.
    fn write(&mut self, position: u32, node: u32, from: u32, to: u32) -> Result<(), EnsembleError> {
        let Node::Branch(branch) = &self.ensemble.nodes[node as usize] else {
            return Ok(());
        };
        let split = self.splits.of::<R::Number>(node, branch);
        let middle = from + (to - from) / 2;
        let missing_region = u32::from(branch.missing_is_true != split.first_region_is_true);
        let missing_goes_right = missing_region > middle;
        let slot = if missing_goes_right {
            self.features + branch.feature
        } else {
            branch.feature
        };
        let children = self.reserve(2);
        self.records[position as usize] = R::new(self.splits.cut(split, middle), slot, children);
        for (child_position, from, to) in [(children, from, middle), (children + 1, middle + 1, to)] {
            if from < to {
                self.queue.push(Pending {
                    position: child_position,
                    node,
                    from,
                    to,
                });
                continue;
            }
            let region_is_true = split.first_region_is_true == (from % 2 == 0);
            let child = if region_is_true {
                branch.on_true
            } else {
                branch.on_false
            };
            self.put(child, child_position)?;
        }
        Ok(())
    }

    /// For each node that a tree reaches, between how many and how many steps the leaves below it are away.
    ///
    /// Nodes may have several parents (LightGBM's categorical splits do), but no node may lead back to itself.
    fn steps(&self) -> Result<Vec<(u32, u32)>, EnsembleError> {
        const UNKNOWN: (u32, u32) = (u32::MAX, 0);
        const OPEN: (u32, u32) = (u32::MAX, 1);
        let mut steps = vec![UNKNOWN; self.ensemble.nodes.len()];
        let mut stack = self.ensemble.roots.clone();
        while let Some(&node) = stack.last() {
            let branch = match &self.ensemble.nodes[node as usize] {
                Node::Branch(branch) if steps[node as usize] == UNKNOWN || steps[node as usize] == OPEN => branch,
                Node::Branch(_) => {
                    stack.pop();
                    continue;
                }
                Node::Leaf { .. } => {
                    steps[node as usize] = (0, 0);
                    stack.pop();
                    continue;
                }
            };
            let children = [branch.on_true, branch.on_false];
            if steps[node as usize] == UNKNOWN {
                steps[node as usize] = OPEN;
                for child in children {
                    match steps[child as usize] {
                        OPEN => return Err(EnsembleError::Cycle(child)),
                        UNKNOWN => stack.push(child),
                        _ => {}
                    }
                }
                continue;
            }
            let cuts = self.splits.of::<R::Number>(node, branch).count();
            let below = children.map(|child| steps[child as usize]);
            let min = (cuts + 1).ilog2().saturating_add(below[0].0.min(below[1].0));
            let max = (cuts.ilog2() + 1).saturating_add(below[0].1.max(below[1].1));
            steps[node as usize] = (min, max);
            stack.pop();
        }
        Ok(steps)
    }
}
