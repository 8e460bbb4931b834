//! Classic histograms that become native ones with custom buckets.

use super::*;

fn options(histograms: Histograms, conversion: Conversion) -> ParserOptions {
    ParserOptions {
        histograms,
        conversion,
        start_timestamps: true,
    }
}

/// 3 up to 1, none up to 2, 5 above.
fn classic() -> Writer {
    let timed = exemplar("timed", 0.5, Some((1, 0)));
    let timeless = exemplar("timeless", 1.5, None);
    message()
        .varint(1, 8)
        .double(2, 9.5)
        .message(3, &bucket(3, 1.0).message(3, &timed))
        .message(3, &bucket(3, 2.0).message(3, &timeless))
        .message(15, &time(7, 0))
}

fn page(metric_type: u64, histogram: &Writer) -> Vec<u8> {
    let metric = labels(&[("x", "1")]).message(7, histogram);
    let mut body = family("h", metric_type, &[metric]);
    let gauge = labels(&[]).message(2, &value(1.0));
    body.extend(family("g", GAUGE, &[gauge]));
    body
}

const HEAD: &str = "help h Help.\ntype h histogram\n";
const CLASSIC: &str = "__name__=\"h_count\",x=\"1\" 8 since 7000\n\
     __name__=\"h_sum\",x=\"1\" 9.5 since 7000\n\
     __name__=\"h_bucket\",le=\"1.0\",x=\"1\" 3 since 7000 # timed 0.5 @1000\n\
     __name__=\"h_bucket\",le=\"2.0\",x=\"1\" 3 since 7000 # timeless 1.5\n\
     __name__=\"h_bucket\",le=\"+Inf\",x=\"1\" 8 since 7000\n";
const CONVERTED: &str = "__name__=\"h\",x=\"1\" native since 7000 # timed\n";
const REST: &str = "help g Help.\ntype g gauge\n__name__=\"g\" 1\n";

#[test]
fn classic_histograms_become_native_ones() {
    let body = page(HISTOGRAM, &classic());
    for histograms in [Histograms::Classic, Histograms::Native, Histograms::Both] {
        for (conversion, expected) in [
            (Conversion::Off, CLASSIC.to_owned()),
            (Conversion::Replace, CONVERTED.to_owned()),
            (Conversion::Keep, format!("{CLASSIC}{CONVERTED}")),
        ] {
            let found = read_with(&body, options(histograms, conversion)).unwrap();
            assert_eq!(found, format!("{HEAD}{expected}{REST}"));
        }
    }
}

#[test]
fn those_with_a_native_form_are_converted_only_if_that_is_not_read() {
    let metric = labels(&[("x", "1")]).message(7, &both());
    let body = family("h", HISTOGRAM, &[metric]);
    let native = "__name__=\"h\",x=\"1\" native since 5000 # classic\n";
    let lines = "__name__=\"h_count\",x=\"1\" 4 since 5000\n\
         __name__=\"h_sum\",x=\"1\" 3 since 5000\n\
         __name__=\"h_bucket\",le=\"1.0\",x=\"1\" 2 since 5000 # classic 1 @1000\n\
         __name__=\"h_bucket\",le=\"+Inf\",x=\"1\" 4 since 5000\n";
    for (histograms, conversion, expected) in [
        (Histograms::Native, Conversion::Replace, native.to_owned()),
        (
            Histograms::Both,
            Conversion::Keep,
            format!("{native}{lines}"),
        ),
        (Histograms::Classic, Conversion::Replace, native.to_owned()),
        (
            Histograms::Classic,
            Conversion::Keep,
            format!("{lines}{native}"),
        ),
    ] {
        let found = read_with(&body, options(histograms, conversion)).unwrap();
        assert_eq!(found, format!("{HEAD}{expected}"));
    }
}

/// The only histogram of a converted page.
fn converted(metric_type: u64, histogram: &Writer) -> Result<Value, ParseError> {
    let body = page(metric_type, histogram);
    let options = options(Histograms::Native, Conversion::Replace);
    let mut parser = Parser::with_options(Format::Protobuf, &body, options);
    while let Some(entry) = parser.next_entry()? {
        if let Entry::Histogram(series) = entry {
            return Ok(series.value);
        }
    }
    panic!("none")
}

#[test]
fn counts_and_bounds_are_those_of_the_buckets() {
    let Value::Histogram(found) = converted(HISTOGRAM, &classic()).unwrap() else {
        panic!()
    };
    assert_eq!(found.schema, -53);
    assert_eq!((found.count, found.sum), (8, 9.5));
    assert_eq!(found.custom_values.as_deref(), Some(&[1.0, 2.0][..]));
    assert_eq!(found.positive_buckets, [3, -3, 5]);
    assert_eq!(found.counter_reset_hint, CounterResetHint::Unknown);

    let halves = message()
        .double(4, 2.5)
        .message(3, &message().double(4, 0.5).double(2, 1.0));
    let Value::FloatHistogram(found) = converted(GAUGE_HISTOGRAM, &halves).unwrap() else {
        panic!()
    };
    assert_eq!(found.positive_buckets, [0.5, 2.0]);
    assert_eq!(found.counter_reset_hint, CounterResetHint::Gauge);
}

#[test]
fn what_does_not_add_up_fails_the_body() {
    let falling = message()
        .varint(1, 8)
        .message(3, &bucket(3, 1.0))
        .message(3, &bucket(2, 2.0));
    let error = converted(HISTOGRAM, &falling).unwrap_err();
    assert_eq!(error.to_string(), "count is not cumulative: 2 < 3");
}
