//! 500 transactions of 40 groups, and what scikit-learn 1.9.1 and numpy 2 compute from them. The names of their functions are
//! at each number.

use super::super::*;
use super::close;

struct Case {
    scores: Vec<f64>,
    labels: Vec<bool>,
    days: Vec<i64>,
    amounts: Vec<f64>,
    groups: Vec<u32>,
    weights: Vec<u32>,
}

/// A generator that is easily written again in Python: the scores have many ties.
fn case() -> Case {
    let mut state = 7u64;
    let mut draw = |bound: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let mut times = |count: usize, bound: u64| -> Vec<f64> { (0..count).map(|_| draw(bound) as f64).collect() };
    let scores: Vec<f64> = times(500, 101).into_iter().map(|score| score / 100.0).collect();
    let drawn = times(500, 100);
    let labels = scores
        .iter()
        .zip(drawn)
        .map(|(score, drawn)| drawn < 100.0 * score * score);
    Case {
        labels: labels.collect(),
        scores,
        days: times(500, 5).into_iter().map(|day| day as i64).collect(),
        amounts: times(500, 200).into_iter().map(|amount| amount + 1.0).collect(),
        groups: times(500, 40).into_iter().map(|group| group as u32).collect(),
        weights: times(40, 4).into_iter().map(|weight| weight as u32).collect(),
    }
}

#[test]
fn ranking_is_that_of_scikit_learn() {
    let case = case();
    // roc_auc_score, average_precision_score; the same with sample_weight
    assert!(close(
        auc_roc(&case.scores, &case.labels).unwrap(),
        0.894_111_491_789_168_2
    ));
    assert!(close(
        average_precision(&case.scores, &case.labels).unwrap(),
        0.842_724_128_707_693_8
    ));
    let ranking = Ranking::new(&case.scores, &case.labels, &case.groups).unwrap();
    let (auc, precision) = ranking.weighted(&case.weights);
    assert!(close(auc.unwrap(), 0.896_489_428_479_568_9));
    assert!(close(precision.unwrap(), 0.857_049_956_672_706_3));
    // roc_curve(drop_intermediate=False)
    let curve = roc_curve(&case.scores, &case.labels).unwrap();
    let rates = |place: usize| (curve[place].true_positive_rate, curve[place].false_positive_rate);
    assert_eq!((curve.len(), curve[29].threshold), (101, 0.71));
    assert!(close(rates(29).0, 0.663_212_435_233_160_6) && close(rates(29).1, 0.100_977_198_697_068_41));
}

#[test]
fn weights_of_one_change_nothing_and_of_nothing_there_is_no_auc() {
    let case = case();
    let ranking = Ranking::new(&case.scores, &case.labels, &case.groups).unwrap();
    let (auc, precision) = ranking.weighted(&[1; 40]);
    assert!(close(auc.unwrap(), auc_roc(&case.scores, &case.labels).unwrap()));
    assert!(close(
        precision.unwrap(),
        average_precision(&case.scores, &case.labels).unwrap()
    ));
    assert_eq!(ranking.weighted(&[0; 40]), (None, None));
}

#[test]
fn calibration_is_that_of_scikit_learn() {
    let case = case();
    // brier_score_loss; calibration_curve(n_bins=7, strategy="quantile")
    assert!(close(brier_score(&case.scores, &case.labels).unwrap(), 0.147_709_8));
    let bins = calibration_curve(&case.scores, &case.labels, 7).unwrap();
    #[rustfmt::skip]
    let expected = [
        (0.072_876_712_328_767_08, 0.013_698_630_136_986_3),
        (0.211_216_216_216_216_17, 0.054_054_054_054_054_06),
        (0.360_138_888_888_888_73, 0.166_666_666_666_666_66),
        (0.515_694_444_444_444_2, 0.291_666_666_666_666_7),
        (0.672_272_727_272_727_4, 0.545_454_545_454_545_4),
        (0.823_661_971_830_986_2, 0.718_309_859_154_929_6),
        (0.943_749_999_999_999_6, 0.944_444_444_444_444_4),
    ];
    assert_eq!(bins.iter().map(|bin| bin.count).sum::<usize>(), 500);
    for (bin, (score, rate)) in bins.iter().zip(expected) {
        assert!(close(bin.mean_score, score) && close(bin.fraud_rate, rate), "{bin:?}");
    }
    let of_one_score = calibration_curve(&[0.5; 3], &[true, false, false], 10).unwrap();
    assert_eq!(of_one_score.iter().map(|bin| bin.count).collect::<Vec<_>>(), [3]);
}

#[test]
fn the_distribution_is_that_of_numpy() {
    let case = case();
    // histogram(bins=8, range=(0, 1))
    let bins = score_distribution(&case.scores, &case.labels, 8).unwrap();
    let genuine: Vec<usize> = bins.iter().map(|bin| bin.genuine).collect();
    let frauds: Vec<usize> = bins.iter().map(|bin| bin.frauds).collect();
    assert_eq!(genuine, [61, 71, 48, 45, 33, 25, 20, 4]);
    assert_eq!(frauds, [1, 2, 8, 13, 20, 30, 51, 68]);
    let logits = score_distribution(&[-3.0, 1.0, 5.0], &[false, false, true], 2).unwrap();
    assert_eq!(
        (logits[0].low, logits[0].genuine, logits[1].genuine, logits[1].frauds),
        (-3.0, 1, 1, 1)
    );
}

#[test]
fn the_cheapest_threshold_is_that_of_a_search_over_all() {
    let case = case();
    let costs = Costs {
        alert: 3.0,
        false_alarm: 7.0,
    };
    let curve = cost_curve(&case.scores, &case.labels, &case.amounts, costs).unwrap();
    assert_eq!(curve.len(), 102);
    assert_eq!((curve[0].threshold, curve[0].cost), (None, 19_995.0));
    let best = cheapest(&curve).unwrap();
    assert_eq!(
        (best.threshold, best.alerts, best.frauds, best.cost),
        (Some(0.25), 365, 190, 2_671.0)
    );
    let alerted = case.scores.iter().zip(&case.labels).zip(&case.amounts);
    let same = costs.of(alerted.map(|((score, fraud), amount)| (*score >= 0.25, *fraud, *amount)));
    assert_eq!(
        same,
        CostPoint {
            threshold: None,
            ..best
        }
    );
}

#[test]
fn precision_at_k_is_the_mean_over_orders_of_ties() {
    let case = case();
    let found = precision_at_k(&case.scores, &case.labels, &case.days, 9).unwrap();
    let expected = [0.833_333_333_333_333_4, 1.0, 0.955_555_555_555_555_5, 1.0, 1.0];
    assert!(
        found
            .daily
            .iter()
            .zip(expected)
            .all(|((_, found), expected)| close(*found, expected))
    );
    assert!(close(found.mean, 0.957_777_777_777_777_7));
    let of_few = precision_at_k(&[0.5], &[true], &[3], 4).unwrap();
    assert_eq!(of_few.daily, [(3, 0.25)]);
}

#[test]
fn the_interval_of_a_sum_is_that_of_two_hundred_thousand_replicas_of_numpy() {
    let case = case();
    let mut sums = [0.0; 40];
    for (group, amount) in case.groups.iter().zip(&case.amounts) {
        sums[*group as usize] += amount;
    }
    let interval = |seed| {
        let resampling = Resampling { seed, replicas: 4_000 };
        let sum = |drawn: &[u32]| drawn.iter().zip(sums).map(|(drawn, sum)| f64::from(*drawn) * sum).sum();
        let [interval, never] = resampling.intervals(40, |drawn| [Some(sum(drawn)), None]);
        assert_eq!(never, None);
        interval.unwrap()
    };
    // percentile(…, [2.5, 97.5]) of sums of choice(40, 40): 45952, 54834
    let found = interval(1);
    assert!(
        (found.low - 45_952.0).abs() < 250.0 && (found.high - 54_834.0).abs() < 250.0,
        "{found:?}"
    );
    assert_eq!(found, interval(1));
    assert_ne!(found, interval(2));
}
