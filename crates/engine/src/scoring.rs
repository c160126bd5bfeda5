//! Asking the models of a line-up: the champion and its challengers for their rows, those that step in for what these
//! leave, and shadows for all.

use crate::circuit::{Circuit, Failure};
use crate::engine::Judgement;
use crate::event::Event;
use crate::lineup::{Lineup, ModelPlan};
use crate::matrix::{append_row, sum_by_input};
use riskstream_models::{DetachedScorer, Explainer, Scorer, Unfinished};
use std::sync::Arc;
use std::time::Duration;

/// What runs the models of one line-up for one worker.
pub(crate) struct Scoring {
    lineup: Arc<Lineup>,
    seats: Vec<Seat>,
    /// The models that may decide: champion and challengers, then those that step in.
    order: Vec<usize>,
    key: String,
    /// What each column moved a score by.
    of_columns: Vec<f64>,
}

/// One model with its rows of the batch.
struct Seat {
    runner: Option<Runner>,
    explainer: Option<Explainer>,
    /// Which events of the batch it is to score, and their rows.
    events: Vec<usize>,
    matrix: Vec<f32>,
    answers: Vec<Result<f64, Failure>>,
    scores: Vec<Option<f32>>,
}

/// A model with a time budget runs on a thread of its own, the others at once.
enum Runner {
    Inline(Box<Scorer>),
    Detached(DetachedScorer, Duration),
}

impl Scoring {
    pub fn new(lineup: Arc<Lineup>) -> Scoring {
        let challengers = lineup.challengers.iter().map(|challenger| challenger.model);
        let deciders: Vec<usize> = lineup.champion.into_iter().chain(challengers).collect();
        let fallbacks = deciders.iter().filter_map(|&model| lineup.models[model].fallback);
        let mut order = deciders.clone();
        order.extend(fallbacks);
        let seats = lineup.models.iter().map(|plan| Seat::new(plan)).collect();
        Scoring {
            lineup,
            seats,
            order,
            key: String::new(),
            of_columns: Vec::new(),
        }
    }

    pub fn lineup(&self) -> &Arc<Lineup> {
        &self.lineup
    }

    /// Scores the events: fills in `model`, `score` and `failure` of their judgements.
    pub fn score(&mut self, circuits: &mut [Circuit], events: &[Event], judgements: &mut [Judgement]) {
        self.seats.iter_mut().for_each(Seat::clear);
        self.start_shadows(events);
        self.assign(events, judgements);
        for place in 0..self.order.len() {
            let model = self.order[place];
            self.ask(model, &mut circuits[model], events, judgements);
        }
    }

    /// Each event to the model that is to decide on it.
    fn assign(&mut self, events: &[Event], judgements: &mut [Judgement]) {
        for (index, (event, judgement)) in events.iter().zip(judgements).enumerate() {
            judgement.score = None;
            judgement.failure = None;
            judgement.asked = self.lineup.model_for(&event.row, &mut self.key);
            judgement.model = judgement.asked;
            if let Some(model) = judgement.asked {
                self.seats[model].push(&self.lineup.models[model], index, event);
            }
        }
    }

    /// Asks one model for its rows; what it does not score goes on to the one that steps in.
    fn ask(&mut self, model: usize, circuit: &mut Circuit, events: &[Event], judgements: &mut [Judgement]) {
        let plan = &self.lineup.models[model];
        let mut seat = std::mem::replace(&mut self.seats[model], Seat::empty());
        if circuit.tries(seat.events.len()) {
            seat.run(plan);
        } else {
            seat.refuse(Failure::CircuitOpen);
        }
        for (place, (&event, &answer)) in seat.events.iter().zip(&seat.answers).enumerate() {
            let judgement = &mut judgements[event];
            match circuit.pass(answer) {
                Ok(score) => {
                    judgement.score = Some(score);
                    judgement.model = Some(model);
                    judgement.matrix_row = place;
                }
                Err(failure) => {
                    judgement.failure.get_or_insert(failure);
                    if let Some(fallback) = plan.fallback {
                        self.seats[fallback].push(&self.lineup.models[fallback], event, &events[event]);
                    }
                }
            }
        }
        self.seats[model] = seat;
    }

    fn start_shadows(&mut self, events: &[Event]) {
        for &shadow in &self.lineup.shadows {
            let plan = &self.lineup.models[shadow];
            let seat = &mut self.seats[shadow];
            for (index, event) in events.iter().enumerate() {
                seat.push(plan, index, event);
            }
            if let Some(Runner::Detached(scorer, _)) = &mut seat.runner {
                scorer.start(&seat.matrix);
            }
        }
    }

    /// The scores of the shadows, as far as they are there. One whose last run kept to its time budget is waited for, no
    /// longer than the budget; the others are not.
    pub fn finish_shadows(&mut self, judgements: &mut [Judgement]) {
        judgements.iter_mut().for_each(|judgement| judgement.shadows.clear());
        for &shadow in &self.lineup.shadows {
            self.seats[shadow].finish(|within, last_run| if last_run <= within { within } else { Duration::ZERO });
            for (judgement, &answer) in judgements.iter_mut().zip(&self.seats[shadow].answers) {
                judgement.shadows.push((shadow, answer));
            }
        }
    }

    /// What each listed input moved the score of a judged event by; empty if the model explains nothing.
    pub fn explain(&mut self, judgement: &Judgement, contributions: &mut Vec<f64>) {
        contributions.clear();
        let Some(model) = judgement.model else { return };
        let plan = &self.lineup.models[model];
        let width = plan.columns.len();
        let seat = &mut self.seats[model];
        let Some(explainer) = &mut seat.explainer else { return };
        let row = &seat.matrix[judgement.matrix_row * width..][..width];
        if explainer.explain(row, &mut self.of_columns).is_ok() {
            sum_by_input(plan, &self.of_columns, contributions);
        }
    }
}

impl Seat {
    fn empty() -> Seat {
        Seat {
            runner: None,
            explainer: None,
            events: Vec::new(),
            matrix: Vec::new(),
            answers: Vec::new(),
            scores: Vec::new(),
        }
    }

    fn new(plan: &ModelPlan) -> Seat {
        Seat {
            runner: Runner::new(plan),
            explainer: plan
                .explanation
                .as_ref()
                .map(|explanation| explanation.attribution.explainer()),
            ..Seat::empty()
        }
    }

    fn clear(&mut self) {
        self.events.clear();
        self.matrix.clear();
        self.answers.clear();
    }

    fn push(&mut self, plan: &ModelPlan, index: usize, event: &Event) {
        self.events.push(index);
        append_row(plan, event, &mut self.matrix);
    }

    fn refuse(&mut self, failure: Failure) {
        self.answers.clear();
        self.answers.resize(self.events.len(), Err(failure));
    }

    /// Runs the model on its rows.
    fn run(&mut self, plan: &ModelPlan) {
        if self.runner.is_none() {
            self.runner = Runner::new(plan);
        }
        match &mut self.runner {
            None => self.refuse(Failure::Failed),
            Some(Runner::Inline(scorer)) => {
                let ran = scorer.score_each(&self.matrix, &mut self.scores);
                self.take(ran.map_err(|_| Failure::Failed));
            }
            Some(Runner::Detached(scorer, _)) => {
                scorer.start(&self.matrix);
                self.finish(|within, _| within);
            }
        }
    }

    /// Fetches what a detached model was asked. `patience` is told the time budget and what the last run took.
    fn finish(&mut self, patience: impl FnOnce(Duration, Duration) -> Duration) {
        let Some(Runner::Detached(scorer, within)) = &mut self.runner else {
            return self.refuse(Failure::Failed);
        };
        let ran = scorer.finish(patience(*within, scorer.last_run()), &mut self.scores);
        self.take(ran.map_err(|unfinished| match unfinished {
            Unfinished::Late => Failure::Late,
            Unfinished::Failed(_) => Failure::Failed,
        }));
    }

    fn take(&mut self, ran: Result<(), Failure>) {
        if let Err(failure) = ran {
            return self.refuse(failure);
        }
        self.answers.clear();
        self.answers.extend(self.scores.iter().map(|score| match score {
            Some(score) if score.is_finite() => Ok(f64::from(*score)),
            Some(_) => Err(Failure::NotANumber),
            None => Err(Failure::Failed),
        }));
        // A model that gives another number of scores than rows gave none.
        if self.answers.len() != self.events.len() {
            self.refuse(Failure::Failed);
        }
    }
}

impl Runner {
    fn new(plan: &ModelPlan) -> Option<Runner> {
        match plan.within {
            None => Some(Runner::Inline(Box::new(plan.model.scorer()))),
            Some(within) => Some(Runner::Detached(DetachedScorer::new(&plan.model).ok()?, within)),
        }
    }
}
