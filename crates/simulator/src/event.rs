//! The simulated events: transactions and labels.

use jiff::Timestamp;
use serde::ser::Error;
use serde::{Serialize, Serializer};

/// A card payment. Its JSON omits [`fraud`](Transaction::fraud), which a bank does not know at the time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transaction {
    /// Unique: the seed in hexadecimal and a running number in event-time order.
    pub transaction_id: String,
    /// The owner of the card.
    pub customer_id: String,
    /// A fake card number of 16 digits that passes the Luhn check. It changes when a stolen card is replaced.
    pub card_id: String,
    /// The terminal of the payment: a device in a shop, or an online shop.
    pub terminal_id: String,
    /// The category of the merchant, in snake case.
    pub merchant_category: &'static str,
    /// The merchant's country: two letters of ISO 3166-1.
    pub country: &'static str,
    /// `chip`, `contactless` or `online`.
    pub channel: &'static str,
    /// The amount in euros, the double nearest to its two decimals.
    pub amount: f64,
    /// The amount in cents; not serialised.
    #[serde(skip)]
    pub amount_cents: i64,
    /// When the payment was made, in microseconds since 1970-01-01T00:00:00Z; serialised as RFC 3339.
    #[serde(serialize_with = "rfc_3339")]
    pub event_time: i64,
    /// The kind of fraud, or `None` for a genuine payment. Not serialised.
    #[serde(skip)]
    pub fraud: Option<FraudScenario>,
}

/// The label of a transaction, which becomes known days after it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Label {
    /// The transaction.
    pub transaction_id: String,
    /// The customer of the transaction.
    pub customer_id: String,
    /// The terminal of the transaction.
    pub terminal_id: String,
    /// Whether the transaction was fraudulent.
    pub fraud: bool,
    /// When the label becomes known, in microseconds since 1970-01-01T00:00:00Z; serialised as RFC 3339. It is 7 days
    /// after a genuine transaction, 1 to 14 days after a fraudulent one.
    #[serde(serialize_with = "rfc_3339")]
    pub known_at: i64,
}

/// A kind of fraud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FraudScenario {
    /// A thief pays with a stolen card, or with its number, until it is blocked.
    StolenCard,
    /// A manipulated terminal charges cards that were used at it a second time.
    CompromisedTerminal,
    /// One payment of many times the customer's usual amount.
    AmountOutlier,
}

impl FraudScenario {
    /// The name of the scenario in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            FraudScenario::StolenCard => "stolen_card",
            FraudScenario::CompromisedTerminal => "compromised_terminal",
            FraudScenario::AmountOutlier => "amount_outlier",
        }
    }
}

/// An event of the simulation. Its JSON is that of the payment or the label: a record of a topic, or a line of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SimulatedEvent {
    /// A payment.
    Transaction(Transaction),
    /// The label of an earlier payment.
    Label(Label),
}

impl SimulatedEvent {
    /// The time of the event, in microseconds since 1970-01-01T00:00:00Z.
    pub fn event_time(&self) -> i64 {
        match self {
            SimulatedEvent::Transaction(transaction) => transaction.event_time,
            SimulatedEvent::Label(label) => label.known_at,
        }
    }

    /// Whose event it is: the key of its record.
    pub fn customer_id(&self) -> &str {
        match self {
            SimulatedEvent::Transaction(transaction) => &transaction.customer_id,
            SimulatedEvent::Label(label) => &label.customer_id,
        }
    }
}

/// Writes microseconds since 1970 as `2026-01-01T00:00:00.000000Z`.
fn rfc_3339<S: Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    let timestamp = Timestamp::from_microsecond(*micros).map_err(S::Error::custom)?;
    serializer.collect_str(&format_args!("{timestamp:.6}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_of_a_transaction_omits_the_fraud() {
        let transaction = Transaction {
            transaction_id: "T1-0000000001".into(),
            customer_id: "C0000001".into(),
            card_id: "9999000000000000".into(),
            terminal_id: "M0000001".into(),
            merchant_category: "grocery",
            country: "DE",
            channel: "chip",
            amount: 12.34,
            amount_cents: 1_234,
            event_time: 1_767_225_600_000_000,
            fraud: Some(FraudScenario::StolenCard),
        };
        assert_eq!(
            serde_json::to_string(&SimulatedEvent::Transaction(transaction)).unwrap(),
            r#"{"transaction_id":"T1-0000000001","customer_id":"C0000001","card_id":"9999000000000000","terminal_id":"M0000001","merchant_category":"grocery","country":"DE","channel":"chip","amount":12.34,"event_time":"2026-01-01T00:00:00.000000Z"}"#
        );
    }

    #[test]
    fn json_of_a_label() {
        let label = Label {
            transaction_id: "T1-0000000001".into(),
            customer_id: "C0000001".into(),
            terminal_id: "M0000001".into(),
            fraud: true,
            known_at: 1_767_225_600_000_001,
        };
        assert_eq!(
            serde_json::to_string(&SimulatedEvent::Label(label)).unwrap(),
            r#"{"transaction_id":"T1-0000000001","customer_id":"C0000001","terminal_id":"M0000001","fraud":true,"known_at":"2026-01-01T00:00:00.000001Z"}"#
        );
    }

    #[test]
    fn a_time_beyond_rfc_3339_is_an_error() {
        let label = Label {
            transaction_id: String::new(),
            customer_id: String::new(),
            terminal_id: String::new(),
            fraud: false,
            known_at: i64::MAX,
        };
        assert!(serde_json::to_string(&label).is_err());
    }
}
