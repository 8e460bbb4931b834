//! `meta.json` of a block.

use serde::{Deserialize, Serialize};

use model::Timestamp;

/// What a block says about itself. Keys that we do not know (other programs add theirs) are
/// ignored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Name of the block's folder.
    pub ulid: String,
    /// First time, included.
    pub min_time: Timestamp,
    /// Last time, excluded.
    pub max_time: Timestamp,
    /// Counts; only informative.
    #[serde(default)]
    pub stats: Stats,
    /// Where the block comes from.
    #[serde(default)]
    pub compaction: Compaction,
    /// Format; 1.
    pub version: u32,
}

/// Counts of a block's contents.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stats {
    /// Samples of all kinds.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_samples: u64,
    /// Float samples.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_float_samples: u64,
    /// Native histogram samples.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_histogram_samples: u64,
    /// Series.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_series: u64,
    /// Chunks.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_chunks: u64,
    /// Tombstones.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_tombstones: u64,
}

/// How a block came about.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Compaction {
    /// 1 for a block cut from the head.
    pub level: u32,
    /// Blocks of level 1 that went into it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Nothing in it is needed any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deletable: bool,
    /// Blocks that were merged into it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Parent>,
    /// A compaction of it failed; leave it alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// Further remarks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// A block that was merged into another.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Parent {
    /// Its name.
    pub ulid: String,
    /// Its first time.
    pub min_time: Timestamp,
    /// Its last time, excluded.
    pub max_time: Timestamp,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
