//! Fuzz functions of texts: expressions, and pipeline files.

use riskstream_definition::{Report, Style, compile, explain};
use riskstream_events::{Value, ValueType};
use riskstream_expressions::{Expression, Scope};
use std::path::Path;

/// An expression. Its errors lie within it; its value is of its type, with any row.
pub fn expression(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (scope, full) = scope();
    match Expression::compile(text, &scope) {
        Ok(expression) => {
            for row in [full.as_slice(), &vec![Value::Null; full.len()], &[]] {
                let value = expression.evaluate(row);
                let found = value.value_type();
                // An integer may stand for a float.
                let fits = found == Some(expression.value_type()) || found == Some(ValueType::Int);
                assert!(value.is_null() || fits, "{found:?} of {:?}", expression.value_type());
                let _ = expression.is_true(row);
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(text.get(error.span.clone()).is_some(), "{error:?}");
            }
        }
    }
}

/// A variable of each type and a list of constants, and a row.
fn scope() -> (Scope, Vec<Value>) {
    let values = [
        ("amount", Value::Float(12.5)),
        ("count", Value::Int(3)),
        ("smallest", Value::Int(i64::MIN)),
        ("name", Value::Text("Zoë".into())),
        ("known", Value::Bool(true)),
        ("at", Value::Timestamp(1_772_323_198_765_432)),
    ];
    let mut scope = Scope::new();
    for (slot, (name, value)) in values.iter().enumerate() {
        scope.add(*name, slot, value.value_type().expect("a value"));
    }
    scope.add_list("amounts", values.len(), ValueType::Float);
    let blocked = ["NG", "RU"].map(|code| Value::Text(code.into()));
    scope.add_constants("blocked", &blocked).expect("constants of one type");
    let amounts = Value::List([Value::Float(2.0), Value::Null, Value::Float(8.0)].into());
    let row = values.into_iter().map(|(_, value)| value).chain([amounts]);
    (scope, row.collect())
}

pub fn expression_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "amount > 100.0 && name in blocked || !known",
        "count + 1 == 4 ? amount / 2.0 : -amount * 3.0",
        "at.getHours('Europe/Berlin') >= 22 && name != null",
        "size(name) % 2 == 0 && name.startsWith('Z')",
        "max(amounts) - min(amounts)",
        "smallest / -1 + amounts[count] > double(div(smallest, -1))",
        "timestamp('2026-01-01T00:00:00Z') < at",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// A pipeline file. Its diagnostics can be shown, its plan explained. Files that it names are not there.
pub fn pipeline_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let environment = |name: &str| (name == "HOST").then(|| "localhost:9092".to_owned());
    match compile("pipeline.yaml", text, Path::new("/nowhere"), &environment) {
        Ok(compiled) => assert!(!explain(&compiled).is_empty()),
        Err(report) => assert!(!shown(&report).is_empty()),
    }
}

fn shown(report: &Report) -> String {
    report.render(Style::Plain, 120)
}

pub fn pipeline_file_seeds() -> Vec<Vec<u8>> {
    let files = [
        include_str!("../../../pipelines/card-fraud-rules.yaml"),
        include_str!("../../../pipelines/card-fraud.yaml"),
        include_str!("../../../pipelines/handbook.yaml"),
        "name: x # é\ninputs:\n  transactions: {topic: t, id: id, event_time: at, fields: {id: text, at: timestamp, amount: float}}\n\
         entities:\n  card: {key: id}\nfeatures:\n  n: {entity: card, count: transactions, window: 1h}\n\
         rules:\n  - {name: r, when: n > 3, then: decline}\noutputs: {decisions: d, dead_letters: l}\nkafka: {brokers: \"${HOST}\"}\n",
    ];
    files.map(|text| text.as_bytes().to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Damaged seeds reach little of the code if the seeds themselves are refused.
    #[test]
    fn seeds_are_accepted() {
        for seed in expression_seeds() {
            let text = String::from_utf8(seed).unwrap();
            if let Err(errors) = Expression::compile(&text, &scope().0) {
                panic!("{text}: {errors:?}");
            }
        }
        // The models of the others are not there.
        let files = pipeline_file_seeds()
            .into_iter()
            .map(|seed| String::from_utf8(seed).unwrap());
        for text in files.filter(|text| !text.contains("\nmodel:")) {
            let environment = |name: &str| (name == "HOST").then(|| "localhost:9092".to_owned());
            if let Err(report) = compile("pipeline.yaml", &text, Path::new("/nowhere"), &environment) {
                panic!("{}", shown(&report));
            }
        }
    }
}
