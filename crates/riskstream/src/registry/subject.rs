//! Names of subjects.

use riskstream_definition::syntax::SubjectStrategy;
use serde_json::Value;

/// The subject for the values of `topic`, which are records with the full name `record`.
pub fn subject(strategy: SubjectStrategy, topic: &str, record: &str) -> String {
    match strategy {
        SubjectStrategy::TopicName => format!("{topic}-value"),
        SubjectStrategy::RecordName => record.to_owned(),
        SubjectStrategy::TopicRecordName => format!("{topic}-{record}"),
    }
}

/// The full name of the record that an Avro schema declares, empty if it declares none.
pub fn record_name(schema: &str) -> String {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
    full_name(text("name"), text("namespace"))
}

/// A name as Avro resolves it within a namespace.
pub(super) fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_follow_the_strategy() {
        let record = record_name(riskstream_events::DECISION_AVRO_SCHEMA);
        let cases = [
            (SubjectStrategy::TopicName, "risk-decisions-value"),
            (SubjectStrategy::RecordName, "riskstream.Decision"),
            (SubjectStrategy::TopicRecordName, "risk-decisions-riskstream.Decision"),
        ];
        for (strategy, expected) in cases {
            assert_eq!(subject(strategy, "risk-decisions", &record), expected);
        }
    }
}
