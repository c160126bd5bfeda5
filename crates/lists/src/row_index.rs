//! Which row of a reference table a place belongs to.

use crate::row_key::{RowKey, RowKeys};

/// No row.
const NONE: u32 = u32::MAX;

/// The keys of rows in their order: those of IPv6 behind all others.
#[derive(Debug, Default)]
pub(crate) struct RowIndex {
    parts: [Part; 2],
}

/// Keys in order. Of exact keys only `firsts` is filled.
#[derive(Debug, Default)]
struct Part {
    firsts: Box<[u128]>,
    lasts: Box<[u128]>,
    /// For each key the nearest one before it that reaches further. Every key before it that holds a place behind its end is
    /// this one, or is found in the same way from there.
    reaching_further: Box<[u32]>,
}

impl RowIndex {
    /// The index of keys that are in order. Memory holds fewer than 2³² of them.
    pub(crate) fn new(kind: RowKeys, keys: &[RowKey]) -> RowIndex {
        let (lower, upper) = keys.split_at(keys.partition_point(|key| !key.is_v6));
        RowIndex {
            parts: [Part::new(kind, lower), Part::new(kind, upper)],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.firsts.len()).sum()
    }

    /// Bytes in memory.
    pub(crate) fn memory(&self) -> usize {
        let of_part =
            |part: &Part| size_of_val(&*part.firsts) + size_of_val(&*part.lasts) + size_of_val(&*part.reaching_further);
        self.parts.iter().map(of_part).sum()
    }

    /// The key of the row at this index.
    pub(crate) fn key(&self, kind: RowKeys, at: usize) -> RowKey {
        let lower = self.parts[0].firsts.len();
        let is_v6 = at >= lower;
        let (part, at) = match is_v6 {
            true => (&self.parts[1], at - lower),
            false => (&self.parts[0], at),
        };
        let first = part.firsts[at];
        let last = match kind {
            RowKeys::Exact => first,
            RowKeys::Range | RowKeys::Network => part.lasts[at],
        };
        RowKey { is_v6, first, last }
    }

    /// The index of the row that a place belongs to.
    #[inline]
    pub(crate) fn find(&self, kind: RowKeys, is_v6: bool, place: u128) -> Option<usize> {
        match (kind, is_v6) {
            (RowKeys::Exact, _) => self.parts[0].find_exact(place),
            (_, false) => self.parts[0].find(place),
            (_, true) => Some(self.parts[0].firsts.len() + self.parts[1].find(place)?),
        }
    }
}

impl Part {
    fn new(kind: RowKeys, keys: &[RowKey]) -> Part {
        let firsts = keys.iter().map(|key| key.first).collect();
        match kind {
            RowKeys::Exact => Part {
                firsts,
                ..Part::default()
            },
            RowKeys::Range | RowKeys::Network => Part {
                firsts,
                lasts: keys.iter().map(|key| key.last).collect(),
                reaching_further: reaching_further(keys),
            },
        }
    }

    /// Of the keys that hold the place, the last in their order.
    fn find(&self, place: u128) -> Option<usize> {
        let mut at = self.firsts.partition_point(|first| *first <= place).checked_sub(1)?;
        while self.lasts[at] < place {
            match self.reaching_further[at] {
                NONE => return None,
                before => at = before as usize,
            }
        }
        Some(at)
    }

    /// Places of exact keys are evenly distributed, so the right one is near its share of all.
    fn find_exact(&self, place: u128) -> Option<usize> {
        let firsts = &*self.firsts;
        let mut at = (((place >> 64) * firsts.len() as u128) >> 64) as usize;
        while at > 0 && firsts[at - 1] >= place {
            at -= 1;
        }
        while firsts.get(at).is_some_and(|first| *first < place) {
            at += 1;
        }
        (firsts.get(at) == Some(&place)).then_some(at)
    }
}

fn reaching_further(keys: &[RowKey]) -> Box<[u32]> {
    // Keys so far that a later one may need, each reaching less far than the one before it.
    let mut open: Vec<usize> = Vec::new();
    let each = keys.iter().enumerate().map(|(at, key)| {
        while open.last().is_some_and(|before| keys[*before].last <= key.last) {
            open.pop();
        }
        let before = open.last().map_or(NONE, |before| *before as u32);
        open.push(at);
        before
    });
    each.collect()
}
