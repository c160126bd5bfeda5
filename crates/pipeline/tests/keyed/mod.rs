//! A pipeline that counts a customer's payments, and whose first stage reads its input.

/// Its file.
pub const KEYED: &str = "
name: shop
inputs:
  transactions:
    topic: payments
    key: customer
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text}
entities: {customer: {key: customer}}
features: {payments: {entity: customer, count: transactions, window: 30d}}
rules: [{name: busy, when: payments > 100, then: review, reason: R1}]
outputs: {decisions: decisions, dead_letters: dead-letters}
";

/// The same with a repartition topic in between.
pub fn with_repartition() -> String {
    KEYED.replace("    key: customer\n", "")
}
