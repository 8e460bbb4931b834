//! Targets that mean harm: each fails alone, with its reason, and the server lives.
//!
//! Which kinds there are, and what tests them beside the whole processes here ([`kinds`]):
//!
//! | kind | also tested in |
//! |---|---|
//! | nobody there, closes at once, silent, late, slow headers, slow body | `scrape`: `nobody_there_is_an_error`, `a_slow_loris_runs_into_the_timeout` |
//! | headers, a header, a status line, interim answers without end; no HTTP; HTTP/2 unasked | here only |
//! | HTTP/2 that breaks off or resets | `http-client` and `discovery`: `http2` |
//! | redirects in a circle, elsewhere, to nowhere | `scrape`: `redirects_must_end`, `redirects_to_nowhere_are_errors` |
//! | body without end, a line without end, a line of a gigabyte | `scrape`: `an_endless_body_stops_at_the_limit`, `an_endless_line_stops_at_the_limit`, `a_line_of_a_gigabyte_takes_bounded_memory` |
//! | many bodies without end and without limits | [`bodies_without_end_starve_nobody`]; `scrape`: `bodies_and_samples_have_a_share_of_the_memory` |
//! | gzip: bomb, not gzip, cut | `scrape`: `a_compression_bomb_stops_at_the_limit`, `bad_gzip_is_an_error`, `claims_of_a_size_reserve_nothing` |
//! | lengths and chunks that lie, bodies cut | `scrape`: `broken_chunks_are_errors`, `a_body_that_breaks_off_is_an_error` |
//! | another content type at each scrape, none, a wrong one | `scrape`: `other_statuses_and_types_are_errors` |
//! | labels: 10,000 of them, of 10 MB, of 17 MB, names of 10 MB, twice the same, no text | `scrape`: `each_limit_has_its_words`, `bytes_that_are_no_text_are_an_error` |
//! | metric names, series, samples of one series by the hundred thousand | `scrape`: `relabelling_drops_and_limits_fail` |
//! | all series new at each scrape, limited or not | [`a_target_that_changes_all_its_series_starves_nobody`]; `scrape`: `who_changes_all_series_gets_no_more_while_memory_is_scarce` |
//! | descriptions without end | `scrape`: `descriptions_of_a_target_are_bounded` |
//! | OpenMetrics without its end, or with more behind it | `exposition`: `refuses_as_the_reference_does` |
//! | protobuf: length 2^63, longer than the body, nested groups, spans without end or without buckets, multiplied names | `exposition`: `what_cannot_be_read_is_refused_in_the_reference_s_words`, `a_name_cannot_be_multiplied_without_end` |
//! | too many buckets, too fine ones | `scrape`: `too_many_buckets_are_made_fewer_or_fail`, `histograms_get_coarser_until_they_fit` |
//! | too many targets, too many dropped ones | `scrape`: `too_many_targets_fail_every_scrape`, `dropped_targets_are_kept_up_to_a_limit` |

mod kinds;
mod protobuf;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Exporter, Server, http, wait_for};
use kinds::{Expected, Kind, churn, kinds};
use serde_json::Value;

const GLOBAL: &str = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n";

/// A target that means no harm, and what its job looks like.
fn good() -> Result<(Exporter, String)> {
    let exporter = Exporter::text(|| "good 1\n".to_owned())?;
    let job = job("good", "", &exporter);
    Ok((exporter, job))
}

fn job(name: &str, options: &str, exporter: &Exporter) -> String {
    let address = exporter.address();
    format!("- job_name: {name}\n{options}  static_configs: [{{targets: ['{address}']}}]\n")
}

/// A running target for each kind, and their jobs.
fn targets(kinds: &[Kind]) -> Result<(Vec<Exporter>, String)> {
    let mut exporters = Vec::new();
    let mut jobs = String::new();
    for kind in kinds {
        let exporter = Exporter::raw(kind.answer.clone())?;
        jobs.push_str(&job(kind.name, kind.options, &exporter));
        exporters.push(exporter);
    }
    Ok((exporters, jobs))
}

/// The job's target, as the API shows it, once it was scraped.
fn scraped(server: &Server, job: &str) -> Result<Value> {
    wait_for(&format!("a scrape of {job}"), || {
        let targets = server.get(&format!("/api/v1/targets?scrapePool={job}"))?;
        let target = targets.json()?["data"]["activeTargets"][0].clone();
        let is_scraped = target["health"] == "up" || target["health"] == "down";
        Ok(is_scraped.then_some(target))
    })
}

fn error_of(target: &Value) -> String {
    let text = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
    let address = text("scrapeUrl");
    let address = address
        .trim_start_matches("http://")
        .trim_end_matches("/metrics");
    text("lastError").replace(address, "ADDRESS")
}

/// What an instant query says of each job.
fn by_job(server: &Server, query: &str) -> Result<BTreeMap<String, String>> {
    let found = server.query(query)?;
    let entries = found.as_array().into_iter().flatten().map(|series| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&series["metric"]["job"]), text(&series["value"][1]))
    });
    Ok(entries.collect())
}

/// The target that means no harm was scraped every second, and never in vain.
fn ensure_good_is_well(server: &Server, seconds_min: f64) -> Result<()> {
    let value = |query: &str| -> Result<f64> {
        let found = by_job(server, query)?;
        Ok(found.get("good").context("no answer")?.parse()?)
    };
    let count = value("count_over_time(up{job=\"good\"}[1h])")?;
    let least = value("min_over_time(up{job=\"good\"}[1h])")?;
    let first = value("min_over_time(timestamp(up{job=\"good\"})[1h:1s])")?;
    let last = value("timestamp(up{job=\"good\"})")?;
    let due = last - first + 1.0;
    println!("good: {count} scrapes in {due} s, least up {least}");
    ensure!(least == 1.0, "a scrape of the good target failed");
    ensure!(due >= seconds_min, "{due} s only");
    ensure!(count >= due.floor() - 1.0, "{count} scrapes in {due} s");
    Ok(())
}

/// Most resident memory so far, in MiB.
fn peak_memory(server: &Server) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    let kibibytes: u64 = number.context("no VmHWM")?.parse()?;
    Ok(kibibytes / 1024)
}

#[test]
fn each_fails_alone_and_the_server_lives() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_good, good_job) = good()?;
    let kinds = kinds();
    let (_exporters, jobs) = targets(&kinds)?;
    let config = format!("{GLOBAL}{good_job}{jobs}");
    let server = Server::start(dir.path(), &config, &[])?;
    let mut wrong = Vec::new();
    for kind in &kinds {
        let target = scraped(&server, kind.name)?;
        let error = error_of(&target);
        println!(
            "{}: {}",
            kind.name,
            error.chars().take(300).collect::<String>()
        );
        let is_as_expected = match kind.error {
            Expected::Error(text) | Expected::NewerError(text) => error == text,
            Expected::OurError(part) => error.contains(part),
            Expected::Taken => error.is_empty(),
        };
        if !is_as_expected {
            wrong.push(format!("{}: {error:?}, not {:?}", kind.name, kind.error));
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    let ups = by_job(&server, "up")?;
    for kind in &kinds {
        let expected = if kind.error == Expected::Taken {
            "1"
        } else {
            "0"
        };
        ensure!(
            ups.get(kind.name).is_some_and(|up| up == expected),
            "{}",
            kind.name
        );
    }
    let failed: Vec<_> = kinds
        .iter()
        .filter(|kind| kind.error != Expected::Taken)
        .map(|kind| kind.name)
        .collect();
    let stored = server.query(&format!(
        "{{__name__!~\"up|scrape_.*\",job=~\"{}\"}}",
        failed.join("|")
    ))?;
    ensure!(
        stored.get(0).is_none(),
        "stored from a failed scrape: {stored}"
    );
    ensure_good_is_well(&server, 1.0)?;
    let peak = peak_memory(&server)?;
    ensure!(peak < 1000, "{peak} MiB");
    Ok(())
}

/// What both servers say of the same targets. Runs where `FERULA_PEERS` names a folder with the
/// peers' programs in `bin/`.
#[test]
fn what_is_said_of_them_is_what_the_reference_says() -> Result<()> {
    let Some(peers) = std::env::var_os("FERULA_PEERS").map(PathBuf::from) else {
        println!("left out: FERULA_PEERS names no folder with the peers");
        return Ok(());
    };
    let mut kinds = kinds();
    // 3.5.3 knows no such option, or dies.
    kinds.retain(|kind| !kind.options.contains("native") && kind.name != "too_long_value");
    let (_exporters, jobs) = targets(&kinds)?;
    let global = GLOBAL.replace("scrape_interval: 1s", "scrape_interval: 3s");
    let config = format!("{global}{jobs}");
    let (our_dir, their_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let ours = Server::start(our_dir.path(), &config, &[])?;
    std::fs::write(their_dir.path().join("prometheus.yml"), &config)?;
    let program = peers.join("bin/prometheus");
    let address = e2e::server::free_address()?;
    let mut theirs = Server::spawn_program(&program, their_dir.path(), address, &[])?;
    theirs.wait_until_ready()?;
    // On a busy machine either may run out of time where the other does not: a scrape of each that
    // agrees is enough.
    for kind in &kinds {
        wait_for(&format!("agreement on {}", kind.name), || {
            let (our_error, their_error) = (
                error_of(&scraped(&ours, kind.name)?),
                error_of(&scraped(&theirs, kind.name)?),
            );
            let agree = match kind.error {
                Expected::OurError(_) => our_error.is_empty() == their_error.is_empty(),
                _ => our_error == their_error,
            };
            Ok(agree.then_some(()))
        })?;
    }
    for series in [
        "up",
        "scrape_samples_scraped",
        "scrape_samples_post_metric_relabeling",
    ] {
        for kind in &kinds {
            let query = format!("{series}{{job=\"{}\"}}", kind.name);
            wait_for(&format!("agreement on {query}"), || {
                let (our_value, their_value) = (by_job(&ours, &query)?, by_job(&theirs, &query)?);
                Ok((!our_value.is_empty() && our_value == their_value).then_some(()))
            })?;
        }
    }
    Ok(())
}

/// Without limits in its job, and with little memory.
#[test]
fn a_target_that_changes_all_its_series_starves_nobody() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_good, good_job) = good()?;
    let hostile = Exporter::raw(churn(20_000))?;
    let config = format!("{GLOBAL}{good_job}{}", job("hostile", "", &hostile));
    let server = Server::start(dir.path(), &config, &["--memory.limit=192MB"])?;
    let error = wait_for("the target to be refused", || {
        let error = error_of(&scraped(&server, "hostile")?);
        Ok((!error.is_empty()).then_some(error))
    })?;
    println!("{error}");
    ensure!(
        error.starts_with("no room for more series of this target: it has added "),
        "{error}"
    );
    // It goes on, and so does the server.
    thread::sleep(Duration::from_secs(3));
    // What a refused scrape took is free afterwards, so that one may go well now and then.
    wait_for("the target to be refused again", || {
        let error = error_of(&scraped(&server, "hostile")?);
        println!("later: {error:?}");
        Ok(error.starts_with("no room for more series").then_some(()))
    })?;
    let known = server.query("count(last_over_time(churn[1h]))")?;
    println!("series of the hostile target: {}", known[0]["value"][1]);
    ensure!(known.get(0).is_some(), "{known}");
    // Others get series.
    let newcomer = Exporter::text(|| "late 1\n".to_owned())?;
    let config = format!("{config}{}", job("newcomer", "", &newcomer));
    std::fs::write(dir.path().join("prometheus.yml"), config)?;
    let reloaded = http::request(server.address(), "POST", "/-/reload", &[], b"")?;
    ensure!(reloaded.status == 200, "{}", reloaded.text());
    wait_for("a target that is new", || {
        Ok(server.query("late")?.get(0).is_some().then_some(()))
    })?;
    ensure_good_is_well(&server, 5.0)?;
    let peak = peak_memory(&server)?;
    println!("peak memory {peak} MiB");
    ensure!(peak < 192, "{peak} MiB");
    Ok(())
}

#[test]
fn bodies_without_end_starve_nobody() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_good, good_job) = good()?;
    let kinds: Vec<Kind> = (0..20).map(|_| kinds::unlimited()).collect();
    let (exporters, _) = targets(&kinds)?;
    let mut config = format!("{GLOBAL}{good_job}");
    for (number, exporter) in exporters.iter().enumerate() {
        config.push_str(&job(&format!("endless{number}"), "", exporter));
    }
    let server = Server::start(dir.path(), &config, &["--memory.limit=256MB"])?;
    for number in 0..20 {
        let error = error_of(&scraped(&server, &format!("endless{number}"))?);
        let reasons = [
            "takes too much memory",
            "no room for the body",
            "context deadline exceeded",
        ];
        ensure!(
            reasons.iter().any(|reason| error.contains(reason)),
            "{error}"
        );
    }
    thread::sleep(Duration::from_secs(3));
    ensure_good_is_well(&server, 3.0)?;
    let peak = peak_memory(&server)?;
    println!("peak memory {peak} MiB");
    ensure!(peak < 256, "{peak} MiB");
    Ok(())
}
