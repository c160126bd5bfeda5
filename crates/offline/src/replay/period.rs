//! Which decisions are compared.

use serde::Serialize;

/// Why a decision or a row is not compared.
pub(super) const OUTSIDE: &str = "written outside the period";

/// A period of time in which records were written, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Period {
    /// Its begin; none is that of the log.
    pub since: Option<i64>,
    /// Its end, which is not in it; none is that of the log.
    pub until: Option<i64>,
}

impl Period {
    /// Whether a record with this timestamp was written in the period. One without a timestamp counts.
    pub(super) fn holds(&self, timestamp: Option<i64>) -> bool {
        timestamp.is_none_or(|at| {
            self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_begin_is_in_a_period_and_its_end_is_not() {
        let period = Period {
            since: Some(10),
            until: Some(20),
        };
        let held: Vec<i64> = (8..22).filter(|at| period.holds(Some(*at))).collect();
        assert_eq!(held, (10..20).collect::<Vec<_>>());
        assert!(period.holds(None) && Period::default().holds(Some(i64::MIN)));
    }
}
