//! Durations as the field writes them: `1h30m`, units `y w d h m s ms`, largest first.
//!
//! Milliseconds inside. A year is 365 days, a day 24 hours.

use std::fmt::Write as _;

use gocompat::quote::quote;

/// Units from the largest to the smallest, in milliseconds, and whether formatting uses them only
/// for exact multiples (`90d` reads better than `12w6d`).
const UNITS: [(&str, u64, bool); 7] = [
    ("y", 365 * 24 * 3_600_000, true),
    ("w", 7 * 24 * 3_600_000, true),
    ("d", 24 * 3_600_000, false),
    ("h", 3_600_000, false),
    ("m", 60_000, false),
    ("s", 1_000, false),
    ("ms", 1, false),
];

/// Largest duration: what 63 bits of nanoseconds hold, about 292 years.
pub const DURATION_MS_MAX: i64 = i64::MAX / 1_000_000;

/// A text that is no duration, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing there.
    #[error("empty duration string")]
    Empty,
    /// Not the form, or units not in order.
    #[error("not a valid duration string: {}", quote(.0))]
    Invalid(String),
    /// A unit that is none.
    #[error("unknown unit {} in duration {}", quote(unit), quote(text))]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// What was given.
        text: String,
    },
    /// More than [`DURATION_MS_MAX`].
    #[error("duration out of range")]
    OutOfRange,
}

/// Milliseconds of a text such as `1h30m` or `0`; never negative.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    match text {
        "0" => return Ok(0),
        "" => return Err(DurationError::Empty),
        _ => {}
    }
    let invalid = || DurationError::Invalid(text.to_owned());
    let mut rest = text;
    let mut total = 0_u64;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits_end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, after) = rest.split_at(digits_end);
        let amount: u64 = digits.parse().map_err(|_| invalid())?;
        let unit_end = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        rest = after;
        if unit.is_empty() {
            return Err(invalid());
        }
        if !UNITS.iter().any(|(name, ..)| *name == unit) {
            let (unit, text) = (unit.to_owned(), text.to_owned());
            return Err(DurationError::UnknownUnit { unit, text });
        }
        // The iterator only moves on: a unit that came before is not found again.
        let (_, unit_ms, _) = units.find(|(name, ..)| *name == unit).ok_or_else(invalid)?;
        total = amount
            .checked_mul(*unit_ms)
            .and_then(|ms| ms.checked_add(total))
            .filter(|ms| *ms <= DURATION_MS_MAX as u64)
            .ok_or(DurationError::OutOfRange)?;
    }
    Ok(total as i64)
}

/// Like [`parse`], with an optional minus sign in front.
pub fn parse_allow_negative(text: &str) -> Result<i64, DurationError> {
    match text.strip_prefix('-') {
        Some(positive) => parse(positive).map(|ms| -ms),
        None => parse(text),
    }
}

/// Writes a duration: years and weeks only where they are exact, `0s` for nothing.
pub fn format(duration_ms: i64) -> String {
    let mut left = duration_ms.unsigned_abs();
    if left == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    if duration_ms < 0 {
        out.push('-');
    }
    for (name, unit_ms, exact) in UNITS {
        if exact && !left.is_multiple_of(unit_ms) {
            continue;
        }
        let amount = left / unit_ms;
        if amount > 0 {
            // Writing to a string does not fail.
            let _ = write!(out, "{amount}{name}");
            left -= amount * unit_ms;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DURATION_MS_MAX, format, parse, parse_allow_negative};

    #[test]
    fn reads_units_in_order() {
        let check = |text: &str, ms: i64| assert_eq!(parse(text), Ok(ms), "{text}");
        check("0", 0);
        check("0w", 0);
        check("0s", 0);
        check("324ms", 324);
        check("3s", 3_000);
        check("5m", 300_000);
        check("1h", 3_600_000);
        check("4d1h", 97 * 3_600_000);
        check("14d", 14 * 24 * 3_600_000);
        check("3w2d1h", (23 * 24 + 1) * 3_600_000);
        check("10y", 3650 * 24 * 3_600_000);
        check("1m500ms", 60_500);
        assert_eq!(parse_allow_negative("-1m"), Ok(-60_000));
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |text: &str, message: &str| {
            assert_eq!(
                parse(text).map_err(|err| err.to_string()),
                Err(message.to_owned())
            );
        };
        check("", "empty duration string");
        check("1", r#"not a valid duration string: "1""#);
        check("1y1m1d", r#"not a valid duration string: "1y1m1d""#);
        check("1s1s", r#"not a valid duration string: "1s1s""#);
        check("-1w", r#"not a valid duration string: "-1w""#);
        check("1.5d", r#"unknown unit "." in duration "1.5d""#);
        check("1x", r#"unknown unit "x" in duration "1x""#);
        check("d", r#"not a valid duration string: "d""#);
        check("294y", "duration out of range");
        check("200y10400w", "duration out of range");
        check("107675d", "duration out of range");
        check("2584200h", "duration out of range");
    }

    #[test]
    fn writes_weeks_and_years_only_when_exact() {
        let check = |text: &str, written: &str| {
            assert_eq!(parse(text).map(format), Ok(written.to_owned()));
        };
        check("0", "0s");
        check("90d", "90d");
        check("7d", "1w");
        check("365d", "1y");
        check("366d", "366d");
        check("90m", "1h30m");
        check("1d", "1d");
        check("500ms", "500ms");
        assert_eq!(format(-90_000), "-1m30s");
    }

    proptest! {
        #[test]
        fn text_reads_back(ms in 0..=DURATION_MS_MAX) {
            prop_assert_eq!(parse(&format(ms)), Ok(ms));
        }

        #[test]
        fn never_panics(text in "([0-9]{0,21}(y|w|d|h|m|s|ms|.)){0,4}") {
            let _ = parse(&text);
        }
    }
}
