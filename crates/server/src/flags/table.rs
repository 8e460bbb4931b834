//! Every flag of the server. Names, kinds, defaults and modes are facts of the reference; the help
//! texts are ours.

/// What a flag's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `--x` or `--no-x`.
    Bool,
    /// Any text.
    Text,
    /// A URL, read later.
    Url,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// A duration as the configuration writes it (`1d12h`).
    Duration,
    /// A duration as Go writes it (`2ms`).
    GoDuration,
    /// A size with its unit.
    Bytes,
    /// One of these texts.
    Enum(&'static [&'static str]),
    /// A log level, in any letter case.
    LogLevel,
    /// A log format.
    LogFormat,
    /// The name of a remote-write message.
    ProtobufMessage,
}

/// In which mode a flag may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In both.
    Both,
    /// Without `--agent`.
    Server,
    /// With `--agent`.
    Agent,
}

/// One flag.
#[derive(Debug)]
pub struct Flag {
    /// Name without the dashes.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Value when it is not given; a repeatable flag's values joined by commas.
    pub default: &'static str,
    /// When it may be given.
    pub mode: Mode,
    /// Left out of the short help.
    pub hidden: bool,
    /// May be given several times.
    pub repeatable: bool,
    /// What it is for.
    pub help: &'static str,
}

use Kind::{
    Bool, Bytes, Duration, Enum, Float, GoDuration, Int, LogFormat, LogLevel, ProtobufMessage,
    Text, Url,
};
use Mode::{Agent, Both, Server};

const fn flag(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    mode: Mode,
    help: &'static str,
) -> Flag {
    Flag {
        name,
        kind,
        default,
        mode,
        hidden: false,
        repeatable: false,
        help,
    }
}

const fn hidden(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    mode: Mode,
    help: &'static str,
) -> Flag {
    Flag {
        name,
        kind,
        default,
        mode,
        hidden: true,
        repeatable: false,
        help,
    }
}

const fn repeatable(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    mode: Mode,
    help: &'static str,
) -> Flag {
    Flag {
        name,
        kind,
        default,
        mode,
        hidden: false,
        repeatable: true,
        help,
    }
}

/// Choices of the WAL compression flags.
const COMPRESSION: Kind = Enum(&["snappy", "zstd"]);

/// All flags, in the order the help shows them.
pub const FLAGS: &[Flag] = &[
    flag(
        "help",
        Bool,
        "false",
        Both,
        "Print this text (see also --help-long and --help-man).",
    ),
    hidden(
        "help-long",
        Bool,
        "false",
        Both,
        "Print all flags, hidden ones too.",
    ),
    hidden("help-man", Bool, "false", Both, "Print a manual page."),
    hidden(
        "completion-bash",
        Bool,
        "false",
        Both,
        "Print the words a shell may complete.",
    ),
    hidden(
        "completion-script-bash",
        Bool,
        "false",
        Both,
        "Print a completion script for bash.",
    ),
    hidden(
        "completion-script-zsh",
        Bool,
        "false",
        Both,
        "Print a completion script for zsh.",
    ),
    flag("version", Bool, "false", Both, "Print the version."),
    flag(
        "config.file",
        Text,
        "prometheus.yml",
        Both,
        "Configuration file. When it is not named and does not exist, a built-in default is used: the server scrapes itself.",
    ),
    flag(
        "config.auto-reload",
        Bool,
        "false",
        Both,
        "Load the configuration again when a checksum of its files changes.",
    ),
    flag(
        "config.auto-reload-interval",
        Duration,
        "30s",
        Both,
        "How often automatic reload looks at the files; at least 1s.",
    ),
    repeatable(
        "web.listen-address",
        Text,
        "0.0.0.0:9090",
        Both,
        "Address that serves UI, API and own metrics. Several may be given.",
    ),
    flag(
        "auto-gomaxprocs",
        Bool,
        "true",
        Both,
        "Fit the number of worker threads to the container's CPU quota.",
    ),
    flag(
        "auto-gomemlimit",
        Bool,
        "true",
        Both,
        "Fit the memory budget to the memory of the container or the machine.",
    ),
    flag(
        "auto-gomemlimit.ratio",
        Float,
        "0.9",
        Both,
        "Share of the memory found that the budget may use, above 0 and at most 1.",
    ),
    flag(
        "memory.limit",
        Bytes,
        "0B",
        Both,
        "Memory that the process may use, instead of what the container or the machine has. Not in Prometheus.",
    ),
    flag(
        "auto-gomemlimit.refresh-interval",
        Duration,
        "0s",
        Both,
        "How often the memory limit is looked up again; 0s for once.",
    ),
    flag(
        "web.config.file",
        Text,
        "",
        Both,
        "File that switches on TLS, authentication and response headers. [EXPERIMENTAL]",
    ),
    flag(
        "web.read-timeout",
        Duration,
        "5m",
        Both,
        "Longest time to read a request, and for which a connection may idle.",
    ),
    flag(
        "web.max-connections",
        Int,
        "512",
        Both,
        "Most connections at a time, all listeners together.",
    ),
    flag(
        "web.max-notifications-subscribers",
        Int,
        "16",
        Both,
        "Most clients at a time that may follow live notifications.",
    ),
    flag(
        "web.external-url",
        Url,
        "",
        Both,
        "URL under which the outside reaches this server; links are made from it, and its path prefixes all endpoints unless --web.route-prefix is given.",
    ),
    flag(
        "web.route-prefix",
        Text,
        "",
        Both,
        "Prefix of all paths served. By default the path of --web.external-url.",
    ),
    flag(
        "web.user-assets",
        Text,
        "",
        Both,
        "Directory served below /user.",
    ),
    flag(
        "web.enable-lifecycle",
        Bool,
        "false",
        Both,
        "Allow reload and shutdown over HTTP.",
    ),
    flag(
        "web.enable-admin-api",
        Bool,
        "false",
        Both,
        "Allow the administrative API endpoints.",
    ),
    flag(
        "web.enable-remote-write-receiver",
        Bool,
        "false",
        Both,
        "Accept remote write at /api/v1/write.",
    ),
    repeatable(
        "web.remote-write-receiver.accepted-protobuf-messages",
        ProtobufMessage,
        "prometheus.WriteRequest,io.prometheus.write.v2.Request",
        Both,
        "Remote-write messages that are accepted.",
    ),
    flag(
        "web.enable-otlp-receiver",
        Bool,
        "false",
        Both,
        "Accept OTLP metrics at /api/v1/otlp/v1/metrics.",
    ),
    flag(
        "web.console.templates",
        Text,
        "consoles",
        Both,
        "Directory of console templates, served below /consoles.",
    ),
    flag(
        "web.console.libraries",
        Text,
        "console_libraries",
        Both,
        "Directory of template libraries for consoles.",
    ),
    flag(
        "web.page-title",
        Text,
        "Prometheus Time Series Collection and Processing Server",
        Both,
        "Title of the UI's pages.",
    ),
    flag(
        "web.cors.origin",
        Text,
        ".*",
        Both,
        "Regular expression of the origins that may use the API from a browser; it must match the whole origin.",
    ),
    flag(
        "storage.tsdb.path",
        Text,
        "data/",
        Server,
        "Data directory.",
    ),
    hidden(
        "storage.tsdb.min-block-duration",
        Duration,
        "2h",
        Server,
        "Time range of the youngest blocks.",
    ),
    hidden(
        "storage.tsdb.max-block-duration",
        Duration,
        "0s",
        Server,
        "Longest time range of a compacted block. By default a tenth of the retention time, at most 31d.",
    ),
    hidden(
        "storage.tsdb.max-block-chunk-segment-size",
        Bytes,
        "0B",
        Server,
        "Largest chunk file of a block, for example 512MB.",
    ),
    hidden(
        "storage.tsdb.wal-segment-size",
        Bytes,
        "0B",
        Server,
        "Size of a WAL segment, 10MB to 256MB. By default 128MB.",
    ),
    flag(
        "storage.tsdb.head-snapshot-interval",
        Duration,
        "10m",
        Server,
        "How often the head's memory is written down, so that a start after a crash reads only the log from there on; 0 for never. Not in Prometheus.",
    ),
    flag(
        "storage.tsdb.retention.time",
        Duration,
        "0s",
        Server,
        "How long samples are kept; 15d if neither this nor the size is set. The configuration file's retention settings win. [DEPRECATED]",
    ),
    flag(
        "storage.tsdb.retention.size",
        Bytes,
        "0B",
        Server,
        "Most bytes that blocks, WAL and head chunks may use, for example 512MB; 0 for no limit. The configuration file's retention settings win. [DEPRECATED]",
    ),
    flag(
        "storage.tsdb.no-lockfile",
        Bool,
        "false",
        Server,
        "Do not lock the data directory.",
    ),
    hidden(
        "storage.tsdb.allow-overlapping-compaction",
        Bool,
        "true",
        Server,
        "Merge blocks whose time ranges overlap.",
    ),
    hidden(
        "storage.tsdb.wal-compression",
        Bool,
        "true",
        Server,
        "Compress WAL records.",
    ),
    hidden(
        "storage.tsdb.wal-compression-type",
        COMPRESSION,
        "snappy",
        Server,
        "How WAL records are compressed.",
    ),
    flag(
        "storage.tsdb.head-chunks-write-queue-size",
        Int,
        "0",
        Server,
        "Length of the queue through which head chunks reach the disk; 0 writes at once. [EXPERIMENTAL]",
    ),
    hidden(
        "storage.tsdb.samples-per-chunk",
        Int,
        "120",
        Server,
        "Samples after which a head chunk is closed.",
    ),
    hidden(
        "storage.tsdb.delayed-compaction.max-percent",
        Int,
        "10",
        Server,
        "Longest random delay of a head compaction, percent of the head's range, 1 to 100.",
    ),
    hidden(
        "storage.tsdb.delay-compact-file.path",
        Text,
        "",
        Server,
        "JSON file of uploaded blocks; first-level blocks that it lacks are not compacted.",
    ),
    hidden(
        "storage.tsdb.block-reload-interval",
        Duration,
        "1m",
        Server,
        "How often the data directory is searched for blocks; at least 1s.",
    ),
    flag(
        "storage.agent.path",
        Text,
        "data-agent/",
        Agent,
        "Data directory.",
    ),
    hidden(
        "storage.agent.wal-segment-size",
        Bytes,
        "0B",
        Agent,
        "Size of a WAL segment, 10MB to 256MB. By default 128MB.",
    ),
    flag(
        "storage.agent.wal-compression",
        Bool,
        "true",
        Agent,
        "Compress the agent's WAL.",
    ),
    hidden(
        "storage.agent.wal-compression-type",
        COMPRESSION,
        "snappy",
        Agent,
        "How the agent's WAL is compressed.",
    ),
    hidden(
        "storage.agent.wal-truncate-frequency",
        Duration,
        "0s",
        Agent,
        "How often old parts of the WAL are removed. By default 2h.",
    ),
    flag(
        "storage.agent.retention.min-time",
        Duration,
        "0s",
        Agent,
        "Age below which samples are never removed. By default 5m.",
    ),
    flag(
        "storage.agent.retention.max-time",
        Duration,
        "0s",
        Agent,
        "Age above which samples are removed even if they were not sent. By default 4h.",
    ),
    flag(
        "storage.agent.checkpoint-from-in-memory-series",
        Bool,
        "false",
        Agent,
        "Write checkpoints from memory, not from the old WAL.",
    ),
    flag(
        "storage.agent.checkpoint-batch-size",
        Int,
        "1000",
        Agent,
        "Series in one record of a checkpoint written from memory.",
    ),
    flag(
        "storage.agent.no-lockfile",
        Bool,
        "false",
        Agent,
        "Do not lock the data directory.",
    ),
    flag(
        "storage.remote.flush-deadline",
        Duration,
        "1m",
        Both,
        "Time to send what is queued for remote storage, at shutdown or reload.",
    ),
    flag(
        "storage.remote.read-sample-limit",
        Int,
        "5e7",
        Server,
        "Most samples in one remote-read answer that is not streamed; 0 for no limit.",
    ),
    flag(
        "storage.remote.read-concurrent-limit",
        Int,
        "10",
        Server,
        "Most remote reads served at a time; 0 for no limit.",
    ),
    flag(
        "storage.remote.read-max-bytes-in-frame",
        Int,
        "1048576",
        Server,
        "Most bytes in one frame of a streamed remote-read answer, before encoding.",
    ),
    flag(
        "web.search.max-limit",
        Int,
        "10000",
        Server,
        "Highest limit that a search may ask for; 0 for no limit.",
    ),
    flag(
        "rules.alert.for-outage-tolerance",
        Duration,
        "1h",
        Server,
        "Longest outage after which the for state of alerts is restored.",
    ),
    flag(
        "rules.alert.for-grace-period",
        Duration,
        "10m",
        Server,
        "Shortest time between a restored alert and its firing, for alerts with a longer for.",
    ),
    flag(
        "rules.alert.resend-delay",
        Duration,
        "1m",
        Server,
        "Shortest time before a firing alert is sent again.",
    ),
    flag(
        "rules.max-concurrent-evals",
        Int,
        "4",
        Server,
        "Most rules evaluated at a time, where concurrent evaluation is switched on.",
    ),
    hidden(
        "scrape.adjust-timestamps",
        Bool,
        "true",
        Both,
        "Move scrape times onto the schedule when they are off by less than the tolerance. [EXPERIMENTAL]",
    ),
    hidden(
        "scrape.timestamp-tolerance",
        GoDuration,
        "2ms",
        Both,
        "How far a scrape time may be moved; never more than a hundredth of the interval. [EXPERIMENTAL]",
    ),
    flag(
        "alertmanager.notification-queue-capacity",
        Int,
        "10000",
        Server,
        "Most alerts waiting for one Alertmanager.",
    ),
    flag(
        "alertmanager.notification-batch-size",
        Int,
        "256",
        Server,
        "Most alerts in one request to an Alertmanager.",
    ),
    flag(
        "alertmanager.drain-notification-queue-on-shutdown",
        Bool,
        "true",
        Server,
        "Send waiting alerts before the server ends.",
    ),
    flag(
        "query.lookback-delta",
        Duration,
        "5m",
        Server,
        "How far back an instant selector looks for a sample, in queries and federation.",
    ),
    flag(
        "query.timeout",
        Duration,
        "2m",
        Server,
        "Longest time that a query may take.",
    ),
    flag(
        "query.max-concurrency",
        Int,
        "20",
        Server,
        "Most queries executed at a time.",
    ),
    flag(
        "query.max-samples",
        Int,
        "50000000",
        Server,
        "Most samples that one query may hold in memory; a query that needs more fails.",
    ),
    flag(
        "query.max-memory",
        Bytes,
        "0B",
        Server,
        "Most memory that one query may hold; a query that needs more fails. By default a quarter of the memory limit. All queries together may hold half of that limit. Not in Prometheus.",
    ),
    hidden(
        "scrape.discovery-reload-interval",
        Duration,
        "5s",
        Both,
        "Shortest time between two updates of a job's targets.",
    ),
    repeatable(
        "enable-feature",
        Text,
        "",
        Both,
        "Comma-separated names of features to switch on. Known: auto-reload-config, concurrent-rule-eval, created-timestamp-zero-ingestion, delayed-compaction, exemplar-storage, extra-scrape-metrics, histograms-st-encoding, memory-snapshot-on-shutdown, metadata-wal-records, native-histograms, old-ui, ooo-native-histograms, otlp-deltatocumulative, otlp-native-delta-ingestion, promql-binop-fill-modifiers, promql-delayed-name-removal, promql-duration-expr, promql-experimental-functions, promql-extended-range-selectors, promql-per-step-stats, search-api, st-storage, st-synthesis, type-and-unit-labels, use-start-timestamps, use-uncached-io, xor2-encoding.",
    ),
    flag(
        "agent",
        Bool,
        "false",
        Both,
        "Run as an agent: scrape and send on, without queries, rules and alerts.",
    ),
    hidden(
        "write-documentation",
        Bool,
        "false",
        Both,
        "Print the documentation of all flags as Markdown.",
    ),
    flag(
        "log.level",
        LogLevel,
        "info",
        Both,
        "Least important messages that are printed: debug, info, warn or error.",
    ),
    flag(
        "log.format",
        LogFormat,
        "logfmt",
        Both,
        "Form of log lines: logfmt or json.",
    ),
];
