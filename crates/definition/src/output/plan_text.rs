//! The plan as text, for `riskstream check --explain`: inputs, stages with the size of their state, and the decision.

use super::sizes::entity_size;
use crate::compile::Compiled;
use crate::duration;
use riskstream_engine::plan::{InputKind, Plan, StagePlan};
use riskstream_events::Slot;
use riskstream_scoring::ModelPlan;
use std::fmt::{self, Write};

/// The plan as text.
pub fn explain(compiled: &Compiled) -> String {
    let mut text = String::new();
    write_plan(&mut text, compiled).expect("writing to a string");
    text
}

fn write_plan(out: &mut String, compiled: &Compiled) -> fmt::Result {
    let plan = &compiled.plan;
    writeln!(out, "pipeline {} (version {})", plan.name, plan.version)?;
    for index in 0..compiled.inputs.len() {
        write_input(out, compiled, index)?;
    }
    for (at, stage) in plan.stages.iter().enumerate() {
        write_stage(out, compiled, plan, at, stage)?;
    }
    writeln!(out, "\ndecision: to topic {}", compiled.decisions)?;
    let mut computed = plan.decide.expressions().map(|computed| computed.slot).peekable();
    if computed.peek().is_some() {
        writeln!(out, "  computes {}", names(plan, computed))?;
    }
    for table in &compiled.tables {
        writeln!(
            out,
            "  asks table {}: {} rows of {}, {} bytes in memory, sha256 {}",
            table.name,
            table.rows,
            table.file,
            table.memory,
            &table.sha256[..16]
        )?;
    }
    let lineup = &compiled.decision.lineup;
    match lineup.champion_plan() {
        Some(model) => {
            writeln!(out, "  model {}", model_line(model))?;
            if let Some(fallback) = model.fallback {
                writeln!(out, "  fallback {}", model_line(&lineup.models[fallback]))?;
            }
        }
        None => writeln!(out, "  no model")?,
    }
    let policy = &plan.decide.policy;
    let outcomes: Vec<&str> = policy.outcomes().words().collect();
    writeln!(out, "  outcomes {}", outcomes.join(", "))?;
    for reason in policy.reasons() {
        writeln!(
            out,
            "  {}: {} ({})",
            reason.name,
            policy.outcomes().word(reason.outcome),
            reason.code
        )?;
    }
    for (output, condition) in compiled.further_outputs.iter().zip(&plan.decide.outputs.conditions) {
        writeln!(
            out,
            "output {}: to topic {} where {}",
            output.name,
            output.topic,
            condition.source()
        )?;
    }
    writeln!(out, "dead letters: to topic {}", compiled.dead_letters)
}

fn model_line(model: &ModelPlan) -> String {
    format!(
        "{} version {}: {} inputs, sha256 {}",
        model.name,
        model.version,
        model.inputs.len(),
        &model.model.sha256()[..16]
    )
}

fn write_input(out: &mut String, compiled: &Compiled, index: usize) -> fmt::Result {
    let (plan, input) = (&compiled.plan, &compiled.inputs[index]);
    let fields: Vec<&str> = input.fields.iter().map(|field| field.name.as_str()).collect();
    let key = input
        .key
        .as_deref()
        .map_or("key not declared".to_owned(), |key| format!("keyed by {key}"));
    let what = match plan.inputs[index].kind {
        InputKind::Transactions => "read",
        InputKind::Labels => "read for labels",
        InputKind::Events => "read for events",
        InputKind::Table => "read for rows",
    };
    writeln!(out, "\ninput {}: topic {} is {what}, {key}", input.name, input.topic)?;
    writeln!(out, "  decodes {}", fields.join(", "))?;
    if let Some(filter) = &plan.inputs[index].filter {
        writeln!(out, "  takes records where {}", filter.source())?;
    }
    if let Some(deletion) = plan.inputs[index].rows.as_ref().and_then(|rows| rows.deletion.as_ref()) {
        writeln!(out, "  deletes rows where {}", deletion.source())?;
    }
    if !input.derived.is_empty() {
        writeln!(
            out,
            "  derives {}",
            names(plan, input.derived.iter().map(|derived| derived.to))
        )?;
    }
    let keys = &plan.inputs[index].computed_keys;
    if !keys.is_empty() {
        writeln!(out, "  computes keys {}", names(plan, keys.iter().map(|key| key.slot)))?;
    }
    Ok(())
}

fn write_stage(out: &mut String, compiled: &Compiled, plan: &Plan, at: usize, stage: &StagePlan) -> fmt::Result {
    let source = compiled.repartition_topics[at]
        .as_deref()
        .unwrap_or(&compiled.inputs[0].topic);
    writeln!(
        out,
        "\nstage {}: {} by {}, reads topic {source}",
        at + 1,
        stage.entity,
        keys(plan, stage)
    )?;
    if compiled.repartition_topics[at].is_some() {
        writeln!(
            out,
            "  rows carry {}",
            names(plan, stage.carries.iter().map(|(slot, _)| *slot))
        )?;
    }
    if !stage.before.is_empty() {
        writeln!(
            out,
            "  computes {}",
            names(plan, stage.before.iter().map(|step| step.slot))
        )?;
    }
    let windows = stage.features.windows();
    writeln!(
        out,
        "  keeps events for {}; {windows} {}",
        duration::text(stage.features.retention()),
        if windows == 1 { "window" } else { "windows" },
    )?;
    if let Some(size) = entity_size(plan, at) {
        writeln!(
            out,
            "  about {} bytes for an entity with one transaction, {} for each one more",
            size.first, size.event
        )?;
    }
    if stage.completes_labels {
        writeln!(out, "  completes labels with the keys that they lack")?;
    }
    writeln!(out, "  fingerprint {}", stage.fingerprint)
}

fn keys(plan: &Plan, stage: &StagePlan) -> String {
    stage.keys[0].map_or_else(String::new, |slot| plan.slots[slot].name.clone())
}

fn names(plan: &Plan, slots: impl Iterator<Item = Slot>) -> String {
    slots
        .map(|slot| plan.slots[slot].name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
