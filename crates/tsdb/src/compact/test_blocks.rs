//! Small blocks for tests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chunk::Encoding;
use chunk::xor::Appender;
use model::sample::SampleColumns;
use model::{Labels, MatchOp, Matcher, Timestamp};
use stdx::cancel::CancelToken;
use storage::{Querier, SelectHints};

use crate::Error;
use crate::block::Block;
use crate::block::meta::Compaction;
use crate::block::querier::BlockQuerier;
use crate::compact::source::{Source, SourceSeries};
use crate::compact::{WriteOptions, write_block};

/// Samples of one series.
pub(crate) type Samples = Vec<(Timestamp, f64)>;

/// Samples of a chunk of a test block.
const CHUNK_LEN: usize = 100;

/// Labels told apart by a number.
pub(crate) fn labels(number: usize) -> Labels {
    Labels::from_pairs([("__name__", "m"), ("n", &format!("{number:04}"))])
}

/// A chunk of floats.
pub(crate) fn encoded(samples: &[(Timestamp, f64)]) -> Vec<u8> {
    let (mut appender, mut bytes) = (Appender::new(), Vec::new());
    for (time, value) in samples {
        appender.append(&mut bytes, *time, *value);
    }
    bytes
}

/// Series in label order, samples in order of time.
struct Rows<'a>(std::slice::Iter<'a, (Labels, Samples)>);

impl Source for Rows<'_> {
    fn symbols(&mut self) -> Result<Vec<String>, Error> {
        let all = self.0.clone().flat_map(|(labels, _)| labels.iter());
        let mut symbols: Vec<String> = all
            .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
            .collect();
        symbols.sort();
        symbols.dedup();
        Ok(symbols)
    }

    fn next(&mut self, series: &mut SourceSeries) -> Result<bool, Error> {
        series.clear();
        let Some((labels, samples)) = self.0.next() else {
            return Ok(false);
        };
        series.labels = labels.clone();
        for chunk in samples.chunks(CHUNK_LEN) {
            let times = (chunk[0].0, chunk[chunk.len() - 1].0);
            series.push(times.0, times.1, Encoding::Xor, &encoded(chunk));
        }
        Ok(true)
    }
}

/// A block of the first level in `dir`, open.
pub(crate) fn write_samples(
    dir: &Path,
    min_time: Timestamp,
    max_time: Timestamp,
    series: &[(Labels, Samples)],
) -> Arc<Block> {
    let compaction = Compaction {
        level: 1,
        ..Compaction::default()
    };
    let mut rows = Rows(series.iter());
    let range = (min_time, max_time);
    let meta = write_block(dir, &mut rows, range, compaction, &WriteOptions::default());
    let ulid = meta.unwrap().unwrap().ulid;
    Arc::new(Block::open(&dir.join(ulid)).unwrap())
}

/// Everything in a block.
pub(crate) fn read_block(folder: &Path) -> BTreeMap<Labels, BTreeMap<Timestamp, f64>> {
    let block = Arc::new(Block::open(folder).unwrap());
    let querier = BlockQuerier::new(block, i64::MIN, i64::MAX);
    read_all(&querier)
}

/// Everything that a querier sees.
pub(crate) fn read_all(querier: &dyn Querier) -> BTreeMap<Labels, BTreeMap<Timestamp, f64>> {
    let all = [Matcher::new(MatchOp::Regex, "__name__", ".+").unwrap()];
    let set = querier
        .select(true, &SelectHints::default(), &all, &CancelToken::new())
        .unwrap();
    let mut columns = SampleColumns::default();
    let mut found = BTreeMap::new();
    for index in 0..set.len() {
        set.read(index, i64::MIN, i64::MAX, &mut columns).unwrap();
        assert!(columns.timestamps.is_sorted());
        let samples = columns.timestamps.iter().copied();
        let samples: BTreeMap<_, _> = samples.zip(columns.values.iter().copied()).collect();
        assert_eq!(samples.len(), columns.len(), "a time occurs twice");
        found.insert(set.labels(index), samples);
    }
    found
}
