//! What is admitted, and which reason code and field each refusal names.

use crate::shop::{HOUR, LABELS, NOON, SHOP, plan, row, slot, text};
use riskstream_engine::Engine;
use riskstream_engine::plan::{EVENT_ID, EVENT_TIME, TRANSACTIONS, WRITTEN_AT};
use riskstream_events::{ReasonCode, Value};

fn payment<'a>(id: Value, time: Value, amount: Value) -> Vec<(&'a str, Value)> {
    let customer = ("customer", text("c"));
    vec![("id", id), ("time", time), customer, ("amount", amount)]
}

/// The reason code and detail of a refused payment.
fn refusal(id: Value, time: Value, amount: Value, written_at: Option<i64>) -> Option<(ReasonCode, String)> {
    let engine = Engine::new(plan(SHOP));
    let mut row = row(engine.plan(), &payment(id, time, amount));
    let admitted = engine.admit(TRANSACTIONS, written_at, &mut row);
    admitted.err().map(|rejection| (rejection.code, rejection.detail))
}

const TIME: Value = Value::Timestamp(NOON);
const AMOUNT: Value = Value::Float(10.0);

#[test]
fn an_admitted_row_has_its_canonical_slots() {
    let engine = Engine::new(plan(SHOP));
    for (input, time_field) in [(TRANSACTIONS, "time"), (LABELS, "known_at")] {
        for written_at in [None, Some(NOON / 1000 + 5)] {
            let values = [("id", text("t1")), (time_field, TIME)];
            let mut row = row(engine.plan(), &values);
            engine.admit(input, written_at, &mut row).unwrap();
            assert_eq!((&row[EVENT_ID], &row[EVENT_TIME]), (&text("t1"), &TIME));
            let expected = written_at.map_or(Value::Null, |millis| Value::Timestamp(millis * 1000));
            assert_eq!(row[WRITTEN_AT], expected);
        }
    }
}

#[test]
fn ids_may_be_integers() {
    let engine = Engine::new(plan(&SHOP.replace("id: text", "id: int")));
    let mut row = row(engine.plan(), &payment(Value::Int(-42), TIME, AMOUNT));
    engine.admit(TRANSACTIONS, None, &mut row).unwrap();
    assert_eq!(row[EVENT_ID], text("-42"));
    assert_eq!(
        row[slot(engine.plan(), "id")],
        Value::Int(-42),
        "the field stays as it is"
    );
}

#[test]
fn an_event_has_an_id_and_a_time() {
    let missing = |field: &str| Some((ReasonCode::MissingField, format!("`{field}` is missing or null")));
    assert_eq!(refusal(Value::Null, TIME, AMOUNT, None), missing("id"));
    assert_eq!(refusal(text(""), TIME, AMOUNT, None), missing("id"));
    assert_eq!(refusal(text("t1"), Value::Null, AMOUNT, None), missing("time"));
    assert_eq!(refusal(text("t1"), TIME, AMOUNT, None), None);
}

#[test]
fn an_event_time_lies_at_most_max_future_after_the_records_timestamp() {
    let written_at = (NOON - HOUR) / 1000;
    assert_eq!(refusal(text("t1"), TIME, AMOUNT, Some(written_at)), None);
    let detail = "`time` lies further than max_future after the record's timestamp".to_owned();
    assert_eq!(
        refusal(text("t1"), TIME, AMOUNT, Some(written_at - 1)),
        Some((ReasonCode::FutureEventTime, detail))
    );
    for written_at in [i64::MIN, i64::MAX] {
        refusal(text("t1"), TIME, AMOUNT, Some(written_at));
    }
}

#[test]
fn numbers_that_enter_sums_are_finite_and_fit() {
    let amount = |amount: f64| refusal(text("t1"), TIME, Value::Float(amount), None).map(|(code, _)| code);
    for not_finite in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(amount(not_finite), Some(ReasonCode::NotFinite));
    }
    for too_large in [1e18, -1e18, f64::MAX] {
        assert_eq!(amount(too_large), Some(ReasonCode::OutOfRange));
    }
    for fits in [0.0, -0.01, 1e9] {
        assert_eq!(amount(fits), None);
    }
    assert_eq!(
        refusal(text("t1"), TIME, Value::Null, None),
        None,
        "an absent number is no number"
    );
    let detail = refusal(text("t1"), TIME, Value::Float(f64::NAN), None).map(|(_, detail)| detail);
    let expected = "`amount` is NaN or infinite";
    assert_eq!(detail.as_deref(), Some(expected), "a refusal never quotes the value");
    let detail = refusal(text("t1"), TIME, Value::Float(1e18), None).map(|(_, detail)| detail);
    let expected = "`amount` is not within ±9.2e12, the range of sums with the precision 0.000001: give the features or \
                    their entity a coarser `precision`";
    assert_eq!(detail.as_deref(), Some(expected), "the range and the key");
}
