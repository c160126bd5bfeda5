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
        // names
        ("thre + 1", "unknown name thre @ thre | did you mean three?"),
        ("'é' == name && merchant.contry == 'NG'", "unknown name merchant.contry @ merchant.contry | did you mean merchant.country?"),
        ("xyz", "unknown name xyz @ xyz"),
        ("at.getHours", "unknown name at.getHours @ at.getHours | write at.getHours()"),
        ("blocked == 1", "the list blocked can only stand to the right of in @ blocked | write x in blocked"),
        ("abss(three)", "unknown function abss @ abss | did you mean abs?"),
        ("cosine(half)", "unknown function cosine @ cosine | the functions are size, startsWith, endsWith, contains, lowerAscii, upperAscii, trim, matches, split, similarity, email_domain, luhn, ip_in, ip_network, haversine_km, exists, all, bool, int, double, string, coalesce, min, max, sum, mean, abs, sign, div, log, log1p, log10, exp, pow, sqrt, floor, ceil, round, isNaN, isFinite, timestamp, duration, getFullYear, getMonth, getDate, getDayOfMonth, getDayOfWeek, getDayOfYear, getHours, getMinutes, getSeconds, getMilliseconds"),
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
        ("1 < three < 5", "< does not take bool and int @ 1 < three < 5 | write 1 < three && three < 5"),
        ("0 <= half + 1.0 <= three", "<= does not take bool and int @ 0 <= half + 1.0 <= three | write 0 <= half + 1.0 && half + 1.0 <= three"),
        ("three && yes", "&& takes bool, not int @ three | compare it with a number, as in x > 0"),
        ("!name", "! takes bool, not text @ name | compare it with a text, as in x == \"a\" or x in [\"a\", \"b\"]"),
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
#[rustfmt::skip]
fn loops() {
    for (source, expected) in [
        ("amounts.map(a, a > 1.0)", "of the loops over lists only exists and all are supported @ (a, a > 1.0) | write list.exists(x, x > 1) or list.all(x, x > 1)"),
        ("amounts.exists_one(a, a > 1.0)", "of the loops over lists only exists and all are supported @ (a, a > 1.0) | write list.exists(x, x > 1) or list.all(x, x > 1)"),
        ("amounts.exists(three, three > 1.0)", "three is the name of something else already @ (three, three > 1.0) | give the variable of the loop another name"),
        ("amounts.exists(a.b, true)", "the variable of a loop must be a simple name @ . | write list.exists(x, x > 1)"),
        ("amounts.exists(a, amounts.all(b, amounts.exists(c, c > a)))", "loops over lists are nested too deeply: 2 levels are allowed @ (c, c > a)"),
        ("amounts.exists(a, a)", "exists takes bool, not float @ a | compare it with a number, as in x > 0"),
        ("name.exists(a, a > 1)", "there are no elements of text to loop over @ name"),
        ("[three, 1].exists(a, a > 1)", "the elements of this list must be constants @ [three, 1]"),
        ("[1, 'a'].exists(a, a > 1)", "the list here holds both numbers and text: a list holds values of one type @ [1, 'a']"),
        ("amounts.exists(a, a > 1) && a > 1", "unknown name a @ a | did you mean at?"),
        ("amounts.exists(three > 1)", "exists does not take 1 argument @ amounts.exists(three > 1) | write list.exists(x, x > 1)"),
    ] {
        assert_eq!(errors(source), [expected], "{source}");
    }
}

#[test]
#[rustfmt::skip]
fn what_is_written_out_of_habit() {
    for (source, expected) in [
        ("1 <> three", "unexpected > @ > | write != for <>"),
        ("not (yes)", "unknown function not @ not | write !(x)"),
        ("yes and not no", "unexpected and @ and | write && for and"),
        ("name == None", "unknown name None @ None | write null"),
        ("yes == True", "unknown name True @ True | write true"),
        ("name LIKE 'Z%'", "unexpected LIKE @ LIKE | write text.contains(\"x\"), text.startsWith(\"x\") or text.matches(\"x.*y\")"),
        ("three BETWEEN 1 AND 5", "unexpected BETWEEN @ BETWEEN | write 1 <= x && x <= 5"),
        ("three between 1 and 5", "unexpected between @ between | write 1 <= x && x <= 5"),
        ("name in ('A', 'B')", "unexpected , @ , | write a list in brackets: x in [a, b]"),
        ("name IN ['A', 'B']", "unexpected IN @ IN | write in, in small letters"),
        ("name not in ['A', 'B']", "unexpected not @ not | write !(x in list)"),
        ("three > 1,000", "unexpected , @ , | write numbers without separators: 1000"),
        ("three ** 2", "unexpected * @ * | write pow(x, y)"),
        ("no_int ?? 3", "unexpected ? @ ? | write coalesce(x, y)"),
        ("at.hour > 5", "unknown name at.hour @ at.hour | write at.getHours()"),
        ("at.weekday", "unknown name at.weekday @ at.weekday | write at.getDayOfWeek()"),
        ("is_null(three)", "unknown function is_null @ is_null | write x == null"),
        ("name.is_null()", "unknown function is_null @ is_null | write x == null"),
        ("hour(at) > 5", "unknown function hour @ hour | write time.getHours(\"Europe/Berlin\")"),
        ("name == 'A' || 'B'", "|| takes bool, not text @ 'B' | compare it with a text, as in x == \"a\" or x in [\"a\", \"b\"]"),
        ("now() > at", "unknown function now @ now | write event_time: a decision does not depend on the clock"),
    ] {
        assert_eq!(errors(source), [expected], "{source}");
    }
}

#[test]
#[rustfmt::skip]
fn arguments_that_must_be_constants() {
    for (source, expected) in [
        ("name.matches(merchant.country)", "a pattern must be a constant text @ name.matches(merchant.country) | write text.matches(\"^[0-9]+$\"): patterns are compiled at the start"),
        ("name.matches('(a')", "this is not a pattern: unclosed group @ name.matches('(a') | see https://docs.rs/regex/latest/regex/#syntax: no look-around, no back-references"),
        ("name.matches('a(?=b)')", "this is not a pattern: look-around, including look-ahead and look-behind, is not supported @ name.matches('a(?=b)') | see https://docs.rs/regex/latest/regex/#syntax: no look-around, no back-references"),
        ("name.matches('(a{100}){100}{100}')", "the pattern takes too much memory @ name.matches('(a{100}){100}{100}') | repeat less: x{1,100} takes as much as a hundred x"),
        ("ip_in(name, merchant.country)", "the networks must be constant texts @ merchant.country | write ip_in(address, \"192.0.2.0/24\"), ip_in(address, networks)"),
        ("ip_in(name, ['10.0.0.0/8', '10.1/8'])", "\"10.1/8\" is no network @ ['10.0.0.0/8', '10.1/8'] | write a network as in \"192.0.2.0/24\" or \"2001:db8::/32\""),
        ("ip_in(name, '10.1.2.3/8')", "\"10.1.2.3/8\" is no network @ '10.1.2.3/8' | the address has bits beyond the prefix: write \"10.0.0.0/8\""),
        ("ip_in(name, blocked)", "\"NG\" is no network @ blocked | write a network as in \"192.0.2.0/24\" or \"2001:db8::/32\""),
        ("ip_in(three, '10.0.0.0/8')", "ip_in takes a text, and networks that are texts @ ip_in(three, '10.0.0.0/8') | write ip_in(address, \"192.0.2.0/24\"), ip_in(address, networks)"),
        ("ip_in(name)", "ip_in does not take 1 argument @ ip_in(name) | write ip_in(address, \"192.0.2.0/24\"), ip_in(address, networks)"),
        ("ip_network(name, 33)", "ip_network does not take text and int @ ip_network(name, 33) | write ip_network(address, 24), ip_network(address, 24, 56)"),
        ("similarity(name, name, 'cosine')", "similarity does not take text and text and text @ similarity(name, name, 'cosine') | write similarity(a, b), similarity(a, b, \"damerau_levenshtein\")"),
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
