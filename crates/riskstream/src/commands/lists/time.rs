//! Times on the command line.

use super::super::error::CommandError;
use crate::clock::SystemClock;
use anyhow::anyhow;
use riskstream_definition::duration;
use riskstream_events::time;
use riskstream_pipeline::Clock;
use std::str::FromStr;

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

/// A time in microseconds since the epoch: RFC 3339, or a date, which begins at midnight UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeArgument(pub i64);

impl TimeArgument {
    /// The present time.
    pub fn now() -> TimeArgument {
        TimeArgument(SystemClock.now())
    }

    /// A day before the present time.
    pub fn a_day_ago() -> TimeArgument {
        TimeArgument(SystemClock.now() - DAY)
    }
}

impl FromStr for TimeArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = time::parse(text).or_else(|| time::parse(&format!("{text}T00:00:00Z")));
        found
            .map(TimeArgument)
            .ok_or_else(|| "write 2026-12-31T12:00:00Z, or 2026-12-31 for midnight UTC".to_owned())
    }
}

/// When an entry ends.
#[derive(clap::Args)]
pub struct Ending {
    /// The event time from which on it counts no longer: 2026-12-31T12:00:00Z, or 2026-12-31 for midnight UTC
    #[arg(long, value_name = "TIME")]
    until: Option<TimeArgument>,
    /// The same as a time from now: 30d, 12h
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "until")]
    duration: Option<String>,
}

impl Ending {
    /// The time, in microseconds since the epoch.
    ///
    /// # Errors
    /// The duration is none.
    pub fn until(&self) -> Result<Option<i64>, CommandError> {
        let Some(text) = &self.duration else {
            return Ok(self.until.map(|until| until.0));
        };
        let duration = duration::parse(text).map_err(|why| CommandError::configuration(anyhow!("--for: {why}")))?;
        Ok(Some(TimeArgument::now().0.saturating_add(duration)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_midnight() {
        for text in ["2027-01-01", "2027-01-01T00:00:00Z", "2027-01-01T01:00:00+01:00"] {
            assert_eq!(text.parse(), Ok(TimeArgument(1_798_761_600_000_000)), "{text}");
        }
        assert!("tomorrow".parse::<TimeArgument>().is_err());
    }
}
