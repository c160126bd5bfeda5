//! A period of time.

use serde::Serialize;

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
    pub fn holds(&self, timestamp: Option<i64>) -> bool {
        timestamp
            .is_none_or(|at| self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until))
    }

    /// Whether a record may have been written in the period whose timestamp lies between these, both included.
    pub(super) fn meets(&self, least: i64, greatest: i64) -> bool {
        self.since.is_none_or(|since| since <= greatest) && self.until.is_none_or(|until| least < until)
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
        let met = |(least, greatest): (i64, i64)| period.meets(least, greatest);
        assert_eq!(
            [(0, 9), (0, 10), (12, 13), (19, 30), (20, 30)].map(met),
            [false, true, true, true, false]
        );
        assert!(period.holds(None) && Period::default().holds(Some(i64::MIN)));
    }
}
