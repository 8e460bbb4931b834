//! Classic histograms of text pages that are stored as native ones.

use model::Histogram;
use model::sample::Value;
use model::staleness::is_stale;
use scrape::{Health, HistogramSwitches, JobOptions};

use crate::store::{Committed, Native};
use crate::target_double::{Scraping, answer, every, ok, serve, value};

const PAGE: &str = "# HELP c C.\n# TYPE c counter\nc_total 1\n\
    # HELP h Help.\n# TYPE h histogram\n\
    h_bucket{x=\"1\",le=\"1\"} 3\nh_bucket{x=\"1\",le=\"2\"} 3\nh_bucket{x=\"1\",le=\"+Inf\"} 8\nh_sum{x=\"1\"} 9.5\nh_count{x=\"1\"} 8\n\
    # TYPE z gauge\nz 4\n";

/// Series of [`PAGE`] after the conversion.
const CONVERTED: [&str; 3] = ["c_total", "h", "z"];

const LABELS: &str = "{__name__=\"h\", instance=\"i\", job=\"j\", x=\"1\"}";

fn converting(options: &mut JobOptions) {
    every(300, options);
    options.histograms = HistogramSwitches {
        convert_classic: true,
        ..HistogramSwitches::default()
    };
}

/// Names of the target's own series.
fn names(transaction: &[Committed]) -> Vec<&str> {
    let labels = transaction.iter().map(|sample| sample.0.as_str());
    let names = labels.filter_map(|labels| labels.split('"').nth(1));
    names
        .filter(|name| !name.starts_with("scrape_") && *name != "up")
        .collect()
}

#[track_caller]
fn check_histogram(native: &Native) {
    let (labels, _, Value::Histogram(histogram)) = native else {
        panic!("{native:?}")
    };
    assert_eq!(labels, LABELS);
    let Histogram { count, sum, .. } = **histogram;
    assert_eq!((count, sum), (8, 9.5));
    assert_eq!(histogram.custom_values.as_deref(), Some(&[1.0, 2.0][..]));
    // 3, 0, 5.
    assert_eq!(histogram.positive_buckets, [3, -3, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_classic_histogram_is_one_series() {
    let address = serve(vec![ok(PAGE), ok(PAGE), ok("z 4\n")]).await;
    let scraping = Scraping::of(&address, converting);
    let transactions = scraping.transactions(3).await;
    // What is known of the series changes nothing.
    for transaction in &transactions[..2] {
        assert_eq!(names(transaction), CONVERTED);
        assert_eq!(value(transaction, "scrape_samples_scraped"), Some(3.0));
    }
    let added = |at: usize| value(&transactions[at], "scrape_series_added");
    assert_eq!((added(0), added(1)), (Some(3.0), Some(0.0)));
    let found = scraping.store.histograms();
    assert_eq!(found.len(), 2);
    found.iter().for_each(check_histogram);
    assert!(value(&transactions[2], "h").is_some_and(is_stale));
    let target = scraping.scraped_target().await;
    let metadata = target.metadata_of("h").expect("described");
    assert_eq!(metadata.metric_type, model::MetricType::Histogram);
}

#[tokio::test(flavor = "multi_thread")]
async fn classic_series_may_be_kept() {
    let address = serve(vec![ok(PAGE)]).await;
    let scraping = Scraping::of(&address, |options| {
        converting(options);
        options.histograms.keep_classic = true;
    });
    let transactions = scraping.transactions(2).await;
    for transaction in &transactions {
        let expected = [
            "c_total", "h_bucket", "h_bucket", "h_bucket", "h_sum", "h_count", "h", "z",
        ];
        assert_eq!(names(transaction), expected);
    }
    check_histogram(&scraping.store.histograms()[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn series_that_the_store_has_dropped_come_back() {
    let address = serve(vec![ok(PAGE)]).await;
    let scraping = Scraping::of(&address, converting);
    scraping.transactions(2).await;
    let last = scraping.transaction_after_forgetting().await;
    let mut found = names(&last);
    found.sort_unstable();
    assert_eq!(found, CONVERTED);
    check_histogram(&scraping.store.histograms().pop().expect("a histogram"));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_count_what_is_stored() {
    #[track_caller]
    fn check_failed(target: &scrape::Target, expected: &str) {
        let last = target.last_scrape();
        assert_eq!(last.health, Health::Down);
        assert_eq!(last.error, expected);
    }
    let address = serve(vec![ok(PAGE)]).await;
    let limited = |samples: usize, buckets: usize| {
        move |options: &mut JobOptions| {
            converting(options);
            options.sample_limit = samples;
            options.native_histogram_bucket_limit = buckets;
        }
    };
    let scraping = Scraping::of(&address, limited(3, 3));
    let transactions = scraping.transactions(1).await;
    assert_eq!(value(&transactions[0], "up"), Some(1.0));
    let scraping = Scraping::of(&address, limited(2, 0));
    check_failed(&*scraping.scraped_target().await, "sample limit exceeded");
    // Custom buckets cannot be made fewer.
    let scraping = Scraping::of(&address, limited(0, 2));
    check_failed(
        &*scraping.scraped_target().await,
        "histogram bucket limit exceeded",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn start_timestamps_and_exemplars_come_along() {
    let page = "# TYPE h histogram\nh_bucket{le=\"1\",x=\"1\"} 3 # {t=\"a\"} 0.5 1\nh_bucket{le=\"2\",x=\"1\"} 3\nh_bucket{le=\"+Inf\",x=\"1\"} 8 # {t=\"b\"} 5\nh_count{x=\"1\"} 8\nh_sum{x=\"1\"} 9.5\nh_created{x=\"1\"} 7\n# EOF\n";
    let header = "Content-Type: application/openmetrics-text; version=1.0.0\r\n";
    let address = serve(vec![answer(header, page.as_bytes())]).await;
    let scraping = Scraping::of(&address, converting);
    let transactions = scraping.transactions(1).await;
    assert_eq!(names(&transactions[0]), ["h"]);
    let found = &scraping.store.histograms()[0];
    check_histogram(found);
    assert_eq!(found.1, 7000);
    // The one that has a time, once a scrape.
    let scrapes = scraping.store.histograms().len();
    assert!(scraping.store.exemplars() >= scrapes);
    assert!(scraping.store.exemplars() <= scrapes + 1);
}
