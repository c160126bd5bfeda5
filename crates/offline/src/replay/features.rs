//! What a comparison says of each feature: of the last stage in decisions, of an earlier one in the rows in front of the next.

use super::compare::Outcome;
use super::decisions::Counts;
use super::differences::Difference;
use riskstream_engine::plan::Plan;
use serde::Serialize;

/// How often a feature was made again as it was recorded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureCheck {
    /// Its name.
    pub feature: String,
    /// The entity whose stage computes it; none for an expression over other features.
    pub entity: Option<String>,
    /// Where it was compared: `decision`, or the rows in front of a stage. None if it is recorded nowhere that was compared.
    pub compared_in: Option<String>,
    /// Transactions of which it was compared.
    pub compared: u64,
    /// Of them, those with the same value to the last bit.
    pub equal: u64,
    /// The others.
    pub different: u64,
    /// The share of equal ones, from 0 to 1; none if nothing was compared.
    pub share_equal: Option<f64>,
    /// The largest difference of two numbers, if there is one.
    pub largest: Option<f64>,
    /// The largest differences, at most 5; of values that are no numbers the first.
    pub worst: Vec<Difference>,
}

/// All features, in the order of the plan.
pub(super) fn check(outcome: &Outcome, plan: &Plan) -> Vec<FeatureCheck> {
    let decided = |name: &str| plan.decide.features.iter().any(|(feature, _)| feature == name);
    let mut checks = Vec::new();
    for (index, stage) in plan.stages.iter().enumerate() {
        let next = plan.stages.get(index + 1);
        for feature in &stage.features.spec().features {
            let name = plan.slots[feature.output].name.as_str();
            let place = match next {
                Some(next) if next.carries.iter().any(|(slot, _)| *slot == feature.output) => outcome
                    .rows
                    .get(&next.entity)
                    .map(|counts| (format!("rows to {}", next.entity), name.to_owned(), counts)),
                None if decided(name) => Some(in_decisions(name, outcome)),
                _ => None,
            };
            checks.push(FeatureCheck::new(name, Some(&stage.entity), place, outcome));
        }
    }
    for (name, _) in &plan.decide.features {
        if !checks.iter().any(|check| check.feature == *name) {
            let place = Some(in_decisions(name, outcome));
            checks.push(FeatureCheck::new(name, None, place, outcome));
        }
    }
    checks
}

/// Where a feature is compared, its field there, and what was compared.
type Place<'o> = (String, String, &'o Counts);

fn in_decisions<'o>(name: &str, outcome: &'o Outcome) -> Place<'o> {
    ("decision".to_owned(), format!("features.{name}"), &outcome.decisions)
}

impl FeatureCheck {
    fn new(name: &str, entity: Option<&str>, place: Option<Place<'_>>, outcome: &Outcome) -> FeatureCheck {
        let (compared_in, field, compared) = match place {
            Some((of, field, counts)) => (Some(of.clone()), format!("{of}: {field}"), counts.transactions),
            None => (None, String::new(), 0),
        };
        let differences = &outcome.differences;
        let different = differences.by_field.get(&field).copied().unwrap_or(0);
        let worst = differences.worst.get(&field).cloned().unwrap_or_default();
        let equal = compared.saturating_sub(different);
        FeatureCheck {
            feature: name.to_owned(),
            entity: entity.map(str::to_owned),
            compared_in,
            compared,
            equal,
            different,
            share_equal: (compared > 0).then(|| equal as f64 / compared as f64),
            largest: worst.first().and_then(|worst| worst.by),
            worst,
        }
    }
}
