//! One model with its rows of a batch. It runs in place, or on a thread of its own if it has a time budget.

use crate::matrix::{append_row, sum_by_input};
use crate::model_plan::ModelPlan;
use riskstream_engine::{Event, ModelFailure};
use riskstream_models::{DetachedError, DetachedScorer, Explainer, Scorer};
use std::time::Duration;

/// One model with its rows of the batch.
#[derive(Default)]
pub(crate) struct ModelRun {
    runner: Option<Runner>,
    explainer: Option<Explainer>,
    /// For each row the index of its event in the batch.
    events: Vec<usize>,
    /// The rows, one after the other.
    matrix: Vec<f64>,
    answers: Vec<Result<f64, ModelFailure>>,
    scores: Vec<Option<f32>>,
    /// What each column moved a score by.
    of_columns: Vec<f64>,
}

enum Runner {
    Inline(Box<Scorer>),
    /// With its time budget.
    Detached(DetachedScorer, Duration),
}

impl ModelRun {
    pub fn new(plan: &ModelPlan) -> ModelRun {
        let explanation = plan.explanation.as_ref();
        ModelRun {
            runner: Runner::new(plan),
            explainer: explanation.map(|explanation| explanation.attribution.explainer()),
            ..ModelRun::default()
        }
    }

    /// Removes all rows.
    pub fn clear(&mut self) {
        self.events.clear();
        self.matrix.clear();
        self.answers.clear();
    }

    /// Adds the row of the event at `index` of the batch.
    pub fn push(&mut self, plan: &ModelPlan, index: usize, event: &Event) {
        self.events.push(index);
        append_row(plan, event, &mut self.matrix);
    }

    /// For each row the index of its event in the batch.
    pub fn events(&self) -> &[usize] {
        &self.events
    }

    /// For each row the index of its event in the batch, and what the model answered.
    pub fn answers(&self) -> impl Iterator<Item = (usize, Result<f64, ModelFailure>)> {
        self.events.iter().copied().zip(self.answers.iter().copied())
    }

    /// Runs the model on its rows and waits for the answers, within the time budget if there is one.
    pub fn run(&mut self, plan: &ModelPlan) {
        if self.runner.is_none() {
            self.runner = Runner::new(plan);
        }
        match &mut self.runner {
            None => self.fail(ModelFailure::Failed),
            Some(Runner::Inline(scorer)) => {
                let ran = scorer.score_each(&self.matrix, &mut self.scores);
                self.take(ran.map_err(|_| ModelFailure::Failed));
            }
            Some(Runner::Detached(scorer, within)) => {
                scorer.start(&self.matrix);
                let wait = *within;
                self.finish(wait);
            }
        }
    }

    /// Does not run the model: the answer for every row is that its circuit is open.
    pub fn skip(&mut self) {
        self.fail(ModelFailure::CircuitOpen);
    }

    /// Starts a shadow on its rows; see [`ModelRun::finish_shadow`].
    pub fn start(&mut self) {
        if let Some(Runner::Detached(scorer, _)) = &mut self.runner {
            scorer.start(&self.matrix);
        }
    }

    /// Fetches the answers of a shadow. Waits for one whose last call kept its time budget, no longer than the budget; does
    /// not wait for another.
    pub fn finish_shadow(&mut self) {
        let wait = match &self.runner {
            Some(Runner::Detached(scorer, within)) if scorer.last_run() <= *within => *within,
            _ => Duration::ZERO,
        };
        self.finish(wait);
    }

    fn finish(&mut self, wait: Duration) {
        let Some(Runner::Detached(scorer, _)) = &mut self.runner else {
            return self.fail(ModelFailure::Failed);
        };
        let ran = scorer.finish(wait, &mut self.scores);
        self.take(ran.map_err(|unfinished| match unfinished {
            DetachedError::Late => ModelFailure::Late,
            DetachedError::Failed(_) => ModelFailure::Failed,
        }));
    }

    fn fail(&mut self, failure: ModelFailure) {
        self.answers.clear();
        self.answers.resize(self.events.len(), Err(failure));
    }

    fn take(&mut self, ran: Result<(), ModelFailure>) {
        if let Err(failure) = ran {
            return self.fail(failure);
        }
        self.answers.clear();
        self.answers.extend(self.scores.iter().map(|score| match score {
            Some(score) if score.is_finite() => Ok(f64::from(*score)),
            Some(_) => Err(ModelFailure::NotANumber),
            None => Err(ModelFailure::Failed),
        }));
        // Scores that are not as many as the rows belong to no row.
        if self.answers.len() != self.events.len() {
            self.fail(ModelFailure::Failed);
        }
    }

    /// Writes to `of_inputs` what each listed input moved the score of the row at index `row` by. Leaves it as it is if the
    /// model has no explanation.
    pub fn attribute(&mut self, plan: &ModelPlan, row: usize, of_inputs: &mut Vec<f64>) {
        let Some(explainer) = &mut self.explainer else { return };
        let width = plan.columns.len();
        let row = &self.matrix[row * width..][..width];
        if explainer.explain(row, &mut self.of_columns).is_ok() {
            sum_by_input(plan, &self.of_columns, of_inputs);
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
