//! Runs the models of one line-up on a batch: champion and challengers on their rows, fallbacks on the rows that these leave
//! without a score, shadows on all rows.

use crate::circuit::Circuit;
use crate::decision::Decision;
use crate::decision_set::DecisionSet;
use crate::model_run::ModelRun;
use riskstream_engine::{Answer, Event};
use std::sync::Arc;

/// The models of one line-up and their rows of a batch, for one worker.
pub(crate) struct LineupRun {
    set: Arc<DecisionSet>,
    models: Vec<ModelRun>,
    /// The models that may give the score, in the order in which they run: champion, challengers, fallbacks.
    order: Vec<usize>,
    /// For each event the index of its row among the rows of the model that scored it.
    matrix_rows: Vec<usize>,
    key: String,
}

impl LineupRun {
    pub fn new(set: Arc<DecisionSet>) -> LineupRun {
        let lineup = &set.lineup;
        let challengers = lineup.challengers.iter().map(|challenger| challenger.model);
        let deciders: Vec<usize> = lineup.champion.into_iter().chain(challengers).collect();
        let fallbacks = deciders.iter().filter_map(|&model| lineup.models[model].fallback);
        let order = deciders.iter().copied().chain(fallbacks).collect();
        let models = lineup.models.iter().map(|plan| ModelRun::new(plan)).collect();
        LineupRun {
            set,
            models,
            order,
            matrix_rows: Vec::new(),
            key: String::new(),
        }
    }

    pub fn set(&self) -> &Arc<DecisionSet> {
        &self.set
    }

    /// Fills in the answers of the events' decisions. Starts the shadows; [`LineupRun::finish_shadows`] fetches their
    /// scores.
    pub fn answer(&mut self, circuits: &mut [Circuit], events: &[Event], decisions: &mut [Decision]) {
        self.models.iter_mut().for_each(ModelRun::clear);
        self.matrix_rows.clear();
        self.matrix_rows.resize(events.len(), 0);
        self.start_shadows(events);
        self.assign(events, decisions);
        for place in 0..self.order.len() {
            let model = self.order[place];
            self.run_model(model, &mut circuits[model], events, decisions);
        }
    }

    /// Gives each event to the model that is asked first for it.
    fn assign(&mut self, events: &[Event], decisions: &mut [Decision]) {
        for (index, (event, decision)) in events.iter().zip(decisions).enumerate() {
            let asked = self.set.lineup.model_for(&event.row, &mut self.key);
            decision.answer = Answer {
                asked,
                model: asked,
                ..Answer::default()
            };
            if let Some(model) = asked {
                self.models[model].push(&self.set.lineup.models[model], index, event);
            }
        }
    }

    /// Runs one model on its rows. Rows that it does not score go to its fallback.
    fn run_model(&mut self, model: usize, circuit: &mut Circuit, events: &[Event], decisions: &mut [Decision]) {
        let plan = &self.set.lineup.models[model];
        let mut run = std::mem::take(&mut self.models[model]);
        if circuit.tries(run.events().len()) {
            run.run(plan);
        } else {
            run.skip();
        }
        for (row, (event, answer)) in run.answers().enumerate() {
            let result = &mut decisions[event].answer;
            match circuit.pass(answer) {
                Ok(score) => {
                    result.score = Some(score);
                    result.model = Some(model);
                    self.matrix_rows[event] = row;
                }
                Err(failure) => {
                    result.failure.get_or_insert(failure);
                    if let Some(fallback) = plan.fallback {
                        self.models[fallback].push(&self.set.lineup.models[fallback], event, &events[event]);
                    }
                }
            }
        }
        self.models[model] = run;
    }

    fn start_shadows(&mut self, events: &[Event]) {
        for &shadow in &self.set.lineup.shadows {
            let run = &mut self.models[shadow];
            for (index, event) in events.iter().enumerate() {
                run.push(&self.set.lineup.models[shadow], index, event);
            }
            run.start();
        }
    }

    /// Fills in what the shadows answered. Waits for a shadow whose last call kept its time budget, no longer than the
    /// budget; does not wait for the others.
    pub fn finish_shadows(&mut self, decisions: &mut [Decision]) {
        decisions.iter_mut().for_each(|decision| decision.shadows.clear());
        for &shadow in &self.set.lineup.shadows {
            let run = &mut self.models[shadow];
            run.finish_shadow();
            for (event, answer) in run.answers() {
                decisions[event].shadows.push((shadow, answer));
            }
        }
    }

    /// What each listed input moved the score of the event at this index by; empty if the model has no explanation.
    pub fn attribute(&mut self, event: usize, answer: &Answer, of_inputs: &mut Vec<f64>) {
        of_inputs.clear();
        if let Some(model) = answer.model {
            let plan = &self.set.lineup.models[model];
            self.models[model].attribute(plan, self.matrix_rows[event], of_inputs);
        }
    }
}
