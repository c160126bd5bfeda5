//! Lists whose entries change: what is looked up stands in the row.

use riskstream_events::{Value, ValueType};
use riskstream_expressions::{EntryField, EntrySlots, Expression, Scope};

const CARD: usize = 0;
const AMOUNT: usize = 1;
/// What is known of a value: whether it is there in slot 2, fields from slot 3 on.
fn known(present: usize, fields: &[(&str, ValueType)]) -> EntrySlots {
    let fields = (3..).zip(fields).map(|(slot, (name, value_type))| EntryField {
        name: (*name).to_owned(),
        slot,
        value_type: *value_type,
    });
    EntrySlots {
        present,
        fields: fields.collect(),
    }
}

const ENTRY: [(&str, ValueType); 4] = [
    ("value", ValueType::Text),
    ("reason", ValueType::Text),
    ("author", ValueType::Text),
    ("until", ValueType::Timestamp),
];

fn scope() -> Scope {
    let mut scope = Scope::new();
    scope.add("card", CARD, ValueType::Text);
    scope.add("amount", AMOUNT, ValueType::Float);
    scope.add("merchant.id", 7, ValueType::Text);
    scope.mark_pseudonym(CARD);
    scope.add_entries("blocked", vec![(CARD, known(2, &ENTRY))]);
    scope.add_entries("trusted.merchants", vec![(7, known(8, &ENTRY))]);
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
            "the list blocked is no value",
            "blocked",
            "write x in blocked, or blocked[x] and a field",
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

#[test]
fn tables_have_typed_columns() {
    let mut scope = Scope::new();
    scope.add("card_bin", 0, ValueType::Text);
    scope.add("country", 1, ValueType::Text);
    let columns = [
        ("issuer", ValueType::Text),
        ("fee", ValueType::Float),
        ("prepaid", ValueType::Bool),
    ];
    scope.add_table("bins", vec![(0, known(2, &columns))]);
    let row = |issuer, fee, prepaid| {
        let bin = Value::Text("400000".into());
        vec![bin, Value::Text("DE".into()), Value::Bool(true), issuer, fee, prepaid]
    };
    let there = row(Value::Text("DE".into()), Value::Float(0.5), Value::Bool(true));
    for (source, value) in [
        ("card_bin in bins", Value::Bool(true)),
        ("bins[card_bin].issuer != country", Value::Bool(false)),
        ("2 * bins[card_bin].fee", Value::Float(1.0)),
        ("bins[card_bin].prepaid && has(bins[card_bin].fee)", Value::Bool(true)),
    ] {
        let expression = Expression::compile(source, &scope).unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
        assert_eq!(expression.evaluate(&there), value, "{source}");
    }
    let absent = row(Value::Null, Value::Null, Value::Null);
    let missed = Expression::compile("bins[card_bin].issuer != country", &scope).unwrap();
    assert_eq!(missed.evaluate(&absent), Value::Null);
    for (source, message, help) in [
        (
            "bins[card_bin].fees > 1",
            "a row has no column fees",
            "did you mean fee?",
        ),
        (
            "bins[card_bin].country == 'DE'",
            "a row has no column country",
            "the columns of a row are issuer, fee and prepaid",
        ),
        (
            "bins[country].fee > 1",
            "country is no key of bins, which holds values of card_bin",
            "the table's `also:`",
        ),
        (
            "bins[card_bin] == null",
            "a row of bins is no value",
            "bins[card_bin].issuer",
        ),
        ("bins == null", "the table bins is no value", "bins[x] and a column"),
        ("bins[card_bin].prepaid + 1 > 1", "+ does not take", ""),
    ] {
        let errors = Expression::compile(source, &scope).map(|_| ()).expect_err(source);
        assert!(errors[0].message.contains(message), "{source}: {errors:?}");
        assert!(
            errors[0].help.as_deref().unwrap_or_default().contains(help),
            "{source}: {errors:?}"
        );
    }
}
