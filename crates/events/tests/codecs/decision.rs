use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use proptest::prelude::*;
use riskstream_events::{
    AvroDecisionReader, DECISION_AVRO_SCHEMA, DecisionId, DecisionReason, DecisionRecord, FeatureValue, Flags, Latency,
    ModelRef, Outcome, Outcomes, OwnedDecisionRecord, Row, Slot, Value, decision_avro_schema, encode_avro, encode_json,
};

/// A decision's parts that are not borrowed from elsewhere.
#[derive(Debug)]
struct Parts {
    row: Row,
    entities: Vec<(String, Slot)>,
    features: Vec<(String, Slot)>,
    shadow_scores: Vec<(&'static str, f64)>,
    outcomes: Outcomes,
}

fn parts() -> Parts {
    let row = vec![
        Value::Text("C\"1".into()),
        Value::Int(42),
        Value::Null,
        Value::Float(0.1 + 0.2),
        Value::Float(f64::NAN),
        Value::Float(3.0),
        Value::Bool(true),
        Value::List([Value::Float(1.5), Value::Null, Value::Int(2), Value::Text("x".into())].into()),
        Value::Timestamp(1_526_601_600_000_001),
        Value::List([].into()),
        Value::Float(-0.0),
        Value::Int(i64::MIN),
    ];
    let named = |(slot, name): (usize, &str)| (name.to_owned(), slot);
    Parts {
        entities: [(0, "customer"), (1, "terminal"), (2, "device")].map(named).to_vec(),
        features: (2..row.len()).map(|slot| (format!("feature_{slot}"), slot)).collect(),
        row,
        shadow_scores: vec![("next", 0.25)],
        outcomes: Outcomes::default(),
    }
}

const SHADOW_RULES: [DecisionReason<'static>; 1] = [DecisionReason {
    code: "R7",
    name: "candidate",
    outcome: Outcome::DECLINE,
    description: None,
    contribution: None,
}];

const REASONS: [DecisionReason<'static>; 2] = [
    DecisionReason {
        code: "R101",
        name: "velocity",
        outcome: Outcome::REVIEW,
        description: Some("12 in an hour"),
        contribution: None,
    },
    DecisionReason {
        code: "M1",
        name: "amount",
        outcome: Outcome::DECLINE,
        description: None,
        contribution: Some(0.5),
    },
];

fn full(parts: &Parts) -> DecisionRecord<'_> {
    DecisionRecord {
        decision_id: "00112233445566778899aabbccddeeff",
        event_id: "tx-1",
        pipeline: "card-fraud",
        pipeline_version: "abc",
        binary_version: "0.1.0",
        model: Some(ModelRef {
            name: "xgb",
            version: "3",
            sha256: "ff",
        }),
        event_time: 1_522_540_831_000_000,
        row: &parts.row,
        entities: &parts.entities,
        score: Some(0.87),
        outcome: Outcome::REVIEW,
        outcomes: &parts.outcomes,
        reasons: &REASONS,
        features: &parts.features,
        flags: Flags::LATE | Flags::DEGRADED,
        late_by_ms: Some(1500),
        shadow_scores: &parts.shadow_scores,
        shadow_rules: &SHADOW_RULES,
        attributes: &[("queue", "high \"value\"")],
        rollout: 7,
        lists: &[("blocked_cards", 41)],
        latency: Some(Latency {
            ingested_at: 1_522_540_831_100_000,
            decided_at: 1_522_540_831_200_000,
        }),
    }
}

fn bare(parts: &Parts) -> DecisionRecord<'_> {
    DecisionRecord {
        model: None,
        entities: &[],
        score: None,
        outcome: Outcome::APPROVE,
        reasons: &[],
        features: &[],
        flags: Flags::NONE,
        late_by_ms: None,
        shadow_scores: &[],
        shadow_rules: &[],
        attributes: &[],
        rollout: 0,
        lists: &[],
        latency: None,
        ..full(parts)
    }
}

fn json_of(decision: &DecisionRecord<'_>) -> String {
    let mut bytes = Vec::new();
    encode_json(decision, &mut bytes);
    String::from_utf8(bytes).unwrap()
}

fn avro_of(decision: &DecisionRecord<'_>) -> Avro {
    let schema = apache_avro::Schema::parse_str(DECISION_AVRO_SCHEMA).unwrap();
    let mut bytes = Vec::new();
    encode_avro(decision, &mut bytes);
    let mut rest = &bytes[..];
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    let value = reader.read_value(&mut rest).unwrap();
    assert!(rest.is_empty(), "{} bytes are left over", rest.len());
    value
}

#[test]
fn json_to_the_letter() {
    let expected = concat!(
        r#"{"decision_id":"00112233445566778899aabbccddeeff","event_id":"tx-1","pipeline":"card-fraud","#,
        r#""pipeline_version":"abc","binary_version":"0.1.0","#,
        r#""model":{"name":"xgb","version":"3","sha256":"ff"},"event_time":"2018-04-01T00:00:31.000000Z","#,
        r#""entities":{"customer":"C\"1","terminal":"42"},"score":0.87,"outcome":"review","#,
        r#""reasons":[{"code":"R101","name":"velocity","outcome":"review","description":"12 in an hour","contribution":null},"#,
        r#"{"code":"M1","name":"amount","outcome":"decline","description":null,"contribution":0.5}],"#,
        r#""features":{"feature_2":null,"feature_3":0.30000000000000004,"feature_4":null,"feature_5":3.0,"#,
        r#""feature_6":true,"feature_7":[1.5,null,2,"x"],"feature_8":"2018-05-18T00:00:00.000001Z","feature_9":[],"#,
        r#""feature_10":-0.0,"feature_11":-9223372036854775808},"#,
        r#""flags":["late","degraded"],"late_by_ms":1500,"shadow_scores":{"next":0.25},"#,
        r#""shadow_rules":[{"code":"R7","name":"candidate","outcome":"decline","description":null,"contribution":null}],"#,
        r#""attributes":{"queue":"high \"value\""},"rollout":7,"lists":{"blocked_cards":41},"#,
        r#""latency":{"ingested_at":"2018-04-01T00:00:31.100000Z","decided_at":"2018-04-01T00:00:31.200000Z"}}"#,
    );
    assert_eq!(json_of(&full(&parts())), expected);
}

#[test]
fn json_is_read_back() {
    for decision in [full(&parts()), bare(&parts())] {
        let json = json_of(&decision);
        let owned = OwnedDecisionRecord::from_json(json.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&owned).unwrap(), json);
    }
    let owned = OwnedDecisionRecord::from_json(json_of(&full(&parts())).as_bytes()).unwrap();
    assert_eq!(owned.outcome, "review");
    assert_eq!(owned.entity("terminal"), Some("42"));
    assert_eq!(owned.entity("device"), None);
    assert_eq!(owned.feature("feature_3").unwrap().as_number(), Some(0.1 + 0.2));
    assert_eq!(owned.feature("feature_4"), Some(&FeatureValue::Null(())));
    assert_eq!(owned.feature("feature_5"), Some(&FeatureValue::Float(3.0)));
    assert_eq!(owned.feature("feature_6").unwrap().as_number(), Some(1.0));
}

fn text(text: &str) -> Avro {
    Avro::String(text.into())
}

fn some(value: Avro) -> Avro {
    Avro::Union(1, Box::new(value))
}

fn none() -> Avro {
    Avro::Union(0, Box::new(Avro::Null))
}

fn record(fields: &[(&str, Avro)]) -> Avro {
    Avro::Record(
        fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    )
}

fn map(entries: &[(&str, Avro)]) -> Avro {
    Avro::Map(
        entries
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    )
}

fn branch(index: u32, value: Avro) -> Avro {
    Avro::Union(index, Box::new(value))
}

/// The features of [`parts`], with an infinity.
fn features() -> Avro {
    map(&[
        ("feature_2", none()),
        ("feature_3", branch(1, Avro::Double(0.1 + 0.2))),
        ("feature_4", branch(1, Avro::Double(f64::INFINITY))),
        ("feature_5", branch(1, Avro::Double(3.0))),
        ("feature_6", branch(3, Avro::Boolean(true))),
        (
            "feature_7",
            branch(
                5,
                Avro::Array(vec![
                    branch(1, Avro::Double(1.5)),
                    none(),
                    branch(2, Avro::Long(2)),
                    branch(4, text("x")),
                ]),
            ),
        ),
        ("feature_8", branch(4, text("2018-05-18T00:00:00.000001Z"))),
        ("feature_9", branch(5, Avro::Array(vec![]))),
        ("feature_10", branch(1, Avro::Double(-0.0))),
        ("feature_11", branch(2, Avro::Long(i64::MIN))),
    ])
}

#[test]
fn avro_is_what_apache_avro_reads() {
    let mut parts = parts();
    parts.row[4] = Value::Float(f64::INFINITY);
    let expected = record(&[
        ("decision_id", text("00112233445566778899aabbccddeeff")),
        ("event_id", text("tx-1")),
        ("pipeline", text("card-fraud")),
        ("pipeline_version", text("abc")),
        ("binary_version", text("0.1.0")),
        (
            "model",
            some(record(&[
                ("name", text("xgb")),
                ("version", text("3")),
                ("sha256", text("ff")),
            ])),
        ),
        ("event_time", Avro::TimestampMicros(1_522_540_831_000_000)),
        ("entities", map(&[("customer", text("C\"1")), ("terminal", text("42"))])),
        ("score", some(Avro::Double(0.87))),
        ("outcome", Avro::Enum(1, "review".into())),
        (
            "reasons",
            Avro::Array(vec![
                record(&[
                    ("code", text("R101")),
                    ("name", text("velocity")),
                    ("outcome", Avro::Enum(1, "review".into())),
                    ("description", some(text("12 in an hour"))),
                    ("contribution", none()),
                ]),
                record(&[
                    ("code", text("M1")),
                    ("name", text("amount")),
                    ("outcome", Avro::Enum(2, "decline".into())),
                    ("description", none()),
                    ("contribution", some(Avro::Double(0.5))),
                ]),
            ]),
        ),
        ("features", features()),
        ("flags", Avro::Array(vec![text("late"), text("degraded")])),
        ("late_by_ms", some(Avro::Long(1500))),
        ("shadow_scores", map(&[("next", Avro::Double(0.25))])),
        (
            "shadow_rules",
            Avro::Array(vec![record(&[
                ("code", text("R7")),
                ("name", text("candidate")),
                ("outcome", Avro::Enum(2, "decline".into())),
                ("description", none()),
                ("contribution", none()),
            ])]),
        ),
        ("attributes", map(&[("queue", text("high \"value\""))])),
        ("rollout", Avro::Long(7)),
        (
            "lists",
            Avro::Map(std::collections::HashMap::from([(
                "blocked_cards".to_owned(),
                Avro::Long(41),
            )])),
        ),
        (
            "latency",
            some(record(&[
                ("ingested_at", Avro::TimestampMicros(1_522_540_831_100_000)),
                ("decided_at", Avro::TimestampMicros(1_522_540_831_200_000)),
            ])),
        ),
    ]);
    assert_eq!(avro_of(&full(&parts)), expected);
}

#[test]
fn a_bare_decision_in_avro() {
    let Avro::Record(fields) = avro_of(&bare(&parts())) else {
        panic!("not a record")
    };
    for (name, value) in fields {
        match name.as_str() {
            "model" | "score" | "late_by_ms" | "latency" => assert_eq!(value, none(), "{name}"),
            "reasons" | "flags" | "shadow_rules" => assert_eq!(value, Avro::Array(vec![]), "{name}"),
            "entities" | "features" | "shadow_scores" | "attributes" => assert_eq!(value, map(&[]), "{name}"),
            _ => {}
        }
    }
}

#[test]
fn decision_ids() {
    let id = |pipeline, event| DecisionId::new(pipeline, event).as_str().to_owned();
    // printf '\0\0\0\0\0\0\0\012card-fraudtx-1' | sha256sum | cut -c 1-32
    assert_eq!(id("card-fraud", "tx-1"), "81acbda06c9e18a8c892aa93823e2fcd");
    assert_eq!(id("a", "bc"), id("a", "bc"));
    assert_ne!(id("a", "bc"), id("ab", "c"));
    assert_ne!(id("a", "bc"), id("a", "bd"));
}

#[test]
fn only_latency_differs_between_replays() {
    let parts = parts();
    let replayed = DecisionRecord {
        latency: Some(Latency {
            ingested_at: 1,
            decided_at: 2,
        }),
        ..full(&parts)
    };
    let mut first = OwnedDecisionRecord::from_json(json_of(&full(&parts)).as_bytes()).unwrap();
    let mut second = OwnedDecisionRecord::from_json(json_of(&replayed).as_bytes()).unwrap();
    assert_ne!(first, second);
    first.latency = None;
    second.latency = None;
    assert_eq!(first, second);
}

proptest! {
    #[test]
    fn floats_survive_json(bits: u64) {
        let float = f64::from_bits(bits);
        let parts = parts();
        let owned = OwnedDecisionRecord::from_json(json_of(&DecisionRecord { score: Some(float), ..bare(&parts) }).as_bytes()).unwrap();
        let expected = float.is_finite().then_some(float.to_bits());
        prop_assert_eq!(owned.score.map(f64::to_bits), expected);
    }

    #[test]
    fn any_text_survives(event_id: String, key: String) {
        let parts = Parts { row: vec![Value::Text(key.clone().into())], entities: vec![("e".into(), 0)], ..parts() };
        let decision = DecisionRecord { event_id: &event_id, entities: &parts.entities, ..bare(&parts) };
        let owned = OwnedDecisionRecord::from_json(json_of(&decision).as_bytes()).unwrap();
        prop_assert_eq!(&owned.event_id, &event_id);
        prop_assert_eq!(owned.entity("e"), Some(key.as_str()));
        let Avro::Record(fields) = avro_of(&decision) else { panic!("not a record") };
        prop_assert_eq!(&fields[1].1, &text(&event_id));
    }
}

#[test]
fn avro_reads_back_as_json_does() {
    let parts = parts();
    for decision in [full(&parts), bare(&parts)] {
        let (mut json, mut avro) = (Vec::new(), Vec::new());
        encode_json(&decision, &mut json);
        encode_avro(&decision, &mut avro);
        let mut expected = OwnedDecisionRecord::from_json(&json).unwrap();
        expected.features.sort_by(|a, b| a.0.cmp(&b.0));
        let reader = AvroDecisionReader::new(DECISION_AVRO_SCHEMA).unwrap();
        assert_eq!(reader.read(&avro).unwrap(), expected);
        // Where a null may stand, as at the very end, apache-avro takes the end of the bytes for one.
        let parts = (0..avro.len() - 1).map(|length| reader.read(&avro[..length]));
        assert!(parts.flatten().all(|part| part != expected));
        avro.push(0);
        assert!(reader.read(&avro).is_err(), "a byte too many");
    }
}

#[test]
fn outcomes_of_a_pipeline_are_encoded_by_their_words() {
    let words = ["approve", "challenge", "review", "decline"];
    let outcomes = Outcomes::new(words.map(str::to_owned).to_vec()).unwrap();
    let parts = Parts { outcomes, ..parts() };
    let of = |word| parts.outcomes.find(word).unwrap();
    let reasons = [of("challenge"), of("decline")].map(|outcome| DecisionReason { outcome, ..REASONS[0] });
    let decision = DecisionRecord {
        outcome: of("challenge"),
        reasons: &reasons,
        ..full(&parts)
    };
    let (mut json, mut avro) = (Vec::new(), Vec::new());
    encode_json(&decision, &mut json);
    encode_avro(&decision, &mut avro);
    let from_json = OwnedDecisionRecord::from_json(&json).unwrap();
    let schema = decision_avro_schema(&parts.outcomes);
    let from_avro = AvroDecisionReader::new(&schema).unwrap().read(&avro).unwrap();
    for owned in [&from_json, &from_avro] {
        let reasons: Vec<&str> = owned.reasons.iter().map(|reason| reason.outcome.as_str()).collect();
        assert_eq!(
            (owned.outcome.as_str(), reasons),
            ("challenge", vec!["challenge", "decline"])
        );
    }
    let with_default = AvroDecisionReader::new(DECISION_AVRO_SCHEMA).unwrap().read(&avro);
    assert!(with_default.is_err(), "the default schema has no fourth outcome");
}

#[test]
fn avro_of_another_version_is_resolved() {
    let parts = parts();
    let mut avro = Vec::new();
    encode_avro(&full(&parts), &mut avro);
    // A later version adds a field at the end.
    let later = DECISION_AVRO_SCHEMA.trim_end().strip_suffix("]\n}").unwrap();
    let later = format!("{later}, {{\"name\": \"later\", \"type\": \"string\"}}]}}");
    let ours = AvroDecisionReader::new(DECISION_AVRO_SCHEMA).unwrap().read(&avro);
    avro.extend_from_slice(b"\x02x");
    assert_eq!(AvroDecisionReader::new(&later).unwrap().read(&avro), ours);
    assert!(AvroDecisionReader::new("{}").is_err());
    let other = AvroDecisionReader::new("\"string\"").unwrap();
    assert!(other.read(b"\x02x").is_err(), "a text is no decision");
}
