//! What the text of a number means: every form it can take.

use gocompat::quote::{quote, unquote};

use crate::ast::Number;

/// Reads a number or imaginary number.
pub(crate) fn read(text: &str) -> Result<Number, String> {
    let imaginary = text.strip_suffix('i');
    if imaginary.is_some_and(|part| float(part).is_some()) {
        return Ok(Number {
            int: None,
            uint: None,
            float: None,
        });
    }
    let (int, uint) = integers(text);
    let as_float = int
        .map(|int| int as f64)
        .or_else(|| uint.map(|uint| uint as f64));
    if as_float.is_some() {
        return Ok(Number {
            int,
            uint,
            float: as_float,
        });
    }
    let Some(value) = float(text) else {
        return Err(format!("illegal number syntax: {}", quote(text)));
    };
    // What looks like an integer and is none is too large to be one.
    if !text.contains(['.', 'e', 'E', 'p', 'P']) {
        return Err(format!("integer overflow: {}", quote(text)));
    }
    let whole = value.trunc() == value;
    Ok(Number {
        int: (whole && value.abs() < 9.2e18).then_some(value as i64),
        uint: (whole && (0.0..1.8e19).contains(&value)).then_some(value as u64),
        float: Some(value),
    })
}

/// Reads a character constant.
pub(crate) fn read_character(text: &str) -> Result<Number, String> {
    let malformed = || format!("malformed character constant: {text}");
    let value = unquote(text).map_err(|_| "invalid syntax".to_owned())?;
    let mut characters = value.chars();
    let (Some(c), None) = (characters.next(), characters.next()) else {
        return Err(malformed());
    };
    let code = u32::from(c);
    Ok(Number {
        int: Some(code.into()),
        uint: Some(code.into()),
        float: Some(code.into()),
    })
}

/// A complex number: a float and an imaginary part.
pub(crate) fn read_complex(text: &str) -> Result<Number, String> {
    let sign = text
        .char_indices()
        .skip(1)
        .filter(|(at, c)| {
            let exponent = text[..*at].ends_with(['e', 'E', 'p', 'P']);
            matches!(c, '+' | '-') && !exponent
        })
        .last();
    let parts = sign.map(|(at, _)| text.split_at(at));
    let good = parts.is_some_and(|(real, imaginary)| {
        float(real).is_some() && imaginary.strip_suffix('i').and_then(float).is_some()
    });
    if good {
        Ok(Number {
            int: None,
            uint: None,
            float: None,
        })
    } else {
        Err(format!("illegal number syntax: {}", quote(text)))
    }
}

fn float(text: &str) -> Option<f64> {
    // Underscores are for integers with a base prefix only, as in `ParseFloat`.
    let is_hex = text.contains(['x', 'X']);
    if text.contains('_') && !is_hex {
        return None;
    }
    gocompat::float::parse(text).ok()
}

/// As a signed and as an unsigned integer, with base prefixes and underscores.
fn integers(text: &str) -> (Option<i64>, Option<u64>) {
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let (base, body) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    let prefixed = base != 10;
    let well_spaced =
        !body.contains("__") && !body.ends_with('_') && (prefixed || !body.starts_with('_'));
    if !well_spaced {
        return (None, None);
    }
    let plain = body.replace('_', "");
    if !plain.chars().all(|c| c.is_digit(base)) {
        return (None, None);
    }
    let Ok(magnitude) = u64::from_str_radix(&plain, base) else {
        return (None, None);
    };
    let signed = if negative {
        0_i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    };
    let has_sign = digits.len() != text.len();
    let unsigned = (!has_sign || magnitude == 0).then_some(magnitude);
    (
        signed,
        unsigned.or(signed.and_then(|int| u64::try_from(int).ok())),
    )
}
