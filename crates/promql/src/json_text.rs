//! The few lines of JSON that the engine writes to files.

use std::fmt::Write as _;

/// Appends `text` as a JSON string; with `html` the characters that are special there are escaped.
pub(crate) fn push_string(out: &mut String, text: &str, html: bool) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' if html => push_escape(out, character),
            '\u{2028}' | '\u{2029}' => push_escape(out, character),
            character if u32::from(character) < 0x20 => push_escape(out, character),
            character => out.push(character),
        }
    }
    out.push('"');
}

fn push_escape(out: &mut String, character: char) {
    // Writing to a string does not fail.
    let _ = write!(out, "\\u{:04x}", u32::from(character));
}
