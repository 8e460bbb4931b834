//! The storage section.

use model::config_value::{ByteSize, Duration};

yaml::record! {
    /// Storage settings.
    #[derive(Debug, Clone, PartialEq)]
    pub struct StorageConfig: "config.StorageConfig", open {
        /// The sample database.
        pub tsdb: Option<TsdbConfig> => omit "tsdb";
        /// Exemplars.
        pub exemplars: Option<ExemplarsConfig> => omit "exemplars";
    }
}

yaml::record! {
    /// Settings of the sample database.
    #[derive(Debug, Clone, PartialEq)]
    pub struct TsdbConfig: "config.TSDBConfig", checked "config.plain" {
        /// The window in milliseconds, printed as the reference prints it. Set from the next field.
        pub outofordertimewindow: i64 => keep "outofordertimewindow";
        /// How old out-of-order samples may be.
        pub out_of_order_time_window: Duration => omit "out_of_order_time_window";
        /// Share of stale series that starts an early compaction; 0 is never.
        pub stale_series_compaction_threshold: f64 => omit "stale_series_compaction_threshold";
        /// How samples are packed.
        pub chunk_encoding: Option<ChunkEncoding> => omit "chunk_encoding";
        /// How long data is kept; replaces the command line's values.
        pub retention: Option<RetentionConfig> => omit "retention";
    }
}

yaml::record! {
    /// How samples are packed.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ChunkEncoding: "config.ChunkEncodingConfig", checked "config.plain" {
        /// `xor` or `xor2`.
        pub floats: String => omit "floats";
    }
}

yaml::record! {
    /// How long data is kept.
    #[derive(Debug, Clone, PartialEq)]
    pub struct RetentionConfig: "config.TSDBRetentionConfig", checked "config.plain" {
        /// Age.
        pub time: Duration => omit "time";
        /// Size on disk; 0 is no limit.
        pub size: ByteSize => omit "size";
        /// Share of the file system in percent; 0 is no limit.
        pub percentage: f64 => omit "percentage";
    }
}

yaml::record! {
    /// Settings of exemplars.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ExemplarsConfig: "config.ExemplarsConfig", open {
        /// Exemplars kept in memory.
        pub max_exemplars: i64 => omit "max_exemplars";
    }
}

impl TsdbConfig {
    #[expect(clippy::unnecessary_wraps, reason = "the shape records share")]
    fn check(&mut self) -> Result<(), String> {
        self.outofordertimewindow = self.out_of_order_time_window.as_ms();
        Ok(())
    }
}

impl ChunkEncoding {
    fn check(&mut self) -> Result<(), String> {
        match self.floats.as_str() {
            "" | "xor" | "xor2" => Ok(()),
            other => Err(format!(
                "unknown float chunk encoding {other:?}, supported: xor, xor2"
            )),
        }
    }
}

impl RetentionConfig {
    fn check(&mut self) -> Result<(), String> {
        if self.size.as_bytes() < 0 {
            return Err("'storage.tsdb.retention.size' must be greater than or equal to 0".into());
        }
        if !(0.0..=100.0).contains(&self.percentage) {
            return Err("'storage.tsdb.retention.percentage' must be in the range [0, 100]".into());
        }
        Ok(())
    }
}
