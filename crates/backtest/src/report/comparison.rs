//! Differences between the base and another variant.

use super::outcomes::Judged;
use super::scores::{Scored, scored};
use super::{Facts, VariantReport, period};
use crate::labels::Truth;
use crate::ledger::{Decisions, Logged};
use riskstream_engine::plan::Plan;
use riskstream_offline::evaluation::{Interval, Ranking};
use riskstream_policy::Outcome;
use serde::Serialize;
use std::collections::BTreeMap;

/// Payments that are listed.
const LISTED: usize = 50;

/// Another variant compared with the base.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The base.
    pub base: String,
    /// The other variant.
    pub variant: String,
    /// Payments that get another outcome.
    pub changed: Judged,
    /// By the two outcomes.
    pub changes: Vec<OutcomeChange>,
    /// Measures of both.
    pub differences: Vec<Difference>,
    /// The payments that move most: by steps of the outcome, then by the score, then by the amount.
    pub moved: Vec<Moved>,
}

/// Payments whose outcome changes in one way.
#[derive(Clone, Debug, Serialize)]
pub struct OutcomeChange {
    /// The base's outcome.
    pub from: String,
    /// The other's.
    pub to: String,
    /// The payments.
    #[serde(flatten)]
    pub payments: Judged,
}

/// A measure of both variants.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// What is measured.
    pub measure: &'static str,
    /// The base's value.
    pub base: f64,
    /// The other's.
    pub variant: f64,
    /// The other's less the base's.
    pub difference: f64,
    /// The 95 % interval of the difference over resampled cards.
    pub interval: Option<Interval>,
}

/// A payment that moves.
#[derive(Clone, Debug, Serialize)]
pub struct Moved {
    /// Its id.
    pub id: String,
    /// Its time.
    pub time: String,
    /// Its amount.
    pub amount: f64,
    /// What is known of it.
    pub truth: Truth,
    /// What the base decides.
    pub base: Side,
    /// What the other decides.
    pub variant: Side,
}

/// The decision of a variant on a payment.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// Its outcome.
    pub outcome: String,
    /// Its score.
    pub score: Option<f64>,
    /// The rules and thresholds that fire.
    pub reasons: Vec<String>,
}

pub(super) fn compare(facts: Facts<'_>, reports: &[VariantReport], other: usize) -> Comparison {
    let (base, variant) = (&facts.ledger.decisions[0], &facts.ledger.decisions[other]);
    let both = |number: usize| Some((base.get(number)?, variant.get(number)?));
    let mut changed = Judged::default();
    let mut changes: BTreeMap<(Outcome, Outcome), Judged> = BTreeMap::new();
    let plans = [&facts.options.variants[0].1, &facts.options.variants[other].1];
    let word = |side: usize, outcome| plans[side].decide.policy.outcomes().word(outcome);
    let mut moving: Vec<(usize, f64, f64, usize)> = Vec::new();
    for (number, payment) in facts.ledger.payments.iter().enumerate() {
        let Some((a, b)) = both(number) else { continue };
        let truth = facts.truths[number];
        let is_other = word(0, a.outcome) != word(1, b.outcome);
        if is_other {
            changed.add(payment.amount, truth);
            let change = changes.entry((a.outcome, b.outcome)).or_default();
            change.add(payment.amount, truth);
        }
        // The variants may list different outcomes.
        let steps = match is_other {
            true => a.outcome.severity().abs_diff(b.outcome.severity()).max(1),
            false => 0,
        };
        let by_score = a.score().zip(b.score()).map_or(0.0, |(a, b)| (a - b).abs());
        if steps > 0 || by_score > 0.0 {
            moving.push((steps, by_score, payment.amount, number));
        }
    }
    moving.sort_by(|a, b| {
        let by_size = b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then(b.2.total_cmp(&a.2));
        by_size.then(a.3.cmp(&b.3))
    });
    let moved = moving.iter().take(LISTED).filter_map(|(.., number)| {
        let ((a, b), payment) = (both(*number)?, &facts.ledger.payments[*number]);
        Some(Moved {
            id: payment.id.to_string(),
            time: period::time(payment.time),
            amount: payment.amount,
            truth: facts.truths[*number],
            base: side(plans[0], base, a),
            variant: side(plans[1], variant, b),
        })
    });
    let changes = changes.into_iter().map(|((from, to), payments)| OutcomeChange {
        from: word(0, from).to_owned(),
        to: word(1, to).to_owned(),
        payments,
    });
    Comparison {
        base: reports[0].name.clone(),
        variant: reports[other].name.clone(),
        changed,
        changes: changes.collect(),
        differences: differences(facts, base, variant),
        moved: moved.collect(),
    }
}

fn side(plan: &Plan, decisions: &Decisions, logged: &Logged) -> Side {
    let fired = decisions.fired(logged).iter();
    let reasons = fired.filter_map(|rule| plan.decide.policy.reason(*rule as usize));
    Side {
        outcome: plan.decide.policy.outcomes().word(logged.outcome).to_owned(),
        score: logged.score(),
        reasons: reasons.map(|reason| reason.name.clone()).collect(),
    }
}

/// Sums over judged payments, by card: caught frauds and their money, all frauds and theirs, alerts, genuine payments alerted on.
fn sums(facts: Facts<'_>, decisions: &Decisions) -> Vec<[f64; 6]> {
    let mut sums = vec![[0.0; 6]; facts.ledger.cards()];
    for (number, payment) in facts.ledger.payments.iter().enumerate() {
        let (Some(logged), Some(fraud)) = (decisions.get(number), facts.truths[number].fraud()) else {
            continue;
        };
        let [caught, caught_amount, frauds, fraud_amount, alerts, disturbed] = &mut sums[payment.card as usize];
        let is_alert = logged.outcome > Outcome::MILDEST;
        *alerts += f64::from(u8::from(is_alert));
        match (fraud, is_alert) {
            (true, _) => {
                *frauds += 1.0;
                *fraud_amount += payment.amount;
                *caught += f64::from(u8::from(is_alert));
                *caught_amount += if is_alert { payment.amount } else { 0.0 };
            }
            (false, is_alert) => *disturbed += f64::from(u8::from(is_alert)),
        }
    }
    sums
}

const MEASURES: [&str; 7] = [
    "AUC",
    "average precision",
    "frauds caught, share",
    "fraud money caught, share",
    "precision of alerts",
    "alerts",
    "genuine payments alerted on",
];

/// The measures with each card as often as it was drawn.
fn measures(ranking: Option<&Ranking>, sums: &[[f64; 6]], drawn: &[u32]) -> [Option<f64>; 7] {
    let mut total = [0.0; 6];
    for (sums, drawn) in sums.iter().zip(drawn) {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += f64::from(*drawn) * sum;
        }
    }
    let [caught, caught_amount, frauds, fraud_amount, alerts, disturbed] = total;
    let share = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    let (auc, precision) = ranking.map_or((None, None), |ranking| ranking.weighted(drawn));
    [
        auc,
        precision,
        share(caught, frauds),
        share(caught_amount, fraud_amount),
        share(caught, alerts),
        Some(alerts),
        Some(disturbed),
    ]
}

fn differences(facts: Facts<'_>, base: &Decisions, variant: &Decisions) -> Vec<Difference> {
    let cards = facts.ledger.cards();
    let ranking = |decisions| {
        let Scored {
            scores, labels, cards, ..
        } = scored(facts, decisions);
        let ranking = Ranking::new(&scores, &labels, &cards);
        ranking.ok().filter(|_| !scores.is_empty())
    };
    let rankings = [base, variant].map(ranking);
    let sums = [base, variant].map(|decisions| sums(facts, decisions));
    let of_both = |drawn: &[u32]| [0, 1].map(|side| measures(rankings[side].as_ref(), &sums[side], drawn));
    let intervals = facts.options.resampling.intervals(cards, |drawn| {
        let [base, variant] = of_both(drawn);
        std::array::from_fn::<_, 7, _>(|measure| Some(variant[measure]? - base[measure]?))
    });
    let [base, variant] = of_both(&vec![1; cards]);
    let difference = |measure: usize| {
        let (base, variant) = (base[measure]?, variant[measure]?);
        Some(Difference {
            measure: MEASURES[measure],
            base,
            variant,
            difference: variant - base,
            interval: intervals[measure],
        })
    };
    (0..MEASURES.len()).filter_map(difference).collect()
}
