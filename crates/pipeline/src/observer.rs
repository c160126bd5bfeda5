//! A look at what a worker does, for an audit: it changes nothing.

use riskstream_engine::{Engine, Event};
use riskstream_features::Applied;
use riskstream_scoring::{Decision, InForce};

/// Is shown events and decisions.
pub trait Observer: Send {
    /// An event was applied to the state of its entity at a stage; a transaction has the features of that stage. `stream_time`: the
    /// largest event time of a transaction that the task has seen, in microseconds.
    fn applied(&mut self, engine: &Engine, stage: usize, event: &Event, applied: &Applied, stream_time: i64);

    /// A transaction was decided by what is in force. Its row is complete.
    fn decided(&mut self, in_force: &InForce, event: &Event, decision: &Decision);
}
