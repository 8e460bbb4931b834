//! Label sets: sorted, unique names with non-empty values.
//!
//! A [`Labels`] is one shared byte string: for each pair, the size of the name, the name, the size
//! of the value, the value. A size below 255 is one byte; otherwise 255 and three bytes, little
//! endian. This is the layout the reference hashes, so [`Labels::hash64`] gives its numbers.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use xxhash_rust::xxh64::xxh64;

use crate::label_name::{METADATA_LABELS, METRIC_NAME};

/// Longest name or value, in bytes; longer ones are cut to it at a character border.
pub const LABEL_BYTES_MAX: usize = (1 << 24) - 1;

/// A label set. Cloning copies a pointer.
#[derive(Clone, Default)]
pub struct Labels {
    packed: Arc<[u8]>,
}

impl Labels {
    /// The empty label set.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Builds a label set from pairs in any order. Pairs with an empty value are left out; of equal
    /// names the last wins.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut builder = LabelsBuilder::new();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.labels()
    }

    /// Packs pairs that are already sorted by name, unique and without empty values.
    pub fn from_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut packed = Vec::with_capacity(128);
        let mut previous: Option<&str> = None;
        for (name, value) in pairs {
            debug_assert!(
                previous.is_none_or(|before| before < name),
                "labels out of order"
            );
            debug_assert!(!value.is_empty(), "empty label value");
            previous = Some(name);
            push_text(&mut packed, name);
            push_text(&mut packed, value);
        }
        Self {
            packed: packed.into(),
        }
    }

    /// Packs pairs as [`from_sorted`](Self::from_sorted) does, of bytes that are known to be UTF-8: a
    /// pair that is not would be the last one that readers see.
    pub fn from_sorted_bytes<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut packed = Vec::with_capacity(256);
        for (name, value) in pairs {
            push_bytes(&mut packed, up_to_max(name));
            push_bytes(&mut packed, up_to_max(value));
        }
        Self {
            packed: packed.into(),
        }
    }

    /// Pairs in order of their names.
    pub fn iter(&self) -> LabelsIter<'_> {
        LabelsIter { rest: &self.packed }
    }

    /// Value of label `name`, if present.
    pub fn value(&self, name: &str) -> Option<&str> {
        for pair in self.raw() {
            match pair.name.cmp(name.as_bytes()) {
                Ordering::Less => {}
                Ordering::Equal => return std::str::from_utf8(pair.value).ok(),
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// Value of label `name`, or the empty string: what matchers compare with.
    pub fn value_or_empty(&self, name: &str) -> &str {
        self.value(name).unwrap_or("")
    }

    /// The metric name, or the empty string.
    pub fn metric_name(&self) -> &str {
        self.value_or_empty(METRIC_NAME)
    }

    /// Whether label `name` is present.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.raw().count()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// The packed bytes: equal sets have equal bytes. Not ordered like [`Ord`].
    pub fn as_bytes(&self) -> &[u8] {
        &self.packed
    }

    /// The reference's 64-bit hash of a label set (xxHash64, seed 0, of the packed bytes).
    pub fn hash64(&self) -> u64 {
        xxh64(&self.packed, 0)
    }

    /// Without the named labels.
    pub fn without(&self, names: &[&str]) -> Self {
        if !self.raw().any(|pair| pair.is_one_of(names)) {
            return self.clone();
        }
        self.keep(|pair| !pair.is_one_of(names))
    }

    /// With only the named labels.
    pub fn only(&self, names: &[&str]) -> Self {
        if names.is_empty() {
            return Self::empty();
        }
        self.keep(|pair| pair.is_one_of(names))
    }

    fn keep(&self, wanted: impl Fn(&RawPair<'_>) -> bool) -> Self {
        let mut packed = Vec::with_capacity(self.packed.len());
        for pair in self.raw().filter(wanted) {
            packed.extend_from_slice(pair.packed);
        }
        Self {
            packed: packed.into(),
        }
    }

    /// Names and values as bytes, which sort as their texts do.
    pub fn byte_pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.raw().map(|pair| (pair.name, pair.value))
    }

    /// Pairs as bytes: most uses need no text.
    fn raw(&self) -> impl Iterator<Item = RawPair<'_>> {
        let mut rest = &*self.packed;
        std::iter::from_fn(move || {
            let (name, behind) = take_bytes(rest)?;
            let (value, behind) = take_bytes(behind)?;
            let packed = rest.get(..rest.len() - behind.len())?;
            rest = behind;
            Some(RawPair {
                name,
                value,
                packed,
            })
        })
    }

    /// Without the metric name, type and unit: what is left is no longer that metric.
    pub fn without_metadata(&self) -> Self {
        self.without(&METADATA_LABELS)
    }
}

/// A pair as it is packed.
struct RawPair<'a> {
    name: &'a [u8],
    value: &'a [u8],
    /// Both, with their sizes.
    packed: &'a [u8],
}

impl RawPair<'_> {
    fn is_one_of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| name.as_bytes() == self.name)
    }
}

/// Iterator over the pairs of a [`Labels`], sorted by name.
#[derive(Debug, Clone)]
pub struct LabelsIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for LabelsIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = take_text(self.rest)?;
        let (value, rest) = take_text(rest)?;
        self.rest = rest;
        Some((name, value))
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = LabelsIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn push_text(packed: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(LABEL_BYTES_MAX)];
    push_bytes(packed, text.as_bytes());
}

/// What of a text may be packed.
fn up_to_max(bytes: &[u8]) -> &[u8] {
    if bytes.len() <= LABEL_BYTES_MAX {
        return bytes;
    }
    let begins_character = |at: &usize| bytes.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let end = (0..=LABEL_BYTES_MAX).rev().find(begins_character);
    bytes.get(..end.unwrap_or(0)).unwrap_or_default()
}

fn push_bytes(packed: &mut Vec<u8>, bytes: &[u8]) {
    let size = bytes.len();
    if size < 255 {
        packed.push(size as u8);
    } else {
        packed.push(255);
        packed.extend_from_slice(&(size as u32).to_le_bytes()[..3]);
    }
    packed.extend_from_slice(bytes);
}

fn take_text(packed: &[u8]) -> Option<(&str, &[u8])> {
    let (bytes, rest) = take_bytes(packed)?;
    // Packed only from `str`; the check costs little beside what follows and keeps `unsafe` out.
    Some((std::str::from_utf8(bytes).ok()?, rest))
}

#[inline]
fn take_bytes(packed: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = packed.split_first()?;
    let (size, rest) = if first < 255 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_first_chunk::<3>()?;
        (
            u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]) as usize,
            rest,
        )
    };
    rest.split_at_checked(size)
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.packed == other.packed
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.packed.hash(state);
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By pairs: first differing name or value decides; a prefix comes first.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.byte_pairs().cmp(other.byte_pairs())
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Changes a label set step by step; [`labels`](Self::labels) packs the result once.
#[derive(Debug, Clone, Default)]
pub struct LabelsBuilder {
    /// Sorted by name, unique, values non-empty.
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// A builder that starts from `labels`.
    pub fn from_labels(labels: &Labels) -> Self {
        Self {
            pairs: labels
                .iter()
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .collect(),
        }
    }

    /// Sets label `name`; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self.position(name) {
            Ok(index) if value.is_empty() => {
                self.pairs.remove(index);
            }
            Ok(index) => value.clone_into(&mut self.pairs[index].1),
            Err(_) if value.is_empty() => {}
            Err(index) => self
                .pairs
                .insert(index, (name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Removes label `name`.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        if let Ok(index) = self.position(name) {
            self.pairs.remove(index);
        }
        self
    }

    /// Keeps only pairs for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) -> &mut Self {
        self.pairs.retain(|(name, value)| keep(name, value));
        self
    }

    /// Current value of label `name`, or the empty string.
    pub fn value_or_empty(&self, name: &str) -> &str {
        self.position(name)
            .map_or("", |index| self.pairs[index].1.as_str())
    }

    /// Current pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether no label is set.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The label set as it stands.
    pub fn labels(&self) -> Labels {
        Labels::from_sorted(self.iter())
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.pairs
            .binary_search_by(|(found, _)| found.as_str().cmp(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_sorted_and_without_empty_values() {
        let long = "v".repeat(300);
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("c", ""), ("z", &long)]);
        let pairs: Vec<_> = labels.iter().collect();
        assert_eq!(pairs, [("a", "1"), ("b", "2"), ("z", long.as_str())]);
        assert_eq!(labels.value("z"), Some(long.as_str()));
        assert_eq!(labels.value("c"), None);
    }

    #[test]
    fn labels_of_bytes_are_those_of_the_texts() {
        let long = "é".repeat(LABEL_BYTES_MAX / 2 + 2);
        let pairs = [("a", "1"), ("z", long.as_str()), ("ä", "wert")];
        let bytes = pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        assert_eq!(Labels::from_sorted_bytes(bytes), Labels::from_sorted(pairs));
        assert_eq!(Labels::from_sorted(pairs).len(), 3);
    }

    #[test]
    fn a_prefix_sorts_first() {
        let short = Labels::from_pairs([("a", "1")]);
        let long = Labels::from_pairs([("a", "1"), ("b", "1")]);
        let longer_value = Labels::from_pairs([("a", "10")]);
        assert!(short < long);
        assert!(long < longer_value);
    }

    #[test]
    fn the_builder_sets_and_removes() {
        let mut builder = LabelsBuilder::from_labels(&Labels::from_pairs([("a", "1"), ("b", "2")]));
        builder.set("b", "").set("c", "3").set("a", "x");
        assert_eq!(
            builder.labels(),
            Labels::from_pairs([("a", "x"), ("c", "3")])
        );
    }
}
