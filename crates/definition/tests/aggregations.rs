//! The keys of aggregations, as the table in riskstream-features has them.

use riskstream_definition::{Compiled, compile, run_examples, schema};
use riskstream_events::ValueType;
use riskstream_features::{Aggregation, Definition, Operand, WindowRule};
use std::path::Path;

const INPUTS: &str = "name: shop
inputs:
  transactions:
    topic: transactions
    key: customer_id
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer_id: text, country: text, amount: float}
entities:
  customer: {key: customer_id}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

fn compiled(rest: &str) -> Compiled {
    let file = format!("{INPUTS}{rest}");
    compile("shop.yaml", &file, Path::new("."), &|_| None).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn each_entry_of_the_table_is_a_key_of_a_feature_and_of_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).expect("JSON");
    let mut features = "features:\n".to_owned();
    for definition in Aggregation::TABLE {
        let name = definition.name;
        let (of, _) = operand(definition);
        let window = match definition.window {
            WindowRule::HalfLife => "",
            _ => ", window: 7d",
        };
        let parameter = match definition.constructor.key() {
            Some("k") => ", k: 3",
            Some("q") => ", q: 0.5",
            Some("half_life") => ", half_life: 6h",
            _ => "",
        };
        features += &format!("  f_{name}: {{entity: customer, {name}: {of}{window}{parameter}}}\n");
        let description = &schema["$defs"]["Feature"]["properties"][name]["description"];
        assert_eq!(*description, definition.summary, "{name}");
    }
    let compiled = compiled(&features);
    for definition in Aggregation::TABLE {
        let name = format!("f_{}", definition.name);
        let slot = compiled
            .plan
            .slots
            .iter()
            .find(|slot| slot.name == name)
            .expect("it has a slot");
        let (_, value) = operand(definition);
        assert_eq!(slot.value_type, definition.output.value_type(value), "{name}");
        assert_eq!(slot.element, definition.output.element_type(value), "{name}");
    }
}

/// What the pipeline file says is aggregated, and the value's type.
fn operand(definition: &Definition) -> (&'static str, Option<ValueType>) {
    match definition.operand {
        Operand::Events | Operand::EarlierEvents => ("transactions", None),
        Operand::Numbers | Operand::NumbersAndTimes => ("amount", Some(ValueType::Float)),
        Operand::Values => ("country", Some(ValueType::Text)),
    }
}

/// A float that is compared or listed need not fit the fixed point of sums: only where it is summed, a larger one is a
/// dead letter.
#[test]
fn a_float_that_is_not_summed_may_be_of_any_size() {
    let example = |aggregation: &str, expected: &str| {
        format!(
            "features:
  feature: {{entity: customer, {aggregation}, window: 7d}}
examples:
  - name: a large amount
    events:
      - transactions: {{id: a, time: '2026-01-05T12:00:00Z', customer_id: C1, country: DE, amount: 1.0e13}}
        expect: {{{expected}}}
"
        )
    };
    for (aggregation, expected) in [
        ("quantile: amount, q: 0.5", "features: {feature: 1.0e13}"),
        ("max: amount", "features: {feature: 1.0e13}"),
        ("mean: amount", "dead_letter: out_of_range"),
    ] {
        let compiled = compiled(&example(aggregation, expected));
        run_examples(&compiled).unwrap_or_else(|report| panic!("{aggregation}: {report}"));
    }
}

#[test]
fn the_aggregations_of_the_documentation_give_what_it_says() {
    let compiled = compiled(
        "features:
  count_90d: {entity: customer, count: transactions, window: 90d}
  firsts: {entity: customer, first_k: country, k: 2, window: 90d}
  countries: {entity: customer, top_k: country, k: 2, window: 90d}
  rare: {entity: customer, bottom_k: country, k: 2, window: 90d}
  counts: {entity: customer, histogram: country, k: 2, window: 90d}
  usual: {entity: customer, mode: country, window: 90d, include_current: false}
  skew: {entity: customer, skewness: amount, window: 90d}
  kurt: {entity: customer, kurtosis: amount, window: 90d}
  share: {expression: 'double(counts[0]) / double(count_90d)'}
  is_unusual: {expression: country != usual}
examples:
  - name: five payments
    events:
      - transactions: {id: a, time: '2026-01-05T12:00:00Z', customer_id: C1, country: DE, amount: 1}
        expect: {features: {firsts: [DE], rare: [DE], counts: [1], usual: null, skew: null}}
      - transactions: {id: b, time: '2026-01-05T12:01:00Z', customer_id: C1, country: FR, amount: 2}
      - transactions: {id: c, time: '2026-01-05T12:02:00Z', customer_id: C1, country: DE, amount: 3}
        expect: {features: {usual: DE, kurt: null}}
      - transactions: {id: d, time: '2026-01-05T12:03:00Z', customer_id: C1, country: AT, amount: 4}
      - transactions: {id: e, time: '2026-01-05T12:04:00Z', customer_id: C1, country: DE, amount: 10}
        expect:
          features:
            firsts: [DE, FR]
            countries: [DE, AT]
            rare: [AT, FR]
            counts: [3, 1]
            share: 0.6
            is_unusual: false
            skew: 1.697056274847714
            kurt: 3.152
",
    );
    run_examples(&compiled).unwrap_or_else(|report| panic!("{report}"));
}
