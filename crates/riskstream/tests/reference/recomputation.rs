//! A naive recomputation of the features: each transaction is compared with all earlier records of its customer and its
//! terminal in the log. Sums are integers, in cents.

use crate::data::{DAY, LABEL_DELAY, Record, Transaction};
use std::collections::HashMap;

/// The inputs of the models in their order, without the amount. Counts, shares and flags are exact; means are not.
pub const NAMES: [&str; 14] = [
    "weekend",
    "night",
    "customer_nb_tx_1d",
    "customer_avg_amount_1d",
    "customer_nb_tx_7d",
    "customer_avg_amount_7d",
    "customer_nb_tx_30d",
    "customer_avg_amount_30d",
    "terminal_nb_tx_1d",
    "terminal_risk_1d",
    "terminal_nb_tx_7d",
    "terminal_risk_7d",
    "terminal_nb_tx_30d",
    "terminal_risk_30d",
];

/// Values in the order of [`NAMES`].
pub type Features = [f64; 14];

/// Days of the windows.
const WINDOWS: [i64; 3] = [1, 7, 30];

/// The features of every transaction as of its arrival, in the order of `transactions`.
pub fn recompute(transactions: &[Transaction], log: &[Record]) -> Vec<Features> {
    let mut all = vec![[f64::NAN; 14]; transactions.len()];
    // In the order of the log: payments by customer (time, cents), times by terminal, labels by terminal (known at, fraud).
    let mut payments: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
    let mut visits: HashMap<i64, Vec<i64>> = HashMap::new();
    let mut labels: HashMap<i64, Vec<(i64, bool)>> = HashMap::new();
    for &record in log {
        let index = match record {
            Record::Label(index) => {
                let of = &transactions[index];
                labels
                    .entry(of.terminal)
                    .or_default()
                    .push((of.time + LABEL_DELAY, of.fraud));
                continue;
            }
            Record::Transaction(index) => index,
        };
        let Transaction {
            time,
            customer,
            terminal,
            cents,
            ..
        } = transactions[index];
        let payments = payments.entry(customer).or_default();
        payments.push((time, cents));
        let visits = visits.entry(terminal).or_default();
        visits.push(time);
        let labels = labels.entry(terminal).or_default();
        let features = &mut all[index];
        // 1970-01-01 was a Thursday, the fourth day after a Sunday.
        let weekday = (time.div_euclid(DAY) + 4).rem_euclid(7);
        features[0] = f64::from(u8::from(weekday == 0 || weekday == 6));
        features[1] = f64::from(u8::from(time.rem_euclid(DAY) / 3_600 <= 6));
        for (number, days) in WINDOWS.into_iter().enumerate() {
            let window = |at: i64| time - days * DAY < at && at <= time;
            let (mut count, mut sum) = (0_i64, 0_i64);
            for &(_, cents) in payments.iter().filter(|(at, _)| window(*at)) {
                count += 1;
                sum += cents;
            }
            features[2 + 2 * number] = count as f64;
            features[3 + 2 * number] = sum as f64 / 100.0 / count as f64;
            let visited = visits.iter().filter(|&&at| window(at + LABEL_DELAY)).count();
            features[8 + 2 * number] = visited as f64;
            let known: Vec<bool> = labels
                .iter()
                .filter(|(at, _)| window(*at))
                .map(|(_, fraud)| *fraud)
                .collect();
            let frauds = known.iter().filter(|fraud| **fraud).count();
            features[9 + 2 * number] = if known.is_empty() {
                0.0
            } else {
                frauds as f64 / known.len() as f64
            };
        }
    }
    all
}
