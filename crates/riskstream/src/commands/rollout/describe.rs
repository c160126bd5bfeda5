//! Roll-outs as text.

use crate::rollout::{History, PublishedRollout};
use riskstream_definition::syntax::ModelSection;
use riskstream_events::time;
use riskstream_scoring::{DecisionSet, Lineup, ModelPlan};

/// The roll-outs, the newest last.
pub(super) fn show_history(history: &History) {
    if history.rollouts().is_empty() {
        println!("nothing was rolled out: the pipeline file decides");
        return;
    }
    println!(
        "{:>8}  {:<23}  {:<12}  {:<20}  WHAT",
        "REVISION", "STATUS", "AUTHOR", "TIME"
    );
    for rollout in history.rollouts() {
        println!(
            "{:>8}  {:<23}  {:<12}  {:<20}  {}",
            rollout.revision,
            status(history, rollout),
            rollout.author().unwrap_or("-"),
            time(rollout.time),
            summary(rollout)
        );
        for approval in history.approvals(rollout) {
            println!(
                "{:>8}  {:<23}  {:<12}  {}",
                "",
                "approved",
                approval.author,
                time(approval.time)
            );
        }
        if let Some(applied) = history.applied(rollout) {
            println!(
                "{:>8}  {:<23}  {:<12}  {}",
                "",
                "applied",
                applied.author,
                time(applied.time)
            );
        }
    }
}

fn status(history: &History, rollout: &PublishedRollout) -> String {
    let in_force = history.revision_in_force();
    let required = history.required();
    match rollout.revision {
        revision if revision == in_force => "in force".to_owned(),
        _ if history.takes_effect(rollout) => "was in force".to_owned(),
        revision if revision < in_force => "never in force".to_owned(),
        _ if history.is_approved(rollout) => "approved, to be applied".to_owned(),
        _ => format!("proposed, {} of {required}", history.approvals(rollout).len()),
    }
}

/// A time of the log, to the second.
fn time(time: Option<i64>) -> String {
    let Some(time) = time else { return "-".to_owned() };
    let mut text = Vec::new();
    time::write(time / 1000 * 1_000_000, &mut text);
    String::from_utf8_lossy(&text).replace(".000000Z", "Z")
}

/// A roll-out in one line.
fn summary(rollout: &PublishedRollout) -> String {
    let file = &rollout.file;
    let champion = file.champion.as_ref().map(|champion| model_file(&champion.value));
    let mut parts: Vec<String> = champion.into_iter().map(|file| format!("champion {file}")).collect();
    parts.extend(file.challengers.0.iter().filter_map(|challenger| {
        let challenger = &challenger.value;
        let percent = challenger.share.0.as_ref()?.value * 100.0;
        let model = model_file(&challenger.model.0.as_ref()?.value);
        Some(format!("challenger {model} for {percent} %"))
    }));
    let shadows = file.shadows.0.iter();
    parts.extend(shadows.map(|shadow| format!("shadow {}", model_file(&shadow.value))));
    parts.extend(
        file.rules
            .as_ref()
            .map(|rules| format!("{} rules", rules.value.0.len())),
    );
    let sections = [
        ("thresholds", file.decision.is_some()),
        ("explanations", file.explain.is_some()),
        ("expressions", !file.features.0.is_empty()),
        ("lists", !file.lists.0.is_empty()),
    ];
    parts.extend(
        sections
            .iter()
            .filter(|(_, is_given)| *is_given)
            .map(|(name, _)| (*name).to_owned()),
    );
    if let Some(restores) = rollout.restores {
        parts.push(format!("restores revision {restores}"));
    }
    let description = file.description.iter().map(|given| given.value.clone());
    description.chain([parts.join(", ")]).collect::<Vec<_>>().join(": ")
}

fn model_file(section: &ModelSection) -> String {
    let file = section.file.0.as_ref();
    file.map_or_else(String::new, |file| file.value.clone())
}

/// What decides: the models and their roles, a line for each, and how many rules there are.
pub(super) fn describe(set: &DecisionSet) -> String {
    let lineup = &set.lineup;
    let mut text = match lineup.champion {
        Some(champion) => model_line("champion", lineup, champion, ""),
        None => "  champion    none: rules decide\n".to_owned(),
    };
    for challenger in &lineup.challengers {
        let share = (challenger.share.places.end - challenger.share.places.start) * 100.0;
        let condition = challenger.when.as_ref();
        let condition = condition.map_or(String::new(), |when| format!(", when {}", when.source()));
        let more = format!(", {share:.4} % of {}{condition}", challenger.share.entity);
        text += &model_line("challenger", lineup, challenger.model, &more);
    }
    for &shadow in &lineup.shadows {
        text += &model_line("shadow", lineup, shadow, "");
    }
    text + &rules_line(set)
}

/// How many rules and thresholds there are.
fn rules_line(set: &DecisionSet) -> String {
    let reasons = set.decide.policy.reasons();
    let all = reasons.len();
    let shadows = reasons.filter(|reason| reason.mode.as_str() == "shadow").count();
    format!(
        "  rules       {} that decide, thresholds among them; {shadows} shadows\n",
        all - shadows
    )
}

/// The line of a model, and that of its fallback.
fn model_line(role: &str, lineup: &Lineup, model: usize, more: &str) -> String {
    let model = &lineup.models[model];
    let line = |role: &str, model: &ModelPlan, more: &str| {
        format!(
            "  {role:<10}  {}, sha256 {}{more}\n",
            model.label,
            &model.model.sha256()[..16]
        )
    };
    let fallback = model.fallback.map(|fallback| {
        let more = format!(", where {} gives no score", model.label);
        line("fallback", &lineup.models[fallback], &more)
    });
    line(role, model, more) + fallback.as_deref().unwrap_or_default()
}
