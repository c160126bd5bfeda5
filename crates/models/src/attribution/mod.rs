//! Which inputs moved a score, and by how much: Shapley values against background rows.
//!
//! A set of features is worth what the model gives on average when these features are the row's own and all others those
//! of a background row (the interventional value function: what the model does, whatever features have to do with each
//! other). A feature's contribution is what it adds to that, averaged over all orders in which features can be added. The
//! contributions of a row sum to its value minus the baseline, which is the mean value of the background rows.
//!
//! What the value is follows the Python package shap with `model_output="raw"`: for trees and linear functions what is
//! summed up before a link function ([`Space`]), so that contributions are exact; for everything else the score.

mod core;
mod sampling;
mod trees;
mod walk;

use std::fmt;
use std::sync::Arc;

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::{DatumType, TypedSimpleState};

use self::core::{Core, Function};
use self::sampling::Sampler;
use self::trees::{Source, Trees};
use self::walk::Walk;
use crate::forest::ensemble::{Ensemble, Node};
use crate::graph::prepare;
use crate::guard::guarded;
use crate::plan::{Plan, fuse};
use crate::proto::decode;
use crate::{ColumnKind, Model, ModelError, ScoreOutput, Scorer, scorer};

/// How contributions are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Exactly, for trees (Lundberg et al. 2020, interventional).
    Trees,
    /// Exactly, for a linear function.
    Linear,
    /// From orders of the features drawn from a fixed seed, in antithetic pairs (Castro et al. 2009).
    Sampling,
}

/// What contributions sum to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// The score.
    Score,
    /// The score's log-odds: the score is their logistic function.
    LogOdds,
    /// A raw value that the score increases with.
    Raw,
}

impl fmt::Display for Space {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Space::Score => "score",
            Space::LogOdds => "log-odds",
            Space::Raw => "raw value",
        })
    }
}

/// How a model's scores are attributed to its inputs: immutable, shared by all threads.
#[derive(Clone, Debug)]
pub struct Attribution {
    shared: Arc<Shared>,
}

/// Attributes scores to inputs. Each thread has its own.
pub struct Explainer {
    attribution: Attribution,
    scorer: Scorer,
    walk: Walk,
    sampler: Sampler,
    columns: Vec<f64>,
    /// tract's state for what comes before the core.
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
struct Shared {
    model: Model,
    background: Background,
    baseline: f64,
    space: Space,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Exact { kind: Kind, scale: f64, prefix: Prefix },
    Sampled,
}

#[derive(Debug)]
enum Kind {
    Trees(Trees),
    Linear {
        weights: Vec<f64>,
        /// The mean of each column over the background rows.
        means: Vec<f64>,
        features: Vec<u32>,
    },
}

/// How the core's columns come from a row.
#[derive(Debug)]
enum Prefix {
    /// They are its numbers.
    Row,
    /// They are its numbers as integers.
    IntegerRow,
    /// By a part of the graph.
    Plan(Plan),
}

/// Background rows, one after another.
#[derive(Debug)]
pub(crate) struct Background {
    values: Vec<f32>,
    width: usize,
}

impl Background {
    fn len(&self) -> usize {
        self.values.len() / self.width
    }

    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }
}

/// More background rows than this make attribution slow and no better.
const MAX_BACKGROUND_ROWS: usize = 1024;

impl Model {
    /// How scores are attributed against background rows: ordinary ones, [`Model::input_width`] numbers each, NaN for a
    /// missing value, one after another.
    ///
    /// # Errors
    /// When there is no background row, more than 1,024, or no whole number of them; or when the model gives no finite
    /// score for one; or when the model takes texts.
    pub fn attribution(&self, background: &[f32]) -> Result<Attribution, ModelError> {
        if self.columns().contains(&ColumnKind::Text) {
            return Err(ModelError::Background(
                "scores of models that take texts are not attributed".to_owned(),
            ));
        }
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
        let exact = guarded(ModelError::Invalid, || Ok(exact(self, &background, &scores)))?;
        Ok(exact.unwrap_or_else(|| sampled(self, background, &scores)))
    }
}

impl Attribution {
    fn new(shared: Shared) -> Self {
        Attribution {
            shared: Arc::new(shared),
        }
    }

    /// What attributes rows, one for each thread.
    pub fn explainer(&self) -> Explainer {
        Explainer {
            attribution: self.clone(),
            scorer: self.shared.model.scorer(),
            walk: Walk::default(),
            sampler: Sampler::default(),
            columns: Vec::new(),
            state: None,
        }
    }

    /// How contributions are computed.
    pub fn method(&self) -> Method {
        match &self.shared.way {
            Way::Exact {
                kind: Kind::Trees(_), ..
            } => Method::Trees,
            Way::Exact {
                kind: Kind::Linear { .. },
                ..
            } => Method::Linear,
            Way::Sampled => Method::Sampling,
        }
    }

    /// What contributions and the baseline are parts of.
    pub fn space(&self) -> Space {
        self.shared.space
    }

    /// The mean value of the background rows.
    pub fn baseline(&self) -> f64 {
        self.shared.baseline
    }
}

impl Explainer {
    /// Attributes one row. `contributions` is cleared and filled with one number for each column of the row; they sum
    /// to the row's value minus the baseline.
    ///
    /// # Errors
    /// When the row has another width than the model's inputs, or the model fails on it.
    pub fn explain(&mut self, row: &[f32], contributions: &mut Vec<f64>) -> Result<(), ModelError> {
        let shared = &*self.attribution.shared;
        contributions.clear();
        if row.len() != shared.model.input_width() {
            return Err(ModelError::Rows {
                expected: shared.model.input_width(),
                given: row.len(),
            });
        }
        contributions.resize(row.len(), 0.0);
        let Way::Exact { kind, scale, prefix } = &shared.way else {
            return self
                .sampler
                .attribute(&mut self.scorer, &shared.background, row, contributions);
        };
        self.columns.clear();
        prefix.columns(&shared.model, &mut self.state, row, &mut self.columns)?;
        kind.attribute(&self.columns, &mut self.walk, contributions);
        contributions.iter_mut().for_each(|contribution| *contribution *= scale);
        Ok(())
    }
}

/// Attribution by sampling, which any model has.
fn sampled(model: &Model, background: Background, scores: &[f32]) -> Attribution {
    Attribution::new(Shared {
        model: model.clone(),
        background,
        baseline: scores.iter().map(|&score| f64::from(score)).sum::<f64>() / scores.len() as f64,
        space: Space::Score,
        way: Way::Sampled,
    })
}

/// Exact attribution; `None` where there is none, or where it contradicts the model on the background rows.
fn exact(model: &Model, background: &Background, scores: &[f32]) -> Option<Attribution> {
    let file = decode(&model.shared.bytes, &model.shared.limits).ok()?;
    let core = find_core(model, &file)?;
    let prefix = Prefix::of(model, &file, &core)?;
    let mut columns = Vec::new();
    let mut state = None;
    for row in background.rows() {
        prefix.columns(model, &mut state, row, &mut columns).ok()?;
    }
    if columns.len() != background.len() * core.columns.len() {
        return None;
    }
    let kind = match core.function {
        Function::Trees {
            ensemble,
            target,
            has_doubles,
        } => {
            let is_single = !has_doubles && !prefix.gives_doubles(model);
            let ensemble = if is_single {
                in_single_precision(ensemble)
            } else {
                ensemble
            };
            Kind::Trees(Trees::new(&Source {
                ensemble: &ensemble,
                target,
                features: &core.columns,
                background: &columns,
            })?)
        }
        Function::Linear(weights) => Kind::linear(weights, core.columns, &columns)?,
    };
    let shared = Shared {
        model: model.clone(),
        background: Background {
            values: background.values.clone(),
            width: background.width,
        },
        baseline: core.scale * kind.baseline() + core.offset,
        space: core.space,
        way: Way::Exact {
            kind,
            scale: core.scale,
            prefix,
        },
    };
    let attribution = Attribution::new(shared);
    attribution.agrees(background, scores).then_some(attribution)
}

/// The core of the graph that computes the score.
fn find_core(model: &Model, file: &ModelProto) -> Option<Core> {
    let description = model.description();
    let output = description.score.as_ref()?.parse::<ScoreOutput>().ok()?.output;
    let graph = prepare(file.graph.as_ref()?, &[&output]).ok()?;
    let graph = match fuse(file, &graph, &model.shared.limits) {
        Some(fused) => prepare(&fused, &[&output]).ok()?,
        None => graph,
    };
    core::find(&graph, &model.shared.inputs, model.shared.score_column)
}

/// The ensemble as it is compared and added up over rows of f32.
fn in_single_precision(mut ensemble: Ensemble) -> Ensemble {
    let round = |number: &mut f64| *number = f64::from(*number as f32);
    for node in &mut ensemble.nodes {
        if let Node::Branch(branch) = node {
            round(&mut branch.threshold);
        }
    }
    ensemble.members.iter_mut().for_each(round);
    ensemble.weights.iter_mut().for_each(|weight| round(&mut weight.value));
    ensemble
}

impl Attribution {
    /// Do baseline and contributions come to the model's own scores of background rows?
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

impl Kind {
    /// `columns` holds the core's columns of all background rows.
    fn linear(weights: Vec<f64>, features: Vec<u32>, columns: &[f64]) -> Option<Kind> {
        if weights.is_empty() || weights.len() != features.len() {
            return None;
        }
        let rows = (columns.len() / weights.len()) as f64;
        let mut means = vec![0.0; weights.len()];
        for row in columns.chunks_exact(weights.len()) {
            means
                .iter_mut()
                .zip(row)
                .for_each(|(mean, value)| *mean += value / rows);
        }
        Some(Kind::Linear {
            weights,
            means,
            features,
        })
    }

    fn baseline(&self) -> f64 {
        match self {
            Kind::Trees(trees) => trees.baseline,
            Kind::Linear { weights, means, .. } => weights.iter().zip(means).map(|(weight, mean)| weight * mean).sum(),
        }
    }

    /// Adds each feature's contribution to the core's value.
    fn attribute(&self, columns: &[f64], walk: &mut Walk, contributions: &mut [f64]) {
        match self {
            Kind::Trees(trees) => trees.attribute(columns.iter().copied(), walk, contributions),
            Kind::Linear {
                weights,
                means,
                features,
            } => {
                for (((&feature, weight), value), mean) in features.iter().zip(weights).zip(columns).zip(means) {
                    contributions[feature as usize] += weight * (value - mean);
                }
            }
        }
    }
}

impl Prefix {
    fn of(model: &Model, file: &ModelProto, core: &Core) -> Option<Prefix> {
        match model.shared.inputs.as_slice() {
            [only] if only.name == core.input => Some(match only.datum {
                DatumType::F32 | DatumType::F64 => Prefix::Row,
                _ => Prefix::IntegerRow,
            }),
            inputs => Plan::new(file, inputs, &model.shared.texts, &[&core.input], &model.shared.limits)
                .ok()
                .map(Prefix::Plan),
        }
    }

    fn gives_doubles(&self, model: &Model) -> bool {
        let datum = match self {
            Prefix::Row | Prefix::IntegerRow => Some(model.shared.inputs[0].datum),
            Prefix::Plan(plan) => plan.runnable.model().output_fact(0).ok().map(|fact| fact.datum_type),
        };
        datum == Some(DatumType::F64)
    }

    /// Appends the core's columns of one row.
    fn columns(
        &self,
        model: &Model,
        state: &mut Option<TypedSimpleState>,
        row: &[f32],
        columns: &mut Vec<f64>,
    ) -> Result<(), ModelError> {
        match self {
            Prefix::Row => columns.extend(row.iter().copied().map(f64::from)),
            Prefix::IntegerRow => columns.extend(row.iter().map(|&value| f64::from(value as i64 as f32))),
            Prefix::Plan(plan) => {
                let tensors = scorer::run(plan, state, &model.shared.inputs, row.len(), row, 1)?;
                let tensor = tensors[0].cast_to::<f64>().map_err(scorer::run_error)?;
                let values = tensor.try_as_plain_ram().and_then(|plain| plain.as_slice::<f64>());
                columns.extend_from_slice(values.map_err(scorer::run_error)?);
            }
        }
        Ok(())
    }
}
