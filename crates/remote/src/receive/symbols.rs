//! The symbol table of a version 2 request: its strings, which everything else names by position.

use smallvec::SmallVec;

use super::known_series::{KnownSeries, LabelsKey};
use super::labels::RawPair;
use super::wire::Fields;

/// Most symbols of a request: their table must not take many times the request's own memory.
const SYMBOLS_MAX: usize = 2 << 20;

/// A reference that names nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SymbolError {
    #[error("invalid labelRefs length {0}")]
    OddLength(usize),
    #[error("labelRefs {name} (name) = {value} (value) outside of symbols table (size {len})")]
    Label { name: u32, value: u32, len: usize },
    #[error("metadata {field} {reference} outside of symbols table (size {len})")]
    Metadata {
        field: &'static str,
        reference: u32,
        len: usize,
    },
}

/// The table, and each symbol's hash.
pub(super) struct Symbols<'a, 's> {
    texts: Vec<&'a [u8]>,
    hashes: Vec<[u8; 16]>,
    known: &'s KnownSeries,
}

impl<'a, 's> Symbols<'a, 's> {
    /// The symbols of a checked request; `None` if there are more than are taken.
    pub(super) fn read(request: &'a [u8], known: &'s KnownSeries) -> Option<Self> {
        let mut symbols = Self {
            texts: Vec::new(),
            hashes: Vec::new(),
            known,
        };
        for (_, text) in Fields::new(request).filter(|(number, _)| *number == 4) {
            if symbols.texts.len() == SYMBOLS_MAX {
                return None;
            }
            let text = text.bytes();
            symbols.texts.push(text);
            symbols.hashes.push(known.key(text).to_bytes());
        }
        Some(symbols)
    }

    fn get(&self, reference: u32) -> Option<&'a [u8]> {
        self.texts.get(reference as usize).copied()
    }

    /// The pairs that `references` name.
    pub(super) fn pairs(&self, references: &[u32]) -> Result<Vec<RawPair<'a>>, SymbolError> {
        let (pairs, rest) = references.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(SymbolError::OddLength(references.len()));
        }
        let len = self.texts.len();
        let pair = |[name, value]: &[u32; 2]| {
            let (name, value) = (*name, *value);
            let missing = SymbolError::Label { name, value, len };
            Ok((
                self.get(name).ok_or_else(|| missing.clone())?,
                self.get(value).ok_or(missing)?,
            ))
        };
        pairs.iter().map(pair).collect()
    }

    /// The hash of the labels that `references` name.
    pub(super) fn key(&self, references: &[u32]) -> Option<LabelsKey> {
        let mut hashes: SmallVec<[u8; 640]> = SmallVec::new();
        for reference in references {
            hashes.extend_from_slice(self.hashes.get(*reference as usize)?);
        }
        (!hashes.is_empty()).then(|| self.known.key(&hashes))
    }

    /// A text of metadata.
    pub(super) fn metadata_text(
        &self,
        field: &'static str,
        reference: u32,
    ) -> Result<&'a [u8], SymbolError> {
        let len = self.texts.len();
        self.get(reference).ok_or(SymbolError::Metadata {
            field,
            reference,
            len,
        })
    }
}
