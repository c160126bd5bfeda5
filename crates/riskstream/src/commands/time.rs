//! Points in time as arguments.

/// Microseconds since the epoch of a date, which begins at midnight UTC, or of a time.
///
/// # Errors
/// It is none: what to write.
pub(super) fn time(text: &str) -> Result<i64, String> {
    let parsed = riskstream_events::time::parse(text);
    parsed.ok_or_else(|| "write a date or a time: 2026-12-31 or 2026-12-31T09:30:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_midnight() {
        for text in ["2027-01-01", "2027-01-01T00:00:00Z", "2027-01-01T01:00:00+01:00"] {
            assert_eq!(time(text), Ok(1_798_761_600_000_000), "{text}");
        }
        assert!(time("tomorrow").is_err());
    }
}
