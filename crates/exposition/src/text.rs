//! The Prometheus text format, versions 0.0.4 and 1.0.0.

mod lex;
mod parse;
mod quick;
pub mod write;

use std::borrow::Cow;

pub use parse::TextParser;
pub(crate) use parse::strip_quotes;

/// With `\\` and `\n` (and, if `quotes`, `\"`) resolved; other escapes stay as written.
pub(crate) fn unescape(text: &[u8], quotes: bool) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let resolved = match (byte, bytes.peek()) {
            (b'\\', Some(b'\\')) => b'\\',
            (b'\\', Some(b'n')) => b'\n',
            (b'\\', Some(b'"')) if quotes => b'"',
            _ => {
                out.push(byte);
                continue;
            }
        };
        bytes.next();
        out.push(resolved);
    }
    Cow::Owned(out)
}

/// [`unescape`] of text already known to be UTF-8 (escapes are ASCII, so it stays so).
pub(crate) fn unescape_str(text: &str, quotes: bool) -> Cow<'_, str> {
    match unescape(text.as_bytes(), quotes) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}
