//! The quick reader of the text format: takes the lines that well-behaved targets write and
//! declines (`None`) at the first surprise, so that the exact parser decides.
//!
//! Whatever it takes, the exact parser takes with the same result; a property test holds it to that.

use std::borrow::Cow;

use model::Timestamp;

use super::parse::metric_type;
use super::unescape_str;
use crate::byte_class::{in_label, in_name, is_blank, starts_label, starts_name};
use crate::entry::Series;
use crate::{Entry, value};

/// The entry at `at` and where the next one starts.
#[inline]
pub(super) fn entry(body: &[u8], mut at: usize) -> Option<(Entry<'_>, usize)> {
    loop {
        match *body.get(at)? {
            b'\n' => at += 1,
            b'#' => return metadata(body, at),
            byte if starts_name(byte) => break,
            _ => return None,
        }
    }
    let start = at;
    at = skip(body, at + 1, in_name);
    if body.get(at) == Some(&b'{') {
        at = labels(body, at + 1)?;
    } else if !is_blank(*body.get(at)?) {
        return None;
    }
    let (value, timestamp, next) = value_and_time(body, at)?;
    let text = body.get(start..at)?;
    Some((
        Entry::Series(Series {
            text,
            value,
            timestamp,
            start_timestamp: 0,
            exemplar: None,
        }),
        next,
    ))
}

/// The sample at `at` if its series is written in `length` bytes that `is_known` recognises, and where
/// the next entry starts.
#[inline]
pub(super) fn known<'a>(
    body: &'a [u8],
    mut at: usize,
    length: usize,
    is_known: impl FnOnce(&[u8]) -> bool,
) -> Option<(Series<'a>, usize)> {
    while body.get(at) == Some(&b'\n') {
        at += 1;
    }
    let end = at.checked_add(length)?;
    // Where a bare name ends, a longer one or labels may follow, and not every line is a sample:
    // told apart cheaply before the text is looked at.
    if !is_blank(*body.get(end)?) || body.get(at) == Some(&b'#') {
        return None;
    }
    let text = body.get(at..end)?;
    if !is_known(text) {
        return None;
    }
    let (value, timestamp, next) = value_and_time(body, end)?;
    Some((
        Series {
            text,
            value,
            timestamp,
            start_timestamp: 0,
            exemplar: None,
        },
        next,
    ))
}

/// Blanks, a value, perhaps a time, and the line's end. A brace or anything else odd declines.
#[inline]
fn value_and_time(body: &[u8], at: usize) -> Option<(f64, Option<Timestamp>, usize)> {
    let start = skip(body, at, is_blank);
    let end = skip(body, start, |byte| byte > b' ' && byte != b'{');
    let number = value::float(body.get(start..end)?).ok()?;
    match body.get(end)? {
        b'\n' => Some((number, None, end + 1)),
        b' ' => {
            let time_end = skip(body, end + 1, |byte| byte.is_ascii_digit());
            let digits = body.get(end + 1..time_end)?;
            if digits.is_empty() || body.get(time_end) != Some(&b'\n') {
                return None;
            }
            Some((number, Some(value::integer(digits).ok()?), time_end + 1))
        }
        _ => None,
    }
}

/// Labels after the opening brace; the position after the closing one.
#[inline]
fn labels(body: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let byte = *body.get(at)?;
        if byte == b'}' {
            return Some(at + 1);
        }
        if !starts_label(byte) {
            return None;
        }
        at = skip(body, at + 1, in_label);
        if body.get(at..at + 2)? != b"=\"" {
            return None;
        }
        let start = at + 2;
        at = string_end(body, start)?;
        std::str::from_utf8(body.get(start..at)?).ok()?;
        at += 1;
        match *body.get(at)? {
            b',' => at += 1,
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
}

/// The position of the closing quotation mark of a string that begins at `at`.
#[inline]
fn string_end(body: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', body.get(at..)?)?;
        if body.get(at) == Some(&b'"') {
            return Some(at);
        }
        if matches!(*body.get(at + 1)?, 0 | b'\n') {
            return None;
        }
        at += 2;
    }
}

/// HELP and TYPE lines; other comments are left to the exact parser.
fn metadata(body: &[u8], at: usize) -> Option<(Entry<'_>, usize)> {
    let keyword = body.get(at..at + 7)?;
    let name_start = at + 7;
    if !starts_name(*body.get(name_start)?) {
        return None;
    }
    let name_end = skip(body, name_start + 1, in_name);
    if body.get(name_end) != Some(&b' ') {
        return None;
    }
    let name = body.get(name_start..name_end)?;
    let line_end = name_end + memchr::memchr(b'\n', body.get(name_end..)?)?;
    let mut text = body.get(name_end + 1..line_end)?;
    if memchr::memchr(0, text).is_some() {
        return None;
    }
    if text.iter().all(|byte| is_blank(*byte)) {
        text = &[];
    }
    let entry = match keyword {
        b"# HELP " => {
            let text: Cow<'_, str> = unescape_str(std::str::from_utf8(text).ok()?, false);
            Entry::Help { name, text }
        }
        b"# TYPE " => Entry::Type {
            name,
            metric_type: metric_type(text).ok()?,
        },
        _ => return None,
    };
    Some((entry, line_end + 1))
}

#[inline]
fn skip(body: &[u8], mut at: usize, more: impl Fn(u8) -> bool) -> usize {
    while body.get(at).is_some_and(|byte| more(*byte)) {
        at += 1;
    }
    at
}
