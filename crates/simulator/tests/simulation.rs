//! Properties of every simulation, and statistics of the default one.

use proptest::prelude::*;
use riskstream_simulator::{
    ConfigError, FraudScenario, FraudShares, Label, SimulatedEvent, Simulator, SimulatorConfig, Transaction,
};
use std::collections::{BTreeMap, BTreeSet};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

fn small(seed: u64) -> SimulatorConfig {
    SimulatorConfig {
        seed,
        customers: 60,
        terminals: 150,
        days: 25,
        ..SimulatorConfig::default()
    }
}

fn events(config: SimulatorConfig) -> Vec<SimulatedEvent> {
    Simulator::new(config).unwrap().collect()
}

fn split(events: Vec<SimulatedEvent>) -> (Vec<Transaction>, Vec<Label>) {
    let mut transactions = Vec::new();
    let mut labels = Vec::new();
    for event in events {
        match event {
            SimulatedEvent::Transaction(transaction) => transactions.push(transaction),
            SimulatedEvent::Label(label) => labels.push(label),
        }
    }
    (transactions, labels)
}

/// The transactions of a simulation like the default one with fewer customers.
fn town_transactions() -> Vec<Transaction> {
    split(events(SimulatorConfig {
        customers: 2_000,
        terminals: 4_000,
        ..SimulatorConfig::default()
    }))
    .0
}

fn share<'a>(transactions: impl IntoIterator<Item = &'a Transaction>, holds: impl Fn(&Transaction) -> bool) -> f64 {
    let mut all = 0.0;
    let mut held = 0.0;
    for transaction in transactions {
        all += 1.0;
        held += f64::from(u8::from(holds(transaction)));
    }
    held / all
}

#[test]
fn equal_seeds_give_equal_events() {
    assert!(events(small(3)) == events(small(3)));
    let first = |seed| Simulator::new(small(seed)).unwrap().next();
    assert_ne!(first(3), first(4));
}

/// The demo's figures depend on these events. A new version of a library must not change them.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn events_are_those_of_earlier_versions() {
    let text = events(small(1))
        .iter()
        .map(|event| format!("{event:?}\n"))
        .collect::<String>();
    // FNV-1a.
    let digest = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    assert_eq!(format!("{digest:016x}"), "dc28eb0bf79ebe23");
}

#[test]
fn more_days_only_append_transactions() {
    let (short, _) = split(events(small(5)));
    let (long, _) = split(events(SimulatorConfig { days: 40, ..small(5) }));
    assert!(long.len() > short.len());
    assert!(long[..short.len()] == short);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn events_are_in_order_and_labels_follow_their_transactions(
        seed in any::<u64>(), customers in 1u32..80, terminals in 10u32..200, days in 0u32..20, start in -1_000_000 * DAY..1_000_000 * DAY / 2,
    ) {
        let fraud = FraudShares { stolen_card: 0.05, compromised_terminal: 0.05, amount_outlier: 0.02 };
        // Not before about the year 1000.
        let start = start.max(-354_000 * DAY);
        let config = SimulatorConfig { seed, customers, terminals, start, days, fraud };
        let first = start.div_euclid(DAY) * DAY;
        let mut unlabelled: BTreeMap<String, Transaction> = BTreeMap::new();
        let mut previous = (i64::MIN, 0);
        let mut ids = BTreeSet::new();
        for event in Simulator::new(config).unwrap() {
            let kind = match &event { SimulatedEvent::Label(_) => 0, SimulatedEvent::Transaction(_) => 1 };
            prop_assert!(previous <= (event.event_time(), kind), "{previous:?} before {event:?}");
            previous = (event.event_time(), kind);
            match event {
                SimulatedEvent::Transaction(transaction) => {
                    prop_assert!((first..first + i64::from(days) * DAY).contains(&transaction.event_time));
                    prop_assert!(transaction.amount_cents > 0);
                    prop_assert_eq!(transaction.amount, format!("{:.2}", transaction.amount).parse::<f64>().unwrap());
                    prop_assert_eq!((transaction.amount * 100.0).round() as i64, transaction.amount_cents);
                    prop_assert!(ids.insert(transaction.transaction_id.clone()));
                    unlabelled.insert(transaction.transaction_id.clone(), transaction);
                }
                SimulatedEvent::Label(label) => {
                    let transaction = unlabelled.remove(&label.transaction_id);
                    prop_assert!(transaction.is_some(), "{label:?} precedes its transaction or is its second");
                    let transaction = transaction.unwrap();
                    prop_assert_eq!(label.customer_id, transaction.customer_id);
                    prop_assert_eq!(label.terminal_id, transaction.terminal_id);
                    prop_assert_eq!(label.fraud, transaction.fraud.is_some());
                    let delay = label.known_at - transaction.event_time;
                    match label.fraud {
                        false => prop_assert_eq!(delay, 7 * DAY),
                        true => prop_assert!((DAY..=14 * DAY).contains(&delay), "{}", delay),
                    }
                }
            }
        }
        prop_assert!(unlabelled.is_empty());
    }
}

#[test]
fn there_is_a_realistic_amount_of_each_fraud() {
    let transactions = town_transactions();
    assert!(
        (180_000..260_000).contains(&transactions.len()),
        "{}",
        transactions.len()
    );
    #[rustfmt::skip]
    let bounds = [
        (None, 0.006..0.011),
        (Some(FraudScenario::StolenCard), 0.003..0.0055),
        (Some(FraudScenario::CompromisedTerminal), 0.0015..0.006),
        (Some(FraudScenario::AmountOutlier), 0.0004..0.0011),
    ];
    for (scenario, bound) in bounds {
        let found = share(&transactions, |transaction| match scenario {
            None => transaction.fraud.is_some(),
            some => transaction.fraud == some,
        });
        assert!(bound.contains(&found), "{scenario:?}: {found}");
    }
}

#[test]
fn without_fraud_there_is_none() {
    let (transactions, labels) = split(events(SimulatorConfig {
        fraud: FraudShares::none(),
        ..small(1)
    }));
    assert!(transactions.iter().all(|transaction| transaction.fraud.is_none()));
    assert!(labels.iter().all(|label| !label.fraud));
}

#[test]
fn habits_are_visible() {
    let transactions = town_transactions();
    let genuine: Vec<&Transaction> = transactions
        .iter()
        .filter(|transaction| transaction.fraud.is_none())
        .collect();
    let hour = |transaction: &Transaction| transaction.event_time.rem_euclid(DAY) / HOUR;
    let night = share(genuine.iter().copied(), |transaction| hour(transaction) < 5);
    assert!((0.01..0.08).contains(&night), "nights: {night}");
    let evening = share(genuine.iter().copied(), |transaction| {
        (16..20).contains(&hour(transaction))
    });
    assert!((0.22..0.38).contains(&evening), "evenings: {evening}");
    let abroad = share(genuine.iter().copied(), |transaction| {
        transaction.channel != "online" && transaction.country != "DE"
    });
    assert!((0.01..0.12).contains(&abroad), "abroad: {abroad}");
    let online = share(genuine.iter().copied(), |transaction| transaction.channel == "online");
    assert!((0.1..0.35).contains(&online), "online: {online}");
    let stolen = transactions
        .iter()
        .filter(|transaction| transaction.fraud == Some(FraudScenario::StolenCard));
    let stolen_at_night = share(stolen.clone(), |transaction| hour(transaction) < 5);
    assert!(stolen_at_night > 2.0 * night, "thieves at night: {stolen_at_night}");
    let stolen_online = share(stolen, |transaction| transaction.channel == "online");
    assert!(stolen_online > 1.5 * online, "thieves online: {stolen_online}");
    // A customer pays repeatedly at the same few terminals.
    let mut visits: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for transaction in &genuine {
        *visits
            .entry((&transaction.customer_id, &transaction.terminal_id))
            .or_default() += 1;
    }
    let repeated = share(genuine.iter().copied(), |transaction| {
        visits[&(transaction.customer_id.as_str(), transaction.terminal_id.as_str())] > 1
    });
    assert!(repeated > 0.6, "payments at a known terminal: {repeated}");
}

#[test]
fn a_stolen_card_is_blocked_and_replaced_by_another_number() {
    let transactions = town_transactions();
    let mut cards: BTreeMap<&str, Vec<&Transaction>> = BTreeMap::new();
    for transaction in &transactions {
        cards.entry(&transaction.card_id).or_default().push(transaction);
    }
    let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut thefts = 0;
    for payments in cards.values() {
        let stolen = |transaction: &&&Transaction| transaction.fraud == Some(FraudScenario::StolenCard);
        owners
            .entry(&payments[0].customer_id)
            .or_default()
            .insert(&payments[0].card_id);
        assert!(
            payments
                .iter()
                .all(|payment| payment.customer_id == payments[0].customer_id)
        );
        let Some(first) = payments.iter().find(stolen) else {
            continue;
        };
        let last = payments.iter().rfind(stolen).unwrap();
        thefts += 1;
        assert!(last.event_time - first.event_time <= 4 * DAY, "{first:?} to {last:?}");
        assert!(
            payments.last().unwrap().event_time <= first.event_time + 4 * DAY,
            "a blocked card was used"
        );
        assert!(payments.iter().filter(stolen).count() <= 12);
    }
    assert!(thefts > 20);
    assert!(owners.values().any(|cards| cards.len() > 1));
    let mut hours = BTreeMap::new();
    for transaction in &transactions {
        *hours.entry(transaction.event_time / HOUR).or_insert(0) += 1;
    }
    assert!(hours.len() > 60 * 24 - 60, "hardly an hour without a payment");
}

#[test]
fn a_configuration_that_cannot_be_simulated_is_an_error() {
    let base = SimulatorConfig::default;
    let share = |value| FraudShares {
        amount_outlier: value,
        ..FraudShares::default()
    };
    #[rustfmt::skip]
    let cases = [
        (SimulatorConfig { customers: 0, ..base() }, "customers is 0"),
        (SimulatorConfig { terminals: 9, ..base() }, "terminals is 9"),
        (SimulatorConfig { start: i64::MAX, ..base() }, "years 0000 to 9999"),
        (SimulatorConfig { start: i64::MIN, ..base() }, "years 0000 to 9999"),
        (SimulatorConfig { days: u32::MAX, ..base() }, "years 0000 to 9999"),
        (SimulatorConfig { fraud: share(f64::NAN), ..base() }, "amount_outlier is NaN"),
        (SimulatorConfig { fraud: share(-0.1), ..base() }, "amount_outlier is -0.1"),
        (SimulatorConfig { fraud: share(0.3), ..base() }, "between 0 and 0.2"),
    ];
    for (config, expected) in cases {
        let error: ConfigError = Simulator::new(config).err().unwrap();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
