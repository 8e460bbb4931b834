//! Numbers as text: Go's `strconv.FormatFloat(v, …, -1, 64)` and `strconv.ParseFloat`.
//!
//! Shortest round-trip digits come from `zmij`; the layout (when an exponent is written, how many
//! digits it has) is Go's.

mod hex;
mod parse;

pub use parse::{ParseFloatError, parse};

/// Shortest digits of a finite number: `0.d1d2d3… × 10^point`.
struct Digits {
    bytes: [u8; 24],
    count: usize,
    point: i32,
}

impl Digits {
    /// Digits of `value`, which is finite; its sign is not looked at. Zero has no digit.
    fn shortest(value: f64) -> Self {
        let mut digits = Self {
            bytes: [0; 24],
            count: 0,
            point: 0,
        };
        if value == 0.0 {
            return digits;
        }
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut seen_point = false;
        for byte in mantissa.bytes() {
            match byte {
                b'.' => seen_point = true,
                // Leading zeros only move the point.
                b'0' if digits.count == 0 => digits.point -= i32::from(seen_point),
                digit => {
                    digits.bytes[digits.count] = digit;
                    digits.count += 1;
                    digits.point += i32::from(!seen_point);
                }
            }
        }
        while digits.count > 0 && digits.bytes[digits.count - 1] == b'0' {
            digits.count -= 1;
        }
        digits.point += exponent.parse::<i32>().unwrap_or(0);
        digits
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.count]).unwrap_or("")
    }
}

/// Text of the values that have no digits.
fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("+Inf")
    } else if value == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

/// `FormatFloat(value, 'g', -1, 64)`: exponent form where the decimal exponent is below -4 or at
/// least 6, however many digits there are.
pub fn format_g(value: f64) -> String {
    collect(value, push_g)
}

/// `FormatFloat(value, 'f', -1, 64)`: never an exponent.
pub fn format_f(value: f64) -> String {
    collect(value, push_f)
}

/// `FormatFloat(value, 'e', -1, 64)`: always an exponent, of two digits at least.
pub fn format_e(value: f64) -> String {
    collect(value, push_e)
}

/// Sample values as the reference's JSON answers have them (between the quotation marks): plain,
/// except below 1e-6 and from 1e21 on.
pub fn format_json(value: f64) -> String {
    collect(value, push_json)
}

/// `FormatFloat(value, 'f', precision, 64)`: `precision` digits after the point.
pub fn format_f_precision(value: f64, precision: usize) -> String {
    special(value).map_or_else(|| format!("{value:.precision$}"), str::to_owned)
}

/// `FormatFloat(value, 'e', precision, 64)`: one digit, `precision` more, an exponent.
pub fn format_e_precision(value: f64, precision: usize) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mut out = mantissa.to_owned();
    push_exponent(&mut out, exponent.parse().unwrap_or(0));
    out
}

/// `FormatFloat(value, 'g', precision, 64)`: at most `precision` significant digits, without
/// trailing zeros.
pub fn format_g_precision(value: f64, precision: usize) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let precision = precision.max(1);
    let text = format!("{:.*e}", precision - 1, value.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mut digits = Digits {
        bytes: [0; 24],
        count: 0,
        point: 0,
    };
    let mut long = mantissa.replace('.', "");
    long.truncate(long.trim_end_matches('0').len());
    let exponent: i32 = exponent.parse().unwrap_or(0);
    digits.point = exponent + 1;
    // Go compares with the precision, or with the digits there are if they are fewer and whole.
    let precision = i32::try_from(precision).unwrap_or(i32::MAX);
    let count = long.len() as i32;
    let limit = if precision > count && count >= digits.point {
        count
    } else {
        precision
    };
    let mut out = String::with_capacity(long.len() + 8);
    if value.is_sign_negative() {
        out.push('-');
    }
    if long.is_empty() {
        out.push('0');
    } else if exponent < -4 || exponent >= limit {
        push_exponent_digits(&mut out, &long, exponent);
    } else {
        push_plain_digits(&mut out, &long, digits.point);
    }
    out
}

/// Appends [`format_g`].
pub fn push_g(out: &mut String, value: f64) {
    push_with(out, value, |digits| !(-4..6).contains(&(digits.point - 1)));
}

/// Appends [`format_f`].
pub fn push_f(out: &mut String, value: f64) {
    push_with(out, value, |_| false);
}

/// Appends [`format_e`].
pub fn push_e(out: &mut String, value: f64) {
    push_with(out, value, |_| true);
}

/// Appends [`format_json`].
pub fn push_json(out: &mut String, value: f64) {
    let magnitude = value.abs();
    let exponent_form = magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude);
    push_with(out, value, |_| exponent_form);
}

/// Appends [`format_json`]: the quick way of answers, which are mostly such numbers.
pub fn write_json(out: &mut Vec<u8>, value: f64) {
    // Up to here neighbours are at most 1 apart: no shorter number means the same.
    const WHOLE_MAX: u64 = 1 << 53;
    let whole = value as i64;
    let is_negative_zero = whole == 0 && value.is_sign_negative();
    if whole as f64 == value && whole.unsigned_abs() <= WHOLE_MAX && !is_negative_zero {
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        return;
    }
    if (1e-6..1e21).contains(&value.abs()) {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value);
        if !text.contains('e') {
            let text = text.strip_suffix(".0").unwrap_or(text);
            out.extend_from_slice(text.as_bytes());
            return;
        }
    }
    out.extend_from_slice(format_json(value).as_bytes());
}

fn collect(value: f64, push: fn(&mut String, f64)) -> String {
    let mut out = String::with_capacity(24);
    push(&mut out, value);
    out
}

fn push_with(out: &mut String, value: f64, exponent_form: impl FnOnce(&Digits) -> bool) {
    if let Some(text) = special(value) {
        return out.push_str(text);
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    let mut digits = Digits::shortest(value);
    if digits.count == 0 {
        // Zero counts as exponent 0 in the exponent form and as -1 elsewhere: both are plain.
        digits.bytes[0] = b'0';
        digits.count = 1;
        digits.point = 1;
    }
    if exponent_form(&digits) {
        push_exponent_digits(out, digits.text(), digits.point - 1);
    } else {
        push_plain_digits(out, digits.text(), digits.point);
    }
}

/// `digits` with the point after the first, then the exponent.
fn push_exponent_digits(out: &mut String, digits: &str, exponent: i32) {
    let (first, rest) = digits.split_at(1);
    out.push_str(first);
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    push_exponent(out, exponent);
}

/// `digits` with the point where it belongs, filled up with zeros.
fn push_plain_digits(out: &mut String, digits: &str, point: i32) {
    if point <= 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', point.unsigned_abs() as usize));
        out.push_str(digits);
        return;
    }
    let point = point as usize;
    match digits.split_at_checked(point) {
        Some((whole, "")) => out.push_str(whole),
        Some((whole, fraction)) => {
            out.push_str(whole);
            out.push('.');
            out.push_str(fraction);
        }
        None => {
            out.push_str(digits);
            out.extend(std::iter::repeat_n('0', point - digits.len()));
        }
    }
}

fn push_exponent(out: &mut String, exponent: i32) {
    out.push_str(if exponent < 0 { "e-" } else { "e+" });
    let magnitude = exponent.unsigned_abs();
    for place in [100, 10, 1] {
        if place <= 10 || magnitude >= place {
            out.push(char::from(b'0' + (magnitude / place % 10) as u8));
        }
    }
}

#[cfg(test)]
mod tests;
