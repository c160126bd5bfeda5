//! Points in time and durations in microseconds. Dates are UTC on the calendar of [`riskstream_events::calendar`].

use compact_str::{CompactString, ToCompactString};
use jiff::tz::TimeZone;
use riskstream_events::calendar::Civil;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Reads an RFC 3339 timestamp, to the microsecond.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_microsecond)
}

/// Writes an RFC 3339 timestamp; `None` outside the years -9999 to 9999.
pub(crate) fn format_timestamp(micros: i64) -> Option<CompactString> {
    Some(jiff::Timestamp::from_microsecond(micros).ok()?.to_compact_string())
}

/// Reads a duration as CEL writes it (`1h30m`, `-1.5s`, `250ms`), and days besides: `7d`.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let unit_end = rest[number_end..]
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .map_or(rest.len(), |length| number_end + length);
        total = total.checked_add(nanos(&rest[..number_end], unit(&rest[number_end..unit_end])?)?)?;
        rest = &rest[unit_end..];
    }
    i64::try_from(sign * total / 1000).ok()
}

/// A unit in nanoseconds.
fn unit(name: &str) -> Option<i128> {
    Some(match name {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    })
}

fn nanos(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 18 || fraction.len() > 18 {
        return None;
    }
    let digits = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse::<i128>().ok()
        }
    };
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    Some(digits(whole)? * unit + digits(fraction)? * unit / scale)
}

/// The local time of a zone, as microseconds as if it were UTC; `None` outside the years -9999 to 9999.
pub(crate) fn local_time(micros: i64, zone: &TimeZone) -> Option<i64> {
    let offset = zone.to_offset(jiff::Timestamp::from_microsecond(micros).ok()?);
    micros.checked_add(i64::from(offset.seconds()) * SECOND)
}

pub(crate) fn full_year(micros: i64) -> Option<i64> {
    Some(Civil::at(micros).year())
}

/// 0 is January.
pub(crate) fn month(micros: i64) -> Option<i64> {
    Some(Civil::at(micros).month() - 1)
}

/// The first is 1.
pub(crate) fn date(micros: i64) -> Option<i64> {
    Some(Civil::at(micros).day())
}

/// The first is 0.
pub(crate) fn day_of_month(micros: i64) -> Option<i64> {
    Some(Civil::at(micros).day() - 1)
}

/// The first is 0.
pub(crate) fn day_of_year(micros: i64) -> Option<i64> {
    Some(Civil::at(micros).day_of_year() - 1)
}

/// 0 is Sunday.
pub(crate) fn day_of_week(micros: i64) -> Option<i64> {
    Some(Civil::at(micros).day_of_week())
}

pub(crate) fn hours(micros: i64) -> Option<i64> {
    Some(micros.rem_euclid(DAY) / HOUR)
}

pub(crate) fn minutes(micros: i64) -> Option<i64> {
    Some(micros.rem_euclid(HOUR) / MINUTE)
}

pub(crate) fn seconds(micros: i64) -> Option<i64> {
    Some(micros.rem_euclid(MINUTE) / SECOND)
}

pub(crate) fn milliseconds(micros: i64) -> Option<i64> {
    Some(micros.rem_euclid(SECOND) / 1_000)
}

/// Seconds since the epoch, rounded down.
pub(crate) fn to_epoch(micros: i64) -> Option<i64> {
    Some(micros.div_euclid(SECOND))
}

pub(crate) fn from_epoch(seconds: i64) -> Option<i64> {
    seconds.checked_mul(SECOND)
}

/// The whole hours of a duration, rounded towards zero; likewise minutes and seconds.
pub(crate) fn duration_hours(micros: i64) -> Option<i64> {
    Some(micros / HOUR)
}

pub(crate) fn duration_minutes(micros: i64) -> Option<i64> {
    Some(micros / MINUTE)
}

pub(crate) fn duration_seconds(micros: i64) -> Option<i64> {
    Some(micros / SECOND)
}
