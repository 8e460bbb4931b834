//! Reading the fixture block, whole and damaged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::sample::SampleColumns;
use model::{MatchOp, Matcher};
use stdx::cancel::CancelToken;
use storage::{LabelHints, Querier, SelectHints, SeriesSet};

use super::Block;
use super::querier::BlockQuerier;

const START: i64 = 1_700_006_400_000;
const NAME: &str = "01M85PG032DTCKJW2SPJQ6BEMV";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/block")
        .join(NAME)
}

fn querier() -> BlockQuerier {
    BlockQuerier::new(
        Arc::new(Block::open(&fixture()).unwrap()),
        i64::MIN,
        i64::MAX,
    )
}

fn select(querier: &BlockQuerier, matchers: &[(MatchOp, &str, &str)]) -> Box<dyn SeriesSet> {
    let matchers: Vec<Matcher> = matchers
        .iter()
        .map(|(op, name, value)| Matcher::new(*op, name, value).unwrap())
        .collect();
    querier
        .select(
            true,
            &SelectHints::default(),
            &matchers,
            &CancelToken::new(),
        )
        .unwrap()
}

#[test]
fn every_sample_comes_back() {
    let querier = querier();
    let set = select(
        &querier,
        &[(MatchOp::Equal, "__name__", "demo_requests_total")],
    );
    assert_eq!(set.len(), 6);
    let mut columns = SampleColumns::default();
    for index in 0..set.len() {
        let labels = set.labels(index);
        let instance: i64 = labels.value_or_empty("instance")[1..].parse().unwrap();
        set.read(index, i64::MIN, i64::MAX, &mut columns).unwrap();
        assert_eq!(columns.len(), 150, "{labels:?}");
        let mut value = 0;
        for step in 0..150 {
            value += (instance * 7 + step) % 11;
            let at = step as usize;
            assert_eq!(columns.timestamps[at], START + step * 15_000);
            assert_eq!(columns.values[at], value as f64);
        }
    }
}

#[test]
fn a_range_reads_only_its_samples() {
    let querier = querier();
    let set = select(&querier, &[(MatchOp::Regex, "room", "k.*")]);
    assert_eq!(set.len(), 1);
    let mut columns = SampleColumns::default();
    set.read(0, START + 15_250, START + 45_250, &mut columns)
        .unwrap();
    assert_eq!(
        columns.timestamps,
        [START + 15_250, START + 30_250, START + 45_250]
    );
    set.read_last(0, START, START + 44_000, &mut columns)
        .unwrap();
    assert_eq!(columns.timestamps, [START + 30_250]);
}

#[test]
fn matchers_select_as_the_language_defines() {
    use MatchOp::{Equal, NotEqual, NotRegex, Regex};
    let querier = querier();
    let check = |matchers: &[(MatchOp, &str, &str)], expected: usize| {
        assert_eq!(select(&querier, matchers).len(), expected, "{matchers:?}");
    };
    check(&[(Equal, "job", "api")], 3);
    check(&[(Equal, "job", "nope")], 0);
    check(&[(Equal, "nope", "")], 7);
    check(&[(Equal, "job", "")], 1);
    check(&[(NotEqual, "job", "")], 6);
    check(&[(NotEqual, "job", "api")], 4);
    check(&[(Regex, "job", "api|db")], 6);
    check(&[(Regex, "job", "api|")], 4);
    check(&[(NotRegex, "job", "api|")], 3);
    check(&[(Regex, "instance", "i[01]"), (Equal, "job", "db")], 2);
    check(
        &[(NotRegex, "instance", ".+"), (Regex, "__name__", ".+")],
        1,
    );
}

#[test]
fn names_and_values_are_sorted() {
    let querier = querier();
    let hints = LabelHints::default();
    let (names, _) = querier.label_names(&hints, &[]).unwrap();
    assert_eq!(names, ["__name__", "instance", "job", "room"]);
    let (values, _) = querier.label_values("instance", &hints, &[]).unwrap();
    assert_eq!(values, ["i0", "i1", "i2"]);
    let only = [Matcher::equal("room", "küche")];
    assert_eq!(
        querier.label_names(&hints, &only).unwrap().0,
        ["__name__", "room"]
    );
}

/// Opens and reads everything; returns the samples if nothing was refused.
fn read_all(folder: &Path) -> Result<Vec<(i64, u64)>, String> {
    let block = Block::open(folder).map_err(|err| err.to_string())?;
    let querier = BlockQuerier::new(Arc::new(block), i64::MIN, i64::MAX);
    let everything = [Matcher::new(MatchOp::Regex, "__name__", ".+").unwrap()];
    let set = querier
        .select(
            true,
            &SelectHints::default(),
            &everything,
            &CancelToken::new(),
        )
        .map_err(|err| err.to_string())?;
    let mut samples = Vec::new();
    let mut columns = SampleColumns::default();
    for index in 0..set.len() {
        set.read(index, i64::MIN, i64::MAX, &mut columns)
            .map_err(|err| err.to_string())?;
        let bits = columns.values.iter().map(|value| value.to_bits());
        samples.extend(columns.timestamps.iter().copied().zip(bits));
    }
    Ok(samples)
}

/// Every byte flipped, every file cut at every length: an error or the same samples.
#[test]
fn damage_is_an_error_and_never_other_samples() {
    let good = read_all(&fixture()).unwrap();
    assert_eq!(good.len(), 1050);
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join(NAME);
    std::fs::create_dir_all(folder.join("chunks")).unwrap();
    for file in ["meta.json", "index", "tombstones", "chunks/000001"] {
        std::fs::copy(fixture().join(file), folder.join(file)).unwrap();
    }
    for file in ["index", "chunks/000001", "tombstones"] {
        let path = folder.join(file);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            for content in [&damaged[..], &whole[..at]] {
                std::fs::write(&path, content).unwrap();
                if let Ok(samples) = read_all(&folder) {
                    assert!(samples == good, "{file}: other samples, damage at {at}");
                }
            }
        }
        std::fs::write(&path, &whole).unwrap();
    }
}

/// Walks everything an index offers; must neither panic nor hang, whatever the bytes.
fn walk_index(bytes: Vec<u8>) {
    let Ok(reader) = crate::index::Reader::new(bytes.into()) else {
        return;
    };
    let names: Vec<String> = reader.label_names().map(str::to_owned).collect();
    for name in names {
        let _ = reader.label_values(&name);
    }
    let all = [Matcher::new(MatchOp::Regex, "__name__", ".*").unwrap()];
    for series in reader.select(&all).unwrap_or_default() {
        let _ = reader.series(series);
    }
}

#[test]
fn an_index_with_other_bytes_and_right_checksums_is_survived() {
    let whole = std::fs::read(fixture().join("index")).unwrap();
    // The table of contents made valid again after each change of it.
    let start = whole.len() - 52;
    for at in start..whole.len() - 4 {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            let crc = crc32c::crc32c(&damaged[start..start + 48]).to_be_bytes();
            damaged[start + 48..].copy_from_slice(&crc);
            walk_index(damaged);
        }
    }
}

#[test]
fn a_database_answers_from_its_blocks_and_takes_only_what_is_newer() {
    use model::Labels;
    use storage::{Appendable, Batch, BatchTimes, Queryable};

    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join(NAME);
    std::fs::create_dir_all(folder.join("chunks")).unwrap();
    for file in ["meta.json", "index", "tombstones", "chunks/000001"] {
        std::fs::copy(fixture().join(file), folder.join(file)).unwrap();
    }
    let registry = telemetry::Registry::new();
    let db = crate::Db::open(dir.path(), crate::Options::default(), &registry).unwrap();
    let labels = Labels::from_pairs([
        ("__name__", "demo_requests_total"),
        ("instance", "i1"),
        ("job", "api"),
    ]);
    let last_in_block = START + 149 * 15_000;
    let times = [last_in_block - 1, START + 150 * 15_000];
    let mut refused = Vec::new();
    let mut appender = db.appender();
    let series = appender.series(&labels).unwrap();
    let batch = Batch {
        series: &[series, series],
        times: BatchTimes::Each(&times),
        values: &[1.0, 2.0],
        histograms: &[],
        start_timestamps: &[],
        exemplars: &[],
        reject_out_of_order: false,
    };
    appender
        .append(&batch, &mut refused, &mut Vec::new())
        .unwrap();
    appender.commit().unwrap();
    assert_eq!(refused, [(0, storage::AppendError::OutOfBounds)]);
    let querier = db.querier(i64::MIN, i64::MAX).unwrap();
    let matchers = [
        Matcher::equal("job", "api"),
        Matcher::equal("instance", "i1"),
    ];
    let set = querier
        .select(
            true,
            &SelectHints::default(),
            &matchers,
            &CancelToken::new(),
        )
        .unwrap();
    assert_eq!(set.len(), 1);
    let mut columns = SampleColumns::default();
    set.read(0, i64::MIN, i64::MAX, &mut columns).unwrap();
    assert_eq!(columns.len(), 151);
    assert_eq!(columns.timestamps.last(), Some(&times[1]));
}

/// The fixture's series and chunks, written anew.
fn rewrite(parent: &Path) -> super::meta::Meta {
    use std::collections::BTreeSet;

    let block = Block::open(&fixture()).unwrap();
    let all = [Matcher::new(MatchOp::Regex, "__name__", ".+").unwrap()];
    let series = block.index().select(&all).unwrap();
    let entries: Vec<_> = series
        .iter()
        .map(|at| block.index().series(*at).unwrap())
        .collect();
    let symbols: BTreeSet<String> = entries
        .iter()
        .flat_map(|entry| entry.labels.iter())
        .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
        .collect();
    let symbols = symbols.into_iter().collect();
    let mut writer =
        super::writer::BlockWriter::create(parent, NAME, symbols, super::writer::CHUNK_FILE_BYTES)
            .unwrap();
    for entry in &entries {
        let chunks: Vec<_> = entry
            .chunks
            .iter()
            .map(|chunk| {
                let (encoding, data) = block.chunks().chunk(chunk.chunk_ref).unwrap();
                super::writer::NewChunk {
                    mint: chunk.mint,
                    maxt: chunk.maxt,
                    encoding,
                    data,
                }
            })
            .collect();
        writer.add(&entry.labels, &chunks).unwrap();
    }
    let meta = block.meta();
    writer
        .finish(meta.min_time, meta.max_time, meta.compaction.clone())
        .unwrap()
}

#[test]
fn a_block_written_anew_has_the_same_chunk_file_and_the_same_samples() {
    let dir = tempfile::tempdir().unwrap();
    let meta = rewrite(dir.path());
    let folder = dir.path().join(NAME);
    assert_eq!(meta.stats.num_samples, 1050);
    assert_eq!(meta.stats.num_series, 7);
    for file in ["chunks/000001", "tombstones"] {
        let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
        assert!(read(&folder) == read(&fixture()), "{file} differs");
    }
    assert_eq!(read_all(&folder).unwrap(), read_all(&fixture()).unwrap());
    let text = std::fs::read_to_string(folder.join("meta.json")).unwrap();
    assert!(text.starts_with("{\n\t\"ulid\": \"01M85PG0"), "{text}");
    assert!(
        !text.ends_with('\n') && !text.contains("deletable"),
        "{text}"
    );
}

#[test]
fn series_out_of_order_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let symbols = ["", "a", "b"].map(str::to_owned).to_vec();
    let mut writer = crate::index::Writer::create(&dir.path().join("index"), symbols).unwrap();
    let labels = |value: &str| model::Labels::from_pairs([("a", value)]);
    writer.add(&labels("b"), &[]).unwrap();
    assert!(writer.add(&labels("a"), &[]).is_err());
    assert!(writer.add(&labels("b"), &[]).is_err());
    assert!(writer.add(&labels("nope"), &[]).is_err());
}

#[test]
fn the_last_sample_of_a_range_is_the_last_that_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let meta = rewrite(dir.path());
    let block = Arc::new(Block::open(&dir.path().join(&meta.ulid)).unwrap());
    let job = Matcher::equal("job", "api");
    let end = START + 150 * 15_000;
    // The middle, and everything from a time within the last chunk on.
    block
        .delete(START + 300_000, START + 900_000, std::slice::from_ref(&job))
        .unwrap();
    block.delete(end - 200_000, end, &[job]).unwrap();
    let querier = BlockQuerier::new(block, START + 100_000, i64::MAX);
    let set = select(&querier, &[(MatchOp::Regex, "__name__", ".+")]);
    let (mut last, mut all) = (SampleColumns::default(), SampleColumns::default());
    for index in 0..set.len() {
        for step in 0..170 {
            for length in [0, 20_000, 700_000, 10_000_000] {
                let maxt = START + step * 15_000 + 10;
                let mint = maxt - length;
                set.read_last(index, mint, maxt, &mut last).unwrap();
                set.read(index, mint, maxt, &mut all).unwrap();
                all.keep_last();
                assert_eq!(last.timestamps, all.timestamps, "{mint} to {maxt}");
                assert_eq!(last.values, all.values);
            }
        }
    }
}
