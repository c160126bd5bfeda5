//! The text that identifies the layout and meaning of a stage's state, without slots. The fingerprint is its hash.

use super::context::{StageContext, reads_of_feature};
use crate::compile::entities::PlannedEntity;
use crate::compile::features::PlannedExpression;
use riskstream_engine::plan::InputKind;
use riskstream_events::Slot;
use riskstream_expressions::{Expression, Revision};
use riskstream_features::{EntityFeatures, EntitySpec, FeatureSpec};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The fingerprint of a stage. State that was written under another one is not used, because fields or expressions had
/// other meanings then.
pub fn fingerprint(
    context: &StageContext<'_>,
    entity: &PlannedEntity,
    spec: &EntitySpec,
    features: &EntityFeatures,
) -> String {
    let mut text = format!("{} by {} {:08x}", entity.name, entity.key.name, features.fingerprint());
    for input in &context.usage.inputs {
        write!(text, "\n{} {:?} {:?}", input.name, input.id, input.event_time).expect("writing to a string");
        if input.kind == InputKind::Events {
            text.push_str(" of events");
        }
        if input.kind == InputKind::Table {
            write!(text, " of rows by {:?}", input.key).expect("writing to a string");
        }
        if let Some(deletion) = &input.deletion {
            write!(text, " without {}", deletion.value.0).expect("writing to a string");
        }
        if let Some(filter) = &input.filter {
            write!(text, " where {}", filter.value.0).expect("writing to a string");
        }
    }
    for feature in &spec.features {
        text.push('\n');
        text.push_str(&identity(context, feature));
    }
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What the values of a stage's features depend on, with the names under which they are known: two pipelines with the same
/// text, which read the same inputs, give each transaction the same values.
pub fn values(context: &StageContext<'_>, spec: &EntitySpec, before: &[&PlannedExpression]) -> String {
    let EntitySpec {
        name, lateness, dedupe, ..
    } = spec;
    let mut text = format!("{name} {lateness} {dedupe}");
    for feature in &spec.features {
        let FeatureSpec {
            name, empty, precision, ..
        } = feature;
        let identity = identity(context, feature);
        write!(text, "\n{name} {empty:?} {precision} {identity}").expect("writing to a string");
    }
    for step in before {
        write!(text, "\n{}", context.symbols.names.slots()[step.slot].name).expect("writing to a string");
        describe(context, step.slot, &mut text);
    }
    text.push('\n');
    text
}

/// What a feature's part of the state depends on.
pub fn identity(context: &StageContext<'_>, feature: &FeatureSpec) -> String {
    let FeatureSpec {
        aggregation,
        input,
        window,
        delay,
        include_current,
        ..
    } = feature;
    let condition = feature.condition.as_ref().map(|condition| condition.source());
    let mut text = format!("{input} {window:?} {delay} {include_current} {aggregation:?} {condition:?}");
    if let Some(condition) = &feature.condition {
        text.push_str(revision_of(condition));
    }
    for slot in reads_of_feature(feature) {
        describe(context, slot, &mut text);
    }
    text
}

/// The text of an expression does not say what it means if it has had another meaning before.
fn revision_of(expression: &Expression) -> &'static str {
    match expression.revision() {
        Revision::First => "",
        Revision::FloatQuotients => " with float quotients",
    }
}

fn describe(context: &StageContext<'_>, slot: Slot, text: &mut String) {
    match context.expression(slot) {
        Some(step) => {
            let revision = revision_of(&step.expression);
            write!(text, " ({}){revision}", step.expression.source()).expect("writing to a string");
            for read in step.expression.slots() {
                describe(context, *read, text);
            }
        }
        None => {
            let info = &context.symbols.names.slots()[slot];
            write!(text, " {}:{}", info.name, info.value_type.name()).expect("writing to a string");
        }
    }
}
