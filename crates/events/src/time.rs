//! Points in time as text: RFC 3339, and what Java and databases write. The text is read and written here, dates are computed by
//! [`crate::calendar`] (why: docs/adr/0016-calendar.md).

use crate::calendar::{Civil, seconds_to_day};
use crate::zone::{TimeZone, from_local, time_zone};

/// 0001-01-01T00:00:00Z.
pub const MIN_MICROS: i64 = -62_135_596_800_000_000;
/// 9999-12-31T23:59:59.999999Z.
pub const MAX_MICROS: i64 = 253_402_300_799_999_999;

/// Microseconds since the epoch; times without an offset are UTC. See [`parse_in`].
pub fn parse(text: &str) -> Option<i64> {
    parse_in(text, None)
}

/// Microseconds since the epoch of a text:
///
/// | part | forms |
/// | --- | --- |
/// | date | `2026-03-14`; alone it is the day's beginning |
/// | time of day | `T09:30:00`, `T09:30`, `t` or a space for `T`; after seconds a fraction, cut after the microsecond |
/// | offset | `Z`, `z`, `UTC`, `GMT`, `+01:00`, `+0100`, `+01`, `+01:00:00`; a space may precede it |
/// | zone | `[Europe/Berlin]`; it counts if there is no offset |
///
/// Without an offset it is a local time in `zone`, or else UTC. A leap second (`:60`) counts as the second after. `None` for
/// anything else.
pub fn parse_in(text: &str, zone: Option<&TimeZone>) -> Option<i64> {
    let (date, rest) = text.as_bytes().split_at_checked(10)?;
    let (time_of_day, rest) = match rest {
        [b'T' | b't' | b' ', rest @ ..] => time_of_day(rest)?,
        rest => (0, rest),
    };
    let micros = beginning_of_day(date)? + time_of_day;
    match place(rest)? {
        Place::Offset(seconds) => Some(micros - seconds * 1_000_000),
        Place::Zone(name) => from_local(micros, &time_zone(name)?),
        Place::Local => zone.map_or(Some(micros), |zone| from_local(micros, zone)),
    }
}

/// Where a time is meant.
enum Place<'t> {
    /// So many seconds ahead of UTC.
    Offset(i64),
    /// In a zone.
    Zone(&'t str),
    /// The text does not say.
    Local,
}

/// Appends `YYYY-MM-DDTHH:MM:SS.ffffffZ`. Years outside 0 to 9999 are written with a sign and as many digits
/// as they need.
pub fn write(micros: i64, out: &mut Vec<u8>) {
    let civil = Civil::at(micros);
    let year = civil.year();
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let time = civil.within_cycle;
    let microsecond = time.subsec_nanosecond() / 1000;
    two_digits(&mut text[5..], time.month());
    two_digits(&mut text[8..], time.day());
    two_digits(&mut text[11..], time.hour());
    two_digits(&mut text[14..], time.minute());
    two_digits(&mut text[17..], time.second());
    two_digits(&mut text[20..], (microsecond / 10_000) as i8);
    two_digits(&mut text[22..], (microsecond / 100 % 100) as i8);
    two_digits(&mut text[24..], (microsecond % 100) as i8);
    if (0..=9999).contains(&year) {
        two_digits(&mut text[0..], (year / 100) as i8);
        two_digits(&mut text[2..], (year % 100) as i8);
        out.extend_from_slice(&text);
    } else {
        out.extend_from_slice(format!("{year:+05}").as_bytes());
        out.extend_from_slice(&text[4..]);
    }
}

/// Writes a number of 0 to 99 to the first two bytes.
#[inline]
fn two_digits(text: &mut [u8], number: i8) {
    text[0] = b'0' + (number / 10) as u8;
    text[1] = b'0' + (number % 10) as u8;
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |sum, byte| {
        byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'))
    })
}

/// Microseconds from the epoch to the beginning of `YYYY-MM-DD`.
fn beginning_of_day(date: &[u8]) -> Option<i64> {
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&date[0..4])?, digits(&date[5..7])?, digits(&date[8..10])?);
    Some(seconds_to_day(year, month, day)? * 1_000_000)
}

/// The microseconds of `HH:MM`, `HH:MM:SS` or `HH:MM:SS.f`, and what follows.
fn time_of_day(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (head, rest) = bytes.split_at_checked(5)?;
    let (hour, minute) = (digits(&head[0..2])?, digits(&head[3..5])?);
    let (second, micros, rest) = match rest {
        [b':', tens, ones, rest @ ..] => {
            let (micros, rest) = fraction(rest)?;
            (digits(&[*tens, *ones])?, micros, rest)
        }
        rest => (0, 0, rest),
    };
    let is_valid = head[2] == b':' && hour <= 23 && minute <= 59 && second <= 60;
    is_valid.then_some(((hour * 3600 + minute * 60 + second) * 1_000_000 + micros, rest))
}

/// The microseconds of an optional fraction, and what follows it.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.' | b',', rest @ ..] = bytes else {
        return Some((0, bytes));
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let kept = length.min(6);
    let micros = digits(&rest[..kept])? * 10_i64.pow(6 - kept as u32);
    Some((micros, &rest[length..]))
}

/// What an optional offset and an optional zone say.
fn place(bytes: &[u8]) -> Option<Place<'_>> {
    match bytes {
        [] => Some(Place::Local),
        [offset @ .., b']'] => {
            let start = offset.iter().position(|&byte| byte == b'[')?;
            let name = std::str::from_utf8(&offset[start + 1..]).ok()?;
            match &offset[..start] {
                [] => Some(Place::Zone(name)),
                offset => offset_seconds(offset).map(Place::Offset),
            }
        }
        offset => offset_seconds(offset).map(Place::Offset),
    }
}

/// The seconds by which the local time is ahead of UTC.
fn offset_seconds(bytes: &[u8]) -> Option<i64> {
    let bytes = match bytes {
        [b' ', rest @ ..] => rest,
        _ => bytes,
    };
    let (sign, rest) = match bytes {
        [b'Z' | b'z'] | b"UTC" | b"GMT" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes, seconds) = match rest {
        [_, _] => (digits(rest)?, 0, 0),
        [_, _, _, _] => (digits(&rest[..2])?, digits(&rest[2..])?, 0),
        [_, _, b':', _, _] => (digits(&rest[..2])?, digits(&rest[3..])?, 0),
        [_, _, b':', _, _, b':', _, _] => (digits(&rest[..2])?, digits(&rest[3..5])?, digits(&rest[6..])?),
        _ => return None,
    };
    let is_valid = hours <= 23 && minutes <= 59 && seconds <= 59;
    is_valid.then_some(sign * (hours * 3600 + minutes * 60 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(micros: i64) -> String {
        let mut out = Vec::new();
        write(micros, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn accepted() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01 00:00:00", 0),
            ("1970-01-01t00:00:00z", 0),
            ("1970-01-01T00:00:00.000001Z", 1),
            ("1970-01-01T00:00:00.0000019Z", 1),
            ("1970-01-01T00:00:00,5", 500_000),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1970-01-01T01:00:00+0100", 0),
            ("1970-01-01T01:00:00+01", 0),
            ("1969-12-31T23:30:00-00:30", 0),
            ("1969-12-31T23:59:59.999999Z", -1),
            ("2018-04-01 00:00:31", 1_522_540_831_000_000),
            ("2024-02-29T12:00:00Z", 1_709_208_000_000_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
            ("0001-01-01T00:00:00Z", MIN_MICROS),
            ("9999-12-31T23:59:59.999999Z", MAX_MICROS),
            ("1970-01-02", 86_400_000_000),
            ("1970-01-01T00:00", 0),
            ("1970-01-01 00:01", 60_000_000),
            // Java's Instant, OffsetDateTime and ZonedDateTime: no seconds if they are 0.
            ("2026-03-14T09:30Z", 1_773_480_600_000_000),
            ("2026-03-14T10:30+01:00", 1_773_480_600_000_000),
            ("2026-03-14T10:30+01:00[Europe/Berlin]", 1_773_480_600_000_000),
            (
                "2026-03-14T10:30:00.000000001+01:00[Europe/Berlin]",
                1_773_480_600_000_000,
            ),
            ("2026-03-14T09:30Z[UTC]", 1_773_480_600_000_000),
            ("2026-03-14T10:30[Europe/Berlin]", 1_773_480_600_000_000),
            ("1892-01-01T00:53:28+00:53:28", -2_461_449_600_000_000),
            // BigQuery, Ruby, PostgreSQL.
            ("2026-03-14 09:30:00 UTC", 1_773_480_600_000_000),
            ("2026-03-14 09:30:00.5 UTC", 1_773_480_600_500_000),
            ("2026-03-14 10:30:00 +0100", 1_773_480_600_000_000),
            ("2026-03-14 10:30:00 +01:00", 1_773_480_600_000_000),
            ("2026-03-14 10:30:00+01", 1_773_480_600_000_000),
            ("2026-03-14 09:30 GMT", 1_773_480_600_000_000),
            ("2024-01-01T00:00:00 Z", 1_704_067_200_000_000),
        ] {
            assert_eq!(parse(text), Some(micros), "{text}");
        }
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "2024-01",
            "2024-01-01T",
            "2024-01-01 ",
            "2024-01-01T00",
            "2024-01-01T00Z",
            "2024-01-01T00:0",
            "2024-01-01T00:00:",
            "2024-01-01T00:00:0",
            "2024-01-01T00:00.5Z",
            "2024-01-01T00:00 ",
            "2024-01-01T00:00:00 CET",
            "2024-01-01T00:00:00  UTC",
            "2024-01-01T00:00:00+01:00:60",
            "2024-01-01T00:00:00+01:00 UTC",
            "2024-01-01T00:00:00[Europe/Atlantis]",
            "2024-01-01T00:00:00[]",
            "2024-01-01T00:00:00]",
            "2024-01-01T00:00:00+01:00[",
            "20240101",
            "01.02.2024",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:61Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+1",
            "2024-01-01T00:00:00+24:00",
            "2024-01-01T00:00:00Z ",
            "2024/01/01 00:00:00",
            "+024-01-01T00:00:00Z",
            "1704067200000000000",
            "２024-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn local_times_are_of_the_zone() {
        let berlin = time_zone("Europe/Berlin").unwrap();
        for (text, utc) in [
            ("2026-03-14 10:30:00", "2026-03-14T09:30:00Z"),
            ("2026-07-14T10:30", "2026-07-14T08:30:00Z"),
            ("2026-07-14", "2026-07-13T22:00:00Z"),
            ("2026-03-14T10:30:00Z", "2026-03-14T10:30:00Z"),
            ("2026-03-14 10:30:00 +0200", "2026-03-14T08:30:00Z"),
            ("2026-03-14T10:30[Asia/Tokyo]", "2026-03-14T01:30:00Z"),
        ] {
            assert_eq!(parse_in(text, Some(&berlin)), parse(utc), "{text}");
        }
    }

    #[test]
    fn years_of_more_than_four_digits_have_a_sign() {
        for (micros, expected) in [
            (i64::MIN, "-290308-12-21T19:59:05.224192Z"),
            (MIN_MICROS - 1, "0000-12-31T23:59:59.999999Z"),
            (MIN_MICROS - 366 * 86_400_000_000 - 1, "-0001-12-31T23:59:59.999999Z"),
            (MAX_MICROS + 1, "+10000-01-01T00:00:00.000000Z"),
            (i64::MAX, "+294247-01-10T04:00:54.775807Z"),
        ] {
            assert_eq!(text(micros), expected);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(micros in MIN_MICROS..=MAX_MICROS) {
            let micros = micros.min(253_402_200_000_000_000);
            let expected = format!("{:.6}", jiff::Timestamp::from_microsecond(micros).unwrap());
            prop_assert_eq!(text(micros), expected.clone());
            prop_assert_eq!(parse(&expected), Some(micros));
        }

        #[test]
        fn any_number_can_be_written(micros: i64) {
            prop_assert!(text(micros).ends_with('Z'));
        }

        #[test]
        fn any_text_can_be_tried(text in "([0-9]{4}-[0-9]{2}-[0-9]{2})?[0-9T:.+Z \\[\\]GMTä-]{0,40}") {
            parse(&text);
        }
    }
}
