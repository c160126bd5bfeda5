//! What an event costs by the feature, with 12 features of one entity and with 504, in the same run:
//! `cargo bench -p riskstream-features --bench many`. The features are counts and means over windows of different lengths, each of
//! all events and of those that meet a condition.

mod cpu_time;

use cpu_time::clock;
use riskstream_events::{Row, Slot, Value, ValueType};
use riskstream_expressions::{Expression, Scope};
use riskstream_features::state::MemoryState;
use riskstream_features::{Aggregation, EntityFeatures, EntitySpec, EntityStates, FeatureSpec, InputSpec, Precision};
use std::sync::Arc;
use std::time::Duration;

const TIME: Slot = 0;
const AMOUNT: Slot = 1;
const CATEGORY: Slot = 2;
const OUTPUT: Slot = 3;
const HOUR: i64 = 3_600_000_000;
const ENTITIES: usize = 500;
const EVENTS: usize = 50_000;
const ROUNDS: usize = 6;

/// A stage with a count and a mean for each window and condition.
struct Stage {
    states: EntityStates,
    row: Row,
    features: usize,
    event: usize,
    spent: Duration,
}

impl Stage {
    /// Windows of 2, 4, 6, … hours. Condition 0 is none, the others take a category each.
    fn new(windows: i64, conditions: i64) -> Self {
        let mut scope = Scope::new();
        scope.add("category", CATEGORY, ValueType::Int);
        let mut features = Vec::new();
        for window in 1..=windows {
            for condition in 0..conditions {
                let condition = (condition > 0).then(|| {
                    let source = format!("category == {condition}");
                    Expression::condition(&source, &scope).expect("the condition is valid")
                });
                for aggregation in [Aggregation::Count, Aggregation::Mean] {
                    features.push(FeatureSpec {
                        name: String::new(),
                        output: OUTPUT + features.len(),
                        value: (aggregation == Aggregation::Mean).then_some(AMOUNT),
                        aggregation,
                        input: 0,
                        condition: condition.clone(),
                        window: Some(window * 2 * HOUR),
                        delay: 0,
                        include_current: true,
                        empty: None,
                        precision: Precision::MILLIONTH,
                    });
                }
            }
        }
        let count = features.len();
        let spec = EntitySpec {
            features,
            inputs: vec![InputSpec {
                event_time: TIME,
                id: None,
            }],
            cache_bytes: 1 << 30,
            ..EntitySpec::default()
        };
        let mut types = vec![ValueType::Timestamp, ValueType::Float, ValueType::Int];
        types.resize(OUTPUT + count, ValueType::Float);
        let compiled = EntityFeatures::compile(&spec, &types).expect("the features are valid");
        Stage {
            states: EntityStates::new(Arc::new(compiled)),
            row: vec![Value::Null; OUTPUT + count],
            features: count,
            event: 0,
            spent: Duration::ZERO,
        }
    }

    /// Applies events: each entity has one about every hour.
    fn apply(&mut self, keys: &[String]) {
        let store = MemoryState::default();
        let start = clock();
        for _ in 0..EVENTS {
            self.event += 1;
            let time = self.event as i64 * HOUR / ENTITIES as i64;
            self.row[TIME] = Value::Timestamp(time);
            self.row[AMOUNT] = Value::Float((self.event % 10_007) as f64 / 100.0);
            self.row[CATEGORY] = Value::Int((self.event % 23) as i64);
            let key = &keys[self.event * 7 % ENTITIES];
            let applied = self.states.apply(&store, time, key, 0, &mut self.row);
            applied.expect("the event is applied");
        }
        self.spent += clock() - start;
    }

    fn nanos_a_feature(&self) -> f64 {
        self.spent.as_nanos() as f64 / (ROUNDS * EVENTS * self.features) as f64
    }
}

fn main() {
    let keys: Vec<String> = (0..ENTITIES).map(|key| key.to_string()).collect();
    let [mut few, mut many] = [Stage::new(3, 2), Stage::new(12, 21)];
    // The windows fill.
    few.apply(&keys);
    many.apply(&keys);
    (few.spent, many.spent) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        few.apply(&keys);
        many.apply(&keys);
    }
    println!(
        "{} features: {:.1} ns by the feature, {} features: {:.1} ns: x{:.2}",
        few.features,
        few.nanos_a_feature(),
        many.features,
        many.nanos_a_feature(),
        many.nanos_a_feature() / few.nanos_a_feature(),
    );
}
