//! Sample values and timestamps: decimal numbers, infinities, NaN.
//!
//! Hexadecimal forms and digit separators of the reference's language are refused, as there.

use model::staleness::NORMAL_NAN;

use crate::quoted::quoted;

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The number in `text`, with every NaN made the ordinary one; the error is worded.
#[inline]
pub(crate) fn float(text: &[u8]) -> Result<f64, String> {
    match simple(text) {
        Some(value) => Ok(value),
        None => general(text),
    }
}

/// Plain decimals of up to 15 digits: exact by one division, since both operands are exact.
#[inline]
fn simple(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let mut mantissa = 0_u64;
    let mut point = None;
    for (index, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            mantissa = mantissa * 10 + u64::from(digit);
        } else if *byte == b'.' && point.is_none() {
            point = Some(index);
        } else {
            return None;
        }
    }
    let digit_count = digits.len() - usize::from(point.is_some());
    if digit_count == 0 || digit_count > 15 {
        return None;
    }
    let scale = point.map_or(0, |index| digits.len() - 1 - index);
    let value = mantissa as f64 / EXACT_POWERS.get(scale)?;
    Some(if negative { -value } else { value })
}

#[cold]
fn general(text: &[u8]) -> Result<f64, String> {
    if memchr::memchr3(b'p', b'P', b'_', text).is_some() {
        return Err("unsupported character in float".to_owned());
    }
    let refused = |reason: &str| format!("strconv.ParseFloat: parsing {}: {reason}", quoted(text));
    let digits = text
        .strip_prefix(b"+")
        .or_else(|| text.strip_prefix(b"-"))
        .unwrap_or(text);
    let signed = digits.len() < text.len();
    if digits.eq_ignore_ascii_case(b"nan") {
        return if signed {
            Err(refused("invalid syntax"))
        } else {
            Ok(NORMAL_NAN)
        };
    }
    let parsed = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<f64>().ok());
    match parsed {
        None => Err(refused("invalid syntax")),
        Some(value)
            if value.is_infinite() && !digits.starts_with(b"i") && !digits.starts_with(b"I") =>
        {
            Err(refused("value out of range"))
        }
        Some(value) => Ok(value),
    }
}

/// A whole number of up to 64 bits, digits only; the error is worded.
pub(crate) fn integer(text: &[u8]) -> Result<i64, String> {
    let mut number = 0_i64;
    for byte in text {
        let digit = i64::from(byte.wrapping_sub(b'0'));
        number = number
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(digit))
            .ok_or_else(|| {
                format!(
                    "strconv.ParseInt: parsing {}: value out of range",
                    quoted(text)
                )
            })?;
    }
    Ok(number)
}

/// How bucket bounds and quantiles are written: shortest digits, and always with a point or an
/// exponent.
pub(crate) fn normalized(value: f64) -> String {
    let mut text = gocompat::float::format_g(value);
    let has_mark = text.bytes().any(|byte| byte == b'.' || byte == b'e');
    if value.is_finite() && !has_mark {
        text.push_str(".0");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_reference_reads() {
        fn check(text: &str, expected: f64) {
            let value = float(text.as_bytes()).unwrap();
            assert_eq!(value.to_bits(), expected.to_bits(), "{text}");
        }
        check("1", 1.0);
        check("-0", -0.0);
        check("0.1", 0.1);
        check("123456789.012345", 123_456_789.012_345);
        check("1e3", 1000.0);
        check("+Inf", f64::INFINITY);
        check("-iNfinity", f64::NEG_INFINITY);
        check("nAn", NORMAL_NAN);
        check("1234567890123456789", 1_234_567_890_123_456_800.0);
        check(".5", 0.5);
        check("5.", 5.0);
    }

    #[test]
    fn refuses_in_the_reference_s_words() {
        fn check(text: &str, expected: &str) {
            assert_eq!(float(text.as_bytes()).unwrap_err(), expected);
        }
        check("0x1p4", "unsupported character in float");
        check("1_000", "unsupported character in float");
        check(
            "-NaN",
            "strconv.ParseFloat: parsing \"-NaN\": invalid syntax",
        );
        check(
            "1e400",
            "strconv.ParseFloat: parsing \"1e400\": value out of range",
        );
        check("", "strconv.ParseFloat: parsing \"\": invalid syntax");
        check(".", "strconv.ParseFloat: parsing \".\": invalid syntax");
        check(
            "0x10",
            "strconv.ParseFloat: parsing \"0x10\": invalid syntax",
        );
    }

    #[test]
    fn bounds_get_a_point() {
        assert_eq!(normalized(1.0), "1.0");
        assert_eq!(normalized(0.5), "0.5");
        assert_eq!(normalized(f64::INFINITY), "+Inf");
        assert_eq!(normalized(1e6), "1e+06");
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_gives_the_bits_of_the_long_way(
            whole in 0_u64..1_000_000_000, fraction in 0_u32..1_000_000, sign: bool
        ) {
            let text = format!("{}{whole}.{fraction:06}", if sign { "-" } else { "" });
            let expected: f64 = text.parse().unwrap();
            proptest::prop_assert_eq!(simple(text.as_bytes()).unwrap().to_bits(), expected.to_bits());
        }
    }
}
