//! Functions of texts and places: published values, and other ways to compute the same.
mod common;

use common::{compile, row};
use proptest::prelude::*;
use riskstream_events::{Value, ValueType};
use riskstream_expressions::{Expression, Scope};
use std::net::IpAddr;

#[track_caller]
fn check(cases: &[(&str, Value)]) {
    let row = row();
    for (source, expected) in cases {
        assert_eq!(compile(source).evaluate(&row), *expected, "{source}");
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn yes(cases: &[&str], expected: bool) {
    let row = row();
    for source in cases {
        assert_eq!(compile(source).evaluate(&row), Value::Bool(expected), "{source}");
    }
}

#[test]
#[rustfmt::skip]
fn patterns() {
    yes(&[
        "name.matches('o')", "matches(name, '^Z')", "name.matches('^Zo.$')", "name.matches('(?i)^zOË$')", "merchant.country.matches('^[A-Z]{2}$')", r"'4929 1234'.matches('^\\d{4} \\d{4}$')",
        "name.matches('')", r"'é1'.matches(r'^\w\d$')", "name.matches('^Z' + 'o')", "'a-b'.matches('^(a|x)-(b|y)$')",
    ], true);
    yes(&["name.matches('^o')", "name.matches('z')", r"name.matches(r'\d')", "merchant.country.matches('^(NGX|GN)$')"], false);
    check(&[("no_text.matches('a')", Value::Null)]);
}

/// The classic pattern on which engines that backtrack take exponential time; here a thousand times as many characters take less
/// than 10 s under any load.
#[test]
fn patterns_take_linear_time() {
    let mut scope = Scope::new();
    scope.add("t", 0, ValueType::Text);
    let expression = Expression::compile("t.matches('^(a|a)*(a*)*$')", &scope).expect("a valid pattern");
    let row = [Value::Text(("a".repeat(30_000) + "b").into())];
    let start = std::time::Instant::now();
    assert_eq!(expression.evaluate(&row), Value::Bool(false));
    assert!(start.elapsed().as_secs() < 10);
}

#[test]
#[rustfmt::skip]
fn parts_of_texts() {
    let list = |parts: &[&str]| Value::List(parts.iter().map(|part| text(part)).collect());
    check(&[
        ("'a,b,,c'.split(',')", list(&["a", "b", "", "c"])), ("name.split('')", list(&["Z", "o", "ë"])), ("name.split('x')", list(&["Zoë"])), ("''.split(',')", list(&[""])), ("''.split('')", list(&[])), ("no_text.split(',')", Value::Null), ("name.split(no_text)", Value::Null),
        ("'a@b'.split('@')[1]", text("b")), ("name.split('o')[2]", Value::Null), ("size('a b c'.split(' '))", Value::Int(3)), ("name.split('o')[0] + '!'", text("Z!")), ("'ë' in name.split('')", Value::Bool(true)), ("name in 'a,b'.split(',')", Value::Bool(false)), ("no_text in 'a,b'.split(',')", Value::Null),
        ("email_domain('Zoe@Example.COM')", text("example.com")), ("email_domain(' \"a@b\"@mail.example.com. ')", text("mail.example.com")), ("email_domain(name)", Value::Null), ("email_domain(name + '@')", Value::Null), ("email_domain('@' + name)", Value::Null),
        ("luhn('4111 1111-1111 1111')", Value::Bool(true)), ("luhn('4111111111111112')", Value::Bool(false)), ("luhn(name)", Value::Bool(false)), ("luhn('0')", Value::Bool(false)), ("luhn(no_text)", Value::Null),
    ]);
    assert_eq!(compile("name.split('o')").value_type(), ValueType::List);
    assert_eq!(compile("name.split('o')").element_type(), ValueType::Text);
}

/// Values of Winkler (1990) and of the definition of the unrestricted edit distance with transpositions.
#[test]
fn similarity() {
    let row = row();
    for (source, expected) in [
        ("similarity('MARTHA', 'MARHTA')", 0.961_111),
        ("similarity('DIXON', 'DICKSONX')", 0.813_333),
        ("similarity('DWAYNE', 'DUANE')", 0.84),
        ("similarity('abc', 'xyz')", 0.0),
        ("similarity(name, name, 'jaro_winkler')", 1.0),
        ("similarity('CA', 'ABC', 'damerau_levenshtein')", 1.0 - 2.0 / 3.0),
        (
            "similarity('kitten', 'sitting', 'damerau_levenshtein')",
            1.0 - 3.0 / 7.0,
        ),
        ("similarity('', '', 'damerau_levenshtein')", 1.0),
    ] {
        let Value::Float(found) = compile(source).evaluate(&row) else {
            panic!("{source}")
        };
        assert!((found - expected).abs() < 1e-6, "{source}: {found}");
    }
    assert_eq!(compile("similarity(name, no_text)").evaluate(&row), Value::Null);
}

/// Two long texts take the time of their beginnings.
#[test]
fn similarity_is_that_of_the_beginnings() {
    let mut scope = Scope::new();
    scope.add("a", 0, ValueType::Text);
    scope.add("b", 1, ValueType::Text);
    let row = [
        text(&("é".repeat(128) + "a")),
        text(&("é".repeat(128) + &"b".repeat(1_000_000))),
    ];
    for method in ["jaro_winkler", "damerau_levenshtein"] {
        let expression =
            Expression::compile(&format!("similarity(a, b, '{method}')"), &scope).expect("a valid expression");
        assert_eq!(expression.evaluate(&row), Value::Float(1.0));
    }
}

#[test]
#[rustfmt::skip]
fn addresses_and_networks() {
    yes(&[
        "ip_in('192.0.2.7', '192.0.2.0/24')", "ip_in('192.0.2.7', '192.0.2.7')", "ip_in('192.0.2.7', ['10.0.0.0/8', '192.0.0.0/16'])", "ip_in('2001:db8::1', '2001:db8::/32')", "ip_in('::ffff:10.1.2.3', '10.0.0.0/8')", "ip_in(' 10.1.2.3 ', '0.0.0.0/0')", "ip_in('::1', '::/0')",
        "ip_in('10.0.0.255', ['10.0.0.0/25', '10.0.0.128/25'])", "ip_in('10.0.0.9', ['10.0.0.0/8', '10.0.0.0/30'])",
    ], true);
    yes(&["ip_in('192.0.3.7', '192.0.2.0/24')", "ip_in('::1', '0.0.0.0/0')", "ip_in('11.0.0.0', ['10.0.0.0/8', '12.0.0.0/8'])", "ip_in('10.0.0.1', [])"], false);
    check(&[
        ("ip_in(name, '10.0.0.0/8')", Value::Null), ("ip_in(no_text, '10.0.0.0/8')", Value::Null),
        ("ip_network('192.0.2.77', 24)", text("192.0.2.0/24")), ("ip_network('192.0.2.77', 0)", text("0.0.0.0/0")), ("ip_network('192.0.2.77', 32)", text("192.0.2.77/32")), ("ip_network('2001:db8:1:2:3::4', 24)", text("2001:db8:1:2::/64")), ("ip_network('2001:db8:1:2:3::4', 24, 32)", text("2001:db8::/32")), ("ip_network('2001:db8::1', 24, 0)", text("::/0")), ("ip_network('::ffff:10.1.2.3', 8)", text("10.0.0.0/8")), ("ip_network(name, 24)", Value::Null),
    ]);
    let mut scope = Scope::new();
    scope.add("ip", 0, ValueType::Text);
    scope.add_constants("office", &[text("192.0.2.0/25"), text("2001:db8::/32")]).unwrap();
    let expression = Expression::compile("ip_in(ip, office)", &scope).unwrap();
    assert_eq!([text("192.0.2.1"), text("192.0.2.128"), text("2001:db8::9")].map(|ip| expression.evaluate(&[ip])), [true, false, true].map(Value::Bool));
}

/// Distances of airports by the great circle mapper (on the ellipsoid; a sphere differs by up to 0.6 %).
#[test]
fn distances() {
    let row = row();
    for (source, expected) in [
        ("haversine_km(48.8567, 2.3508, 51.5074, -0.1278)", 343.9), // Paris, London
        ("haversine_km(40.639751, -73.778925, 51.4775, -0.461389)", 5554.5), // JFK, LHR
        ("haversine_km(-33.946111, 151.177222, -34.822222, -58.535833)", 11783.0), // SYD, EZE
        ("haversine_km(0, 0, 0, 180)", 20015.1),
        ("haversine_km(90, 0, -90, 77)", 20015.1),
    ] {
        let Value::Float(found) = compile(source).evaluate(&row) else {
            panic!("{source}")
        };
        assert!((found / expected - 1.0).abs() < 0.006, "{source}: {found}");
    }
    for source in [
        "haversine_km(half, nan, 0, 0)",
        "haversine_km(90.1 + half, 0, 0, 0)",
        "haversine_km(0, 0, 0, 180 + three)",
        "haversine_km(0, no_float, 0, 0)",
    ] {
        assert_eq!(compile(source).evaluate(&row), Value::Null, "{source}");
    }
}

/// The angle between the two places as vectors: accurate for any distance, and another formula than ours.
fn by_vectors(from: [f64; 2], to: [f64; 2]) -> f64 {
    let vector = |[lat, lon]: [f64; 2]| {
        let (lat, lon) = (lat.to_radians(), lon.to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    };
    let (a, b) = (vector(from), vector(to));
    let dot: f64 = (0..3).map(|i| a[i] * b[i]).sum();
    let cross = (0..3).map(|i| a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3]);
    let cross: f64 = cross.map(|x| x * x).sum::<f64>().sqrt();
    6371.0088 * cross.atan2(dot)
}

/// The leading bits of an address, as text.
fn bits(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.octets().map(|octet| format!("{octet:08b}")).concat(),
        IpAddr::V6(address) => address.octets().map(|octet| format!("{octet:08b}")).concat(),
    }
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        prop::sample::select(vec![0x0a00_0000_u32, 0x0a00_00ff, 0x0a00_0100, 0xffff_ffff, 0])
            .prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        (0..512_u128).prop_map(|bits| IpAddr::V6((bits << 64).into())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn distances_agree_with_vectors(lat1 in -90.0..90.0, lon1 in -180.0..180.0, lat2 in -90.0..90.0, lon2 in -180.0..180.0) {
        let mut scope = Scope::new();
        for (slot, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            scope.add(name, slot, ValueType::Float);
        }
        let expression = Expression::compile("haversine_km(a, b, c, d)", &scope).unwrap();
        let Value::Float(found) = expression.evaluate(&[lat1, lon1, lat2, lon2].map(Value::Float)) else { panic!("null") };
        let expected = by_vectors([lat1, lon1], [lat2, lon2]);
        prop_assert!((found - expected).abs() < 1e-3, "{found} {expected}");
    }

    /// Networks by their bits as text.
    #[test]
    fn membership_agrees_with_prefixes(
        networks in prop::collection::vec((address(), 0..33_usize), 0..6),
        asked in prop::collection::vec(address(), 1..8),
    ) {
        let mut scope = Scope::new();
        scope.add("ip", 0, ValueType::Text);
        let network_of = |address: IpAddr, length: usize| {
            let source = format!("ip_network('{address}', {length}, {length})");
            let Value::Text(network) = Expression::compile(&source, &Scope::new()).unwrap().evaluate(&[]) else { panic!("{source}") };
            network.to_string()
        };
        let written: Vec<String> = networks.iter().map(|(address, length)| network_of(*address, *length)).collect();
        let source = format!("ip_in(ip, {written:?})");
        let expression = Expression::compile(&source, &scope).unwrap();
        for ip in asked.into_iter().chain(networks.iter().map(|(address, _)| *address)) {
            let expected = networks.iter().any(|(address, length)| {
                address.to_canonical().is_ipv4() == ip.to_canonical().is_ipv4() && bits(ip.to_canonical()).starts_with(&bits(address.to_canonical())[..*length])
            });
            prop_assert_eq!(expression.evaluate(&[text(&ip.to_string())]), Value::Bool(expected), "{} {:?}", ip, &written);
        }
    }
}
