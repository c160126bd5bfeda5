//! The keys of aggregations, as the table in riskstream-features has them.

use riskstream_definition::{Compiled, compile, run_examples, schema};
use riskstream_features::{Aggregation, Operand, WindowRule};
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
        let of = match definition.operand {
            Operand::Events | Operand::EarlierEvents => "transactions",
            Operand::Numbers | Operand::NumbersAndTimes => "amount",
            Operand::Values => "country",
        };
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
    assert_eq!(compiled.plan.features.len(), Aggregation::TABLE.len());
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
        ("'quantile': amount, q: 0.5", "features: {feature: 1.0e13}"),
        ("max: amount", "features: {feature: 1.0e13}"),
        ("mean: amount", "dead_letter: out_of_range"),
    ] {
        let compiled = compiled(&example(aggregation, expected));
        run_examples(&compiled).unwrap_or_else(|report| panic!("{aggregation}: {report}"));
    }
}
