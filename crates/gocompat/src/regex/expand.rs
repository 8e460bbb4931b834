//! Templates: Go's `Regexp.Expand`.

use super::Captures;

/// Whether `template` refers to a group (a `$` followed by a name, in braces or not).
pub fn has_variable(template: &str) -> bool {
    let mut rest = template;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after;
        if let Some(plain) = after.strip_prefix('$') {
            rest = plain;
        } else if variable(after).is_some() {
            return true;
        }
    }
    false
}

/// A group as a template names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group<'a> {
    /// By index; 0 is the whole match.
    Index(usize),
    /// By name.
    Name(&'a str),
}

pub(super) fn expand(template: &str, captures: &Captures<'_>, out: &mut String) {
    expand_with(template, out, |group| match group {
        Group::Index(index) => captures.text(index),
        Group::Name(name) => captures.named(name),
    });
}

/// Appends `template` with its variables replaced by what `lookup` returns (nothing for `None`)
/// and `$$` by `$`.
pub fn expand_with<'v>(
    template: &str,
    out: &mut String,
    lookup: impl Fn(Group<'_>) -> Option<&'v str>,
) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(plain) = after.strip_prefix('$') {
            out.push('$');
            rest = plain;
        } else if let Some((name, after)) = variable(after) {
            let group = group_index(name).map_or(Group::Name(name), Group::Index);
            out.push_str(lookup(group).unwrap_or(""));
            rest = after;
        } else {
            // Not a variable: the sign stands for itself.
            out.push('$');
        }
    }
    out.push_str(rest);
}

/// The name after a `$`, and what follows it. Names are letters, digits and underscores, as many
/// as there are, or all that the braces hold.
fn variable(text: &str) -> Option<(&str, &str)> {
    let in_name = |c: char| c == '_' || c.is_alphabetic() || c.is_numeric();
    let (braced, text) = match text.strip_prefix('{') {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let end = text.find(|c: char| !in_name(c)).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    let after = if braced {
        after.strip_prefix('}')?
    } else {
        after
    };
    Some((name, after))
}

/// A name of digits only is an index, unless it is too long or has leading zeros.
fn group_index(name: &str) -> Option<usize> {
    if !name.bytes().all(|byte| byte.is_ascii_digit()) || name.len() > 8 {
        return None;
    }
    if name.len() > 1 && name.starts_with('0') {
        None
    } else {
        name.parse().ok()
    }
}
