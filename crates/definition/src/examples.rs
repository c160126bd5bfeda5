//! Runs the examples of a pipeline file with production code on the in-process log, and reports differences from what
//! they expect.

use crate::compile::Compiled;
use crate::diagnostics::{Diagnostic, Diagnostics, Findings, Report, Span};
use crate::example_lists::lists_of;
use crate::syntax::read::{List, Map, Spanned};
use crate::syntax::{Example, ExampleEvent, Expectation};
use crate::text::{Node, NodeValue};
use riskstream_events::{FeatureValue, OwnedDecisionRecord, OwnedReason, Pseudonymizer, dead_letter};
use riskstream_pipeline::driver::TestDriver;
use riskstream_pipeline::memory::StoredRecord;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The secret for pseudonyms. Personal fields of examples are made up.
const SECRET: &[u8] = b"examples";

/// Runs all examples, each from empty state. Returns how many there are.
///
/// # Errors
/// All differences from what the examples expect.
pub fn run_examples(compiled: &Compiled) -> Result<usize, Report> {
    run_as(compiled, Findings::Differences)
}

/// [`run_examples`], whose differences are these findings.
pub(crate) fn run_as(compiled: &Compiled, findings: Findings) -> Result<usize, Report> {
    let mut diagnostics = Diagnostics::default();
    for example in &compiled.examples {
        run_example(compiled, example, &mut diagnostics);
    }
    if diagnostics.is_empty() {
        Ok(compiled.examples.len())
    } else {
        Err(Report::new(findings, diagnostics, &compiled.file, &compiled.source))
    }
}

fn run_example(compiled: &Compiled, example: &Example, diagnostics: &mut Diagnostics) {
    let place = example.name.0.as_ref().map_or(0..0, |name| name.span.clone());
    let topology = match compiled.json_topology(Some(SECRET)) {
        Ok(topology) => topology,
        Err(error) => return diagnostics.add(Diagnostic::new(error.to_string(), place)),
    };
    let mut driver = TestDriver::new(Arc::new(topology), 1);
    let before = diagnostics.count();
    let lists = lists_of(compiled, example, &Pseudonymizer::new(SECRET), diagnostics);
    if diagnostics.count() > before {
        return;
    }
    driver.lists.put(lists);
    for event in &example.events.0 {
        match run_event(compiled, &mut driver, &event.value) {
            Ok(Some(outcome)) => compare(&event.value, &outcome, diagnostics),
            Ok(None) => {}
            Err(why) => return diagnostics.add(Diagnostic::new(why, event.value.input.span.clone())),
        }
    }
}

/// The result of an event.
enum EventResult {
    Decision {
        decision: Box<OwnedDecisionRecord>,
        /// The names of the further outputs that it went to.
        outputs: Vec<String>,
    },
    DeadLetter {
        reason: String,
        detail: String,
    },
}

/// Sends an event and returns its result. `None` for a label, and for an input that no feature uses.
fn run_event(
    compiled: &Compiled,
    driver: &mut TestDriver,
    event: &ExampleEvent,
) -> Result<Option<EventResult>, String> {
    let Some(input) = compiled.inputs.iter().position(|input| input.name == event.input.name) else {
        return Ok(None);
    };
    let (decisions, dead_letters) = (driver.decisions().len(), driver.dead_letters().len());
    let records_before = further_records(compiled, driver);
    let key = compiled.inputs[input]
        .key
        .as_deref()
        .and_then(|key| text_of(&event.record, key))
        .unwrap_or_default();
    let at = event.at.as_ref().map(|at| at.value.0 / 1000);
    let key = event.key.as_ref().map_or(key, |key| text_of_node(&key.value.0));
    let json = event.record.to_json().to_string();
    let value = (!matches!(event.record.value, NodeValue::Null)).then_some(json.as_bytes());
    let topic = &compiled.inputs[input].topic;
    driver.broker.produce(topic, Some(key.as_bytes()), value, at);
    driver.run().map_err(|error| error.to_string())?;
    if let Some(record) = driver.dead_letters().get(dead_letters) {
        return Ok(Some(EventResult::DeadLetter {
            reason: header(record, dead_letter::REASON),
            detail: header(record, dead_letter::DETAIL),
        }));
    }
    let decisions = driver.decisions().split_off(decisions);
    let Some(record) = decisions.first() else {
        let is_filtered = compiled.plan.inputs[input].filter.is_some();
        return match (event.input.name.as_str(), &event.expect) {
            ("transactions", Some(_)) if is_filtered => {
                Err("`where:` leaves the record out: it has no decision".to_owned())
            }
            ("transactions", _) if !is_filtered => Err("there is no decision".to_owned()),
            _ => Ok(None),
        };
    };
    let bytes = record.value.as_deref().unwrap_or_default();
    let decision =
        OwnedDecisionRecord::from_json(bytes).map_err(|error| format!("the decision cannot be read: {error}"))?;
    let records = records_before.into_iter().zip(further_records(compiled, driver));
    let outputs = records.zip(&compiled.further_outputs);
    Ok(Some(EventResult::Decision {
        decision: Box::new(decision),
        outputs: outputs
            .filter(|((before, after), _)| after > before)
            .map(|(_, output)| output.name.clone())
            .collect(),
    }))
}

/// How many records each further output has.
fn further_records(compiled: &Compiled, driver: &TestDriver) -> Vec<usize> {
    let outputs = compiled.further_outputs.iter();
    outputs
        .map(|output| driver.broker.all_records(&output.topic).len())
        .collect()
}

fn header(record: &StoredRecord, name: &str) -> String {
    let found = record.headers.iter().find(|(header, _)| header == name);
    found.map_or_else(String::new, |(_, value)| String::from_utf8_lossy(value).into_owned())
}

fn text_of(record: &Node, key: &str) -> Option<String> {
    let NodeValue::Map(entries) = &record.value else {
        return None;
    };
    let (_, node) = entries.iter().find(|(name, _)| name.name == key)?;
    Some(text_of_node(node))
}

fn text_of_node(node: &Node) -> String {
    match node.to_json() {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

fn compare(event: &ExampleEvent, became: &EventResult, diagnostics: &mut Diagnostics) {
    let expected_dead = event.expect.as_ref().and_then(|expect| expect.dead_letter.as_ref());
    match (became, expected_dead) {
        (EventResult::Decision { decision, outputs }, None) => {
            if let Some(expect) = &event.expect {
                compare_decision(expect, decision, diagnostics);
                compare_outputs(expect, outputs, diagnostics);
            }
        }
        (EventResult::Decision { decision, .. }, Some(expected)) => diagnostics.add(
            Diagnostic::new(
                "the example expects a dead letter, but this was decided",
                expected.span.clone(),
            )
            .label(format!("outcome `{}`", decision.outcome)),
        ),
        (EventResult::DeadLetter { reason, .. }, Some(expected)) if *reason == expected.value => {}
        (EventResult::DeadLetter { reason, detail }, expected) => {
            let span = expected.map_or(event.input.span.clone(), |expected| expected.span.clone());
            diagnostics
                .add(Diagnostic::new(format!("this became a dead letter: {reason}"), span).label(detail.clone()));
        }
    }
}

/// The reasons that are rules and thresholds. Examples do not compare those that explain the score.
fn fired(decision: &OwnedDecisionRecord) -> impl Iterator<Item = &OwnedReason> {
    decision.reasons.iter().filter(|reason| reason.contribution.is_none())
}

fn compare_decision(expect: &Expectation, decision: &OwnedDecisionRecord, diagnostics: &mut Diagnostics) {
    if let Some(outcome) = &expect.outcome
        && outcome.value.0 != decision.outcome
    {
        let fired: Vec<&str> = fired(decision).map(|reason| reason.name.as_str()).collect();
        let why = if fired.is_empty() {
            "no rule fired".to_owned()
        } else {
            format!("these fired: {}", fired.join(", "))
        };
        differs(
            "outcome",
            &outcome.value.0,
            &decision.outcome,
            &outcome.span,
            diagnostics,
            Some(why),
        );
    }
    if let Some(reasons) = &expect.reasons {
        let got: Vec<&str> = fired(decision).map(|reason| reason.code.as_str()).collect();
        compare_words("reasons", reasons, &got, diagnostics);
    }
    if let Some(codes) = &expect.shadow_rules {
        let got: Vec<&str> = decision.shadow_rules.iter().map(|rule| rule.code.as_str()).collect();
        compare_words("shadow_rules", codes, &got, diagnostics);
    }
    if let Some(expected) = &expect.attributes {
        compare_attributes(expected, &decision.attributes, diagnostics);
    }
    if let Some(flags) = &expect.flags {
        let mentioned = flags.value.0.iter().any(|flag| flag.value == "bootstrapping");
        let got: Vec<&str> = decision
            .flags
            .iter()
            .map(String::as_str)
            .filter(|flag| mentioned || *flag != "bootstrapping")
            .collect();
        compare_words("flags", flags, &got, diagnostics);
    }
    if let Some(score) = &expect.score {
        let fits = decision
            .score
            .is_some_and(|got| (score.value.lowest..=score.value.highest).contains(&got));
        if !fits {
            let got = decision.score.map_or("null".to_owned(), |score| score.to_string());
            let wanted = format!("{} to {}", score.value.lowest, score.value.highest);
            differs("score", &wanted, &got, &score.span, diagnostics, None);
        }
    }
    for (name, expected) in expect.features.iter() {
        let got = decision.feature(&name.name).unwrap_or(&FeatureValue::Null(()));
        if !is_same(&expected.0, got) {
            let got = serde_json::to_string(got).unwrap_or_default();
            differs(
                &name.name,
                &expected.0.to_json().to_string(),
                &got,
                &expected.0.span,
                diagnostics,
                None,
            );
        }
    }
}

fn compare_outputs(expect: &Expectation, got: &[String], diagnostics: &mut Diagnostics) {
    if let Some(expected) = &expect.outputs {
        let got: Vec<&str> = got.iter().map(String::as_str).collect();
        compare_words("outputs", expected, &got, diagnostics);
    }
}

/// Attributes have no order.
fn compare_attributes(expected: &Spanned<Map<String>>, got: &[(String, String)], diagnostics: &mut Diagnostics) {
    let wanted: BTreeMap<&str, &str> = expected
        .value
        .iter()
        .map(|(name, value)| (name.name.as_str(), value.as_str()))
        .collect();
    let got: BTreeMap<&str, &str> = got
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    if wanted != got {
        let list = |attributes: &BTreeMap<&str, &str>| {
            let texts: Vec<String> = attributes
                .iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            format!("{{{}}}", texts.join(", "))
        };
        differs(
            "attributes",
            &list(&wanted),
            &list(&got),
            &expected.span,
            diagnostics,
            None,
        );
    }
}

fn compare_words(what: &str, expected: &Spanned<List<String>>, got: &[&str], diagnostics: &mut Diagnostics) {
    let wanted: Vec<&str> = expected.value.0.iter().map(|word| word.value.as_str()).collect();
    if wanted != got {
        let list = |words: &[&str]| format!("[{}]", words.join(", "));
        differs(what, &list(&wanted), &list(got), &expected.span, diagnostics, None);
    }
}

fn differs(what: &str, expected: &str, got: &str, span: &Span, diagnostics: &mut Diagnostics, help: Option<String>) {
    let diagnostic = Diagnostic::new(format!("{what} is {got}, the example expects {expected}"), span.clone())
        .label(format!("got {got}"));
    diagnostics.add(match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    });
}

/// Whether a number is within `[lowest, highest]`.
fn is_within(ends: &[Node], got: &FeatureValue) -> bool {
    let numbers: Option<Vec<f64>> = ends.iter().map(|end| number_of(&end.value)).collect();
    match (numbers.as_deref(), got.as_number()) {
        (Some([lowest, highest]), Some(got)) => (*lowest..=*highest).contains(&got),
        _ => false,
    }
}

fn number_of(value: &NodeValue) -> Option<f64> {
    match value {
        NodeValue::Int(number) => Some(*number as f64),
        NodeValue::Float(number) => Some(*number),
        _ => None,
    }
}

/// Whether values are equal: whole numbers exactly, others with a tolerance of 1e-9 or in the range that is given.
fn is_same(expected: &Node, got: &FeatureValue) -> bool {
    match (&expected.value, got) {
        (NodeValue::Null, FeatureValue::Null(())) => true,
        (NodeValue::Bool(expected), FeatureValue::Bool(got)) => expected == got,
        (NodeValue::Text(expected), FeatureValue::Text(got)) => expected == got,
        (NodeValue::List(ends), FeatureValue::Int(_) | FeatureValue::Float(_)) => is_within(ends, got),
        (NodeValue::Int(expected), FeatureValue::Int(got)) => expected == got,
        (NodeValue::Int(_) | NodeValue::Float(_), FeatureValue::Int(_) | FeatureValue::Float(_)) => {
            let is_close = |expected: f64, got: f64| (got - expected).abs() <= 1e-9 * expected.abs().max(1.0);
            let pair = number_of(&expected.value).zip(got.as_number());
            pair.is_some_and(|(expected, got)| is_close(expected, got))
        }
        (NodeValue::List(expected), FeatureValue::List(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(expected, got)| is_same(expected, got))
        }
        _ => false,
    }
}
