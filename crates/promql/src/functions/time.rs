//! Parts of a date, UTC.

/// `hour()`, `month()` and their like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimePart {
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    DaysInMonth,
    Hour,
    Minute,
    Month,
    Year,
}

impl TimePart {
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "day_of_month" => Self::DayOfMonth,
            "day_of_week" => Self::DayOfWeek,
            "day_of_year" => Self::DayOfYear,
            "days_in_month" => Self::DaysInMonth,
            "hour" => Self::Hour,
            "minute" => Self::Minute,
            "month" => Self::Month,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// The part of the moment `seconds` after the epoch.
    pub(crate) fn of(self, seconds: f64) -> f64 {
        let seconds = calendar_seconds(seconds);
        let days = seconds.div_euclid(86_400) as i64;
        let second_of_day = seconds.rem_euclid(86_400) as i64;
        let (year, month, day) = civil(days);
        let part = match self {
            Self::DayOfMonth => day,
            // The epoch was a Thursday.
            Self::DayOfWeek => (days + 4).rem_euclid(7),
            Self::DayOfYear => days_before_month(year, month) + day,
            Self::DaysInMonth => days_in_month(year, month),
            Self::Hour => second_of_day / 3600,
            Self::Minute => second_of_day / 60 % 60,
            Self::Month => month,
            Self::Year => year,
        };
        part as f64
    }
}

/// Seconds between the earliest year that the reference can name and the epoch.
const EARLIEST_TO_EPOCH: i128 = 9_223_372_028_715_321_600;

/// Whole seconds as the reference's calendar sees them: what does not fit 64 bits is their smallest
/// value, and moments before its earliest year come out 2^64 seconds later.
fn calendar_seconds(seconds: f64) -> i128 {
    let fits = (i64::MIN as f64..-(i64::MIN as f64)).contains(&seconds);
    let seconds = i128::from(if fits { seconds as i64 } else { i64::MIN });
    if seconds < -EARLIEST_TO_EPOCH {
        seconds + (1 << 64)
    } else {
        seconds
    }
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_before_month(year: i64, month: i64) -> i64 {
    (1..month).map(|month| days_in_month(year, month)).sum()
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar extended to
/// all times: 400-year cycles of 146097 days counted from a March 1st, so that leap days come last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let cycle = shifted.div_euclid(146_097);
    let day_of_cycle = shifted.rem_euclid(146_097);
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_cycle + cycle * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_known_moments() {
        let parts = |seconds: f64| {
            [
                TimePart::Year,
                TimePart::Month,
                TimePart::DayOfMonth,
                TimePart::DayOfWeek,
                TimePart::DayOfYear,
                TimePart::DaysInMonth,
                TimePart::Hour,
                TimePart::Minute,
            ]
            .map(|part| part.of(seconds) as i64)
        };
        assert_eq!(parts(0.0), [1970, 1, 1, 4, 1, 31, 0, 0]);
        assert_eq!(parts(1_136_239_445.0), [2006, 1, 2, 1, 2, 31, 22, 4]);
        assert_eq!(parts(1_456_790_399.0), [2016, 2, 29, 1, 60, 29, 23, 59]);
        assert_eq!(parts(1_483_191_420.0), [2016, 12, 31, 6, 366, 31, 13, 37]);
        assert_eq!(parts(-1.0), [1969, 12, 31, 3, 365, 31, 23, 59]);
    }

    #[test]
    fn what_is_no_moment_is_the_end_of_the_calendar() {
        for seconds in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300] {
            let parts = [
                (TimePart::Year, 292_277_026_596.0),
                (TimePart::Month, 12.0),
                (TimePart::DayOfMonth, 4.0),
                (TimePart::DayOfWeek, 0.0),
                (TimePart::DayOfYear, 339.0),
                (TimePart::Hour, 15.0),
                (TimePart::Minute, 30.0),
            ];
            for (part, expected) in parts {
                assert_eq!(part.of(seconds), expected, "{part:?} of {seconds}");
            }
        }
    }
}
