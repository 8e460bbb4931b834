//! Bodies made by a small encoder, and what is read of them.

use std::fmt::Write as _;
use std::sync::Arc;

use model::sample::Value;
use model::{CounterResetHint, FloatHistogram, Histogram, MetricType, Span};
use proptest::prelude::*;

use super::encode::{
    COUNTER, GAUGE, GAUGE_HISTOGRAM, HISTOGRAM, SUMMARY, UNTYPED, Writer, bucket, exemplar, family,
    labels, message, span, time,
};
use crate::{
    Conversion, Entry, Format, Histograms, ParseError, Parser, ParserOptions, check_body,
    series_text,
};

mod conversion;

/// The labels of a series as text, values in quotation marks.
fn labels_of(text: &[u8]) -> Result<String, ParseError> {
    let mut pairs = Vec::new();
    series_text::pairs(Format::Protobuf, text, MetricType::Unknown, &mut pairs)?;
    let pairs: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
    Ok(pairs.join(","))
}

/// A line an entry.
fn read(body: &[u8], histograms: Histograms) -> Result<String, ParseError> {
    read_with(
        body,
        ParserOptions {
            histograms,
            start_timestamps: true,
            ..ParserOptions::default()
        },
    )
}

/// A line an entry.
fn read_with(body: &[u8], options: ParserOptions) -> Result<String, ParseError> {
    let mut parser = Parser::with_options(Format::Protobuf, body, options);
    let mut out = String::new();
    let name_of = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    while let Some(entry) = parser.next_entry()? {
        match entry {
            Entry::Series(series) => {
                write!(out, "{} {}", labels_of(series.text)?, series.value).unwrap();
                if let Some(time) = series.timestamp {
                    write!(out, " @{time}").unwrap();
                }
                if series.start_timestamp != 0 {
                    write!(out, " since {}", series.start_timestamp).unwrap();
                }
                if let Some(exemplar) = series.exemplar {
                    let exemplar = exemplar.to_exemplar()?;
                    let trace = exemplar.labels.value_or_empty("trace_id").to_owned();
                    write!(out, " # {trace} {}", exemplar.value).unwrap();
                    if let Some(time) = exemplar.timestamp {
                        write!(out, " @{time}").unwrap();
                    }
                }
            }
            Entry::Histogram(series) => {
                write!(out, "{} native", labels_of(series.text)?).unwrap();
                if series.start_timestamp != 0 {
                    write!(out, " since {}", series.start_timestamp).unwrap();
                }
                for exemplar in series.exemplars {
                    let exemplar = exemplar.to_exemplar()?;
                    let trace = exemplar.labels.value_or_empty("trace_id").to_owned();
                    write!(out, " # {trace}").unwrap();
                }
            }
            Entry::Help { name, text } => write!(out, "help {} {text}", name_of(name)).unwrap(),
            Entry::Type { name, metric_type } => {
                write!(out, "type {} {}", name_of(name), metric_type.as_str()).unwrap();
            }
            Entry::Unit { name, unit } => {
                write!(out, "unit {} {}", name_of(name), name_of(unit)).unwrap();
            }
            Entry::Comment(_) => out.push_str("comment"),
        }
        out.push('\n');
    }
    Ok(out)
}

#[track_caller]
fn check(body: &[u8], histograms: Histograms, expected: &str) {
    assert_eq!(read(body, histograms).unwrap(), expected);
}

#[track_caller]
fn check_error(body: &[u8], expected: &str) {
    let error = read(body, Histograms::Native).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

/// The native histograms of a body.
fn natives(body: &[u8]) -> Vec<Value> {
    let options = ParserOptions {
        histograms: Histograms::Native,
        ..ParserOptions::default()
    };
    let mut parser = Parser::with_options(Format::Protobuf, body, options);
    let mut found = Vec::new();
    while let Some(entry) = parser.next_entry().unwrap() {
        if let Entry::Histogram(series) = entry {
            found.push(series.value);
        }
    }
    found
}

fn value(number: f64) -> Writer {
    message().double(1, number)
}

#[test]
fn plain_metrics_are_one_series_each() {
    let counter = message()
        .double(1, 3.0)
        .message(2, &exemplar("t", 0.5, Some((1, 250_999_999))))
        .message(3, &time(7, 5_000_000));
    let mut body = family(
        "c_total",
        COUNTER,
        &[
            labels(&[("b", "2"), ("a", "\"\n\\")]).message(3, &counter),
            labels(&[]).message(3, &value(4.0)).varint(6, 1234),
        ],
    );
    let unit = message()
        .text(1, "g")
        .varint(3, GAUGE)
        .message(4, &labels(&[]).message(2, &value(-1.5)))
        .text(5, "bytes");
    body.extend(unit.delimited());
    body.extend(family("none", GAUGE, &[]));
    body.extend(family(
        "u.x",
        UNTYPED,
        &[labels(&[("é", "ü")]).message(5, &value(2.0))],
    ));
    check(
        &body,
        Histograms::Native,
        "help c_total Help.\n\
         type c_total counter\n\
         __name__=\"c_total\",a=\"\\\"\\n\\\\\",b=\"2\" 3 since 7005 # t 0.5 @1250\n\
         __name__=\"c_total\" 4 @1234\n\
         help g \n\
         unit g bytes\n\
         type g gauge\n\
         __name__=\"g\" -1.5\n\
         help u.x Help.\n\
         type u.x unknown\n\
         __name__=\"u.x\",é=\"ü\" 2\n",
    );
}

#[test]
fn summaries_are_count_sum_and_quantiles() {
    let quantile = |at: f64, value: f64| message().double(1, at).double(2, value);
    let summary = message()
        .varint(1, 5)
        .double(2, 1.5)
        .messages(
            3,
            [
                quantile(0.0, 1.0),
                quantile(0.5, 2.0),
                quantile(1.0, f64::NAN),
            ],
        )
        .message(4, &time(1, 0));
    let body = family(
        "s",
        SUMMARY,
        &[
            labels(&[("q", "x")]).message(4, &summary),
            labels(&[]).message(4, &message().varint(1, 1)),
        ],
    );
    check(
        &body,
        Histograms::Native,
        "help s Help.\ntype s summary\n\
         __name__=\"s_count\",q=\"x\" 5 since 1000\n\
         __name__=\"s_sum\",q=\"x\" 1.5 since 1000\n\
         __name__=\"s\",q=\"x\",quantile=\"0.0\" 1 since 1000\n\
         __name__=\"s\",q=\"x\",quantile=\"0.5\" 2 since 1000\n\
         __name__=\"s\",q=\"x\",quantile=\"1.0\" NaN since 1000\n\
         __name__=\"s_count\" 1\n\
         __name__=\"s_sum\" 0\n",
    );
}

#[test]
fn classic_histograms_end_with_the_bucket_of_all() {
    let classic = message()
        .varint(1, 9)
        .double(2, 1.5)
        .message(3, &bucket(1, -0.0).message(3, &exemplar("z", 0.0, None)))
        .message(
            3,
            &bucket(7, 1e6).message(3, &exemplar("m", 5.0, Some((2, 0)))),
        );
    let closed = message()
        .double(4, 2.5)
        .message(3, &bucket(7, f64::INFINITY).double(4, 1.5))
        .message(3, &bucket(9, 2.0));
    let body = family(
        "h",
        GAUGE_HISTOGRAM,
        &[
            labels(&[]).message(7, &classic),
            labels(&[("le", "x")]).message(7, &closed),
        ],
    );
    check(
        &body,
        Histograms::Native,
        "help h Help.\ntype h gaugehistogram\n\
         __name__=\"h_count\" 9\n\
         __name__=\"h_sum\" 1.5\n\
         __name__=\"h_bucket\",le=\"0.0\" 1 # z 0\n\
         __name__=\"h_bucket\",le=\"1e+06\" 7 # m 5 @2000\n\
         __name__=\"h_bucket\",le=\"+Inf\" 9\n\
         __name__=\"h_count\",le=\"x\" 2.5\n\
         __name__=\"h_sum\",le=\"x\" 0\n\
         __name__=\"h_bucket\",le=\"x\",le=\"+Inf\" 1.5\n",
    );
}

/// Native with exemplars and a classic bucket.
fn both() -> Writer {
    message()
        .varint(1, 4)
        .double(2, 3.0)
        .message(
            3,
            &bucket(2, 1.0).message(3, &exemplar("classic", 1.0, Some((1, 0)))),
        )
        .signed(5, 3)
        .messages(12, [span(0, 2)])
        .packed_signed(13, [3, -2])
        .message(15, &time(5, 0))
}

#[test]
fn the_mode_says_which_form_of_a_histogram_is_read() {
    let own = both().messages(
        16,
        [
            exemplar("one", 1.0, Some((1, 0))),
            exemplar("timeless", 1.0, None),
            exemplar("two", 2.0, Some((2, 0))),
        ],
    );
    let no_buckets = message().messages(12, [span(0, 0)]);
    let body = family(
        "h",
        HISTOGRAM,
        &[
            labels(&[("x", "4")]).message(7, &message().varint(1, 1)),
            labels(&[("x", "1")]).message(7, &own),
            labels(&[("x", "2")]).message(7, &both()),
            labels(&[("x", "3")]).message(7, &no_buckets),
        ],
    );
    let head = "help h Help.\ntype h histogram\n";
    let native = [
        "__name__=\"h\",x=\"1\" native since 5000 # one # two\n",
        "__name__=\"h\",x=\"2\" native since 5000 # classic\n",
        "__name__=\"h\",x=\"3\" native\n",
    ];
    let classic = |x: &str| {
        format!(
            "__name__=\"h_count\",x=\"{x}\" 4 since 5000\n\
             __name__=\"h_sum\",x=\"{x}\" 3 since 5000\n\
             __name__=\"h_bucket\",le=\"1.0\",x=\"{x}\" 2 since 5000 # classic 1 @1000\n\
             __name__=\"h_bucket\",le=\"+Inf\",x=\"{x}\" 4 since 5000\n"
        )
    };
    let empty = |x: &str, count: u32| {
        format!(
            "__name__=\"h_count\",x=\"{x}\" {count}\n\
             __name__=\"h_sum\",x=\"{x}\" 0\n\
             __name__=\"h_bucket\",le=\"+Inf\",x=\"{x}\" {count}\n"
        )
    };
    let only_classic = empty("4", 1);
    check(
        &body,
        Histograms::Native,
        &format!("{head}{only_classic}{}", native.join("")),
    );
    let [first, second, third] = native;
    let all = [first, &classic("1"), second, &classic("2"), third].join("");
    check(
        &body,
        Histograms::Both,
        &format!("{head}{only_classic}{all}"),
    );
    let all = [classic("1"), classic("2"), empty("3", 0)].join("");
    check(
        &body,
        Histograms::Classic,
        &format!("{head}{only_classic}{all}"),
    );
}

#[test]
fn native_histograms_are_read_whole() {
    let integer = message()
        .varint(1, 12)
        .double(2, 18.4)
        .signed(5, -2)
        .double(6, 0.25)
        .varint(7, 2)
        .messages(9, [span(-3, 1)])
        // Not packed.
        .signed(10, 4)
        // The second bucket is empty and goes.
        .messages(12, [span(1, 3), span(2, 1)])
        .packed_signed(13, [2, -2, 1, 2]);
    let float = message()
        .double(4, 6.5)
        .double(8, 0.5)
        .double(2, 1.0)
        .messages(12, [span(0, 2)])
        .packed_doubles(14, [1.5, 4.5]);
    let body = family(
        "h",
        GAUGE_HISTOGRAM,
        &[
            labels(&[]).message(7, &integer),
            labels(&[("f", "1")]).message(7, &float),
        ],
    );
    let span = |offset, length| Span { offset, length };
    let expected = Histogram {
        counter_reset_hint: CounterResetHint::Gauge,
        schema: -2,
        zero_threshold: 0.25,
        zero_count: 2,
        count: 12,
        sum: 18.4,
        positive_spans: vec![span(1, 1), span(1, 1), span(2, 1)],
        negative_spans: vec![span(-3, 1)],
        positive_buckets: vec![2, -1, 2],
        negative_buckets: vec![4],
        custom_values: None,
    };
    let expected_float = FloatHistogram {
        counter_reset_hint: CounterResetHint::Gauge,
        zero_count: 0.5,
        count: 6.5,
        sum: 1.0,
        positive_spans: vec![span(0, 2)],
        positive_buckets: vec![1.5, 4.5],
        ..FloatHistogram::default()
    };
    assert_eq!(
        natives(&body),
        [
            Value::Histogram(Arc::new(expected)),
            Value::FloatHistogram(Arc::new(expected_float)),
        ]
    );
}

#[test]
fn what_cannot_be_read_is_refused_in_the_reference_s_words() {
    let gauge = |metric: Writer| family("g", GAUGE, &[metric]);
    check_error(&[0x80], "clientpb: invalid varint encountered");
    check_error(
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        "clientpb: invalid varint encountered",
    );
    check_error(
        &[0x05, 0x0a],
        "clientpb: insufficient length of buffer, expected at least 6 bytes, got 2 bytes",
    );
    check_error(&family("", GAUGE, &[labels(&[])]), "invalid metric name: ");
    check_error(
        &family("g", 6, &[labels(&[])]),
        "unknown metric type for metric \"g\": 6",
    );
    check_error(
        &[0x02, 0x09, 0x01],
        "proto: wrong wireType = 1 for field Name",
    );
    check_error(
        &gauge(message().varint(2, 1)),
        "proto: wrong wireType = 0 for field Gauge",
    );
    check_error(&gauge(message().bytes(2, &[0x09, 0x01])), "unexpected EOF");
    check_error(&gauge(labels(&[("", "x")])), "invalid label name: ");
    let no_text = message().message(1, &message().text(1, "a").bytes(2, b"\xff"));
    check_error(&gauge(no_text), "invalid label value: \"\\xff\"");
    let spans = message().messages(12, [span(0, 3)]).packed_signed(13, [1]);
    check_error(
        &family("h", HISTOGRAM, &[message().message(7, &spans)]),
        "histogram \"h\": positive side: spans require 3 buckets, have 1",
    );
}

#[test]
fn unknown_fields_are_passed_over_and_parts_join() {
    let group = [0xa3, 0x06, 0x08, 0x01, 0xa4, 0x06];
    let mut metric = labels(&[("a", "b")]).message(7, &message().varint(1, 3).double(2, 4.0));
    metric.bytes.extend_from_slice(&group);
    let metric = metric.message(7, &message().message(3, &bucket(3, 1.0)).varint(99, 7));
    check(
        &family("h", HISTOGRAM, &[metric]),
        Histograms::Native,
        "help h Help.\ntype h histogram\n\
         __name__=\"h_count\",a=\"b\" 3\n\
         __name__=\"h_sum\",a=\"b\" 4\n\
         __name__=\"h_bucket\",a=\"b\",le=\"1.0\" 3\n\
         __name__=\"h_bucket\",a=\"b\",le=\"+Inf\" 3\n",
    );
}

#[test]
fn a_name_cannot_be_multiplied_without_end() {
    let name = "n".repeat(1 << 20);
    let buckets = (0..5000).map(|number| bucket(1, f64::from(number)));
    let histogram = message().messages(3, buckets);
    let body = family(&name, HISTOGRAM, &[message().message(7, &histogram)]);
    let mut parser = Parser::new(Format::Protobuf, &body);
    let error = loop {
        match parser.next_entry() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("read to the end"),
            Err(err) => break err,
        }
    };
    assert_eq!(
        error.to_string(),
        "names and labels of all series take more than 4294967296 bytes"
    );
}

/// A body of one of each kind.
fn one_of_each() -> Vec<u8> {
    let mut body = family(
        "c",
        COUNTER,
        &[labels(&[("a", "b")])
            .message(3, &value(1.0).message(2, &exemplar("t", 1.0, Some((1, 2)))))],
    );
    body.extend(family("h", HISTOGRAM, &[labels(&[]).message(7, &both())]));
    let summary = message().varint(1, 1).message(3, &value(0.5));
    body.extend(family("s", SUMMARY, &[labels(&[]).message(4, &summary)]));
    body
}

#[test]
fn no_part_of_a_body_is_read_as_more_than_its_whole_families() {
    let body = one_of_each();
    let whole = read(&body, Histograms::Both).unwrap();
    for end in 0..body.len() {
        match read(&body[..end], Histograms::Both) {
            Err(_) => {}
            // Cut between two families.
            Ok(part) => assert!(whole.starts_with(&part), "{end}"),
        }
    }
    let readable = |end: &usize| read(&body[..*end], Histograms::Both).is_ok();
    assert_eq!((0..body.len()).filter(readable).count(), 3);
}

/// A gauge's labels and value.
type Gauge = (Vec<(String, String)>, f64);

fn any_gauges() -> impl Strategy<Value = Vec<(String, Vec<Gauge>)>> {
    let pairs = prop::collection::btree_map("[a-cé]{1,3}", "\\PC{0,200}", 0..5);
    let pairs = pairs.prop_map(|pairs| pairs.into_iter().collect());
    let gauges = prop::collection::vec((pairs, any::<f64>()), 1..5);
    prop::collection::vec(("[a-z.]{1,9}", gauges), 0..5)
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    let buckets = || prop::collection::vec((0..4_i32, 1..1000_i64), 0..20);
    let parts = (-4..=8_i32, any::<f64>(), 0..100_u64, any::<u32>());
    (parts, buckets(), buckets()).prop_map(|(parts, positive, negative)| {
        let (schema, sum, zero_count, count) = parts;
        let side = |buckets: &[(i32, i64)]| {
            let (mut spans, mut deltas): (Vec<Span>, Vec<i64>) = Default::default();
            let mut before = 0;
            for (gap, count) in buckets {
                match spans.last_mut() {
                    Some(span) if *gap == 0 => span.length += 1,
                    _ => spans.push(Span {
                        offset: *gap,
                        length: 1,
                    }),
                }
                deltas.push(count - before);
                before = *count;
            }
            (spans, deltas)
        };
        let (positive_spans, positive_buckets) = side(&positive);
        let (negative_spans, negative_buckets) = side(&negative);
        Histogram {
            schema,
            zero_threshold: 0.5,
            zero_count,
            count: count.into(),
            sum,
            positive_spans,
            negative_spans,
            positive_buckets,
            negative_buckets,
            ..Histogram::default()
        }
    })
}

fn encoded(histogram: &Histogram) -> Writer {
    let spans = |spans: &[Span]| -> Vec<Writer> {
        let spans = spans.iter();
        spans
            .map(|it| span(it.offset.into(), it.length.into()))
            .collect()
    };
    message()
        .varint(1, histogram.count)
        .double(2, histogram.sum)
        .signed(5, histogram.schema.into())
        .double(6, histogram.zero_threshold)
        .varint(7, histogram.zero_count)
        .messages(9, spans(&histogram.negative_spans))
        .packed_signed(10, histogram.negative_buckets.iter().copied())
        .messages(12, spans(&histogram.positive_spans))
        .packed_signed(13, histogram.positive_buckets.iter().copied())
}

proptest! {
    #[test]
    fn what_is_written_is_read(all in any_gauges()) {
        let mut body = Vec::new();
        let mut expected = String::new();
        for (name, gauges) in &all {
            let metric = |(pairs, number): &Gauge| {
                let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
                labels(&pairs).message(2, &value(*number))
            };
            let metrics: Vec<Writer> = gauges.iter().map(metric).collect();
            body.extend(family(name, GAUGE, &metrics));
            expected += &format!("help {name} Help.\ntype {name} gauge\n");
            for (pairs, number) in gauges {
                expected += &format!("__name__={name:?}");
                for (label, text) in pairs {
                    expected += &format!(",{label}={text:?}");
                }
                expected += &format!(" {number}\n");
            }
        }
        prop_assert_eq!(read(&body, Histograms::Native).unwrap(), expected);
    }

    #[test]
    fn native_histograms_are_read_as_written(histogram in any_histogram()) {
        let body = family("h", HISTOGRAM, &[labels(&[]).message(7, &encoded(&histogram))]);
        let found = natives(&body);
        let expected = Value::Histogram(Arc::new(histogram));
        // Debug text, since NaN differs from itself.
        prop_assert_eq!(format!("{found:?}"), format!("{:?}", [expected]));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_body(Format::Protobuf, &bytes);
    }

    #[test]
    fn damaged_bodies_are_read_or_refused(at in 0..400_usize, byte: u8) {
        let mut body = one_of_each();
        let at = at % body.len();
        body[at] = byte;
        check_body(Format::Protobuf, &body);
    }
}
