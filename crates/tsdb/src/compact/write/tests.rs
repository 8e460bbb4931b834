//! What goes into a block comes out of it, and only what is wanted.

use std::collections::BTreeMap;
use std::path::Path;

use chunk::Encoding;
use model::{Labels, Timestamp};
use proptest::prelude::*;
use stdx::cancel::CancelToken;

use super::{WriteOptions, write_block};
use crate::Error;
use crate::block::meta::{Compaction, Meta};
use crate::compact::source::{Source, SourceSeries};
use crate::compact::test_blocks::{Samples, encoded, labels, read_block};

/// A series of the test source: its chunks and its deleted times.
#[derive(Debug, Clone, Default)]
struct TestSeries {
    chunks: Vec<Samples>,
    deleted: Vec<(Timestamp, Timestamp)>,
}

struct TestSource(std::vec::IntoIter<(Labels, TestSeries)>);

impl TestSource {
    fn new(series: Vec<TestSeries>) -> Self {
        let named = series.into_iter().enumerate();
        let named: Vec<_> = named
            .map(|(number, series)| (labels(number), series))
            .collect();
        Self(named.into_iter())
    }
}

impl Source for TestSource {
    fn symbols(&mut self) -> Result<Vec<String>, Error> {
        let mut symbols: Vec<String> = ["", "__name__", "m", "n", "unused"]
            .map(str::to_owned)
            .to_vec();
        symbols.extend((0..self.0.len()).map(|number| format!("{number:04}")));
        symbols.sort();
        Ok(symbols)
    }

    fn next(&mut self, series: &mut SourceSeries) -> Result<bool, Error> {
        let Some((labels, next)) = self.0.next() else {
            return Ok(false);
        };
        series.clear();
        series.labels = labels;
        series.deleted = next.deleted;
        for samples in &next.chunks {
            let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
                continue;
            };
            series.push(first.0, last.0, Encoding::Xor, &encoded(samples));
        }
        Ok(true)
    }
}

fn write(
    dir: &Path,
    series: Vec<TestSeries>,
    range: (Timestamp, Timestamp),
) -> Option<(Meta, BTreeMap<String, Samples>)> {
    let compaction = Compaction {
        level: 1,
        ..Compaction::default()
    };
    let options = WriteOptions::default();
    let mut source = TestSource::new(series);
    let meta = write_block(dir, &mut source, range, compaction, &options).unwrap()?;
    let samples = read(&dir.join(&meta.ulid));
    Some((meta, samples))
}

fn read(folder: &Path) -> BTreeMap<String, Samples> {
    let found = read_block(folder).into_iter();
    let named = found.map(|(labels, samples)| {
        let number = labels.value_or_empty("n").to_owned();
        (number, samples.into_iter().collect())
    });
    named.collect()
}

fn run(from: Timestamp, count: i64, step: i64) -> Samples {
    let sample = |at: i64| (from + at * step, (from + at) as f64);
    (0..count).map(sample).collect()
}

#[test]
fn whole_chunks_are_copied_and_the_block_is_its_own_source() {
    let dir = tempfile::tempdir().unwrap();
    let chunks = vec![run(0, 120, 10), run(1200, 50, 10)];
    let series = TestSeries {
        chunks: chunks.clone(),
        ..TestSeries::default()
    };
    let (meta, samples) = write(dir.path(), vec![series], (0, 7200)).unwrap();
    assert_eq!(meta.compaction.sources, std::slice::from_ref(&meta.ulid));
    assert_eq!((meta.min_time, meta.max_time), (0, 7200));
    assert_eq!(meta.stats.num_samples, 170);
    assert_eq!(meta.stats.num_chunks, 2);
    assert_eq!(samples["0000"], chunks.concat());
    let file = std::fs::read(dir.path().join(&meta.ulid).join("chunks/000001")).unwrap();
    let bytes = encoded(&chunks[0]);
    assert!(file.windows(bytes.len()).any(|window| window == bytes));
    let names: Vec<_> = std::fs::read_dir(dir.path().join(&meta.ulid))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn nothing_remains_of_a_block_without_samples_or_of_one_that_was_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let series = TestSeries {
        chunks: vec![run(0, 10, 1)],
        deleted: vec![(-5, 100)],
    };
    assert!(write(dir.path(), vec![series.clone()], (0, 100)).is_none());
    let cancel = CancelToken::new();
    let options = WriteOptions {
        cancel: cancel.clone(),
        ..WriteOptions::default()
    };
    struct Stops(CancelToken, usize);
    impl Source for Stops {
        fn symbols(&mut self) -> Result<Vec<String>, Error> {
            let mut symbols: Vec<String> = (0..2000).map(|n| format!("{n:04}")).collect();
            symbols.extend(["__name__", "m", "n"].map(str::to_owned));
            symbols.sort();
            Ok(symbols)
        }
        fn next(&mut self, series: &mut SourceSeries) -> Result<bool, Error> {
            self.0.cancel();
            series.clear();
            series.labels = labels(self.1);
            series.push(0, 9, Encoding::Xor, &encoded(&run(0, 10, 1)));
            self.1 += 1;
            Ok(self.1 < 2000)
        }
    }
    let result = write_block(
        dir.path(),
        &mut Stops(cancel, 0),
        (0, 100),
        Compaction::default(),
        &options,
    );
    assert!(matches!(result, Err(Error::Stopped(_))));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_damaged_chunk_fails_the_block_only_where_it_must_be_decoded() {
    struct Damaged(Option<Timestamp>);
    impl Source for Damaged {
        fn symbols(&mut self) -> Result<Vec<String>, Error> {
            Ok(["0000", "__name__", "m", "n"].map(str::to_owned).to_vec())
        }
        fn next(&mut self, series: &mut SourceSeries) -> Result<bool, Error> {
            let Some(maxt) = self.0.take() else {
                return Ok(false);
            };
            series.labels = labels(0);
            series.push(0, maxt, Encoding::Xor, &[0, 9, 1]);
            Ok(true)
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let result = write_block(
        dir.path(),
        &mut Damaged(Some(200)),
        (0, 100),
        Compaction::default(),
        &WriteOptions::default(),
    );
    assert!(matches!(result, Err(Error::SourceChunk { .. })));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_later_half_of_overlapping_chunks_is_cut_at_120_samples() {
    let dir = tempfile::tempdir().unwrap();
    let series = TestSeries {
        chunks: vec![run(0, 200, 10), run(5, 200, 10), run(5000, 10, 1)],
        ..TestSeries::default()
    };
    let (meta, samples) = write(dir.path(), vec![series], (0, 10_000)).unwrap();
    let times: Vec<_> = samples["0000"].iter().map(|(time, _)| *time).collect();
    assert_eq!(times.len(), 410);
    assert!(times.is_sorted());
    // 400 samples in four chunks, and the one that shares no times.
    assert_eq!(meta.stats.num_chunks, 5);
}

#[test]
fn equal_chunks_become_one() {
    let dir = tempfile::tempdir().unwrap();
    let chunk = run(0, 120, 10);
    let series = TestSeries {
        chunks: vec![chunk.clone(), chunk.clone(), chunk.clone()],
        ..TestSeries::default()
    };
    let (meta, samples) = write(dir.path(), vec![series], (0, 10_000)).unwrap();
    assert_eq!(meta.stats.num_chunks, 1);
    assert_eq!(samples["0000"], chunk);
}

fn chunks_strategy() -> impl Strategy<Value = Vec<Samples>> {
    let chunk = (0..400_i64, prop::collection::vec(1..20_i64, 1..60)).prop_map(|(from, steps)| {
        let mut time = from;
        let samples = steps.into_iter().map(|step| {
            time += step;
            // The value says the time: a duplicate cannot be told apart, which other tests do.
            (time, time as f64)
        });
        samples.collect::<Samples>()
    });
    prop::collection::vec(chunk, 0..5).prop_map(|mut chunks| {
        chunks.sort_by_key(|chunk| (chunk[0].0, chunk[chunk.len() - 1].0));
        chunks
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against a map: range, deletions, overlaps.
    #[test]
    fn a_block_has_the_wanted_samples_once_each(
        all in prop::collection::vec(
            (chunks_strategy(), prop::collection::vec((0..1000_i64, 0..150_i64), 0..4)),
            1..6,
        ),
        range in (0..500_i64, 1..900_i64),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let range = (range.0, range.0 + range.1);
        let mut expected = BTreeMap::new();
        let mut series = Vec::new();
        for (number, (chunks, deleted)) in all.into_iter().enumerate() {
            let deleted: Vec<_> = deleted.into_iter().map(|(from, len)| (from, from + len)).collect();
            let kept: BTreeMap<i64, f64> = chunks
                .iter()
                .flatten()
                .copied()
                .filter(|(time, _)| range.0 <= *time && *time < range.1)
                .filter(|(time, _)| !deleted.iter().any(|(from, to)| from <= time && time <= to))
                .collect();
            if !kept.is_empty() {
                expected.insert(format!("{number:04}"), kept.into_iter().collect::<Samples>());
            }
            series.push(TestSeries { chunks, deleted });
        }
        match write(dir.path(), series, range) {
            None => prop_assert!(expected.is_empty()),
            Some((meta, found)) => {
                let count: usize = expected.values().map(Vec::len).sum();
                prop_assert_eq!(meta.stats.num_samples, count as u64);
                prop_assert_eq!(found, expected);
            }
        }
    }
}
