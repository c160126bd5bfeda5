//! Circuit breaker of a model: after repeated failures the model is not asked for a while; then one decision is a trial.
//!
//! The circuit counts decisions, not seconds: the same rows in the same order open and close it at the same decisions.

use riskstream_engine::ModelFailure;

/// Failures in a row that open a circuit.
pub const OPENS_AFTER: u32 = 5;
/// Decisions without the model before the first trial. Each failed trial doubles the number.
pub const FIRST_TRIAL_AFTER: u32 = 10;
/// The largest number of decisions without the model before a trial.
pub const TRIAL_AFTER_AT_MOST: u32 = 1280;

/// The circuit of one model at one deciding task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    /// Failures in a row.
    failures: u32,
    /// For how many decisions the circuit was last opened; 0 if it is closed.
    opened_for: u32,
    /// How many of them are left.
    left: u32,
}

impl Circuit {
    /// The circuit as numbers, to be stored: failures in a row, for how many decisions it was last opened, and how many of
    /// them are left.
    pub fn numbers(&self) -> [u32; 3] {
        [self.failures, self.opened_for, self.left]
    }

    /// The circuit that [`Circuit::numbers`] gave; `None` if no circuit has these numbers.
    pub fn from_numbers([failures, opened_for, left]: [u32; 3]) -> Option<Circuit> {
        let is_open = failures >= OPENS_AFTER;
        let is_possible = match is_open {
            true => (FIRST_TRIAL_AFTER..=TRIAL_AFTER_AT_MOST).contains(&opened_for) && left <= opened_for,
            false => opened_for == 0 && left == 0,
        };
        is_possible.then_some(Circuit {
            failures,
            opened_for,
            left,
        })
    }

    /// Whether the model has to be asked for one of the next `rows` decisions.
    pub fn tries(&self, rows: usize) -> bool {
        (self.left as usize) < rows
    }

    /// Takes the model's result for the next decision and gives the result that counts: while the circuit is open, that it is
    /// open. Otherwise a success closes the circuit, and a failure may open it.
    pub fn pass(&mut self, tried: Result<f64, ModelFailure>) -> Result<f64, ModelFailure> {
        if self.left > 0 {
            self.left -= 1;
            return Err(ModelFailure::CircuitOpen);
        }
        match tried {
            Ok(_) => *self = Circuit::default(),
            Err(_) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= OPENS_AFTER {
                    self.opened_for = (self.opened_for * 2).clamp(FIRST_TRIAL_AFTER, TRIAL_AFTER_AT_MOST);
                    self.left = self.opened_for;
                }
            }
        }
        tried
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes the same answer `rows` times; how often was the circuit open?
    fn times_open(circuit: &mut Circuit, rows: usize, answer: Result<f64, ModelFailure>) -> usize {
        let passed = (0..rows).map(|_| circuit.pass(answer));
        passed
            .filter(|passed| *passed == Err(ModelFailure::CircuitOpen))
            .count()
    }

    #[test]
    fn repeated_failures_open_it_and_a_trial_closes_it() {
        let mut circuit = Circuit::default();
        assert_eq!(times_open(&mut circuit, 4, Err(ModelFailure::Failed)), 0);
        assert_eq!(circuit.pass(Ok(0.5)), Ok(0.5), "a success in between");
        assert_eq!(times_open(&mut circuit, 5, Err(ModelFailure::NotANumber)), 0);
        assert!(!circuit.tries(10));
        assert!(circuit.tries(11), "the eleventh is the trial");
        assert_eq!(times_open(&mut circuit, 10, Ok(0.5)), 10);
        assert_eq!(circuit.pass(Ok(0.5)), Ok(0.5));
        assert_eq!(circuit, Circuit::default());
    }

    #[test]
    fn trials_that_fail_become_rarer() {
        let mut circuit = Circuit::default();
        times_open(&mut circuit, 5, Err(ModelFailure::Late));
        let mut between = Vec::new();
        for _ in 0..10 {
            let mut rows = 0;
            while circuit.pass(Err(ModelFailure::Late)) == Err(ModelFailure::CircuitOpen) {
                rows += 1;
            }
            between.push(rows);
        }
        assert_eq!(between, [10, 20, 40, 80, 160, 320, 640, 1280, 1280, 1280]);
    }

    #[test]
    fn a_stored_circuit_goes_on_where_it_was() {
        let mut circuit = Circuit::default();
        for _ in 0..3000 {
            assert_eq!(Circuit::from_numbers(circuit.numbers()), Some(circuit));
            let _ = circuit.pass(Err(ModelFailure::Late));
        }
        for numbers in [
            [0, 10, 3],
            [4, 0, 1],
            [5, 0, 0],
            [5, 10, 11],
            [5, 1281, 0],
            [5, u32::MAX, 0],
        ] {
            assert_eq!(Circuit::from_numbers(numbers), None, "{numbers:?}");
        }
    }
}
