//! The models in force at one deciding task, and their circuits.

use crate::circuit::Circuit;
use crate::lineup::Lineup;
use std::sync::Arc;

/// Who decides at one deciding task, and how its models have been doing there.
#[derive(Clone, Debug)]
pub struct ModelsInForce {
    lineup: Arc<Lineup>,
    circuits: Vec<Circuit>,
}

impl ModelsInForce {
    /// All circuits are closed.
    pub fn new(lineup: Arc<Lineup>) -> ModelsInForce {
        let circuits = vec![Circuit::default(); lineup.models.len()];
        ModelsInForce { lineup, circuits }
    }

    /// The circuits of models that failed last, each with its model's place in the line-up.
    pub fn open_or_failing(&self) -> impl Iterator<Item = (usize, Circuit)> {
        let circuits = self.circuits.iter().copied().enumerate();
        circuits.filter(|(_, circuit)| *circuit != Circuit::default())
    }

    /// Puts a circuit where the model at this place left it.
    pub fn set_circuit(&mut self, model: usize, circuit: Circuit) {
        self.circuits[model] = circuit;
    }

    /// The circuits, one for each model of the line-up.
    pub(crate) fn circuits_mut(&mut self) -> &mut [Circuit] {
        &mut self.circuits
    }

    /// The line-up in force.
    pub fn lineup(&self) -> &Arc<Lineup> {
        &self.lineup
    }
}
