//! Precision of the k most suspicious payments or cards of a day.

use super::{EvaluationError, check};
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of a compromised card that was among a day's top cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetectedCards {
    /// It takes part again on later days.
    Keep,
    /// It is blocked: its transactions on later days are left out. This gives the numbers that the Fraud Detection
    /// Handbook publishes as card precision top-k.
    Remove,
}

/// Card precision at k.
#[derive(Clone, Debug, PartialEq)]
pub struct CardPrecision {
    /// For each day with transactions, in order, the day and the share of compromised cards among its top k.
    pub daily: Vec<(i64, f64)>,
    /// The mean over these days.
    pub mean: f64,
}

/// The share of compromised cards among the k cards that investigators would look at each day: those whose highest
/// score of the day is highest, in case of a tie the smaller key. A card is compromised on a day if any of its
/// transactions that day is a fraud. A day with fewer than k cards is still divided by k.
///
/// `days` numbers the day of each transaction, `cards` says whose it is (the card or the customer).
///
/// # Errors
/// When the slices differ in length or are empty, a score is NaN, or k is 0.
pub fn card_precision_at_k<K: Ord>(
    scores: &[f64],
    labels: &[bool],
    days: &[i64],
    cards: &[K],
    k: usize,
    detected_cards: DetectedCards,
) -> Result<CardPrecision, EvaluationError> {
    check(scores, "labels", labels.len())?;
    check(scores, "days", days.len())?;
    check(scores, "cards", cards.len())?;
    if k == 0 {
        return Err(EvaluationError::NoCards);
    }
    let mut cards_by_day: BTreeMap<i64, BTreeMap<&K, CardDay>> = BTreeMap::new();
    for (((&score, &fraud), &day), card) in scores.iter().zip(labels).zip(days).zip(cards) {
        let entry = cards_by_day.entry(day).or_default().entry(card);
        let card_day = entry.or_insert(CardDay {
            score,
            compromised: false,
        });
        card_day.score = card_day.score.max(score);
        card_day.compromised |= fraud;
    }
    let mut detected: BTreeSet<&K> = BTreeSet::new();
    let mut daily = Vec::with_capacity(cards_by_day.len());
    for (day, cards) in cards_by_day {
        let mut ranked: Vec<(&K, CardDay)> = cards.into_iter().filter(|(card, _)| !detected.contains(card)).collect();
        // The sort is stable and the map's order ascending, so that ties go to the smaller key.
        ranked.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score));
        ranked.truncate(k);
        ranked.retain(|(_, card_day)| card_day.compromised);
        daily.push((day, ranked.len() as f64 / k as f64));
        if detected_cards == DetectedCards::Remove {
            detected.extend(ranked.into_iter().map(|(card, _)| card));
        }
    }
    if daily.is_empty() {
        return Err(EvaluationError::NoTransactions);
    }
    let mean = daily.iter().map(|(_, precision)| precision).sum::<f64>() / daily.len() as f64;
    Ok(CardPrecision { daily, mean })
}

/// One card's transactions of one day.
struct CardDay {
    score: f64,
    compromised: bool,
}

/// Precision at k.
#[derive(Clone, Debug, PartialEq)]
pub struct DailyPrecision {
    /// For each day with transactions, in order, the day and the share of frauds among its top k transactions.
    pub daily: Vec<(i64, f64)>,
    /// The mean over these days.
    pub mean: f64,
}

/// The share of frauds among the k transactions of each day that score highest. Of transactions that tie for the last places,
/// each counts as much as there are places left for it. A day with fewer than k transactions is still divided by k.
///
/// # Errors
/// When the slices differ in length or are empty, a score is NaN, or k is 0.
pub fn precision_at_k(
    scores: &[f64],
    labels: &[bool],
    days: &[i64],
    k: usize,
) -> Result<DailyPrecision, EvaluationError> {
    check(scores, "labels", labels.len())?;
    check(scores, "days", days.len())?;
    if k == 0 {
        return Err(EvaluationError::NoCards);
    }
    let mut by_day: BTreeMap<i64, Vec<(f64, bool)>> = BTreeMap::new();
    for ((&score, &fraud), &day) in scores.iter().zip(labels).zip(days) {
        by_day.entry(day).or_default().push((score, fraud));
    }
    let mut daily = Vec::with_capacity(by_day.len());
    for (day, mut ranked) in by_day {
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let (mut places, mut found) = (k, 0.0);
        for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
            let taken = places.min(tied.len());
            let frauds = tied.iter().filter(|(_, fraud)| *fraud).count();
            found += frauds as f64 * taken as f64 / tied.len() as f64;
            places -= taken;
            if places == 0 {
                break;
            }
        }
        daily.push((day, found / k as f64));
    }
    if daily.is_empty() {
        return Err(EvaluationError::NoTransactions);
    }
    let mean = daily.iter().map(|(_, precision)| precision).sum::<f64>() / daily.len() as f64;
    Ok(DailyPrecision { daily, mean })
}
