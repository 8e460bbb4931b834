//! The label names and values of an index in the making: packed text, and numbers by text.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::index::IndexWriteError;

/// Sorted, unique texts; a text's number is its rank. Four bytes a text and a hash slot of five
/// beside the text itself.
#[derive(Debug, Default)]
pub(super) struct SymbolTable {
    text: String,
    /// Where each text ends.
    ends: Vec<u32>,
    numbers: HashTable<u32>,
    hashes: RandomState,
}

impl SymbolTable {
    /// Takes texts that are sorted and unique.
    pub(super) fn new(symbols: Vec<String>) -> Result<Self, IndexWriteError> {
        debug_assert!(symbols.is_sorted(), "symbols out of order");
        let bytes: usize = symbols.iter().map(String::len).sum();
        if u32::try_from(bytes).is_err() || u32::try_from(symbols.len()).is_err() {
            return Err(IndexWriteError::TooLarge);
        }
        let mut table = Self {
            text: String::with_capacity(bytes),
            ends: Vec::with_capacity(symbols.len()),
            numbers: HashTable::with_capacity(symbols.len()),
            hashes: RandomState::default(),
        };
        for symbol in symbols {
            let number = table.ends.len() as u32;
            table.text.push_str(&symbol);
            table.ends.push(table.text.len() as u32);
            let hash = hash(&table.hashes, &symbol);
            let Self {
                numbers,
                hashes,
                text,
                ends,
            } = &mut table;
            numbers.insert_unique(hash, number, |number| {
                self::hash(hashes, at(text, ends, *number))
            });
        }
        Ok(table)
    }

    /// Number of texts.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of a number; empty if there is none.
    pub(super) fn text(&self, number: u32) -> &str {
        at(&self.text, &self.ends, number)
    }

    /// The number of a text.
    pub(super) fn number(&self, text: &str) -> Option<u32> {
        let hash = hash(&self.hashes, text);
        self.numbers
            .find(hash, |number| self.text(*number) == text)
            .copied()
    }

    /// All texts in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len() as u32).map(|number| self.text(number))
    }
}

fn hash(hashes: &RandomState, text: &str) -> u64 {
    hashes.hash_one(text)
}

fn at<'a>(text: &'a str, ends: &[u32], number: u32) -> &'a str {
    let number = number as usize;
    let start = match number.checked_sub(1) {
        Some(before) => ends.get(before).copied().unwrap_or_default(),
        None => 0,
    };
    let end = ends.get(number).copied().unwrap_or_default();
    text.get(start as usize..end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers_find_each_other() {
        let texts = ["", "a", "ab", "küche", "z"].map(str::to_owned).to_vec();
        let table = SymbolTable::new(texts.clone()).unwrap();
        assert_eq!(table.len(), 5);
        assert!(table.iter().eq(texts.iter().map(String::as_str)));
        for (number, text) in texts.iter().enumerate() {
            assert_eq!(table.number(text), Some(number as u32));
            assert_eq!(table.text(number as u32), text);
        }
        assert_eq!(table.number("b"), None);
        assert_eq!(table.text(5), "");
    }
}
