//! Targets that answer in protobuf.

use model::Histogram;
use model::sample::Value;
use model::staleness::is_stale;
use scrape::{Health, HistogramSwitches, JobOptions};

use exposition::Histograms;
use exposition::negotiate::Protocol;

use crate::store::{Committed, Native};
use crate::target_double::{Scraping, answer, every, read_request, serve, serve_with, value};

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn bytes(field: u8, bytes: &[u8]) -> Vec<u8> {
    [&[field << 3 | 2][..], &varint(bytes.len() as u64), bytes].concat()
}

fn number(field: u8, number: u64) -> Vec<u8> {
    [vec![field << 3], varint(number)].concat()
}

fn double(field: u8, number: f64) -> Vec<u8> {
    [vec![field << 3 | 1], number.to_le_bytes().to_vec()].concat()
}

fn family(name: &str, kind: u64, metrics: &[Vec<u8>]) -> Vec<u8> {
    let mut family = [
        bytes(1, name.as_bytes()),
        bytes(2, b"Help."),
        number(3, kind),
    ]
    .concat();
    for metric in metrics {
        family.extend(bytes(4, metric));
    }
    [varint(family.len() as u64), family].concat()
}

fn label(name: &str, value: &str) -> Vec<u8> {
    let pair = [bytes(1, name.as_bytes()), bytes(2, value.as_bytes())].concat();
    bytes(1, &pair)
}

fn gauge(name: &str, number: f64) -> Vec<u8> {
    family(name, 1, &[bytes(2, &double(1, number))])
}

/// Eight buckets of one observation each at schema 3, a classic bucket, two exemplars, a start.
fn both_forms(count: u64) -> Vec<u8> {
    let exemplar = |at: u64| bytes(16, &[double(2, 1.0), bytes(3, &number(1, at))].concat());
    let span = [number(1, 2), number(2, 8)].concat();
    let histogram = [
        number(1, count),
        double(2, 5.0),
        bytes(3, &[number(1, 8), double(2, 2.0)].concat()),
        number(5, 6),
        bytes(12, &span),
        bytes(13, &[2, 0, 0, 0, 0, 0, 0, 0]),
        bytes(15, &number(1, 7)),
        // Out of order, which is for us to mend.
        [vec![0x82, 1], exemplar(2).split_off(1)].concat(),
        [vec![0x82, 1], exemplar(1).split_off(1)].concat(),
    ]
    .concat();
    [label("x", "1"), bytes(7, &histogram)].concat()
}

fn ok(body: &[u8]) -> Vec<u8> {
    let kind = Protocol::PrometheusProto.media_type();
    answer(&format!("Content-Type: {kind}\r\n"), body)
}

fn names(transaction: &[Committed]) -> Vec<&str> {
    let labels = transaction.iter().map(|sample| sample.0.as_str());
    let names = labels.filter_map(|labels| labels.split('"').nth(1));
    names.filter(|name| !name.starts_with("scrape_")).collect()
}

fn forms(histograms: Histograms) -> impl FnOnce(&mut JobOptions) {
    move |options| {
        every(300, options);
        options.histograms = HistogramSwitches {
            scrape_native: histograms != Histograms::Classic,
            keep_classic: histograms == Histograms::Both,
            convert_classic: false,
        };
    }
}

fn native(options: &mut JobOptions) {
    forms(Histograms::Native)(options);
}

#[track_caller]
fn histogram(native: &Native) -> &Histogram {
    match &native.2 {
        Value::Histogram(histogram) => histogram,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_histogram_is_kept_in_the_forms_that_are_asked_for() {
    let body = [gauge("g", 3.0), family("h", 4, &[both_forms(8)])].concat();
    let address = serve(vec![ok(&body)]).await;
    let classic = ["h_count", "h_sum", "h_bucket", "h_bucket"];
    for (mode, expected) in [
        (
            Histograms::Classic,
            [&["g"], &classic[..], &["up"]].concat(),
        ),
        (Histograms::Native, vec!["g", "h", "up"]),
        (
            Histograms::Both,
            [&["g", "h"], &classic[..], &["up"]].concat(),
        ),
    ] {
        let scraping = Scraping::of(&address, forms(mode));
        let transactions = scraping.transactions(2).await;
        assert_eq!(names(&transactions[0]), expected);
        // What is known of the series changes nothing.
        assert_eq!(names(&transactions[1]), expected);
        assert_eq!(value(&transactions[0], "g"), Some(3.0));
        let scraped = value(&transactions[0], "scrape_samples_scraped");
        assert_eq!(scraped, Some(expected.len() as f64 - 1.0));
        assert_eq!(value(&transactions[0], "scrape_series_added"), scraped);
        assert_eq!(value(&transactions[1], "scrape_series_added"), Some(0.0));
        let found = scraping.store.histograms();
        assert_eq!(found.is_empty(), mode == Histograms::Classic);
        for found in &found {
            let labels = "{__name__=\"h\", instance=\"i\", job=\"j\", x=\"1\"}";
            assert_eq!((found.0.as_str(), found.1), (labels, 7000));
            assert_eq!(histogram(found).count, 8);
            assert_eq!(histogram(found).positive_buckets, [1, 0, 0, 0, 0, 0, 0, 0]);
        }
        assert_eq!(scraping.store.exemplars() > 0, !found.is_empty());
        let target = scraping.scraped_target().await;
        let metadata = target.metadata_of("h").expect("described");
        assert_eq!(metadata.help, "Help.");
        assert_eq!(metadata.metric_type, model::MetricType::Histogram);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vanished_histograms_get_markers() {
    let first = [family("h", 4, &[both_forms(8)]), gauge("g", 1.0)].concat();
    let address = serve(vec![ok(&first), ok(&gauge("g", 2.0))]).await;
    let scraping = Scraping::of(&address, native);
    let transactions = scraping.transactions(2).await;
    assert!(value(&transactions[1], "h").is_some_and(is_stale));
    assert_eq!(value(&transactions[1], "g"), Some(2.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_buckets_are_made_fewer_or_fail() {
    let address = serve(vec![ok(&family("h", 4, &[both_forms(8)]))]).await;
    let limited = |limit: usize| {
        move |options: &mut JobOptions| {
            native(options);
            options.native_histogram_bucket_limit = limit;
        }
    };
    let scraping = Scraping::of(&address, limited(4));
    scraping.transactions(1).await;
    let found = scraping.store.histograms().remove(0);
    assert_eq!(histogram(&found).schema, 2);
    assert_eq!(histogram(&found).positive_buckets, [2, 0, 0, 0]);
    let finest = |options: &mut JobOptions| {
        native(options);
        options.native_histogram_schema_max = 1;
    };
    let scraping = Scraping::of(&address, finest);
    scraping.transactions(1).await;
    assert_eq!(histogram(&scraping.store.histograms()[0]).schema, 1);

    let span = |offset: u64| [number(1, offset), number(2, 1)].concat();
    let far = [
        number(1, 2),
        bytes(12, &span(0)),
        bytes(12, &span(1_000_000)),
        bytes(13, &[2, 0]),
    ];
    let body = family("h", 4, &[bytes(7, &far.concat())]);
    let address = serve(vec![ok(&body)]).await;
    let scraping = Scraping::of(&address, limited(1));
    let transactions = scraping.transactions(1).await;
    assert_eq!(value(&transactions[0], "up"), Some(0.0));
    let last = scraping.scraped_target().await.last_scrape();
    assert_eq!(last.health, Health::Down);
    assert_eq!(last.error, "histogram bucket limit exceeded");
    let counted = "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total";
    assert!(scraping.own_metric(counted) > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn series_that_the_store_has_dropped_come_back_whole() {
    let body = [
        gauge("a", 1.0),
        family("h", 4, &[both_forms(8)]),
        gauge("b", 2.0),
    ]
    .concat();
    let address = serve(vec![ok(&body)]).await;
    let scraping = Scraping::of(&address, forms(Histograms::Both));
    scraping.transactions(2).await;
    let last = scraping.transaction_after_forgetting().await;
    let mut found = names(&last);
    found.sort_unstable();
    let expected = [
        "a", "b", "h", "h_bucket", "h_bucket", "h_count", "h_sum", "up",
    ];
    assert_eq!(found, expected);
    let last = scraping.store.histograms().pop().expect("a histogram");
    let labels = "{__name__=\"h\", instance=\"i\", job=\"j\", x=\"1\"}";
    assert_eq!((last.0.as_str(), last.1), (labels, 7000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_fails_the_scrape() {
    let mut body = [gauge("a", 1.0), gauge("b", 2.0)].concat();
    body.truncate(body.len() - 1);
    let address = serve(vec![ok(&body)]).await;
    let scraping = Scraping::of(&address, native);
    let transactions = scraping.transactions(1).await;
    assert_eq!(names(&transactions[0]), ["up"]);
    let error = scraping.scraped_target().await.last_scrape().error;
    let expected = "clientpb: insufficient length of buffer";
    assert!(error.starts_with(expected), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn protobuf_is_asked_for_as_the_job_says() {
    let (sender, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let address = serve_with(move |mut stream| {
        let sender = sender.clone();
        async move {
            if let Some(request) = read_request(&mut stream).await {
                let _ = sender.send(request);
            }
        }
    })
    .await;
    let _scraping = Scraping::of(&address, |options| {
        options.protocols = vec![Protocol::PrometheusProto, Protocol::PrometheusText0_0_4];
    });
    let request = requests.recv().await.expect("a request").to_lowercase();
    let expected = "accept: application/vnd.google.protobuf;\
        proto=io.prometheus.client.metricfamily;encoding=delimited;q=0.6,\
        text/plain;version=0.0.4;q=0.5,*/*;q=0.4\r\n";
    assert!(request.contains(expected), "{request}");
}
