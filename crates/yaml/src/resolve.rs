//! What a scalar means: the type rules of the reference's YAML library.

use crate::decode::Dialect;

/// Prefix of the standard tags in long form.
pub const TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// A scalar with its type found.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {
    /// `~`, `null` or nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number above `i64::MAX`.
    Uint(u64),
    /// A number with a fraction or exponent.
    Float(f64),
    /// A date, kept as text.
    Timestamp,
    /// The merge key `<<`.
    Merge,
    /// Bytes from `!!binary`.
    Binary(Vec<u8>),
    /// A string.
    Text,
}

impl Resolved {
    /// The short tag, as error texts name the type.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Timestamp => "!!timestamp",
            Self::Merge => "!!merge",
            Self::Binary(_) => "!!binary",
            Self::Text => "!!str",
        }
    }
}

/// `tag:yaml.org,2002:str` as `!!str`.
pub fn short_tag(tag: &str) -> String {
    tag.strip_prefix(TAG_PREFIX)
        .map_or_else(|| tag.to_owned(), |name| format!("!!{name}"))
}

/// Finds the type of scalar `text` with explicit tag `tag` (long form or empty); `plain` says that
/// it is unquoted. Errors carry the reference's words.
pub fn resolve(text: &str, tag: &str, plain: bool, dialect: Dialect) -> Result<Resolved, String> {
    let wanted = tag.strip_prefix(TAG_PREFIX);
    match wanted {
        None if tag.is_empty() && !plain => return Ok(Resolved::Text),
        Some("str") => return Ok(Resolved::Text),
        Some("binary") => return binary(text).map(Resolved::Binary),
        Some("bool" | "int" | "float" | "null" | "timestamp") => {}
        Some(_) => return Ok(Resolved::Text),
        None if !tag.is_empty() => return Ok(Resolved::Text),
        None => {}
    }
    let found = plain_scalar(text, tag.is_empty() || wanted == Some("timestamp"), dialect);
    match (wanted, found) {
        (None, found) => Ok(found),
        (Some("float"), Resolved::Int(int)) => Ok(Resolved::Float(int as f64)),
        (Some("float"), Resolved::Uint(int)) => Ok(Resolved::Float(int as f64)),
        (Some(name), found) if found.tag().strip_prefix("!!") == Some(name) => Ok(found),
        (Some(name), found) => Err(format!(
            "yaml: cannot decode {} `{text}` as a !!{name}",
            found.tag()
        )),
    }
}

/// Whether the text would be read back as a string when written unquoted.
pub fn is_plain_text(text: &str) -> bool {
    plain_scalar(text, true, Dialect::V2) == Resolved::Text && !is_base60(text)
}

/// What an untagged, unquoted scalar means.
fn plain_scalar(text: &str, dates: bool, dialect: Dialect) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" => return Resolved::Bool(true),
        "false" | "False" | "FALSE" => return Resolved::Bool(false),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" if dialect == Dialect::V2 => {
            return Resolved::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" if dialect == Dialect::V2 => {
            return Resolved::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Resolved::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        "<<" => return Resolved::Merge,
        _ => {}
    }
    match text.as_bytes().first() {
        Some(b'.') => text
            .parse()
            .ok()
            .filter(|_| is_yaml_float(text))
            .map_or(Resolved::Text, Resolved::Float),
        Some(b'+' | b'-' | b'0'..=b'9') => number(text, dates),
        _ => Resolved::Text,
    }
}

fn number(text: &str, dates: bool) -> Resolved {
    if dates && is_timestamp(text) {
        return Resolved::Timestamp;
    }
    let digits = text.replace('_', "");
    if let Some(int) = integer(&digits) {
        return int;
    }
    if is_yaml_float(&digits)
        && let Ok(float) = digits.parse::<f64>()
        && float.is_finite()
    {
        return Resolved::Float(float);
    }
    Resolved::Text
}

/// Whole numbers with the language's prefixes: `0x`, `0o`, `0b` and a leading zero for octal.
fn integer(text: &str) -> Option<Resolved> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    let size = u64::from_str_radix(digits, base).ok()?;
    if negative {
        let int = i64::try_from(-i128::from(size)).ok()?;
        return Some(Resolved::Int(int));
    }
    if text.starts_with('+') && i64::try_from(size).is_err() {
        return None;
    }
    Some(i64::try_from(size).map_or(Resolved::Uint(size), Resolved::Int))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_yaml_float(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && all_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_ok = exponent.is_none_or(|text| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_ok && exponent_ok
}

/// `2001-12-14`, alone or followed by a time of day.
fn is_timestamp(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let in_range = |text: &str, max: u32| {
        all_digits(text) && text.len() <= 2 && text.parse().is_ok_and(|n: u32| n >= 1 && n <= max)
    };
    let (day, time) = match rest.find(['T', 't', ' ']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let date_ok = year.len() == 4 && all_digits(year) && in_range(month, 12) && in_range(day, 31);
    let time_ok = time.is_none_or(|time| {
        let digits = |byte: u8| byte.is_ascii_digit() || b":.Zz+- ".contains(&byte);
        time.bytes()
            .next()
            .is_some_and(|first| first.is_ascii_digit())
            && time.matches(':').count() >= 2
            && time.bytes().all(digits)
    });
    date_ok && time_ok
}

/// Old YAML read `1:20` as a number to base 60; the encoder quotes such text.
fn is_base60(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (body, fraction) = body.split_once('.').unwrap_or((body, ""));
    if !fraction
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'_')
    {
        return false;
    }
    let mut parts = body.split(':');
    let first = parts.next().unwrap_or("");
    let first_ok = first
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_digit())
        && first
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_');
    let rest: Vec<&str> = parts.collect();
    let sixties = |part: &&str| match part.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [tens, digit] => (b'0'..=b'5').contains(tens) && digit.is_ascii_digit(),
        _ => false,
    };
    first_ok && !rest.is_empty() && rest.iter().all(sixties)
}

/// Standard base64; line breaks may split it.
fn binary(text: &str) -> Result<Vec<u8>, String> {
    let invalid = || "yaml: !!binary value contains invalid base64 data".to_owned();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let symbols: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect();
    if !symbols.len().is_multiple_of(4) {
        return Err(invalid());
    }
    let quads = symbols.len() / 4;
    for (index, quad) in symbols.chunks_exact(4).enumerate() {
        let padding = quad.iter().rev().take_while(|&&byte| byte == b'=').count();
        if padding > 2 || (padding > 0 && index + 1 != quads) {
            return Err(invalid());
        }
        let mut bits = 0u32;
        for &symbol in &quad[..4 - padding] {
            bits = bits << 6 | base64_digit(symbol).ok_or_else(invalid)?;
        }
        bits <<= 6 * padding;
        bytes.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    Ok(bytes)
}

fn base64_digit(symbol: u8) -> Option<u32> {
    let digit = match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Resolved) {
        assert_eq!(resolve(text, "", true, Dialect::V2), Ok(expected), "{text}");
    }

    #[test]
    fn plain_scalars_mean_what_the_reference_reads() {
        check("yes", Resolved::Bool(true));
        check("Off", Resolved::Bool(false));
        check("0x1F", Resolved::Int(31));
        check("0777", Resolved::Int(511));
        check("0o17", Resolved::Int(15));
        check("-0b11", Resolved::Int(-3));
        check("1_000", Resolved::Int(1000));
        check("18446744073709551615", Resolved::Uint(u64::MAX));
        check("1e3", Resolved::Float(1000.0));
        check(".5", Resolved::Float(0.5));
        check("+.inf", Resolved::Float(f64::INFINITY));
        check("08", Resolved::Float(8.0));
        check("1.2.3", Resolved::Text);
        check("2001-12-14", Resolved::Timestamp);
        check("15s", Resolved::Text);
        check("", Resolved::Null);
        check("nullx", Resolved::Text);
    }

    #[test]
    fn tags_force_or_refuse_a_type() {
        let tagged =
            |text: &str, tag: &str| resolve(text, &format!("{TAG_PREFIX}{tag}"), true, Dialect::V2);
        assert_eq!(tagged("5", "str"), Ok(Resolved::Text));
        assert_eq!(tagged("5", "float"), Ok(Resolved::Float(5.0)));
        assert_eq!(
            tagged("x", "int"),
            Err("yaml: cannot decode !!str `x` as a !!int".to_owned())
        );
        assert_eq!(tagged("/w==", "binary"), Ok(Resolved::Binary(vec![0xff])));
        assert!(tagged("/w=", "binary").is_err());
    }

    #[test]
    fn third_version_reads_yes_as_text() {
        assert_eq!(resolve("yes", "", true, Dialect::V3), Ok(Resolved::Text));
    }
}
