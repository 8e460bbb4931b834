//! How far the head was cut, in a file of our own: `docs/internals/formats/block_meta.md`.

use std::io;
use std::path::Path;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::block::meta::replace_file;

const NAME: &str = "ferula_head.json";

#[derive(Debug, Serialize, Deserialize)]
struct CutUntil {
    /// Milliseconds.
    cut_until: Timestamp,
}

/// What the file in `dir` says; the beginning of time if there is none or it cannot be read: then
/// more of the log is read than would be needed.
pub(super) fn read(dir: &Path) -> Timestamp {
    let text = std::fs::read(dir.join(NAME)).unwrap_or_default();
    serde_json::from_slice(&text).map_or(Timestamp::MIN, |cut: CutUntil| cut.cut_until)
}

/// Writes the file.
pub(super) fn write(dir: &Path, cut_until: Timestamp) -> io::Result<()> {
    let text = serde_json::to_vec(&CutUntil { cut_until })?;
    replace_file(dir, NAME, &text)
}
