//! Error messages and the places that they point to: one case per line.
mod common;

use common::scope;
use riskstream_expressions::{Expression, MAX_DEPTH, MAX_LENGTH};

/// Every error as `message @ what it points to | help`.
fn errors(source: &str) -> Vec<String> {
    let errors = Expression::compile(source, &scope())
        .map(|e| panic!("{source} compiles: {e:?}"))
        .unwrap_err();
    errors
        .into_iter()
        .map(|error| {
            let help = error.help.map(|help| format!(" | {help}")).unwrap_or_default();
            format!("{} @ {}{help}", error.message, &source[error.span])
        })
        .collect()
}

#[test]
#[rustfmt::skip]
fn messages() {
    for (source, expected) in [
        // syntax
        ("", "the expression is empty @ "),
        ("three +", "the expression ends too early @ "),
        ("yes ? 1", "the expression ends too early @ "),
        ("three = 3", "unexpected '=' @ = | write == to compare"),
        ("yes and no", "unexpected and @ and | write && for and"),
        ("yes or no", "unexpected or @ or | write || for or"),
        ("yes & no", "unexpected '&' @ & | write && for and"),
        ("not yes", "unexpected yes @ yes | write ! for not"),
        ("three is null", "unexpected is @ is | write == null or != null"),
        ("three ≥ 3", "unexpected '≥' @ ≥ | write >="),
        ("name == “Zoë”", "unexpected '“' @ “ | write texts in straight quotes: \"...\" or '...'"),
        ("name == 'Zoë", "this text is never closed @ 'Zoë | end it with '"),
        ("name == '\\d'", "this escape is unknown @ \\ | write \\\\ for a backslash"),
        ("(three + 1", "this ( is never closed @ ("),
        ("three + 1)", "this ) closes nothing @ )"),
        ("(three]", "this ] closes nothing @ ]"),
        ("three ++ 1", "unexpected + @ +"),
        ("if(yes, 1, 2)", "if is a reserved word of CEL @ if | write condition ? a : b"),
        ("package == 1", "package is a reserved word of CEL @ package"),
        ("99999999999999999999", "this int does not fit into 64 bits @ 99999999999999999999 | write a float, as in 1e20"),
        ("has(three)", "has() takes a dotted name @ three | write name != null"),
        ("amounts.all(a, a > 1.0)", "loops over lists are not supported @ (a, a > 1.0)"),
        // names
        ("thre + 1", "unknown name thre @ thre | did you mean three?"),
        ("'é' == name && merchant.contry == 'NG'", "unknown name merchant.contry @ merchant.contry | did you mean merchant.country?"),
        ("xyz", "unknown name xyz @ xyz"),
        ("at.getHours", "unknown name at.getHours @ at.getHours | write at.getHours()"),
        ("blocked == 1", "the list blocked can only stand to the right of in @ blocked | write x in blocked"),
        ("abss(three)", "unknown function abss @ abss | did you mean abs?"),
        ("name.matches('a')", "unknown function matches @ matches | use startsWith, endsWith or contains"),
        ("cosine(half)", "unknown function cosine @ cosine | the functions are size, startsWith, endsWith, contains, lowerAscii, upperAscii, trim, bool, int, double, string, coalesce, min, max, sum, mean, abs, sign, div, log, log1p, log10, exp, pow, sqrt, floor, ceil, round, isNaN, isFinite, timestamp, duration, getFullYear, getMonth, getDate, getDayOfMonth, getDayOfWeek, getDayOfYear, getHours, getMinutes, getSeconds, getMilliseconds"),
        ("div(half, 2)", "div does not take float and int @ div(half, 2) | write div(a, b)"),
        ("three / 2 % 2", "% does not take float and int @ three / 2 % 2 | % takes two ints: int(x) converts, div(a, b) divides ints"),
        ("len(name)", "unknown function len @ len | write size(x)"),
        ("three.abs()", "abs is a function, not a method @ abs | write abs(x)"),
        ("startsWith(name, 'a')", "startsWith is a method, not a function @ startsWith | write text.startsWith(prefix)"),
        // types
        ("abs(name)", "abs does not take text @ abs(name) | write abs(x)"),
        ("pow(three)", "pow does not take 1 argument @ pow(three) | write pow(x, y)"),
        ("name + 1", "+ does not take text and int @ name + 1 | string(x) makes a text of a number"),
        ("name == 1", "== does not take text and int @ name == 1 | compare like with like: int(x), double(x) or string(x) convert"),
        ("(three + 1) * (name)", "* does not take int and text @ (three + 1) * (name)"),
        ("half % 2", "% does not take float and int @ half % 2 | % takes two ints: int(x) converts, div(a, b) divides ints"),
        ("three < null", "< does not take int and null @ three < null | write == null or != null"),
        ("1 < three < 5", "< does not take bool and int @ 1 < three < 5"),
        ("three && yes", "&& takes bool, not int @ three | compare it with a number, as in x > 0"),
        ("!name", "! takes bool, not text @ name"),
        ("-name", "- does not take text @ -name"),
        ("yes ? 1 : 'a'", "the branches of ? : must have one type, not int and text @ yes ? 1 : 'a'"),
        ("three in ['a']", "a list of text cannot hold int @ three in ['a']"),
        ("three in blocked", "a list of text cannot hold int @ three in blocked"),
        ("name in amounts", "a list of float cannot hold text @ name in amounts"),
        ("name in ['a', 1]", "in does not take text and int @ name in ['a', 1]"),
        ("name in ['a', null]", "null is in no list @ null | write x == null || x in [...]"),
        ("name in name", "in does not take text and text @ name in name"),
        ("name[0]", "[ ] takes an element of a list by its number, not of text by int @ name[0]"),
        ("[1, 2]", "a list can only stand to the right of in @ [1, 2] | write x in [a, b]"),
        ("{'a': 1}", "maps are not supported @ {'a': 1}"),
        ("b'a'", "byte strings are not supported @ b'a'"),
        ("1u", "unsigned integers are not supported @ 1u | leave out the u"),
        ("at - at", "an expression cannot be a duration @ at - at | turn it into a number: (a - b).getSeconds()"),
        ("null", "the expression is always null @ null"),
        ("yes && 1 / 0 > 1", "this is always null @ 1 / 0 | it overflows, divides by zero or cannot be converted"),
        ("timestamp('2026')", "this is not a timestamp @ timestamp('2026') | write timestamp(\"2026-01-31T12:00:00Z\")"),
        ("at > at - duration('1x')", "this is not a duration @ duration('1x') | write duration(\"1h30m\")"),
        ("at.getHours('Mars/Base')", "this is not a time zone @ at.getHours('Mars/Base') | write \"Europe/Paris\" or \"+02:00\""),
    ] {
        assert_eq!(errors(source), [expected], "{source}");
    }
}

#[test]
fn all_errors_at_once_in_their_order() {
    assert_eq!(
        errors("thre > 1 && name > 2 || abss(hal) == three + yes"),
        [
            "unknown name thre @ thre | did you mean three?",
            "> does not take text and int @ name > 2 | compare like with like: int(x), double(x) or string(x) convert",
            "unknown function abss @ abss | did you mean abs?",
            "unknown name hal @ hal | did you mean half?",
            "+ does not take int and bool @ three + yes",
        ]
    );
}

#[test]
fn spans_over_lines_and_comments() {
    let source = "// é\nthree > 1 &&\n\tnam == 'a'";
    assert_eq!(errors(source), ["unknown name nam @ nam | did you mean name?"]);
    assert_eq!(
        Expression::compile(source, &scope()).unwrap_err()[0].span.start,
        source.find("nam").unwrap()
    );
}

#[test]
fn hostile_sources_are_refused() {
    let deep = 10_000;
    for source in [
        "(".repeat(deep) + "1" + &")".repeat(deep),
        "(".repeat(deep),
        "abs(".repeat(deep) + "1" + &")".repeat(deep),
        "[".repeat(deep) + &"]".repeat(deep),
        "1".to_owned() + &" + 1".repeat(deep),
        "!".repeat(deep) + "yes",
        "-(".repeat(deep) + "1" + &")".repeat(deep),
        "yes ? 1 : ".repeat(6_000) + "1",
        "amounts".to_owned() + &"[0]".repeat(deep),
        "a".to_owned() + &".a".repeat(deep),
        "'\\q".to_owned() + &"(".repeat(deep) + "'",
        "three in three ".repeat(4_000),
        "\"".to_owned() + &"(".repeat(deep),
        "1".repeat(MAX_LENGTH + 1),
        "\u{0}".repeat(100),
        "(".repeat(deep) + "\"",
    ] {
        assert!(Expression::compile(&source, &scope()).is_err(), "{}", &source[..20]);
    }
}

#[test]
fn what_is_long_but_shallow_compiles() {
    let terms = vec!["three == 3"; 2_000].join(" && ");
    let elements = (0..8_000).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    let deepest = (MAX_DEPTH - 1) / 2;
    let nested = "(".repeat(deepest) + "three" + &")".repeat(deepest);
    for source in [terms, format!("three in [{elements}]"), nested] {
        assert!(Expression::compile(&source, &scope()).is_ok(), "{}", &source[..20]);
    }
}
