//! Targets that mean harm or are broken: each scrape fails in time, in bounds, with a reason.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use scrape::{Bounds, Health, JobOptions};
use tokio::io::AsyncWriteExt as _;

use crate::target_double::{Scraping, answer, every, ok, read_request, serve, serve_with};

async fn error_of(address: &str, change: impl FnOnce(&mut JobOptions)) -> String {
    let scraping = Scraping::of(address, change);
    let target = scraping.scraped_target().await;
    let last = target.last_scrape();
    assert_eq!(last.health, Health::Down);
    scraping.manager.stop();
    last.error
}

fn patient(options: &mut JobOptions) {
    options.scrape_interval_ms = 1000;
    options.scrape_timeout_ms = 1000;
}

fn limited(options: &mut JobOptions) {
    patient(options);
    options.body_size_limit = 1 << 20;
}

const CHUNKED: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Sends `piece` as a chunk for ever.
async fn endless(head: &'static [u8], piece: Vec<u8>) -> String {
    serve_with(move |mut stream| {
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(&piece);
        chunk.extend_from_slice(b"\r\n");
        async move {
            if read_request(&mut stream).await.is_none() || stream.write_all(head).await.is_err() {
                return;
            }
            while stream.write_all(&chunk).await.is_ok() {}
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_stops_at_the_limit() {
    let address = endless(CHUNKED, b"a 1\n".repeat(4096)).await;
    assert_eq!(
        error_of(&address, limited).await,
        "body size limit exceeded"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_line_stops_at_the_limit() {
    let address = endless(CHUNKED, vec![b'a'; 1 << 16]).await;
    assert_eq!(
        error_of(&address, limited).await,
        "body size limit exceeded"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compression_bomb_stops_at_the_limit() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    bomb.write_all(&vec![b'\n'; 4 << 20]).unwrap();
    let headers = "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n";
    let address = serve(vec![answer(headers, &bomb.finish().unwrap())]).await;
    assert_eq!(
        error_of(&address, limited).await,
        "body size limit exceeded"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_gzip_is_an_error() {
    let headers = "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n";
    let address = serve(vec![answer(headers, b"not compressed at all")]).await;
    assert_eq!(error_of(&address, patient).await, "gzip: invalid header");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_loris_runs_into_the_timeout() {
    let address = serve_with(|mut stream| async move {
        read_request(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
        for byte in answer.iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    let expected = format!("Get \"http://{address}/metrics\": context deadline exceeded");
    assert_eq!(error_of(&address, |_| {}).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_an_error() {
    let address = serve_with(|mut stream| async move {
        read_request(&mut stream).await;
        let cut = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\na 1\n";
        let _ = stream.write_all(cut).await;
    })
    .await;
    assert_eq!(error_of(&address, patient).await, "unexpected EOF");
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_must_end() {
    let head = "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n";
    let address = serve(vec![head.as_bytes().to_vec()]).await;
    let error = error_of(&address, patient).await;
    assert_eq!(error, "Get \"/again\": stopped after 10 redirects");
    let unfollowed = error_of(&address, |options| {
        patient(options);
        options.client.follow_redirects = false;
    });
    assert_eq!(unfollowed.await, "server returned HTTP status 302 Found");
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_to_nowhere_are_errors() {
    async fn check(location: &str, expected: &str) {
        let head = format!("HTTP/1.1 302 Found\r\n{location}Content-Length: 0\r\n\r\n");
        let address = serve(vec![head.into_bytes()]).await;
        let error = error_of(&address, patient).await;
        assert_eq!(error.replace(&address, "ADDRESS"), expected);
    }
    check("", "server returned HTTP status 302 Found").await;
    check(
        "Location: http://[::1\r\n",
        "Get \"http://ADDRESS/metrics\": failed to parse Location header \"http://[::1\": \
         parse \"http://[::1\": missing ']' in host",
    )
    .await;
    check(
        "Location: ftp://a/\r\n",
        "Get \"ftp://a/\": unsupported protocol scheme \"ftp\"",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_chunks_are_errors() {
    async fn check(chunks: &[u8], expected: &str) {
        let address = serve(vec![[CHUNKED, chunks].concat()]).await;
        assert_eq!(error_of(&address, patient).await, expected);
    }
    check(b"zz\r\na 1\n\r\n0\r\n\r\n", "invalid byte in chunk length").await;
    check(b"4\r\na 1\nXX0\r\n\r\n", "malformed chunked encoding").await;
    let endless = b"ffffffffffffffffff\r\na 1\n\r\n0\r\n\r\n";
    check(endless, "http chunk length too large").await;
    let long = [b"4;", &b"x".repeat(1 << 16)[..], b"\r\na 1\n\r\n0\r\n\r\n"].concat();
    check(&long, "header line too long").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_statuses_and_types_are_errors() {
    let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    let address = serve(vec![head.as_bytes().to_vec()]).await;
    let error = error_of(&address, patient).await;
    assert_eq!(error, "server returned HTTP status 503 Service Unavailable");
    let address = serve(vec![answer("Content-Type: text/html\r\n", b"a 1\n")]).await;
    let error = error_of(&address, patient).await;
    assert!(
        error.starts_with("received unsupported Content-Type \"text/html\""),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_are_an_error() {
    let address = serve(vec![answer(
        "Content-Type: text/plain\r\n",
        b"a{b=\"\xff\"} 1\n",
    )])
    .await;
    let error = error_of(&address, patient).await;
    assert_eq!(error, "invalid UTF-8 label value: \"\\\"\\xff\\\"\"");
    let twice = serve(vec![ok("a{b=\"c\",b=\"d\"} 1\n")]).await;
    let error = error_of(&twice, patient).await;
    assert_eq!(error, "label name \"b\" is not unique: invalid sample");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_an_error() {
    let error = error_of("127.0.0.1:1", patient).await;
    let expected = "Get \"http://127.0.0.1:1/metrics\": \
        dial tcp 127.0.0.1:1: connect: connection refused";
    assert_eq!(error, expected);
}

/// Bytes of the longest lines.
const LINE_BYTES: usize = 1_000_000_000;
/// Most memory that reading such a line may take: the body, what it was copied from while the
/// buffer grew, and the rest of the test.
const MEMORY_BYTES_MAX: u64 = 2_000_000_000;

/// Most memory this process has ever had.
fn memory_bytes_max() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes * 1024)
}

/// A target that says `head`, then one letter until the line is a gigabyte long, then `tail`.
async fn long_line(head: &'static str, tail: &'static str) -> String {
    serve_with(move |mut stream| async move {
        if read_request(&mut stream).await.is_none() {
            return;
        }
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {LINE_BYTES}\r\n\r\n{head}"
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        let piece = vec![b'a'; 1 << 20];
        let mut rest = LINE_BYTES - head.len() - tail.len();
        while rest > 0 {
            let part = &piece[..rest.min(piece.len())];
            if stream.write_all(part).await.is_err() {
                return;
            }
            rest -= part.len();
        }
        let _ = stream.write_all(tail.as_bytes()).await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_gigabyte_takes_bounded_memory() {
    if std::env::var_os("RUN_SLOW_TESTS").is_none() {
        return;
    }
    let unlimited = |options: &mut JobOptions| {
        // The first scrape comes somewhere in the first interval.
        options.scrape_interval_ms = 25_000;
        options.scrape_timeout_ms = 25_000;
    };
    for (head, tail) in [
        ("", ""),
        ("", " 1\n"),
        ("a{b=\"", ""),
        ("a{b=\"", "\"} 1"),
        ("# HELP a ", "\n"),
        ("# TYPE a ", "\n"),
        ("a ", "\n"),
    ] {
        let address = long_line(head, tail).await;
        let scraping = Scraping::of(&address, unlimited);
        let last = scraping.scraped_target().await.last_scrape();
        scraping.manager.stop();
        assert!(last.error.len() < 20_000, "{} bytes", last.error.len());
        assert!(!last.error.contains("deadline"), "{head:?}: {}", last.error);
        let memory = memory_bytes_max().expect("the system tells");
        assert!(memory < MEMORY_BYTES_MAX, "{head:?} {tail:?}: {memory}");
    }
}

/// A page of `lines` series that no page with another `number` has.
fn new_series(number: usize, lines: usize) -> Vec<u8> {
    let line = |index| format!("a{{page=\"{number}\",line=\"{index}\"}} 1\n");
    ok(&(0..lines).map(line).collect::<String>())
}

/// Waits for a scrape that fails with an error that begins so.
async fn until_error(scraping: &Scraping, start: &str) {
    let target = scraping.scraped_target().await;
    let failed = || target.last_scrape().error.starts_with(start);
    scraping.until(|| failed().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_all_series_gets_no_more_while_memory_is_scarce() {
    // A sixteenth of it is half a megabyte: a thousand series.
    const LIMIT: u64 = 8 << 20;
    let used = Arc::new(AtomicU64::new(0));
    let bounds = {
        let used = used.clone();
        Bounds::within(LIMIT, move || used.load(Ordering::Relaxed))
    };
    let address = serve((0..300).map(|number| new_series(number, 300)).collect()).await;
    let scraping = Scraping::within(bounds, &address, |options| every(100, options));
    scraping.transactions(6).await;
    let target = scraping.scraped_target().await;
    assert_eq!(target.last_scrape().health, Health::Up);
    used.store(LIMIT / 2, Ordering::Relaxed);
    until_error(
        &scraping,
        "no room for more series of this target: it has added ",
    )
    .await;
    let metric = "ferula_target_scrapes_refused_for_memory_total";
    assert!(scraping.own_metric(metric) >= 1.0);
    used.store(0, Ordering::Relaxed);
    scraping
        .until(|| target.last_scrape().error.is_empty().then_some(()))
        .await;
    // Then nobody gets more.
    used.store(LIMIT, Ordering::Relaxed);
    until_error(
        &scraping,
        "no room for new series: 8 of 8 MiB of memory are in use",
    )
    .await;
    scraping.manager.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn known_series_go_on_without_memory() {
    let used = Arc::new(AtomicU64::new(0));
    let bounds = {
        let used = used.clone();
        Bounds::within(1 << 20, move || used.load(Ordering::Relaxed))
    };
    let pages = [ok("a 1\nb 1\n"), ok("b{} 2\na 2\n"), ok("b{ } 3\na{ } 3\n")];
    let address = serve(pages.to_vec()).await;
    let scraping = Scraping::within(bounds, &address, |options| every(100, options));
    let target = scraping.scraped_target().await;
    used.store(1 << 20, Ordering::Relaxed);
    scraping.transactions(6).await;
    // Lines that are new are no new series.
    assert_eq!(target.last_scrape().health, Health::Up);
    scraping.manager.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_samples_have_a_share_of_the_memory() {
    async fn error_within(limit: u64, address: &str) -> String {
        let bounds = Bounds::within(limit, || 0);
        let scraping = Scraping::within(bounds, address, patient);
        let last = scraping.scraped_target().await.last_scrape();
        scraping.manager.stop();
        last.error
    }
    let address = endless(CHUNKED, b"a 1\n".repeat(4096)).await;
    assert_eq!(
        error_within(8 << 20, &address).await,
        "no room for the body: bodies of targets hold 2 of 2 MiB (see body_size_limit and --memory.limit)"
    );
    assert_eq!(
        error_within(128 << 20, &address).await,
        "body of more than 16777216 bytes takes too much memory (set body_size_limit to take it)"
    );
    let address = serve(vec![new_series(0, 1000)]).await;
    assert_eq!(
        error_within(1 << 20, &address).await,
        "more than 819 samples take too much memory (see sample_limit and --memory.limit)"
    );
}
