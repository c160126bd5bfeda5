//! Comparison of decisions with published values and with a recomputation.

use crate::data::{DAY, Transaction, file, floats, gzipped_lines, integers, parquet};
use crate::recomputation::{Features, NAMES};
use riskstream_offline::evaluation::{DetectedCards, auc_roc, average_precision, card_precision_at_k};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Means may differ by this, absolutely; everything else by nothing.
const MEAN_TOLERANCE: f64 = 1e-9;
const SCORE_TOLERANCE: f64 = 1e-5;

/// The score and features of a decision.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    pub score: f64,
    pub features: Features,
}

/// The decisions on all transactions, in the order of the transactions.
pub type Decisions = Vec<Decision>;

/// Differences by feature: their number, and the first ones as text.
#[derive(Default)]
pub struct Differences {
    compared: usize,
    by_feature: BTreeMap<&'static str, usize>,
    rows: HashSet<usize>,
    examples: Vec<String>,
}

impl Differences {
    fn compare(
        &mut self,
        row: usize,
        what: &Transaction,
        found: &Features,
        expected: &Features,
        skipped: std::ops::Range<usize>,
    ) {
        self.compared += 1;
        for number in (0..NAMES.len()).filter(|number| !skipped.contains(number)) {
            let (found, expected) = (found[number], expected[number]);
            let equal = if NAMES[number].contains("avg") {
                (found - expected).abs() <= MEAN_TOLERANCE
            } else {
                found.to_bits() == expected.to_bits()
            };
            if !equal {
                *self.by_feature.entry(NAMES[number]).or_default() += 1;
                self.rows.insert(row);
                if self.examples.len() < 12 {
                    self.examples
                        .push(format!("{}: {found}, expected {expected}; {what:?}", NAMES[number]));
                }
            }
        }
    }

    /// Panics if there are any.
    pub fn expect_none(&self, of: &str) {
        let rows = self.rows.len();
        println!("  {of}: {} rows compared, {rows} differ", self.compared);
        assert!(
            rows == 0,
            "{of}: {rows} of {} rows differ: {:#?}\n{}",
            self.compared,
            self.by_feature,
            self.examples.join("\n")
        );
    }
}

/// Compares with recomputed features. `expected` is in the order of `transactions`.
pub fn compare_with_recomputation(
    transactions: &[Transaction],
    decisions: &Decisions,
    expected: &[Features],
) -> Differences {
    let mut differences = Differences::default();
    for (row, (decision, expected)) in decisions.iter().zip(expected).enumerate() {
        differences.compare(row, &transactions[row], &decision.features, expected, 0..0);
    }
    differences
}

/// Compares with the published features of the test week's 67,080 rows. The customer's features are skipped for ties that
/// were published in the other order.
pub fn compare_with_published(transactions: &[Transaction], decisions: &Decisions) -> Differences {
    let reversed = reversed_ties();
    let mut differences = Differences::default();
    for line in gzipped_lines("slice_expected_features_2018-08-08_14.csv.gz") {
        let fields: Vec<f64> = line.split(',').map(|field| field.parse().unwrap()).collect();
        let id = fields[0] as i64;
        let row = index(transactions, id);
        let expected: Features = fields[2..16].try_into().unwrap();
        let skipped = if reversed.contains(&id) { 2..8 } else { 0..0 };
        differences.compare(row, &transactions[row], &decisions[row].features, &expected, skipped);
    }
    assert_eq!(differences.compared, 67_080);
    differences
}

fn reversed_ties() -> HashSet<i64> {
    let text = std::fs::read_to_string(file("customer_ties.csv")).unwrap();
    let reversed = text.lines().filter(|line| line.ends_with(",True"));
    let ids: HashSet<i64> = reversed
        .map(|line| line.split(',').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(ids.len(), 20);
    ids
}

fn index(transactions: &[Transaction], id: i64) -> usize {
    transactions
        .binary_search_by_key(&id, |transaction| transaction.id)
        .unwrap()
}

/// Compares with ONNX Runtime's scores of the test week, and with the published AUC, average precision and card
/// precision@100.
pub fn check_scores(transactions: &[Transaction], decisions: &Decisions, model: &str) {
    let batch = parquet(&file("expected_scores_test_week.parquet"));
    let ids = integers(&batch, "TRANSACTION_ID");
    let expected = floats(&batch, &format!("{model}_onnx"));
    let in_test_set = integers(&batch, "IN_TEST_SET");
    let reversed = reversed_ties();
    let (mut scores, mut labels, mut days, mut customers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut largest, mut compared) = (0.0_f64, 0);
    for ((id, expected), in_test_set) in ids.iter().zip(expected).zip(in_test_set) {
        let row = index(transactions, *id);
        let score = decisions[row].score;
        if !reversed.contains(id) {
            let difference = (score - expected).abs();
            assert!(
                difference <= SCORE_TOLERANCE,
                "{model}: {score}, expected {expected}: {:?}",
                transactions[row]
            );
            largest = largest.max(difference);
            compared += 1;
        }
        if in_test_set == 1 {
            let transaction = &transactions[row];
            scores.push(score);
            labels.push(transaction.fraud);
            days.push(transaction.time.div_euclid(DAY));
            customers.push(transaction.customer);
        }
    }
    assert_eq!(scores.len(), 58_264);
    let found = [
        auc_roc(&scores, &labels).unwrap(),
        average_precision(&scores, &labels).unwrap(),
        card_precision_at_k(&scores, &labels, &days, &customers, 100, DetectedCards::Remove)
            .unwrap()
            .mean,
    ];
    println!("  {model}: {compared} scores, largest difference {largest:e}; AUC, AP, CP@100: {found:.4?}");
    // The README of the data gives four digits for some models, and three for others.
    let (published, tolerance) = match model {
        "logreg" => ([0.8705, 0.6057, 0.2914], 0.00005),
        "random_forest" => ([0.8672, 0.6584, 0.2871], 0.00005),
        "xgboost" => ([0.862, 0.639, 0.273], 0.0005),
        _ => panic!("{model} is not a published model"),
    };
    for (found, published) in found.into_iter().zip(published) {
        assert!(
            (found - published).abs() <= tolerance,
            "{model}: {found}, published {published}"
        );
    }
}

/// Sorts decisions in the order of the transactions.
///
/// # Panics
/// One was decided twice or not at all.
pub fn in_order(transactions: &[Transaction], found: impl Iterator<Item = (i64, Decision)>) -> Decisions {
    let mut by_id: HashMap<i64, Decision> = HashMap::with_capacity(transactions.len());
    let mut twice = 0;
    for (id, decision) in found {
        twice += usize::from(by_id.insert(id, decision).is_some());
    }
    let missing = transactions
        .iter()
        .filter(|transaction| !by_id.contains_key(&transaction.id))
        .count();
    assert_eq!(
        (twice, missing, by_id.len()),
        (0, 0, transactions.len()),
        "decided twice, missing, decided"
    );
    transactions.iter().map(|transaction| by_id[&transaction.id]).collect()
}
