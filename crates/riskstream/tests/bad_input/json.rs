//! Malformed JSON, and bad values in well-formed JSON.

use crate::support::kafka::brokers;
use crate::support::trial::{GOOD, Results, Setup, Trial};
use crate::support::unique;
use serde_json::{Value, json};

/// The expected result of a record.
enum Expected {
    /// A dead letter with this reason.
    Dead(&'static str),
    /// Decisions with these flags, one after the other.
    Decided(&'static [&'static [&'static str]]),
}
use Expected::{Dead, Decided};

/// Makes bad payments, each with a card and a shop of its own.
struct Bad {
    time: u64,
}

impl Bad {
    /// A payment with some fields changed. A field whose change is null is left out.
    fn changed(&self, id: &str, changes: Value) -> Vec<u8> {
        let (card, shop) = (format!("card of {id}"), format!("shop of {id}"));
        let mut value = json!({"id": id, "time": self.time, "card": card, "shop": shop, "amount": 1.0});
        let fields = value.as_object_mut().unwrap();
        for (name, change) in changes.as_object().unwrap() {
            match change {
                Value::Null => fields.remove(name),
                change => fields.insert(name.clone(), change.clone()),
            };
        }
        value.to_string().into_bytes()
    }

    /// A payment with `amount` as the text of its amount.
    fn amount(&self, id: &str, amount: &str) -> Vec<u8> {
        let value = String::from_utf8(self.changed(id, json!({"amount": "AMOUNT"}))).unwrap();
        value.replace("\"AMOUNT\"", amount).into_bytes()
    }

    fn invalid_utf8(&self) -> Vec<u8> {
        let mut value = self.changed("utf8", json!({}));
        let at = value.windows(7).position(|bytes| bytes == b"shop of").unwrap();
        value[at] = 0xff;
        value
    }

    fn large(&self, id: &str, bytes: usize) -> Vec<u8> {
        self.changed(id, json!({"note": "x".repeat(bytes)}))
    }
}

/// Bad records: a name, which is also the id if there is one, the value, and the expected result.
type Cases = Vec<(&'static str, Option<Vec<u8>>, Expected)>;

#[rustfmt::skip]
fn cases(good: &[u8], bad: &Bad) -> Cases {
    let (time, year) = (bad.time, 365 * 86_400_000_u64);
    vec![
        ("truncated", Some(good[..good.len() - 9].to_vec()), Dead("not_json")),
        ("garbage", Some(b"\x00\x01garbage".to_vec()), Dead("not_json")),
        ("an array", Some(b"[1, 2]".to_vec()), Dead("not_json")),
        ("two objects", Some([good, good].concat()), Dead("not_json")),
        ("utf8", Some(bad.invalid_utf8()), Dead("invalid_utf8")),
        ("tombstone", None, Dead("tombstone")),
        ("empty", Some(Vec::new()), Dead("empty_payload")),
        ("NaN", Some(bad.amount("NaN", "NaN")), Decided(&[&[]])),
        ("infinite", Some(bad.amount("infinite", "-Infinity")), Dead("not_finite")),
        ("NaN as text", Some(bad.amount("NaN as text", "\"NaN\"")), Decided(&[&[]])),
        ("beyond floats", Some(bad.amount("beyond floats", "1e999")), Dead("out_of_range")),
        ("huge", Some(bad.amount("huge", "1e300")), Dead("out_of_range")),
        ("text for a number", Some(bad.amount("text for a number", "\"ten\"")), Dead("wrong_type")),
        ("no id", Some(bad.changed("no id", json!({"id": null}))), Dead("missing_field")),
        ("an empty id", Some(bad.changed("", json!({"note": "an empty id"}))), Dead("missing_field")),
        ("no time", Some(bad.changed("no time", json!({"time": null}))), Dead("missing_field")),
        ("no card", Some(bad.changed("no card", json!({"card": null}))), Dead("missing_field")),
        ("no shop", Some(bad.changed("no shop", json!({"shop": null}))), Dead("missing_field")),
        ("no time at all", Some(bad.changed("no time at all", json!({"time": "yesterday"}))), Dead("invalid_timestamp")),
        ("far future", Some(bad.changed("far future", json!({"time": time + 10 * year}))), Dead("future_event_time")),
        ("beyond time", Some(bad.changed("beyond time", json!({"time": 1e30}))), Dead("out_of_range")),
        ("1970", Some(bad.changed("1970", json!({"time": 0}))), Decided(&[&["late", "too_late"]])),
        ("before 1970", Some(bad.changed("before 1970", json!({"time": -1_000}))), Decided(&[&["late", "too_late"]])),
        ("last year", Some(bad.changed("last year", json!({"time": time - year}))), Decided(&[&["late", "too_late"]])),
        ("ten megabytes", Some(bad.large("ten megabytes", 10_000_000)), Dead("too_large")),
        ("a large one", Some(bad.large("a large one", 900_000)), Decided(&[&[]])),
    ]
}

/// Labels: one on an unknown transaction, and malformed ones, each with the reason of its dead letter.
fn bad_labels(time: u64) -> [(Vec<u8>, &'static str); 3] {
    // It may not wait for its transaction any more.
    let overdue = time - 31 * 86_400_000;
    let unknown = json!({"id": "nobody knows", "card": "card-1", "fraud": true, "known_at": overdue}).to_string();
    [
        (unknown.into_bytes(), "unknown_transaction"),
        (b"{\"id\": \"good-1\", \"fraud\": tru".to_vec(), "not_json"),
        (
            b"{\"id\": \"good-1\", \"card\": \"card-1\", \"fraud\": \"perhaps\", \"known_at\": 1}".to_vec(),
            "wrong_type",
        ),
    ]
}

#[test]
fn each_bad_record_has_its_result_and_the_others_are_undisturbed() {
    let (brokers, name) = (brokers(), unique("json"));
    let trial = Trial::new(&Setup::new(&brokers, &name));
    let bad = Bad { time: trial.time(GOOD) };
    let cases = cases(&trial.payment(0), &bad);
    let labels = bad_labels(bad.time);
    let mut service = trial.start();
    service.wait_until_ready();
    // Each bad record is sent between good ones, in both partitions.
    let transactions = trial.topic("transactions");
    for n in 0..GOOD {
        trial.send(n, &trial.payment(n));
        if let Some((_, value, _)) = cases.get(n as usize) {
            let key = format!("any-{n}");
            trial.writer.send(&transactions, Some(key.as_bytes()), value.as_deref());
        }
    }
    // A record without a Kafka key is good: repartitioning uses the field. Repeated records are flagged.
    let keyless = bad.changed("no key", json!({}));
    trial.writer.send(&transactions, None, Some(&keyless));
    let twice = bad.changed("twice", json!({}));
    for _ in 0..3 {
        trial.writer.send(&transactions, Some(b"any"), Some(&twice));
    }
    for (label, _) in &labels {
        trial.writer.send(&trial.topic("labels"), Some(b"card-1"), Some(label));
    }
    trial.writer.flush();
    let others = cases.len() + 1 + 3 + labels.len();
    let results = trial.finish(service, GOOD, others, |n| trial.payment(n));
    check_cases(&results, &cases);
    assert_eq!(results.flags("no key"), [[""; 0]]);
    check_repeated(&results);
    // The dead letter of a label that was decoded holds its id: later stages do not have its bytes.
    assert_eq!(results.reasons(Some(b"nobody knows")), [labels[0].1]);
    for (label, reason) in &labels[1..] {
        assert_eq!(results.reasons(Some(label)), [*reason]);
    }
}

fn check_cases(results: &Results, cases: &Cases) {
    let mut wrong = Vec::new();
    for (name, value, expected) in cases {
        let (reasons, flags) = (results.reasons(value.as_deref()), results.flags(name));
        let right = match expected {
            Dead(reason) => reasons == [*reason] && flags.is_empty(),
            Decided(expected) => reasons.is_empty() && flags == **expected,
        };
        if !right {
            wrong.push(format!("{name}: dead letters {reasons:?}, decisions' flags {flags:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The decision on a repeated record is the first one, flagged.
fn check_repeated(results: &Results) {
    assert_eq!(results.flags("twice"), [&[][..], &["duplicate"], &["duplicate"]]);
    let first = &results.decisions["twice"][0];
    for decision in &results.decisions["twice"][1..] {
        assert_eq!(decision["decision_id"], first["decision_id"]);
        assert_eq!(decision["features"], first["features"]);
    }
}
