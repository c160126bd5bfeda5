//! The compiled form of an [`EntitySpec`]: which columns a log has, which windows share cursors, which
//! accumulators they keep, and how a feature is read off them.

use crate::hash::hash_bytes;
use crate::spec::{Aggregation, EntitySpec, FeatureError, FeatureSpec};
use riskstream_events::{Slot, Value, ValueType};
use riskstream_expressions::Expression;
use std::ops::Range;

/// The features of one entity, checked and compiled. Shared by all tasks of a stage.
#[derive(Debug)]
pub struct EntityFeatures {
    pub(crate) inputs: Vec<InputLayout>,
    pub(crate) windows: Vec<WindowLayout>,
    /// Input by input; of one input, where entries come in before where they go out.
    pub(crate) edges: Vec<EdgeLayout>,
    pub(crate) outputs: Vec<Output>,
    /// Words of all windows together.
    pub(crate) words: usize,
    pub(crate) lateness: i64,
    pub(crate) dedupe: i64,
    /// Entries this far behind stream time are as good as gone.
    pub(crate) retention: i64,
    pub(crate) resolution: f64,
    pub(crate) cache_bytes: usize,
    pub(crate) fingerprint: u32,
}

/// What an input's log keeps of an event.
#[derive(Debug)]
pub(crate) struct InputLayout {
    pub(crate) event_time: Slot,
    pub(crate) id: Option<Slot>,
    /// Whether an entity is likely to have events of this input.
    pub(crate) is_used: bool,
    /// Whether entries older than the dedupe horizon need their ids no longer.
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
    fn number_bit(&self, index: usize) -> u64 {
        1 << (self.conditions.len() + index)
    }

    fn text_bit(&self, index: usize) -> u64 {
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

/// How a value is kept in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberKind {
    /// A float in fixed point, for sums.
    Fixed,
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

/// Where an entry keeps a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// An index into the entry's words.
    Word(usize),
    /// An index into the entry's texts.
    Text(usize),
}

/// Where windows begin or end: entries as old as this.
#[derive(Debug)]
pub(crate) struct EdgeLayout {
    pub(crate) input: usize,
    /// How far it lies behind the transaction.
    pub(crate) age: i64,
    pub(crate) kind: EdgeKind,
    /// How far it can lie behind stream time.
    pub(crate) floor: i64,
    /// Windows that end here: an entry that passes comes in.
    pub(crate) enters: Vec<usize>,
    /// Windows that begin here: an entry that passes goes out.
    pub(crate) leaves: Vec<usize>,
    /// Whether no window needs to look at what passes.
    pub(crate) is_quiet: bool,
}

/// What an edge is the end of, youngest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EdgeKind {
    /// Transactions up to and including the one that is evaluated.
    Through,
    /// Transactions before the one that is evaluated.
    Before,
    /// Entries at least as old as the edge.
    Age,
    /// Entries that have sunk into windows without a beginning.
    Sunk,
}

/// Features that look at the same entries share a window.
#[derive(Debug)]
pub(crate) struct WindowLayout {
    pub(crate) input: usize,
    /// Width; `None` reaches back to the first event.
    pub(crate) span: Option<i64>,
    pub(crate) delay: i64,
    /// Where it ends. It covers the entries from the edge `lo` up to this one.
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

/// An accumulator of which entries can be taken out again exactly: it is kept in state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Linear {
    /// Entries count if they have all these flags.
    pub(crate) mask: u64,
    pub(crate) kind: LinearKind,
    /// Index of its first word among its window's.
    pub(crate) at: usize,
}

/// What a linear accumulator adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinearKind {
    /// One word: count.
    Count,
    /// Three words: count, sum.
    Sum(usize),
    /// Seven words: count, sum, squares' high and low halves.
    Moments(usize),
}

impl LinearKind {
    pub(crate) fn words(self) -> usize {
        match self {
            LinearKind::Count => 1,
            LinearKind::Sum(_) => 3,
            LinearKind::Moments(_) => 7,
        }
    }
}

/// An accumulator that can be made from the log at any time: it is not kept in state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DerivedLayout {
    pub(crate) mask: u64,
    pub(crate) column: Column,
    pub(crate) kind: DerivedKind,
}

/// What a derived accumulator keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum DerivedKind {
    Min,
    Max,
    First,
    Last,
    LastK(usize),
    Distinct,
    Top,
    Sorted,
    /// Entries weigh 1, or their value if there is a scale (units per 1.0).
    Decayed {
        half_life: f64,
        scale: Option<f64>,
    },
}

/// A feature: where its value is read and where it goes.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) slot: Slot,
    pub(crate) window: usize,
    pub(crate) read: Read,
    pub(crate) empty: Value,
}

/// How a feature is read off its window's accumulators.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Read {
    /// The distance of the edges.
    Entries,
    Count {
        at: usize,
    },
    Sum {
        at: usize,
        scale: f64,
    },
    Mean {
        at: usize,
        scale: f64,
    },
    Variance {
        at: usize,
        scale: f64,
    },
    Deviation {
        at: usize,
        scale: f64,
    },
    /// One value, or a list of values.
    Values {
        derived: usize,
        form: Form,
    },
    TimeSince {
        derived: usize,
    },
    Distinct {
        derived: usize,
    },
    Top {
        derived: usize,
        k: usize,
        form: Form,
    },
    Quantile {
        derived: usize,
        q: f64,
        form: Form,
    },
    Decayed {
        derived: usize,
    },
}

/// How a kept value becomes a [`Value`] again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Float,
    Int,
    Bool,
    Timestamp,
    Text,
}

impl Form {
    fn of(value_type: ValueType) -> Form {
        match value_type {
            ValueType::Float => Form::Float,
            ValueType::Bool => Form::Bool,
            ValueType::Timestamp => Form::Timestamp,
            ValueType::Text => Form::Text,
            ValueType::Int | ValueType::List => Form::Int,
        }
    }
}

impl EntityFeatures {
    /// Checks and compiles. `types` holds the declared type of each slot of a row.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn compile(spec: &EntitySpec, types: &[ValueType]) -> Result<Self, Vec<FeatureError>> {
        crate::check::check(spec, types)?;
        Ok(Compiler::new(spec, types).compile())
    }

    /// For how long behind stream time an entry is kept, in microseconds.
    pub fn retention(&self) -> i64 {
        self.retention
    }

    /// How many windows an entity has: features over the same entries share one.
    pub fn windows(&self) -> usize {
        self.windows.len()
    }

    /// Names the layout of the state's bytes: state written under another cannot be read. Slots do not
    /// matter to it, nor does what expressions say: whoever plans the pipeline has to tell those apart.
    pub fn fingerprint(&self) -> u32 {
        self.fingerprint
    }
}

struct Compiler<'a> {
    spec: &'a EntitySpec,
    types: &'a [ValueType],
    inputs: Vec<InputLayout>,
    windows: Vec<WindowLayout>,
}

impl<'a> Compiler<'a> {
    fn new(spec: &'a EntitySpec, types: &'a [ValueType]) -> Self {
        Compiler {
            spec,
            types,
            inputs: Vec::new(),
            windows: Vec::new(),
        }
    }

    fn compile(mut self) -> EntityFeatures {
        let spec = self.spec;
        self.inputs = self.columns();
        for feature in &spec.features {
            self.declare(feature);
        }
        self.place();
        let outputs = spec.features.iter().map(|feature| self.output(feature)).collect();
        let reach = spec
            .features
            .iter()
            .map(|f| f.window.unwrap_or(0) + f.delay)
            .max()
            .unwrap_or(0);
        let horizon = spec.lateness.max(spec.dedupe);
        // One more than windows reach back: what has just left a window without a beginning sinks first.
        let retention = (reach + horizon + 1).max(spec.keep);
        let edges = self.edges(retention, horizon);
        let words = self.windows.iter().map(|window| window.words_len).sum();
        let mut features = EntityFeatures {
            inputs: self.inputs,
            windows: self.windows,
            edges,
            outputs,
            words,
            lateness: spec.lateness,
            dedupe: spec.dedupe,
            retention,
            resolution: spec.resolution as f64,
            cache_bytes: spec.cache_bytes,
            fingerprint: 0,
        };
        features.fingerprint = fingerprint(&features);
        features
    }

    /// The columns of every input. Bits of the flags are known only once all of them are.
    fn columns(&self) -> Vec<InputLayout> {
        let mut inputs: Vec<InputLayout> = Vec::new();
        for (index, input) in self.spec.inputs.iter().enumerate() {
            let completes = index == 0 && !self.spec.carried.is_empty();
            let mut layout = InputLayout {
                event_time: input.event_time,
                id: input.id.filter(|_| completes || self.spec.dedupe > 0),
                is_used: index == 0 || self.spec.features.iter().any(|f| usize::from(f.input) == index),
                forgets_ids: !completes,
                conditions: Vec::new(),
                numbers: Vec::new(),
                texts: Vec::new(),
                carried: Vec::new(),
            };
            for feature in self.spec.features.iter().filter(|f| usize::from(f.input) == index) {
                if let Some(condition) = &feature.condition
                    && !layout.conditions.iter().any(|known| same(known, condition))
                {
                    layout.conditions.push(condition.clone());
                }
                if let Some(slot) = aggregated(feature) {
                    self.add_column(&mut layout, slot, feature.aggregation.is_sum());
                }
            }
            if index == 0 {
                for &slot in &self.spec.carried {
                    let column = self.add_column(&mut layout, slot, false);
                    layout.carried.push((slot, column, Form::of(self.types[slot])));
                }
            }
            for number in 0..layout.numbers.len() {
                layout.numbers[number].present = layout.number_bit(number);
            }
            for text in 0..layout.texts.len() {
                layout.texts[text].present = layout.text_bit(text);
            }
            inputs.push(layout);
        }
        inputs
    }

    fn add_column(&self, layout: &mut InputLayout, slot: Slot, summed: bool) -> Column {
        if let Some(column) = find_column(layout, slot, self.types[slot], summed) {
            return column;
        }
        match number_kind(self.types[slot], summed) {
            Some(kind) => {
                layout.numbers.push(NumberColumn { slot, kind, present: 0 });
                Column::Word(layout.stride() - 1)
            }
            None => {
                layout.texts.push(TextColumn { slot, present: 0 });
                Column::Text(layout.texts.len() - 1)
            }
        }
    }

    fn column(&self, feature: &FeatureSpec, slot: Slot) -> Column {
        let layout = &self.inputs[usize::from(feature.input)];
        find_column(layout, slot, self.types[slot], feature.aggregation.is_sum())
            .expect("columns() has made a column for every feature")
    }

    /// The flags that an entry must have to count for a feature.
    fn mask(&self, feature: &FeatureSpec) -> u64 {
        let layout = &self.inputs[usize::from(feature.input)];
        let condition = feature.condition.as_ref().map_or(0, |condition| {
            let index = layout.conditions.iter().position(|known| same(known, condition));
            1 << index.expect("columns() has noted every condition")
        });
        let present = aggregated(feature).map_or(0, |slot| layout.present(self.column(feature, slot)));
        condition | present
    }

    fn window(&mut self, feature: &FeatureSpec) -> usize {
        let at_current = feature.input == 0 && feature.delay == 0;
        let counts_itself = feature.include_current && feature.aggregation != Aggregation::TimeSinceLast;
        let end = match (at_current, counts_itself) {
            (true, true) => EdgeKind::Through,
            (true, false) => EdgeKind::Before,
            (false, _) => EdgeKind::Age,
        };
        let found = self.windows.iter().position(|window| {
            window.input == usize::from(feature.input)
                && window.span == feature.window
                && window.delay == feature.delay
                && window.end == end
        });
        found.unwrap_or_else(|| {
            self.windows.push(WindowLayout {
                input: usize::from(feature.input),
                span: feature.window,
                delay: feature.delay,
                end,
                hi: 0,
                lo: 0,
                linear: Vec::new(),
                derived: Vec::new(),
                derived_at: 0,
                words_at: 0,
                words_len: 0,
            });
            self.windows.len() - 1
        })
    }

    /// The edges of all windows, in the order in which entries pass them.
    fn edges(&mut self, retention: i64, horizon: i64) -> Vec<EdgeLayout> {
        let keys = |window: &WindowLayout| {
            let (lo, floor) = match window.span {
                Some(span) => ((window.delay + span, EdgeKind::Age), retention),
                // What any event that is still inserted could need apart has not sunk yet.
                None => ((i64::MAX, EdgeKind::Sunk), horizon + window.delay + 1),
            };
            [(window.delay, window.end), lo].map(|(age, kind)| (window.input, age, kind, floor))
        };
        let mut all: Vec<_> = self.windows.iter().flat_map(keys).collect();
        all.sort_unstable();
        all.dedup();
        let edge = |&(input, age, kind, floor): &(usize, i64, EdgeKind, i64)| EdgeLayout {
            input,
            age,
            kind,
            floor,
            enters: Vec::new(),
            leaves: Vec::new(),
            is_quiet: true,
        };
        let mut edges: Vec<EdgeLayout> = all.iter().map(edge).collect();
        for (index, window) in self.windows.iter_mut().enumerate() {
            let [hi, lo] = keys(window).map(|key| all.binary_search(&key).expect("every window's keys are there"));
            (window.hi, window.lo) = (hi, lo);
            edges[hi].enters.push(index);
            edges[lo].leaves.push(index);
            let is_quiet = window.linear.is_empty() && window.derived.is_empty();
            edges[hi].is_quiet &= is_quiet;
            edges[lo].is_quiet &= is_quiet;
        }
        edges
    }

    fn linear_kind(&self, feature: &FeatureSpec) -> Option<LinearKind> {
        let word = |slot| match self.column(feature, slot) {
            Column::Word(word) => word,
            Column::Text(_) => unreachable!("check() lets no text be summed"),
        };
        match (feature.aggregation, feature.value) {
            (Aggregation::Count, _) => Some(LinearKind::Count),
            (Aggregation::Sum | Aggregation::Mean, Some(slot)) => Some(LinearKind::Sum(word(slot))),
            (Aggregation::Variance | Aggregation::StandardDeviation, Some(slot)) => {
                Some(LinearKind::Moments(word(slot)))
            }
            _ => None,
        }
    }

    fn derived_layout(&self, feature: &FeatureSpec) -> DerivedLayout {
        let kind = match feature.aggregation {
            Aggregation::Min => DerivedKind::Min,
            Aggregation::Max => DerivedKind::Max,
            Aggregation::First => DerivedKind::First,
            Aggregation::LastK(k) => DerivedKind::LastK(k),
            Aggregation::Distinct => DerivedKind::Distinct,
            Aggregation::TopK(_) => DerivedKind::Top,
            Aggregation::Quantile(_) => DerivedKind::Sorted,
            Aggregation::DecayedCount { half_life } => DerivedKind::Decayed {
                half_life: half_life as f64,
                scale: None,
            },
            Aggregation::DecayedSum { half_life } => DerivedKind::Decayed {
                half_life: half_life as f64,
                scale: feature.value.map(|slot| self.scale(slot)),
            },
            _ => DerivedKind::Last,
        };
        let of_time = matches!(feature.aggregation, Aggregation::TimeSinceLast)
            || matches!(kind, DerivedKind::Decayed { scale: None, .. });
        let column = match feature.value {
            Some(slot) if !of_time => self.column(feature, slot),
            _ => Column::Word(0),
        };
        DerivedLayout {
            mask: self.mask(feature),
            column,
            kind,
        }
    }

    /// Units per 1.0 of a summed column: only floats are in fixed point.
    fn scale(&self, slot: Slot) -> f64 {
        if self.types[slot] == ValueType::Float {
            self.spec.resolution as f64
        } else {
            1.0
        }
    }

    /// Notes which accumulators a feature needs.
    fn declare(&mut self, feature: &FeatureSpec) {
        let window = self.window(feature);
        let mask = self.mask(feature);
        let Some(kind) = self.linear_kind(feature) else {
            let derived = self.derived_layout(feature);
            let known = &mut self.windows[window].derived;
            if !known.contains(&derived) {
                known.push(derived);
            }
            return;
        };
        if kind == LinearKind::Count && mask == 0 {
            return;
        }
        let known = &mut self.windows[window].linear;
        match known
            .iter_mut()
            .find(|linear| linear.mask == mask && serves(linear.kind, kind))
        {
            Some(linear) if kind.words() > linear.kind.words() => linear.kind = kind,
            Some(_) => {}
            None => known.push(Linear { mask, kind, at: 0 }),
        }
    }

    /// Gives each accumulator its place.
    fn place(&mut self) {
        let (mut words, mut derived) = (0, 0);
        for window in &mut self.windows {
            window.words_at = words;
            window.words_len = 0;
            for linear in &mut window.linear {
                linear.at = window.words_len;
                window.words_len += linear.kind.words();
            }
            words += window.words_len;
            window.derived_at = derived;
            derived += window.derived.len();
        }
    }

    fn output(&mut self, feature: &FeatureSpec) -> Output {
        let window = self.window(feature);
        let read = match self.linear_kind(feature) {
            Some(kind) => self.read_linear(feature, window, kind),
            None => self.read_derived(feature, window),
        };
        let value_type = feature.value.map(|slot| self.types[slot]);
        let output_type = feature.aggregation.output_type(value_type);
        let empty = match feature.empty.clone().unwrap_or(feature.aggregation.empty_value()) {
            Value::Int(number) if output_type == ValueType::Float => Value::Float(number as f64),
            empty => empty,
        };
        Output {
            slot: feature.output,
            window,
            read,
            empty,
        }
    }

    fn read_linear(&self, feature: &FeatureSpec, window: usize, kind: LinearKind) -> Read {
        let mask = self.mask(feature);
        let known = &self.windows[window].linear;
        let Some(linear) = known.iter().find(|l| l.mask == mask && serves(l.kind, kind)) else {
            return Read::Entries;
        };
        let at = linear.at;
        let scale = feature.value.map_or(1.0, |slot| self.scale(slot));
        match feature.aggregation {
            Aggregation::Sum => Read::Sum { at, scale },
            Aggregation::Mean => Read::Mean { at, scale },
            Aggregation::Variance => Read::Variance { at, scale },
            Aggregation::StandardDeviation => Read::Deviation { at, scale },
            _ => Read::Count { at },
        }
    }

    fn read_derived(&self, feature: &FeatureSpec, window: usize) -> Read {
        let layout = self.derived_layout(feature);
        let known = &self.windows[window];
        let index = known.derived.iter().position(|derived| *derived == layout);
        let derived = known.derived_at + index.expect("declare() has noted every accumulator");
        let form = feature.value.map_or(Form::Int, |slot| Form::of(self.types[slot]));
        match feature.aggregation {
            Aggregation::TimeSinceLast => Read::TimeSince { derived },
            Aggregation::Distinct => Read::Distinct { derived },
            Aggregation::TopK(k) => Read::Top { derived, k, form },
            Aggregation::Quantile(q) => Read::Quantile { derived, q, form },
            Aggregation::DecayedCount { .. } | Aggregation::DecayedSum { .. } => Read::Decayed { derived },
            _ => Read::Values { derived, form },
        }
    }
}

/// The slot whose value a feature aggregates; counts look at no value.
fn aggregated(feature: &FeatureSpec) -> Option<Slot> {
    let counts = matches!(
        feature.aggregation,
        Aggregation::Count | Aggregation::DecayedCount { .. }
    );
    feature.value.filter(|_| !counts)
}

fn same(a: &Expression, b: &Expression) -> bool {
    a.source() == b.source() && a.slots() == b.slots()
}

/// Whether an accumulator of one kind can serve, or grow to serve, for the other.
fn serves(known: LinearKind, wanted: LinearKind) -> bool {
    use LinearKind::{Count, Moments, Sum};
    match (known, wanted) {
        (Count, Count) => true,
        (Sum(a) | Moments(a), Sum(b) | Moments(b)) => a == b,
        _ => false,
    }
}

fn number_kind(value_type: ValueType, summed: bool) -> Option<NumberKind> {
    match value_type {
        ValueType::Float if summed => Some(NumberKind::Fixed),
        ValueType::Float => Some(NumberKind::Ordered),
        ValueType::Bool | ValueType::Int | ValueType::Timestamp => Some(NumberKind::Integer),
        ValueType::Text | ValueType::List => None,
    }
}

fn find_column(layout: &InputLayout, slot: Slot, value_type: ValueType, summed: bool) -> Option<Column> {
    match number_kind(value_type, summed) {
        Some(kind) => layout
            .numbers
            .iter()
            .position(|column| column.slot == slot && column.kind == kind)
            .map(|index| Column::Word(HEADER + index)),
        None => layout
            .texts
            .iter()
            .position(|column| column.slot == slot)
            .map(Column::Text),
    }
}

/// A hash of everything that the meaning of the state's bytes depends on, but for slots and expressions.
fn fingerprint(features: &EntityFeatures) -> u32 {
    let mut text = format!(
        "{} {} {} {}",
        features.lateness, features.retention, features.dedupe, features.resolution
    );
    for input in &features.inputs {
        let kinds: Vec<NumberKind> = input.numbers.iter().map(|column| column.kind).collect();
        text += &format!("|{} {kinds:?} {}", input.conditions.len(), input.texts.len());
        text += &format!(" {} {}", input.id.is_some(), input.forgets_ids);
    }
    for window in &features.windows {
        text += &format!("|{} {:?} {} ", window.input, window.span, window.delay);
        text += &format!("{:?} {:?} {:?}", window.end, window.linear, window.derived);
    }
    let hash = hash_bytes(text.as_bytes());
    (hash >> 32) as u32 ^ hash as u32
}
