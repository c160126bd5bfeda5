//! Calendar arithmetic on microseconds since 1970-01-01T00:00:00Z (UTC throughout).

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// The day of the week of an epoch day: 0 is Monday, 6 is Sunday.
pub(crate) fn weekday(epoch_day: i64) -> usize {
    // 1970-01-01 was a Thursday.
    (epoch_day + 3).rem_euclid(7) as usize
}

/// A number of hours as microseconds.
pub(crate) fn hours(value: f64) -> i64 {
    (value * HOUR as f64) as i64
}

#[cfg(test)]
mod tests {
    use super::weekday;

    #[test]
    fn weekdays() {
        assert_eq!(weekday(0), 3, "1970-01-01 was a Thursday");
        assert_eq!(weekday(-1), 2);
        assert_eq!(weekday(20_454), 3, "2026-01-01 is a Thursday");
        assert_eq!(weekday(20_457), 6);
    }
}
