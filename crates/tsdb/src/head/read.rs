//! Queries on the head.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use model::sample::SampleColumns;
use model::{Labels, Timestamp};
use stdx::cancel::CancelToken;
use storage::{LabelHints, MatcherSet, Querier, SelectHints, SeriesSet, StorageError, Warnings};

use super::open_ranges::OpenRange;
use super::series::{SeriesState, StripCursor};
use super::symbols::SymbolId;
use super::visibility::Snapshot;
use super::{Head, label_order, label_sets, series};
use crate::head_chunks::HeadChunks;

/// Series between two looks at the cancel token.
pub(super) const CANCEL_STRIDE: usize = 4096;

/// A view on the head as it was when the view was opened.
#[derive(Debug)]
pub(crate) struct HeadQuerier {
    head: Arc<Head>,
    range: Range,
    snapshot: Arc<Snapshot>,
    /// Holds truncation of what may be read back.
    open_range: Arc<OpenRange>,
}

/// Times to read; both ends are included.
#[derive(Debug, Clone, Copy)]
struct Range {
    /// Of late samples.
    mint: Timestamp,
    /// Of samples in order: what is before is in blocks.
    in_order_mint: Timestamp,
    maxt: Timestamp,
}

impl Range {
    /// What of it is in `mint..=maxt`.
    fn cut(self, mint: Timestamp, maxt: Timestamp) -> Self {
        Self {
            mint: self.mint.max(mint),
            in_order_mint: self.in_order_mint.max(mint),
            maxt: self.maxt.min(maxt),
        }
    }

    /// Whether a series may have visible samples in it.
    fn may_reach(self, state: &SeriesState, snapshot: &Snapshot, files: &HeadChunks) -> bool {
        state.may_have(self.in_order_mint, self.maxt, snapshot, files)
            || state
                .late()
                .is_some_and(|late| late.may_have(self.mint, self.maxt, snapshot))
    }
}

impl HeadQuerier {
    /// A view on `mint <= t <= maxt`, without what blocks have taken over.
    pub(crate) fn new(head: Arc<Head>, mint: Timestamp, maxt: Timestamp) -> Self {
        let range = Range {
            mint,
            in_order_mint: mint.max(head.readable_from()),
            maxt,
        };
        // Blocks take over late samples of any time.
        let late = head.out_of_order.range().is_some();
        let from = if late { mint } else { range.in_order_mint };
        let open_range = Arc::new(head.readers.enter(from, maxt));
        let snapshot = Arc::new(head.visibility.snapshot());
        Self {
            head,
            range,
            snapshot,
            open_range,
        }
    }

    /// Slots of series that satisfy `matchers` and may have visible samples in the range.
    fn slots(&self, matchers: &MatcherSet, cancel: &CancelToken) -> Result<Vec<u32>, StorageError> {
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
            if strip.series(slot).is_some_and(|state| {
                self.range
                    .may_reach(state, &self.snapshot, &self.head.files)
            }) {
                slots.push(slot);
            }
        }
        Ok(slots)
    }

    fn outside_head(&self) -> bool {
        let in_order = self.head.min_time().zip(self.head.max_time());
        let ranges = [in_order, self.head.out_of_order.range()];
        let overlaps = |(oldest, newest)| self.range.maxt >= oldest && self.range.mint <= newest;
        !ranges.into_iter().flatten().any(overlaps)
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
        let mut slots = self.slots(matchers, cancel)?;
        let labels = if sort {
            label_order::sort(&self.head, &mut slots, cancel)?
        } else {
            None
        };
        if hints.limit > 0 {
            slots.truncate(hints.limit);
        }
        Ok(Box::new(HeadSeriesSet {
            head: self.head.clone(),
            snapshot: self.snapshot.clone(),
            _open_range: self.open_range.clone(),
            range: self.range,
            slots,
            labels,
            wanted_names: OnceLock::new(),
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
            let slots = self.slots(matchers, &CancelToken::new())?;
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
            let slots = self.slots(matchers, &CancelToken::new())?;
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

/// Selected series: slots, and the snapshot that says what of them is visible.
struct HeadSeriesSet {
    head: Arc<Head>,
    snapshot: Arc<Snapshot>,
    _open_range: Arc<OpenRange>,
    range: Range,
    slots: Vec<u32>,
    /// There only if they had to be made for sorting.
    labels: Option<Vec<Labels>>,
    /// Symbols of the label names that were asked for.
    wanted_names: OnceLock<Vec<SymbolId>>,
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

    fn labels_of(&self, index: usize, names: &[&str]) -> Labels {
        if let Some(labels) = &self.labels {
            return labels.get(index).map(|l| l.only(names)).unwrap_or_default();
        }
        let symbols = self.head.symbols.read();
        let wanted = self.wanted_names.get_or_init(|| {
            let ids = names.iter().filter_map(|name| symbols.find(name));
            ids.collect()
        });
        let unpacked = || {
            let slot = self.slot(index)?;
            let strip = self.head.series.lock(slot)?;
            let pairs = label_sets::pairs(strip.label_set(slot));
            let wanted = pairs.filter(|(name, _)| wanted.contains(name));
            Some(Labels::from_sorted(wanted.map(|(name, value)| {
                (symbols.get(name), symbols.get(value))
            })))
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
        let range = self.range.cut(mint, maxt);
        let Some(slot) = self.slot(index).filter(|_| range.mint <= range.maxt) else {
            return Ok(());
        };
        let (extract, late) = {
            let Some(strip) = self.head.series.lock(slot) else {
                return Ok(());
            };
            let Some(state) = strip.series(slot) else {
                return Ok(());
            };
            let (snapshot, files) = (&*self.snapshot, &self.head.files);
            let extract = (range.in_order_mint <= range.maxt)
                .then(|| state.extract(range.in_order_mint, range.maxt, snapshot, files));
            let late = state
                .late()
                .map(|late| late.extract(range.mint, range.maxt, snapshot, files));
            (extract, late)
        };
        let corrupt = |err| StorageError::Corrupt(format!("head chunk: {err}"));
        if let Some(extract) = extract {
            extract
                .decode(range.in_order_mint, range.maxt, columns)
                .map_err(corrupt)?;
        }
        // Late samples are not hidden but removed: others may come in their place.
        if let Some(deleted) = self.head.tombstones(slot) {
            series::retain(columns, |timestamp| {
                !deleted
                    .iter()
                    .any(|(mint, maxt)| (*mint..=*maxt).contains(&timestamp))
            });
        }
        if let Some(late) = late.filter(|late| !late.is_empty()) {
            late.merge_into(range.mint, range.maxt, columns)
                .map_err(corrupt)?;
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
        let range = self.range.cut(mint, maxt);
        let newest = || {
            let slot = self.slot(index)?;
            let strip = self.head.series.lock(slot)?;
            let state = strip.series(slot).filter(|state| state.late().is_none())?;
            let newest = state.last_float(range.in_order_mint, range.maxt, &self.snapshot)?;
            drop(strip);
            self.head.tombstones(slot).is_none().then_some(newest)
        };
        if let Some((timestamp, start, value)) = newest() {
            columns.clear();
            columns.push_float(timestamp, value);
            if start != 0 {
                columns.set_last_start_timestamp(start);
            }
            return Ok(());
        }
        self.read(index, mint, maxt, columns)?;
        let keep = columns.timestamps.last().copied();
        series::retain(columns, |timestamp| Some(timestamp) == keep);
        Ok(())
    }
}
