//! Quoted strings: Go's `strconv.Quote`, and the string literals of the query language.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex_syntax::hir::HirKind;

/// A quoted string that is not one. Its text is Go's for this case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid syntax")]
pub struct UnquoteError;

/// `strconv.Quote`: double quotation marks, escapes for whatever does not print.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(&mut out, text);
    out
}

/// Appends [`quote`].
pub fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    push_escaped(out, text);
    out.push('"');
}

/// `strconv.Quote` of a byte string: bytes that are not UTF-8 become `\xNN`.
pub fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        push_escaped(&mut out, chunk.valid());
        for byte in chunk.invalid() {
            push_hex(&mut out, 'x', u32::from(*byte), 2);
        }
    }
    out.push('"');
    out
}

fn push_escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(character),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            '\0'..='\x1f' | '\x7f' => push_hex(out, 'x', character.into(), 2),
            _ if is_print(character) => out.push(character),
            _ if u32::from(character) < 0x1_0000 => push_hex(out, 'u', character.into(), 4),
            _ => push_hex(out, 'U', character.into(), 8),
        }
    }
}

fn push_hex(out: &mut String, letter: char, value: u32, width: usize) {
    // Writing to a string does not fail.
    let _ = write!(out, "\\{letter}{value:0width$x}");
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols, the ASCII space.
pub fn is_print(character: char) -> bool {
    if character < '\x7f' {
        return character >= ' ';
    }
    let after = PRINTED.partition_point(|(_, last)| *last < character);
    PRINTED
        .get(after)
        .is_some_and(|(first, _)| *first <= character)
}

/// Ranges of the characters that print. Go's tables are those of Unicode 15: what came later is
/// unassigned to it.
static PRINTED: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
    let class = r"[\pL\pM\pN\pP\pS&&\p{Age:15.0}]";
    let hir = regex_syntax::parse(class).map(regex_syntax::hir::Hir::into_kind);
    let Ok(HirKind::Class(regex_syntax::hir::Class::Unicode(class))) = hir else {
        return Vec::new();
    };
    class
        .ranges()
        .iter()
        .map(|range| (range.start(), range.end()))
        .collect()
});

/// Reads a string literal of the query language: in `"` or `'` with Go's escapes, or in back-quotes
/// as it stands. Bytes that are not UTF-8 (`"\xff"`) become U+FFFD, as answers would show them.
pub fn unquote(literal: &str) -> Result<String, UnquoteError> {
    let bytes = unquote_bytes(literal)?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned()))
}

/// Like [`unquote`], with the bytes as they are written.
pub fn unquote_bytes(literal: &str) -> Result<Vec<u8>, UnquoteError> {
    let mut characters = literal.chars();
    let (Some(mark), Some(last)) = (characters.next(), characters.next_back()) else {
        return Err(UnquoteError);
    };
    let inner = characters.as_str();
    match mark {
        _ if mark != last => Err(UnquoteError),
        '`' if inner.contains('`') => Err(UnquoteError),
        '`' => Ok(inner.as_bytes().to_vec()),
        '"' | '\'' if inner.contains('\n') => Err(UnquoteError),
        '"' | '\'' => unescape(inner, mark),
        _ => Err(UnquoteError),
    }
}

fn unescape(mut inner: &str, mark: char) -> Result<Vec<u8>, UnquoteError> {
    let mut out = Vec::with_capacity(inner.len());
    while let Some(at) = inner.find(['\\', mark]) {
        let (plain, rest) = inner.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let escape = rest.strip_prefix('\\').ok_or(UnquoteError)?;
        inner = push_unescaped(&mut out, escape, mark)?;
    }
    out.extend_from_slice(inner.as_bytes());
    Ok(out)
}

/// Reads one escape, what follows the backslash; returns what is left.
fn push_unescaped<'a>(
    out: &mut Vec<u8>,
    escape: &'a str,
    mark: char,
) -> Result<&'a str, UnquoteError> {
    let letter = escape.chars().next().ok_or(UnquoteError)?;
    let rest = &escape[letter.len_utf8()..];
    let byte = match letter {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' | '\'' if letter == mark => letter as u8,
        'x' => {
            let (value, rest) = number(rest, 2, 16)?;
            out.push(value as u8);
            return Ok(rest);
        }
        '0'..='7' => {
            let (value, rest) = number(escape, 3, 8)?;
            out.push(u8::try_from(value).map_err(|_| UnquoteError)?);
            return Ok(rest);
        }
        'u' | 'U' => {
            let (value, rest) = number(rest, if letter == 'u' { 4 } else { 8 }, 16)?;
            if value > u32::from(char::MAX) {
                return Err(UnquoteError);
            }
            let character = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(rest);
        }
        _ => return Err(UnquoteError),
    };
    out.push(byte);
    Ok(rest)
}

fn number(text: &str, width: usize, radix: u32) -> Result<(u32, &str), UnquoteError> {
    let (digits, rest) = text.split_at_checked(width).ok_or(UnquoteError)?;
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(UnquoteError);
    }
    Ok((
        u32::from_str_radix(digits, radix).map_err(|_| UnquoteError)?,
        rest,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{UnquoteError, quote, quote_bytes, unquote, unquote_bytes};

    #[test]
    fn quotes_like_the_reference() {
        let check = |text: &str, quoted: &str| assert_eq!(quote(text), quoted);
        check("", r#""""#);
        check("a\"b\\c", r#""a\"b\\c""#);
        check(
            "\x07\x08\x0c\n\r\t\x0b\0\x1f\x7f",
            r#""\a\b\f\n\r\t\v\x00\x1f\x7f""#,
        );
        check("äö日本😀\u{fffd}", "\"äö日本😀\u{fffd}\"");
        check(
            "\u{a0}\u{ad}\u{200b}\u{feff}\u{e000}",
            r#""\u00a0\u00ad\u200b\ufeff\ue000""#,
        );
        check("\u{10ffff}\u{e0001}", r#""\U0010ffff\U000e0001""#);
        assert_eq!(quote_bytes(b"a\xffb\xe2\x82"), r#""a\xffb\xe2\x82""#);
    }

    #[test]
    fn unquotes_all_three_forms() {
        let check = |literal: &str, text: &str| assert_eq!(unquote(literal), Ok(text.to_owned()));
        check(r#""a\tb""#, "a\tb");
        check(r"'a\'b'", "a'b");
        check(r#"'a"b'"#, "a\"b");
        check(r"`a\nb`", r"a\nb");
        check("`a\nb`", "a\nb");
        check(r#""\x41\101\u00e4\U0001F600\ud800""#, "AAä😀\u{fffd}");
        check(r#""""#, "");
        assert_eq!(unquote_bytes(r#""\xff""#), Ok(vec![0xff]));
        check(r#""\xff""#, "\u{fffd}");
    }

    #[test]
    fn refuses_broken_literals() {
        for literal in [
            "",
            "\"",
            "\"a",
            "a\"",
            "'a\"",
            "abc",
            r#""\q""#,
            r#""\'""#,
            r#"'\"'"#,
            "\"a\nb\"",
            "`a`b`",
            r#""\x4""#,
            r#""\400""#,
            r#""\08""#,
            r#""\U00110000""#,
            r#""a"b""#,
            r#""\""#,
            r#""\u+123""#,
            r#""\xé""#,
        ] {
            assert_eq!(unquote(literal), Err(UnquoteError), "{literal}");
        }
    }

    proptest! {
        #[test]
        fn unquoting_undoes_quoting(text in any::<String>()) {
            prop_assert_eq!(unquote(&quote(&text)), Ok(text));
        }

        #[test]
        fn never_panics(literal in "[\"'`](\\\\[a-z0-7'\"]|.){0,8}[\"'`]?") {
            let _ = unquote(&literal);
        }
    }
}
