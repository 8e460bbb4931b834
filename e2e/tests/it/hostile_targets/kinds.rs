//! What targets do that mean harm, and what is said of each.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use e2e::exporter::Answer;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::protobuf::{families, gauge, labelled_gauge, long_histogram};

/// One kind of target.
pub(super) struct Kind {
    /// Name of its job.
    pub(super) name: &'static str,
    /// Lines of its job.
    pub(super) options: &'static str,
    /// What `lastError` says, with `ADDRESS` for the target's.
    pub(super) error: Expected,
    pub(super) answer: Answer,
}

/// What is expected of a target's scrapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// Exactly this, from the reference too.
    Error(&'static str),
    /// An error with this in it, in our own words.
    OurError(&'static str),
    /// Exactly this; 3.5.3 does not know what it is about.
    NewerError(&'static str),
    /// Nothing: what it sends is stored.
    Taken,
}

const TEXT: &str = "text/plain; version=0.0.4";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

const BODY_LIMIT: &str = "  body_size_limit: 8MB\n";
const SAMPLE_LIMIT: &str = "  sample_limit: 1000\n";

/// An answer that is written at once, and always the same.
fn fixed(bytes: impl Into<Vec<u8>>) -> Answer {
    let bytes = bytes.into();
    Arc::new(move |stream| stream.write_all(&bytes))
}

/// A whole answer with status 200.
fn whole(content_type: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{headers}Content-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn page(content_type: &str, body: impl AsRef<[u8]>) -> Answer {
    fixed(whole(content_type, "", body.as_ref()))
}

/// `head`, then `piece` for ever.
fn endless(head: impl Into<String>, piece: Vec<u8>, pause: Duration) -> Answer {
    let head = head.into();
    Arc::new(move |stream| {
        stream.write_all(head.as_bytes())?;
        loop {
            stream.write_all(&piece)?;
            thread::sleep(pause);
        }
    })
}

/// Says something and hangs up.
fn cut(text: String) -> Answer {
    Arc::new(move |stream: &mut TcpStream| {
        stream.write_all(text.as_bytes())?;
        Err(std::io::ErrorKind::Other.into())
    })
}

fn head(headers: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {TEXT}\r\n{headers}\r\n")
}

fn chunked(chunks: &str) -> String {
    head("Transfer-Encoding: chunked\r\n") + chunks
}

fn redirect(location: &str) -> Answer {
    fixed(format!(
        "HTTP/1.1 302 Found\r\n{location}Content-Length: 0\r\n\r\n"
    ))
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

fn gzipped(body: &[u8]) -> Answer {
    fixed(whole(TEXT, "Content-Encoding: gzip\r\n", body))
}

/// Lines that `line` makes of their numbers.
pub(super) fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// All series new at each scrape.
pub(super) fn churn(count: usize) -> Answer {
    let number = AtomicUsize::new(0);
    Arc::new(move |stream| {
        let scrape = number.fetch_add(1, Ordering::Relaxed);
        let line = |index| format!("churn{{scrape=\"{scrape}\",index=\"{index}\"}} 1\n");
        stream.write_all(&whole(TEXT, "", lines(count, line).as_bytes()))
    })
}

/// Another content type at each scrape.
fn changing_type() -> Answer {
    let answers = [
        whole(TEXT, "", b"changing 1\n"),
        whole(
            OPENMETRICS,
            "",
            b"# TYPE changing gauge\nchanging 1\n# EOF\n",
        ),
        whole(PROTOBUF, "", &families(&[gauge("changing")])),
    ];
    let number = AtomicUsize::new(0);
    Arc::new(move |stream| {
        let scrape = number.fetch_add(1, Ordering::Relaxed);
        stream.write_all(&answers[scrape % answers.len()])
    })
}

fn late() -> Answer {
    Arc::new(|stream| {
        thread::sleep(Duration::from_millis(1500));
        stream.write_all(&whole(TEXT, "", b"late 1\n"))
    })
}

const TIMEOUT: Expected =
    Expected::Error("Get \"http://ADDRESS/metrics\": context deadline exceeded");
const BODY_TIMEOUT: Expected = Expected::Error("context deadline exceeded");
const BODY_TOO_LARGE: Expected = Expected::Error("body size limit exceeded");
const SAMPLES: Expected = Expected::Error("sample limit exceeded");
const NO_HTTP: Expected = Expected::OurError("HTTP/1.x transport connection broken: ");
const NOW: Duration = Duration::ZERO;

/// All kinds: of the connection, of HTTP, of bodies, of what is in them.
pub(super) fn kinds() -> Vec<Kind> {
    let kind = |name, options, error, answer| Kind {
        name,
        options,
        error,
        answer,
    };
    let plain = |name, error, answer| kind(name, "", error, answer);
    let mut kinds = connections(plain);
    kinds.extend(bodies(kind));
    kinds.extend(contents(kind));
    kinds
}

/// A body without end, where nothing is configured against it.
pub(super) fn unlimited() -> Kind {
    Kind {
        name: "endless",
        options: "",
        error: Expected::OurError(""),
        answer: endless(head(""), b"endless 1\n".repeat(8192), NOW),
    }
}

fn connections(plain: impl Fn(&'static str, Expected, Answer) -> Kind) -> Vec<Kind> {
    use Expected::{Error, OurError};
    let pause = Duration::from_millis(50);
    let header = b"X-Long: header\r\n".repeat(4096);
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
    let head_of_frames = b"\0\0\x12\x04\0\0\0\0\0".repeat(4);
    let long = vec![b'x'; 65_536];
    vec![
        plain("closes_at_once", OurError("EOF"), cut(String::new())),
        plain(
            "silent",
            TIMEOUT,
            Arc::new(|_| {
                thread::sleep(Duration::from_secs(3));
                Ok(())
            }),
        ),
        plain("late", TIMEOUT, late()),
        plain(
            "slow_headers",
            TIMEOUT,
            endless("HTTP/1.1 200 OK\r\n", b"X: y\r\n".to_vec(), pause),
        ),
        plain(
            "endless_headers",
            NO_HTTP,
            endless("HTTP/1.1 200 OK\r\n", header, NOW),
        ),
        plain(
            "endless_header",
            NO_HTTP,
            endless("HTTP/1.1 200 OK\r\nX: ", long.clone(), NOW),
        ),
        plain(
            "endless_status",
            NO_HTTP,
            endless("HTTP/1.1 200 ", long, NOW),
        ),
        plain(
            "endless_interim",
            OurError("Get \""),
            endless("", interim, pause),
        ),
        plain("no_http", NO_HTTP, fixed("\0\u{1}\u{2} nothing\r\n\r\n")),
        plain("http2_unasked", NO_HTTP, fixed(head_of_frames)),
        plain("bad_length", NO_HTTP, fixed(head("Content-Length: -1\r\n"))),
        plain(
            "redirect_loop",
            Error("Get \"/metrics\": stopped after 10 redirects"),
            redirect("Location: /metrics\r\n"),
        ),
        plain(
            "redirect_elsewhere",
            Error("Get \"ftp://127.0.0.1/\": unsupported protocol scheme \"ftp\""),
            redirect("Location: ftp://127.0.0.1/\r\n"),
        ),
        plain(
            "redirect_nowhere",
            Error("server returned HTTP status 302 Found"),
            redirect(""),
        ),
    ]
}

fn bodies(kind: impl Fn(&'static str, &'static str, Expected, Answer) -> Kind) -> Vec<Kind> {
    use Expected::{Error, Taken};
    let plain = |name, error, answer| kind(name, "", error, answer);
    let limited = |name, answer| kind(name, BODY_LIMIT, BODY_TOO_LARGE, answer);
    let pause = Duration::from_millis(50);
    let long = vec![b'x'; 65_536];
    let mut packed = gzip(b"a 1\n");
    packed.truncate(packed.len() - 9);
    vec![
        limited("endless", endless(head(""), b"a 1\n".repeat(16_384), NOW)),
        limited(
            "endless_line",
            endless(head("") + "a{b=\"", long.clone(), NOW),
        ),
        limited("gzip_bomb", gzipped(&gzip(&vec![b'\n'; 64 << 20]))),
        plain(
            "no_gzip",
            Error("gzip: invalid header"),
            gzipped(b"this is not gzip"),
        ),
        plain("cut_gzip", Error("unexpected EOF"), gzipped(&packed)),
        plain(
            "slow_body",
            BODY_TIMEOUT,
            endless(head("Content-Length: 1000\r\n"), b"#".to_vec(), pause),
        ),
        plain(
            "slow_chunks",
            BODY_TIMEOUT,
            endless(chunked(""), b"1\r\n#\r\n".to_vec(), pause),
        ),
        plain(
            "huge_length",
            BODY_TIMEOUT,
            fixed(head("Content-Length: 9223372036854775807\r\n") + "a 1\n"),
        ),
        plain(
            "huge_chunk",
            BODY_TIMEOUT,
            fixed(chunked("7fffffffffffffff\r\na 1\n")),
        ),
        plain(
            "chunk_length_overflow",
            Error("http chunk length too large"),
            fixed(chunked("ffffffffffffffffff\r\na 1\n\r\n0\r\n\r\n")),
        ),
        plain(
            "bad_chunk_length",
            Error("invalid byte in chunk length"),
            fixed(chunked("zz\r\na 1\n\r\n0\r\n\r\n")),
        ),
        plain(
            "chunk_without_end",
            Error("malformed chunked encoding"),
            fixed(chunked("4\r\na 1\nXX0\r\n\r\n")),
        ),
        plain(
            "endless_chunk_extension",
            Error("header line too long"),
            endless(chunked("1;"), long, NOW),
        ),
        plain(
            "cut_body",
            Error("unexpected EOF"),
            cut(head("Content-Length: 99\r\n") + "a 1\n"),
        ),
        plain(
            "cut_chunk",
            Error("unexpected EOF"),
            cut(chunked("99\r\na 1\n")),
        ),
        plain("changing_type", Taken, changing_type()),
        plain(
            "html",
            Error(
                "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol specified for target",
            ),
            page("text/html", "<html>"),
        ),
    ]
}

fn contents(kind: impl Fn(&'static str, &'static str, Expected, Answer) -> Kind) -> Vec<Kind> {
    use Expected::{Error, NewerError, OurError, Taken};
    let plain = |name, error, answer| kind(name, "", error, answer);
    let samples = |name, answer| kind(name, SAMPLE_LIMIT, SAMPLES, answer);
    let labels = lines(10_000, |number| format!("label_{number}=\"v\","));
    let long = "x".repeat(10_000_000);
    let many_labels = || page(TEXT, format!("labels{{{labels}}} 1\n"));
    let long_value = || page(TEXT, format!("value{{a=\"{long}\"}} 1\n"));
    let long_name = || page(TEXT, format!("name{{{long}=\"a\"}} 1\n"));
    let too_long = "x".repeat(17_000_000);
    vec![
        plain(
            "invalid_utf8",
            Error("invalid UTF-8 label value: \"\\\"\\xff\\xfe\\\"\""),
            page(TEXT, b"bad{a=\"\xff\xfe\"} 1\n"),
        ),
        plain("many_labels", Taken, many_labels()),
        kind(
            "many_labels_limited",
            "  label_limit: 100\n",
            Error("label_limit exceeded (metric: labels, number of labels: 10003, limit: 100)"),
            many_labels(),
        ),
        plain("long_value", Taken, long_value()),
        kind(
            "long_value_limited",
            "  label_value_length_limit: 100\n",
            Error(
                "label_value_length_limit exceeded (metric: value, label name: a, value: \
                 \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\", length: 10000000, limit: 100)",
            ),
            long_value(),
        ),
        plain(
            "too_long_value",
            OurError("series of 17000012 bytes is too long"),
            page(TEXT, format!("series{{a=\"{too_long}\"}} 1\n")),
        ),
        plain("long_name", Taken, long_name()),
        kind(
            "long_name_limited",
            "  label_name_length_limit: 100\n",
            Error(
                "label_name_length_limit exceeded (metric: name, label name: \
                 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, length: 10000000, limit: 100)",
            ),
            long_name(),
        ),
        plain("long_metric_name", Taken, page(TEXT, format!("{long} 1\n"))),
        samples(
            "many_names",
            page(TEXT, lines(100_000, |number| format!("name_{number} 1\n"))),
        ),
        samples(
            "many_series",
            page(
                TEXT,
                lines(200_000, |number| format!("m{{a=\"{number}\"}} 1\n")),
            ),
        ),
        samples(
            "many_samples",
            page(TEXT, lines(100_000, |number| format!("m 1 {number}\n"))),
        ),
        samples("changes_all", churn(2000)),
        plain(
            "openmetrics_without_end",
            Error("data does not end with # EOF"),
            page(OPENMETRICS, "# TYPE a gauge\na 1\n"),
        ),
        plain(
            "openmetrics_behind_end",
            Error("unexpected data after # EOF"),
            page(OPENMETRICS, "# TYPE a gauge\na 1\n# EOF\nb 1\n"),
        ),
        kind(
            "openmetrics_labels",
            "  label_limit: 100\n",
            Error("label_limit exceeded (metric: labels, number of labels: 10003, limit: 100)"),
            page(
                OPENMETRICS,
                format!(
                    "# TYPE labels gauge\nlabels{{{}}} 1\n# EOF\n",
                    labels.trim_end_matches(',')
                ),
            ),
        ),
        kind(
            "protobuf_labels",
            "  label_limit: 100\n",
            Error("label_limit exceeded (metric: labels, number of labels: 10003, limit: 100)"),
            page(PROTOBUF, families(&[labelled_gauge("labels", 10_000)])),
        ),
        plain(
            "protobuf_length",
            Error("clientpb: invalid varint encountered"),
            // 2^63.
            page(PROTOBUF, b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01abc"),
        ),
        plain(
            "protobuf_long_length",
            Error(
                "clientpb: insufficient length of buffer, expected at least 1073741829 bytes, got 8 bytes",
            ),
            page(PROTOBUF, b"\x80\x80\x80\x80\x04abc"),
        ),
        plain(
            "protobuf_nested",
            Error("proto: wrong wireType = 3 for field Name"),
            page(
                PROTOBUF,
                families(&[[vec![0x0b; 5000], vec![0x0c; 5000]].concat()]),
            ),
        ),
        kind(
            "protobuf_spans",
            "  scrape_native_histograms: true\n",
            NewerError(
                "histogram \"long\": positive side: spans require 4294967295 buckets, have 1",
            ),
            page(PROTOBUF, families(&[long_histogram(&[u32::MAX], 1)])),
        ),
        kind(
            "protobuf_empty_spans",
            "  scrape_native_histograms: true\n",
            Taken,
            page(
                PROTOBUF,
                families(&[long_histogram(&[vec![0; 100_000], vec![1]].concat(), 1)]),
            ),
        ),
        kind(
            "protobuf_buckets",
            "  scrape_native_histograms: true\n  native_histogram_bucket_limit: 100\n",
            NewerError("histogram bucket limit exceeded"),
            page(PROTOBUF, families(&[long_histogram(&[100_000], 100_000)])),
        ),
    ]
}
