//! The quick reader of OpenMetrics: takes samples as well-behaved targets write them and declines
//! (`None`) at the first surprise, so that the exact parser decides. Exemplars, times and metadata
//! are always left to that one.
//!
//! Whatever it takes, the exact parser takes with the same result; a property test holds it to that.

use crate::byte_class::{in_label, in_name, starts_label, starts_name};
use crate::entry::Series;
use crate::value;

/// The sample at `start` and where the next entry starts.
#[inline]
pub(super) fn series(body: &[u8], start: usize) -> Option<(Series<'_>, usize)> {
    if !starts_name(*body.get(start)?) {
        return None;
    }
    let mut at = skip(body, start + 1, in_name);
    if body.get(at) == Some(&b'{') {
        at = labels(body, at + 1)?;
    }
    let (value, next) = number(body, at)?;
    let text = body.get(start..at)?;
    Some((
        Series {
            text,
            value,
            timestamp: None,
            start_timestamp: 0,
            exemplar: None,
        },
        next,
    ))
}

/// The sample at `at` if its series is written in `length` bytes that `is_known` recognises, and where
/// the next entry starts.
#[inline]
pub(super) fn known<'a>(
    body: &'a [u8],
    at: usize,
    length: usize,
    is_known: impl FnOnce(&[u8]) -> bool,
) -> Option<(Series<'a>, usize)> {
    let end = at.checked_add(length)?;
    // Cheaper than looking at the text.
    if body.get(end) != Some(&b' ') || body.get(at) == Some(&b'#') {
        return None;
    }
    let text = body.get(at..end)?;
    if !is_known(text) {
        return None;
    }
    let (value, next) = number(body, end)?;
    Some((
        Series {
            text,
            value,
            timestamp: None,
            start_timestamp: 0,
            exemplar: None,
        },
        next,
    ))
}

/// A blank, a value and the line's end.
#[inline]
fn number(body: &[u8], at: usize) -> Option<(f64, usize)> {
    if body.get(at) != Some(&b' ') {
        return None;
    }
    let end = skip(body, at + 1, |byte| byte > b' ');
    if body.get(end) != Some(&b'\n') {
        return None;
    }
    Some((value::float(body.get(at + 1..end)?).ok()?, end + 1))
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
        at += memchr::memchr3(b'"', b'\\', b'\n', body.get(at..)?)?;
        match *body.get(at)? {
            b'"' => return Some(at),
            b'\n' => return None,
            _ if matches!(*body.get(at + 1)?, 0 | b'\n') => return None,
            _ => at += 2,
        }
    }
}

#[inline]
fn skip(body: &[u8], mut at: usize, more: impl Fn(u8) -> bool) -> usize {
    while body.get(at).is_some_and(|byte| more(*byte)) {
        at += 1;
    }
    at
}
