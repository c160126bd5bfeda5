//! The table of docs/conversions.md on topics: `riskstream run` reads each value as `riskstream demo` and `riskstream backfill`
//! read it from files, in JSON and in Avro with a registry.

#[path = "../../../offline/tests/conversions/table.rs"]
#[allow(dead_code, reason = "CSV and Parquet are no formats of topics")]
mod table;

use crate::over_files::{decisions, features, riskstream};
use crate::support::kafka::{Writer, brokers, create_topics_of, delete_topics, header, read_all};
use crate::support::process::{Service, wait_for};
use crate::support::{registry, unique};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use rdkafka::message::Message;
use riskstream::registry::{Credentials, Registry};
use riskstream_definition::compile;
use riskstream_events::{DecodeError, FeatureValue, OwnedDecisionRecord, Value, ValueType};
use riskstream_pipeline::DecisionFormat;
use std::collections::BTreeMap;
use std::path::Path;
use table::{Source, TYPES, prefixed, rows, shown, sources};

/// The field of each type, and the feature that copies it.
const FIELDS: [(&str, &str); 5] = [
    ("a_bool", "copy_bool"),
    ("an_int", "copy_int"),
    ("a_float", "copy_float"),
    ("a_text", "copy_text"),
    ("a_time", "copy_time"),
];
const TIME: &str = "2026-03-14T09:30:00Z";

fn pipeline_file(name: &str, format: &str, brokers: &str) -> String {
    let registry = match format {
        "avro" => format!("registry: {{url: \"{}\"}}\n", registry()),
        _ => String::new(),
    };
    format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-records
    format: {format}
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, a_bool: bool, an_int: int, a_float: float, a_text: text, a_time: timestamp}}
entities: {{record: {{key: id}}}}
features:
  records: {{entity: record, count: transactions, window: 1d}}
  copy_bool: {{expression: a_bool}}
  copy_int: {{expression: an_int}}
  copy_float: {{expression: a_float}}
  copy_text: {{expression: a_text}}
  copy_time: {{expression: a_time}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: \"{brokers}\"}}
{registry}"
    )
}

/// A record with a value in the field of one type, and what the table says that it is.
struct Case {
    what: String,
    value_type: usize,
    expected: String,
    /// JSON, or the schema of the Avro record.
    text: String,
    /// The Avro record.
    avro: Vec<u8>,
}

fn cases(record: impl Fn(&Source, &str, usize) -> Option<(String, Vec<u8>)>) -> Vec<Case> {
    let mut cases = Vec::new();
    for (value, expected) in rows() {
        for source in sources(&value) {
            for (value_type, (field, _)) in FIELDS.iter().enumerate() {
                if let Some((text, avro)) = record(&source, field, cases.len()) {
                    cases.push(Case {
                        what: format!("{source:?} in {field}"),
                        value_type,
                        expected: expected[value_type].clone(),
                        text,
                        avro,
                    });
                }
            }
        }
    }
    cases
}

fn json_cases() -> Vec<Case> {
    cases(|source, field, number| {
        let value = match source {
            Source::Json(json) => (*json).to_owned(),
            Source::Text(text) => serde_json::to_string(text).unwrap(),
            Source::Cell(_) | Source::Parquet(..) | Source::Avro(..) => return None,
        };
        let record = format!(r#"{{"id": "{number}", "time": "{TIME}", "{field}": {value}}}"#);
        Some((record, Vec::new()))
    })
}

fn avro_cases() -> Vec<Case> {
    cases(|source, field, number| {
        let (schema, value) = match source {
            Source::Avro(schema, bytes) => ((*schema).to_owned(), bytes.clone()),
            Source::Text(text) => (r#""string""#.to_owned(), prefixed(text.as_bytes())),
            Source::Cell(_) | Source::Parquet(..) | Source::Json(_) => return None,
        };
        let schema = format!(
            r#"{{"type":"record","name":"R","fields":[{{"name":"id","type":"string"}},{{"name":"time","type":"string"}},{{"name":"{field}","type":{schema}}}]}}"#
        );
        let record = [
            prefixed(number.to_string().as_bytes()),
            prefixed(TIME.as_bytes()),
            value,
        ]
        .concat();
        Some((schema, record))
    })
}

/// The value of a decision as the table has it.
fn of_decision(decision: &OwnedDecisionRecord, value_type: usize) -> String {
    let (_, copy) = FIELDS[value_type];
    let value = match decision.feature(copy).unwrap() {
        FeatureValue::Text(time) if TYPES[value_type] == ValueType::Timestamp => return time.clone(),
        FeatureValue::Text(text) => Value::Text(text.as_str().into()),
        FeatureValue::Null(()) => Value::Null,
        FeatureValue::Bool(bool) => Value::Bool(*bool),
        FeatureValue::Int(int) => Value::Int(*int),
        FeatureValue::Float(float) => Value::Float(*float),
        FeatureValue::List(_) => panic!("a list"),
    };
    shown(Ok(value))
}

/// The value in a row of a column as the table has it.
fn of_column(column: &ArrayRef, row: usize, value_type: usize) -> String {
    let value = match TYPES[value_type] {
        _ if column.is_null(row) => Value::Null,
        ValueType::Bool => Value::Bool(column.as_boolean().value(row)),
        ValueType::Int => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        ValueType::Float => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        ValueType::Timestamp => Value::Timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        ValueType::Text | ValueType::List => Value::Text(column.as_string::<i32>().value(row).into()),
    };
    shown(Ok(value))
}

/// The table's word for the reason of a dead letter. On topics each record has a schema of its own, so a column of another type
/// is a record of another schema.
fn of_reason(reason: &str) -> String {
    match reason {
        "wrong_type" | "schema_mismatch" => "–".to_owned(),
        other => other.to_owned(),
    }
}

/// The results of the cases on a topic, by their number.
fn on_topic(format: &str, cases: &[Case], bytes: impl Fn(&Case) -> Vec<u8>) -> BTreeMap<usize, String> {
    let (brokers, name) = (brokers(), unique("conversions"));
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let pipeline = path("pipeline.yaml");
    std::fs::write(&pipeline, pipeline_file(&name, format, &brokers)).unwrap();
    create_topics_of(&pipeline, 1, &[]);
    let writer = Writer::new(&brokers);
    for case in cases {
        writer.send(&format!("{name}-records"), None, Some(&bytes(case)));
    }
    writer.flush();
    let mut service = Service::start(&pipeline, &path("state"), &path("log"), &[], &[]);
    let results = wait_for("the results of all cases", || {
        service.check_running();
        let mut results = BTreeMap::new();
        read_all(&brokers, &format!("{name}-decisions"), |message| {
            let decision = OwnedDecisionRecord::from_json(message.payload().unwrap()).unwrap();
            let number: usize = decision.event_id.parse().unwrap();
            results.insert(number, of_decision(&decision, cases[number].value_type));
        });
        read_all(&brokers, &format!("{name}-dead-letters"), |message| {
            let number: usize = header(message, "riskstream.offset").parse().unwrap();
            results.insert(number, of_reason(&header(message, "riskstream.reason")));
        });
        (results.len() >= cases.len()).then_some(results)
    });
    service.end();
    delete_topics(&brokers, &name);
    results
}

/// The results of demo and of backfill over a file of these cases, by the number of the case. The file's name says its format.
fn in_file(directory: &Path, file: &str, cases: &[(usize, &Case)]) -> [BTreeMap<usize, String>; 2] {
    let letters = directory.join("letters.jsonl");
    let mut found = [BTreeMap::new(), BTreeMap::new()];
    for (command, found) in ["demo", "backfill"].into_iter().zip(&mut found) {
        let _ = std::fs::remove_file(&letters);
        let allowed = FIELDS.iter().flat_map(|(field, _)| ["--allow-missing", field]);
        let further: Vec<&str> = allowed.chain(["--dead-letters", letters.to_str().unwrap()]).collect();
        let (_, _, errors) = riskstream(directory, command, &directory.join(file), &further);
        // The whole file is refused by its schema.
        if errors.contains("which is not read as") || errors.contains(" is expected\n") {
            found.extend(cases.iter().map(|(number, _)| (*number, "–".to_owned())));
            continue;
        }
        let letters = std::fs::read_to_string(&letters).unwrap_or_else(|_| panic!("{errors}"));
        for letter in letters.lines() {
            let letter: serde_json::Value = serde_json::from_str(letter).unwrap();
            let (number, _) = cases[letter["record"].as_u64().unwrap() as usize - 1];
            found.insert(number, of_reason(letter["reason"].as_str().unwrap()));
        }
    }
    let value_type = |number: usize| cases.iter().find(|(at, _)| *at == number).unwrap().1.value_type;
    for decision in decisions(directory) {
        let number = decision.event_id.parse().unwrap();
        found[0].insert(number, of_decision(&decision, value_type(number)));
    }
    for batch in features(directory) {
        let ids = batch.column_by_name("event_id").unwrap().as_string::<i32>();
        for (row, id) in ids.iter().enumerate() {
            let number = id.unwrap().parse().unwrap();
            let column = batch.column_by_name(FIELDS[value_type(number)].1).unwrap();
            found[1].insert(number, of_column(column, row, value_type(number)));
        }
    }
    found
}

/// The results of cases of one schema as `run` reads them with `format: avro_plain`, by their number.
fn without_prefix(directory: &Path, schema: &str, cases: &[(usize, &Case)]) -> BTreeMap<usize, String> {
    std::fs::write(directory.join("record.avsc"), schema).unwrap();
    let value_type = cases[0].1.value_type;
    let mut text = pipeline_file("conversions", "avro_plain\n    schema: record.avsc", "localhost:9092");
    for ((field, copy), other) in FIELDS.iter().zip(TYPES) {
        if other != TYPES[value_type] {
            text = text.replace(&format!(", {field}: {}", other.name()), "");
            text = text.replace(&format!("  {copy}: {{expression: {field}}}\n"), "");
        }
    }
    let topology = compile("pipeline.yaml", &text, directory, &|_| None)
        .ok()
        .and_then(|compiled| Some((compiled.topology(None, None, DecisionFormat::Json).ok()?, compiled)));
    let Some((topology, compiled)) = topology else {
        return cases.iter().map(|(number, _)| (*number, "–".to_owned())).collect();
    };
    let (field, _) = FIELDS[value_type];
    let slot = compiled.inputs[0]
        .fields
        .iter()
        .find(|found| found.name == field)
        .unwrap()
        .slot;
    let mut decoder = (topology.inputs[0].decoder)();
    let mut result = |case: &Case| {
        let mut row = vec![Value::Null; compiled.plan.slots.len()];
        match decoder.decode(&case.avro, &mut row) {
            Ok(()) => shown(Ok(row.swap_remove(slot))),
            Err(DecodeError::Rejected(rejection)) => of_reason(rejection.code.as_str()),
            Err(error) => panic!("{error}"),
        }
    };
    cases.iter().map(|(number, case)| (*number, result(case))).collect()
}

fn check(cases: &[Case], by: &str, found: &BTreeMap<usize, String>) {
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let found = found.get(&number);
        if found != Some(&case.expected) {
            wrong.push(format!("{}: {found:?} instead of {}", case.what, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{by}:\n{}", wrong.join("\n"));
}

#[test]
fn values_in_json_are_the_same_on_topics_and_in_files() {
    let cases = json_cases();
    assert!(cases.len() > 200, "{}", cases.len());
    check(
        &cases,
        "run",
        &on_topic("json", &cases, |case| case.text.clone().into_bytes()),
    );
    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline_file("conversions", "json", "localhost:9092");
    std::fs::write(directory.path().join("pipeline.yaml"), pipeline).unwrap();
    let lines: Vec<&str> = cases.iter().map(|case| case.text.as_str()).collect();
    std::fs::write(directory.path().join("records.jsonl"), lines.join("\n")).unwrap();
    let all: Vec<_> = cases.iter().enumerate().collect();
    let [demo, backfill] = in_file(directory.path(), "records.jsonl", &all);
    check(&cases, "demo", &demo);
    check(&cases, "backfill", &backfill);
}

#[test]
fn values_in_avro_are_the_same_on_topics_and_in_files() {
    let cases = avro_cases();
    assert!(cases.len() > 200, "{}", cases.len());
    let client = Registry::new(&registry(), Credentials::None);
    let mut ids: BTreeMap<&str, u32> = BTreeMap::new();
    for case in &cases {
        let schemas = ids.len();
        ids.entry(&case.text).or_insert_with(|| {
            client
                .register(&unique(&format!("conversions{schemas}")), &case.text)
                .unwrap()
        });
    }
    let framed = |case: &Case| {
        let prefix = [vec![0], ids[case.text.as_str()].to_be_bytes().to_vec()].concat();
        [prefix, case.avro.clone()].concat()
    };
    check(&cases, "run", &on_topic("avro", &cases, framed));

    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline_file("conversions", "json", "localhost:9092");
    std::fs::write(directory.path().join("pipeline.yaml"), pipeline).unwrap();
    let (mut demo, mut backfill, mut plain) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for schema in ids.keys() {
        let numbered = cases.iter().enumerate();
        let of_schema: Vec<_> = numbered.filter(|(_, case)| case.text == *schema).collect();
        let file = directory.path().join("records.avro");
        std::fs::write(file, container(schema, &of_schema)).unwrap();
        for name in ["decisions.jsonl", "features.parquet"] {
            let _ = std::fs::remove_file(directory.path().join(name));
        }
        let [by_demo, by_backfill] = in_file(directory.path(), "records.avro", &of_schema);
        demo.extend(by_demo);
        backfill.extend(by_backfill);
        for value_type in 0..TYPES.len() {
            let of_type: Vec<_> = of_schema
                .iter()
                .filter(|(_, case)| case.value_type == value_type)
                .copied()
                .collect();
            if !of_type.is_empty() {
                plain.extend(without_prefix(directory.path(), schema, &of_type));
            }
        }
    }
    check(&cases, "demo", &demo);
    check(&cases, "backfill", &backfill);
    check(&cases, "avro_plain", &plain);
}

/// An Avro object container file with one block.
fn container(schema: &str, cases: &[(usize, &Case)]) -> Vec<u8> {
    let sync = [7; 16];
    let records: Vec<u8> = cases.iter().flat_map(|(_, case)| case.avro.clone()).collect();
    let metadata = [prefixed(b"avro.schema"), prefixed(schema.as_bytes())].concat();
    [
        b"Obj\x01".to_vec(),
        table::varint(1),
        metadata,
        table::varint(0),
        sync.to_vec(),
        table::varint(cases.len() as i64),
        prefixed(&records),
        sync.to_vec(),
    ]
    .concat()
}
