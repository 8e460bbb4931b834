//! `meta.json` of a block.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use model::Timestamp;

/// The file's name in the block's folder.
pub const FILE_NAME: &str = "meta.json";
/// Hint that samples came into the head out of order.
pub const FROM_OUT_OF_ORDER: &str = "from-out-of-order";
/// Hint that the block has series that had gone stale in the head.
pub const FROM_STALE_SERIES: &str = "from-stale-series";
/// Hint that the block has series that were chosen in the head.
pub const FROM_SELECTED_SERIES: &str = "from-selected-series";

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

impl Meta {
    /// Reads the file's contents.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let meta: Self = serde_json::from_slice(text).map_err(|err| err.to_string())?;
        if meta.version != 1 {
            return Err(format!("unexpected meta file version {}", meta.version));
        }
        Ok(meta)
    }

    /// The file as the reference writes it: indented by tabs, no newline at the end.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
        // Writing plain structs to memory does not fail.
        let _ = self.serialize(&mut serializer);
        text
    }

    /// Whether the block has what was appended in order, up to its end: the head goes on there.
    pub fn is_in_order(&self) -> bool {
        const ASIDE: [&str; 3] = [FROM_OUT_OF_ORDER, FROM_STALE_SERIES, FROM_SELECTED_SERIES];
        let mut hints = self.compaction.hints.iter();
        !hints.any(|hint| ASIDE.contains(&hint.as_str()))
    }
}

impl Meta {
    /// Whether the block surely [is in order](Self::is_in_order). One that was merged from blocks that
    /// overlap may not be: the reference merges blocks of late samples that reach beyond what is in
    /// order, and the result does not say so. `range_ms` is what a block of level 1 covers.
    pub fn is_surely_in_order(&self, range_ms: i64) -> bool {
        let mut parents: Vec<_> = self.compaction.parents.iter().collect();
        parents.sort_by_key(|parent| parent.min_time);
        let overlap = parents.windows(2).any(|pair| match pair {
            [before, after] => before.max_time > after.min_time,
            _ => false,
        });
        let covered = self.max_time.saturating_sub(self.min_time);
        // More blocks went into it than lie side by side in its range.
        let side_by_side = covered.saturating_sub(1).max(0) / range_ms.max(1) + 1;
        let piled = self.compaction.sources.len() as i64 > side_by_side;
        self.is_in_order() && !overlap && !piled
    }
}

/// Puts `bytes` in the place of the file `name` in `folder` in one step, by way of `name`.tmp, and
/// on the disk.
pub(crate) fn replace_file(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.tmp"));
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(name))?;
    File::open(folder)?.sync_all()
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
