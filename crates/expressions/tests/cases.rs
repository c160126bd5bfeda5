//! What expressions evaluate to: one case per line.
mod common;

use common::{compile, row};
use riskstream_events::Value;

fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) => format!("{f:?}"),
        Value::Text(t) => format!("{t:?}"),
        Value::Timestamp(t) => format!("@{t}"),
        Value::List(list) => format!("[{}]", list.iter().map(show).collect::<Vec<_>>().join(", ")),
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    let row = row();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(source, expected)| {
            let found = show(&compile(source).evaluate(&row));
            (found != *expected).then(|| format!("{source} gives {found}, not {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[rustfmt::skip]
fn literals_and_arithmetic() {
    check(&[
        ("1", "1"), ("-1", "-1"), ("0x1F", "31"), ("1.5e3", "1500.0"), (".5", "0.5"), ("true", "true"), ("'a\\n\"'", "\"a\\n\\\"\""),
        ("r'a\\n'", "\"a\\\\n\""), ("\"\"\"it's\"\"\"", "\"it's\""), ("-9223372036854775808", "-9223372036854775808"),
        ("three + 4 * 2", "11"), ("(three + 4) * 2", "14"), ("three - 4 - 2", "-3"), ("three / 2", "1.5"), ("-three / 2", "-1.5"), ("three / 3", "1.0"), ("7 / 2", "3.5"),
        ("div(three, 2)", "1"), ("div(-three, 2)", "-1"), ("div(three, zero)", "null"), ("div(smallest, -1)", "null"), ("div(no_int, 2)", "null"), ("div(at.getSeconds(), 60)", "0"),
        ("three % 2", "1"), ("-three % 2", "-1"), ("-(-three)", "3"), ("60 * 60 * 24", "86400"),
        ("half + half", "1.0"), ("half - 1.5", "-1.0"), ("half * 3.0", "1.5"), ("half / 2.0", "0.25"), ("-half", "-0.5"),
        ("three + half", "3.5"), ("half * three", "1.5"), ("three / 2.0", "1.5"), ("widened + 1", "5.0"), ("7 / widened", "1.75"),
        ("biggest + 1", "null"), ("smallest - 1", "null"), ("biggest * 2", "null"), ("-smallest", "null"), ("smallest / -1", "9.223372036854776e18"), ("smallest % -1", "null"),
        ("three / zero", "null"), ("zero / zero", "null"), ("three / no_int", "null"), ("no_int / three", "null"), ("three / 4 > 0.7", "true"), ("three % zero", "null"), ("half / zero", "inf"), ("-half / 0.0", "-inf"), ("half * 0.0 / 0.0", "NaN"), ("nan + 1.0", "NaN"),
        ("no_int + 1", "null"), ("1 - no_float", "null"), ("-no_int", "null"), ("half + no_int", "null"),
        ("name + '!'", "\"Zoë!\""), ("'<' + name + '>'", "\"<Zoë>\""), ("name + no_text", "null"),
        ("missing", "null"), ("mistyped", "null"), ("mistyped == 3", "null"),
    ]);
}

#[test]
#[rustfmt::skip]
fn comparisons() {
    check(&[
        ("three == 3", "true"), ("three != 3", "false"), ("three < 4", "true"), ("three <= 3", "true"), ("three > 3", "false"), ("three >= 4", "false"),
        ("half == 0.5", "true"), ("half < 0.5", "false"), ("three > half", "true"), ("half > three", "false"), ("half <= three", "true"), ("three == 3.0", "true"), ("3.0 != three", "false"),
        ("biggest < 9223372036854775807.0", "true"), ("biggest == 9223372036854775807.0", "false"), ("smallest == -9223372036854775808.0", "true"),
        ("9007199254740993 == 9007199254740992.0", "false"), ("9007199254740993 > 9007199254740992.0", "true"), ("three < 3.5", "true"), ("-3.5 < -three", "true"), ("-3.5 > -three", "false"),
        ("nan == nan", "false"), ("nan != nan", "true"), ("nan < 1", "false"), ("nan >= 1.0", "false"), ("three != nan", "true"), ("nan > three", "false"),
        ("name == 'Zoë'", "true"), ("name < 'a'", "true"), ("name != merchant.country", "true"), ("merchant.country == 'NG'", "true"), ("merchant . country == 'NG'", "true"),
        ("yes == true", "true"), ("no < yes", "true"), ("yes != no", "true"),
        ("no_int == 3", "null"), ("no_int != 3", "null"), ("no_text == ''", "null"), ("no_float < 1", "null"), ("no_int == no_int", "null"),
        ("no_int == null", "true"), ("no_int != null", "false"), ("three == null", "false"), ("null != three", "true"), ("null == null", "true"),
        ("no_list == null", "true"), ("empty == null", "false"), ("nan == null", "false"), ("three / zero == null", "true"), ("has(merchant.country)", "true"),
    ]);
}

#[test]
#[rustfmt::skip]
fn logic() {
    check(&[
        ("yes && yes", "true"), ("yes && no", "false"), ("no && yes", "false"), ("no || yes", "true"), ("no || no", "false"), ("!yes", "false"), ("!!yes", "true"),
        ("no_bool && yes", "null"), ("yes && no_bool", "null"), ("no_bool && no", "false"), ("no && no_bool", "false"),
        ("no_bool || yes", "true"), ("yes || no_bool", "true"), ("no_bool || no", "null"), ("no || no_bool", "null"), ("!no_bool", "null"), ("no_bool && no_bool", "null"),
        ("yes && yes && yes && no", "false"), ("no || no || no_bool || yes", "true"), ("yes || no && no", "true"), ("(yes || no) && no", "false"), ("null || yes", "true"),
        ("yes ? 1 : 2", "1"), ("no ? 1 : 2", "2"), ("no_bool ? 1 : 2", "null"), ("yes ? three : half", "3.0"), ("no ? 1 : null", "null"), ("yes ? 1 : null", "1"),
        ("no ? 'a' : yes ? 'b' : 'c'", "\"b\""), ("yes ? at : no_time", "@1772323198765432"), ("three > 2 ? no : yes", "false"), ("yes ? no_int : 1", "null"),
    ]);
}

#[test]
#[rustfmt::skip]
fn membership() {
    check(&[
        ("three in [1, 2, 3]", "true"), ("three in [1, 2]", "false"), ("three in []", "false"), ("three in [1, 2.5, 3.0]", "true"), ("half in [1, 0.5]", "true"), ("half in [0, 1]", "false"),
        ("widened in [4]", "true"), ("-0.0 * half in [0]", "true"), ("nan in [1.0]", "false"), ("biggest in [9223372036854775807.0]", "false"), ("9007199254740993.0 in [9007199254740993]", "false"),
        ("three in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]", "true"), ("three in [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12]", "false"),
        ("name in ['Zoë', 'Ann']", "true"), ("name in ['Ann']", "false"), ("merchant.country in blocked", "true"), ("name in blocked", "false"), ("merchant.country in few", "false"), ("'RU' in few", "true"),
        ("'x' + name in blocked", "false"), ("!(name in blocked)", "true"), ("name in nothing", "false"), ("three in numbers", "true"), ("half in numbers", "true"), ("widened in numbers", "true"), ("zero in numbers", "false"),
        ("merchant.country in merchant.lists", "true"), ("yes in [false]", "false"), ("yes in [false, true]", "true"),
        ("at in [timestamp('2026-02-28T23:59:58.765432Z')]", "true"), ("at in [at - duration('1s')]", "false"),
        ("no_text in blocked", "null"), ("no_int in [1]", "null"), ("no_int in []", "null"), ("no_bool in [true, false]", "null"),
        ("three in [zero, 3]", "true"), ("three in [zero, no_int]", "null"), ("three in [no_int, three]", "true"), ("three in [half, 3]", "true"), ("no_int in [three]", "null"), ("name in [merchant.country, name]", "true"), ("yes in [no, no_bool]", "null"),
        ("8.0 in amounts", "true"), ("8 in amounts", "true"), ("three in amounts", "false"), ("half in empty", "false"), ("half in no_list", "null"), ("no_float in amounts", "null"), ("'FR' in countries", "true"), ("name in countries", "false"),
    ]);
}

#[test]
#[rustfmt::skip]
fn lists() {
    check(&[
        ("amounts", "[2.0, 8.0, 5.0]"), ("amounts[0]", "2.0"), ("amounts[three - 1] + 1", "6.0"), ("amounts[3]", "null"), ("amounts[-1]", "null"), ("amounts[no_int]", "null"), ("no_list[0]", "null"),
        ("size(amounts)", "3"), ("amounts.size()", "3"), ("size(empty)", "0"), ("size(no_list)", "null"), ("amounts[size(amounts) - 1]", "5.0"),
        ("min(amounts)", "2.0"), ("max(amounts)", "8.0"), ("sum(amounts)", "15.0"), ("mean(amounts)", "5.0"), ("min(empty)", "null"), ("sum(empty)", "0.0"), ("mean(empty)", "null"), ("max(no_list)", "null"),
        ("countries[0] == 'DE'", "true"), ("countries[1] == null", "true"), ("countries[2].lowerAscii()", "\"fr\""),
    ]);
}

#[test]
#[rustfmt::skip]
fn functions() {
    check(&[
        ("size(name)", "3"), ("name.size()", "3"), ("size('')", "0"), ("name.startsWith('Zo')", "true"), ("name.endsWith('e')", "false"), ("name.contains('oë')", "true"), ("no_text.contains('a')", "null"), ("name.contains(no_text)", "null"),
        ("name.lowerAscii()", "\"zoë\""), ("name.upperAscii()", "\"ZOë\""), ("' a '.trim()", "\"a\""),
        ("bool('true')", "true"), ("bool('0')", "false"), ("bool(name)", "null"), ("bool(yes)", "true"),
        ("int(half)", "0"), ("int(-2.9)", "-2"), ("int(half * 1e19)", "5000000000000000000"), ("int(half * 1e20)", "null"), ("int(nan)", "null"), ("int(-9223372036854775808.0 + 2.0 * half - 1.0)", "null"), ("int(-9223372036854774784.0)", "-9223372036854774784"), ("int('-12')", "-12"), ("int(name)", "null"), ("int(yes)", "1"), ("int(at)", "1772323198"), ("int(three)", "3"),
        ("double(three)", "3.0"), ("double('1.5')", "1.5"), ("double(name)", "null"), ("double(no)", "0.0"), ("double(half)", "0.5"),
        ("string(three)", "\"3\""), ("string(half)", "\"0.5\""), ("string(yes)", "\"true\""), ("string(at)", "\"2026-02-28T23:59:58.765432Z\""), ("string(name)", "\"Zoë\""), ("string(no_int)", "null"),
        ("coalesce(no_int, 7)", "7"), ("coalesce(three, 7)", "3"), ("coalesce(no_float, no_int, three)", "3.0"), ("coalesce(no_text, 'none')", "\"none\""), ("coalesce(no_bool, false)", "false"), ("coalesce(no_time, at) == at", "true"), ("coalesce(no_int, null, no_int)", "null"), ("coalesce(three)", "3"),
        ("min(three, 2)", "2"), ("max(three, half)", "3.0"), ("min(half, 1, 0)", "0.0"), ("max(three, no_int)", "null"), ("min(nan, 1.0)", "NaN"), ("max(1.0, nan)", "NaN"), ("max(at, at - duration('1h')) == at", "true"), ("min(three)", "3"),
        ("abs(-three)", "3"), ("abs(-half)", "0.5"), ("abs(smallest)", "null"), ("abs(at - (at + duration('2m'))).getMinutes()", "2"), ("sign(-half)", "-1.0"), ("sign(three)", "1"), ("sign(zero)", "0"),
        ("log(1)", "0.0"), ("log(-half)", "NaN"), ("log1p(zero)", "0.0"), ("log10(1000.0)", "3.0"), ("exp(zero)", "1.0"), ("pow(three, 2)", "9.0"), ("sqrt(widened)", "2.0"), ("sqrt(-half)", "NaN"),
        ("floor(-half)", "-1.0"), ("ceil(half)", "1.0"), ("round(half)", "1.0"), ("round(-2.5)", "-3.0"), ("round(2.4)", "2.0"), ("isNaN(nan)", "true"), ("isNaN(three)", "false"), ("isFinite(half / zero)", "false"), ("isFinite(half)", "true"), ("isNaN(no_float)", "null"),
    ]);
}

#[test]
#[rustfmt::skip]
fn times() {
    check(&[
        ("at", "@1772323198765432"), ("at.getFullYear()", "2026"), ("at.getMonth()", "1"), ("at.getDate()", "28"), ("at.getDayOfMonth()", "27"), ("at.getDayOfWeek()", "6"), ("at.getDayOfYear()", "58"),
        ("at.getHours()", "23"), ("at.getMinutes()", "59"), ("at.getSeconds()", "58"), ("at.getMilliseconds()", "765"), ("no_time.getHours()", "null"),
        ("at.getHours('+02:30')", "2"), ("at.getMinutes('+02:30')", "29"), ("at.getHours('-01:00')", "22"), ("at.getHours('02:00')", "1"), ("at.getDate('+00:01')", "1"), ("at.getMonth('+00:01')", "2"), ("at.getHours('UTC')", "23"),
        ("at.getHours('Europe/Berlin')", "0"), ("at.getDayOfWeek('Asia/Tokyo')", "0"), ("timestamp('2026-07-01T12:00:00Z').getHours('Europe/Berlin')", "14"), ("timestamp('2026-01-01T12:00:00Z').getHours('Europe/Berlin')", "13"), ("no_time.getHours('Asia/Tokyo')", "null"),
        ("timestamp('1970-01-01T00:00:00Z').getDayOfWeek()", "4"), ("timestamp('1969-12-31T23:59:59.5Z').getSeconds()", "59"), ("timestamp('1969-12-31T23:59:59.5Z').getFullYear()", "1969"), ("timestamp('2024-02-29T00:00:00+01:00').getDate()", "28"), ("timestamp('2024-12-31T00:00:00Z').getDayOfYear()", "365"),
        ("timestamp('2026-03-01T00:00:00Z') - at < duration('2s')", "true"), ("(timestamp('2026-03-01T00:00:00Z') - at).getSeconds()", "1"), ("at + duration('1d') > at", "true"), ("duration('1h') + at == at + duration('60m')", "true"), ("at - duration('1h30m') == at - duration('90m')", "true"),
        ("duration('-1h') < duration('0s')", "true"), ("-duration('1h') == duration('-1h')", "true"), ("(duration('1h') - duration('1.5h')).getMinutes()", "-30"), ("duration('250ms') == duration('0.25s')", "true"), ("duration('1500us') == duration('1.5ms')", "true"), ("duration('26h').getHours()", "26"), ("duration('999ns') == duration('0s')", "true"),
        ("timestamp(0) == timestamp('1970-01-01T00:00:00Z')", "true"), ("timestamp(int(at)) <= at", "true"), ("timestamp(biggest)", "null"), ("timestamp(name)", "null"), ("timestamp(string(at)) == at", "true"), ("at - no_time == null", "true"), ("no_time < at", "null"),
        ("at.getHours() < 6 || at.getHours() >= 22", "true"), ("at.getDayOfWeek() in [0, 6]", "true"),
    ]);
}

#[test]
#[rustfmt::skip]
fn truth() {
    let row = row();
    for (source, expected) in [("yes", true), ("no", false), ("no_bool", false), ("three", false), ("three == 3", true), ("three == no_int", false)] {
        assert_eq!(compile(source).is_true(&row), expected, "{source}");
    }
}

#[test]
#[rustfmt::skip]
fn types_and_slots() {
    use riskstream_events::ValueType::{Bool, Float, Int, List, Text, Timestamp};
    for (source, value_type, slots) in [
        ("1 + 1", Int, &[][..]), ("three / zero", Float, &[0, 1]), ("div(three, zero)", Int, &[0, 1]), ("three + zero * three", Int, &[0, 1]), ("half + three", Float, &[0, 5]), ("merchant.country", Text, &[13]), ("at", Timestamp, &[15]), ("amounts", List, &[17]), ("yes ? half : null", Float, &[5, 9]), ("size(name) in [three]", Bool, &[0, 12]),
    ] {
        let expression = compile(source);
        assert_eq!((expression.value_type(), expression.slots(), expression.source()), (value_type, slots, source));
        assert_eq!(expression.is_constant(), slots.is_empty(), "{source}");
    }
}
