//! Asks the models of one line-up: the champion and its challengers for their rows, fallbacks for the rows that these
//! leave without a score, and shadows for all rows.

use crate::circuit::Circuit;
use crate::lineup::Lineup;
use crate::model_run::ModelRun;
use riskstream_engine::{Answer, Decision, Event};
use std::sync::Arc;

/// The models of one line-up and their rows of a batch, for one worker.
pub(crate) struct LineupRun {
    lineup: Arc<Lineup>,
    models: Vec<ModelRun>,
    /// The models that may decide, in the order in which they are asked: champion and challengers, then fallbacks.
    order: Vec<usize>,
    /// For each event the number of its row among those of the model that scored it.
    matrix_rows: Vec<usize>,
    key: String,
}

impl LineupRun {
    pub fn new(lineup: Arc<Lineup>) -> LineupRun {
        let challengers = lineup.challengers.iter().map(|challenger| challenger.model);
        let deciders: Vec<usize> = lineup.champion.into_iter().chain(challengers).collect();
        let fallbacks = deciders.iter().filter_map(|&model| lineup.models[model].fallback);
        let order = deciders.iter().copied().chain(fallbacks).collect();
        let models = lineup.models.iter().map(|plan| ModelRun::new(plan)).collect();
        LineupRun {
            lineup,
            models,
            order,
            matrix_rows: Vec::new(),
            key: String::new(),
        }
    }

    pub fn lineup(&self) -> &Arc<Lineup> {
        &self.lineup
    }

    /// Scores the events: fills in the answers of their decisions. Shadows are started, see
    /// [`LineupRun::finish_shadows`].
    pub fn answer(&mut self, circuits: &mut [Circuit], events: &[Event], decisions: &mut [Decision]) {
        self.models.iter_mut().for_each(ModelRun::clear);
        self.matrix_rows.clear();
        self.matrix_rows.resize(events.len(), 0);
        self.start_shadows(events);
        self.assign(events, decisions);
        for place in 0..self.order.len() {
            let model = self.order[place];
            self.ask(model, &mut circuits[model], events, decisions);
        }
    }

    /// Gives each event to the model that is to decide on it.
    fn assign(&mut self, events: &[Event], decisions: &mut [Decision]) {
        for (index, (event, decision)) in events.iter().zip(decisions).enumerate() {
            let asked = self.lineup.model_for(&event.row, &mut self.key);
            decision.answer = Answer {
                asked,
                model: asked,
                ..Answer::default()
            };
            if let Some(model) = asked {
                self.models[model].push(&self.lineup.models[model], index, event);
            }
        }
    }

    /// Asks one model for its rows; those that it does not score go on to its fallback.
    fn ask(&mut self, model: usize, circuit: &mut Circuit, events: &[Event], decisions: &mut [Decision]) {
        let plan = &self.lineup.models[model];
        let mut run = std::mem::take(&mut self.models[model]);
        if circuit.tries(run.events().len()) {
            run.run(plan);
        } else {
            run.skip();
        }
        for (row, (event, answer)) in run.answers().enumerate() {
            let decided = &mut decisions[event].answer;
            match circuit.pass(answer) {
                Ok(score) => {
                    decided.score = Some(score);
                    decided.model = Some(model);
                    self.matrix_rows[event] = row;
                }
                Err(failure) => {
                    decided.failure.get_or_insert(failure);
                    if let Some(fallback) = plan.fallback {
                        self.models[fallback].push(&self.lineup.models[fallback], event, &events[event]);
                    }
                }
            }
        }
        self.models[model] = run;
    }

    fn start_shadows(&mut self, events: &[Event]) {
        for &shadow in &self.lineup.shadows {
            let run = &mut self.models[shadow];
            for (index, event) in events.iter().enumerate() {
                run.push(&self.lineup.models[shadow], index, event);
            }
            run.start();
        }
    }

    /// Fills in the scores of the shadows that have answered. A shadow whose last call kept to its time budget is waited
    /// for, no longer than the budget; the others are not.
    pub fn finish_shadows(&mut self, decisions: &mut [Decision]) {
        decisions.iter_mut().for_each(|decision| decision.shadows.clear());
        for &shadow in &self.lineup.shadows {
            let run = &mut self.models[shadow];
            run.finish_shadow();
            for (event, answer) in run.answers() {
                decisions[event].shadows.push((shadow, answer));
            }
        }
    }

    /// What each listed input moved the score of an answered event by; empty if the model explains nothing.
    pub fn attribute(&mut self, event: usize, answer: &Answer, contributions: &mut Vec<f64>) {
        contributions.clear();
        if let Some(model) = answer.model {
            let plan = &self.lineup.models[model];
            self.models[model].attribute(plan, self.matrix_rows[event], contributions);
        }
    }
}
