//! The nodes of trees in the form in which they are walked.

use super::key::Number;

/// A node: the slot of the key that is compared, the cut, and the first child. The second child follows the first. A
/// leaf is its own first child, and its cut holds its payload.
pub(crate) trait Record: Copy + std::fmt::Debug + Send + Sync + 'static {
    type Number: Number;

    /// The largest slot and child that fit.
    const MAX_SLOT: usize;
    const MAX_CHILD: usize;

    fn new(cut: KeyOf<Self>, slot: u32, child: u32) -> Self;
    fn cut(self) -> KeyOf<Self>;
    fn slot(self) -> usize;
    fn child(self) -> u32;
}

pub(crate) type KeyOf<R> = <<R as Record>::Number as Number>::Key;

/// A record of eight bytes, for up to 511 features and 4 million nodes. Nearly every model fits.
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

/// A record for models that do not fit [`Compact`].
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

/// The root of a tree, and the smallest and largest number of steps from it to a leaf.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    pub root: u32,
    pub min_steps: u32,
    pub max_steps: u32,
}
