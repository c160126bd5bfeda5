//! A seeded, deterministic simulator of card transactions and of the labels that become known about them.
//!
//! It generates customers with home towns and habits, terminals in towns and on the internet, genuine payments, some of
//! which look suspicious, and three kinds of fraud ([`FraudScenario`]). [`Simulator`] is an iterator over
//! [`SimulatedEvent`]s in event-time order. The same [`SimulatorConfig`] gives the same events on the same platform.
//!
//! It uses no clock, no files and no threads. The caller decides where events go, and how fast.
//!
//! ```
//! use riskstream_simulator::{SimulatedEvent, Simulator, SimulatorConfig};
//!
//! let config = SimulatorConfig { customers: 50, terminals: 100, days: 2, ..SimulatorConfig::default() };
//! let transactions = Simulator::new(config)?.filter(|event| matches!(event, SimulatedEvent::Transaction(_))).count();
//! assert!(transactions > 50);
//! # Ok::<(), riskstream_simulator::ConfigError>(())
//! ```
#![forbid(unsafe_code)]

mod card;
mod category;
mod config;
mod customer;
mod event;
mod fraud;
mod payment;
mod random;
mod simulator;
mod time;
mod world;

pub use config::{ConfigError, FraudShares, SimulatorConfig};
pub use event::{FraudScenario, Label, SimulatedEvent, Transaction};
pub use simulator::Simulator;
