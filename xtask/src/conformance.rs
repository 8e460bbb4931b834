//! `cargo xtask conformance`: the kit against the real peers, as far as Ferula is built.
//!
//! Needs the kit beside the checkout (`../shared`) and Debian's package client, which brings the
//! peers (downloaded and unpacked, not installed) and, where missing, Python with its YAML module.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use crate::kit_report;
use crate::process::{cargo, check, exists, root, target_dir};
use crate::run;

type Part = (&'static str, fn(&Kit) -> Result<()>);

/// The parts that must agree by now. Later issues add lines.
const PARTS: &[Part] = &[
    ("promql-scripts", promql_scripts),
    ("queries", queries),
    ("random-queries", random_queries),
    ("check-config", check_config),
    ("data-dir-swap", data_dir_swap),
    ("remote", remote),
    ("live", live),
    ("directories", directories),
];

struct Kit {
    shared: PathBuf,
    peers: PathBuf,
    python: String,
}

/// Why the kit cannot run here, if so.
pub(crate) fn impossible() -> Option<&'static str> {
    if !shared().join("conformance/check_config.py").exists() {
        return Some("no kit in ../shared");
    }
    if !exists("apt-get") {
        return Some("no apt-get to fetch the peers with");
    }
    None
}

/// Runs all parts, or those named.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some(reason) = impossible() {
        bail!("{reason}");
    }
    if let Some(unknown) = args
        .iter()
        .find(|arg| PARTS.iter().all(|(name, _)| name != arg))
    {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        bail!("unknown part {unknown:?}; there are: {}", names.join(", "));
    }
    check(cargo().args(["build", "--package", "ferula"]))?;
    let kit = Kit {
        shared: shared(),
        peers: peers()?,
        python: python()?,
    };
    for (name, part) in PARTS {
        if args.is_empty() || args.iter().any(|arg| arg == name) {
            println!("--> conformance {name}");
            part(&kit).with_context(|| format!("conformance {name}"))?;
        }
    }
    Ok(())
}

fn shared() -> PathBuf {
    root().join("../shared")
}

/// The peers' programs; `FERULA_PEERS` names a folder that has them already.
fn peers() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("FERULA_PEERS") {
        return Ok(PathBuf::from(folder));
    }
    let folder = target_dir().join("peers");
    check(
        Command::new("sh")
            .arg(shared().join("rig/peers.sh"))
            .arg(&folder),
    )?;
    Ok(folder)
}

/// A Python that has the YAML module, installed by the package client if there is none.
fn python() -> Result<String> {
    let candidates = ["python3", "/usr/bin/python3"];
    let usable = || {
        candidates
            .into_iter()
            .find(|python| has_yaml(python))
            .map(str::to_owned)
    };
    if let Some(python) = usable() {
        return Ok(python);
    }
    check(Command::new("apt-get").args(["-q", "update"]))?;
    let install = [
        "-q",
        "install",
        "-y",
        "--no-install-recommends",
        "python3",
        "python3-yaml",
    ];
    check(Command::new("apt-get").args(install))?;
    usable().context("no Python with a YAML module, even after installing python3-yaml")
}

fn has_yaml(python: &str) -> bool {
    Command::new(python)
        .args(["-c", "import yaml"])
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// All cases of all PromQL scripts of the kit.
fn promql_scripts(kit: &Kit) -> Result<()> {
    let folder = kit
        .shared
        .join("conformance/data/prometheus/promql/promqltest/testdata");
    run::promqltest(&[folder.to_string_lossy().into_owned()])
}

/// All query files of the kit, over the blocks that it makes. Other words count too.
fn queries(kit: &Kit) -> Result<()> {
    let report = target_dir().join("queries-report.json");
    check(run_pair(kit).arg("--no-http").arg("--json").arg(&report))?;
    let listed = root().join("conformance/wording.tsv");
    kit_report::check_wording(&report, &listed)
}

/// Random queries over the same blocks; `FERULA_RANDOM_QUERIES` says how many, `FERULA_TEST_SEED`
/// which.
fn random_queries(kit: &Kit) -> Result<()> {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let count = setting("FERULA_RANDOM_QUERIES", "2000");
    let seed = setting("FERULA_TEST_SEED", "1");
    println!("{count} random queries, seed {seed}");
    let file = target_dir().join("random-queries.yml");
    let written = Command::new(run::promqltest_program()?)
        .args(["random", "--seed", &seed, "--count", &count])
        .output()
        .context("cannot start promqltest")?;
    if !written.status.success() {
        bail!(
            "promqltest random: {}",
            String::from_utf8_lossy(&written.stderr)
        );
    }
    std::fs::write(&file, written.stdout)
        .with_context(|| format!("cannot write {}", file.display()))?;
    check(run_pair(kit).arg("--queries").arg(file))
}

/// Each program opens directories the other one wrote, after SIGKILL.
fn data_dir_swap(kit: &Kit) -> Result<()> {
    check(&mut pair(kit, "data_dir_swap.py"))
}

/// Write requests good and bad to both receivers.
fn remote(kit: &Kit) -> Result<()> {
    check(pair(kit, "remote.py").args(["--parts", "accept"]))
}

/// Both servers scrape the same awkward targets for a minute, without rules and federation as yet.
fn live(kit: &Kit) -> Result<()> {
    let report = target_dir().join("live-report.json");
    let candidate = target_dir().join("ferula-with-native-histograms");
    std::fs::write(&candidate, with_native_histograms())
        .with_context(|| format!("cannot write {}", candidate.display()))?;
    std::fs::set_permissions(&candidate, std::fs::Permissions::from_mode(0o755))?;
    // The kit looks back 30 s at a target that went at least 30 s ago, at a moment that it sets by
    // the clock. Begun at this one, what each server needs to notice is past on both sides.
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let begins = (15_000 + 20_000 - clock.as_millis() % 20_000) % 20_000;
    std::thread::sleep(Duration::from_millis(u64::try_from(begins)?));
    let mut command = pair_of(kit, "run_pair.py", &candidate);
    command
        .args(["--mode", "live", "--no-rules", "--no-federation"])
        .args(["--seconds", "60", "--node-exporter"])
        .arg(kit.peers.join("bin/prometheus-node-exporter"))
        .arg("--json")
        .arg(&report);
    check(&mut command)?;
    kit_report::check_live(&report)
}

/// A script that starts the server with native histograms on: a key has replaced the feature name that
/// the kit gives both. It says the default protocols too, as the compared version prints them, and
/// keeps the number of lines, as errors name lines.
fn with_native_histograms() -> String {
    let labels = r"  external_labels:\n    region: test\n    utf8.label: x\n";
    let line = r"  external_labels: {region: test, utf8.label: x}\n";
    let keys = "  scrape_native_histograms: true\\n  scrape_protocols: [PrometheusProto, \
                OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0, \
                PrometheusText0.0.4]\\n";
    format!(
        "#!/bin/sh\nfor arg; do case $arg in --config.file=*)\n\
         sed -i -z 's/{labels}/{line}{keys}/' \"${{arg#--config.file=}}\";; esac; done\n\
         exec '{}' \"$@\"\n",
        ferula().display()
    )
}

/// Our own tests that want the reference beside them: kills and swaps, a simulated day.
fn directories(kit: &Kit) -> Result<()> {
    let tests = "test(no_kill_and_no_swap) or test(simulated_day)";
    let arguments: &[&str] = if exists("cargo-nextest") {
        // The whole workspace: what the step for tests has built serves here too.
        &[
            "nextest",
            "run",
            "--workspace",
            "--no-tests=fail",
            "-E",
            tests,
        ]
    } else {
        &["test", "--package", "e2e", "--package", "tsdb"]
    };
    let mut command = cargo();
    command.args(arguments).env("FERULA_PEERS", &kit.peers);
    check(&mut command)
}

fn run_pair(kit: &Kit) -> Command {
    pair(kit, "run_pair.py")
}

/// A program of the kit that takes both servers.
fn pair(kit: &Kit, program: &str) -> Command {
    pair_of(kit, program, &ferula())
}

fn pair_of(kit: &Kit, program: &str, candidate: &Path) -> Command {
    let mut command = Command::new(&kit.python);
    command
        .arg(kit.shared.join("conformance").join(program))
        .arg("--reference-bin")
        .arg(kit.peers.join("bin/prometheus"))
        .arg("--candidate-bin")
        .arg(candidate)
        .arg("--promtool")
        .arg(kit.peers.join("bin/promtool"))
        .arg("--known")
        .arg(known());
    command
}

/// Every configuration file of the kit goes to both tools.
fn check_config(kit: &Kit) -> Result<()> {
    let script = kit.shared.join("conformance/check_config.py");
    let mut command = Command::new(&kit.python);
    command
        .arg(script)
        .arg("--promtool")
        .arg(kit.peers.join("bin/promtool"))
        .arg("--tool")
        .arg(ferula())
        .args(["--tool-args", "promtool"])
        .args(["--only", "^(config|scrape config|tool config)"])
        .arg("--known")
        .arg(known());
    check(&mut command)
}

fn ferula() -> PathBuf {
    target_dir().join("debug/ferula")
}

fn known() -> PathBuf {
    Path::new(&root()).join("conformance/known.tsv")
}
