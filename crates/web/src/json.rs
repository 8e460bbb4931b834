//! JSON as the reference's API writes it, appended to a byte buffer.
//!
//! Two rules for strings live side by side: label sets are written plainly, everything else escapes
//! `<`, `>`, `&` and the two Unicode line separators for the sake of HTML.

use model::{FloatHistogram, Labels, Timestamp};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A string that may stand inside HTML.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    quoted(out, text, true);
}

/// A string with only the escapes that JSON demands: label names and values.
pub(crate) fn plain_string(out: &mut Vec<u8>, text: &str) {
    quoted(out, text, false);
}

fn quoted(out: &mut Vec<u8>, text: &str, html: bool) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let needs_escape = match byte {
            b'"' | b'\\' | 0..=0x1f => true,
            b'<' | b'>' | b'&' => html,
            // First byte of U+2028 and U+2029.
            0xe2 => html && matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9])),
            _ => false,
        };
        if !needs_escape {
            continue;
        }
        out.extend_from_slice(bytes.get(copied..at).unwrap_or_default());
        copied = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0xe2 => {
                let last = bytes.get(at + 2).copied().unwrap_or_default();
                out.extend_from_slice(if last == 0xa8 { b"\\u2028" } else { b"\\u2029" });
                copied = at + 3;
            }
            byte => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    out.push(b'"');
}

/// A whole number.
pub(crate) fn integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A number that is not a sample's: a duration in seconds, a ratio.
pub(crate) fn number(out: &mut Vec<u8>, value: f64) {
    gocompat::float::write_json(out, value);
}

/// A sample's value: a string, so that NaN and infinities can be said.
pub(crate) fn sample_value(out: &mut Vec<u8>, value: f64) {
    out.push(b'"');
    number(out, value);
    out.push(b'"');
}

/// Milliseconds as seconds: no fraction for whole seconds, three digits otherwise.
pub(crate) fn timestamp(out: &mut Vec<u8>, milliseconds: Timestamp) {
    if milliseconds < 0 {
        out.push(b'-');
    }
    let absolute = milliseconds.unsigned_abs();
    out.extend_from_slice(itoa::Buffer::new().format(absolute / 1000).as_bytes());
    let fraction = absolute % 1000;
    if fraction != 0 {
        let digit = |place: u64| b'0' + (fraction / place % 10) as u8;
        out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
    }
}

/// A label set as an object.
pub(crate) fn labels(out: &mut Vec<u8>, labels: &Labels) {
    out.push(b'{');
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        plain_string(out, name);
        out.push(b':');
        plain_string(out, value);
    }
    out.push(b'}');
}

/// Elements between brackets.
pub(crate) fn array<T>(
    out: &mut Vec<u8>,
    elements: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, element) in elements.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, element);
    }
    out.push(b']');
}

/// Strings between brackets.
pub(crate) fn strings<S: AsRef<str>>(out: &mut Vec<u8>, texts: impl IntoIterator<Item = S>) {
    array(out, texts, |out, text| string(out, text.as_ref()));
}

/// An object under construction.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    /// Opens an object.
    pub(crate) fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Writes a key; the caller writes its value to what is returned.
    pub(crate) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        string(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// A member that is a string.
    pub(crate) fn string(&mut self, name: &str, value: &str) -> &mut Self {
        string(self.key(name), value);
        self
    }

    /// A member that is a whole number.
    pub(crate) fn integer(&mut self, name: &str, value: i64) -> &mut Self {
        integer(self.key(name), value);
        self
    }

    /// A member that is true or false.
    pub(crate) fn boolean(&mut self, name: &str, value: bool) -> &mut Self {
        let text: &[u8] = if value { b"true" } else { b"false" };
        self.key(name).extend_from_slice(text);
        self
    }

    /// Closes the object.
    pub(crate) fn close(self) {
        self.out.push(b'}');
    }
}

/// A native histogram: count, sum and the buckets that are not empty.
pub(crate) fn histogram(out: &mut Vec<u8>, histogram: &FloatHistogram) {
    out.extend_from_slice(b"{\"count\":");
    sample_value(out, histogram.count);
    out.extend_from_slice(b",\"sum\":");
    sample_value(out, histogram.sum);
    let mut any = false;
    for bucket in histogram.all_buckets() {
        if bucket.count == 0.0 {
            continue;
        }
        out.extend_from_slice(if any { b",[" } else { b",\"buckets\":[[" });
        any = true;
        // Which ends belong to the bucket: 0 the upper, 1 the lower, 2 none, 3 both.
        let ends = match (bucket.lower_inclusive, bucket.upper_inclusive) {
            (false, true) => 0,
            (true, false) => 1,
            (false, false) => 2,
            (true, true) => 3,
        };
        integer(out, ends);
        for value in [bucket.lower, bucket.upper, bucket.count] {
            out.push(b',');
            sample_value(out, value);
        }
        out.push(b']');
    }
    if any {
        out.push(b']');
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_escape_html_and_labels_do_not() {
        let check = |text: &str, html: &str, plain: &str| {
            let mut out = Vec::new();
            string(&mut out, text);
            assert_eq!(String::from_utf8_lossy(&out), html);
            out.clear();
            plain_string(&mut out, text);
            assert_eq!(String::from_utf8_lossy(&out), plain);
        };
        check(
            "a\"\\\n\r\t\u{1}\u{7f}é",
            "\"a\\\"\\\\\\n\\r\\t\\u0001\u{7f}é\"",
            "\"a\\\"\\\\\\n\\r\\t\\u0001\u{7f}é\"",
        );
        check("<a>&", "\"\\u003ca\\u003e\\u0026\"", "\"<a>&\"");
        check(
            "x\u{2028}\u{2029}y…",
            "\"x\\u2028\\u2029y…\"",
            "\"x\u{2028}\u{2029}y…\"",
        );
    }

    #[test]
    fn timestamps_have_three_digits_or_none() {
        let check = |milliseconds: i64, expected: &str| {
            let mut out = Vec::new();
            timestamp(&mut out, milliseconds);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check(1_435_781_430_781, "1435781430.781");
        check(1_795_357_953_060, "1795357953.060");
        check(1000, "1");
        check(-1, "-0.001");
        check(-1500, "-1.500");
        check(i64::MIN, "-9223372036854775.808");
    }

    #[test]
    fn sample_values_are_strings() {
        let check = |value: f64, expected: &str| {
            let mut out = Vec::new();
            sample_value(&mut out, value);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check(1.0, "\"1\"");
        check(-0.0, "\"-0\"");
        check(1e21, "\"1e+21\"");
        check(1e-7, "\"1e-07\"");
        check(f64::NAN, "\"NaN\"");
        check(f64::INFINITY, "\"+Inf\"");
    }
}
