//! Validates an [`EntitySpec`] before it is compiled, and reports everything that is wrong.

use crate::aggregation::Parameter;
use crate::spec::{EntitySpec, FeatureError, FeatureSpec};
use riskstream_events::{Slot, Value, ValueType};

/// The largest duration. Sums of a few of them do not overflow.
const MAX_DURATION: i64 = i64::MAX / 16;

/// Conditions and columns of one input: they share the 64 flags of an entry.
const MAX_FLAGS: usize = 64;

pub(crate) fn check(spec: &EntitySpec, types: &[ValueType]) -> Result<(), Vec<FeatureError>> {
    let mut errors = Vec::new();
    check_entity(spec, &mut errors);
    check_slots(spec, types, &mut errors);
    for feature in &spec.features {
        check_feature(spec, feature, types, &mut errors);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn check_entity(spec: &EntitySpec, errors: &mut Vec<FeatureError>) {
    let mut require = |holds: bool, what| {
        if !holds {
            errors.push(FeatureError::BadEntity {
                entity: spec.name.clone(),
                what,
            });
        }
    };
    let duration = |duration| (0..=MAX_DURATION).contains(&duration);
    require(
        !spec.inputs.is_empty(),
        "an entity needs the transactions as its first input",
    );
    require(duration(spec.lateness), "lateness must not be negative");
    require(duration(spec.dedupe), "dedupe must not be negative");
    require(duration(spec.keep), "keep must not be negative");
    for input in 0..spec.inputs.len() {
        require(
            flags_needed(spec, input) <= MAX_FLAGS,
            "an input can have 64 different conditions, values and carried slots together",
        );
    }
}

fn flags_needed(spec: &EntitySpec, input: usize) -> usize {
    let mut conditions = Vec::new();
    let mut columns = Vec::new();
    for feature in spec.features.iter().filter(|f| usize::from(f.input) == input) {
        conditions.extend(feature.condition.as_ref().map(|c| (c.source(), c.slots())));
        // A float may need several columns: one for the sums of each precision, one for comparisons.
        columns.extend(feature.value.map(|slot| (slot, feature.fixed_point())));
    }
    if input == 0 {
        columns.extend(spec.carried.iter().map(|&slot| (slot, None)));
    }
    conditions.sort_unstable();
    conditions.dedup();
    columns.sort_unstable();
    columns.dedup();
    conditions.len() + columns.len()
}

fn check_slots(spec: &EntitySpec, types: &[ValueType], errors: &mut Vec<FeatureError>) {
    let mut require = |slot: Slot, role, allowed: &[ValueType]| {
        let what = match types.get(slot) {
            None => "is not in the row",
            Some(value_type) if !allowed.contains(value_type) => "has the wrong type",
            Some(_) => return,
        };
        errors.push(FeatureError::BadSlot {
            entity: spec.name.clone(),
            slot,
            role,
            what,
        });
    };
    use ValueType::{Bool, Float, Int, Text, Timestamp};
    for input in &spec.inputs {
        require(input.event_time, "event time", &[Timestamp, Int]);
        if let Some(id) = input.id {
            require(id, "id", &[Text, Int]);
        }
    }
    for &slot in &spec.carried {
        require(slot, "carried", &[Bool, Int, Float, Text, Timestamp]);
    }
    for feature in &spec.features {
        let any = [Bool, Int, Float, Text, Timestamp, ValueType::List];
        require(feature.output, "output", &any);
        if let Some(slot) = feature.value {
            require(slot, "value", &any);
        }
    }
}

fn check_feature(spec: &EntitySpec, feature: &FeatureSpec, types: &[ValueType], errors: &mut Vec<FeatureError>) {
    let name = || feature.name.clone();
    let aggregation = feature.aggregation;
    if usize::from(feature.input) >= spec.inputs.len() {
        errors.push(FeatureError::NoSuchInput {
            feature: name(),
            input: feature.input,
        });
    }
    let value_type = feature.value.and_then(|slot| types.get(slot).copied());
    match value_type {
        None if aggregation.needs_value() && feature.value.is_none() => errors.push(FeatureError::NeedsValue {
            feature: name(),
            aggregation: aggregation.name(),
        }),
        Some(value_type) if !aggregation.accepts(value_type) => {
            errors.push(FeatureError::WrongType {
                feature: name(),
                aggregation: aggregation.name(),
                value_type,
            });
        }
        _ => {}
    }
    if aggregation.is_decayed() && feature.window.is_some() {
        errors.push(FeatureError::NoWindow {
            feature: name(),
            aggregation: aggregation.name(),
        });
    }
    if !aggregation.allows_no_window() && feature.window.is_none() {
        errors.push(FeatureError::NeedsWindow {
            feature: name(),
            aggregation: aggregation.name(),
        });
    }
    if let Some(what) = bad_parameter(feature) {
        errors.push(FeatureError::BadParameter { feature: name(), what });
    }
    let output_type = aggregation.output_type(value_type);
    if let Some(given) = feature.empty.as_ref().and_then(Value::value_type)
        && given != output_type
        && (given, output_type) != (ValueType::Int, ValueType::Float)
    {
        errors.push(FeatureError::WrongEmpty {
            feature: name(),
            value_type: output_type,
        });
    }
}

fn bad_parameter(feature: &FeatureSpec) -> Option<&'static str> {
    if !feature.window.is_none_or(|window| (1..=MAX_DURATION).contains(&window)) {
        return Some("the window must be longer than 0");
    }
    if !(0..=MAX_DURATION).contains(&feature.delay) {
        return Some("the delay must not be negative");
    }
    match feature.aggregation.parameter() {
        Parameter::K(0) => Some("k must be at least 1"),
        Parameter::Q(q) if !(0.0..=1.0).contains(&q) => Some("the quantile must lie between 0 and 1"),
        Parameter::HalfLife(half_life) if !(1..=MAX_DURATION).contains(&half_life) => {
            Some("the half-life must be longer than 0")
        }
        _ => None,
    }
}
