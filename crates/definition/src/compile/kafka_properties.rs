//! The properties of librdkafka: their names, and the values that they take.

use crate::diagnostics::{Diagnostic, Diagnostics, Span, enumerate, is_secret};
use crate::syntax::read::{Map, PropertyText};

/// A line for each property: its name and its range. `scripts/kafka-properties` writes the file.
const TABLE: &str = include_str!("kafka_properties.txt");

/// Properties that riskstream sets itself, each with the key to use instead, if there is one.
const OWN: [(&str, Option<&str>); 15] = [
    ("bootstrap.servers", Some("kafka.brokers")),
    ("metadata.broker.list", Some("kafka.brokers")),
    ("group.id", Some("kafka.group")),
    ("enable.auto.commit", Some("delivery")),
    ("transactional.id", Some("delivery")),
    ("isolation.level", Some("delivery")),
    ("allow.auto.create.topics", None),
    ("auto.offset.reset", None),
    ("delivery.report.only.error", None),
    ("enable.auto.offset.store", None),
    ("enable.idempotence", None),
    ("enable.partition.eof", None),
    ("group.protocol", None),
    ("partition.assignment.strategy", None),
    ("transaction.timeout.ms", None),
];

/// Checks names and values. Values of secrets are not quoted.
pub fn check(properties: &Map<PropertyText>, diagnostics: &mut Diagnostics) {
    for (key, PropertyText(value)) in properties.iter() {
        if let Some((_, instead)) = OWN.iter().find(|(own, _)| *own == key.name) {
            let message = format!("riskstream sets `{}` itself", key.name);
            let help = match instead {
                Some(instead) => format!("remove it and use `{instead}`"),
                None => "remove it: the guarantees depend on its value".to_owned(),
            };
            diagnostics.add(Diagnostic::new(message, key.span.clone()).help(help));
            continue;
        }
        match range_of(&key.name) {
            None => diagnostics.add(
                Diagnostic::new(format!("librdkafka has no property `{}`", key.name), key.span.clone())
                    .nearest(&key.name, names())
                    .help("its properties are listed in CONFIGURATION.md of librdkafka"),
            ),
            Some(range) if !accepts(&key.name, range, value) => {
                diagnostics.add(wrong_value(&key.name, range, value, key.span.clone()));
            }
            Some(_) => {}
        }
    }
}

/// Warns of properties that do nothing, as `security.protocol` names another way to log in: a password that is not sent, a
/// certificate that is not looked at.
pub fn check_protocol(properties: &Map<PropertyText>, diagnostics: &mut Diagnostics) {
    let given = properties.iter().find(|(key, _)| key.name == "security.protocol");
    let protocol = given.map_or("plaintext".to_owned(), |(_, PropertyText(value))| {
        value.to_ascii_lowercase()
    });
    for (prefix, has_effect, instead) in [
        ("sasl.", protocol.starts_with("sasl_"), "sasl_ssl"),
        ("ssl.", protocol.ends_with("ssl"), "ssl"),
    ] {
        let unused = properties
            .iter()
            .find(|(key, _)| key.name.starts_with(prefix) && !has_effect);
        if let Some((key, _)) = unused {
            let message = format!("`{}` has no effect: `security.protocol` is `{protocol}`", key.name);
            let help = format!("write `security.protocol: {instead}`, or what your brokers expect; or remove it");
            diagnostics.warn(Diagnostic::new(message, key.span.clone()).help(help));
        }
    }
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('|'))
        .map(|(name, range)| (name.trim(), range.trim()))
}

fn names() -> impl Iterator<Item = &'static str> {
    lines().map(|(name, _)| name)
}

fn range_of(name: &str) -> Option<&'static str> {
    lines().find(|(known, _)| *known == name).map(|(_, range)| range)
}

/// Whether a property takes a value. A range without entries takes every text.
fn accepts(name: &str, range: &str, value: &str) -> bool {
    let is_word = |word: &str| match name {
        // librdkafka compares mechanisms letter by letter.
        "sasl.mechanism" | "sasl.mechanisms" => word == value,
        _ => word.eq_ignore_ascii_case(value),
    };
    let is_bool = range == "true, false" && ["t", "f", "1", "0"].contains(&value.to_ascii_lowercase().as_str());
    range.is_empty()
        || is_bool
        || range
            .split(", ")
            .any(|entry| is_word(entry) || is_between(entry, value))
}

/// Whether a value is a number in a range such as `0 .. 1000`.
fn is_between(range: &str, value: &str) -> bool {
    let Some((least, most)) = range.split_once(" .. ") else {
        return false;
    };
    let number = |text: &str| text.trim().parse::<f64>().ok();
    match (number(least), number(most), number(value)) {
        (Some(least), Some(most), Some(value)) => (least..=most).contains(&value),
        _ => false,
    }
}

fn wrong_value(name: &str, range: &str, value: &str, span: Span) -> Diagnostic {
    let message = match is_secret(name) {
        true => format!("`{name}` does not take this value"),
        false => format!("`{name}` does not take `{value}`"),
    };
    let words = || range.split(", ").filter(|entry| !entry.contains(" .. "));
    let help = match range.split(", ").find(|entry| entry.contains(" .. ")) {
        Some(numbers) => format!("write a number in {}", numbers.replace(" .. ", " to ")),
        None => format!("write one of {}", enumerate(words())),
    };
    Diagnostic::new(message, span).nearest(value, words()).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_properties_that_are_ours_and_those_of_every_platform() {
        for (own, _) in OWN {
            assert!(range_of(own).is_some(), "{own}");
        }
        for name in [
            "security.protocol",
            "sasl.mechanism",
            "sasl.password",
            "ssl.ca.location",
            "compression.type",
        ] {
            assert!(range_of(name).is_some(), "{name}");
        }
        assert!(names().count() > 150);
    }

    /// `scripts/kafka-properties` writes the table anew.
    #[test]
    fn the_table_is_of_the_version_that_is_built() {
        let lock = include_str!("../../../../Cargo.lock");
        let package = lock
            .split("[[package]]")
            .find(|package| package.contains("name = \"rdkafka-sys\""));
        let version = package.and_then(|package| package.split(['+', '"']).find(|part| part.starts_with("2.")));
        let version = version.expect("rdkafka-sys has the version of librdkafka behind a plus");
        assert!(
            TABLE.starts_with(&format!("# The properties of librdkafka {version} ")),
            "{version}"
        );
    }

    #[test]
    fn values() {
        for (name, value, expected) in [
            ("security.protocol", "SASL_SSL", true),
            ("security.protocol", "sasl-ssl", false),
            ("sasl.mechanism", "SCRAM-SHA-512", true),
            ("sasl.mechanism", "scram-sha-512", false),
            ("sasl.password", "", true),
            ("socket.keepalive.enable", "T", true),
            ("socket.keepalive.enable", "yes", false),
            ("socket.timeout.ms", "60000", true),
            ("socket.timeout.ms", "1", false),
            ("socket.timeout.ms", "60s", false),
            ("acks", "all", true),
            ("linger.ms", "0.5", true),
        ] {
            let range = range_of(name).unwrap();
            assert_eq!(accepts(name, range, value), expected, "{name}: {value}");
        }
    }
}
