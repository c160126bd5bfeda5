//! What an audit computes anew from an entity's events is what the state gave.

mod common;

use common::generated::{Event, KEYS, crowded_event, crowded_spec, event, spec};
use common::types;
use proptest::prelude::*;
use riskstream_events::Value;
use riskstream_features::history::EntityHistory;
use riskstream_features::state::MemoryState;
use riskstream_features::{Aggregation, EntityFeatures, EntitySpec, EntityStates};
use std::sync::Arc;

/// Compares them to the last bit, after each transaction.
fn audit(spec: &EntitySpec, events: &[Event]) -> Result<(), TestCaseError> {
    let types = types(spec.features.len());
    let features = Arc::new(EntityFeatures::compile(spec, &types).expect("the spec is valid"));
    let mut states = EntityStates::new(Arc::clone(&features));
    let store = MemoryState::default();
    let mut histories = KEYS.map(|_| EntityHistory::new(&features));
    let (mut time, mut stream) = (1_000, i64::MIN);
    for (number, event) in events.iter().enumerate() {
        time += event.step;
        let mut row = event.row(time, spec.features.len());
        if event.input == 0 {
            stream = stream.max(time - event.late);
        }
        let key = event.key % KEYS.len();
        let applied = states
            .apply(&store, stream, KEYS[key], event.input, &mut row)
            .expect("applied");
        let (history, id) = (&mut histories[key], format!("id-{}", event.id));
        if applied.inserted {
            history.add(event.input, &id, &row);
        }
        if event.input != 0 {
            continue;
        }
        let windows = history.windows(&id, &row, &applied, stream);
        let mut found = 0;
        for window in &windows {
            let is_ordered = window.events.windows(2).all(|two| two[0].time <= two[1].time);
            prop_assert!(is_ordered || window.is_cut || applied.late_by > 0);
            for feature in &window.features {
                let spec = &spec.features[feature.feature];
                let value = &row[spec.output];
                prop_assert!(
                    value == &feature.value,
                    "event {number}: {:?} instead of {value:?} for {spec:?} over {window:?}",
                    feature.value
                );
                prop_assert_eq!(feature.entered.len(), window.events.len());
                if spec.aggregation == Aggregation::Count && spec.empty.is_none() {
                    let counted = feature.entered.iter().flatten().count();
                    prop_assert_eq!(&feature.value, &Value::Int(counted as i64));
                }
                found += 1;
            }
        }
        prop_assert_eq!(found, spec.features.len());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn an_audit_computes_anew_what_the_state_gave(spec in spec(), events in prop::collection::vec(event(), 1..300)) {
        audit(&spec, &events)?;
    }

    #[test]
    fn so_it_does_where_many_events_are_late(
        spec in crowded_spec(),
        events in prop::collection::vec(crowded_event(), 300..600),
    ) {
        audit(&spec, &events)?;
    }
}
