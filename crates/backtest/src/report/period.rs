//! Days and times.

use riskstream_events::{Value, display};

const DAY: i64 = 86_400_000_000;

/// The number of the day, UTC.
pub(super) fn day(time: i64) -> i64 {
    time.div_euclid(DAY)
}

/// The date of a day.
pub(super) fn date(day: i64) -> String {
    let text = time(day.saturating_mul(DAY));
    text.split_once('T').map_or(text.clone(), |(date, _)| date.to_owned())
}

/// RFC 3339, to the second.
pub(super) fn time(time: i64) -> String {
    display::value(&Value::Timestamp(time))
}
