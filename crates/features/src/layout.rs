//! The compiled form of an [`EntitySpec`](crate::EntitySpec): which columns a log has, which windows there are and where
//! their edges lie, which accumulators they keep, and how a feature is read off them.

use crate::accumulator::{DerivedKind, DerivedRead, SumsRead};
use crate::cell::{Cell, Form};
use crate::entry::Entry;
use crate::precision::Precision;
use crate::spec::EntitySpec;
use riskstream_events::{Slot, Value};
use riskstream_expressions::Expression;
use std::ops::Range;

/// The features of one entity, checked and compiled. Shared by all tasks of a stage.
#[derive(Debug)]
pub struct EntityFeatures {
    pub(crate) spec: EntitySpec,
    pub(crate) inputs: Vec<InputLayout>,
    pub(crate) windows: Vec<WindowLayout>,
    /// By input; within an input from the youngest edge to the oldest, so that an entry enters a window before it leaves it.
    pub(crate) edges: Vec<EdgeLayout>,
    pub(crate) outputs: Vec<Output>,
    /// Words of all windows together.
    pub(crate) words: usize,
    pub(crate) lateness: i64,
    pub(crate) dedupe: i64,
    /// Entries further behind stream time than this are treated as dropped.
    pub(crate) retention: i64,
    pub(crate) cache_bytes: usize,
    pub(crate) fingerprint: u32,
}

/// The columns of an input's log.
#[derive(Debug)]
pub(crate) struct InputLayout {
    pub(crate) event_time: Slot,
    pub(crate) id: Option<Slot>,
    /// Whether a feature, or completion, uses this input: only then is its log worth prefetching.
    pub(crate) is_used: bool,
    /// Whether its entries are rows, of which the newest holds: see [`Aggregation::Row`](crate::Aggregation::Row).
    pub(crate) is_of_rows: bool,
    /// Whether ids of entries older than the dedupe horizon may be dropped.
    pub(crate) forgets_ids: bool,
    /// Condition i is bit i of an entry's flags.
    pub(crate) conditions: Vec<Expression>,
    pub(crate) numbers: Vec<NumberColumn>,
    pub(crate) texts: Vec<TextColumn>,
    pub(crate) carried: Vec<(Slot, Column, Form)>,
}

/// Words of an entry before its number columns: event time, id hash, flags.
pub(crate) const HEADER: usize = 3;

impl InputLayout {
    /// Words of an entry.
    pub(crate) fn stride(&self) -> usize {
        HEADER + self.numbers.len()
    }

    /// The flag that says whether a column has a value.
    pub(crate) fn present(&self, column: Column) -> u64 {
        match column {
            Column::Word(word) => self.numbers[word - HEADER].present,
            Column::Text(text) => self.texts[text].present,
        }
    }

    /// Bit of the flags that says whether a number column has a value.
    pub(crate) fn number_bit(&self, index: usize) -> u64 {
        1 << (self.conditions.len() + index)
    }

    pub(crate) fn text_bit(&self, index: usize) -> u64 {
        1 << (self.conditions.len() + self.numbers.len() + index)
    }
}

/// A column of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumberColumn {
    pub(crate) slot: Slot,
    pub(crate) kind: NumberKind,
    /// The bit of the flags that is set where there is a value.
    pub(crate) present: u64,
}

/// How a value is stored in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberKind {
    /// A float in fixed point, for sums.
    Fixed(Precision),
    /// A float exactly, in its order-preserving form.
    Ordered,
    /// An integer, a time, or a boolean as 0 and 1.
    Integer,
}

/// A column of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextColumn {
    pub(crate) slot: Slot,
    pub(crate) present: u64,
}

/// The place of a value in an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// An index into the entry's words.
    Word(usize),
    /// An index into the entry's texts.
    Text(usize),
}

/// An age at which windows begin or end.
#[derive(Debug)]
pub(crate) struct EdgeLayout {
    pub(crate) input: usize,
    /// How far it lies behind the transaction.
    pub(crate) age: i64,
    pub(crate) kind: EdgeKind,
    /// How far it can lie behind stream time.
    pub(crate) floor: i64,
    /// Windows that end here: an entry that passes the edge enters them.
    pub(crate) enters: Vec<usize>,
    /// Windows that begin here: an entry that passes the edge leaves them.
    pub(crate) leaves: Vec<usize>,
    /// Whether no window that begins or ends here has accumulators: entries that pass need not be decoded.
    pub(crate) has_no_accumulators: bool,
}

/// Which entries have passed an edge, from the youngest edge to the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EdgeKind {
    /// Transactions up to and including the one that is evaluated.
    Through,
    /// Transactions before the one that is evaluated.
    Before,
    /// Entries at least as old as the edge.
    Age,
    /// Entries so old that no event can be inserted before them: in unlimited windows they are in the base.
    Settled,
}

/// A window. Features over the same entries share one.
#[derive(Debug)]
pub(crate) struct WindowLayout {
    pub(crate) input: usize,
    /// Width; `None` is unlimited.
    pub(crate) span: Option<i64>,
    pub(crate) delay: i64,
    /// The kind of its end. It covers the entries from the edge `lo` up to the edge `hi`.
    pub(crate) end: EdgeKind,
    pub(crate) hi: usize,
    pub(crate) lo: usize,
    pub(crate) linear: Vec<Linear>,
    pub(crate) derived: Vec<DerivedLayout>,
    /// Where this window's derived accumulators begin.
    pub(crate) derived_at: usize,
    /// Where this window's words begin.
    pub(crate) words_at: usize,
    pub(crate) words_len: usize,
}

impl WindowLayout {
    /// Its words among those of all windows.
    #[inline]
    pub(crate) fn words(&self) -> Range<usize> {
        self.words_at..self.words_at + self.words_len
    }

    /// Its derived accumulators among those of all windows.
    #[inline]
    pub(crate) fn deriveds(&self) -> Range<usize> {
        self.derived_at..self.derived_at + self.derived.len()
    }
}

/// An accumulator from which entries can be taken out again exactly. It is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Linear {
    /// Entries count if they have all these flags.
    pub(crate) mask: u64,
    pub(crate) kind: LinearKind,
    /// Index of its first word among its window's.
    pub(crate) at: usize,
}

/// The terms that a linear accumulator adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinearKind {
    /// One word: the count.
    Count,
    /// The count in one word, and for each power of the value in `word` up to the highest their sum: that of the values in
    /// two words, of their squares in three, and so on.
    PowerSums { word: usize, highest: u8 },
    /// Five words, see [`logarithms`](crate::logarithms): of the values in `word`, which are of this form.
    Logarithms { word: usize, form: Form },
}

impl LinearKind {
    /// How many words it takes.
    pub(crate) fn words(self) -> usize {
        match self {
            LinearKind::Count => 1,
            LinearKind::PowerSums { highest, .. } => {
                let highest = usize::from(highest);
                (highest + 1) * (highest + 2) / 2
            }
            LinearKind::Logarithms { .. } => 5,
        }
    }
}

/// An accumulator that can be rebuilt from the log at any time. It is not stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DerivedLayout {
    /// Entries count if they have all these flags. Of rows all count: the flag says whether one has a value.
    pub(crate) mask: u64,
    /// Where entries keep the value; the event time if no value is aggregated.
    pub(crate) column: Column,
    /// The unit of the column.
    pub(crate) precision: Precision,
    pub(crate) kind: DerivedKind,
}

impl DerivedLayout {
    /// Whether an entry counts.
    #[inline]
    pub(crate) fn admits(&self, entry: Entry<'_>) -> bool {
        entry.meets(self.mask) || matches!(self.kind, DerivedKind::Row)
    }

    /// A row's time, and what it has in the column.
    pub(crate) fn row(&self, entry: Entry<'_>) -> (i64, Option<Cell>) {
        let cell = entry.meets(self.mask).then(|| entry.cell(self.column));
        (entry.time(), cell)
    }
}

/// A feature: how its value is read, and the slot that it is written to.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) slot: Slot,
    pub(crate) window: usize,
    pub(crate) read: Read,
    pub(crate) empty: Value,
}

/// Where a feature's accumulator is, and how the feature is read off it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Read {
    /// The distance of the window's edges: all its entries count.
    Entries,
    /// The count in the word `at` of the window.
    Count { at: usize },
    /// The sums from the word `at` of the window on, in units of `precision`.
    Sums {
        at: usize,
        precision: Precision,
        read: SumsRead,
    },
    /// The sum of logarithms from the word `at` of the window on.
    GeometricMean { at: usize },
    /// A derived accumulator, by its index in the window.
    Derived {
        index: usize,
        form: Form,
        read: DerivedRead,
    },
}

impl EntityFeatures {
    /// What was compiled.
    pub fn spec(&self) -> &EntitySpec {
        &self.spec
    }

    /// For how long behind stream time an entry is kept, in microseconds.
    pub fn retention(&self) -> i64 {
        self.retention
    }

    /// Memory for decoded entities, in bytes.
    pub fn cache_bytes(&self) -> usize {
        self.cache_bytes
    }

    /// How many windows an entity has: features over the same entries share one.
    pub fn windows(&self) -> usize {
        self.windows.len()
    }

    /// How far behind stream time an event may be that enters a log, and an id that is recognised.
    pub(crate) fn horizon(&self) -> i64 {
        self.lateness.max(self.dedupe)
    }

    /// Identifies the layout of the state's bytes: state written under another fingerprint cannot be read. It does not
    /// depend on slots or on the text of expressions; the plan's fingerprint has to cover those.
    pub fn fingerprint(&self) -> u32 {
        self.fingerprint
    }
}
