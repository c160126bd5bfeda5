//! The memory layout of trees, for fast walks.
//!
//! Every comparison becomes `key < cut` over integer keys (see [`super::key`]). A comparison that needs two cuts or
//! more (equality, set membership) becomes a search tree over them. The record of a node with several parents is
//! copied for each; the copies share the nodes below.
//!
//! Siblings are adjacent: the next node is `child + (key >= cut)`. A leaf compares a slot that always holds the lowest
//! key, so its next node is `child`, which is itself. Its `cut` holds the payload.

use super::ensemble::{Ensemble, EnsembleError, Node};
use super::key::Key;
use super::record::{KeyOf, Record, Tree};
use super::split::Splits;
use super::top_levels::{SLOTS, TopLevels};

/// The nodes of all trees, and the width of a row of keys.
#[derive(Debug)]
pub(crate) struct Layout<R: Record> {
    pub records: Vec<R>,
    pub trees: Vec<Tree>,
    pub top_levels: TopLevels<R>,
    /// Number of slots in a row of keys, padding included.
    pub slots: usize,
    /// One more than the largest feature that a branch reads.
    pub features: usize,
}

/// Lays out `ensemble`; `None` if its records do not fit `R`.
///
/// `leaf_payload` gives the payload of a leaf from the first of its weights and their number.
pub(crate) fn lay_out<R: Record>(
    ensemble: &Ensemble,
    leaf_payload: impl FnMut(u32, u32) -> KeyOf<R>,
) -> Result<Option<Layout<R>>, EnsembleError> {
    let features = features(ensemble);
    if 2 * features > R::MAX_SLOT {
        return Ok(None);
    }
    let mut builder = LayoutBuilder::<R, _> {
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
    let top_levels = TopLevels::new(&builder.records, &trees, slots);
    Ok(Some(Layout {
        slots: slots.max(SLOTS),
        top_levels,
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

/// A part of a branch's search tree whose record is yet to be written: the cuts `from..to`, at `position`.
struct PendingCuts {
    position: u32,
    node: u32,
    from: u32,
    to: u32,
}

struct LayoutBuilder<'a, R: Record, P> {
    ensemble: &'a Ensemble,
    leaf_payload: P,
    splits: Splits<KeyOf<R>>,
    features: u32,
    records: Vec<R>,
    /// The position of each node's first record.
    placed: Vec<u32>,
    queue: Vec<PendingCuts>,
    /// Positions to be filled with a copy of a node's record once all records are written.
    copies: Vec<(u32, u32)>,
}

impl<R: Record, P: FnMut(u32, u32) -> KeyOf<R>> LayoutBuilder<'_, R, P> {
    /// Writes one tree's records breadth first, so that the upper nodes, which are visited most, lie together. Returns
    /// the position of the root.
    fn tree(&mut self, root: u32) -> Result<u32, EnsembleError> {
        let position = self.reserve(1);
        self.put(root, position)?;
        let mut next = 0;
        while next < self.queue.len() {
            let PendingCuts {
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

    /// Puts a node at a position: a leaf is written, a branch is queued, a node that has a position already is copied
    /// later.
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
                self.queue.push(PendingCuts {
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

    /// Writes the record of the middle one of the cuts `from..to`, and queues or puts both of its children.
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
                self.queue.push(PendingCuts {
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

    /// For each node of a tree the smallest and largest number of steps to a leaf.
    ///
    /// Nodes may have several parents (LightGBM's categorical splits do).
    ///
    /// # Errors
    /// When a node leads back to itself.
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
