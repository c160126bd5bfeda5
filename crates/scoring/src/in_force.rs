//! The decision set, circuits and lists in force at one deciding task.

use crate::circuit::Circuit;
use crate::decision_set::DecisionSet;
use riskstream_lists::ListSet;
use std::sync::Arc;

/// The decision set in force at one deciding task, the circuit of each of its models there, and the versions of the lists.
#[derive(Clone, Debug)]
pub struct InForce {
    set: Arc<DecisionSet>,
    circuits: Vec<Circuit>,
    lists: Arc<ListSet>,
}

impl InForce {
    /// Puts a decision set in force. All circuits are closed, and all lists are empty.
    pub fn new(set: Arc<DecisionSet>) -> InForce {
        let circuits = vec![Circuit::default(); set.lineup.models.len()];
        InForce {
            set,
            circuits,
            lists: Arc::default(),
        }
    }

    /// Puts these versions of the lists in force.
    pub fn set_lists(&mut self, lists: Arc<ListSet>) {
        self.lists = lists;
    }

    /// The versions of the lists in force.
    pub fn lists(&self) -> &Arc<ListSet> {
        &self.lists
    }

    /// The decision set in force.
    pub fn set(&self) -> &Arc<DecisionSet> {
        &self.set
    }

    /// The circuits that have counted a failure since their model's last success, open ones among them, each with its model's
    /// index in the line-up.
    pub fn circuits_with_failures(&self) -> impl Iterator<Item = (usize, Circuit)> {
        let circuits = self.circuits.iter().copied().enumerate();
        circuits.filter(|(_, circuit)| *circuit != Circuit::default())
    }

    /// Sets the circuit of the model at this index.
    pub fn set_circuit(&mut self, model: usize, circuit: Circuit) {
        self.circuits[model] = circuit;
    }

    /// The circuits, one for each model of the line-up.
    pub(crate) fn circuits_mut(&mut self) -> &mut [Circuit] {
        &mut self.circuits
    }
}
