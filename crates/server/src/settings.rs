//! What the command line means: texts become URLs, expressions and durations, and what cannot be
//! is refused with the reference's words and exit codes.

use std::path::PathBuf;
use std::time::Duration;

use gocompat::quote::quote;
use gocompat::regex::Regex;
use gocompat::url::{self, Url};
use remote::receive::Message;
use telemetry::logging::{LogFormat, LogLevel};

use crate::environment::{self, Environment};
use crate::flags::{Flags, Value};
use crate::limits;

/// Where the configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigSource {
    /// This file.
    File(PathBuf),
    /// The built-in default: the server scrapes itself.
    BuiltIn,
}

/// What the server is to do.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The flags themselves, with resolved defaults.
    pub flags: Flags,
    /// Where the configuration comes from.
    pub config_source: ConfigSource,
    /// Addresses to listen on.
    pub listen_addresses: Vec<String>,
    /// Host and port by which the outside reaches us.
    pub external_url: Url,
    /// Prefix of all paths.
    pub route_prefix: String,
    /// Origins that may use the API.
    pub cors_origin: Regex,
    /// Feature names switched on.
    pub features: Vec<String>,
    /// Least important events that are logged.
    pub log_level: LogLevel,
    /// Form of log lines.
    pub log_format: LogFormat,
    /// Threads worth running.
    pub worker_threads: usize,
    /// Bytes the process should stay below; `None` if unknown or switched off.
    pub memory_limit_bytes: Option<u64>,
    /// How long samples are kept and up to how many bytes, as text.
    pub storage_retention: String,
}

/// Why the settings make no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// For standard error.
    pub text: String,
    /// Exit code.
    pub code: u8,
}

fn refuse<T>(code: u8, text: impl Into<String>) -> Result<T, SettingsError> {
    Err(SettingsError {
        text: text.into(),
        code,
    })
}

/// Retention when none is set.
const RETENTION_MS: i64 = 15 * 24 * 60 * 60 * 1000;
/// Longest range of a compacted block when none is set.
const BLOCK_DURATION_MS_MAX: i64 = 31 * 24 * 60 * 60 * 1000;

impl Settings {
    /// Reads meaning into flags and environment.
    pub fn new(mut flags: Flags, environment: &Environment) -> Result<Self, SettingsError> {
        check_ranges(&flags)?;
        let listen_addresses = flags.list("web.listen-address").to_vec();
        let first = listen_addresses.first().map_or("", String::as_str);
        let given = flags.text("web.external-url").to_owned();
        let external_url = external_url(&given, first)
            .or_else(|text| refuse(2, format!("parse external URL {}: {text}\n", quote(&given))))?;
        let prefix = match flags.text("web.route-prefix") {
            "" => external_url.path.clone(),
            prefix => prefix.to_owned(),
        };
        let route_prefix = web::canonical_prefix(&prefix);
        let origin = flags.text("web.cors.origin");
        let cors_origin = Regex::new_anchored(origin).or_else(|err| {
            refuse(
                2,
                format!(
                    "could not compile CORS regex string {}: {err}\n",
                    quote(origin)
                ),
            )
        })?;
        let features = flags
            .list("enable-feature")
            .iter()
            .flat_map(|names| names.split(','));
        let features = features
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty());
        let features = features.collect();
        let memory_limit_bytes = memory_limit(&flags, environment)?;
        let storage_retention = resolve_retention(&mut flags);
        flags.resolve("web.route-prefix", Value::Text(route_prefix.clone()));
        Ok(Self {
            config_source: config_source(&flags),
            listen_addresses,
            external_url,
            route_prefix,
            cors_origin,
            features,
            // The flags' parser took only texts that can be read.
            log_level: flags.text("log.level").parse().unwrap_or_default(),
            log_format: flags.text("log.format").parse().unwrap_or_default(),
            worker_threads: worker_threads(&flags, environment),
            memory_limit_bytes,
            storage_retention,
            flags,
        })
    }

    /// Whether a feature was switched on.
    pub fn has_feature(&self, name: &str) -> bool {
        self.features.iter().any(|feature| feature == name)
    }

    /// Whether samples bring a zero at their start timestamp.
    pub fn starts_as_zeros(&self) -> bool {
        self.has_feature("created-timestamp-zero-ingestion")
    }

    /// Whether start timestamps are of use, and are read of what targets answer.
    pub fn reads_starts(&self) -> bool {
        self.starts_as_zeros() || self.has_feature("st-storage")
    }

    /// How far scrape times may be moved onto the schedule; `None` for not at all.
    pub fn timestamp_tolerance(&self) -> Option<Duration> {
        if !self.flags.is_on("scrape.adjust-timestamps") {
            return None;
        }
        let tolerance_ns = self.flags.int("scrape.timestamp-tolerance");
        u64::try_from(tolerance_ns).ok().map(Duration::from_nanos)
    }

    /// Remote write messages that are received.
    pub fn accepted_messages(&self) -> Vec<Message> {
        let names = self
            .flags
            .list("web.remote-write-receiver.accepted-protobuf-messages");
        // The flags' parser took only names that exist.
        names
            .iter()
            .filter_map(|name| Message::from_name(name))
            .collect()
    }

    /// A duration flag.
    pub fn duration(&self, name: &str) -> Duration {
        Duration::from_millis(u64::try_from(self.flags.int(name)).unwrap_or(0))
    }

    /// The data directory.
    pub fn data_directory(&self) -> PathBuf {
        PathBuf::from(self.flags.text("storage.tsdb.path"))
    }

    /// Port of the first listener.
    pub fn listen_port(&self) -> String {
        let address = self.listen_addresses.first().map_or("", String::as_str);
        address
            .rsplit_once(':')
            .map_or("", |(_, port)| port)
            .to_owned()
    }
}

/// Numbers out of bounds end the server with code 1.
fn check_ranges(flags: &Flags) -> Result<(), SettingsError> {
    let ratio = flags.float("auto-gomemlimit.ratio");
    if !(ratio > 0.0 && ratio <= 1.0) {
        return refuse(
            1,
            "--auto-gomemlimit.ratio must be greater than 0 and less than or equal to 1.",
        );
    }
    if flags.int("web.search.max-limit") < 0 {
        return refuse(1, "--web.search.max-limit must not be negative.\n");
    }
    if flags.int("storage.agent.checkpoint-batch-size") <= 0 {
        return refuse(
            1,
            "--storage.agent.checkpoint-batch-size must be greater than 0.\n",
        );
    }
    Ok(())
}

fn config_source(flags: &Flags) -> ConfigSource {
    let path = PathBuf::from(flags.text("config.file"));
    if !flags.is_given("config.file") && !path.exists() {
        return ConfigSource::BuiltIn;
    }
    ConfigSource::File(path)
}

/// Most threads that the environment may ask for: each pool starts them all.
const WORKER_THREADS_MAX: usize = 1024;

/// Threads worth running: as many as the environment says, or else as the machine has to give.
fn worker_threads(flags: &Flags, environment: &Environment) -> usize {
    match &environment.gomaxprocs {
        Some(text) => match text.parse() {
            Ok(threads @ 1_usize..) => threads.min(WORKER_THREADS_MAX),
            // Set to nonsense, it still keeps us from looking at the quota, as in the reference.
            _ => limits::worker_threads(false),
        },
        None => limits::worker_threads(flags.is_on("auto-gomaxprocs")),
    }
}

/// Bytes the process should stay below: what the flag says, else what the environment says, or else
/// a share of what there is.
fn memory_limit(flags: &Flags, environment: &Environment) -> Result<Option<u64>, SettingsError> {
    let flag = u64::try_from(flags.int("memory.limit")).ok();
    if let Some(bytes) = flag.filter(|bytes| *bytes > 0) {
        return Ok(Some(bytes));
    }
    if let Some(text) = &environment.gomemlimit {
        let limit = environment::memory_limit(text);
        return limit.or_else(|()| {
            refuse(
                2,
                format!("GOMEMLIMIT={text}\nfatal error: malformed GOMEMLIMIT\n"),
            )
        });
    }
    if !flags.is_on("auto-gomemlimit") {
        return Ok(None);
    }
    let ratio = flags.float("auto-gomemlimit.ratio");
    Ok(limits::memory_bytes().map(|bytes| (bytes as f64 * ratio) as u64))
}

/// Fills in the retention time and the block duration that follows from it; returns both limits as
/// the API shows them.
fn resolve_retention(flags: &mut Flags) -> String {
    let mut time_ms = flags.int("storage.tsdb.retention.time");
    let bytes = flags.int("storage.tsdb.retention.size");
    if time_ms == 0 && bytes == 0 {
        time_ms = RETENTION_MS;
        flags.resolve("storage.tsdb.retention.time", Value::DurationMs(time_ms));
    }
    if flags.int("storage.tsdb.max-block-duration") == 0 {
        let longest = if time_ms > 0 {
            time_ms / 10
        } else {
            BLOCK_DURATION_MS_MAX
        };
        let duration = longest.min(BLOCK_DURATION_MS_MAX);
        flags.resolve(
            "storage.tsdb.max-block-duration",
            Value::DurationMs(duration),
        );
    }
    let mut parts = Vec::new();
    if time_ms > 0 {
        parts.push(model::duration::format(time_ms));
    }
    if bytes > 0 {
        parts.push(crate::flags::format_bytes(bytes));
    }
    parts.join(" or ")
}

/// The URL given, or one made of host name and port; with a path that has a slash in front and
/// none behind.
fn external_url(given: &str, listen_address: &str) -> Result<Url, String> {
    let text = if given.is_empty() {
        let (_, port) = url::split_host_port(listen_address)?;
        format!("http://{}:{port}/", host_name())
    } else {
        given.to_owned()
    };
    let is_quote = |c| matches!(c, '"' | '\'');
    if text.starts_with(is_quote) || text.ends_with(is_quote) {
        return Err("URL must not begin or end with quotes".to_owned());
    }
    let mut url = url::parse(&text).map_err(|err| err.to_string())?;
    url.path.truncate(url.path.trim_end_matches('/').len());
    if !url.path.is_empty() && !url.path.starts_with('/') {
        url.path.insert(0, '/');
    }
    Ok(url)
}

/// This machine's name.
pub(crate) fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Command, parse};

    fn settings(arguments: &[&str]) -> Result<Settings, SettingsError> {
        settings_in(arguments, &Environment::default())
    }

    fn settings_in(
        arguments: &[&str],
        environment: &Environment,
    ) -> Result<Settings, SettingsError> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        match parse(&arguments, "") {
            Ok(Command::Run(flags)) => Settings::new(flags, environment),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refused(arguments: &[&str], code: u8, text: &str) {
        let err = settings(arguments).expect_err("refused");
        assert_eq!((err.code, err.text.as_str()), (code, text));
    }

    #[test]
    fn external_url_and_prefix_follow_each_other() {
        let check = |arguments: &[&str], [scheme, host, path]: [&str; 3], prefix: &str| {
            let settings = settings(arguments).expect("fine");
            let url = &settings.external_url;
            let parts = [&*url.scheme, &*url.host, &*url.path];
            assert_eq!(parts, [scheme, host, path], "{arguments:?}");
            assert_eq!(settings.route_prefix, prefix, "{arguments:?}");
        };
        let own = format!("{}:9090", host_name());
        check(&[], ["http", &own, ""], "/");
        let given = "--web.external-url=http://A:80/b/c/";
        check(&[given], ["http", "A:80", "/b/c"], "/b/c");
        check(
            &["--web.external-url=http://a/b", "--web.route-prefix=x/"],
            ["http", "a", "/b"],
            "/x",
        );
        check(&["--web.external-url=/p/"], ["", "", "/p"], "/p");
        check(&["--web.external-url=p"], ["", "", "/p"], "/p");
    }

    #[test]
    fn senseless_settings_are_refused_in_the_references_words() {
        refused(
            &["--web.external-url=\"http://x\""],
            2,
            "parse external URL \"\\\"http://x\\\"\": URL must not begin or end with quotes\n",
        );
        refused(
            &["--web.external-url=http://%zz"],
            2,
            "parse external URL \"http://%zz\": parse \"http://%zz\": invalid URL escape \"%zz\"\n",
        );
        refused(
            &["--web.listen-address=127.0.0.1"],
            2,
            "parse external URL \"\": address 127.0.0.1: missing port in address\n",
        );
        refused(
            &["--auto-gomemlimit.ratio=2"],
            1,
            "--auto-gomemlimit.ratio must be greater than 0 and less than or equal to 1.",
        );
        let err = settings(&["--web.cors.origin=("]).expect_err("refused");
        assert!(
            err.text
                .starts_with("could not compile CORS regex string \"(\": error parsing regexp"),
            "{err:?}"
        );
    }

    #[test]
    fn retention_has_a_default_and_shapes_blocks() {
        let text = |arguments: &[&str], name: &str| {
            settings(arguments).expect("fine").flags.to_texts()[name].clone()
        };
        assert_eq!(text(&[], "storage.tsdb.retention.time"), "15d");
        assert_eq!(text(&[], "storage.tsdb.max-block-duration"), "1d12h");
        let big = ["--storage.tsdb.retention.size=1GB"];
        assert_eq!(text(&big, "storage.tsdb.retention.time"), "0s");
        assert_eq!(settings(&big).expect("fine").storage_retention, "1GiB");
        assert_eq!(settings(&[]).expect("fine").storage_retention, "15d");
    }

    #[test]
    fn scrape_times_are_moved_unless_told_otherwise() {
        let tolerance =
            |arguments: &[&str]| settings(arguments).expect("fine").timestamp_tolerance();
        assert_eq!(tolerance(&[]), Some(Duration::from_millis(2)));
        assert_eq!(
            tolerance(&["--scrape.timestamp-tolerance=10ms"]),
            Some(Duration::from_millis(10))
        );
        assert_eq!(tolerance(&["--no-scrape.adjust-timestamps"]), None);
        assert_eq!(tolerance(&["--scrape.timestamp-tolerance=-1ms"]), None);
    }

    #[test]
    fn the_environment_comes_before_the_machine() {
        let check = |gomaxprocs: &str, gomemlimit: &str, arguments: &[&str]| {
            let environment = Environment {
                gomaxprocs: Some(gomaxprocs.to_owned()),
                gomemlimit: Some(gomemlimit.to_owned()),
            };
            let settings = settings_in(arguments, &environment)?;
            Ok((settings.worker_threads, settings.memory_limit_bytes))
        };
        assert_eq!(check("37", "100MiB", &[]), Ok((37, Some(100 << 20))));
        let off = ["--no-auto-gomaxprocs", "--no-auto-gomemlimit"];
        assert_eq!(check("37", "5GiB", &off), Ok((37, Some(5 << 30))));
        let machine = limits::worker_threads(false);
        assert_eq!(check("0", "off", &[]), Ok((machine, None)));
        let malformed = SettingsError {
            text: "GOMEMLIMIT=12x\nfatal error: malformed GOMEMLIMIT\n".to_owned(),
            code: 2,
        };
        assert_eq!(check("x", "12x", &[]), Err(malformed));
    }

    #[test]
    fn features_are_split_at_commas() {
        let settings = settings(&["--enable-feature=a,b", "--enable-feature=c"]).expect("fine");
        assert_eq!(settings.features, ["a", "b", "c"]);
        assert!(settings.has_feature("b") && !settings.has_feature("d"));
    }
}
