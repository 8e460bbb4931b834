//! Pages with classic histograms, and what is read of them.

use std::fmt::Write as _;

use model::FloatHistogram;
use proptest::prelude::*;

use super::*;
use crate::{Parser, check_body, check_known};

const TEXT: Format = Format::Text;
const OPEN_METRICS: Format = Format::OpenMetrics;

fn options(conversion: Conversion) -> ParserOptions {
    ParserOptions {
        conversion,
        start_timestamps: true,
        ..ParserOptions::default()
    }
}

/// A native histogram as its bounds and absolute counts: `count/sum bound:count …`.
fn histogram_text(value: &Value) -> String {
    let (mark, histogram) = match value {
        Value::Histogram(histogram) => ("", histogram.to_float()),
        Value::FloatHistogram(histogram) => ("~", FloatHistogram::clone(histogram)),
        Value::Float(number) => panic!("{number}"),
    };
    let bounds = histogram.custom_values.clone().unwrap_or_default();
    let mut counts = vec![0.0; bounds.len() + 1];
    let mut at = 0;
    let mut buckets = histogram.positive_buckets.iter();
    for span in &histogram.positive_spans {
        at += span.offset as usize;
        for count in buckets.by_ref().take(span.length as usize) {
            counts[at] = *count;
            at += 1;
        }
    }
    let mut out = format!("{mark}{}/{}", histogram.count, histogram.sum);
    for (bound, count) in bounds.iter().chain([&f64::INFINITY]).zip(counts) {
        write!(out, " {bound}:{count}").unwrap();
    }
    out
}

/// A line a sample.
fn read(format: Format, body: &str, conversion: Conversion) -> Result<String, ParseError> {
    let mut parser = Parser::with_options(format, body.as_bytes(), options(conversion));
    let mut out = String::new();
    loop {
        let metric_type = parser.metric_type();
        let Some(entry) = parser.next_entry()? else {
            return Ok(out);
        };
        let mut pairs = Vec::new();
        let mut labels = |text| {
            series_text::pairs(format, text, metric_type, &mut pairs).unwrap();
            let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
            let texts: Vec<String> = pairs.map(|(n, v)| format!("{n}={v}")).collect();
            texts.join(",").replacen("__name__=", "", 1)
        };
        let (time, start, text) = match entry {
            Entry::Series(series) => {
                write!(out, "{} {}", labels(series.text), series.value).unwrap();
                if let Some(exemplar) = &series.exemplar {
                    write!(out, " # {}", exemplar.value).unwrap();
                }
                (
                    series.timestamp,
                    series.start_timestamp,
                    series.text.to_vec(),
                )
            }
            Entry::Histogram(series) => {
                write!(
                    out,
                    "{} {}",
                    labels(series.text),
                    histogram_text(&series.value)
                )
                .unwrap();
                for exemplar in series.exemplars.clone() {
                    write!(out, " # {}", exemplar.value).unwrap();
                }
                (
                    series.timestamp,
                    series.start_timestamp,
                    series.text.to_vec(),
                )
            }
            _ => continue,
        };
        if let Some(time) = time {
            write!(out, " @{time}").unwrap();
        }
        if start != 0 {
            write!(out, " since {start}").unwrap();
        }
        out.push('\n');
        assert_eq!(parser.made_text(), Some(&*text));
    }
}

#[track_caller]
fn check_as(format: Format, conversion: Conversion, body: &str, expected: &str) {
    assert_eq!(read(format, body, conversion).unwrap(), expected, "{body}");
    check_known(format, body.as_bytes(), body.as_bytes());
}

#[track_caller]
fn check(body: &str, expected: &str) {
    check_as(TEXT, Conversion::Replace, body, expected);
}

#[test]
fn lines_of_a_histogram_become_one() {
    let page = "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 5\nh_sum 7.5\nh_count 5\ng 3\n";
    check(page, "h 5/7.5 1:2 inf:3\ng 3\n");
    check_as(
        TEXT,
        Conversion::Keep,
        page,
        "h_bucket,le=1.0 2\nh_bucket,le=+Inf 5\nh_sum 7.5\nh_count 5\nh 5/7.5 1:2 inf:3\ng 3\n",
    );
    // At the end of the body, and before each line that is no series.
    for (after, rest) in [("", ""), ("# c\n", ""), ("# HELP x y\nx 1\n", "x 1\n")] {
        let page = format!("# TYPE h histogram\nh_bucket{{le=\"1\"}} 2\nh_count 5\n{after}");
        check(&page, &format!("h 5/0 1:2 inf:3\n{rest}"));
    }
}

#[test]
fn each_label_set_has_a_histogram_of_its_own() {
    check(
        "# TYPE h histogram\nh_bucket{a=\"1\",le=\"1\"} 2\nh_count{a=\"1\"} 2\nh_bucket{le=\"1\",a=\"2\"} 3\nh_bucket{le=\"2\",a=\"2\"} 4\n",
        "h,a=1 2/0 1:2 inf:0\nh,a=2 4/0 1:3 2:1 inf:0\n",
    );
    // One whose lines do not stand together comes more than once.
    check(
        "# TYPE h histogram\nh_count{a=\"1\"} 2\nh_count{a=\"2\"} 3\nh_sum{a=\"1\"} 9\n",
        "h,a=1 2/0 inf:2\nh,a=2 3/0 inf:3\nh,a=1 0/9 inf:0\n",
    );
    check(
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\n# c\nh_count 2\n",
        "h 1/0 1:1 inf:0\nh 2/0 inf:2\n",
    );
    // Empty labels tell them apart, as in the reference.
    check(
        "# TYPE h histogram\nh_bucket{le=\"1\",a=\"\"} 2\nh_count 2\n",
        "h 2/0 1:2 inf:0\nh 2/0 inf:2\n",
    );
}

#[test]
fn only_series_of_the_family_belong() {
    // The base name alone, another family's series, a bound that is none, no bound, two bounds.
    check(
        "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh 9\nh_bucket{le=\"x\"} 8\nh_bucket{le=\"NaN\"} 7\nh_bucket 6\nh_count 2\ni_bucket{le=\"1\"} 2\n",
        "h 9\nh_bucket,le=x 8\nh_bucket,le=NaN 7\nh_bucket 6\nh 2/0 1:2 inf:0\ni_bucket,le=1.0 2\n",
    );
    // Other types.
    for kind in ["gauge", "counter", "summary", "untyped"] {
        check(
            &format!("# TYPE h {kind}\nh_bucket{{le=\"1.0\"}} 2\nh_count 2\n"),
            "h_bucket,le=1.0 2\nh_count 2\n",
        );
    }
    check_as(
        OPEN_METRICS,
        Conversion::Replace,
        "# TYPE h gaugehistogram\nh_bucket{le=\"1.0\"} 2\n# EOF\n",
        "h_bucket,le=1.0 2\n",
    );
    // The TYPE line may come late, and another one ends the family.
    check(
        "h_count 1\n# TYPE h histogram\nh_count 2\n# TYPE g gauge\nh_count 3\n",
        "h_count 1\nh 2/0 inf:2\nh_count 3\n",
    );
}

#[test]
fn what_does_not_add_up_costs_only_itself() {
    let good = "h_bucket{a=\"2\",le=\"1\"} 1\nh_count{a=\"2\"} 1\n";
    for bad in [
        "h_bucket{le=\"1\"} 3\nh_bucket{le=\"2\"} 2\nh_count 3\n",
        "h_bucket{le=\"+Inf\"} 3\nh_count 4\n",
        "h_bucket{le=\"1\"} -1\n",
        "h_count -1\n",
        "h_count NaN\n",
        // More in a bucket than in all: found only by the check of what came out.
        "h_bucket{le=\"1\"} 3\nh_count 2\n",
    ] {
        check(
            &format!("# TYPE h histogram\n{bad}{good}"),
            "h,a=2 1/0 1:1 inf:0\n",
        );
        let kept = read(
            TEXT,
            &format!("# TYPE h histogram\n{bad}{good}"),
            Conversion::Keep,
        );
        let lines = bad.lines().count() + 3;
        assert_eq!(kept.unwrap().lines().count(), lines, "{bad}");
    }
}

#[test]
fn times_and_exemplars_are_those_of_the_lines() {
    // A histogram has the time of its last line, not that of the line behind.
    check(
        "# TYPE h histogram\nh_bucket{le=\"1\"} 2 1000\nh_count 2 2000\nh_count{a=\"1\"} 2 3000\nh_count{a=\"2\"} 2\n",
        "h 2/0 1:2 inf:0 @2000\nh,a=1 2/0 inf:2 @3000\nh,a=2 2/0 inf:2\n",
    );
    // Exemplars without a time are left out.
    let page = "# TYPE h histogram\nh_bucket{le=\"1\"} 2 # {t=\"x\"} 0.5 1\nh_bucket{le=\"2\"} 2 # {t=\"y\"} 1.5\nh_count 2 # {t=\"z\"} 2.5 2\n# EOF\n";
    check_as(
        OPEN_METRICS,
        Conversion::Replace,
        page,
        "h 2/0 1:2 2:0 inf:0 # 0.5 # 2.5\n",
    );
    check_as(
        OPEN_METRICS,
        Conversion::Keep,
        page,
        "h_bucket,le=1.0 2 # 0.5\nh_bucket,le=2.0 2 # 1.5\nh_count 2 # 2.5\nh 2/0 1:2 2:0 inf:0 # 0.5 # 2.5\n",
    );
}

#[test]
fn start_timestamps_come_along() {
    check_as(
        OPEN_METRICS,
        Conversion::Replace,
        "# TYPE h histogram\nh_bucket{a=\"1\",le=\"1\"} 2\nh_count{a=\"1\"} 2\nh_created{a=\"1\"} 1.5\nh_count{a=\"2\"} 2\n# EOF\n",
        "h,a=1 2/0 1:2 inf:0 since 1500\nh,a=2 2/0 inf:2\n",
    );
}

#[test]
fn lines_of_creation_are_samples_unless_starts_are_read() {
    let body = b"# TYPE h histogram\nh_count 2\nh_created 1.5\n# EOF\n";
    for (start_timestamps, expected) in [(false, 1), (true, 0)] {
        let options = ParserOptions {
            start_timestamps,
            ..options(Conversion::Replace)
        };
        let mut parser = Parser::with_options(OPEN_METRICS, body, options);
        let mut found = 0;
        while let Some(entry) = parser.next_entry().unwrap() {
            found +=
                usize::from(matches!(entry, Entry::Series(series) if series.text == b"h_created"));
        }
        assert_eq!(found, expected);
    }
}

#[test]
fn names_and_values_of_any_kind_come_back() {
    check(
        "# TYPE \"a.b\" histogram\n{\"a.b_bucket\",\"c d\"=\"e\\\"\\\\\\n\",le=\"1\"} 2\n{\"a.b_count\",\"c d\"=\"e\\\"\\\\\\n\"} 2\n",
        "a.b,c d=e\"\\\n 2/0 1:2 inf:0\n",
    );
    let error = read(
        TEXT,
        "# TYPE h histogram\nh_count 1\n{\"h_count\",\"a\"=\"b\"} x\n",
        Conversion::Replace,
    );
    error.unwrap_err();
}

/// One histogram of a page.
#[derive(Debug, Clone)]
struct Written {
    label: u8,
    /// Increments by bucket.
    counts: Vec<u32>,
    sum: i32,
    has_last: bool,
    has_count: bool,
    between: u8,
}

fn written() -> impl Strategy<Value = Written> {
    let parts = (
        any::<u8>(),
        prop::collection::vec(0_u32..5, 1..6),
        -9..9_i32,
        any::<bool>(),
        any::<bool>(),
        0..4_u8,
    );
    parts.prop_map(
        |(label, counts, sum, has_last, has_count, between)| Written {
            label,
            counts,
            sum,
            has_last,
            has_count,
            between,
        },
    )
}

proptest! {
    /// A converted page says what the classic lines say, and all else stays as it is.
    #[test]
    fn a_converted_page_equals_its_lines(page in prop::collection::vec(written(), 0..6)) {
        let mut body = String::from("# TYPE h histogram\n");
        let (mut expected, mut kept) = (String::new(), String::new());
        for (number, written) in page.iter().enumerate() {
            let Written { label, counts, sum, has_last, has_count, between } = written;
            let labels = format!("a=\"{label}\",n=\"{number}\"");
            let (mut all, mut buckets) = (0, String::new());
            let mut classic = String::new();
            for (bound, count) in counts.iter().enumerate() {
                all += count;
                writeln!(body, "h_bucket{{{labels},le=\"{bound}\"}} {all}").unwrap();
                writeln!(classic, "h_bucket,a={label},le={bound}.0,n={number} {all}").unwrap();
                write!(buckets, "{bound}:{count} ").unwrap();
            }
            if *has_last {
                writeln!(body, "h_bucket{{{labels},le=\"+Inf\"}} {all}").unwrap();
                writeln!(classic, "h_bucket,a={label},le=+Inf,n={number} {all}").unwrap();
            }
            writeln!(body, "h_sum{{{labels}}} {sum}").unwrap();
            writeln!(classic, "h_sum,a={label},n={number} {sum}").unwrap();
            if *has_count {
                writeln!(body, "h_count{{{labels}}} {all}").unwrap();
                writeln!(classic, "h_count,a={label},n={number} {all}").unwrap();
            }
            let native = format!("h,a={label},n={number} {all}/{sum} {buckets}inf:0\n");
            let plain = format!("x {number}\n");
            let between = match between {
                0 => "",
                1 => "# a comment\n",
                2 => "# HELP h again\n",
                _ => &plain,
            };
            body.push_str(between);
            expected.push_str(&native);
            kept.push_str(&classic);
            kept.push_str(&native);
            if between == plain {
                expected.push_str(between);
                kept.push_str(between);
            }
        }
        prop_assert_eq!(read(TEXT, &body, Conversion::Replace).unwrap(), expected);
        prop_assert_eq!(read(TEXT, &body, Conversion::Keep).unwrap(), kept);
        check_known(TEXT, body.as_bytes(), body.as_bytes());
    }

    #[test]
    fn any_bytes_end(body in prop::collection::vec(
        prop::sample::select(vec![
            "# TYPE h histogram\n", "# TYPE c counter\n", "# HELP h x\n", "# EOF\n", "h_bucket{le=\"1\"} 1\n",
            "h_count 1 2\n", "h_created 3\n", "c_total{a=\"b\"} 1\n", "c_created{a=\"b\"} 2\n", "\n", "{\"h_sum\"} 1\n",
            "h_bucket{", "}", "le=\"\\", "\"", " 1",
        ]),
        0..12,
    )) {
        let body = body.concat();
        for format in [TEXT, OPEN_METRICS] {
            check_body(format, body.as_bytes());
            check_known(format, body.as_bytes(), body.as_bytes());
        }
    }
}
