//! What is scraped before the store is open.

use model::staleness::is_stale;

use crate::store::Committed;
use crate::target_double::{Scraping, every, ok, read_request, serve, serve_with, value};

/// More than any test here keeps.
const PLENTY: usize = 64 << 20;

/// Pages with `a 0`, `a 1`, …, `padding` bytes longer.
fn pages(count: usize, padding: usize) -> Vec<Vec<u8>> {
    let page = |number| ok(&format!("# {}\na {number}\n", "x".repeat(padding)));
    (0..count).map(page).collect()
}

fn patient(options: &mut scrape::JobOptions) {
    every(150, options);
}

async fn kept(scraping: &Scraping, bytes: f64) {
    let enough = || (scraping.own_metric("ferula_scrape_kept_bytes") >= bytes).then_some(());
    scraping.until(enough).await;
}

fn times(transactions: &[Vec<Committed>]) -> Vec<i64> {
    let first = |transaction: &Vec<Committed>| transaction.first().map(|sample| sample.1);
    transactions.iter().filter_map(first).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn scrapes_wait_for_the_store_and_keep_their_times_and_order() {
    let mut answers = pages(1000, 0);
    answers.insert(1, ok("b 1\n"));
    let address = serve(answers).await;
    let scraping = Scraping::before_open(&address, PLENTY, patient);
    kept(&scraping, 5.0 * 512.0).await;
    let waited = std::time::Duration::from_millis(500);
    tokio::time::sleep(waited).await;
    assert!(scraping.store.transactions().is_empty());
    let opened = i64::try_from(
        std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_millis(),
    );
    scraping.open();
    let transactions = scraping.transactions(12).await;
    let times = times(&transactions);
    assert!(times.is_sorted_by(|before, after| before < after));
    assert!(times[4] <= opened.unwrap_or_default());
    assert_eq!(value(&transactions[0], "a"), Some(0.0));
    assert_eq!(value(&transactions[0], "scrape_series_added"), Some(1.0));
    // The series ends where it was missing, not where that was found out.
    assert!(value(&transactions[1], "a").is_some_and(is_stale));
    for (number, transaction) in transactions.iter().enumerate().skip(2) {
        assert_eq!(value(transaction, "a"), Some(number as f64 - 1.0));
        assert_eq!(value(transaction, "up"), Some(1.0));
    }
    // Its own time, not that of waiting.
    let took = value(&transactions[0], "scrape_duration_seconds");
    assert!(took.is_some_and(|took| took < waited.as_secs_f64()));
    let nothing_waits = || (scraping.own_metric("ferula_scrape_kept_bytes") == 0.0).then_some(());
    scraping.until(nothing_waits).await;
    assert!(scraping.own_metric("ferula_scrape_kept_dropped_total") == 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_bound_the_oldest_go_and_are_counted() {
    let bound = 3 * (10_100 + 512);
    let address = serve(pages(1000, 10_000)).await;
    let scraping = Scraping::before_open(&address, bound, patient);
    let dropped = || scraping.own_metric("ferula_scrape_kept_dropped_total");
    scraping
        .until(|| {
            assert!(scraping.own_metric("ferula_scrape_kept_bytes") <= bound as f64);
            (dropped() >= 4.0).then_some(())
        })
        .await;
    scraping.open();
    let transactions = scraping.transactions(5).await;
    let lost = dropped();
    for (number, transaction) in transactions.iter().enumerate() {
        assert_eq!(value(transaction, "a"), Some(lost + number as f64));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_bound_drives_nobody_else_out_for_good() {
    let mut answers = vec![ok(&"# too long\n".repeat(1000))];
    answers.extend(pages(1000, 0));
    let address = serve(answers).await;
    let scraping = Scraping::before_open(&address, 10_000, patient);
    kept(&scraping, 512.0).await;
    scraping.open();
    let transactions = scraping.transactions(2).await;
    assert_eq!(value(&transactions[0], "a"), Some(0.0));
    assert!(scraping.own_metric("ferula_scrape_kept_dropped_total") == 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_with_the_same_series_meet_in_order() {
    let (one, other) = (serve(pages(1000, 0)).await, serve(pages(1000, 0)).await);
    let scraping = Scraping::before_open(&one, PLENTY, patient);
    // Both are the instance `i`.
    scraping.targets(&[&one, &other]);
    kept(&scraping, 12.0 * 512.0).await;
    scraping.open();
    let transactions = scraping.transactions(12).await;
    // What is out of order is not in the store.
    for transaction in &transactions[..12] {
        assert_eq!(value(transaction, "up"), Some(1.0));
    }
    assert!(times(&transactions).is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_went_away_ends_after_what_it_brought() {
    let address = serve(pages(1000, 0)).await;
    let scraping = Scraping::before_open(&address, PLENTY, patient);
    kept(&scraping, 3.0 * 512.0).await;
    scraping.targets(&[]);
    // Longer than the markers take.
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    assert!(scraping.store.transactions().is_empty());
    scraping.open();
    let all = scraping
        .until(|| {
            let transactions = scraping.store.transactions();
            let last = transactions.last()?;
            value(last, "up")
                .is_some_and(is_stale)
                .then_some(transactions)
        })
        .await;
    assert!(all.len() >= 4);
    assert!(times(&all).is_sorted());
    assert!(value(&all[0], "a") == Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_end_with_their_manager() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = asked.clone();
    let address = serve_with(move |mut stream| {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move { while read_request(&mut stream).await.is_some() {} }
    })
    .await;
    let scraping = Scraping::of(&address, |_| {});
    scraping.transactions(2).await;
    drop(scraping);
    // What was under way ends.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let before = asked.load(std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), before);
}
