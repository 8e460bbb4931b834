//! Jobs whose HTTP client cannot be set up.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use discovery::TargetGroup;
use http_client::options::Text;
use model::Labels;
use scrape::JobOptions;

use crate::target_double::{Scraping, ok, serve};

/// Any certificate.
const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIULexxHLdse7fjSOL3PGkj2n5doIcwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMzAwOTQ5MTJaGA8yMTI2MTEwNjA5NDkx
MlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMEz
Rm7ebO96Bf4ZkHsCTpXBgOfszz2UuQoI4WFbSvOnxE6SvPazg/3grKJGaJD5k3wN
KaU2hqWcnj2Af/5/osCjUzBRMB0GA1UdDgQWBBS6/cvy7yIJ6660aM21LgB/9IX8
qjAfBgNVHSMEGDAWgBS6/cvy7yIJ6660aM21LgB/9IX8qjAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIQDYfXVx9Kaq0IGGYzgoCVTDgkU26XmrY58n
4xjzNeDDGgIgaMWVCkOBWS2Vj6RCZdlEJDpPGEuFDX0zl7Elv21zZUc=
-----END CERTIFICATE-----
";

fn with_authority(options: &JobOptions, job: &str, file: &Path) -> JobOptions {
    let mut options = options.clone();
    job.clone_into(&mut options.job_name);
    options.client.tls.ca = Some(Text::File(file.to_owned()));
    options
}

fn groups(address: &str) -> Vec<Arc<TargetGroup>> {
    let group = TargetGroup {
        targets: vec![Labels::from_pairs([("__address__", address)])],
        ..TargetGroup::default()
    };
    vec![Arc::new(group)]
}

#[tokio::test]
async fn a_new_job_waits_until_its_client_can_be_set_up() {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("ca.pem");
    let address = serve(vec![ok("a 1\n")]).await;
    let scraping = Scraping::of(&address, |_| {});
    let manager = &scraping.manager;
    let good = (*manager.pool_options("j").expect("job")).clone();
    let waiting = with_authority(&good, "waiting", &file);
    let applied = manager.apply_config(vec![good, waiting], 0);
    assert_eq!(applied, Ok(()));
    let counts = || {
        ["", "_failed"]
            .map(|part| scraping.own_metric(&format!("prometheus_target_scrape_pools{part}_total")))
    };
    let both = || ["j", "waiting"].map(|job| (job.to_owned(), groups(&address)));
    assert_eq!(
        (counts(), manager.scrape_pools()),
        ([1.0, 0.0], vec!["j".to_owned()])
    );
    manager.apply_targets(BTreeMap::from(both()));
    assert_eq!(
        (counts(), manager.scrape_pools()),
        ([2.0, 1.0], vec!["j".to_owned()])
    );
    assert!(manager.pool_options("waiting").is_none());

    std::fs::write(&file, AUTHORITY).expect("written");
    manager.apply_targets(BTreeMap::from(both()));
    let jobs = vec!["j".to_owned(), "waiting".to_owned()];
    assert_eq!((counts(), manager.scrape_pools()), ([3.0, 1.0], jobs));
    assert_eq!(manager.targets_active()["waiting"].len(), 1);
}

#[tokio::test]
async fn nothing_changes_if_a_job_cannot_take_its_new_settings() {
    let address = serve(vec![ok("a 1\n")]).await;
    let scraping = Scraping::of(&address, |_| {});
    let manager = &scraping.manager;
    let before = manager.pool_options("j").expect("job");
    let target = scraping.scraped_target().await;
    let bad = with_authority(&before, "j", Path::new("/nonexistent/ca.pem"));
    let mut new = (*before).clone();
    "new".clone_into(&mut new.job_name);
    let failed = manager
        .apply_config(vec![bad, new], 0)
        .expect_err("no such file");
    assert_eq!(
        failed.to_string(),
        "error creating HTTP client: unable to read CA cert: unable to read file \
         /nonexistent/ca.pem: open /nonexistent/ca.pem: no such file or directory"
    );
    assert_eq!(manager.scrape_pools(), ["j"]);
    assert_eq!(manager.pool_options("j").expect("job"), before);
    assert!(Arc::ptr_eq(&target, &scraping.scraped_target().await));
    for part in ["", "_failed"] {
        let name = format!("prometheus_target_scrape_pool_reloads{part}_total");
        assert_eq!(scraping.own_metric(&name), 1.0, "{name}");
    }
    // It is scraped as before.
    let count = scraping.store.transactions().len();
    scraping.transactions(count + 2).await;
}
