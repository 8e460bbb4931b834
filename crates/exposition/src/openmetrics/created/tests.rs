//! Tests of `created`.

use crate::{Entry, Format, Parser, ParserOptions, check_known};

/// The start timestamp of each series that is yielded.
#[track_caller]
fn check(body: &str, expected: &[(&str, i64)]) {
    let body = format!("{body}# EOF\n");
    let options = ParserOptions {
        start_timestamps: true,
        ..ParserOptions::default()
    };
    let mut parser = Parser::with_options(Format::OpenMetrics, body.as_bytes(), options);
    let mut found = Vec::new();
    while let Some(entry) = parser.next_entry().unwrap() {
        if let Entry::Series(series) = entry {
            let text = String::from_utf8_lossy(series.text).into_owned();
            found.push((text, series.start_timestamp));
        }
    }
    let found: Vec<(&str, i64)> = found.iter().map(|(text, at)| (&**text, *at)).collect();
    assert_eq!(found, expected, "{body}");
    check_known(Format::OpenMetrics, body.as_bytes(), body.as_bytes());
}

#[test]
fn lines_of_a_metric_learn_when_it_began() {
    check(
        "# TYPE c counter\nc_total 1\nc_created 1.5\n",
        &[("c_total", 1500)],
    );
    // Of a histogram and a summary, each label set for itself; exemplars are in the way.
    check(
        "# TYPE h histogram\nh_bucket{a=\"1\",le=\"1\"} 1 # {t=\"x\"} 1 2\nh_count{a=\"1\"} 1\nh_created{a=\"1\"} 1\nh_count{a=\"2\"} 1\nh_created{a=\"2\"} 2\n",
        &[
            ("h_bucket{a=\"1\",le=\"1\"}", 1000),
            ("h_count{a=\"1\"}", 1000),
            ("h_count{a=\"2\"}", 2000),
        ],
    );
    check(
        "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_created 3\n",
        &[("s{quantile=\"0.5\"}", 3000), ("s_sum", 3000)],
    );
    // Lines behind it belong too.
    check(
        "# TYPE h histogram\nh_sum 1\nh_created 1\nh_count 1\n",
        &[("h_sum", 1000), ("h_count", 1000)],
    );
    check(
        "# TYPE \"a.b\" counter\n{\"a.b_total\",x=\"1\"} 1\n{\"a.b_created\",x=\"1\"} 2\n",
        &[("{\"a.b_total\",x=\"1\"}", 2000)],
    );
}

#[test]
fn the_next_such_line_decides() {
    // It is another metric's.
    check(
        "# TYPE c counter\nc_total{a=\"1\"} 1\nc_total{a=\"2\"} 1\nc_created{a=\"2\"} 2\nc_created{a=\"1\"} 1\n",
        &[("c_total{a=\"1\"}", 0), ("c_total{a=\"2\"}", 2000)],
    );
    // The family ends before; it comes too late.
    check(
        "# TYPE c counter\nc_total 1\n# TYPE d counter\nc_created 1\n",
        &[("c_total", 0)],
    );
    check(
        "# TYPE c counter\nc_created 1\nc_total 1\n",
        &[("c_total", 0)],
    );
    // There is none at all.
    check(
        "# TYPE c counter\nc_total 1\nc_total{a=\"1\"} 1\n",
        &[("c_total", 0), ("c_total{a=\"1\"}", 0)],
    );
    // Another label set, a label with another value, a name that only begins so.
    check(
        "# TYPE c counter\nc_total{a=\"1\"} 1\nc_created{a=\"2\"} 1\n",
        &[("c_total{a=\"1\"}", 0)],
    );
    check(
        "# TYPE c counter\ncd_total 1\nc_created 1\n",
        &[("cd_total", 1000)],
    );
}

#[test]
fn types_without_a_start_keep_such_lines() {
    for kind in ["gauge", "unknown", "info", "stateset", "gaugehistogram"] {
        check(
            &format!("# TYPE x {kind}\nx 1\nx_created 2\n"),
            &[("x", 0), ("x_created", 0)],
        );
    }
}

#[test]
fn unreadable_lines_ahead_are_told_when_it_is_their_turn() {
    let options = ParserOptions {
        start_timestamps: true,
        ..ParserOptions::default()
    };
    let body = b"# TYPE c counter\nc_total 1\nc_created x\n# EOF\n";
    let mut parser = Parser::with_options(Format::OpenMetrics, body, options);
    parser.next_entry().unwrap();
    assert!(matches!(parser.next_entry(), Ok(Some(Entry::Series(_)))));
    parser.next_entry().unwrap_err();
}
