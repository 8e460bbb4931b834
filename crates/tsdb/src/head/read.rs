//! Queries on the head.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::sample::SampleColumns;
use model::{Labels, Timestamp};
use stdx::cancel::CancelToken;
use storage::{LabelHints, MatcherSet, Querier, SelectHints, SeriesSet, StorageError, Warnings};

use super::open_ranges::OpenRange;
use super::series::StripCursor;
use super::symbols::SymbolId;
use super::visibility::Snapshot;
use super::{Head, label_sets, series};

/// Series between two looks at the cancel token.
const CANCEL_STRIDE: usize = 4096;

/// A view on the head as it was when the view was opened.
#[derive(Debug)]
pub(crate) struct HeadQuerier {
    head: Arc<Head>,
    mint: Timestamp,
    maxt: Timestamp,
    snapshot: Arc<Snapshot>,
    /// Holds truncation of what may be read back.
    range: Arc<OpenRange>,
}

impl HeadQuerier {
    /// A view on `mint <= t <= maxt`, without what blocks have taken over.
    pub(crate) fn new(head: Arc<Head>, mint: Timestamp, maxt: Timestamp) -> Self {
        let mint = mint.max(head.readable_from());
        let range = Arc::new(head.readers.enter(mint, maxt));
        let snapshot = Arc::new(head.visibility.snapshot());
        Self {
            head,
            mint,
            maxt,
            snapshot,
            range,
        }
    }

    /// Slots of series that satisfy `matchers` and may have visible samples in the range.
    fn slots(
        &self,
        matchers: &MatcherSet,
        mint: Timestamp,
        maxt: Timestamp,
        cancel: &CancelToken,
    ) -> Result<Vec<u32>, StorageError> {
        let candidates = self.head.slots(matchers, cancel)?;
        let mut slots = Vec::with_capacity(candidates.len());
        let mut cursor = StripCursor::default();
        for (index, slot) in candidates.iter().enumerate() {
            if index % CANCEL_STRIDE == CANCEL_STRIDE - 1 {
                cancel.check()?;
            }
            let Some(strip) = self.head.series.seek(&mut cursor, slot) else {
                continue;
            };
            if strip
                .series(slot)
                .is_some_and(|state| state.may_have(mint, maxt, &self.snapshot, &self.head.files))
            {
                slots.push(slot);
            }
        }
        Ok(slots)
    }

    fn outside_head(&self) -> bool {
        let range = self.head.min_time().zip(self.head.max_time());
        range.is_none_or(|(oldest, newest)| self.maxt < oldest || self.mint > newest)
    }

    /// Texts of symbols, sorted, at most `limit` (0: all).
    fn texts(&self, ids: impl IntoIterator<Item = SymbolId>, limit: usize) -> Vec<String> {
        let symbols = self.head.symbols.read();
        let mut texts: Vec<&str> = ids.into_iter().map(|id| symbols.get(id)).collect();
        texts.sort_unstable();
        texts.dedup();
        if limit > 0 {
            texts.truncate(limit);
        }
        texts.into_iter().map(str::to_owned).collect()
    }
}

impl Querier for HeadQuerier {
    fn select(
        &self,
        sort: bool,
        hints: &SelectHints,
        matchers: &MatcherSet,
        cancel: &CancelToken,
    ) -> Result<Box<dyn SeriesSet>, StorageError> {
        let mut slots = self.slots(matchers, self.mint, self.maxt, cancel)?;
        let mut labels = None;
        if sort {
            let mut sorted = labels_of(&self.head, &slots, cancel)?;
            sorted.sort();
            cancel.check()?;
            slots = sorted.iter().map(|(_, slot)| *slot).collect();
            labels = Some(
                sorted
                    .into_iter()
                    .map(|(labels, _)| labels)
                    .collect::<Vec<_>>(),
            );
        }
        if hints.limit > 0 {
            slots.truncate(hints.limit);
        }
        Ok(Box::new(HeadSeriesSet {
            head: self.head.clone(),
            snapshot: self.snapshot.clone(),
            _range: self.range.clone(),
            mint: self.mint,
            maxt: self.maxt,
            slots,
            labels,
        }))
    }

    fn label_values(
        &self,
        name: &str,
        hints: &LabelHints,
        matchers: &MatcherSet,
    ) -> Result<(Vec<String>, Warnings), StorageError> {
        let symbols = self.head.symbols.read();
        let postings = symbols
            .find(name)
            .and_then(|id| Some((id, self.head.postings.name(id)?)));
        let Some((name, postings)) = postings.filter(|_| !self.outside_head()) else {
            return Ok((Vec::new(), Warnings::new()));
        };
        let values = if matchers.is_empty() {
            postings.read().values(&symbols)
        } else {
            let slots = self.slots(matchers, self.mint, self.maxt, &CancelToken::new())?;
            let mut values = BTreeSet::new();
            let mut cursor = StripCursor::default();
            for slot in slots {
                if let Some(strip) = self.head.series.seek(&mut cursor, slot) {
                    values.extend(label_sets::value_of(strip.label_set(slot), name));
                }
            }
            values.into_iter().collect()
        };
        Ok((self.texts(values, hints.limit), Warnings::new()))
    }

    fn label_names(
        &self,
        hints: &LabelHints,
        matchers: &MatcherSet,
    ) -> Result<(Vec<String>, Warnings), StorageError> {
        if self.outside_head() {
            return Ok((Vec::new(), Warnings::new()));
        }
        let names = if matchers.is_empty() {
            self.head.postings.names()
        } else {
            let slots = self.slots(matchers, self.mint, self.maxt, &CancelToken::new())?;
            let mut names = BTreeSet::new();
            let mut cursor = StripCursor::default();
            for slot in slots {
                if let Some(strip) = self.head.series.seek(&mut cursor, slot) {
                    names.extend(label_sets::pairs(strip.label_set(slot)).map(|(name, _)| name));
                }
            }
            names.into_iter().collect()
        };
        Ok((self.texts(names, hints.limit), Warnings::new()))
    }
}

fn labels_of(
    head: &Head,
    slots: &[u32],
    cancel: &CancelToken,
) -> Result<Vec<(Labels, u32)>, StorageError> {
    let symbols = head.symbols.read();
    let mut cursor = StripCursor::default();
    let mut found = Vec::with_capacity(slots.len());
    for (index, slot) in slots.iter().enumerate() {
        if index % CANCEL_STRIDE == CANCEL_STRIDE - 1 {
            cancel.check()?;
        }
        if let Some(strip) = head.series.seek(&mut cursor, *slot) {
            found.push((label_sets::unpack(strip.label_set(*slot), &symbols), *slot));
        }
    }
    Ok(found)
}

/// Selected series: slots, and the snapshot that says what of them is visible.
struct HeadSeriesSet {
    head: Arc<Head>,
    snapshot: Arc<Snapshot>,
    _range: Arc<OpenRange>,
    mint: Timestamp,
    maxt: Timestamp,
    slots: Vec<u32>,
    /// There only if the selection had to be sorted by them.
    labels: Option<Vec<Labels>>,
}

impl HeadSeriesSet {
    fn slot(&self, index: usize) -> Option<u32> {
        self.slots.get(index).copied()
    }
}

impl SeriesSet for HeadSeriesSet {
    fn len(&self) -> usize {
        self.slots.len()
    }

    fn labels(&self, index: usize) -> Labels {
        if let Some(labels) = &self.labels {
            return labels.get(index).cloned().unwrap_or_default();
        }
        let unpacked = || {
            let slot = self.slot(index)?;
            // Symbols before the strip: every thread that needs both takes them in this order.
            let symbols = self.head.symbols.read();
            let strip = self.head.series.lock(slot)?;
            Some(label_sets::unpack(strip.label_set(slot), &symbols))
        };
        unpacked().unwrap_or_default()
    }

    fn read(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        columns.clear();
        let (mint, maxt) = (mint.max(self.mint), maxt.min(self.maxt));
        let Some(slot) = self.slot(index).filter(|_| mint <= maxt) else {
            return Ok(());
        };
        let extract = {
            let Some(strip) = self.head.series.lock(slot) else {
                return Ok(());
            };
            let Some(state) = strip.series(slot) else {
                return Ok(());
            };
            state.extract(mint, maxt, &self.snapshot, &self.head.files)
        };
        extract
            .decode(mint, maxt, columns)
            .map_err(|err| StorageError::Corrupt(format!("head chunk: {err}")))?;
        if let Some(deleted) = self.head.tombstones(slot) {
            series::retain(columns, |timestamp| {
                !deleted
                    .iter()
                    .any(|(mint, maxt)| (*mint..=*maxt).contains(&timestamp))
            });
        }
        Ok(())
    }

    fn read_last(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        let (mint, maxt) = (mint.max(self.mint), maxt.min(self.maxt));
        let newest = || {
            let slot = self.slot(index)?;
            let strip = self.head.series.lock(slot)?;
            let newest = strip.series(slot)?.last_float(mint, maxt, &self.snapshot)?;
            drop(strip);
            self.head.tombstones(slot).is_none().then_some(newest)
        };
        if let Some((timestamp, value)) = newest() {
            columns.clear();
            columns.push_float(timestamp, value);
            return Ok(());
        }
        self.read(index, mint, maxt, columns)?;
        let keep = columns.timestamps.last().copied();
        series::retain(columns, |timestamp| Some(timestamp) == keep);
        Ok(())
    }
}
