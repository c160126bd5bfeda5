//! Lists whose entries change: what is looked up stands in the row.

use riskstream_events::{Value, ValueType};
use riskstream_expressions::{EntrySlots, Expression, Scope};

const CARD: usize = 0;
const AMOUNT: usize = 1;
const BLOCKED: EntrySlots = EntrySlots {
    present: 2,
    value: 3,
    reason: 4,
    author: 5,
    until: 6,
};

fn scope() -> Scope {
    let mut scope = Scope::new();
    scope.add("card", CARD, ValueType::Text);
    scope.add("amount", AMOUNT, ValueType::Float);
    scope.add("merchant.id", 7, ValueType::Text);
    scope.mark_pseudonym(CARD);
    scope.add_entries("blocked", vec![(CARD, BLOCKED)]);
    scope.add_entries("trusted.merchants", vec![(7, EntrySlots { present: 8, ..BLOCKED })]);
    scope
}

fn row(present: Value) -> Vec<Value> {
    let is_there = present == Value::Bool(true);
    let text = |text: &str| {
        if is_there {
            Value::Text(text.into())
        } else {
            Value::Null
        }
    };
    let until = if is_there {
        Value::Timestamp(1_000_000)
    } else {
        Value::Null
    };
    let card = Value::Text("5bdcc146bf60754e6a042426089575c7".into());
    vec![
        card,
        Value::Float(10.0),
        present,
        text("7.5"),
        text("stolen"),
        text("jane"),
        until,
        Value::Null,
        Value::Null,
    ]
}

#[test]
fn membership_and_fields_are_read_from_the_row() {
    for (source, there, absent, unknown) in [
        ("card in blocked", Value::Bool(true), Value::Bool(false), Value::Null),
        ("!(card in blocked)", Value::Bool(false), Value::Bool(true), Value::Null),
        (
            "blocked[card].reason",
            Value::Text("stolen".into()),
            Value::Null,
            Value::Null,
        ),
        (
            "blocked[card].author == 'jane'",
            Value::Bool(true),
            Value::Null,
            Value::Null,
        ),
        (
            "blocked[card].until",
            Value::Timestamp(1_000_000),
            Value::Null,
            Value::Null,
        ),
        (
            "amount > double(blocked[card].value)",
            Value::Bool(true),
            Value::Null,
            Value::Null,
        ),
        (
            "blocked[card].reason != null",
            Value::Bool(true),
            Value::Bool(false),
            Value::Bool(false),
        ),
        (
            "coalesce(blocked[card].reason, 'none').startsWith('st')",
            Value::Bool(true),
            Value::Bool(false),
            Value::Bool(false),
        ),
        (
            "merchant.id in trusted.merchants",
            Value::Null,
            Value::Null,
            Value::Null,
        ),
    ] {
        let expression = Expression::compile(source, &scope()).unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
        let results =
            [Value::Bool(true), Value::Bool(false), Value::Null].map(|present| expression.evaluate(&row(present)));
        assert_eq!(results, [there, absent, unknown], "{source}");
        assert!(
            !expression.slots().contains(&CARD),
            "{source}: the list was asked before"
        );
    }
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (source, message, place, help) in [
        (
            "blocked[card].reson == 'x'",
            "an entry has no field reson",
            "blocked[card].reson",
            "did you mean reason?",
        ),
        (
            "blocked[card].limit",
            "an entry has no field limit",
            "blocked[card].limit",
            "value, reason, author and until",
        ),
        (
            "blocked[card] != null",
            "an entry of blocked is no value",
            "blocked[card]",
            "blocked[card].reason",
        ),
        (
            "blocked == null",
            "the list blocked can only stand to the right of in",
            "blocked",
            "write x in blocked",
        ),
        (
            "amount in blocked",
            "amount is no key of blocked, which holds values of card",
            "amount",
            "`also:`",
        ),
        (
            "merchant.id in blocked",
            "merchant.id is no key of blocked, which holds values of card",
            "merchant.id",
            "`also:`",
        ),
        (
            "'4000' in blocked",
            "this text is no key of blocked, which holds values of card",
            "'4000'",
            "`also:`",
        ),
        (
            "card in blokced",
            "unknown name blokced",
            "blokced",
            "did you mean blocked?",
        ),
        (
            "blokced[card].reason == 'x'",
            "unknown name blokced",
            "blokced",
            "did you mean blocked?",
        ),
        ("crad in blocked", "unknown name crad", "crad", "did you mean card?"),
    ] {
        let errors = Expression::compile(source, &scope()).map(|_| ()).expect_err(source);
        let [error] = errors.as_slice() else {
            panic!("{source}: {errors:?}")
        };
        assert_eq!(
            (error.message.as_str(), &source[error.span.clone()]),
            (message, place),
            "{source}"
        );
        assert!(
            error.help.as_deref().unwrap_or_default().contains(help),
            "{source}: {error:?}"
        );
    }
}
