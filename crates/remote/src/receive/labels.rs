//! Labels as a request gives them: put in order, and refused where the data model has no place for
//! them.

use gocompat::quote::{push_quoted, quote_bytes};
use model::Labels;
use model::label_name::{METRIC_NAME, is_legacy_label_name};

/// Name and value, not checked to be text.
pub(super) type RawPair<'a> = (&'a [u8], &'a [u8]);

/// Why labels are not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// No metric name, an empty label name, or bytes that are no text.
    Invalid,
    /// This name comes twice.
    Duplicate(String),
}

/// Sorts `pairs` and makes labels of them; empty values are left out.
pub(super) fn read(pairs: &mut [RawPair<'_>]) -> Result<Labels, Fault> {
    if !pairs.is_sorted_by_key(|(name, _)| *name) {
        pairs.sort_by_key(|(name, _)| *name);
    }
    let mut texts: Vec<(&str, &str)> = Vec::with_capacity(pairs.len());
    let mut has_name = false;
    for (name, value) in pairs.iter() {
        let (Ok(name), Ok(value)) = (str::from_utf8(name), str::from_utf8(value)) else {
            return Err(Fault::Invalid);
        };
        let is_metric = name == METRIC_NAME;
        if name.is_empty() || (is_metric && value.is_empty()) {
            return Err(Fault::Invalid);
        }
        has_name |= is_metric;
        texts.push((name, value));
    }
    if !has_name {
        return Err(Fault::Invalid);
    }
    let twice = texts.windows(2).find_map(|pair| match pair {
        [(one, _), (other, _)] if one == other => Some((*one).to_owned()),
        _ => None,
    });
    if let Some(name) = twice {
        return Err(Fault::Duplicate(name));
    }
    texts.retain(|(_, value)| !value.is_empty());
    Ok(Labels::from_sorted(texts))
}

/// Labels of an exemplar, which may be any; `None` if they are no text.
pub(super) fn read_exemplar<'a>(pairs: impl Iterator<Item = RawPair<'a>>) -> Option<Labels> {
    let texts =
        pairs.map(|(name, value)| Some((str::from_utf8(name).ok()?, str::from_utf8(value).ok()?)));
    Some(Labels::from_pairs(texts.collect::<Option<Vec<_>>>()?))
}

/// The pairs in braces, as errors and logs have label sets.
pub(super) fn text(pairs: &[RawPair<'_>]) -> String {
    let mut out = "{".to_owned();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        match str::from_utf8(name) {
            Ok(name) if is_legacy_label_name(name) => out.push_str(name),
            Ok(name) => push_quoted(&mut out, name),
            Err(_) => out.push_str(&quote_bytes(name)),
        }
        out.push('=');
        out.push_str(&quote_bytes(value));
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<RawPair<'a>> {
        let bytes = |(name, value): &(&'a str, &'a str)| (name.as_bytes(), value.as_bytes());
        pairs.iter().map(bytes).collect()
    }

    #[test]
    fn labels_are_sorted_and_lose_empty_values() {
        let mut pairs = raw(&[("z", "1"), ("__name__", "m"), ("a", ""), ("b", "2")]);
        let expected = Labels::from_pairs([("__name__", "m"), ("b", "2"), ("z", "1")]);
        assert_eq!(read(&mut pairs), Ok(expected));
    }

    #[test]
    fn what_the_data_model_has_no_place_for_is_refused() {
        let check = |pairs: &[(&str, &str)], fault| {
            assert_eq!(read(&mut raw(pairs)), Err(fault), "{pairs:?}");
        };
        check(&[], Fault::Invalid);
        check(&[("a", "x")], Fault::Invalid);
        check(&[("__name__", "")], Fault::Invalid);
        check(&[("__name__", "m"), ("", "x")], Fault::Invalid);
        let twice = Fault::Duplicate("a".to_owned());
        check(&[("a", "1"), ("__name__", "m"), ("a", "")], twice);
        let mut pairs = raw(&[("__name__", "m")]);
        pairs.push((b"a", b"\xff"));
        assert_eq!(read(&mut pairs), Err(Fault::Invalid));
        assert_eq!(text(&pairs), r#"{__name__="m", a="\xff"}"#);
    }
}
