//! The log of failed scrapes.

use std::path::Path;

use crate::target_double::{Scraping, ok, serve, serve_with};

fn lines(file: &Path) -> Option<Vec<serde_json::Value>> {
    let text = std::fs::read_to_string(file).ok()?;
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().ok()
}

#[tokio::test]
async fn a_scrape_without_a_body_is_logged_and_a_bad_body_is_not() {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("f.log");
    let refusing = serve_with(|stream| async move { drop(stream) }).await;
    let nonsense = serve(vec![ok("this is {no sample\n")]).await;
    let scraping = Scraping::of(&refusing, |options| options.failure_log_file = file.clone());
    scraping.targets(&[&refusing, &nonsense]);
    let (first, all) = scraping
        .until(|| {
            let all = lines(&file)?;
            let bad = scraping.manager.targets_active().remove("j")?.pop()?;
            let seen = bad.last_scrape().time.is_some() && all.len() >= 3;
            seen.then(|| (all[0].clone(), all))
        })
        .await;
    assert_eq!(first["level"], "ERROR");
    assert_eq!(first["job_name"], "j");
    let target = format!("http://{refusing}/metrics");
    assert!(all.iter().all(|line| line["target"] == target.as_str()));
    let message = first["msg"].as_str().expect("text");
    assert!(
        message.starts_with(&format!("Get \"{target}\": ")),
        "{message}"
    );
}

#[tokio::test]
async fn a_log_that_was_moved_away_is_begun_anew_at_the_next_reload() {
    let dir = tempfile::tempdir().expect("dir");
    let (file, moved) = (dir.path().join("f.log"), dir.path().join("f.log.1"));
    let refusing = serve_with(|stream| async move { drop(stream) }).await;
    let scraping = Scraping::of(&refusing, |options| options.failure_log_file = file.clone());
    scraping
        .until(|| lines(&file).filter(|lines| !lines.is_empty()))
        .await;
    std::fs::rename(&file, &moved).expect("rename");
    let options = scraping.manager.pool_options("j").expect("job");
    let jobs = vec![(*options).clone()];
    scraping.manager.apply_config(jobs, 0).expect("applied");
    let after = scraping
        .until(|| lines(&file).filter(|lines| !lines.is_empty()))
        .await;
    assert_eq!(after[0]["level"], "ERROR");
}

#[tokio::test]
async fn a_log_that_cannot_be_opened_fails_the_reload() {
    let address = serve(vec![ok("a 1\n")]).await;
    let scraping = Scraping::of(&address, |_| {});
    let mut options = (*scraping.manager.pool_options("j").expect("job")).clone();
    options.failure_log_file = "/nonexistent/f.log".into();
    let failed = scraping.manager.apply_config(vec![options], 0);
    assert_eq!(
        failed.expect_err("no such folder").to_string(),
        "can't create json log file: open /nonexistent/f.log: no such file or directory"
    );
    // The job goes on as it was.
    let before = scraping.store.transactions().len();
    scraping.transactions(before + 2).await;
}
