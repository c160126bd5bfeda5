//! The differences between two records.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Differences that are kept. All are counted.
const KEPT: usize = 10_000;

/// The largest differences of a field that are kept.
const WORST: usize = 5;

/// Bytes of a value that are kept.
const VALUE_BYTES: usize = 500;

/// A difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// By how much the two differ, if both are numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<f64>,
}

/// Differences, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Differences {
    /// All of them.
    pub count: u64,
    /// How many there are of each field.
    pub by_field: BTreeMap<String, u64>,
    /// The first 10,000.
    pub first: Vec<Difference>,
    /// The largest few of each field; of values that are no numbers the first.
    pub worst: BTreeMap<String, Vec<Difference>>,
}

impl Differences {
    pub(super) fn add(&mut self, difference: Difference) {
        self.count += 1;
        let field = match difference.field.as_str() {
            "" => format!("{}: on one side only", difference.of),
            field => format!("{}: {field}", difference.of),
        };
        let number = |text: &Option<String>| text.as_ref()?.parse::<f64>().ok();
        let numbers = number(&difference.recorded).zip(number(&difference.again));
        let difference = Difference {
            recorded: difference.recorded.map(shorten),
            again: difference.again.map(shorten),
            by: numbers.map(|(recorded, again)| (recorded - again).abs()),
            ..difference
        };
        *self.by_field.entry(field.clone()).or_default() += 1;
        let worst = self.worst.entry(field).or_default();
        let size = |difference: &Difference| difference.by.unwrap_or(-1.0);
        let at = worst.partition_point(|other| size(other) >= size(&difference));
        if at < WORST {
            worst.truncate(WORST - 1);
            worst.insert(at, difference.clone());
        }
        if self.first.len() < KEPT {
            self.first.push(difference);
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
                by: None,
            });
        }
        assert_eq!((differences.count, differences.first.len()), (KEPT as u64 + 5, KEPT));
        assert_eq!(differences.by_field["decision: score"], KEPT as u64 + 5);
        assert!(differences.first[0].recorded.as_ref().unwrap().len() <= VALUE_BYTES + '…'.len_utf8());
    }

    #[test]
    fn the_largest_of_each_field_are_kept() {
        let mut differences = Differences::default();
        for (number, by) in [3, 9, 1, 7, 5, 8, 2].into_iter().enumerate() {
            differences.add(Difference {
                of: "decision".to_owned(),
                decision_id: None,
                event_id: number.to_string(),
                field: "score".to_owned(),
                recorded: Some("10".to_owned()),
                again: Some((10 - by).to_string()),
                by: None,
            });
        }
        let worst = differences.worst["decision: score"].iter();
        let found: Vec<_> = worst.map(|worst| (worst.event_id.as_str(), worst.by)).collect();
        let expected = [("1", 9.0), ("5", 8.0), ("3", 7.0), ("4", 5.0), ("0", 3.0)];
        assert_eq!(found, expected.map(|(id, by)| (id, Some(by))));
    }
}
