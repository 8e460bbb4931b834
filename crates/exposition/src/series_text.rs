//! From the text of a series to its labels.
//!
//! The text comes from a parser, so its shape is known to be good; here it is only taken apart. In
//! protobuf it is no text, see [`crate::protobuf`].
//! It is asked for once per series and target, not once per sample.

use std::borrow::Cow;

use model::MetricType;
use model::label_name::{
    BUCKET_LABEL, METRIC_NAME, QUANTILE_LABEL, is_legacy_label_name, is_legacy_metric_name,
};

use crate::byte_class::{in_label, is_blank};
use crate::quoted::quoted;
use crate::{Format, ParseError, protobuf, value};

/// A name and its value.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Fills `pairs` with the labels of `series`, the metric name among them, sorted by name.
/// Duplicate names and empty values stay: their meaning is the caller's affair. `metric_type` is
/// what the parser of this format [said](crate::Parser::metric_type).
pub fn pairs<'a>(
    format: Format,
    series: &'a [u8],
    metric_type: MetricType,
    pairs: &mut Vec<Pair<'a>>,
) -> Result<(), ParseError> {
    match format {
        Format::Text | Format::OpenMetrics => text_pairs(series, metric_type, pairs),
        Format::Protobuf => protobuf::key::pairs(series, pairs),
    }
}

/// [`pairs`] of a series in a text format.
pub(crate) fn text_pairs<'a>(
    series: &'a [u8],
    metric_type: MetricType,
    pairs: &mut Vec<Pair<'a>>,
) -> Result<(), ParseError> {
    pairs.clear();
    let brace = match series.first() {
        // A name outside braces cannot contain one.
        Some(b'{') => 0,
        _ => memchr::memchr(b'{', series).unwrap_or(series.len()),
    };
    let name = series.get(..brace).unwrap_or(series);
    let name = trim_blanks_end(name);
    // Blanks before an opening brace are no name; before a name they are part of it, as in the
    // reference.
    let only_blanks = name.iter().all(|byte| is_blank(*byte));
    if !only_blanks {
        pairs.push((Cow::Borrowed(METRIC_NAME), utf8(Cow::Borrowed(name))?));
    }
    if let Some(inside) = series.get(brace..).filter(|rest| !rest.is_empty()) {
        walk(inside, pairs, true)?;
    }
    for (name, text) in pairs.iter_mut() {
        let normalize = match metric_type {
            MetricType::Summary => name == QUANTILE_LABEL,
            MetricType::Histogram => name == BUCKET_LABEL,
            _ => false,
        };
        if normalize && let Ok(number) = gocompat::float::parse(text) {
            *text = Cow::Owned(value::normalized(number));
        }
    }
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(())
}

/// Fills `pairs` with the labels of an exemplar, written in braces.
pub(crate) fn exemplar_pairs<'a>(
    labels: &'a [u8],
    pairs: &mut Vec<Pair<'a>>,
) -> Result<(), ParseError> {
    walk(labels, pairs, false)
}

/// Takes `{…}` apart. A quoted name without a value is the metric name.
fn walk<'a>(
    braces: &'a [u8],
    pairs: &mut Vec<Pair<'a>>,
    metric_name: bool,
) -> Result<(), ParseError> {
    let mut rest = trim_start(braces.strip_prefix(b"{").unwrap_or(braces));
    while !rest.is_empty() && rest.first() != Some(&b'}') {
        let (name, after) = match rest.first() {
            Some(b'"') => split_quoted(rest),
            _ => split_bare(rest),
        };
        let name = utf8(unescape(name))?;
        rest = trim_start(after);
        if let Some(after) = rest.strip_prefix(b"=") {
            let (text, after) = split_quoted(trim_start(after));
            pairs.push((name, utf8(unescape(text))?));
            rest = trim_start(after);
        } else if metric_name {
            pairs.push((Cow::Borrowed(METRIC_NAME), name));
        }
        match rest.first() {
            Some(b',') => rest = trim_start(rest.get(1..).unwrap_or_default()),
            Some(b'}') | None => {}
            // Two labels without a comma between them: the text format allows it.
            Some(byte) if *byte == b'"' || in_label(*byte) => {}
            Some(_) => return Err(ParseError(format!("malformed labels: {}", quoted(braces)))),
        }
    }
    Ok(())
}

/// The name of a series as it is written, without quotation marks.
pub(crate) fn raw_name(series: &[u8]) -> &[u8] {
    if series.first() != Some(&b'{') {
        let brace = memchr::memchr(b'{', series).unwrap_or(series.len());
        return trim_blanks_end(series.get(..brace).unwrap_or(series));
    }
    let alone = RawLabels::of(series).find(|(_, value)| value.is_none());
    alone.map_or(b"", |(name, _)| name)
}

/// Labels of a series as they are written, in that order and without quotation marks. A name that
/// stands alone, without a value, is that of the metric.
#[derive(Debug, Clone)]
pub(crate) struct RawLabels<'a> {
    rest: &'a [u8],
}

impl<'a> RawLabels<'a> {
    pub(crate) fn of(series: &'a [u8]) -> Self {
        let brace = memchr::memchr(b'{', series).unwrap_or(series.len());
        let inside = series.get(brace + 1..).unwrap_or_default();
        Self { rest: inside }
    }
}

impl<'a> Iterator for RawLabels<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = trim_start(self.rest);
        if let Some(after) = rest.strip_prefix(b",") {
            rest = trim_start(after);
        }
        if matches!(rest.first(), None | Some(b'}')) {
            return None;
        }
        let (name, after) = match rest.first() {
            Some(b'"') => split_quoted(rest),
            _ => split_bare(rest),
        };
        self.rest = trim_start(after);
        let Some(after) = self.rest.strip_prefix(b"=") else {
            return Some((name, None));
        };
        let (value, after) = split_quoted(trim_start(after));
        self.rest = after;
        Some((name, Some(value)))
    }
}

fn trim_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| is_blank(**byte)).count();
    text.get(blanks..).unwrap_or_default()
}

fn trim_blanks_end(text: &[u8]) -> &[u8] {
    let blanks = text
        .iter()
        .rev()
        .take_while(|byte| is_blank(**byte))
        .count();
    text.get(..text.len() - blanks).unwrap_or(text)
}

fn split_bare(text: &[u8]) -> (&[u8], &[u8]) {
    let size = text.iter().take_while(|byte| in_label(**byte)).count();
    // At least one byte, so that the walk always ends.
    text.split_at_checked(size.max(1)).unwrap_or((text, &[]))
}

/// What is between quotation marks (still escaped), and what follows them.
fn split_quoted(text: &[u8]) -> (&[u8], &[u8]) {
    let inside = text.get(1..).unwrap_or_default();
    let mut at = 0;
    while let Some(found) = inside
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
    {
        at += found;
        if inside.get(at) == Some(&b'"') {
            return (
                inside.get(..at).unwrap_or_default(),
                inside.get(at + 1..).unwrap_or_default(),
            );
        }
        at += 2;
        // A NUL between backslash and character is passed over by the lexers.
        while inside.get(at - 1) == Some(&0) {
            at += 1;
        }
    }
    (inside, &[])
}

/// With `\\`, `\"` and `\n` resolved; other escapes stay as written.
fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    crate::text::unescape(text, true)
}

fn utf8(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, ParseError> {
    let refused = |bytes: &[u8]| {
        ParseError(format!(
            "invalid metric name or label names: {}",
            quoted(bytes)
        ))
    };
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|_| refused(bytes)),
        Cow::Owned(bytes) => String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|err| refused(err.as_bytes())),
    }
}

/// Writes a series of this name with `pairs`, those named in `without` left out, so that [`pairs`]
/// reads it again.
pub(crate) fn write(name: &str, pairs: &[Pair<'_>], without: &[&str], out: &mut Vec<u8>) {
    let outside = is_legacy_metric_name(name);
    let mut separator = "{";
    if outside {
        out.extend_from_slice(name.as_bytes());
    } else {
        out.push(b'{');
        write_quoted(name, out);
        separator = ",";
    }
    let left_out = |label: &str| without.contains(&label);
    for (label, value) in pairs.iter().filter(|(label, _)| !left_out(label)) {
        out.extend_from_slice(separator.as_bytes());
        separator = ",";
        if is_legacy_label_name(label) {
            out.extend_from_slice(label.as_bytes());
        } else {
            write_quoted(label, out);
        }
        out.push(b'=');
        write_quoted(value, out);
    }
    if separator == "," {
        out.push(b'}');
    }
}

fn write_quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(series: &str, metric_type: MetricType, expected: &[(&str, &str)]) {
        let mut found = Vec::new();
        pairs(Format::Text, series.as_bytes(), metric_type, &mut found).unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(found, expected, "{series}");
    }

    #[test]
    fn names_outside_and_inside_braces() {
        let unknown = MetricType::Unknown;
        check("up", unknown, &[("__name__", "up")]);
        check("up{}", unknown, &[("__name__", "up")]);
        check(
            "up {b=\"2\" , a = \"1\",}",
            unknown,
            &[("__name__", "up"), ("a", "1"), ("b", "2")],
        );
        check(
            "{\"a.b\",\"c d\"=\"e\\\"f\\\\\\n\\x\"}",
            unknown,
            &[("__name__", "a.b"), ("c d", "e\"f\\\n\\x")],
        );
        check(
            "{x=\"1\",\"late\"}",
            unknown,
            &[("__name__", "late"), ("x", "1")],
        );
        check("a{x=\"{\"}", unknown, &[("__name__", "a"), ("x", "{")]);
        check(
            "a{x=\"\",x=\"1\"}",
            unknown,
            &[("__name__", "a"), ("x", ""), ("x", "1")],
        );
    }

    #[test]
    fn bounds_are_normalised_by_type() {
        let histogram = MetricType::Histogram;
        check(
            "a{le=\"1\"}",
            histogram,
            &[("__name__", "a"), ("le", "1.0")],
        );
        check("a{le=\"x\"}", histogram, &[("__name__", "a"), ("le", "x")]);
        check(
            "a{le=\"1\"}",
            MetricType::Unknown,
            &[("__name__", "a"), ("le", "1")],
        );
        check(
            "a{quantile=\"0\"}",
            MetricType::Summary,
            &[("__name__", "a"), ("quantile", "0.0")],
        );
    }
}
