//! What flags and configuration say about the storage, in its own terms.

use config::Config;
use tsdb::FloatEncoding;
use tsdb::agent::AgentOptions;
use tsdb::wal::Compression;

use crate::settings::Settings;

/// Exemplars kept where the configuration does not say.
pub(crate) const EXEMPLARS_MAX: i64 = 100_000;

/// Exemplars to keep; they are kept only with their feature.
pub(crate) fn exemplars_max(settings: &Settings, config: &Config) -> usize {
    if !settings.has_feature("exemplar-storage") {
        return 0;
    }
    let section = config.storage.exemplars.as_ref();
    let exemplars = section.map_or(EXEMPLARS_MAX, |section| section.max_exemplars);
    usize::try_from(exemplars).unwrap_or(0)
}

/// What is kept of old blocks: the file's values, where it has any, before those of the flags.
pub(crate) fn retention(settings: &Settings, config: &Config) -> tsdb::Retention {
    let flags = &settings.flags;
    let mut retention = tsdb::Retention {
        time_ms: flags.int("storage.tsdb.retention.time"),
        bytes: u64::try_from(flags.int("storage.tsdb.retention.size")).unwrap_or(0),
        percentage: 0.0,
    };
    let section = config.storage.tsdb.as_ref();
    if let Some(section) = section.and_then(|tsdb| tsdb.retention.as_ref()) {
        if section.time.as_ms() > 0 {
            retention.time_ms = section.time.as_ms();
        }
        if let Ok(bytes @ 1..) = u64::try_from(section.size.as_bytes()) {
            retention.bytes = bytes;
        }
        retention.percentage = section.percentage;
    }
    retention
}

/// Milliseconds that samples may be late.
pub(crate) fn out_of_order_window_ms(config: &Config) -> i64 {
    let section = config.storage.tsdb.as_ref();
    section.map_or(0, |tsdb| tsdb.outofordertimewindow)
}

/// The database's options.
pub(crate) fn store_options(settings: &Settings, config: &Config) -> tsdb::Options {
    let flags = &settings.flags;
    let wal_compression = compression(
        flags.is_on("storage.tsdb.wal-compression"),
        flags.text("storage.tsdb.wal-compression-type"),
    );
    let no_lockfile = flags.is_on("storage.tsdb.no-lockfile");
    let default_floats = if settings.has_feature("xor2-encoding") {
        FloatEncoding::Xor2
    } else {
        FloatEncoding::Xor
    };
    let mut options = tsdb::Options {
        exemplars_max: exemplars_max(settings, config),
        no_lockfile,
        wal_compression,
        block_duration_ms: flags.int("storage.tsdb.min-block-duration"),
        block_duration_max_ms: flags.int("storage.tsdb.max-block-duration"),
        merge_overlapping: flags.is_on("storage.tsdb.allow-overlapping-compaction"),
        retention: retention(settings, config),
        out_of_order_window_ms: out_of_order_window_ms(config),
        float_encoding: configured_floats(config).unwrap_or(default_floats),
        histogram_start_timestamps: settings.has_feature("histograms-st-encoding"),
        store_start_timestamps: settings.has_feature("st-storage"),
        start_timestamps_as_zeros: settings.starts_as_zeros(),
        maintenance: true,
        memory_snapshot: settings.has_feature("memory-snapshot-on-shutdown"),
        snapshot_interval_ms: u64::try_from(flags.int("storage.tsdb.head-snapshot-interval"))
            .unwrap_or(0),
        replay_threads: settings.worker_threads,
        ..tsdb::Options::default()
    };
    if let Some(bytes) = segment_bytes(flags.int("storage.tsdb.wal-segment-size")) {
        options.wal_segment_bytes = bytes;
    }
    if let Ok(samples @ 1..) = u16::try_from(flags.int("storage.tsdb.samples-per-chunk")) {
        options.samples_per_chunk = samples;
    }
    options
}

/// How the file says that floats are encoded, if it does.
pub(crate) fn configured_floats(config: &Config) -> Option<FloatEncoding> {
    let encoding = config.storage.tsdb.as_ref()?.chunk_encoding.as_ref()?;
    match encoding.floats.as_str() {
        "xor" => Some(FloatEncoding::Xor),
        "xor2" => Some(FloatEncoding::Xor2),
        _ => None,
    }
}

/// The options of an agent's log.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "agent mode waits for the sending side")
)]
pub(crate) fn agent_options(settings: &Settings, config: &Config) -> AgentOptions {
    let flags = &settings.flags;
    let mut options = AgentOptions {
        wal_compression: compression(
            flags.is_on("storage.agent.wal-compression"),
            flags.text("storage.agent.wal-compression-type"),
        ),
        truncate_frequency_ms: flags.int("storage.agent.wal-truncate-frequency"),
        retention_min_ms: flags.int("storage.agent.retention.min-time"),
        retention_max_ms: flags.int("storage.agent.retention.max-time"),
        out_of_order_window_ms: out_of_order_window_ms(config),
        store_start_timestamps: settings.has_feature("st-storage"),
        start_timestamps_as_zeros: settings.starts_as_zeros(),
        no_lockfile: flags.is_on("storage.agent.no-lockfile"),
        ..AgentOptions::default()
    };
    if let Some(bytes) = segment_bytes(flags.int("storage.agent.wal-segment-size")) {
        options.wal_segment_bytes = bytes;
    }
    options
}

fn compression(is_on: bool, kind: &str) -> Compression {
    match kind {
        _ if !is_on => Compression::None,
        "zstd" => Compression::Zstd,
        _ => Compression::Snappy,
    }
}

/// Bytes of a log's segment, if the flag says.
fn segment_bytes(flag: i64) -> Option<u64> {
    u64::try_from(flag).ok().filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::flags::{Command, parse};

    fn options(arguments: &[&str]) -> AgentOptions {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let Ok(Command::Run(flags)) = parse(&arguments, "") else {
            panic!("{arguments:?}");
        };
        let settings = Settings::new(flags, &Environment::default());
        agent_options(&settings.expect("settings"), &Config::default())
    }

    #[test]
    fn an_agents_flags_choose_its_log() {
        let plain = options(&["--agent"]);
        assert_eq!(plain.wal_compression, Compression::Snappy);
        assert_eq!(plain.wal_segment_bytes, 128 << 20);
        let chosen = options(&[
            "--agent",
            "--storage.agent.wal-segment-size=16MB",
            "--storage.agent.wal-compression-type=zstd",
            "--storage.agent.wal-truncate-frequency=1h",
            "--storage.agent.retention.min-time=7m",
            "--storage.agent.retention.max-time=3h",
            "--storage.agent.no-lockfile",
            "--enable-feature=st-storage",
        ]);
        assert_eq!(chosen.wal_segment_bytes, 16 << 20);
        assert_eq!(chosen.wal_compression, Compression::Zstd);
        let times = (
            chosen.truncate_frequency_ms,
            chosen.retention_min_ms,
            chosen.retention_max_ms,
        );
        assert_eq!(times, (3_600_000, 420_000, 10_800_000));
        assert!(chosen.no_lockfile && chosen.store_start_timestamps);
        let off = options(&["--agent", "--no-storage.agent.wal-compression"]);
        assert_eq!(off.wal_compression, Compression::None);
    }
}
