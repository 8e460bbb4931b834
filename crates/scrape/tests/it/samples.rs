//! What is stored of well-behaved targets.

use model::relabel::{RelabelAction, RelabelConfig, RelabelRegex};
use model::staleness::is_stale;

use crate::target_double::{Scraping, answer, ok, serve, value};

fn stale(transaction: &[crate::store::Committed], name: &str) -> bool {
    value(transaction, name).is_some_and(is_stale)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_is_one_transaction_with_its_report() {
    let address = serve(vec![ok("a{x=\"1\"} 1\nb 2\n")]).await;
    let scraping = Scraping::of(&address, |options| options.extra_scrape_metrics = true);
    let transactions = scraping.transactions(2).await;
    let first = &transactions[0];
    assert_eq!(
        first[0].0,
        "{__name__=\"a\", instance=\"i\", job=\"j\", x=\"1\"}"
    );
    assert_eq!(value(first, "a"), Some(1.0));
    assert_eq!(value(first, "up"), Some(1.0));
    assert_eq!(value(first, "scrape_samples_scraped"), Some(2.0));
    assert_eq!(
        value(first, "scrape_samples_post_metric_relabeling"),
        Some(2.0)
    );
    assert_eq!(value(first, "scrape_series_added"), Some(2.0));
    assert_eq!(value(first, "scrape_body_size_bytes"), Some(15.0));
    assert_eq!(value(&transactions[1], "scrape_series_added"), Some(0.0));
    assert!(first.iter().all(|sample| sample.1 == first[0].1));
}

#[tokio::test(flavor = "multi_thread")]
async fn vanished_series_and_unread_ones_get_markers() {
    let broken = ok("a 1\nb 2 x\n");
    let address = serve(vec![
        ok("a 1\nb 2\n"),
        ok("b 3\n"),
        ok("a 1\nb 2\n"),
        broken,
    ])
    .await;
    let scraping = Scraping::of(&address, |_| {});
    let transactions = scraping.transactions(5).await;
    assert!(stale(&transactions[1], "a"));
    assert_eq!(value(&transactions[1], "b"), Some(3.0));
    assert!(!stale(&transactions[2], "a"));
    // The failure is in the line of b: a, read before it, does not end.
    assert!(stale(&transactions[3], "b"));
    assert_eq!(value(&transactions[3], "a"), None);
    assert_eq!(value(&transactions[3], "up"), Some(0.0));
    assert_eq!(value(&transactions[3], "scrape_samples_scraped"), Some(1.0));
    // Once is enough.
    assert_eq!(value(&transactions[4], "b"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_of_which_one_sample_is_refused_goes_on_with_the_other() {
    // The store refuses what is older than the newest sample.
    let twice = "a 1 1700000000000\na 2 1600000000000\n";
    let address = serve(vec![ok(twice), ok(twice), ok("b 1\n")]).await;
    let scraping = Scraping::of(&address, |options| {
        options.track_timestamps_staleness = true;
    });
    let transactions = scraping.transactions(3).await;
    assert_eq!(value(&transactions[1], "a"), Some(1.0));
    assert!(!transactions[1].iter().any(|(_, _, value)| is_stale(*value)));
    assert!(stale(&transactions[2], "a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_that_are_too_old_make_no_series() {
    let address = serve(vec![ok("a 1 1000\nb 1\n")]).await;
    let scraping = Scraping::before_open(&address, 1 << 20, |_| {});
    scraping.store.refuse_before(2000);
    scraping.open();
    let transactions = scraping.transactions(2).await;
    assert_eq!(value(&transactions[0], "b"), Some(1.0));
    assert_eq!(value(&transactions[0], "scrape_series_added"), Some(1.0));
    assert!(!scraping.store.has_series("a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_ends_all_series() {
    let failed = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_vec();
    let address = serve(vec![ok("a 1\nb 2\n"), failed]).await;
    let scraping = Scraping::of(&address, |_| {});
    let transactions = scraping.transactions(2).await;
    assert!(stale(&transactions[1], "a") && stale(&transactions[1], "b"));
    assert_eq!(value(&transactions[1], "up"), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_goes_away_ends_its_series_report_included() {
    let address = serve(vec![ok("a 1\n")]).await;
    let scraping = Scraping::of(&address, |_| {});
    scraping.transactions(1).await;
    scraping.targets(&[]);
    let ended = |transaction: &Vec<_>| stale(transaction, "a") && stale(transaction, "up");
    scraping
        .until(|| {
            scraping
                .store
                .transactions()
                .iter()
                .any(ended)
                .then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_ends_nothing() {
    let address = serve(vec![ok("a 1\n")]).await;
    let scraping = Scraping::of(&address, |_| {});
    scraping.transactions(1).await;
    scraping.manager.stop();
    assert!(
        scraping
            .manager
            .targets_active()
            .values()
            .all(Vec::is_empty)
    );
    assert!(
        !scraping
            .store
            .transactions()
            .iter()
            .any(|samples| stale(samples, "a"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_the_target_win_or_are_honoured() {
    let body = "a{job=\"own\",exported_job=\"taken\"} 1\n";
    let address = serve(vec![ok(body)]).await;
    let scraping = Scraping::of(&address, |_| {});
    let labels = scraping.transactions(1).await[0][0].0.clone();
    let expected = "{__name__=\"a\", exported_exported_job=\"own\", exported_job=\"taken\", \
        instance=\"i\", job=\"j\"}";
    assert_eq!(labels, expected);
    let honouring = Scraping::of(&address, |options| options.honor_labels = true);
    let labels = honouring.transactions(1).await[0][0].0.clone();
    let expected = "{__name__=\"a\", exported_job=\"taken\", instance=\"i\", job=\"own\"}";
    assert_eq!(labels, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn relabelling_drops_and_limits_fail() {
    let address = serve(vec![ok("a 1\nb 2\nc 3\n")]).await;
    let drop_a = RelabelConfig {
        source_labels: Some(vec!["__name__".to_owned()]),
        regex: RelabelRegex::new("a").unwrap(),
        action: RelabelAction::Drop,
        ..RelabelConfig::default()
    };
    let scraping = Scraping::of(&address, |options| {
        options.metric_relabel_configs = vec![drop_a];
        options.sample_limit = 1;
    });
    let transactions = scraping.transactions(1).await;
    assert_eq!(value(&transactions[0], "b"), None);
    assert_eq!(value(&transactions[0], "up"), Some(0.0));
    assert_eq!(value(&transactions[0], "scrape_samples_scraped"), Some(3.0));
    assert_eq!(
        value(&transactions[0], "scrape_samples_post_metric_relabeling"),
        Some(2.0)
    );
    let target = scraping.scraped_target().await;
    assert_eq!(target.last_scrape().error, "sample limit exceeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_targets_fail_every_scrape() {
    let address = serve(vec![ok("a 1\n")]).await;
    let scraping = Scraping::of(&address, |options| options.target_limit = 1);
    scraping.targets(&[&address, "127.0.0.1:1"]);
    let expected = "target_limit exceeded (number of targets: 2, limit: 1)";
    scraping
        .until(|| {
            let targets = scraping.manager.targets_active().remove("j")?;
            let failed =
                |target: &std::sync::Arc<scrape::Target>| target.last_scrape().error == expected;
            (targets.len() == 2 && targets.iter().all(failed)).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn series_that_the_store_dropped_are_made_again() {
    let address = serve(vec![ok("a{x=\"1\"} 1\na{x=\"2\"} 2\nb 3\n")]).await;
    let scraping = Scraping::of(&address, |_| {});
    let expected = scraping.transactions(2).await[0].clone();
    let last = &scraping.transaction_after_forgetting().await;
    let shown = |samples: &[crate::store::Committed]| -> Vec<(String, f64)> {
        let scraped = samples.iter().filter(|(_, _, value)| *value >= 1.0);
        let mut shown: Vec<(String, f64)> = scraped
            .map(|(labels, _, value)| (labels.clone(), *value))
            .filter(|(labels, _)| !labels.contains("scrape_"))
            .collect();
        shown.sort_by(|one, other| one.0.cmp(&other.0));
        shown
    };
    assert_eq!(shown(last), shown(&expected));
    assert_eq!(shown(last).len(), 4);
}

/// Every order, gap and repetition of lines gives what somebody would read who sees the body for the
/// first time.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_lines_changes_no_sample() {
    let line = |number: u64| match number % 4 {
        0 => format!("# HELP f{number} text\n# TYPE f{number} gauge\nf{number} {number}\n"),
        1 => format!("f{{x=\"{number}\"}} {number}\n"),
        2 => format!("f{{x=\"{number}\",y=\"}} 1\"}} {number}\n"),
        _ => format!("f{number}{{}} {number}\n"),
    };
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let bodies: Vec<Vec<u64>> = (0..40)
        .map(|_| {
            let mut numbers: Vec<u64> = (1..20).collect();
            for at in 0..numbers.len() {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                let other = (random >> 40) as usize % numbers.len();
                match random >> 60 {
                    0..2 => numbers.swap(at, other),
                    2 => {
                        numbers.remove(other);
                        numbers.insert(0, 100 + random % 50);
                    }
                    _ => {}
                }
            }
            numbers.dedup();
            numbers
        })
        .collect();
    let answers = bodies.iter().map(|numbers| {
        let lines: String = numbers.iter().map(|number| line(*number)).collect();
        ok(&lines)
    });
    let address = serve(answers.collect()).await;
    let scraping = Scraping::of(&address, |options| options.scrape_timeout_ms = 20);
    let transactions = scraping.transactions(bodies.len()).await;
    let mut before: Vec<String> = Vec::new();
    for (numbers, transaction) in bodies.iter().zip(&transactions) {
        if value(transaction, "up") != Some(1.0) {
            // A slow machine: the scrape took longer than its interval.
            before.clear();
            continue;
        }
        let scraped: Vec<_> = transaction
            .iter()
            .filter(|(labels, _, _)| labels.starts_with("{__name__=\"f"))
            .collect();
        let live: Vec<f64> = scraped
            .iter()
            .filter(|sample| !is_stale(sample.2))
            .map(|sample| sample.2)
            .collect();
        let mut expected: Vec<f64> = Vec::new();
        for number in numbers {
            let number = *number as f64;
            if !expected.contains(&number) {
                expected.push(number);
            }
        }
        assert_eq!(live, expected);
        let mut ended: Vec<String> = scraped
            .iter()
            .filter(|sample| is_stale(sample.2))
            .map(|sample| sample.0.clone())
            .collect();
        let now: Vec<String> = scraped
            .iter()
            .filter(|sample| !is_stale(sample.2))
            .map(|sample| sample.0.clone())
            .collect();
        if !before.is_empty() {
            let mut gone: Vec<String> = before
                .iter()
                .filter(|labels| !now.contains(labels))
                .cloned()
                .collect();
            gone.sort();
            ended.sort();
            assert_eq!(ended, gone);
        }
        before = now;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_and_exemplars_are_kept() {
    let body = b"# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds Help.\n\
        a_seconds_total 1 # {id=\"x\"} 0.5\n# EOF\n";
    let headers = "Content-Type: application/openmetrics-text; version=1.0.0\r\n";
    let address = serve(vec![answer(headers, body)]).await;
    let scraping = Scraping::of(&address, |_| {});
    scraping.transactions(1).await;
    let target = scraping.scraped_target().await;
    let metadata = target.metadata_of("a_seconds").unwrap();
    assert_eq!(metadata.help, "Help.");
    assert_eq!(metadata.unit, "seconds");
    assert_eq!(metadata.metric_type, model::MetricType::Counter);
    assert!(scraping.store.exemplars() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_without_change_leaves_loops_alone() {
    let address = serve(vec![ok("a 1\n")]).await;
    let scraping = Scraping::of(&address, |_| {});
    scraping.transactions(1).await;
    let options = scraping.manager.pool_options("j").unwrap();
    let before = scraping.scraped_target().await;
    scraping
        .manager
        .apply_config(vec![(*options).clone()], 0)
        .unwrap();
    assert!(std::sync::Arc::ptr_eq(
        &before,
        &scraping.scraped_target().await
    ));
    // A job that is gone is no longer known.
    scraping.manager.apply_config(Vec::new(), 0).unwrap();
    assert!(scraping.manager.scrape_pools().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_without_a_start_begin_at_zero() {
    let page = |count: u32| {
        ok(&format!(
            "# TYPE g gauge\ng {count}\n# TYPE c counter\nc_total {count}\n"
        ))
    };
    let address = serve(vec![
        page(5),
        page(7),
        page(2),
        page(3),
        ok("x 1\n"),
        page(9),
    ])
    .await;
    let scraping = Scraping::synthesizing(&address);
    let transactions = scraping.transactions(7).await;
    let counter: Vec<_> = transactions
        .iter()
        .map(|transaction| value(transaction, "c_total"))
        .collect();
    assert_eq!(
        counter[..4],
        [None, Some(2.0), Some(2.0), Some(3.0)],
        "the first is left out, a reset is no difference"
    );
    assert!(counter[4].is_some_and(is_stale));
    // Who comes back begins anew.
    assert_eq!(counter[5..], [None, Some(0.0)]);
    assert_eq!(value(&transactions[0], "g"), Some(5.0));
    assert_eq!(value(&transactions[0], "scrape_samples_scraped"), Some(2.0));
    // A series that the store has dropped is no new counter.
    let last = &scraping.transaction_after_forgetting().await;
    assert_eq!(value(last, "c_total"), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_targets_are_kept_up_to_a_limit() {
    fn kept(limit: usize) -> usize {
        let scraping = Scraping::of("127.0.0.1:1", |options| {
            options.keep_dropped_targets = limit;
            options.relabel_configs = vec![RelabelConfig {
                source_labels: Some(vec!["job".to_owned()]),
                regex: RelabelRegex::new("other").unwrap(),
                action: RelabelAction::Keep,
                ..RelabelConfig::default()
            }];
        });
        scraping.targets(&["a:1", "b:1", "c:1"]);
        assert_eq!(scraping.manager.targets_dropped_counts()["j"], 3);
        scraping.manager.targets_dropped()["j"].len()
    }
    assert_eq!(kept(0), 3);
    assert_eq!(kept(2), 2);
    assert_eq!(kept(5), 3);
}
