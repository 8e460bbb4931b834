//! The receiver in front of a real store.

use model::sample::{SampleColumns, Value};
use model::{Histogram, Labels, MatchOp, Matcher, Span};
use proptest::prelude::*;
use stdx::cancel::CancelToken;
use storage::memory_store::MemoryStore;
use storage::{LabelHints, Queryable, SelectHints};
use tsdb::Db;

use super::encode::{Series, Writer, packed, v1, v2};
use super::*;

const NOW: Timestamp = 1_800_000_000_000;

struct Server {
    _dir: tempfile::TempDir,
    db: Arc<Db>,
    registry: Registry,
    receiver: Receiver,
}

fn options() -> ReceiverOptions {
    ReceiverOptions {
        accepted: vec![Message::V1, Message::V2],
        keep_metadata: true,
    }
}

fn server() -> Server {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let registry = Registry::new();
    let store_options = tsdb::Options {
        exemplars_max: 100,
        ..tsdb::Options::default()
    };
    let db = Db::open(dir.path(), store_options, &registry).expect("opened");
    let db = Arc::new(db);
    let receiver = Receiver::new(db.clone(), options(), &registry);
    Server {
        _dir: dir,
        db,
        registry,
        receiver,
    }
}

fn written(samples: u64, histograms: u64, exemplars: u64) -> Option<Written> {
    Some(Written {
        samples,
        histograms,
        exemplars,
    })
}

fn one<'a>(labels: &'a [(&'a str, &'a str)], samples: &'a [(f64, i64)]) -> Series<'a> {
    Series {
        labels,
        samples,
        ..Series::default()
    }
}

impl Server {
    #[track_caller]
    fn check_v1(&self, series: &[Series<'_>], status: u16, text: &str) {
        let answer = self
            .receiver
            .receive(Message::V1, &packed(&v1(series)), NOW);
        let expected = Answer {
            status,
            text: text.to_owned(),
            written: None,
        };
        assert_eq!(answer, expected);
    }

    #[track_caller]
    fn check_v2(&self, series: &[Series<'_>], status: u16, text: &str, written: Option<Written>) {
        let answer = self
            .receiver
            .receive(Message::V2, &packed(&v2(series)), NOW);
        let expected = Answer {
            status,
            text: text.to_owned(),
            written,
        };
        assert_eq!(answer, expected);
    }

    fn names(&self) -> Vec<String> {
        let querier = self.db.querier(i64::MIN, i64::MAX).expect("a querier");
        let (names, _) = querier
            .label_values("__name__", &LabelHints::default(), &[])
            .expect("names");
        names
    }

    fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name == name);
        family.expect("registered").samples[0].value
    }
}

/// Labels and samples of everything stored.
fn stored(store: &dyn Queryable) -> Vec<(Labels, Vec<(i64, Value)>)> {
    let querier = store.querier(i64::MIN, i64::MAX).expect("a querier");
    let any = [Matcher::new(MatchOp::NotEqual, "__name__", "").expect("a matcher")];
    let set = querier
        .select(true, &SelectHints::default(), &any, &CancelToken::new())
        .expect("selected");
    let mut columns = SampleColumns::default();
    let mut found = Vec::new();
    for index in 0..set.len() {
        set.read(index, i64::MIN, i64::MAX, &mut columns)
            .expect("read");
        let samples = (0..columns.len()).map(|at| {
            let float = Value::Float(columns.values[at]);
            let value = columns.histogram_at(at).cloned().unwrap_or(float);
            (columns.timestamps[at], value)
        });
        found.push((set.labels(index), samples.collect()));
    }
    found
}

fn native(schema: i32, count: u64) -> Histogram {
    Histogram {
        schema,
        count,
        sum: 9.5,
        positive_spans: vec![Span {
            offset: 0,
            length: 2,
        }],
        positive_buckets: vec![3, 1],
        ..Histogram::default()
    }
}

#[test]
fn version_1_takes_all_of_a_request_or_nothing() {
    let server = server();
    let (a, b) = ([("__name__", "a")], [("__name__", "b")]);
    server.check_v1(&[one(&a, &[(1.0, NOW)])], 204, "");
    server.check_v1(&[one(&a, &[(1.0, NOW)])], 204, "");
    let duplicate = "duplicate sample for timestamp 1800000000000; overrides not allowed: existing 1, new value 2";
    server.check_v1(&[one(&a, &[(2.0, NOW)])], 400, duplicate);
    server.check_v1(
        &[one(&b, &[(1.0, NOW)]), one(&a, &[(1.0, NOW - 1)])],
        400,
        "out of order sample",
    );
    assert_eq!(stored(&*server.db).len(), 1);
    server.check_v1(
        &[one(&a, &[(1.0, NOW - 864_000_000)])],
        400,
        "out of bounds",
    );
    let ahead = NOW + 10 * 60 * 1000;
    let text = "out of bounds: timestamp is too far in the future";
    server.check_v1(&[one(&a, &[(1.0, ahead + 1)])], 400, text);
    server.check_v1(&[one(&a, &[(1.0, ahead)])], 204, "");
}

#[test]
fn a_refused_request_makes_no_series_beyond_the_refusal() {
    let server = server();
    let a = [("__name__", "a")];
    server.check_v1(&[one(&a, &[(1.0, NOW)])], 204, "");
    let names = ["before", "old", "future", "after"].map(|name| [("__name__", name)]);
    let [before, old, future, after] = &names;
    server.check_v1(
        &[
            one(before, &[(1.0, NOW)]),
            one(&a, &[(1.0, NOW - 1)]),
            one(after, &[(1.0, NOW)]),
        ],
        400,
        "out of order sample",
    );
    server.check_v1(
        &[one(old, &[(1.0, NOW - 864_000_000)])],
        400,
        "out of bounds",
    );
    let text = "out of bounds: timestamp is too far in the future";
    server.check_v1(&[one(future, &[(1.0, NOW * 2)])], 400, text);
    assert_eq!(server.names(), ["a", "before"]);
}

#[test]
fn a_request_that_cannot_be_read_leaves_no_trace() {
    let server = server();
    let mut request = v1(&[one(&[("__name__", "a")], &[(1.0, NOW)])]);
    request.bytes.extend_from_slice(b"\x0a\x02\x0a");
    let body = packed(&request);
    let answer = server.receiver.receive(Message::V1, &body, NOW);
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (400, "unexpected EOF")
    );
    let answer = server.receiver.receive(Message::V1, b"", NOW);
    assert_eq!(answer.text, "snappy: corrupt input");
    assert_eq!(server.names(), Vec::<String>::new());
}

#[test]
fn version_1_passes_over_impossible_labels() {
    let server = server();
    let at = [(1.0, NOW)];
    let all: [&[(&str, &str)]; 6] = [
        &[],
        &[("a", "x")],
        &[("__name__", "m"), ("", "x")],
        &[("__name__", "m"), ("a", "1"), ("a", "2")],
        &[("z", "1"), ("__name__", "unsorted"), ("a", "2")],
        &[("__name__", "emptyvalue"), ("a", "")],
    ];
    let series: Vec<_> = all.iter().map(|labels| one(labels, &at)).collect();
    server.check_v1(&series, 204, "");
    assert_eq!(server.names(), ["emptyvalue", "unsorted"]);
    let counted = "prometheus_api_remote_write_invalid_labels_samples_total";
    assert_eq!(server.metric(counted), 4.0);
}

#[test]
fn version_2_takes_what_is_good_and_tells_the_rest_in_order() {
    let server = server();
    let a = [("__name__", "a")];
    server.check_v2(&[one(&a, &[(1.0, NOW)])], 204, "", written(1, 0, 0));
    let bad = [(native(0, 1), NOW)];
    let good = [(native(0, 7), NOW), (native(0, 7), NOW + 1)];
    let histograms = |labels, histograms| Series {
        labels,
        histograms,
        ..Series::default()
    };
    server.check_v2(
        &[
            one(&[("x", "y")], &[(1.0, NOW)]),
            one(&a, &[(1.0, NOW - 2), (1.0, NOW * 2), (3.0, NOW + 1)]),
            histograms(&[("__name__", "bad")], &bad),
            histograms(&[("__name__", "good")], &good),
            one(&[("__name__", "none")], &[]),
            one(&[("__name__", "b"), ("a", "1"), ("a", "2")], &[(1.0, NOW)]),
        ],
        400,
        "invalid metric name or labels, got {x=\"y\"}\n\
         out of order sample for series {__name__=\"a\"}\n\
         out of bounds: timestamp is too far in the future for series {__name__=\"a\"}\n\
         7 observations found in buckets, but the Count field is 1: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN) for series {__name__=\"bad\"}\n\
         TimeSeries must contain at least one sample or histogram for series {__name__=\"none\"}\n\
         invalid labels for series, labels {__name__=\"b\", a=\"1\", a=\"2\"}, duplicated label a",
        written(1, 2, 0),
    );
    assert_eq!(server.names(), ["a", "good"]);
}

#[test]
fn references_outside_the_table_cost_only_their_series() {
    let server = server();
    let sample = Writer::default().double(1, 1.0).varint(2, NOW as u64);
    let series = |refs: &[u64]| {
        Writer::default()
            .packed(1, refs.iter().copied())
            .message(2, &sample)
    };
    let described = series(&[1, 2]).message(5, &Writer::default().varint(3, 7));
    let request = Writer::default()
        .bytes(4, b"")
        .bytes(4, b"__name__")
        .bytes(4, b"good")
        .message(5, &series(&[1, 9]))
        .message(5, &series(&[1, 2, 1]))
        .message(5, &described)
        .message(5, &series(&[1, 2]));
    let answer = server.receiver.receive(Message::V2, &packed(&request), NOW);
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.text,
        "parsing labels for series [1 9]: labelRefs 1 (name) = 9 (value) outside of symbols table (size 3)\n\
         parsing labels for series [1 2 1]: invalid labelRefs length 3\n\
         parsing metadata for series [1 2]: metadata help_ref 7 outside of symbols table (size 3)"
    );
    assert_eq!(answer.written, written(1, 0, 0));
    assert_eq!(server.names(), ["good"]);
}

#[test]
fn exemplars_may_come_in_a_series_of_their_own() {
    let server = server();
    let a = [("__name__", "a")];
    let exemplars = |exemplars| Series {
        labels: &a,
        exemplars,
        ..Series::default()
    };
    // Nobody has the series yet: not an error, and no reason to make it.
    server.check_v1(&[exemplars(&[("early", NOW)])], 204, "");
    assert_eq!(server.names(), Vec::<String>::new());
    let sample = one(&a, &[(1.0, NOW)]);
    server.check_v1(
        &[sample, exemplars(&[("one", NOW), ("two", NOW + 1)])],
        204,
        "",
    );
    server.check_v2(&[exemplars(&[("two", NOW + 1)])], 204, "", written(0, 0, 1));
    server.check_v2(
        &[exemplars(&[("late", NOW - 1), ("three", NOW + 2)])],
        400,
        "out of order exemplar for series {__name__=\"a\"}",
        written(0, 0, 1),
    );
    let long = "x".repeat(200);
    server.check_v2(&[exemplars(&[(&long, NOW + 3)])], 204, "", written(0, 0, 0));
    let found = server
        .db
        .exemplars(0, i64::MAX, &[vec![Matcher::equal("__name__", "a")]]);
    let found = found.expect("found").remove(0).exemplars;
    let traces: Vec<_> = found
        .iter()
        .map(|exemplar| exemplar.labels.value_or_empty("trace_id").to_owned())
        .collect();
    assert_eq!(traces, ["one", "two", "three"]);
}

#[test]
fn finer_schemas_than_are_kept_are_reduced() {
    let server = server();
    let check = |histogram: Histogram, time: i64, status: u16, text: &str| {
        let histograms = [(histogram, time)];
        let series = Series {
            labels: &[("__name__", "h")],
            histograms: &histograms,
            ..Series::default()
        };
        server.check_v1(&[series], status, text);
    };
    check(native(20, 7), NOW, 204, "");
    let found = stored(&*server.db);
    let (_, Value::Histogram(histogram)) = &found[0].1[0] else {
        panic!("a histogram");
    };
    assert_eq!((histogram.schema, histogram.count), (8, 7));
    let refused = |schema: i32| {
        format!(
            "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets, got schema {schema}"
        )
    };
    check(native(-9, 7), NOW + 1, 400, &refused(-9));
    check(native(53, 7), NOW + 1, 400, &refused(53));
}

#[test]
fn what_is_said_of_refusals_is_bounded() {
    let server = server();
    let long = "v".repeat(1 << 20);
    let labels = [("__name__", "a"), ("l", long.as_str())];
    let samples: Vec<_> = (0..1000).map(|at| (1.0, NOW * 2 + at)).collect();
    let request = v2(&[one(&labels, &samples)]);
    let answer = server.receiver.receive(Message::V2, &packed(&request), NOW);
    assert_eq!(answer.status, 400);
    assert!(answer.text.len() < 300_000, "{}", answer.text.len());
    assert!(answer.text.ends_with("\nand 999 more"));
}

#[test]
fn metadata_of_version_2_is_kept_with_its_series() {
    let server = server();
    let sample = Writer::default().double(1, 1.0).varint(2, NOW as u64);
    let series = Writer::default()
        .packed(1, [1, 2])
        .message(2, &sample)
        .message(5, &Writer::default().varint(1, 1).varint(3, 3).varint(4, 4));
    let mut request = Writer::default();
    for symbol in ["", "__name__", "m_total", "some help", "bytes"] {
        request = request.bytes(4, symbol.as_bytes());
    }
    let body = packed(&request.message(5, &series));
    let answer = server.receiver.receive(Message::V2, &body, NOW);
    assert_eq!((answer.status, answer.written), (204, written(1, 0, 0)));
    let counted = "prometheus_api_remote_write_without_metadata_appended_samples_total";
    assert_eq!(server.metric(counted), 0.0);
}

/// Labels, and samples as value and time.
type OwnedSeries = (Vec<(String, String)>, Vec<(f64, i64)>);

/// Series with any names and values, each with a few samples in order of time.
fn any_series() -> impl Strategy<Value = Vec<OwnedSeries>> {
    let labels = prop::collection::btree_map("[a-c]{1,2}", "[x-zé]{0,300}", 0..5);
    let samples = prop::collection::btree_map(0..1_000_i64, any::<f64>(), 0..5);
    let series = ("[m-n]", labels, samples).prop_map(|(name, labels, samples)| {
        let mut labels: Vec<_> = labels.into_iter().collect();
        labels.push(("__name__".to_owned(), name));
        let samples = samples.into_iter().map(|(time, value)| (value, time));
        (labels, samples.collect())
    });
    prop::collection::vec(series, 0..8)
}

proptest! {
    #[test]
    fn what_is_sent_is_what_is_stored(all in any_series(), rounds in 1..3_usize) {
        let store = MemoryStore::new();
        let receiver = Receiver::new(Arc::new(store.clone()), options(), &Registry::new());
        let other = MemoryStore::new();
        let v2_receiver = Receiver::new(Arc::new(other.clone()), options(), &Registry::new());
        let borrowed: Vec<Vec<(&str, &str)>> = all
            .iter()
            .map(|(labels, _)| labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect())
            .collect();
        let series: Vec<_> = all
            .iter()
            .zip(&borrowed)
            .filter(|((_, samples), _)| !samples.is_empty())
            .map(|((_, samples), labels)| one(labels, samples))
            .collect();
        // The second time all label sets are remembered.
        for _ in 0..rounds {
            let answer = receiver.receive(Message::V1, &packed(&v1(&series)), NOW);
            prop_assert_eq!(answer.status, 204);
            let answer = v2_receiver.receive(Message::V2, &packed(&v2(&series)), NOW);
            prop_assert_eq!(answer.status, 204);
        }
        let oracle = MemoryStore::new();
        let mut appender = storage::Appendable::appender(&oracle);
        for series in &series {
            let labels = Labels::from_pairs(series.labels.iter().copied());
            let reference = appender.series(&labels).expect("taken");
            for (value, time) in series.samples {
                let batch = storage::Batch {
                    series: &[reference],
                    times: storage::BatchTimes::Same(*time),
                    values: &[*value],
                    histograms: &[],
                    start_timestamps: &[],
                    exemplars: &[],
                    reject_out_of_order: false,
                };
                appender.append(&batch, &mut Vec::new(), &mut Vec::new()).expect("taken");
            }
        }
        appender.commit().expect("committed");
        let bits = |store: &MemoryStore| -> Vec<_> {
            stored(store)
                .into_iter()
                .map(|(labels, samples)| (labels.to_string(), format!("{samples:?}")))
                .collect()
        };
        prop_assert_eq!(bits(&store), bits(&oracle));
        prop_assert_eq!(bits(&other), bits(&oracle));
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let body = packed(&Writer { bytes });
        for answer in receive_any(&body) {
            prop_assert!(matches!(answer.status, 204 | 400), "{answer:?}");
        }
    }

    #[test]
    fn damaged_requests_are_answered(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let histograms = [(native(0, 7), NOW)];
        let series = [Series {
            labels: &[("__name__", "a"), ("b", "c")],
            samples: &[(1.0, NOW)],
            histograms: &histograms,
            exemplars: &[("t", NOW)],
        }];
        for mut request in [v1(&series), v2(&series)] {
            let at = at.index(request.bytes.len());
            request.bytes[at] = byte;
            for answer in receive_any(&packed(&request)) {
                prop_assert!(matches!(answer.status, 204 | 400), "{answer:?}");
            }
        }
    }
}

/// A store whose series can vanish.
#[derive(Clone)]
struct Forgetful {
    store: MemoryStore,
    /// References below it are gone.
    first: Arc<std::sync::atomic::AtomicU64>,
}

struct ForgetfulAppender {
    inner: Box<dyn storage::Appender>,
    first: u64,
}

impl storage::Appendable for Forgetful {
    fn appender(&self) -> Box<dyn storage::Appender> {
        Box::new(ForgetfulAppender {
            inner: self.store.appender(),
            first: self.first.load(std::sync::atomic::Ordering::Relaxed),
        })
    }
}

impl storage::Appender for ForgetfulAppender {
    fn series(&mut self, labels: &Labels) -> Result<storage::SeriesRef, storage::AppendError> {
        let found = self.inner.series(labels)?;
        Ok(storage::SeriesRef(found.0 + self.first))
    }

    fn append(
        &mut self,
        batch: &storage::Batch<'_>,
        results: &mut Vec<(u32, storage::AppendError)>,
        exemplar_results: &mut Vec<(u32, storage::AppendError)>,
    ) -> Result<(), storage::AppendError> {
        // A reference from before is 0 here: unknown.
        let series: Vec<_> = batch
            .series
            .iter()
            .map(|series| storage::SeriesRef(series.0.saturating_sub(self.first)))
            .collect();
        let batch = storage::Batch {
            series: &series,
            ..*batch
        };
        self.inner.append(&batch, results, exemplar_results)
    }

    fn update_metadata(
        &mut self,
        _: storage::SeriesRef,
        _: &model::Metadata,
    ) -> Result<(), storage::AppendError> {
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), storage::AppendError> {
        self.inner.commit()
    }

    fn rollback(self: Box<Self>) {}
}

#[test]
fn series_that_the_store_has_dropped_are_resolved_anew() {
    let store = Forgetful {
        store: MemoryStore::new(),
        first: Arc::default(),
    };
    let receiver = Receiver::new(Arc::new(store.clone()), options(), &Registry::new());
    let histograms = [(native(0, 7), NOW + 1)];
    let a = [("__name__", "a")];
    for round in 0..3 {
        store
            .first
            .store(round * 100, std::sync::atomic::Ordering::Relaxed);
        for message in [Message::V1, Message::V2] {
            let samples = [(1.0, NOW + round as i64 * 10)];
            let series = [
                one(&a, &samples),
                Series {
                    labels: &a,
                    histograms: &histograms,
                    ..Series::default()
                },
            ];
            let request = match message {
                Message::V1 => v1(&series),
                Message::V2 => v2(&series),
            };
            let answer = receiver.receive(message, &packed(&request), NOW);
            assert_eq!(answer.status, 204, "{}", answer.text);
        }
    }
    let found = stored(&store.store);
    assert_eq!(found.len(), 1);
    let times: Vec<_> = found[0].1.iter().map(|(time, _)| time - NOW).collect();
    assert_eq!(times, [0, 1, 10, 20]);
}
