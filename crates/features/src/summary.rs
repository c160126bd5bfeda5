//! Summaries of a window's entries: extremes, first and last values, multisets, decayed sums.

use crate::accumulator::DerivedKind;
use crate::cell::{Cell, Form, list};
use crate::encode::{Malformed, Reader, put_signed, put_text, put_unsigned};
use crate::entry::Entry;
use crate::frequencies::Frequencies;
use crate::layout::{Column, DerivedLayout};
use crate::sorted::Sorted;
use hashbrown::HashMap;
use riskstream_events::Value;
use std::collections::VecDeque;

/// A summary of the entries between two edges, or up to one.
#[derive(Clone, Debug)]
pub(crate) enum Summary {
    /// Greatest keys that no later one exceeds, falling, each with its ordinal: a monotonic queue.
    Extreme(VecDeque<(u64, i64)>),
    /// Greatest key so far.
    Best(Option<i64>),
    /// First value, with its ordinal.
    First(Option<(u64, Cell)>),
    /// First k values, oldest first, each with its ordinal.
    FirstK(VecDeque<(u64, Cell)>),
    /// Last value, with its ordinal.
    Last(Option<(u64, Cell)>),
    /// Last k values, newest last.
    LastK(VecDeque<(u64, Cell)>),
    /// The time of the newest entry, and what it has in the column.
    Row(Option<(i64, Option<Cell>)>),
    /// How often each value occurs.
    Distinct(HashMap<Cell, u32>),
    /// How often each value occurs, in order of frequency.
    Frequencies(Frequencies),
    /// Values in order.
    Sorted(Sorted),
    /// A decayed sum.
    Decayed(Decay),
}

/// Whether a summary is that of its window's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    Valid,
    /// It has to be rebuilt before it is read.
    Stale,
    /// An entry has left that never entered: the stored window is not that of the stored log.
    Contradicted,
}

impl Validity {
    fn of_removal(was_there: bool) -> Self {
        match was_there {
            true => Validity::Valid,
            false => Validity::Contradicted,
        }
    }
}

/// The sum of weights · 2^(−age / half-life), as of the event time of the newest entry. Entries are always
/// added in the log's order, so the same entries give the same bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Decay {
    /// The sum and the time as of which it is, once there is an entry.
    pub(crate) sum: Option<(f64, i64)>,
}

impl Decay {
    fn add(&mut self, time: i64, weight: f64, half_life: f64) {
        self.sum = Some(match self.sum {
            None => (weight, time),
            Some((sum, at)) if time >= at => (sum * decay(time - at, half_life) + weight, time),
            // Only an entry that came too late to be inserted is older than the newest.
            Some((sum, at)) => (sum + weight * decay(at - time, half_life), at),
        });
    }

    /// The sum as of `end`, or none without entries.
    pub(crate) fn as_of(&self, end: i64, half_life: f64) -> Option<f64> {
        self.sum
            .map(|(sum, at)| sum * decay(end.saturating_sub(at).max(0), half_life))
    }
}

/// 2^(−age / half-life), the same bits on every machine.
fn decay(age: i64, half_life: f64) -> f64 {
    libm::exp2(-(age as f64) / half_life)
}

impl Summary {
    pub(crate) fn new(layout: &DerivedLayout, bounded: bool) -> Self {
        match layout.kind {
            DerivedKind::Min | DerivedKind::Max if bounded => Summary::Extreme(VecDeque::new()),
            DerivedKind::Min | DerivedKind::Max => Summary::Best(None),
            DerivedKind::First => Summary::First(None),
            DerivedKind::FirstK(_) => Summary::FirstK(VecDeque::new()),
            DerivedKind::Last => Summary::Last(None),
            DerivedKind::LastK(_) => Summary::LastK(VecDeque::new()),
            DerivedKind::Row => Summary::Row(None),
            DerivedKind::Distinct => Summary::Distinct(HashMap::default()),
            DerivedKind::Frequencies => Summary::Frequencies(Frequencies::default()),
            DerivedKind::Sorted => Summary::Sorted(Sorted::default()),
            DerivedKind::Decayed { .. } => Summary::Decayed(Decay::default()),
        }
    }

    pub(crate) fn clear(&mut self, layout: &DerivedLayout) {
        match self {
            Summary::Extreme(queue) => queue.clear(),
            Summary::FirstK(cells) | Summary::LastK(cells) => cells.clear(),
            Summary::Distinct(counts) => counts.clear(),
            other => *other = Summary::new(layout, !matches!(other, Summary::Best(_))),
        }
    }

    /// Whether further entries cannot change it while it is rebuilt.
    pub(crate) fn is_complete(&self, layout: &DerivedLayout) -> bool {
        match self {
            Summary::First(first) => first.is_some(),
            Summary::Last(last) => last.is_some(),
            Summary::Row(row) => row.is_some(),
            Summary::FirstK(cells) => matches!(layout.kind, DerivedKind::FirstK(k) if cells.len() >= k),
            Summary::LastK(cells) => matches!(layout.kind, DerivedKind::LastK(k) if cells.len() >= k),
            _ => false,
        }
    }

    pub(crate) fn is_multiset(&self) -> bool {
        matches!(
            self,
            Summary::Distinct(_) | Summary::Frequencies(_) | Summary::Sorted(_)
        )
    }

    pub(crate) fn add(&mut self, layout: &DerivedLayout, ordinal: u64, entry: Entry<'_>) {
        match self {
            Summary::Extreme(queue) => {
                let key = key(layout, entry);
                while queue.back().is_some_and(|&(_, other)| other <= key) {
                    queue.pop_back();
                }
                queue.push_back((ordinal, key));
            }
            Summary::Best(best) => *best = (*best).max(Some(key(layout, entry))),
            Summary::First(first @ None) => *first = Some((ordinal, entry.cell(layout.column))),
            Summary::First(Some(_)) => {}
            Summary::FirstK(cells) => {
                if matches!(layout.kind, DerivedKind::FirstK(k) if cells.len() < k) {
                    cells.push_back((ordinal, entry.cell(layout.column)));
                }
            }
            Summary::Last(last) => *last = Some((ordinal, entry.cell(layout.column))),
            Summary::LastK(cells) => {
                if matches!(layout.kind, DerivedKind::LastK(k) if cells.len() >= k) {
                    cells.pop_front();
                }
                cells.push_back((ordinal, entry.cell(layout.column)));
            }
            Summary::Row(row) => {
                if row.as_ref().is_none_or(|&(time, _)| time <= entry.time()) {
                    *row = Some(layout.row(entry));
                }
            }
            Summary::Distinct(counts) => *counts.entry(entry.cell(layout.column)).or_insert(0) += 1,
            Summary::Frequencies(frequencies) => frequencies.add(entry.cell(layout.column)),
            Summary::Sorted(sorted) => sorted.add(word(layout, entry)),
            Summary::Decayed(decay) => {
                if let DerivedKind::Decayed { half_life, is_weighted } = layout.kind {
                    let weight = match is_weighted {
                        true => layout.precision.numbers(word(layout, entry) as f64),
                        false => 1.0,
                    };
                    decay.add(entry.time(), weight, half_life);
                }
            }
        }
    }

    /// The oldest entry leaves.
    pub(crate) fn remove_oldest(&mut self, layout: &DerivedLayout, ordinal: u64, entry: Entry<'_>) -> Validity {
        match self {
            Summary::Extreme(queue) => {
                if queue.front().is_some_and(|&(oldest, _)| oldest == ordinal) {
                    queue.pop_front();
                }
            }
            Summary::First(_) => return Validity::Stale,
            Summary::FirstK(cells) => {
                // If it holds fewer than k values, it holds all there are.
                let holds_all = matches!(layout.kind, DerivedKind::FirstK(k) if cells.len() < k);
                cells.pop_front();
                return match holds_all {
                    true => Validity::Valid,
                    false => Validity::Stale,
                };
            }
            Summary::Last(last) => {
                if last.as_ref().is_some_and(|&(newest, _)| newest == ordinal) {
                    *last = None;
                }
            }
            Summary::LastK(cells) => {
                if cells.front().is_some_and(|&(oldest, _)| oldest == ordinal) {
                    cells.pop_front();
                }
            }
            Summary::Distinct(counts) => {
                let cell = entry.cell(layout.column);
                let Some(count) = counts.get_mut(&cell) else {
                    return Validity::Contradicted;
                };
                *count -= 1;
                if *count == 0 {
                    counts.remove(&cell);
                }
            }
            Summary::Frequencies(frequencies) => {
                return Validity::of_removal(frequencies.remove(entry.cell(layout.column)));
            }
            Summary::Sorted(sorted) => return Validity::of_removal(sorted.remove(word(layout, entry))),
            Summary::Best(_) | Summary::Decayed(_) | Summary::Row(_) => {
                unreachable!("no entry leaves an unlimited window")
            }
        }
        Validity::Valid
    }

    pub(crate) fn memory(&self) -> usize {
        const CELL: usize = size_of::<(u64, Cell)>();
        match self {
            Summary::Extreme(queue) => queue.capacity() * 16,
            Summary::FirstK(cells) | Summary::LastK(cells) => cells.capacity() * CELL,
            Summary::Distinct(counts) => counts.capacity() * (CELL + 1),
            Summary::Frequencies(frequencies) => frequencies.memory(),
            Summary::Sorted(sorted) => sorted.memory(),
            _ => 0,
        }
    }

    /// The value, or the list of values; `None` if there are none.
    pub(crate) fn values(&self, layout: &DerivedLayout, form: Form) -> Option<Value> {
        match self {
            Summary::Extreme(queue) => queue.front().map(|&(_, key)| form.of_word(from_key(layout, key))),
            Summary::Best(best) => best.map(|key| form.of_word(from_key(layout, key))),
            Summary::First(value) | Summary::Last(value) => value.as_ref().map(|(_, cell)| form.of_cell(cell)),
            Summary::FirstK(cells) => list(cells.iter().map(|(_, cell)| form.of_cell(cell))),
            Summary::LastK(cells) => list(cells.iter().rev().map(|(_, cell)| form.of_cell(cell))),
            _ => None,
        }
    }

    /// Appends the summary of an unlimited window, without ordinals.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Summary::Best(best) => {
                out.push(u8::from(best.is_some()));
                put_signed(out, best.unwrap_or(0));
            }
            Summary::First(value) | Summary::Last(value) => {
                out.push(u8::from(value.is_some()));
                if let Some((_, cell)) = value {
                    encode_cell(cell, out);
                }
            }
            Summary::FirstK(cells) | Summary::LastK(cells) => {
                put_unsigned(out, cells.len() as u64);
                cells.iter().for_each(|(_, cell)| encode_cell(cell, out));
            }
            Summary::Row(row) => match row {
                None => out.push(0),
                Some((time, cell)) => {
                    out.push(1 + u8::from(cell.is_some()));
                    put_signed(out, *time);
                    if let Some(cell) = cell {
                        encode_cell(cell, out);
                    }
                }
            },
            Summary::Decayed(decay) => {
                out.push(u8::from(decay.sum.is_some()));
                if let Some((sum, at)) = decay.sum {
                    out.extend_from_slice(&sum.to_le_bytes());
                    put_signed(out, at);
                }
            }
            Summary::Extreme(_) | Summary::Distinct(_) | Summary::Frequencies(_) | Summary::Sorted(_) => {
                unreachable!("unlimited windows have none of these")
            }
        }
    }

    /// Reads what [`Summary::encode`] wrote. All ordinals are 0.
    pub(crate) fn decode(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        match self {
            Summary::Best(best) => {
                let is_some = reader.byte()? != 0;
                *best = Some(reader.signed()?).filter(|_| is_some);
            }
            Summary::First(value) | Summary::Last(value) => {
                *value = if reader.byte()? != 0 {
                    Some((0, decode_cell(reader)?))
                } else {
                    None
                };
            }
            Summary::FirstK(cells) | Summary::LastK(cells) => {
                let count = reader.count()?;
                *cells = (0..count)
                    .map(|_| Ok((0, decode_cell(reader)?)))
                    .collect::<Result<VecDeque<_>, _>>()?;
            }
            Summary::Row(row) => {
                *row = match reader.byte()? {
                    0 => None,
                    1 => Some((reader.signed()?, None)),
                    _ => Some((reader.signed()?, Some(decode_cell(reader)?))),
                };
            }
            Summary::Decayed(decay) => {
                *decay = Decay::default();
                if reader.byte()? != 0 {
                    decay.sum = Some((f64::from_le_bytes(reader.array()?), reader.signed()?));
                }
            }
            Summary::Extreme(_) | Summary::Distinct(_) | Summary::Frequencies(_) | Summary::Sorted(_) => {}
        }
        Ok(())
    }
}

fn encode_cell(cell: &Cell, out: &mut Vec<u8>) {
    match cell {
        Cell::Word(word) => {
            out.push(0);
            put_signed(out, *word);
        }
        Cell::Text(text) => {
            out.push(1);
            put_text(out, Some(text));
        }
    }
}

fn decode_cell(reader: &mut Reader<'_>) -> Result<Cell, Malformed> {
    Ok(match reader.byte()? {
        0 => Cell::Word(reader.signed()?),
        _ => Cell::Text(reader.text()?.unwrap_or_default()),
    })
}

fn word(layout: &DerivedLayout, entry: Entry<'_>) -> i64 {
    match layout.column {
        Column::Word(word) => entry.words[word],
        Column::Text(_) => unreachable!("texts are not compared or summed"),
    }
}

/// The greater the key, the better; the complement turns the order round without overflow.
fn key(layout: &DerivedLayout, entry: Entry<'_>) -> i64 {
    let word = word(layout, entry);
    if layout.kind == DerivedKind::Min { !word } else { word }
}

/// The inverse of what was done to a key.
fn from_key(layout: &DerivedLayout, key: i64) -> i64 {
    if layout.kind == DerivedKind::Min { !key } else { key }
}
