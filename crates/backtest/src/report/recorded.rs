//! The report on decisions that a pipeline has made, read from its topic: the hits of its rules, judged by labels.

use super::outcomes::{ByOutcome, Judged, outcomes};
use super::period;
use super::rules::{Rules, rules};
use crate::labels::{AsOf, Labels};
use crate::ledger::{DecisionEntry, Ledger};
use compact_str::CompactString;
use riskstream_engine::plan::Plan;
use riskstream_events::{FeatureValue, OwnedDecisionRecord, OwnedReason, time};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Decisions that were read.
pub struct Recorded {
    plan: Arc<Plan>,
    /// The feature that is the amount of a payment.
    amount: Option<String>,
    /// The numbers of the rules and thresholds of the plan.
    rules: HashMap<String, usize>,
    ledger: Ledger,
    ids: HashSet<CompactString>,
    repeated: usize,
    unusable: usize,
    other_versions: BTreeMap<String, usize>,
}

/// The hits of the rules of a pipeline.
#[derive(Clone, Debug, Serialize)]
pub struct RulesReport {
    /// The pipeline's name.
    pub pipeline: String,
    /// Event times of the first and the last payment, RFC 3339; none without decisions.
    pub period: Option<(String, String)>,
    /// Payments that were decided.
    pub payments: usize,
    /// Decisions on a payment that was decided before: not counted.
    pub repeated: usize,
    /// Decisions whose outcome or time this pipeline does not have: not counted.
    pub unusable: usize,
    /// The feature that is the amount, if there is one.
    pub amount: Option<String>,
    /// How many payments have a label that counts, and how many of them are fraud.
    pub judged: Judged,
    /// Payments by outcome.
    pub outcomes: ByOutcome,
    /// The rules.
    pub rules: Rules,
    /// Rules that decisions name and the pipeline file does not have, with their hits.
    pub other_versions: BTreeMap<String, usize>,
}

impl Recorded {
    /// No decisions yet of a pipeline. `amount`: the feature that is the amount of a payment.
    pub fn new(plan: Arc<Plan>, amount: Option<String>) -> Recorded {
        let reasons = plan.decide.policy.reasons();
        Recorded {
            rules: reasons.map(|reason| reason.name.clone()).zip(0..).collect(),
            plan,
            amount,
            ledger: Ledger::new(Default::default(), 1),
            ids: HashSet::new(),
            repeated: 0,
            unusable: 0,
            other_versions: BTreeMap::new(),
        }
    }

    /// Adds a decision.
    pub fn add(&mut self, decision: &OwnedDecisionRecord) {
        let outcome = self.plan.decide.policy.outcomes().find(&decision.outcome);
        let (Some(outcome), Some(time)) = (outcome, time::parse(&decision.event_time)) else {
            self.unusable += 1;
            return;
        };
        if !self.ids.insert(decision.event_id.as_str().into()) {
            self.repeated += 1;
            return;
        }
        let amount = self.amount.as_deref().and_then(|name| decision.feature(name));
        let payment = self.ledger.add_bare(&decision.event_id, time, amount.and_then(number));
        // A reason with a contribution is a feature that moved the score.
        let fired = decision.reasons.iter().filter(|reason| reason.contribution.is_none());
        let noted = DecisionEntry {
            score: decision.score,
            outcome,
            fired: &self.numbers(fired),
            shadows: &self.numbers(decision.shadow_rules.iter()),
        };
        self.ledger.decisions[0].note(payment, noted);
    }

    fn numbers<'r>(&mut self, reasons: impl Iterator<Item = &'r OwnedReason>) -> Vec<usize> {
        let mut numbers = Vec::new();
        for reason in reasons {
            match self.rules.get(&reason.name) {
                Some(number) => numbers.push(*number),
                None => *self.other_versions.entry(reason.name.clone()).or_default() += 1,
            }
        }
        numbers
    }

    /// The report. Without labels nothing is judged.
    pub fn report(&self, labels: &Labels, as_of: AsOf) -> RulesReport {
        let payments = self.ledger.payments();
        let (truths, _) = labels.judge(payments.clone(), std::iter::empty(), as_of);
        let mut judged = Judged::default();
        for (payment, truth) in self.ledger.payments.iter().zip(&truths) {
            judged.add(payment.amount, *truth);
        }
        let times = || payments.clone().map(|(_, time)| time);
        RulesReport {
            pipeline: self.plan.name.clone(),
            period: times()
                .min()
                .zip(times().max())
                .map(|(first, last)| (period::time(first), period::time(last))),
            payments: self.ledger.len(),
            repeated: self.repeated,
            unusable: self.unusable,
            amount: self.amount.clone(),
            judged,
            outcomes: outcomes(
                &self.ledger,
                &truths,
                self.plan.decide.policy.outcomes(),
                &self.ledger.decisions[0],
            ),
            rules: rules(&self.ledger, &truths, &self.plan, &self.ledger.decisions[0]),
            other_versions: self.other_versions.clone(),
        }
    }
}

fn number(value: &FeatureValue) -> Option<f64> {
    match value {
        FeatureValue::Int(number) => Some(*number as f64),
        FeatureValue::Float(number) => Some(*number),
        _ => None,
    }
}
