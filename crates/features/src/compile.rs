//! Compiles an [`EntitySpec`].

use crate::accumulator::{Accumulator, DerivedKind};
use crate::aggregation::{Aggregation, Operand};
use crate::cell::Form;
use crate::check::check;
use crate::encode::VERSION;
use crate::layout::{
    Column, DerivedLayout, EdgeKind, EdgeLayout, EntityFeatures, HEADER, InputLayout, Linear, LinearKind, NumberColumn,
    NumberKind, Output, Read, TextColumn, WindowLayout,
};
use crate::precision::Precision;
use crate::spec::{EntitySpec, FeatureError, FeatureSpec};
use riskstream_events::{Slot, Value, ValueType};
use riskstream_expressions::Expression;
use xxhash_rust::xxh3::xxh3_64;

impl EntityFeatures {
    /// Checks and compiles. `types` holds the declared type of each slot of a row.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn compile(spec: &EntitySpec, types: &[ValueType]) -> Result<Self, Vec<FeatureError>> {
        check(spec, types)?;
        Ok(Compiler::new(spec, types).compile())
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
        // One more than windows reach back: an entry that leaves an unlimited window moves into its base first.
        let retention = (reach + horizon + 1).max(spec.keep);
        let edges = self.edges(retention, horizon);
        let words = self.windows.iter().map(|window| window.words_len).sum();
        let mut features = EntityFeatures {
            spec: spec.clone(),
            inputs: self.inputs,
            windows: self.windows,
            edges,
            outputs,
            words,
            lateness: spec.lateness,
            dedupe: spec.dedupe,
            retention,
            cache_bytes: spec.cache_bytes,
            fingerprint: 0,
        };
        features.fingerprint = fingerprint(&features);
        features
    }

    /// The columns of every input. The flags' bits are assigned once all columns are known.
    fn columns(&self) -> Vec<InputLayout> {
        let mut inputs: Vec<InputLayout> = Vec::new();
        for (index, input) in self.spec.inputs.iter().enumerate() {
            let completes = index == 0 && !self.spec.carried.is_empty();
            let mut layout = InputLayout {
                event_time: input.event_time,
                id: input.id.filter(|_| completes || self.spec.dedupe > 0),
                is_used: index == 0 || self.spec.features.iter().any(|f| usize::from(f.input) == index),
                is_of_rows: self
                    .spec
                    .features
                    .iter()
                    .any(|feature| usize::from(feature.input) == index && feature.aggregation == Aggregation::Row),
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
                    self.add_column(&mut layout, slot, feature.fixed_point());
                }
            }
            if index == 0 {
                for &slot in &self.spec.carried {
                    let column = self.add_column(&mut layout, slot, None);
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

    fn add_column(&self, layout: &mut InputLayout, slot: Slot, fixed_point: Option<Precision>) -> Column {
        if let Some(column) = find_column(layout, slot, self.types[slot], fixed_point) {
            return column;
        }
        match number_kind(self.types[slot], fixed_point) {
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
        find_column(layout, slot, self.types[slot], feature.fixed_point())
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
        let counts_itself =
            feature.include_current && feature.aggregation.definition().operand != Operand::EarlierEvents;
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

    /// The edges of all windows, sorted in the order in which an entry passes them.
    fn edges(&mut self, retention: i64, horizon: i64) -> Vec<EdgeLayout> {
        let keys = |window: &WindowLayout| {
            let (lo, floor) = match window.span {
                Some(span) => ((window.delay + span, EdgeKind::Age), retention),
                // An entry moves into the base only once no event that may still be inserted can lie before it.
                None => ((i64::MAX, EdgeKind::Settled), horizon + window.delay + 1),
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
            has_no_accumulators: true,
        };
        let mut edges: Vec<EdgeLayout> = all.iter().map(edge).collect();
        for (index, window) in self.windows.iter_mut().enumerate() {
            let [hi, lo] = keys(window).map(|key| all.binary_search(&key).expect("every window's keys are there"));
            (window.hi, window.lo) = (hi, lo);
            edges[hi].enters.push(index);
            edges[lo].leaves.push(index);
            let has_no_accumulators = window.linear.is_empty() && window.derived.is_empty();
            edges[hi].has_no_accumulators &= has_no_accumulators;
            edges[lo].has_no_accumulators &= has_no_accumulators;
        }
        edges
    }

    /// The accumulator that a feature needs, if entries can be taken out of it again.
    fn linear_kind(&self, feature: &FeatureSpec) -> Option<LinearKind> {
        match feature.aggregation.accumulator() {
            Accumulator::Count => Some(LinearKind::Count),
            Accumulator::PowerSums(read) => {
                let (word, highest) = (self.word(feature)?, read.highest());
                Some(LinearKind::PowerSums { word, highest })
            }
            Accumulator::Logarithms => {
                let (slot, word) = (feature.value?, self.word(feature)?);
                let form = Form::of(self.types[slot]);
                Some(LinearKind::Logarithms { word, form })
            }
            Accumulator::Derived(..) => None,
        }
    }

    /// The word of an entry that holds the number that a feature aggregates.
    fn word(&self, feature: &FeatureSpec) -> Option<usize> {
        match self.column(feature, feature.value?) {
            Column::Word(word) => Some(word),
            Column::Text(_) => unreachable!("check() lets no text be summed"),
        }
    }

    fn derived_layout(&self, feature: &FeatureSpec, kind: DerivedKind) -> DerivedLayout {
        let value = feature.value.filter(|_| feature.aggregation.needs_value());
        DerivedLayout {
            mask: self.mask(feature),
            column: value.map_or(Column::Word(0), |slot| self.column(feature, slot)),
            precision: self.precision(feature),
            kind,
        }
    }

    /// The unit of the column that a feature aggregates. Only floats in fixed point have another one than 1.
    fn precision(&self, feature: &FeatureSpec) -> Precision {
        let is_float = |slot: Slot| self.types[slot] == ValueType::Float;
        let precision = feature.fixed_point().filter(|_| feature.value.is_some_and(is_float));
        precision.unwrap_or(Precision::ONE)
    }

    /// Adds the accumulators that a feature needs.
    fn declare(&mut self, feature: &FeatureSpec) {
        let window = self.window(feature);
        let mask = self.mask(feature);
        if let Accumulator::Derived(kind, _) = feature.aggregation.accumulator() {
            let derived = self.derived_layout(feature, kind);
            let known = &mut self.windows[window].derived;
            if !known.contains(&derived) {
                known.push(derived);
            }
        }
        let Some(kind) = self.linear_kind(feature) else { return };
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

    /// Assigns the positions of all accumulators.
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
        let read = self.read(feature, window);
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

    fn read(&self, feature: &FeatureSpec, window: usize) -> Read {
        match feature.aggregation.accumulator() {
            Accumulator::Count => match self.linear_at(feature, window) {
                Some(at) => Read::Count { at },
                None => Read::Entries,
            },
            Accumulator::PowerSums(read) => Read::Sums {
                at: self.linear_at(feature, window).expect("declare() has noted every sum"),
                precision: self.precision(feature),
                read,
            },
            Accumulator::Logarithms => Read::GeometricMean {
                at: self.linear_at(feature, window).expect("declare() has noted every sum"),
            },
            Accumulator::Derived(kind, read) => {
                let layout = self.derived_layout(feature, kind);
                let index = self.windows[window]
                    .derived
                    .iter()
                    .position(|derived| *derived == layout);
                Read::Derived {
                    index: index.expect("declare() has noted every accumulator"),
                    form: feature.value.map_or(Form::Int, |slot| Form::of(self.types[slot])),
                    read,
                }
            }
        }
    }

    /// Where the words of a feature's linear accumulator begin. All entries of the window count if there is none.
    fn linear_at(&self, feature: &FeatureSpec, window: usize) -> Option<usize> {
        let (mask, kind) = (self.mask(feature), self.linear_kind(feature)?);
        let known = self.windows[window].linear.iter();
        known
            .filter(|linear| linear.mask == mask && serves(linear.kind, kind))
            .map(|linear| linear.at)
            .next()
    }
}

/// The slot whose value a feature aggregates, or must not be null; `None` for plain counts.
fn aggregated(feature: &FeatureSpec) -> Option<Slot> {
    feature
        .value
        .filter(|_| feature.aggregation.definition().operand != Operand::Events)
}

fn same(a: &Expression, b: &Expression) -> bool {
    a.source() == b.source() && a.slots() == b.slots()
}

/// Whether an accumulator can serve another feature too, if necessary with higher powers.
fn serves(known: LinearKind, wanted: LinearKind) -> bool {
    use LinearKind::{Count, Logarithms, PowerSums};
    match (known, wanted) {
        (Count, Count) => true,
        (PowerSums { word: a, .. }, PowerSums { word: b, .. })
        | (Logarithms { word: a, .. }, Logarithms { word: b, .. }) => a == b,
        _ => false,
    }
}

fn number_kind(value_type: ValueType, fixed_point: Option<Precision>) -> Option<NumberKind> {
    match value_type {
        ValueType::Float => Some(fixed_point.map_or(NumberKind::Ordered, NumberKind::Fixed)),
        ValueType::Bool | ValueType::Int | ValueType::Timestamp => Some(NumberKind::Integer),
        ValueType::Text | ValueType::List => None,
    }
}

fn find_column(
    layout: &InputLayout,
    slot: Slot,
    value_type: ValueType,
    fixed_point: Option<Precision>,
) -> Option<Column> {
    match number_kind(value_type, fixed_point) {
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

/// A hash of everything that the meaning of the state's bytes depends on, except slots and expressions.
fn fingerprint(features: &EntityFeatures) -> u32 {
    let mut text = format!(
        "{VERSION} {} {} {}",
        features.lateness, features.retention, features.dedupe
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
    let hash = xxh3_64(text.as_bytes());
    (hash >> 32) as u32 ^ hash as u32
}
