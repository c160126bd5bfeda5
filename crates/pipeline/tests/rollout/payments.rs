//! Payments to the shop, and what decisions on them say.

use riskstream_events::OwnedDecisionRecord;
use sha2::{Digest, Sha256};

/// A payment, a second after the one before.
pub fn payment(number: usize, customer: &str, amount: f64) -> Vec<u8> {
    let time = 1_767_225_600_000 + number as u64 * 1000;
    format!(r#"{{"id":"t{number}","time":{time},"customer":"{customer}","amount":{amount},"note":""}}"#).into_bytes()
}

/// The version of the model that gave the score, or was to.
pub fn version(decision: &OwnedDecisionRecord) -> &str {
    &decision.model.as_ref().unwrap().version
}

/// The place of a key among all keys, as docs/rollout.md defines it.
pub fn place(entity: &str, key: &str) -> f64 {
    let digest = Sha256::digest(format!("{entity}\0{key}"));
    let first = digest
        .iter()
        .take(8)
        .fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    first as f64 / 2f64.powi(64)
}
