//! Points in time as arguments, which may be given as durations before now.

use super::decision_topic::milliseconds_ago;
use super::time::time;
use riskstream_definition::duration;

/// A time, or a time before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeArgument {
    /// In microseconds since the epoch.
    At(i64),
    /// In microseconds before now.
    Ago(i64),
}

/// A time, or a duration before now.
///
/// # Errors
/// It is neither: what to write.
pub(super) fn time_argument(text: &str) -> Result<TimeArgument, String> {
    let at = time(text).map(TimeArgument::At);
    at.or_else(|_| duration::parse(text).map(TimeArgument::Ago))
        .map_err(|_| "write a time or a duration: 2026-12-31, 2026-12-31T09:30:00Z, 24h or 7d".to_owned())
}

impl TimeArgument {
    /// In milliseconds since the epoch.
    pub(super) fn milliseconds(self) -> i64 {
        match self {
            TimeArgument::At(micros) => micros.div_euclid(1000),
            TimeArgument::Ago(micros) => milliseconds_ago(micros),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_may_be_a_duration_before_now() {
        assert_eq!(time_argument("2027-01-01"), Ok(TimeArgument::At(1_798_761_600_000_000)));
        assert_eq!(time_argument("24h"), Ok(TimeArgument::Ago(86_400_000_000)));
        assert!(time_argument("yesterday").unwrap_err().contains("24h"));
    }
}
