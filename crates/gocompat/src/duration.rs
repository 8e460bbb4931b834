//! Go's `time.Duration` as text: `1h2m3.5s`, nanoseconds inside.

use std::fmt::Write as _;

/// Units and their nanoseconds; both signs of micro are taken.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A text that is no duration, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDurationError {
    /// Not the form, or out of range.
    #[error("time: invalid duration {}", quote(.0))]
    Invalid(String),
    /// A number without its unit.
    #[error("time: missing unit in duration {}", quote(.0))]
    MissingUnit(String),
    /// A unit that is none.
    #[error("time: unknown unit {} in duration {}", quote(unit), quote(text))]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// What was given.
        text: String,
    },
}

/// The quoting of Go's `time` package: plainer than `strconv.Quote`.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=0x7f => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('"');
    out
}

/// `time.Duration.String` of `nanos`.
pub fn format(nanos: i64) -> String {
    let magnitude = nanos.unsigned_abs();
    let mut out = String::with_capacity(16);
    if nanos < 0 {
        out.push('-');
    }
    match magnitude {
        0 => out.push_str("0s"),
        1..1_000 => push_decimal(&mut out, magnitude, 1, "ns"),
        1_000..1_000_000 => push_decimal(&mut out, magnitude, 1_000, "µs"),
        1_000_000..1_000_000_000 => push_decimal(&mut out, magnitude, 1_000_000, "ms"),
        _ => {
            let minutes = magnitude / 60_000_000_000;
            if minutes >= 60 {
                let _ = write!(out, "{}h", minutes / 60);
            }
            if minutes > 0 {
                let _ = write!(out, "{}m", minutes % 60);
            }
            push_decimal(&mut out, magnitude % 60_000_000_000, 1_000_000_000, "s");
        }
    }
    out
}

/// `amount / unit` without trailing zeros; `unit` is a power of ten.
fn push_decimal(out: &mut String, amount: u64, unit: u64, name: &str) {
    let _ = write!(out, "{}", amount / unit);
    let mut fraction = amount % unit;
    if fraction > 0 {
        out.push('.');
        let mut place = unit / 10;
        while fraction > 0 {
            out.push(char::from(b'0' + (fraction / place) as u8));
            fraction %= place;
            place /= 10;
        }
    }
    out.push_str(name);
}

/// `time.ParseDuration`: nanoseconds of a text such as `-1.5h`, `300ms`, `0`.
pub fn parse(text: &str) -> Result<i64, ParseDurationError> {
    let invalid = || ParseDurationError::Invalid(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (term, after) = parse_term(rest, text)?;
        rest = after;
        total = total
            .checked_add(term)
            .filter(|sum| *sum <= 1 << 63)
            .ok_or_else(invalid)?;
    }
    if negative {
        return Ok((total as i64).wrapping_neg());
    }
    i64::try_from(total).map_err(|_| invalid())
}

/// One number with its unit at the start of `rest`; what follows it.
fn parse_term<'a>(rest: &'a str, text: &str) -> Result<(u64, &'a str), ParseDurationError> {
    let invalid = || ParseDurationError::Invalid(text.to_owned());
    let (whole_digits, rest) = split_digits(rest);
    let whole = if whole_digits.is_empty() {
        0
    } else {
        whole_digits
            .parse::<u64>()
            .ok()
            .filter(|value| *value <= 1 << 63)
            .ok_or_else(invalid)?
    };
    let (fraction_digits, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    if whole_digits.is_empty() && fraction_digits.is_empty() {
        return Err(invalid());
    }
    let unit_end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    if unit.is_empty() {
        return Err(ParseDurationError::MissingUnit(text.to_owned()));
    }
    let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(ParseDurationError::UnknownUnit {
            unit: unit.to_owned(),
            text: text.to_owned(),
        });
    };
    let whole = whole
        .checked_mul(*nanos)
        .filter(|value| *value <= 1 << 63)
        .ok_or_else(invalid)?;
    let term = whole + fraction(fraction_digits, *nanos);
    if term > 1 << 63 {
        return Err(invalid());
    }
    Ok((term, rest))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

/// `0.digits × unit`, computed in floating point as Go does; digits past 63 bits are ignored.
fn fraction(digits: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1.0_f64);
    for digit in digits.bytes() {
        let Some(next) = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit - b'0')))
        else {
            break;
        };
        if next > 1 << 63 {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    if value == 0 {
        return 0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{format, parse};

    #[test]
    fn formats_like_the_reference() {
        let check = |nanos: i64, text: &str| assert_eq!(format(nanos), text);
        check(0, "0s");
        check(1, "1ns");
        check(1_100, "1.1µs");
        check(2_200_000, "2.2ms");
        check(3_300_000_000, "3.3s");
        check(245_000_000_000, "4m5s");
        check(245_001_000_000, "4m5.001s");
        check(18_367_001_000_000, "5h6m7.001s");
        check(480_000_000_001, "8m0.000000001s");
        check(i64::MAX, "2562047h47m16.854775807s");
        check(i64::MIN, "-2562047h47m16.854775808s");
    }

    #[test]
    fn parses_like_the_reference() {
        let check = |text: &str, nanos: i64| assert_eq!(parse(text), Ok(nanos), "{text}");
        check("0", 0);
        check("-0", 0);
        check("+5s", 5_000_000_000);
        check("5.6s", 5_600_000_000);
        check("5.s", 5_000_000_000);
        check(".5s", 500_000_000);
        check("1h15m30.918273645s", 4_530_918_273_645);
        check("10us11µs12μs", 33_000);
        check("-9223372036854775808ns", i64::MIN);
        check("0.3333333333333333333h", 1_200_000_000_000);
        check("0.9223372036854775807h", 3_320_413_933_267);
    }

    #[test]
    fn names_what_is_wrong() {
        let check = |text: &str, message: &str| {
            assert_eq!(
                parse(text).map_err(|err| err.to_string()),
                Err(message.to_owned())
            );
        };
        check("", r#"time: invalid duration """#);
        check("3", r#"time: missing unit in duration "3""#);
        check("-", r#"time: invalid duration "-""#);
        check("1d", r#"time: unknown unit "d" in duration "1d""#);
        check("\u{85}85", r#"time: invalid duration "\xc2\x8585""#);
        check(
            "9223372036854775808ns",
            r#"time: invalid duration "9223372036854775808ns""#,
        );
        check("3000000h", r#"time: invalid duration "3000000h""#);
        check("hello \"x", r#"time: invalid duration "hello \"x""#);
    }

    proptest! {
        #[test]
        fn text_reads_back(nanos in any::<i64>()) {
            prop_assert_eq!(parse(&format(nanos)), Ok(nanos));
        }

        #[test]
        fn never_panics(text in "[-+]?([0-9]{0,22}\\.?[0-9]{0,22}[a-zµ]{0,2}){0,3}") {
            let _ = parse(&text);
        }
    }
}
