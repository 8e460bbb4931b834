//! Selecting from a block.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::sample::SampleColumns;
use model::{Labels, Matcher, Timestamp};
use stdx::cancel::CancelToken;
use storage::{LabelHints, MatcherSet, Querier, SelectHints, SeriesSet, StorageError, Warnings};

use crate::block::Block;
use crate::block::tombstones::Tombstones;
use crate::index::{ChunkMeta, IndexError};

/// Series looked at between two looks at the cancel token.
const BATCH_LEN: usize = 512;

/// A view on a time range of one block.
#[derive(Debug, Clone)]
pub struct BlockQuerier {
    block: Arc<Block>,
    tombstones: Arc<Tombstones>,
    mint: Timestamp,
    maxt: Timestamp,
}

impl BlockQuerier {
    /// A view on `mint <= t <= maxt`, with the deletions of this moment.
    pub fn new(block: Arc<Block>, mint: Timestamp, maxt: Timestamp) -> Self {
        Self {
            tombstones: block.tombstones(),
            block,
            mint,
            maxt,
        }
    }
}

impl Querier for BlockQuerier {
    fn select(
        &self,
        _sort: bool,
        _hints: &SelectHints,
        matchers: &MatcherSet,
        cancel: &CancelToken,
    ) -> Result<Box<dyn SeriesSet>, StorageError> {
        let mut series = self.block.index.select(matchers).map_err(corrupt)?;
        let mut kept = Vec::with_capacity(series.len());
        for batch in series.chunks(BATCH_LEN) {
            cancel.check()?;
            for &candidate in batch {
                if self.has_samples(candidate)? {
                    kept.push(candidate);
                }
            }
        }
        series = kept;
        Ok(Box::new(BlockSeries {
            view: self.clone(),
            series,
        }))
    }

    fn label_values(
        &self,
        name: &str,
        hints: &LabelHints,
        matchers: &MatcherSet,
    ) -> Result<(Vec<String>, Warnings), StorageError> {
        let values: BTreeSet<String> = if matchers.is_empty() {
            let values = self.block.index.label_values(name).map_err(corrupt)?;
            values.into_iter().map(str::to_owned).collect()
        } else {
            let labels = self.selected_labels(matchers)?;
            labels
                .iter()
                .filter_map(|labels| labels.value(name).map(str::to_owned))
                .collect()
        };
        Ok((limited(values, hints.limit), Warnings::new()))
    }

    fn label_names(
        &self,
        hints: &LabelHints,
        matchers: &MatcherSet,
    ) -> Result<(Vec<String>, Warnings), StorageError> {
        let names: BTreeSet<String> = if matchers.is_empty() {
            self.block.index.label_names().map(str::to_owned).collect()
        } else {
            let labels = self.selected_labels(matchers)?;
            labels
                .iter()
                .flatten()
                .map(|(name, _)| name.to_owned())
                .collect()
        };
        Ok((limited(names, hints.limit), Warnings::new()))
    }
}

impl BlockQuerier {
    /// Whether some chunk reaches into the range and is not deleted as a whole.
    fn has_samples(&self, series: u32) -> Result<bool, StorageError> {
        let chunks = self.block.index.chunks(series).map_err(corrupt)?;
        let deleted = self.tombstones.of(u64::from(series));
        Ok(chunks.iter().any(|chunk| {
            chunk.mint <= self.maxt
                && chunk.maxt >= self.mint
                && !deleted
                    .iter()
                    .any(|(from, to)| *from <= chunk.mint && chunk.maxt <= *to)
        }))
    }

    fn selected_labels(&self, matchers: &[Matcher]) -> Result<Vec<Labels>, StorageError> {
        let series = self.block.index.select(matchers).map_err(corrupt)?;
        series
            .into_iter()
            .map(|series| Ok(self.block.index.series(series).map_err(corrupt)?.labels))
            .collect()
    }
}

struct BlockSeries {
    view: BlockQuerier,
    series: Vec<u32>,
}

impl SeriesSet for BlockSeries {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, index: usize) -> Labels {
        let Some(series) = self.series.get(index) else {
            return Labels::empty();
        };
        // Selecting has read the same entry; damage since then shows as a series without labels.
        self.view
            .block
            .index
            .series(*series)
            .map(|entry| entry.labels)
            .unwrap_or_default()
    }

    fn read(
        &self,
        index: usize,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), StorageError> {
        columns.clear();
        let Some(&series) = self.series.get(index) else {
            return Ok(());
        };
        let block = &*self.view.block;
        let (mint, maxt) = (mint.max(self.view.mint), maxt.min(self.view.maxt));
        for chunk in block.index.chunks(series).map_err(corrupt)? {
            if chunk.maxt >= mint && chunk.mint <= maxt {
                decode(block, &chunk, mint, maxt, columns)?;
            }
        }
        let deleted = self.view.tombstones.of(u64::from(series));
        if !deleted.is_empty() {
            remove_deleted(columns, deleted);
        }
        Ok(())
    }
}

fn decode(
    block: &Block,
    chunk: &ChunkMeta,
    mint: Timestamp,
    maxt: Timestamp,
    columns: &mut SampleColumns,
) -> Result<(), StorageError> {
    let (encoding, bytes) = block
        .chunks
        .chunk(chunk.chunk_ref)
        .map_err(|err| StorageError::Corrupt(err.to_string()))?;
    chunk::decode(encoding, bytes, mint, maxt, columns)
        .map_err(|err| StorageError::Corrupt(format!("chunk {:#x}: {err}", chunk.chunk_ref)))
}

fn remove_deleted(columns: &mut SampleColumns, deleted: &[(Timestamp, Timestamp)]) {
    let whole = std::mem::take(columns);
    for (index, timestamp) in whole.timestamps.iter().enumerate() {
        if deleted
            .iter()
            .any(|(from, to)| from <= timestamp && timestamp <= to)
        {
            continue;
        }
        match whole.histogram_at(index) {
            Some(histogram) => columns.push(*timestamp, histogram.clone()),
            None => columns.push_float(*timestamp, whole.values[index]),
        }
        if let Some(&start) = whole
            .start_timestamps
            .get(index)
            .filter(|start| **start != 0)
        {
            columns.set_last_start_timestamp(start);
        }
    }
}

fn limited(all: BTreeSet<String>, limit: usize) -> Vec<String> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    all.into_iter().take(limit).collect()
}

fn corrupt(err: IndexError) -> StorageError {
    StorageError::Corrupt(err.to_string())
}
