//! Deciding on a batch of events: complete rows (engine), answers of the models (here), rules and thresholds (engine).

use crate::decision::Decision;
use crate::decision_set::DecisionSet;
use crate::explanation::select_largest;
use crate::in_force::InForce;
use crate::lineup_run::LineupRun;
use riskstream_engine::Event;
use riskstream_engine::plan::Plan;
use std::sync::Arc;

/// Decides for all tasks of one worker: holds the loaded models' scorers, threads and buffers.
#[derive(Default)]
pub struct Decider {
    /// One for each decision set in force at a task of the worker: one, or two while a roll-out takes effect.
    runs: Vec<LineupRun>,
    /// What each input of a model moved a score by.
    of_inputs: Vec<f64>,
}

impl Decider {
    /// Decides on the events of a pipeline by what is in force. Afterwards `decisions` holds one decision for each event, in order,
    /// and the events' rows hold expressions and scores.
    pub fn decide(&mut self, plan: &Plan, in_force: &mut InForce, events: &mut [Event], decisions: &mut Vec<Decision>) {
        let set = Arc::clone(in_force.set());
        decisions.resize_with(events.len(), Decision::default);
        events
            .iter_mut()
            .for_each(|event| set.decide.complete(in_force.lists(), event));
        let run = run_of(&mut self.runs, &set);
        run.answer(in_force.circuits_mut(), events, decisions);
        for (index, (event, decision)) in events.iter_mut().zip(decisions.iter_mut()).enumerate() {
            set.decide.decide(event, &decision.answer, &mut decision.policy);
            explain(plan, &set, run, index, event, decision, &mut self.of_inputs);
        }
        run.finish_shadows(decisions);
    }
}

/// The run of `set`, made if there is none. Runs of sets that are in force at no task are dropped.
fn run_of<'r>(runs: &'r mut Vec<LineupRun>, set: &Arc<DecisionSet>) -> &'r mut LineupRun {
    let found = runs.iter().position(|run| Arc::ptr_eq(run.set(), set));
    let index = found.unwrap_or_else(|| {
        runs.retain(|run| Arc::strong_count(run.set()) > 1);
        runs.push(LineupRun::new(Arc::clone(set)));
        runs.len() - 1
    });
    &mut runs[index]
}

/// Fills in the contributions of the decision at `index` of the batch, if the decision set asks for its explanation.
fn explain(
    plan: &Plan,
    set: &DecisionSet,
    run: &mut LineupRun,
    index: usize,
    event: &Event,
    decision: &mut Decision,
    of_inputs: &mut Vec<f64>,
) {
    decision.contributions.clear();
    let (Some(explain), Some(score)) = (&set.decide.explain, decision.answer.score) else {
        return;
    };
    let outcome = decision.policy.outcome;
    if explain.calls_for(outcome, score, &plan.name, event.id()) {
        run.attribute(index, &decision.answer, of_inputs);
        select_largest(of_inputs, outcome, explain.top, &mut decision.contributions);
    }
}
