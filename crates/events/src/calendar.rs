//! Dates on the proleptic Gregorian calendar, UTC, for every point in time that a row can hold.
//!
//! The calendar is `jiff`'s. It covers the years -9999 to 9999; microseconds in an `i64` reach 290,000 years further in
//! both directions. The calendar repeats after 400 years, so dates outside `jiff`'s range are computed in the first such
//! cycle after 1970.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, date};
use jiff::tz::Offset;

/// Years after which the calendar repeats, days of the week included.
const CYCLE_YEARS: i64 = 400;
const CYCLE_MICROS: i64 = 146_097 * 86_400_000_000;
const EPOCH: Date = date(1970, 1, 1);

/// A date and a time of day, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Date and time. The year is right if `cycles` is 0.
    pub(crate) within_cycle: DateTime,
    /// Whole cycles to be added to the year.
    cycles: i64,
}

impl Civil {
    /// The date and time at `micros` microseconds since the epoch.
    #[inline]
    pub fn at(micros: i64) -> Civil {
        let (cycles, timestamp) = match Timestamp::from_microsecond(micros) {
            Ok(timestamp) => (0, timestamp),
            Err(_) => {
                let within_cycle = Timestamp::from_microsecond(micros.rem_euclid(CYCLE_MICROS));
                let within_cycle = within_cycle.expect("400 years after 1970 lie within jiff's range");
                (micros.div_euclid(CYCLE_MICROS), within_cycle)
            }
        };
        Civil {
            within_cycle: Offset::UTC.to_datetime(timestamp),
            cycles,
        }
    }

    /// Date and time, if they lie in the years -9999 to 9999.
    pub(crate) fn within_jiff(self) -> Option<DateTime> {
        (self.cycles == 0).then_some(self.within_cycle)
    }

    /// The year; 0 is 1 BC.
    #[inline]
    pub fn year(self) -> i64 {
        i64::from(self.within_cycle.year()) + self.cycles * CYCLE_YEARS
    }

    /// The month, 1 to 12.
    #[inline]
    pub fn month(self) -> i64 {
        self.within_cycle.month().into()
    }

    /// The day of the month, 1 to 31.
    #[inline]
    pub fn day(self) -> i64 {
        self.within_cycle.day().into()
    }

    /// The day of the year, 1 to 366.
    #[inline]
    pub fn day_of_year(self) -> i64 {
        self.within_cycle.day_of_year().into()
    }

    /// The day of the week, 0 (Sunday) to 6.
    #[inline]
    pub fn day_of_week(self) -> i64 {
        self.within_cycle.weekday().to_sunday_zero_offset().into()
    }
}

/// Seconds from the epoch to the beginning of a day; `None` if there is no such day. Years are 0 to 9999.
#[inline]
pub(crate) fn seconds_to_day(year: i64, month: i64, day: i64) -> Option<i64> {
    let date = Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    Some(date.duration_since(EPOCH).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY_MICROS: i64 = 86_400_000_000;

    fn is_leap(year: i64) -> bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    fn days_in_month(year: i64, month: i64) -> i64 {
        match month {
            2 if is_leap(year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    #[test]
    fn days_follow_one_another_over_two_thousand_years() {
        // 1 January 1600 was a Saturday.
        let mut micros = -135_140 * DAY_MICROS;
        let mut day_of_week = 6;
        for year in 1600..3600 {
            let mut day_of_year = 1;
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    let civil = Civil::at(micros + 1);
                    let found = (civil.year(), civil.month(), civil.day());
                    assert_eq!(found, (year, month, day));
                    assert_eq!((civil.day_of_year(), civil.day_of_week()), (day_of_year, day_of_week));
                    assert_eq!(seconds_to_day(year, month, day), Some(micros / 1_000_000));
                    micros += DAY_MICROS;
                    day_of_year += 1;
                    day_of_week = (day_of_week + 1) % 7;
                }
                assert_eq!(seconds_to_day(year, month, days_in_month(year, month) + 1), None);
            }
        }
    }

    proptest! {
        #[test]
        fn the_calendar_repeats_after_400_years(micros in i64::MIN + CYCLE_MICROS..=i64::MAX) {
            let (civil, before) = (Civil::at(micros), Civil::at(micros - CYCLE_MICROS));
            prop_assert_eq!(civil.year(), before.year() + CYCLE_YEARS);
            prop_assert_eq!(
                (civil.month(), civil.day(), civil.day_of_year(), civil.day_of_week()),
                (before.month(), before.day(), before.day_of_year(), before.day_of_week())
            );
        }
    }
}
