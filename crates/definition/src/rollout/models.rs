//! The models of a roll-out, loaded and checked.

use crate::cards::{self, Cards};
use crate::compile::{EXAMPLE_OF_KEYS, ModelCompiler, Names, RolloutScope, TextNames, divided_entity, share_of};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::read::{List, Spanned};
use crate::syntax::{ChallengerSection, ModelSection, RolloutFile};
use riskstream_events::{KeyShare, Slot};
use riskstream_scoring::{Challenger, Lineup, ModelPlan};
use std::collections::{BTreeMap, BTreeSet};

/// The models of a roll-out.
pub struct RolloutModels {
    /// All models and their roles.
    pub lineup: Lineup,
    /// The index of the first model that the roll-out itself names. Earlier ones are the pipeline file's.
    pub first_own: usize,
}

/// What models are compiled with.
pub struct ModelContext<'a, 's> {
    /// What roll-outs are compiled against.
    pub scope: &'a RolloutScope,
    /// The names that models and conditions may use.
    pub names: &'a Names<'s>,
    /// Those whose values are personal data.
    pub personal: &'a BTreeSet<String>,
    /// Whether scores are explained.
    pub explains: bool,
    /// Names of entities and the slots of their keys.
    pub entities: &'a [(String, Slot)],
    /// The pipeline file's models.
    pub base: &'a Lineup,
}

/// Loads the models, checks them and runs each.
pub fn compile(file: &RolloutFile, context: &ModelContext<'_, '_>, diagnostics: &mut Diagnostics) -> RolloutModels {
    let cards = Cards::new(&context.scope.places.directory);
    let base = match file.champion {
        None => context.base.models.clone(),
        Some(_) => Vec::new(),
    };
    let first_own = base.len();
    let mut compiler = RolloutCompiler {
        names: context.names,
        entities: context.entities,
        taken: BTreeMap::new(),
        models: ModelCompiler {
            cards: &cards,
            names: context.names,
            texts: context.explains.then_some(TextNames {
                names: context.names,
                personal: context.personal,
            }),
            models: base,
            diagnostics,
        },
    };
    let champion = match &file.champion {
        None => context.base.champion,
        Some(section) => compiler.decider(section),
    };
    let challengers = compiler.challengers(&file.challengers);
    let shadows = compiler.shadows(&file.shadows);
    RolloutModels {
        lineup: Lineup {
            models: compiler.models.models,
            champion,
            challengers,
            shadows,
        },
        first_own,
    }
}

struct RolloutCompiler<'a, 's> {
    names: &'a Names<'s>,
    /// Names of entities and the slots of their keys.
    entities: &'a [(String, Slot)],
    /// For each entity the sum of the challengers' shares so far.
    taken: BTreeMap<String, f64>,
    models: ModelCompiler<'a, 's>,
}

impl RolloutCompiler<'_, '_> {
    fn decider(&mut self, section: &Spanned<ModelSection>) -> Option<usize> {
        let first = self.models.models.len();
        let index = self.models.decider(&section.value)?;
        let fallback = section.value.fallback.as_ref().map(|fallback| &fallback.value);
        for (section, index) in fallback.into_iter().chain([&section.value]).zip(first..) {
            self.verify(section, index);
        }
        Some(index)
    }

    fn shadows(&mut self, sections: &List<ModelSection>) -> Vec<usize> {
        let mut shadows = Vec::new();
        for section in &sections.0 {
            if let Some(index) = self.models.shadow(&section.value) {
                self.verify(&section.value, index);
                shadows.push(index);
            }
        }
        shadows
    }

    fn challengers(&mut self, sections: &List<ChallengerSection>) -> Vec<Challenger> {
        let sections = sections.0.iter();
        sections.filter_map(|section| self.challenger(&section.value)).collect()
    }

    fn challenger(&mut self, section: &ChallengerSection) -> Option<Challenger> {
        let model = section.model.0.as_ref().and_then(|model| self.decider(model));
        let entity = divided_entity(section.entity.as_ref(), self.entities, self.models.diagnostics);
        let when = section.when.as_ref();
        let when = when.map(|when| self.names.condition_with_entries(when, self.models.diagnostics));
        let share = section.share.0.as_ref();
        let share = share.and_then(|given| {
            let share = share_of(given, EXAMPLE_OF_KEYS, self.models.diagnostics)?;
            Some((share, given))
        });
        let ((entity, slot), (share, given)) = (entity?, share?);
        let taken = self.taken.entry(entity.clone()).or_insert(0.0);
        let places = *taken..*taken + share;
        *taken = places.end;
        if places.end > 1.0 + 1e-9 {
            self.models.diagnostics.add(
                Diagnostic::new(
                    format!("the shares of the challengers of `{entity}` add up to more than 1"),
                    given.span.clone(),
                )
                .help("make the shares smaller, or use another entity"),
            );
        }
        let when = match when {
            None => None,
            Some(when) => Some(when?),
        };
        Some(Challenger {
            model: model?,
            share: KeyShare { entity, slot, places },
            when,
        })
    }

    /// Verifies the golden rows of a model's card, and runs the model once.
    fn verify(&mut self, section: &ModelSection, index: usize) {
        let Some(file) = &section.file.0 else { return };
        let Some(plan) = self.models.models.get(index) else {
            return;
        };
        if let Err(why) = verify(plan, self.models.cards, &file.value) {
            self.models.diagnostics.add(
                Diagnostic::new(
                    format!("the check of `{}` failed: {why}", file.value),
                    file.span.clone(),
                )
                .help("`riskstream models verify FILE` shows details"),
            );
        }
    }
}

/// Runs of a model after it is loaded: the first ones are slow.
const WARM_UP_RUNS: usize = 3;

fn verify(plan: &ModelPlan, cards: &Cards<'_>, file: &str) -> Result<(), String> {
    match &*cards.of(file) {
        Ok(Some(card)) if !card.golden_rows.is_empty() => {
            cards::verify(&plan.model, card).map_err(|mismatch| mismatch.to_string())?;
        }
        _ => {}
    }
    let mut scorer = plan.model.scorer();
    let (row, mut scores) = (vec![0.0; plan.model.input_width()], Vec::new());
    for _ in 0..WARM_UP_RUNS {
        scorer
            .score_each(&row, &mut scores)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}
