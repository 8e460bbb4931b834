//! Escapes that stand for one character.

use super::{Result_, before, error};

/// Reads the escape that `rest` starts with; returns the code point, which may be a surrogate,
/// and what follows.
pub(super) fn escape(rest: &str) -> Result_<(u32, &str)> {
    let mut after = rest[1..].chars();
    let Some(letter) = after.next() else {
        return Err(error("trailing backslash at end of expression", ""));
    };
    let code = match letter {
        '0'..='7' if letter == '0' || starts_with_octal(after.as_str()) => {
            let mut code = octal(letter);
            for _ in 0..2 {
                if !starts_with_octal(after.as_str()) {
                    break;
                }
                code = code * 8 + after.next().map_or(0, octal);
            }
            Some(code)
        }
        'x' => hexadecimal(&mut after),
        'a' => Some(0x07),
        'f' => Some(0x0c),
        'n' => Some(0x0a),
        'r' => Some(0x0d),
        't' => Some(0x09),
        'v' => Some(0x0b),
        // What is no letter and no digit stands for itself.
        _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => Some(u32::from(letter)),
        _ => None,
    };
    match code {
        Some(code) => Ok((code, after.as_str())),
        None => Err(error(
            "invalid escape sequence",
            before(rest, after.as_str()),
        )),
    }
}

fn starts_with_octal(text: &str) -> bool {
    text.starts_with(|c: char| c.is_digit(8))
}

fn octal(digit: char) -> u32 {
    digit.to_digit(8).unwrap_or(0)
}

/// What follows `\x`: two digits, or any number of them in braces.
fn hexadecimal(after: &mut std::str::Chars<'_>) -> Option<u32> {
    let first = after.next()?;
    if first != '{' {
        let second = after.next();
        return Some(first.to_digit(16)? * 16 + second?.to_digit(16)?);
    }
    let mut code = None;
    loop {
        let character = after.next()?;
        if character == '}' {
            return code;
        }
        let next = code.unwrap_or(0) * 16 + character.to_digit(16)?;
        if next > u32::from(char::MAX) {
            return None;
        }
        code = Some(next);
    }
}
