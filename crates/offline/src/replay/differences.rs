//! The differences between two records.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Differences that are kept. All are counted.
const KEPT: usize = 10_000;

/// Bytes of a value that are kept.
const VALUE_BYTES: usize = 500;

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What differs: `decision`, or the rows in front of a stage.
    pub of: String,
    /// The id of the decision, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<String>,
    /// The id of the event.
    pub event_id: String,
    /// The field; empty if all of it is on one side only.
    pub field: String,
    /// What was recorded; none if there is nothing.
    pub recorded: Option<String>,
    /// What was made again; none if nothing was.
    pub again: Option<String>,
}

/// Differences, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// All of them.
    pub count: u64,
    /// How many there are of each field.
    pub by_field: BTreeMap<String, u64>,
    /// The first 10,000.
    pub first: Vec<Difference>,
}

impl Differences {
    pub(super) fn add(&mut self, difference: Difference) {
        self.count += 1;
        let field = match difference.field.as_str() {
            "" => format!("{}: on one side only", difference.of),
            field => format!("{}: {field}", difference.of),
        };
        *self.by_field.entry(field).or_default() += 1;
        if self.first.len() < KEPT {
            self.first.push(Difference {
                recorded: difference.recorded.map(shorten),
                again: difference.again.map(shorten),
                ..difference
            });
        }
    }
}

fn shorten(text: String) -> String {
    if text.len() <= VALUE_BYTES {
        return text;
    }
    format!("{}…", &text[..text.floor_char_boundary(VALUE_BYTES)])
}

/// A field, and its values on both sides.
pub(crate) type FieldDifference = (String, Option<String>, Option<String>);

/// The fields in which two JSON values differ. Objects are compared by their keys, all else as a whole.
pub(crate) fn of_json(recorded: &Value, again: &Value) -> Vec<FieldDifference> {
    let mut found = Vec::new();
    compare("", Some(recorded), Some(again), &mut found);
    found
}

fn compare(path: &str, recorded: Option<&Value>, again: Option<&Value>, found: &mut Vec<FieldDifference>) {
    if let (Some(Value::Object(one)), Some(Value::Object(other))) = (recorded, again) {
        let further = other.keys().filter(|key| !one.contains_key(*key));
        for key in one.keys().chain(further) {
            let path = match path {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            };
            compare(&path, one.get(key), other.get(key), found);
        }
    } else if recorded != again {
        let text = |value: Option<&Value>| value.map(Value::to_string);
        found.push((path.to_owned(), text(recorded), text(again)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_compared_one_by_one() {
        let recorded = json!({"score": 0.1, "features": {"a": 1, "b": 2}, "flags": ["late"]});
        let again = json!({"score": 0.1, "features": {"a": 1, "b": 3, "c": null}, "flags": []});
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            of_json(&recorded, &again),
            [
                ("features.b".to_owned(), text("2"), text("3")),
                ("features.c".to_owned(), None, text("null")),
                ("flags".to_owned(), text("[\"late\"]"), text("[]")),
            ]
        );
        assert_eq!(of_json(&again, &again), []);
    }

    #[test]
    fn all_are_counted_and_the_first_are_kept() {
        let mut differences = Differences::default();
        for number in 0..KEPT + 5 {
            differences.add(Difference {
                of: "decision".to_owned(),
                decision_id: None,
                event_id: number.to_string(),
                field: "score".to_owned(),
                recorded: Some("ü".repeat(VALUE_BYTES)),
                again: None,
            });
        }
        assert_eq!((differences.count, differences.first.len()), (KEPT as u64 + 5, KEPT));
        assert_eq!(differences.by_field["decision: score"], KEPT as u64 + 5);
        assert!(differences.first[0].recorded.as_ref().unwrap().len() <= VALUE_BYTES + '…'.len_utf8());
    }
}
