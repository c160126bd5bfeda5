//! What expressions may do with pseudonyms.

use riskstream_events::{Value, ValueType};
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
