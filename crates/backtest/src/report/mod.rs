//! The report as numbers, which the text, the JSON and the HTML show.

mod comparison;
mod outcomes;
mod period;
mod recorded;
mod rules;
mod scores;

pub use comparison::{Comparison, Difference, Moved, OutcomeChange, Side};
pub use outcomes::{ByOutcome, Day, Judged, SegmentRow, Segments};
pub use recorded::{Recorded, RulesReport};
pub use rules::{Overlap, RuleReport, Rules};
pub use scores::{CostReport, CurveSample, ScoreReport, TopK};

use crate::labels::{AsOf, Labels, Places, Truth};
use crate::ledger::{Decisions, Ledger};
use riskstream_engine::plan::Plan;
use riskstream_offline::evaluation::{Costs, Resampling};
use serde::Serialize;
use std::sync::Arc;

/// The options of a report.
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// When labels count.
    pub as_of: AsOf,
    /// How many payments and cards investigators look at each day.
    pub k: usize,
    /// What alerts cost, if that is known.
    pub costs: Option<Costs>,
    /// What a missed fraud costs in place of its amount.
    pub missed_fraud: Option<f64>,
    /// How differences between variants are resampled.
    pub resampling: Resampling,
    /// The names of the segmentations.
    pub segmentations: Vec<String>,
    /// The name of the amount's field, if there is one.
    pub amount: Option<String>,
    /// The names and plans of the variants, the base first.
    pub variants: Vec<(String, Arc<Plan>)>,
}

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The pipeline's name.
    pub pipeline: String,
    /// The version of riskstream.
    pub riskstream: &'static str,
    /// The time of the first payment, RFC 3339.
    pub first: String,
    /// The time of the last one.
    pub last: String,
    /// What was known by then counts, if not everything does.
    pub as_of: Option<String>,
    /// The field of the amounts, if there is one.
    pub amount: Option<String>,
    /// Payments in the period.
    pub payments: usize,
    /// Payments decided before or after it.
    pub outside_period: usize,
    /// Payments whose label counts.
    pub judged: usize,
    /// Frauds among them.
    pub frauds: usize,
    /// Their money.
    pub fraud_amount: f64,
    /// Payments whose label was not known yet, or may still come.
    pub too_young: usize,
    /// Payments without a label.
    pub unlabelled: usize,
    /// Payments with the id of one before.
    pub repeated: Places,
    /// Labels read.
    pub labels: u64,
    /// Labels of a payment that has another one.
    pub repeated_labels: Places,
    /// Labels without id or truth.
    pub incomplete_labels: Places,
    /// Labels of no payment.
    pub labels_without_payment: Places,
    /// Each variant, the base first.
    pub variants: Vec<VariantReport>,
    /// Each other variant compared with the base.
    pub comparisons: Vec<Comparison>,
}

/// The results of a variant.
#[derive(Clone, Debug, Serialize)]
pub struct VariantReport {
    /// Its name.
    pub name: String,
    /// The version of its pipeline.
    pub version: String,
    /// Payments of the period that it did not decide on.
    pub undecided: usize,
    /// Its outcomes.
    pub outcomes: ByOutcome,
    /// The same by day, UTC.
    pub days: Vec<Day>,
    /// How good its scores are, if there are some with labels of both kinds.
    pub scores: Option<ScoreReport>,
    /// Why there are none.
    pub no_scores: Option<String>,
    /// Its rules and thresholds.
    pub rules: Rules,
    /// By segment.
    pub segments: Vec<Segments>,
}

/// The data from which a report is computed: the ledger, and the label of each payment.
#[derive(Clone, Copy)]
struct Facts<'a> {
    ledger: &'a Ledger,
    truths: &'a [Truth],
    options: &'a ReportOptions,
}

impl Facts<'_> {
    /// What a missed fraud costs.
    fn loss(&self, payment: usize) -> f64 {
        self.options
            .missed_fraud
            .unwrap_or(self.ledger.payments[payment].amount)
    }
}

/// Computes the report.
pub fn report(ledger: &Ledger, labels: &Labels, options: &ReportOptions) -> Report {
    let (truths, labels_without_payment) = labels.judge(
        ledger.payments(),
        ledger.outside.iter().map(|id| id.as_str()),
        options.as_of,
    );
    let count = |wanted: Truth| truths.iter().filter(|truth| **truth == wanted).count();
    let frauds = ledger
        .payments
        .iter()
        .zip(&truths)
        .filter(|(_, truth)| **truth == Truth::Fraud);
    let mut repeated = Places::default();
    for (payment, truth) in ledger.payments.iter().zip(&truths) {
        if *truth == Truth::Repeated {
            repeated.add(|| format!("`{}` at {}", payment.id, period::time(payment.time)));
        }
    }
    let facts = Facts {
        ledger,
        truths: &truths,
        options,
    };
    let variants = options.variants.iter().zip(&ledger.decisions);
    let variants: Vec<VariantReport> = variants
        .map(|(variant, decisions)| of_variant(facts, variant, decisions))
        .collect();
    let times = || ledger.payments.iter().map(|payment| payment.time);
    Report {
        pipeline: options
            .variants
            .first()
            .map_or(String::new(), |(_, plan)| plan.name.clone()),
        riskstream: env!("CARGO_PKG_VERSION"),
        first: times().min().map_or(String::new(), period::time),
        last: times().max().map_or(String::new(), period::time),
        as_of: options.as_of.time.map(period::time),
        amount: options.amount.clone(),
        payments: ledger.len(),
        outside_period: ledger.outside.len(),
        judged: count(Truth::Fraud) + count(Truth::Genuine),
        frauds: count(Truth::Fraud),
        fraud_amount: frauds.map(|(payment, _)| payment.amount).sum(),
        too_young: count(Truth::TooYoung),
        unlabelled: count(Truth::Unlabelled),
        repeated,
        labels: labels.records,
        repeated_labels: labels.repeated.clone(),
        incomplete_labels: labels.incomplete.clone(),
        labels_without_payment,
        comparisons: (1..variants.len())
            .map(|other| comparison::compare(facts, &variants, other))
            .collect(),
        variants,
    }
}

fn of_variant(facts: Facts<'_>, (name, plan): &(String, Arc<Plan>), decisions: &Decisions) -> VariantReport {
    let scores = scores::scores(facts, decisions);
    let words = plan.decide.policy.outcomes();
    let decided = (0..facts.ledger.len())
        .filter(|payment| decisions.get(*payment).is_some())
        .count();
    VariantReport {
        name: name.clone(),
        version: plan.version.clone(),
        undecided: facts.ledger.len() - decided,
        outcomes: outcomes::outcomes(facts.ledger, facts.truths, words, decisions),
        days: outcomes::days(facts, words, decisions),
        no_scores: scores.as_ref().err().cloned(),
        scores: scores.ok(),
        rules: rules::rules(facts.ledger, facts.truths, plan, decisions),
        segments: outcomes::segments(facts, words, decisions),
    }
}
