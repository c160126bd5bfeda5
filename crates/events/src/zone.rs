//! Time zones by name, and local times in them.

use crate::calendar::Civil;
pub use jiff::tz::TimeZone;
use jiff::tz::{Offset, TimeZoneDatabase};

/// A time zone by its IANA name or as an offset from UTC such as `+02:00`. Names are looked up in the database that is built
/// into the program, never in the machine's.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    match parse_offset(name) {
        Some(seconds) => Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?)),
        None => TimeZoneDatabase::bundled().get(name).ok(),
    }
}

/// The point in time of a local time, which is given in microseconds as if it were UTC. A time that occurs twice, as clocks
/// are set back, is the first one; one that does not occur, as they are set forward, is as much later as they are (RFC 5545).
pub fn from_local(micros: i64, zone: &TimeZone) -> Option<i64> {
    let local = Civil::at(micros).within_jiff()?;
    let timestamp = zone.to_ambiguous_timestamp(local).compatible().ok()?;
    Some(timestamp.as_microsecond())
}

/// `+02:00`, `-05:30` or, as CEL also has it, `02:00`, in seconds.
fn parse_offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let field = |digits: &str, limit: i32| {
        let valid = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i32>().ok().filter(|value| valid && *value < limit)
    };
    Some(sign * (field(hours, 24)? * 3_600 + field(minutes, 60)? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse;

    /// From Python's zoneinfo: `datetime(…, tzinfo=ZoneInfo(zone)).astimezone(UTC)`, fold 0.
    #[test]
    fn local_times() {
        for (zone, local, utc) in [
            ("Europe/Berlin", "2026-01-15 12:00:00", "2026-01-15 11:00:00"),
            ("Europe/Berlin", "2026-07-15 12:00:00", "2026-07-15 10:00:00"),
            // Twice: clocks are set back at 03:00.
            ("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25 00:30:00"),
            // Never: clocks are set forward at 02:00.
            ("Europe/Berlin", "2026-03-29 02:30:00", "2026-03-29 01:30:00"),
            (
                "America/New_York",
                "2026-03-14 09:30:00.000001",
                "2026-03-14 13:30:00.000001",
            ),
            ("Asia/Kolkata", "2026-03-14 00:00:00", "2026-03-13 18:30:00"),
            ("+02:00", "2026-03-14 00:00:00", "2026-03-13 22:00:00"),
            ("UTC", "2026-03-14 00:00:00", "2026-03-14 00:00:00"),
        ] {
            let zone = time_zone(zone).unwrap();
            assert_eq!(from_local(parse(local).unwrap(), &zone), parse(utc), "{local} {zone:?}");
        }
        assert_eq!(time_zone("Europe/Atlantis"), None);
        assert_eq!(from_local(i64::MAX, &time_zone("Europe/Berlin").unwrap()), None);
    }
}
