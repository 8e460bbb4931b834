//! Text to numbers, as Go's `strconv.ParseFloat(text, 64)` reads it.

use super::hex;
use crate::quote::quote;

use crate::math::NAN;

/// Why a text is not a number, in Go's words.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParseFloatError {
    /// Not the form of a number.
    #[error("strconv.ParseFloat: parsing {}: invalid syntax", quote(text))]
    Syntax {
        /// What was given.
        text: String,
    },
    /// A number whose magnitude no float has.
    #[error("strconv.ParseFloat: parsing {}: value out of range", quote(text))]
    Range {
        /// What was given.
        text: String,
        /// The infinity of the same sign, which Go returns beside the error.
        value: f64,
    },
}

/// Reads a number: decimal or hexadecimal (`0x1.8p3`), underscores between digits, `Inf` and
/// `Infinity` with or without a sign, `NaN` without one, letters in any case.
pub fn parse(text: &str) -> Result<f64, ParseFloatError> {
    if let Some(value) = short_integer(text.as_bytes()).or_else(|| special(text)) {
        return Ok(value);
    }
    let syntax = || ParseFloatError::Syntax {
        text: text.to_owned(),
    };
    let form = scan(text.as_bytes()).ok_or_else(syntax)?;
    let value = if form.hexadecimal {
        hex::value(text.as_bytes())
    } else if form.underscores {
        text.replace('_', "").parse().map_err(|_| syntax())?
    } else {
        text.parse().map_err(|_| syntax())?
    };
    if value.is_infinite() {
        return Err(ParseFloatError::Range {
            text: text.to_owned(),
            value,
        });
    }
    Ok(value)
}

/// Plain whole numbers of up to 15 digits, the most frequent input, exactly.
fn short_integer(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    let mut value = 0_u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value as f64)
}

fn special(text: &str) -> Option<f64> {
    let (negative, word) = match text.as_bytes().first()? {
        b'+' => (Some(false), &text[1..]),
        b'-' => (Some(true), &text[1..]),
        _ => (None, text),
    };
    if word.eq_ignore_ascii_case("inf") || word.eq_ignore_ascii_case("infinity") {
        let negative = negative.unwrap_or(false);
        return Some(if negative {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        });
    }
    (negative.is_none() && word.eq_ignore_ascii_case("nan")).then_some(NAN)
}

struct Form {
    hexadecimal: bool,
    underscores: bool,
}

/// Checks the form of the whole text; `None` if it is not a number.
fn scan(text: &[u8]) -> Option<Form> {
    let mut rest = skip_sign(text);
    let hexadecimal = rest.len() > 2 && rest[0] == b'0' && rest[1].eq_ignore_ascii_case(&b'x');
    if hexadecimal {
        rest = &rest[2..];
    }
    let (mut saw_point, mut saw_digits, mut underscores) = (false, false, false);
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b'_' => underscores = true,
            b'.' if !saw_point => saw_point = true,
            b'0'..=b'9' => saw_digits = true,
            b'a'..=b'f' | b'A'..=b'F' if hexadecimal => saw_digits = true,
            _ => break,
        }
        rest = after;
    }
    if !saw_digits {
        return None;
    }
    let exponent_mark = if hexadecimal { b'p' } else { b'e' };
    match rest.split_first() {
        Some((mark, after)) if mark.eq_ignore_ascii_case(&exponent_mark) => {
            let after = skip_sign(after);
            if !after.first()?.is_ascii_digit() {
                return None;
            }
            if !after
                .iter()
                .all(|byte| byte.is_ascii_digit() || *byte == b'_')
            {
                return None;
            }
            underscores |= after.contains(&b'_');
        }
        Some(_) => return None,
        // A hexadecimal number needs its exponent.
        None if hexadecimal => return None,
        None => {}
    }
    (!underscores || underscores_separate_digits(text)).then_some(Form {
        hexadecimal,
        underscores,
    })
}

fn skip_sign(text: &[u8]) -> &[u8] {
    match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    }
}

/// Whether each underscore stands between two digits (a base prefix counts as one before it).
fn underscores_separate_digits(text: &[u8]) -> bool {
    let mut rest = skip_sign(text);
    let mut hexadecimal = false;
    // What came before: the start, a digit, an underscore, something else.
    let mut saw = b'^';
    if let [
        b'0',
        prefix @ (b'b' | b'B' | b'o' | b'O' | b'x' | b'X'),
        after @ ..,
    ] = rest
    {
        hexadecimal = prefix.eq_ignore_ascii_case(&b'x');
        rest = after;
        saw = b'0';
    }
    for byte in rest {
        let digit = byte.is_ascii_digit() || (hexadecimal && byte.is_ascii_hexdigit());
        saw = match (digit, byte) {
            (true, _) => b'0',
            (false, b'_') if saw == b'0' => b'_',
            (false, b'_') => return false,
            (false, _) if saw == b'_' => return false,
            (false, _) => b'!',
        };
    }
    saw != b'_'
}
