use super::*;

/// Labels written as a string of 0 and 1.
fn labels(text: &str) -> Vec<bool> {
    text.bytes().map(|byte| byte == b'1').collect()
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-12
}

#[test]
fn auc_and_average_precision_of_small_cases() {
    // Scores, labels, AUC, average precision: worked by hand.
    #[rustfmt::skip]
    let cases: [(&[f64], &str, f64, f64); 8] = [
        (&[0.9, 0.8, 0.2, 0.1], "1100", 1.0, 1.0),
        (&[0.9, 0.8, 0.2, 0.1], "0011", 0.0, 0.5 * (1.0 / 3.0) + 0.5 * (2.0 / 4.0)),
        (&[0.1, 0.4, 0.35, 0.8], "0011", 0.75, 0.5 * 1.0 + 0.5 * (2.0 / 3.0)),
        // All tied: one threshold, precision is the share of fraud.
        (&[0.5, 0.5, 0.5, 0.5], "1000", 0.5, 0.25),
        // A tie across the classes at the top.
        (&[0.9, 0.9, 0.1], "100", 0.75, 0.5),
        (&[0.9, 0.9, 0.1], "010", 0.75, 0.5),
        (&[0.0, -0.0], "10", 0.5, 0.5),
        (&[f64::INFINITY, 1.0, f64::NEG_INFINITY], "101", 0.5, 0.5 * 1.0 + 0.5 * (2.0 / 3.0)),
    ];
    for (scores, text, auc, precision) in cases {
        let labels = labels(text);
        let found = (
            auc_roc(scores, &labels).unwrap(),
            average_precision(scores, &labels).unwrap(),
        );
        assert!(
            close(found.0, auc) && close(found.1, precision),
            "{scores:?} {text}: {found:?}"
        );
    }
}

#[test]
fn auc_equals_the_count_of_ordered_pairs() {
    // A small generator with many ties; the oracle compares every pair.
    let mut state = 7u64;
    let mut draw = |bound: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let scores: Vec<f64> = (0..300).map(|_| draw(20) as f64).collect();
    let labels: Vec<bool> = (0..300).map(|_| draw(4) == 0).collect();
    let mut ordered = 0.0;
    let mut pairs = 0.0;
    for (fraud_score, _) in scores.iter().zip(&labels).filter(|(_, fraud)| **fraud) {
        for (score, _) in scores.iter().zip(&labels).filter(|(_, fraud)| !**fraud) {
            pairs += 1.0;
            ordered += if fraud_score > score {
                1.0
            } else if fraud_score == score {
                0.5
            } else {
                0.0
            };
        }
    }
    assert!(close(auc_roc(&scores, &labels).unwrap(), ordered / pairs));
}

#[test]
fn the_curve_has_a_point_for_each_distinct_score() {
    let curve = precision_recall_curve(&[0.1, 0.4, 0.4, 0.8], &labels("0101")).unwrap();
    let points: Vec<_> = curve
        .iter()
        .map(|point| (point.threshold, point.precision, point.recall))
        .collect();
    assert_eq!(points, [(0.1, 0.5, 1.0), (0.4, 2.0 / 3.0, 1.0), (0.8, 1.0, 0.5)]);
}

#[test]
fn order_of_the_slices_does_not_matter() {
    let scores = [0.5, 0.5, 0.2, 0.9, 0.2];
    let truth = [true, false, true, false, false];
    let reversed = |slice: &[f64]| slice.iter().rev().copied().collect::<Vec<f64>>();
    let reversed_truth: Vec<bool> = truth.iter().rev().copied().collect();
    assert_eq!(auc_roc(&scores, &truth), auc_roc(&reversed(&scores), &reversed_truth));
    assert_eq!(
        average_precision(&scores, &truth),
        average_precision(&reversed(&scores), &reversed_truth)
    );
}

#[test]
fn card_precision_counts_cards_not_transactions() {
    // Day 0: card a (0.9, fraud on its lower payment), b (0.8), c (0.7, fraud). Top two: a and b.
    let scores = [0.9, 0.1, 0.8, 0.7];
    let truth = labels("0101");
    let found = card_precision_at_k(&scores, &truth, &[0; 4], &["a", "a", "b", "c"], 2, DetectedCards::Keep).unwrap();
    assert_eq!(
        found,
        CardPrecision {
            daily: vec![(0, 0.5)],
            mean: 0.5
        }
    );
}

#[test]
fn a_detected_card_is_removed_from_later_days() {
    // On day 4 card 1 is found out; on day 5 it is the top card again, unless it was blocked: then card 2, genuine, is.
    let scores = [0.9, 0.2, 0.9, 0.3, 0.1];
    let truth = labels("10100");
    let days = [4, 4, 5, 5, 5];
    let cards = [1, 2, 1, 2, 3];
    let precision = |treatment| card_precision_at_k(&scores, &truth, &days, &cards, 1, treatment).unwrap();
    assert_eq!(
        precision(DetectedCards::Keep),
        CardPrecision {
            daily: vec![(4, 1.0), (5, 1.0)],
            mean: 1.0
        }
    );
    assert_eq!(
        precision(DetectedCards::Remove),
        CardPrecision {
            daily: vec![(4, 1.0), (5, 0.0)],
            mean: 0.5
        }
    );
}

#[test]
fn an_undetected_or_genuine_card_stays() {
    // Card 2 is compromised on day 0 but not among the top one; card 1 is genuine and at the top on both days.
    let scores = [0.9, 0.8, 0.5, 0.9];
    let truth = labels("0101");
    let found = card_precision_at_k(&scores, &truth, &[0, 0, 1, 1], &[1, 2, 1, 2], 1, DetectedCards::Remove).unwrap();
    assert_eq!(found.daily, [(0, 0.0), (1, 1.0)]);
}

#[test]
fn ties_of_cards_go_to_the_smaller_key_and_few_cards_are_divided_by_k() {
    #[rustfmt::skip]
    let cases = [
        (vec!["b", "a"], 1, 1.0),
        (vec!["a", "b"], 1, 0.0),
        (vec!["a", "b"], 2, 0.5),
        (vec!["a", "b"], 4, 0.25),
    ];
    for (cards, k, expected) in cases {
        let found = card_precision_at_k(&[0.5, 0.5], &labels("01"), &[0, 0], &cards, k, DetectedCards::Keep).unwrap();
        assert_eq!(found.mean, expected, "{cards:?} {k}");
    }
}

#[test]
fn what_is_not_defined_is_an_error() {
    use EvaluationError::*;
    #[rustfmt::skip]
    let cases: [(Result<f64, EvaluationError>, EvaluationError); 7] = [
        (auc_roc(&[0.1], &[]), Length { name: "labels", found: 0, expected: 1 }),
        (auc_roc(&[0.1, f64::NAN], &[true, false]), NotANumber(1)),
        (auc_roc(&[0.1], &[true]), NoGenuine),
        (auc_roc(&[0.1], &[false]), NoFraud),
        (average_precision(&[], &[]), NoFraud),
        (card_precision_at_k(&[0.1], &[true], &[0], &[1], 0, DetectedCards::Keep).map(|found| found.mean), NoCards),
        (card_precision_at_k::<u32>(&[], &[], &[], &[], 1, DetectedCards::Keep).map(|found| found.mean), NoTransactions),
    ];
    for (found, expected) in cases {
        assert_eq!(found, Err(expected));
    }
}

mod oracles;
