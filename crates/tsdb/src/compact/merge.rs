//! Several blocks as one source: series with the same labels become one, what is deleted is left
//! out, and chunks that share times are merged.

use std::collections::BTreeSet;
use std::sync::Arc;

use chunk::Encoding;
use model::{Labels, Timestamp};

use crate::Error;
use crate::block::meta::{Compaction, FROM_OUT_OF_ORDER, Meta, Parent};
use crate::block::tombstones::Tombstones;
use crate::block::{Block, BlockError, BlockErrorKind};
use crate::compact::overlap::Merger;
use crate::compact::source::{Source, SourceChunk, SourceSeries};
use crate::compact::tie_heap::TieHeap;
use crate::compact::trim::{Trimmer, Wanted};
use crate::index::ChunkMeta;

/// Most samples of a chunk that is encoded anew because chunks overlap.
pub(super) const SAMPLES_PER_CHUNK: u16 = 120;

/// One of the blocks.
#[derive(Debug)]
struct Input {
    block: Arc<Block>,
    range: (Timestamp, Timestamp),
    tombstones: Arc<Tombstones>,
    /// Times of the series that are kept.
    wanted: Wanted,
    /// Series read so far.
    position: usize,
    series: u32,
    labels: Labels,
    chunks: Vec<ChunkMeta>,
    /// Up to where the memory of what was read is given free: series, chunk.
    released: (u32, u64),
}

/// Bytes of chunks read until their memory is given free: a merge goes through its blocks once, and
/// would have them whole in memory at its end.
const RELEASE_BYTES: u64 = 4 << 20;

impl Input {
    /// Gives the memory of what was read free, if it is much; chunks lie in order of their series.
    fn release(&mut self) {
        let Some(last) = self.chunks.last() else {
            return;
        };
        let (series, chunk) = self.released;
        // Across the end of a file the difference is large, too.
        if last.chunk_ref.saturating_sub(chunk) >= RELEASE_BYTES {
            self.block.chunks().release(chunk, last.chunk_ref);
            self.block.index().release(series, self.series);
            self.released = (self.series, last.chunk_ref);
        }
    }

    /// Goes to the next series with a wanted chunk; `false` if there is none.
    fn advance(&mut self) -> Result<bool, BlockErrorKind> {
        let block = self.block.clone();
        let index = block.index();
        while let Some(series) = index.series_at(self.position)? {
            self.release();
            self.position += 1;
            self.series = series;
            self.labels = index.series_into(series, &mut self.chunks)?;
            let deleted = self.tombstones.of(u64::from(series)).to_vec();
            self.wanted = Wanted::new(self.range, deleted);
            let wanted = &self.wanted;
            self.chunks
                .retain(|chunk| wanted.judges(chunk.mint, chunk.maxt) != Some(false));
            if !self.chunks.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The series of several blocks.
#[derive(Debug)]
pub(crate) struct BlocksSource {
    inputs: Vec<Input>,
    /// Inputs that have a series, by its labels.
    heap: TieHeap<usize>,
    /// Inputs whose series was given out last.
    current: Vec<usize>,
    trimmer: Trimmer,
    merger: Merger,
    /// Chunks of one input, and what is wanted of them.
    chunks: Vec<SourceChunk>,
    kept: Vec<Vec<SourceChunk>>,
}

impl BlocksSource {
    /// Merges `blocks`, given by first time; deletions are those of this moment. Floats are encoded
    /// as `floats` says where chunks overlap.
    pub(crate) fn new(blocks: &[Arc<Block>], floats: Encoding) -> Self {
        let inputs = blocks.iter().map(|block| {
            let meta = block.meta();
            Input {
                range: (meta.min_time, meta.max_time.saturating_sub(1)),
                wanted: Wanted::new((0, 0), Vec::new()),
                tombstones: block.tombstones(),
                block: block.clone(),
                position: 0,
                series: 0,
                labels: Labels::empty(),
                chunks: Vec::new(),
                released: (0, 0),
            }
        });
        Self {
            inputs: inputs.collect(),
            heap: TieHeap::default(),
            current: (0..blocks.len()).collect(),
            trimmer: Trimmer::default(),
            merger: Merger::new(SAMPLES_PER_CHUNK, floats),
            chunks: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Chooses the inputs with the next label set.
    fn next_labels(&mut self) -> Result<bool, Error> {
        for input in std::mem::take(&mut self.current) {
            if let Some(at) = self.inputs.get_mut(input) {
                let there = at.advance().map_err(|what| in_block(&at.block, what))?;
                if there {
                    let inputs = &self.inputs;
                    self.heap.push(input, |one, other| {
                        labels(inputs, *one) < labels(inputs, *other)
                    });
                }
            }
        }
        while let Some(top) = self.heap.top() {
            let inputs = &self.inputs;
            if let Some(first) = self.current.first()
                && labels(inputs, *first) != labels(inputs, *top)
            {
                break;
            }
            let top = self
                .heap
                .pop(|one, other| labels(inputs, *one) < labels(inputs, *other));
            self.current.extend(top);
        }
        Ok(!self.current.is_empty())
    }

    /// Brings the wanted chunks of the input's series to `series.data` and to the list `list`.
    fn load(&mut self, input: usize, list: usize, series: &mut SourceSeries) -> Result<(), Error> {
        if self.kept.len() <= list {
            self.kept.push(Vec::new());
        }
        let (Some(input), Some(kept)) = (self.inputs.get(input), self.kept.get_mut(list)) else {
            return Ok(());
        };
        self.chunks.clear();
        for chunk in &input.chunks {
            let found = input.block.chunks().chunk(chunk.chunk_ref);
            let (encoding, bytes) = found.map_err(|err| in_block(&input.block, err.into()))?;
            let start = series.data.len();
            series.data.extend_from_slice(bytes);
            self.chunks.push(SourceChunk {
                mint: chunk.mint,
                maxt: chunk.maxt,
                encoding,
                start,
                end: series.data.len(),
            });
        }
        let trimmed = self
            .trimmer
            .trim(&self.chunks, &mut series.data, &input.wanted, kept);
        trimmed.map_err(|source| Error::SourceChunk {
            labels: format!("{:?}", input.labels),
            source,
        })
    }
}

impl Source for BlocksSource {
    fn symbols(&mut self) -> Result<Vec<String>, Error> {
        let mut all: BTreeSet<&str> = BTreeSet::new();
        for input in &self.inputs {
            for symbol in input.block.index().symbols() {
                all.insert(symbol.map_err(|err| in_block(&input.block, err.into()))?);
            }
        }
        Ok(all.into_iter().map(str::to_owned).collect())
    }

    fn next(&mut self, series: &mut SourceSeries) -> Result<bool, Error> {
        series.clear();
        if !self.next_labels()? {
            return Ok(false);
        }
        let current = std::mem::take(&mut self.current);
        for (list, input) in current.iter().enumerate() {
            self.load(*input, list, series)?;
        }
        if let Some(first) = current.first() {
            series.labels = labels(&self.inputs, *first).clone();
        }
        let lists = self.kept.get(..current.len()).unwrap_or_default();
        let merged = self
            .merger
            .merge(lists, &mut series.data, &mut series.chunks);
        merged.map_err(|source| Error::SourceChunk {
            labels: format!("{:?}", series.labels),
            source,
        })?;
        self.current = current;
        Ok(true)
    }
}

fn labels(inputs: &[Input], input: usize) -> &Labels {
    static NONE: std::sync::LazyLock<Labels> = std::sync::LazyLock::new(Labels::empty);
    inputs.get(input).map_or(&NONE, |input| &input.labels)
}

/// The range of the block that `metas` become, and what it says about where it comes from.
pub(crate) fn lineage(metas: &[Arc<Meta>]) -> ((Timestamp, Timestamp), Compaction) {
    let min_time = metas.iter().map(|meta| meta.min_time).min();
    let max_time = metas.iter().map(|meta| meta.max_time).max();
    let level = metas.iter().map(|meta| meta.compaction.level).max();
    let sources: BTreeSet<&String> = metas
        .iter()
        .flat_map(|meta| &meta.compaction.sources)
        .collect();
    let parents = metas.iter().map(|meta| parent(meta)).collect();
    let compaction = Compaction {
        level: level.unwrap_or_default().saturating_add(1),
        sources: sources.into_iter().cloned().collect(),
        parents,
        ..Compaction::default()
    };
    let range = (min_time.unwrap_or_default(), max_time.unwrap_or_default());
    (range, compaction)
}

/// Where a block that is written anew, to be rid of its deleted samples, comes from: of the first
/// level again, and its own source.
pub(crate) fn rewritten(meta: &Meta) -> Compaction {
    let hints = meta.compaction.hints.iter();
    Compaction {
        level: 1,
        parents: vec![parent(meta)],
        hints: hints
            .filter(|hint| *hint == FROM_OUT_OF_ORDER)
            .cloned()
            .collect(),
        ..Compaction::default()
    }
}

fn parent(meta: &Meta) -> Parent {
    Parent {
        ulid: meta.ulid.clone(),
        min_time: meta.min_time,
        max_time: meta.max_time,
    }
}

fn in_block(block: &Block, what: BlockErrorKind) -> Error {
    Error::Block(BlockError {
        path: block.path().to_path_buf(),
        what,
    })
}

#[cfg(test)]
mod tests;
