//! The merge of four blocks that share times, byte by byte as Prometheus 3.5.3 merges them.
//!
//! The blocks have floats, integer and float histograms, gauges, custom buckets, staleness markers
//! and series of mixed kinds, with many equal times. The numbers below are of the chunk file that
//! the real program wrote from them. To get them anew, let the test keep its directory before the
//! merge, start Prometheus on it (`--storage.tsdb.retention.time=10y`) and wait for its first
//! compaction.

use std::path::Path;
use std::sync::Arc;

use chunk::Encoding;
use model::sample::{SampleColumns, Value};
use model::{CounterResetHint, FloatHistogram, Histogram, Labels, Span};

use super::encode::{Choice, Encoder};
use crate::Error;
use crate::block::Block;
use crate::block::meta::Compaction;
use crate::compact::source::{Source, SourceSeries};
use crate::compact::{BlocksSource, WriteOptions, lineage, write_block};

const REFERENCE_LEN: usize = 335_845;
const REFERENCE_CRC: u32 = 0xb221_9e13;
const REFERENCE_CHUNKS: u64 = 4588;
const REFERENCE_SAMPLES: u64 = 10_158;

const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);
const BLOCK_MS: i64 = 7_200_000;
const START: i64 = 1_700_000_000_000 / BLOCK_MS * BLOCK_MS;
/// Samples of a chunk of the blocks that are merged.
const CHUNK_LEN: u16 = 70;
/// Kinds of series, in order.
const KINDS: [&str; 9] = [
    "counter",
    "custom_hist",
    "custom_fhist",
    "fhist",
    "fhist_gauge",
    "float",
    "hist",
    "hist_gauge",
    "mixed",
];

/// Numbers that are the same at each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

struct Rows(std::vec::IntoIter<(Labels, SampleColumns)>);

impl Source for Rows {
    fn symbols(&mut self) -> Result<Vec<String>, Error> {
        let rows = self.0.as_slice().iter();
        let mut symbols: Vec<String> = rows
            .flat_map(|(labels, _)| labels.iter())
            .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
            .collect();
        symbols.sort();
        symbols.dedup();
        Ok(symbols)
    }

    fn next(&mut self, series: &mut SourceSeries) -> Result<bool, Error> {
        series.clear();
        let Some((labels, columns)) = self.0.next() else {
            return Ok(false);
        };
        series.labels = labels;
        let mut encoder = Encoder::new(CHUNK_LEN, Choice::Floats(Encoding::Xor));
        let (chunks, data) = (&mut series.chunks, &mut series.data);
        for index in 0..columns.len() {
            encoder.add(&columns, index, chunks, data).unwrap();
        }
        encoder.finish(chunks, data);
        Ok(true)
    }
}

fn histogram(numbers: &mut Numbers, level: i64, kind: &str) -> Histogram {
    let span = |offset, length| Span { offset, length };
    let positive_spans = match numbers.below(3) {
        0 => vec![span(0, 3)],
        1 => vec![span(0, 2), span(1, 2)],
        _ => vec![span(1, 3)],
    };
    let length: u32 = positive_spans.iter().map(|span| span.length).sum();
    let counts = (0..length).map(|_| level + numbers.below(3) as i64);
    let mut positive_buckets: Vec<i64> = counts.collect();
    let total: i64 = positive_buckets.iter().sum();
    for index in (1..positive_buckets.len()).rev() {
        positive_buckets[index] -= positive_buckets[index - 1];
    }
    let custom = kind.contains("custom");
    let zero_count = if custom { 0 } else { level as u64 };
    Histogram {
        counter_reset_hint: if kind.contains("gauge") {
            CounterResetHint::Gauge
        } else {
            CounterResetHint::Unknown
        },
        schema: if custom { -53 } else { 2 },
        zero_threshold: if custom { 0.0 } else { 0.001 },
        zero_count,
        count: total as u64 + zero_count,
        sum: total as f64 * 1.5,
        positive_spans,
        positive_buckets,
        custom_values: custom.then(|| vec![0.5, 1.0, 2.5, 10.0, 100.0].into()),
        ..Histogram::default()
    }
}

fn with_float_counts(histogram: &Histogram) -> FloatHistogram {
    let mut count = 0;
    let halves = histogram.positive_buckets.iter().map(|delta| {
        count += delta;
        count as f64 * 0.5
    });
    FloatHistogram {
        counter_reset_hint: histogram.counter_reset_hint,
        schema: histogram.schema,
        zero_threshold: histogram.zero_threshold,
        zero_count: histogram.zero_count as f64,
        count: histogram.count as f64,
        sum: histogram.sum,
        positive_spans: histogram.positive_spans.clone(),
        positive_buckets: halves.collect(),
        custom_values: histogram.custom_values.clone(),
        ..FloatHistogram::default()
    }
}

fn samples(numbers: &mut Numbers, kind: &str, start: i64) -> SampleColumns {
    let mut columns = SampleColumns::default();
    let mut time = start + numbers.below(200_000) as i64;
    let mut level = 5;
    for index in 0..100 + numbers.below(200) {
        level += numbers.below(3) as i64;
        if numbers.below(40) == 0 {
            level = 1;
        }
        let is_stale = numbers.below(30) == 0;
        let kind = match kind {
            "mixed" => ["float", "hist", "fhist"][(index / 17 % 3) as usize],
            kind => kind,
        };
        if kind == "float" || kind == "counter" {
            let value = level as f64 * 1.25;
            columns.push_float(time, if is_stale { STALE } else { value });
        } else {
            let mut sample = histogram(numbers, level, kind);
            if is_stale {
                sample = Histogram {
                    sum: STALE,
                    ..Histogram::default()
                };
            }
            let value = if kind.contains("fhist") {
                Value::FloatHistogram(Arc::new(with_float_counts(&sample)))
            } else {
                Value::Histogram(Arc::new(sample))
            };
            columns.push(time, value);
        }
        // A coarse grid, so that times are equal across blocks.
        time = (time / 15_000 + 1) * 15_000;
        if numbers.below(3) == 0 {
            time += numbers.below(15) as i64 * 1000;
        }
    }
    columns
}

fn write_blocks(dir: &Path) -> Vec<Arc<Block>> {
    let mut numbers = Numbers(42);
    let mut blocks = Vec::new();
    for block in 0..4 {
        let mut rows = Vec::new();
        for kind in KINDS {
            for number in ["0", "1"] {
                if numbers.below(6) == 0 {
                    continue;
                }
                let labels = Labels::from_pairs([("__name__", kind), ("n", number)]);
                let start = START + block * 900_000;
                rows.push((labels, samples(&mut numbers, kind, start)));
            }
        }
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        let compaction = Compaction {
            level: 1,
            ..Compaction::default()
        };
        let range = (START, START + BLOCK_MS);
        let mut rows = Rows(rows.into_iter());
        let meta = write_block(dir, &mut rows, range, compaction, &WriteOptions::default());
        let ulid = meta.unwrap().unwrap().ulid;
        blocks.push(Arc::new(Block::open(&dir.join(ulid)).unwrap()));
    }
    blocks
}

#[test]
fn overlapping_blocks_become_the_chunks_that_the_reference_makes_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let blocks = write_blocks(dir.path());
    let metas: Vec<_> = blocks.iter().map(|block| block.meta()).collect();
    let (range, compaction) = lineage(&metas);
    let mut source = BlocksSource::new(&blocks, Encoding::Xor);
    let options = WriteOptions::default();
    let meta = write_block(dir.path(), &mut source, range, compaction, &options);
    let meta = meta.unwrap().unwrap();
    assert_eq!(meta.stats.num_samples, REFERENCE_SAMPLES);
    assert_eq!(meta.stats.num_chunks, REFERENCE_CHUNKS);
    let folder = dir.path().join(&meta.ulid);
    let file = std::fs::read(folder.join("chunks/000001")).unwrap();
    assert_eq!(file.len(), REFERENCE_LEN);
    assert_eq!(crc32c::crc32c(&file), REFERENCE_CRC);
}
