//! From a roll-out to a line-up of models.

use super::cards::Cards;
use super::model::ModelCompiler;
use super::names::Names;
use super::reasons::Texts;
use super::share_of;
use crate::card;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::read::{List, Spanned};
use crate::rollout::{ChallengerSection, RolloutFile};
use crate::syntax::ModelSection;
use riskstream_engine::plan::Plan;
use riskstream_events::Slot;
use riskstream_scoring::{Challenger, Lineup, ModelPlan};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

/// What of a pipeline file roll-outs are compiled with.
#[derive(Clone, Debug)]
pub struct RolloutScope {
    /// The names that have values at the decision.
    pub(super) names: Names<'static>,
    /// Whether scores are to be explained.
    pub(super) explains: bool,
    /// What no explanation may tell.
    pub(super) personal: BTreeSet<String>,
    /// Where the pipeline file is.
    pub(super) directory: PathBuf,
    /// The pipeline file's own model, from there.
    pub(super) model: Option<PathBuf>,
}

impl RolloutScope {
    /// Where the pipeline file is: paths are relative to it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn may_read(&self, file: &str) -> bool {
        let beside = self
            .model
            .as_ref()
            .and_then(|model| self.directory.join(model).parent().map(normal));
        let below = normal(&self.directory);
        let file = normal(&self.directory.join(file));
        // The empty path is the working directory: everything that does not climb out of it lies below it.
        let lies_in = |folder: &Path| match folder.as_os_str().is_empty() {
            true => matches!(file.components().next(), Some(Component::Normal(_))),
            false => file.starts_with(folder),
        };
        lies_in(&below) || beside.is_some_and(|beside| lies_in(&beside))
    }

    /// Loads and checks the models of a roll-out, their golden rows included. What is wrong goes to `diagnostics`; `Some`
    /// only if nothing is. The line-up has no document yet.
    pub(crate) fn compile(
        &self,
        file: &RolloutFile,
        source: &str,
        plan: &Plan,
        base: &Lineup,
        diagnostics: &mut Diagnostics,
    ) -> Option<Lineup> {
        let names = self.names.in_source(source);
        let cards = Cards::new(&self.directory);
        let revision = revision(file, diagnostics);
        if !stays_here(file, self, diagnostics) {
            return None;
        }
        let mut compiler = RolloutCompiler {
            names: &names,
            entities: &plan.decide.entities,
            shares: BTreeMap::new(),
            models: ModelCompiler {
                cards: &cards,
                names: &names,
                texts: self.explains.then_some(Texts {
                    names: &names,
                    personal: &self.personal,
                }),
                diagnostics,
                models: match file.champion {
                    None => base.models.clone(),
                    Some(_) => Vec::new(),
                },
            },
        };
        let champion = match &file.champion {
            None => base.champion,
            Some(section) => compiler.decider(section),
        };
        let challengers = file
            .challengers
            .0
            .iter()
            .filter_map(|section| compiler.challenger(section));
        let challengers = challengers.collect();
        let shadows = compiler.shadows(&file.shadows);
        let models = compiler.models.models;
        diagnostics.is_empty().then_some(Lineup {
            revision: revision?,
            document: Default::default(),
            models,
            champion,
            challengers,
            shadows,
        })
    }
}

/// The number, unless it is the pipeline file's own.
fn revision(file: &RolloutFile, diagnostics: &mut Diagnostics) -> Option<u64> {
    let Some(given) = &file.revision else {
        diagnostics.add(
            Diagnostic::new("`revision` is missing", 0..0)
                .help("write `revision: 1`, and a larger number with every change"),
        );
        return None;
    };
    if given.value == 0 {
        diagnostics.add(
            Diagnostic::new("a revision is a number from 1 on", given.span.clone())
                .help("0 is the pipeline file's own line-up"),
        );
        return None;
    }
    Some(u64::from(given.value))
}

struct RolloutCompiler<'a, 's> {
    names: &'a Names<'s>,
    /// Names of entities and the slots of their keys.
    entities: &'a [(String, Slot)],
    /// How much of each entity is taken.
    shares: BTreeMap<String, f64>,
    models: ModelCompiler<'a, 's>,
}

impl RolloutCompiler<'_, '_> {
    fn decider(&mut self, section: &Spanned<ModelSection>) -> Option<usize> {
        let first = self.models.models.len();
        let index = self.models.decider(&section.value)?;
        let fallback = section.value.fallback.as_ref().map(|fallback| &fallback.value);
        for (section, index) in fallback.into_iter().chain([&section.value]).zip(first..) {
            self.prove(section, index);
        }
        Some(index)
    }

    fn shadows(&mut self, sections: &List<ModelSection>) -> Vec<usize> {
        let mut shadows = Vec::new();
        for section in &sections.0 {
            if let Some(index) = self.models.shadow(&section.value) {
                self.prove(&section.value, index);
                shadows.push(index);
            }
        }
        shadows
    }

    fn challenger(&mut self, section: &Spanned<ChallengerSection>) -> Option<Challenger> {
        let section = &section.value;
        let model = section.model.0.as_ref().and_then(|model| self.decider(model));
        let entity = self.entity(section);
        let when = section
            .when
            .as_ref()
            .map(|when| self.names.condition(when, self.models.diagnostics));
        let share = section.share.0.as_ref();
        let share =
            share.and_then(|given| share_of(given, "`share: 0.05` is 5 % of the entities", self.models.diagnostics));
        let (entity, share) = (entity?, share?);
        let taken = self.shares.entry(entity.0.clone()).or_insert(0.0);
        let share = *taken..*taken + share;
        if share.end > 1.0 + 1e-9 {
            let span = section.share.0.as_ref().map_or(0..0, |share| share.span.clone());
            self.models.diagnostics.add(
                Diagnostic::new(
                    format!("the challengers' shares of `{}` add up to more than 1", entity.0),
                    span,
                )
                .help("shares of one entity lie side by side: make them smaller, or divide up another entity"),
            );
        }
        *taken = share.end;
        Some(Challenger {
            model: model?,
            entity,
            share,
            when: match when {
                None => None,
                Some(when) => Some(when?),
            },
        })
    }

    fn entity(&mut self, section: &ChallengerSection) -> Option<(String, Slot)> {
        let Some(asked) = &section.entity else {
            return self.entities.first().cloned();
        };
        let found = self.entities.iter().find(|(name, _)| *name == asked.value).cloned();
        if found.is_none() {
            let names = || self.entities.iter().map(|(name, _)| name.as_str());
            self.models.diagnostics.add(
                Diagnostic::new(format!("there is no entity `{}`", asked.value), asked.span.clone())
                    .nearest(&asked.value, names())
                    .help(format!("the pipeline's entities are {}", enumerate(names()))),
            );
        }
        found
    }

    /// Runs the model before it may decide: on its golden rows, which must come out, or else on a row of nothing.
    fn prove(&mut self, section: &ModelSection, index: usize) {
        let Some(file) = &section.file.0 else { return };
        let Some(plan) = self.models.models.get(index) else {
            return;
        };
        if let Err(why) = prove(plan, self.models.cards, &file.value) {
            self.models.diagnostics.add(
                Diagnostic::new(
                    format!("`{}` does not do what it should: {why}", file.value),
                    file.span.clone(),
                )
                .help("`riskstream models verify FILE` tells more"),
            );
        }
    }
}

/// Runs that warm a model up, as many as fit in a tenth of a second.
const WARM_UP_RUNS: usize = 20;
const WARM_UP_TIME: Duration = Duration::from_millis(100);

fn prove(plan: &ModelPlan, cards: &Cards<'_>, file: &str) -> Result<(), String> {
    match &*cards.of(file) {
        Ok(Some(card)) if !card.golden_rows.is_empty() => {
            card::verify(&plan.model, card).map_err(|mismatch| mismatch.to_string())?;
        }
        _ => {}
    }
    let mut scorer = plan.model.scorer();
    let (row, mut scores) = (vec![0.0; plan.model.input_width()], Vec::new());
    let began = Instant::now();
    for _ in (0..WARM_UP_RUNS).take_while(|_| began.elapsed() < WARM_UP_TIME) {
        scorer
            .score_each(&row, &mut scores)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// A roll-out may come over the network: it can name only files that lie where the pipeline's do.
fn stays_here(file: &RolloutFile, scope: &RolloutScope, diagnostics: &mut Diagnostics) -> bool {
    let before = diagnostics.count();
    let challengers = file.challengers.0.iter();
    let challengers = challengers.filter_map(|challenger| challenger.value.model.0.as_ref());
    let deciders = file.champion.iter().chain(challengers).map(|model| &model.value);
    let shadows = file.shadows.0.iter().map(|shadow| &shadow.value);
    for section in deciders.chain(shadows) {
        let fallback = section.fallback.as_ref().map(|fallback| &fallback.value);
        let sections = [Some(section), fallback].into_iter().flatten();
        for named in sections.filter_map(|section| section.file.0.as_ref()) {
            if !scope.may_read(&named.value) {
                diagnostics.add(
                    Diagnostic::new(
                        format!(
                            "`{}` is neither below the pipeline file nor beside its model",
                            named.value
                        ),
                        named.span.clone(),
                    )
                    .help("put the model beside the pipeline file's own, and write the path from the pipeline file"),
                );
            }
        }
    }
    diagnostics.count() == before
}

/// The path without `.` and, as far as they take something back, `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_lie_below_the_pipeline_or_beside_its_model() {
        let scope = |directory: &str| RolloutScope {
            names: Names::new("").of_decision(&BTreeSet::new()),
            explains: false,
            personal: BTreeSet::new(),
            directory: directory.into(),
            model: Some("../models/old.onnx".into()),
        };
        for (file, may) in [
            ("new.onnx", true),
            ("./a/new.onnx", true),
            ("../models/new.onnx", true),
            ("../models/a/new.onnx", true),
            ("../pipelines/../models/new.onnx", true),
            ("../secrets/new.onnx", false),
            ("../models/../secrets/new.onnx", false),
            ("../../models/new.onnx", false),
            ("/etc/passwd", false),
        ] {
            for directory in ["pipelines", "/srv/pipelines", "../up/pipelines"] {
                assert_eq!(scope(directory).may_read(file), may, "{file} from {directory}");
            }
        }
        let alone = RolloutScope {
            model: None,
            ..scope("")
        };
        assert!(alone.may_read("models/new.onnx"));
        assert!(!alone.may_read("../models/new.onnx"));
    }
}
