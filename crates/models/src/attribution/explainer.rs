//! Attributing scores, exactly where the graph allows it, otherwise by sampling.

use std::fmt;
use std::sync::Arc;

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::TypedSimpleState;

use super::background::Background;
use super::exact::ExactFunction;
use super::method::Method;
use super::preprocessing::Preprocessing;
use super::sampling::Sampler;
use super::score_function::{self, ScoreFunction};
use super::space::Space;
use super::walk::WalkBuffers;
use crate::guard::catch_panic;
use crate::proto::decode;
use crate::{Model, ModelError, ScoreOutput, Scorer, graph_builder};

/// The attribution of a model's scores to its inputs against fixed background rows. Immutable, shared by all threads.
#[derive(Clone, Debug)]
pub struct Attribution {
    shared: Arc<SharedAttribution>,
}

/// Computes contributions. Each thread has its own.
pub struct Explainer {
    attribution: Attribution,
    scorer: Scorer,
    walk: WalkBuffers,
    sampler: Sampler,
    /// The columns that the score function reads.
    columns: Vec<f64>,
    /// tract's state for the preprocessing.
    state: Option<TypedSimpleState>,
}

impl fmt::Debug for Explainer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Explainer")
            .field("scorer", &self.scorer)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct SharedAttribution {
    model: Model,
    background: Background,
    baseline: f64,
    space: Space,
    computation: Computation,
}

#[derive(Debug)]
enum Computation {
    Exact {
        function: ExactFunction,
        scale: f64,
        preprocessing: Preprocessing,
    },
    Sampled,
}

/// Upper bound on the background rows: more make attribution slower, but hardly more precise.
const MAX_BACKGROUND_ROWS: usize = 1024;

impl Model {
    /// Prepares the attribution of scores. `background` holds typical rows one after another, [`Model::input_width`]
    /// numbers each, in the form that a [`Scorer`] takes: texts as codes, NaN for a missing number.
    ///
    /// # Errors
    /// When there is no background row, more than 1,024, or an incomplete one; when the model's score of one is not
    /// finite.
    pub fn attribution(&self, background: &[f64]) -> Result<Attribution, ModelError> {
        let width = self.input_width();
        if background.is_empty() || !background.len().is_multiple_of(width) {
            return Err(ModelError::Rows {
                expected: width,
                given: background.len(),
            });
        }
        if background.len() / width > MAX_BACKGROUND_ROWS {
            return Err(ModelError::Background(format!(
                "{} rows, {MAX_BACKGROUND_ROWS} are allowed",
                background.len() / width
            )));
        }
        let background = Background {
            values: background.to_vec(),
            width,
        };
        let mut scores = Vec::new();
        self.scorer()
            .score_padded(&mut background.values.clone(), &mut scores)?;
        if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
            return Err(ModelError::Background(format!(
                "the model scores row {} with {}",
                row + 1,
                scores[row]
            )));
        }
        let exact = catch_panic(ModelError::Invalid, || Ok(exact(self, &background, &scores)))?;
        Ok(exact.unwrap_or_else(|| sampled(self, background, &scores)))
    }
}

impl Attribution {
    fn new(shared: SharedAttribution) -> Self {
        Attribution {
            shared: Arc::new(shared),
        }
    }

    /// An explainer. Each thread takes its own.
    pub fn explainer(&self) -> Explainer {
        Explainer {
            attribution: self.clone(),
            scorer: self.shared.model.scorer(),
            walk: WalkBuffers::default(),
            sampler: Sampler::default(),
            columns: Vec::new(),
            state: None,
        }
    }

    /// How contributions are computed.
    pub fn method(&self) -> Method {
        match &self.shared.computation {
            Computation::Exact { function, .. } => function.method(),
            Computation::Sampled => Method::Sampling,
        }
    }

    /// What contributions and the baseline add up to.
    pub fn space(&self) -> Space {
        self.shared.space
    }

    /// The mean value of the background rows, in [`Attribution::space`].
    pub fn baseline(&self) -> f64 {
        self.shared.baseline
    }

    /// Whether baseline and contributions of the first 64 background rows add up to the model's own scores of them.
    fn agrees(&self, background: &Background, scores: &[f32]) -> bool {
        const ROWS: usize = 64;
        const TOLERANCE: f64 = 1e-4;
        let (mut explainer, mut contributions) = (self.explainer(), Vec::new());
        background.rows().zip(scores).take(ROWS).all(|(row, &score)| {
            if explainer.explain(row, &mut contributions).is_err() {
                return false;
            }
            let value = self.baseline() + contributions.iter().sum::<f64>();
            let score = f64::from(score);
            let expected = match self.space() {
                Space::Score => value,
                Space::LogOdds => 1.0 / (1.0 + (-value).exp()),
                Space::Raw => return value.is_finite(),
            };
            (score - expected).abs() <= TOLERANCE * score.abs().max(1.0)
        })
    }
}

impl Explainer {
    /// Attributes one row of [`Model::input_width`] numbers. `contributions` is cleared and filled with one number for
    /// each column, in [`Attribution::space`]. They add up to the row's value minus the baseline.
    ///
    /// # Errors
    /// When the row has another width, or the model fails on it.
    pub fn explain(&mut self, row: &[f64], contributions: &mut Vec<f64>) -> Result<(), ModelError> {
        let shared = &*self.attribution.shared;
        contributions.clear();
        if row.len() != shared.model.input_width() {
            return Err(ModelError::Rows {
                expected: shared.model.input_width(),
                given: row.len(),
            });
        }
        contributions.resize(row.len(), 0.0);
        let Computation::Exact {
            function,
            scale,
            preprocessing,
        } = &shared.computation
        else {
            return self
                .sampler
                .attribute(&mut self.scorer, &shared.background, row, contributions);
        };
        self.columns.clear();
        preprocessing.run(&shared.model, &mut self.state, row, &mut self.columns)?;
        function.attribute(&self.columns, &mut self.walk, contributions);
        contributions.iter_mut().for_each(|contribution| *contribution *= scale);
        Ok(())
    }
}

/// Attribution by sampling, which works for any model.
fn sampled(model: &Model, background: Background, scores: &[f32]) -> Attribution {
    Attribution::new(SharedAttribution {
        model: model.clone(),
        background,
        baseline: scores.iter().map(|&score| f64::from(score)).sum::<f64>() / scores.len() as f64,
        space: Space::Score,
        computation: Computation::Sampled,
    })
}

/// Exact attribution; `None` if the graph has no score function, or one that contradicts the model's own scores of the
/// background rows.
fn exact(model: &Model, background: &Background, scores: &[f32]) -> Option<Attribution> {
    let file = decode(&model.shared.bytes, &model.shared.limits).ok()?;
    let found = find_score_function(model, &file)?;
    let preprocessing = Preprocessing::of(model, &file, &found.input)?;
    let mut columns = Vec::new();
    let mut state = None;
    for row in background.rows() {
        preprocessing.run(model, &mut state, row, &mut columns).ok()?;
    }
    if columns.len() != background.len() * found.columns.len() {
        return None;
    }
    let is_single_precision = !preprocessing.gives_doubles();
    let function = ExactFunction::new(found.kind, found.columns, &columns, is_single_precision)?;
    let attribution = Attribution::new(SharedAttribution {
        model: model.clone(),
        background: background.clone(),
        baseline: found.scale * function.baseline() + found.offset,
        space: found.space,
        computation: Computation::Exact {
            function,
            scale: found.scale,
            preprocessing,
        },
    });
    attribution.agrees(background, scores).then_some(attribution)
}

/// The score function of the graph that computes the score.
fn find_score_function(model: &Model, file: &ModelProto) -> Option<ScoreFunction> {
    let description = model.description();
    let output = description.score.as_ref()?.parse::<ScoreOutput>().ok()?.output;
    let shared = &*model.shared;
    let graph = graph_builder::prepared(file, &shared.vocabulary, &[&output], &shared.limits).ok()?;
    score_function::find(&graph, &shared.inputs, shared.score_column)
}
