//! Hits of each rule and threshold, alone and with others.

use super::outcomes::Judged;
use crate::labels::Truth;
use crate::ledger::{Decisions, Ledger};
use riskstream_engine::plan::Plan;
use serde::Serialize;
use std::collections::BTreeMap;

/// Rules and thresholds.
#[derive(Clone, Debug, Serialize)]
pub struct Rules {
    /// Those that fired, in the order of the file.
    pub fired: Vec<RuleReport>,
    /// The names of the others.
    pub never_fired: Vec<String>,
    /// How often two fired together.
    pub overlaps: Vec<Overlap>,
}

/// A rule or threshold.
#[derive(Clone, Debug, Serialize)]
pub struct RuleReport {
    /// Its name.
    pub name: String,
    /// Its outcome.
    pub outcome: String,
    /// `active` or `shadow`.
    pub mode: &'static str,
    /// The payments for which it fired.
    pub hits: Judged,
    /// Those for which nothing else fired.
    pub unique_hits: Judged,
    /// The share of frauds among its judged hits.
    pub precision: Option<f64>,
    /// The share of its hits among all frauds.
    pub recall: Option<f64>,
}

/// Two rules that fired for the same payments.
#[derive(Clone, Debug, Serialize)]
pub struct Overlap {
    /// The first in the file.
    pub a: String,
    /// The other.
    pub b: String,
    /// For so many payments both fired.
    pub payments: usize,
}

pub(super) fn rules(ledger: &Ledger, truths: &[Truth], plan: &Plan, decisions: &Decisions) -> Rules {
    let policy = &plan.decide.policy;
    let count = policy.reasons().len();
    let (mut hits, mut unique) = (vec![Judged::default(); count], vec![Judged::default(); count]);
    let mut pairs: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    let mut frauds = 0;
    for (number, payment) in ledger.payments.iter().enumerate() {
        let Some(logged) = decisions.get(number) else { continue };
        let truth = truths[number];
        frauds += usize::from(truth.fraud() == Some(true));
        let (fired, shadows) = (decisions.fired(logged), decisions.shadows(logged));
        for rule in fired.iter().chain(shadows) {
            hits[*rule as usize].add(payment.amount, truth);
        }
        // A shadow rule adds to the active ones; what it fires for takes nothing from them.
        match (fired, shadows) {
            ([rule], _) | ([], [rule]) => unique[*rule as usize].add(payment.amount, truth),
            _ => {}
        }
        let mut all: Vec<u32> = Vec::new();
        if fired.len() + shadows.len() > 1 {
            all.extend(fired.iter().chain(shadows));
            all.sort_unstable();
        }
        for (place, a) in all.iter().enumerate() {
            for b in &all[place + 1..] {
                *pairs.entry((*a, *b)).or_default() += 1;
            }
        }
    }
    let reasons: Vec<_> = policy.reasons().collect();
    let fired = reasons
        .iter()
        .zip(hits.iter().zip(&unique))
        .filter(|(_, (hits, _))| hits.payments > 0);
    let silent = reasons.iter().zip(&hits).filter(|(_, hits)| hits.payments == 0);
    Rules {
        fired: fired
            .map(|(reason, (hits, unique))| RuleReport {
                name: reason.name.clone(),
                outcome: plan.decide.policy.outcomes().word(reason.outcome).to_owned(),
                mode: reason.mode.as_str(),
                hits: *hits,
                unique_hits: *unique,
                precision: hits.precision(),
                recall: (frauds > 0).then(|| hits.frauds as f64 / frauds as f64),
            })
            .collect(),
        never_fired: silent.map(|(reason, _)| reason.name.clone()).collect(),
        overlaps: pairs
            .into_iter()
            .map(|((a, b), payments)| Overlap {
                a: reasons[a as usize].name.clone(),
                b: reasons[b as usize].name.clone(),
                payments,
            })
            .collect(),
    }
}
