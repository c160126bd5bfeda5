//! What expressions may do with pseudonyms.

use riskstream_events::{PublishedPseudonyms, Value, ValueType};
use riskstream_expressions::{Expression, Scope};

const PSEUDONYM: &str = "b0344c61d8db38535ca8afceaf0bf12b";

fn scope() -> Scope {
    let mut scope = Scope::new();
    let texts = ["card", "other_card", "country"];
    for (slot, name) in texts.into_iter().enumerate() {
        scope.add(name, slot, ValueType::Text);
    }
    scope.add("amount", 3, ValueType::Float);
    scope.add_list("last_cards", 4, ValueType::Text);
    scope.add_list("countries", 5, ValueType::Text);
    for slot in [0, 1, 4] {
        scope.mark_pseudonym(slot);
    }
    let texts = |texts: &[&str]| texts.iter().map(|text| Value::Text((*text).into())).collect::<Vec<_>>();
    scope.add_constants("blocked", &texts(&["4929123456781234"])).unwrap();
    scope.add_constants("watched", &texts(&[PSEUDONYM])).unwrap();
    scope
}

#[test]
fn pseudonyms_are_compared_with_each_other() {
    for source in [
        "card == other_card".to_owned(),
        "card == null || other_card != null".to_owned(),
        format!("card == '{PSEUDONYM}'"),
        format!("card in ['{PSEUDONYM}', other_card]"),
        "card in watched && country in blocked".to_owned(),
        "card in last_cards".to_owned(),
        "last_cards[0] != card".to_owned(),
        "size(last_cards) > 2".to_owned(),
        "last_cards.exists(c, c != card)".to_owned(),
        "countries.all(c, c.startsWith('D') && last_cards.exists(o, o == card))".to_owned(),
        "coalesce(card, other_card) == card".to_owned(),
        "country.startsWith('D') && amount > 1.0".to_owned(),
        "'4929' == country".to_owned(),
        "card + country".to_owned(),
    ] {
        Expression::compile(&source, &scope()).unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
    }
    let holds = |source: &str| Expression::compile(source, &scope()).unwrap().holds_pseudonyms();
    assert!(holds("amount > 1.0 ? card : other_card") && holds("last_cards") && holds("coalesce(card, 'none')"));
    assert!(!holds("country") && !holds("card == other_card") && !holds("countries"));
}

#[test]
fn their_characters_and_clear_texts_are_refused() {
    for (source, expected) in [
        ("card.startsWith('4929')", "startsWith would read the pseudonym of card"),
        ("card.matches('^4929')", "matches would read the pseudonym of card"),
        ("ip_in(card, '10.0.0.0/8')", "ip_in would read the pseudonym of card"),
        (
            "email_domain(card) == 'a'",
            "email_domain would read the pseudonym of card",
        ),
        ("card.split('9')[0] == 'a'", "split would read the pseudonym of card"),
        (
            "last_cards.exists(c, c.startsWith('4929'))",
            "startsWith would read the pseudonym of last_cards",
        ),
        (
            "last_cards.all(c, c != '4929')",
            "the pseudonym of last_cards equals no text that is not one",
        ),
        (
            "card in country.split(',')",
            "the pseudonym of card equals no text that is not one",
        ),
        (
            "blocked.exists(b, b == card)",
            "the pseudonym of card equals no text that is not one",
        ),
        ("size(card) == 16", "size would read the pseudonym of card"),
        ("int(card) > 1", "int would read the pseudonym of card"),
        (
            "last_cards[1].endsWith('1234')",
            "endsWith would read the pseudonym of last_cards",
        ),
        (
            "coalesce(card, other_card).contains('4')",
            "contains would read the pseudonym of card",
        ),
        ("country.contains(card)", "contains would read the pseudonym of card"),
        ("card < '5'", "< would compare the pseudonym of card"),
        ("other_card >= card", ">= would compare the pseudonym of other_card"),
        (
            "card == '4929123456781234'",
            "the pseudonym of card equals no text that is not one",
        ),
        (
            "country != card",
            "the pseudonym of card equals no text that is not one",
        ),
        (
            "card in ['4929123456781234']",
            "the pseudonym of card equals no text that is not one",
        ),
        (
            "card in [country, other_card]",
            "the pseudonym of card equals no text that is not one",
        ),
        (
            "card in blocked",
            "the pseudonym of card equals no text that is not one",
        ),
        (
            "card in countries",
            "the pseudonym of card equals no text that is not one",
        ),
        (
            "country in last_cards",
            "the pseudonym of last_cards equals no text that is not one",
        ),
    ] {
        let errors = Expression::compile(source, &scope()).expect_err(source);
        assert_eq!(errors.len(), 1, "{source}: {errors:?}");
        assert_eq!(errors[0].message, expected, "{source}");
        assert!(
            errors[0].help.as_deref().is_some_and(|help| help.contains("derive")),
            "{source}"
        );
    }
}

/// Rows hold pseudonyms of the state; an analyst writes what decisions carry.
#[test]
fn constants_are_published_pseudonyms_where_those_have_a_secret_of_their_own() {
    let published = PublishedPseudonyms::new(b"a secret for what is published");
    let other = "5bdcc146bf60754e6a042426089575c7";
    let (shown, shown_other) = (published.publish(PSEUDONYM), published.publish(other));
    let mut scope = scope();
    let constants: Vec<Value> = (0..20)
        .map(|number| Value::Text(published.publish(&format!("{number:032x}"))))
        .chain([Value::Text(shown.clone())])
        .collect();
    scope.add_constants("many", &constants).unwrap();
    scope.write_published(published);
    let text = |text: &str| Value::Text(text.into());
    let last = Value::List([text(other), text(PSEUDONYM)].into());
    let row = [
        text(PSEUDONYM),
        Value::Null,
        text(&shown),
        Value::Float(1.0),
        last,
        Value::Null,
    ];
    for (source, expected) in [
        (format!("card == '{shown}'"), true),
        (format!("'{shown}' == card"), true),
        (format!("card != '{shown}'"), false),
        (format!("card == '{PSEUDONYM}'"), false),
        (format!("card in ['{shown_other}', '{shown}']"), true),
        (format!("card in ['{PSEUDONYM}']"), false),
        (format!("card in ['{shown}', other_card]"), true),
        ("card in many && !(card in watched)".to_owned(), true),
        (format!("last_cards.exists(c, c == '{shown_other}')"), true),
        (format!("last_cards.exists(c, c == '{other}')"), false),
        (format!("last_cards[0] == '{shown_other}'"), true),
        (format!("'{shown}' in last_cards"), true),
        (format!("coalesce(other_card, '{shown}') == card"), true),
        (
            format!("coalesce(other_card, '{shown_other}') == '{shown_other}'"),
            true,
        ),
        (
            format!("(amount > 1.0 ? card : '{shown_other}') == '{shown_other}'"),
            true,
        ),
        (
            format!("(amount > 1.0 ? card : '{shown_other}') == last_cards[0]"),
            true,
        ),
        // A text of the same form that is no pseudonym.
        (format!("country == '{shown}'"), true),
        (format!("country in ['{shown}']"), true),
    ] {
        let expression = Expression::compile(&source, &scope).unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
        assert_eq!(expression.evaluate(&row), Value::Bool(expected), "{source}");
    }
}
