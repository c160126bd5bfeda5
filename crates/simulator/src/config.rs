//! Configuration of the simulator.

use crate::time::DAY;
use thiserror::Error;

/// The size, period and fraud of a simulation. The default has about 550,000 transactions.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatorConfig {
    /// The seed of all random numbers. It is part of every transaction id, so the ids of two seeds differ.
    pub seed: u64,
    /// The number of customers, at least 1. Each has one card at a time and makes about 1.8 payments a day.
    pub customers: u32,
    /// The number of terminals, at least 10. About 15 % are online shops.
    pub terminals: u32,
    /// The start of the first day in microseconds since 1970-01-01T00:00:00Z, rounded down to midnight UTC.
    pub start: i64,
    /// The number of days with payments. Labels follow for up to 14 more days.
    pub days: u32,
    /// The amount of simulated fraud.
    pub fraud: FraudShares,
}

/// The expected share of each kind of fraud among all transactions, each between 0 and 0.2.
#[derive(Clone, Debug, PartialEq)]
pub struct FraudShares {
    /// See [`FraudScenario::StolenCard`](crate::FraudScenario::StolenCard).
    pub stolen_card: f64,
    /// See [`FraudScenario::CompromisedTerminal`](crate::FraudScenario::CompromisedTerminal).
    pub compromised_terminal: f64,
    /// See [`FraudScenario::AmountOutlier`](crate::FraudScenario::AmountOutlier).
    pub amount_outlier: f64,
}

/// Why a [`SimulatorConfig`] cannot be simulated.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// There are no customers.
    #[error("customers is 0, but at least 1 is needed")]
    NoCustomers,
    /// Too few terminals for towns and online shops.
    #[error("terminals is {0}, but at least 10 are needed")]
    TooFewTerminals(u32),
    /// A share of fraud is NaN or out of range.
    #[error("the fraud share {name} is {value}, but must lie between 0 and 0.2")]
    FraudShare {
        /// The field of [`FraudShares`].
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// Part of the period lies outside the years 0000 to 9999, which RFC 3339 can represent.
    #[error("the {days} days from {start} µs after 1970 do not lie within the years 0000 to 9999")]
    Period {
        /// [`SimulatorConfig::start`]
        start: i64,
        /// [`SimulatorConfig::days`]
        days: u32,
    },
}

/// The days from 0000-01-01 to 9999-12-30, as days since 1970-01-01.
const RFC_3339_DAYS: std::ops::Range<i64> = -719_528..2_932_896;

/// The largest number of days from a transaction to its label.
pub(crate) const LAST_LABEL_DAYS: i64 = 14;

impl Default for FraudShares {
    fn default() -> Self {
        FraudShares {
            stolen_card: 0.0040,
            compromised_terminal: 0.0033,
            amount_outlier: 0.0007,
        }
    }
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        SimulatorConfig {
            seed: 1,
            customers: 5_000,
            terminals: 10_000,
            // 2026-01-01T00:00:00Z
            start: 20_454 * DAY,
            days: 60,
            fraud: FraudShares::default(),
        }
    }
}

impl SimulatorConfig {
    /// The first day, in days since 1970-01-01.
    pub(crate) fn first_day(&self) -> i64 {
        self.start.div_euclid(DAY)
    }

    /// Checks that the configuration can be simulated.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.customers == 0 {
            return Err(ConfigError::NoCustomers);
        }
        if self.terminals < 10 {
            return Err(ConfigError::TooFewTerminals(self.terminals));
        }
        let last_label_day = self.first_day() + i64::from(self.days) + LAST_LABEL_DAYS;
        if !RFC_3339_DAYS.contains(&self.first_day()) || !RFC_3339_DAYS.contains(&last_label_day) {
            return Err(ConfigError::Period {
                start: self.start,
                days: self.days,
            });
        }
        self.fraud.check()
    }
}

impl FraudShares {
    /// No fraud at all.
    pub fn none() -> Self {
        FraudShares {
            stolen_card: 0.0,
            compromised_terminal: 0.0,
            amount_outlier: 0.0,
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let shares = [
            ("stolen_card", self.stolen_card),
            ("compromised_terminal", self.compromised_terminal),
            ("amount_outlier", self.amount_outlier),
        ];
        match shares.into_iter().find(|(_, value)| !(0.0..=0.2).contains(value)) {
            Some((name, value)) => Err(ConfigError::FraudShare { name, value }),
            None => Ok(()),
        }
    }
}
