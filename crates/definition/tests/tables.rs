//! Reference tables from files: what rules and expressions read of them, and what is wrong with a file.

use riskstream_definition::{Compiled, Style, compile, explain, prepare, run_examples};
use std::fmt::Write;
use std::path::Path;

const PIPELINE: &str = r#"
name: tables
personal_data: {key_env: RISKSTREAM_PERSONAL_DATA_KEY}
inputs:
  transactions:
    topic: transactions
    key: customer
    id: id
    event_time: time
    fields:
      id: text
      time: timestamp
      customer: text
      card: {type: text, personal: true, derive: {card_bin: bin}}
      ip: text
      shipping_ip: text
      country: text
      currency: text
      merchant: int
      amount: float
  labels:
    topic: labels
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, analyst: text}
entities: {customer: {key: customer}}
features:
  payments: {entity: customer, count: transactions, window: 1h}
  euros: {expression: 'amount * rates[wallet].rate'}
  wallet: {expression: 'coalesce(currency, "EUR")'}
  many_euros: {expression: euros > 100}
tables:
  bins: {key: card_bin, file: bins.csv, match: range, columns: {country: text, prepaid: bool}}
  networks: {key: ip, also: [shipping_ip], file: networks.csv, match: network, columns: {country: text, asn: int}}
  rates: {key: wallet, file: rates.csv, columns: {rate: float, since: timestamp}}
  partners: {key: merchant, file: partners.csv}
rules:
  - {name: foreign, when: 'bins[card_bin].country != country', then: review, reason: R1}
  - {name: unknown_bin, when: '!(card_bin in bins)', then: review, reason: R2}
  - {name: prepaid, when: 'bins[card_bin].prepaid && many_euros', then: decline, reason: R3}
  - {name: hosting, when: 'networks[ip].asn == 64496 || networks[shipping_ip].asn == 64496', then: decline, reason: R4}
  - {name: stale_rate, when: 'event_time - rates[wallet].since > duration("48h")', then: review, reason: R5}
  - {name: partner, when: merchant in partners, then: approve, reason: R6}
outputs:
  decisions: decisions
  dead_letters: dead-letters
  prepaid: {topic: prepaid, when: 'bins[card_bin].prepaid'}
"#;

const BINS: &str = "\
from,to,country,prepaid,bank
400000,400999,DE,false,\"A, B\"
401000,401000,FR,yes,
510000,559999,US,,C
";
const NETWORKS: &str = "\
network,asn,country
203.0.113.0/24,64497,DE
203.0.113.128/25,64496,NL
2001:db8::/32,64498,FR
";
const RATES: &str = "\u{feff}key,rate,since
EUR,1,2026-01-05T00:00:00Z
USD,0.9,2026-01-01T00:00:00Z
XXX,,
";
const PARTNERS: &str = "key\n7\n8\n";

const EXAMPLES: &str = r#"
examples:
  - name: tables say what is known of a value
    events:
      - transactions: {id: a, time: "2026-01-05T12:00:00Z", customer: C, card: "4000500000000000", country: FR, amount: 10}
        expect: {outcome: review, reasons: [R1], features: {euros: 10.0}, outputs: []}
      - transactions: {id: b, time: "2026-01-05T12:00:00Z", customer: C, card: "4010000000000000", country: FR, currency: USD, amount: 200}
        expect: {outcome: decline, reasons: [R3, R5], features: {euros: 180.0, many_euros: true}, outputs: [prepaid]}
      - transactions: {id: c, time: "2026-01-05T12:00:00Z", customer: C, card: "4010010000000000", country: FR, currency: XXX, amount: 200}
        expect: {outcome: review, reasons: [R2], features: {euros: null}}
      - transactions: {id: d, time: "2026-01-05T12:00:00Z", customer: C, ip: "203.0.113.127", currency: GBP, merchant: 8, amount: 1}
        expect: {outcome: approve, reasons: [R6], features: {euros: null}}
      - transactions: {id: e, time: "2026-01-05T12:00:00Z", customer: C, ip: "10.0.0.1", shipping_ip: "::ffff:203.0.113.128", amount: 1}
        expect: {outcome: decline, reasons: [R4]}
      - transactions: {id: f, time: "2026-01-05T12:00:00Z", customer: C, ip: "no address", merchant: 9, amount: 1}
        expect: {outcome: approve, reasons: []}
"#;

/// Compiles a pipeline file beside its tables, one of which may have another text.
fn compiled(source: &str, other: Option<(&str, &str)>) -> Result<Compiled, String> {
    let directory = tempfile::tempdir().unwrap();
    let files = [
        ("bins.csv", BINS),
        ("networks.csv", NETWORKS),
        ("rates.csv", RATES),
        ("partners.csv", PARTNERS),
    ];
    for (name, text) in files.into_iter().chain(other) {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let report = compile("tables.yaml", source, directory.path(), &|_| None);
    let place = directory.path().display().to_string();
    report.map_err(|report| report.render(Style::Plain, 140).replace(&place, "DIRECTORY"))
}

fn valid(source: &str, other: Option<(&str, &str)>) -> Compiled {
    compiled(source, other).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn rules_outputs_and_expressions_read_tables() {
    let pipeline = valid(&format!("{PIPELINE}{EXAMPLES}"), None);
    let examples = run_examples(&pipeline).map_err(|report| report.render(Style::Plain, 120));
    assert_eq!(examples.unwrap_or_else(|report| panic!("{report}")), 1);
}

#[test]
fn the_content_of_the_files_belongs_to_the_version() {
    fn version(other: Option<(&str, &str)>) -> String {
        valid(PIPELINE, other).plan.version.clone()
    }
    let first = version(None);
    assert_eq!(first, version(None));
    assert_ne!(first, version(Some(("rates.csv", &RATES.replace("0.9", "0.91")))));
    assert_ne!(first, version(Some(("bins.csv", &BINS.replace("\"A, B\"", "D")))));
}

#[test]
fn state_does_not_depend_on_tables() {
    let fingerprint = |pipeline: &Compiled| pipeline.plan.stages[0].fingerprint.clone();
    let with = valid(PIPELINE, None);
    let other = valid(PIPELINE, Some(("rates.csv", "key,rate,since\n")));
    assert_eq!(fingerprint(&with), fingerprint(&other));
    let carried: Vec<&str> = with.plan.stages[0]
        .carries
        .iter()
        .map(|(slot, _)| with.plan.slots[*slot].name.as_str())
        .collect();
    assert!(
        carried
            .iter()
            .all(|name| !name.contains("rates") && !name.contains("bins")),
        "{carried:?}"
    );
    assert!(
        carried.contains(&"card_bin") && carried.contains(&"shipping_ip"),
        "{carried:?}"
    );
}

#[test]
fn the_plan_names_tables() {
    let text = explain(&valid(PIPELINE, None));
    let tables: Vec<&str> = text.lines().filter(|line| line.contains("asks table")).collect();
    insta::assert_snapshot!(tables.join("\n"));
}

/// Rows of three tables that are from topics.
const TOPIC_EXAMPLES: &str = r#"
examples:
  - name: rows are given
    tables:
      bins: [{from: 400000, to: 400999, country: DE}, {from: "401000", to: 401000, country: FR, prepaid: true}]
      networks: [{network: 203.0.113.0/24, asn: 64496}, {network: "2001:db8::/32", asn: 1, unknown: 2}]
      rates: [{key: USD, rate: 0.9, since: "2026-01-05T00:00:00Z"}]
      owners: [{key: "4000500000000000", name: Jo}]
    events:
      - transactions: {id: a, time: "2026-01-05T12:00:00Z", customer: C, card: "4000500000000000", country: FR, currency: USD, amount: 10}
        expect: {outcome: review, reasons: [R1, R7], features: {euros: 9.0}}
      - transactions: {id: b, time: "2026-01-05T12:00:00Z", customer: C, card: "4010000000000000", country: FR, currency: USD, amount: 200}
        expect: {outcome: decline, reasons: [R3], outputs: [prepaid]}
      - transactions: {id: c, time: "2026-01-05T12:00:00Z", customer: C, ip: "203.0.113.9", amount: 1}
        expect: {outcome: decline, reasons: [R4], features: {euros: null}}
  - name: without rows nothing is known
    events:
      - transactions: {id: a, time: "2026-01-05T12:00:00Z", customer: C, card: "4000500000000000", country: FR, currency: USD, amount: 10}
        expect: {outcome: review, reasons: [R2], features: {euros: null}}
"#;

/// The pipeline with tables from topics, and one whose keys are pseudonyms.
fn of_topics(examples: &str) -> String {
    let topics = PIPELINE
        .replace("file: bins.csv", "topic: bins")
        .replace("file: networks.csv", "topic: networks")
        .replace("file: rates.csv", "topic: rates")
        .replace(
            "file: partners.csv}",
            "file: partners.csv}\n  owners: {key: card, topic: owners, columns: {name: text}}",
        )
        .replace(
            "outputs:",
            "  - {name: owned, when: card in owners, then: review, reason: R7}\noutputs:",
        );
    format!("{topics}{examples}")
}

#[test]
fn examples_give_the_rows_of_topics() {
    let pipeline = valid(&of_topics(TOPIC_EXAMPLES), None);
    let examples = run_examples(&pipeline).map_err(|report| report.render(Style::Plain, 120));
    assert_eq!(examples.unwrap_or_else(|report| panic!("{report}")), 2);
    let mut topics: Vec<&str> = pipeline.lists.iter().map(|table| &*table.topic).collect();
    topics.sort_unstable();
    assert_eq!(topics, ["bins", "networks", "owners", "rates"]);
    assert!(pipeline.repartition_topics[0].is_some(), "notices are written to it");
}

#[test]
fn rows_of_examples_that_cannot_be_used() {
    let mut text = String::new();
    for (what, from, to) in [
        ("no such table", "      rates: [{", "      rate: [{"),
        ("a table with a file", "      rates: [{", "      partners: [{"),
        ("a row without a key", "{key: USD, rate: 0.9", "{rate: 0.9"),
        ("a wrong type", "rate: 0.9", "rate: nine"),
        ("no network", "203.0.113.0/24", "203.0.113.1/24"),
        (
            "no row",
            "[{key: USD, rate: 0.9, since: \"2026-01-05T00:00:00Z\"}]",
            "[USD]",
        ),
    ] {
        let wrong = of_topics(&TOPIC_EXAMPLES.replacen(from, to, 1));
        let report = match compiled(&wrong, None) {
            Err(report) => report,
            Ok(pipeline) => run_examples(&pipeline).expect_err(what).render(Style::Plain, 140),
        };
        writeln!(text, "## {what}\n\n{report}\n").unwrap();
    }
    insta::assert_snapshot!(text);
}

const ROLLOUT: &str = "\
revision: 1
features:
  wallet: {expression: 'coalesce(currency, \"USD\")'}
  dollars: {expression: 'euros / rates[wallet].rate'}
rules:
  - {name: rich, when: 'dollars > 99 && !(card_bin in bins)', then: decline, reason: X}
examples:
  - name: the wallet is another one
    events:
      - transactions: {id: a, time: \"2026-01-05T12:00:00Z\", customer: C, amount: 100, card: \"4999990000000000\"}
        expect: {outcome: decline, reasons: [X], features: {euros: 90.0, dollars: [99.9, 100.1]}}
";

#[test]
fn roll_outs_use_tables() {
    let pipeline = valid(PIPELINE, None);
    let shown = |report: riskstream_definition::Report| report.render(Style::Plain, 120);
    let set = prepare("rollout.yaml", ROLLOUT, &pipeline).map_err(shown);
    let set = set.unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(set.decide.lookups().count(), 5);
    for (name, wrong) in [
        (
            "a table",
            ROLLOUT.replacen("features:", "lists: {bins: [1]}\nfeatures:", 1),
        ),
        ("a feature", ROLLOUT.replace("dollars:", "rates:")),
        ("an unknown table", ROLLOUT.replace("in bins", "in bnis")),
        (
            "a circle through a table",
            ROLLOUT.replace("coalesce(currency, \"USD\")", "dollars > 1 ? \"EUR\" : \"USD\""),
        ),
    ] {
        let report = prepare("rollout.yaml", &wrong, &pipeline).map(|_| ()).expect_err(name);
        insta::assert_snapshot!(format!("roll-out: {name}"), shown(report));
    }
}

/// What it is, the text of the correct file, and what stands there instead.
type Mistake = (&'static str, &'static str, &'static str);

const MISTAKES: &[Mistake] = &[
    ("an unknown table", "in bins)'", "in bnis)'"),
    (
        "an unknown column",
        "bins[card_bin].prepaid &&",
        "bins[card_bin].prepayed &&",
    ),
    ("another value", "networks[ip].asn ==", "networks[country].asn =="),
    (
        "a column of another type",
        "networks[ip].asn == 64496 ||",
        "networks[ip].asn == \"AS64496\" ||",
    ),
    ("a table alone", "merchant in partners", "partners"),
    ("a row alone", "merchant in partners", "'partners[merchant] != null'"),
    (
        "a table in a condition of an aggregation",
        "window: 1h}",
        "window: 1h, when: 'bins[card_bin].prepaid'}",
    ),
    (
        "a table in an aggregated value",
        "count: transactions, window: 1h}",
        "sum: 'amount * rates[currency].rate', window: 1h}",
    ),
    (
        "an aggregated feature over a table",
        "count: transactions, window: 1h}",
        "sum: euros, window: 1h}",
    ),
    (
        "a table in a filter",
        "    id: id\n",
        "    where: currency in rates\n    id: id\n",
    ),
    (
        "a key that is defined by the table",
        "'coalesce(currency, \"EUR\")'",
        "'rates[wallet].rate > 1 ? \"EUR\" : \"USD\"'",
    ),
    ("a key that is unknown", "key: merchant", "key: merchnt"),
    ("a key that is a float", "key: merchant", "key: amount"),
    (
        "a key that is no address",
        "key: ip, also: [shipping_ip]",
        "key: merchant",
    ),
    ("a key of labels", "key: merchant", "key: analyst"),
    ("a personal key", "key: card_bin", "key: card"),
    (
        "a further key of another type",
        "also: [shipping_ip]",
        "also: [merchant]",
    ),
    ("no key", "{key: merchant, file", "{file"),
    ("no file", ", file: partners.csv}", "}"),
    ("a file that is not there", "file: partners.csv", "file: partner.csv"),
    ("another way to find a row", "match: range", "match: ranges"),
    ("a column of an unknown type", "prepaid: bool", "prepaid: boolean"),
    ("a column that the file lacks", "prepaid: bool", "prepayed: bool"),
    ("a column with a dot", "prepaid: bool", "bin.prepaid: bool"),
    ("the wrong key column", "file: bins.csv, match: range", "file: bins.csv"),
    ("a name that is taken", "  partners: {", "  amount: {"),
    ("an unknown key", "file: partners.csv", "files: partners.csv"),
    (
        "a file and a topic",
        "file: partners.csv",
        "file: partners.csv, topic: partners",
    ),
    ("the topic of an output", "file: partners.csv", "topic: decisions"),
    ("the topic of an input", "file: partners.csv", "topic: transactions"),
    (
        "the topic of another table",
        "partners: {key: merchant, file: partners.csv}",
        "partners: {key: merchant, topic: p}\n  others: {key: merchant, topic: p}",
    ),
];

#[test]
fn mistakes() {
    let mut text = String::new();
    for (what, from, to) in MISTAKES {
        assert!(PIPELINE.contains(from), "{what}: nothing to replace");
        let report = compiled(&PIPELINE.replacen(from, to, 1), None)
            .map(|_| ())
            .expect_err(what);
        writeln!(text, "## {what}\n\n{report}\n").unwrap();
    }
    insta::assert_snapshot!(text);
}

/// Twelve wrong lines, of which only some are shown.
const MANY_WRONG: &str =
    "key,rate,since\n,1,\nEUR,one,\nUSD,1,yesterday\nGBP,1\nEUR,2,\nEUR,3,\n,1,\n,1,\n,1,\n,1,\n,1,\n,1,\n,1,\n";

#[test]
fn mistakes_in_files() {
    let mut text = String::new();
    for (what, file, wrong) in [
        (
            "ranges that overlap",
            "bins.csv",
            "from,to,country,prepaid\n400000,400999,DE,\n500000,500999,US,\n400900,401999,FR,\n400950,400950,,\n",
        ),
        (
            "a range twice",
            "bins.csv",
            "from,to,country,prepaid\n1,2,DE,\n1,2,DE,\n",
        ),
        (
            "ends that are none",
            "bins.csv",
            "from,to,country,prepaid\n400000,,DE,\n,,FR,\n4e5,5e5,DE,\n2,1,DE,\n",
        ),
        (
            "networks",
            "networks.csv",
            "network,asn,country\n10.0.0.1/8,1,\n10.0.0.0/8,1,\n10.0.0.0/33,1,\n,1,\n10.0.0.0/8,2,\nexample.org,1,\n",
        ),
        ("many mistakes", "rates.csv", MANY_WRONG),
        ("an empty file", "rates.csv", ""),
        ("a column twice", "rates.csv", "key,rate,rate,since\n"),
        ("another separator", "rates.csv", "key;rate;since\nEUR;1;\n"),
    ] {
        let report = compiled(PIPELINE, Some((file, wrong))).map(|_| ()).expect_err(what);
        writeln!(text, "## {what}\n\n{report}\n").unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_table_without_rows_is_a_warning() {
    let pipeline = valid(PIPELINE, Some(("rates.csv", "key,rate,since\n")));
    let warnings = pipeline.warnings().map(|report| report.render(Style::Plain, 120));
    assert!(warnings.unwrap().contains("the table `rates` has no rows"));
}

#[test]
fn a_file_that_is_not_utf8() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("t.csv"), b"key\nM\xfcnchen\n\"K\xf6ln\"\nBonn\n").unwrap();
    let (start, end) = (PIPELINE.find("  bins:").unwrap(), PIPELINE.find("rules:").unwrap());
    let mut source = PIPELINE.replace(&PIPELINE[start..end], "  t: {key: country, file: t.csv}\n");
    let rules = source.find("rules:").unwrap()..source.find("outputs:").unwrap();
    source.replace_range(
        rules,
        "rules: [{name: a, when: country in t, then: review, reason: R}]\n",
    );
    let source = source.replace("  prepaid: {topic: prepaid, when: 'bins[card_bin].prepaid'}\n", "");
    let source = source.replace("amount * rates[wallet].rate", "amount");
    let report = compile("tables.yaml", &source, directory.path(), &|_| None).expect_err("not UTF-8");
    let lines: Vec<String> = report.lines().collect();
    assert!(
        lines.iter().any(|line| line.contains("t.csv:2: the line is not UTF-8")),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|line| line.contains("t.csv:3: the line is not UTF-8")),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn the_directory_of_the_file_is_where_tables_are() {
    let report = compile("tables.yaml", PIPELINE, Path::new("no such directory"), &|_| None);
    let report = report.expect_err("there are no tables").render(Style::Plain, 140);
    assert_eq!(
        report.matches("cannot read the table no such directory/").count(),
        4,
        "{report}"
    );
}
