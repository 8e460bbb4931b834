//! Reading a block of 100,000 series: open, select, list label values, read.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunk::Encoding;
use chunk::xor::Appender;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use model::sample::SampleColumns;
use model::{Labels, MatchOp, Matcher};
use stdx::cancel::CancelToken;
use storage::{LabelHints, Querier, SelectHints};
use tsdb::block::Block;
use tsdb::block::meta::Compaction;
use tsdb::block::querier::BlockQuerier;
use tsdb::block::writer::{BlockWriter, CHUNK_FILE_BYTES, NewChunk};

const PODS: usize = 2000;
const METRICS: usize = 50;
const SAMPLES: i64 = 120;
const INTERVAL_MS: i64 = 15_000;

fn labels(metric: usize, pod: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("metric_{metric:03}_total")),
        ("instance", format!("10.0.{}.{}:9090", pod / 250, pod % 250)),
        ("job", format!("job-{}", pod % 20)),
        ("namespace", format!("namespace-{}", pod % 7)),
        ("pod", format!("pod-{:05x}-{pod}", pod * 7919 % 65_536)),
    ])
}

fn write(dir: &Path) -> PathBuf {
    let mut series: Vec<Labels> = (0..METRICS)
        .flat_map(|metric| (0..PODS).map(move |pod| labels(metric, pod)))
        .collect();
    series.sort();
    let mut symbols: Vec<String> = series
        .iter()
        .flat_map(|labels| labels.iter())
        .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
        .collect();
    symbols.sort();
    symbols.dedup();
    let (mut appender, mut data) = (Appender::new(), Vec::new());
    for at in 0..SAMPLES {
        appender.append(&mut data, at * INTERVAL_MS, (at * at / 7) as f64);
    }
    let chunk = NewChunk {
        mint: 0,
        maxt: (SAMPLES - 1) * INTERVAL_MS,
        encoding: Encoding::Xor,
        data: &data,
    };
    let ulid = "01M85PG032DTCKJW2SPJQ6BEMV";
    let symbols = symbols.into_iter().collect();
    let mut writer =
        BlockWriter::create(dir, ulid, symbols, CHUNK_FILE_BYTES).expect("a block begins");
    for labels in &series {
        writer.add(labels, &[chunk]).expect("a series is taken");
    }
    writer
        .finish(0, SAMPLES * INTERVAL_MS, Compaction::default())
        .expect("the block is published");
    dir.join(ulid)
}

fn matcher(op: MatchOp, name: &str, value: &str) -> Matcher {
    Matcher::new(op, name, value).expect("a valid expression")
}

fn selections() -> Vec<(&'static str, Vec<Matcher>)> {
    use MatchOp::{Equal, NotEqual, Regex};
    let metric = matcher(Equal, "__name__", "metric_007_total");
    vec![
        ("metric", vec![metric.clone()]),
        (
            "metric_and_job",
            vec![metric.clone(), matcher(Equal, "job", "job-3")],
        ),
        (
            "one_pod",
            vec![metric.clone(), matcher(Equal, "pod", "pod-00000-0")],
        ),
        (
            "metric_and_not_job",
            vec![metric.clone(), matcher(NotEqual, "job", "job-3")],
        ),
        (
            "metric_and_contains",
            vec![metric, matcher(Regex, "pod", ".*a7.*")],
        ),
        (
            "job_and_contains",
            vec![
                matcher(Equal, "job", "job-3"),
                matcher(Regex, "pod", ".*a7.*"),
            ],
        ),
        ("prefix", vec![matcher(Regex, "pod", "pod-0a.*")]),
        ("any_name", vec![matcher(Regex, "__name__", ".+")]),
    ]
}

fn blocks(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = write(dir.path());
    let mut group = criterion.benchmark_group("block");
    group.sample_size(20);
    group.bench_function("open", |bencher| {
        bencher.iter(|| black_box(Block::open(&path).expect("the block opens")));
    });
    let block = Arc::new(Block::open(&path).expect("the block opens"));
    // Half of the block's time: chunks must be looked at.
    let querier = BlockQuerier::new(block, 0, SAMPLES * INTERVAL_MS / 2);
    let (hints, cancel) = (SelectHints::default(), CancelToken::new());
    for (name, matchers) in selections() {
        group.bench_function(format!("select/{name}"), |bencher| {
            bencher.iter(|| {
                let set = querier.select(true, &hints, &matchers, &cancel);
                black_box(set.expect("series are selected").len())
            });
        });
    }
    let of_job = [matcher(MatchOp::Equal, "job", "job-3")];
    group.bench_function("label_values/of_job", |bencher| {
        bencher.iter(|| {
            let values = querier.label_values("pod", &LabelHints::default(), &of_job);
            black_box(values.expect("values are listed").0.len())
        });
    });
    group.bench_function("label_names/of_job", |bencher| {
        bencher.iter(|| {
            let names = querier.label_names(&LabelHints::default(), &of_job);
            black_box(names.expect("names are listed").0.len())
        });
    });
    let mut columns = SampleColumns::default();
    group.throughput(Throughput::Elements((METRICS * PODS / 20) as u64));
    group.bench_function("read/job", |bencher| {
        bencher.iter(|| {
            let set = querier.select(true, &hints, &of_job, &cancel);
            let set = set.expect("series are selected");
            let mut bytes = 0;
            for index in 0..set.len() {
                bytes += set.labels(index).as_bytes().len();
                set.read(index, i64::MIN, i64::MAX, &mut columns)
                    .expect("samples are read");
                bytes += columns.len();
            }
            black_box(bytes)
        });
    });
    group.finish();
}

criterion_group!(benches, blocks);
criterion_main!(benches);
