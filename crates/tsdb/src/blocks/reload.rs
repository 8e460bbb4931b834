//! Looking at the directory: what is new is opened, what is not needed is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use super::Blocks;
use crate::Error;
use crate::block::meta::{self, Meta};
use crate::block::{Block, BlockError, is_block_name};

/// Ending of a block's folder that is being removed.
const DELETION_SUFFIX: &str = ".tmp-for-deletion";
/// Endings of folders that work cut short leaves behind.
const LEFTOVER_SUFFIXES: [&str; 3] = [".tmp-for-creation", DELETION_SUFFIX, ".tmp"];

/// What a look at the directory found.
#[derive(Debug, Default)]
struct Found {
    blocks: Vec<Arc<Block>>,
    damaged: BTreeMap<String, BlockError>,
}

impl Blocks {
    /// Makes the open blocks those of the directory. `head_bytes` is what the log and the head's
    /// chunk files take, which counts for the retention. A damaged block that no other has replaced
    /// is an error, and the open blocks stay as they are.
    pub(crate) fn reload(&self, head_bytes: u64) -> Result<(), Error> {
        self.reload_within(head_bytes, |publish| publish())
    }

    /// As [`reload`](Self::reload); `within` calls what makes the blocks visible, which is quick:
    /// they are open before, and what is not needed is closed and removed afterwards.
    pub(crate) fn reload_within(
        &self,
        head_bytes: u64,
        within: impl FnOnce(&mut dyn FnMut()),
    ) -> Result<(), Error> {
        let _reloading = self.reloading.lock();
        self.metrics.reloads.inc();
        let reloaded = self.reload_locked(head_bytes, within);
        if reloaded.is_err() {
            self.metrics.reload_failures.inc();
        }
        reloaded
    }

    fn reload_locked(
        &self,
        head_bytes: u64,
        within: impl FnOnce(&mut dyn FnMut()),
    ) -> Result<(), Error> {
        let open = self.list();
        let mut found = open_all(&self.dir, &open)?;
        let retention = *self.retention.lock();
        let mut unwanted = retention.beyond(&found.blocks, head_bytes, &self.dir, &self.metrics);
        for block in &found.blocks {
            let meta = block.meta();
            if meta.compaction.deletable {
                unwanted.insert(meta.ulid.clone());
            }
            // What was merged is in the result. A crash before the removal is made good here.
            for parent in &meta.compaction.parents {
                if found.damaged.remove(&parent.ulid).is_some() {
                    tracing::warn!(
                        component = "tsdb",
                        block = parent.ulid,
                        "Found corrupted block, but replaced by compacted one, so it's safe to delete. This should not happen with atomic deletes."
                    );
                }
                unwanted.insert(parent.ulid.clone());
            }
        }
        if !found.damaged.is_empty() {
            return Err(Error::CorruptedBlocks(found.damaged));
        }
        let mut loaded = found.blocks;
        loaded.retain(|block| !unwanted.contains(&block.meta().ulid));
        loaded.sort_by_key(|block| (block.meta().min_time, block.meta().ulid.clone()));
        report(&open, &loaded, self.merge_overlapping);
        // `open` keeps the blocks that go until they are out of sight.
        within(&mut || *self.blocks.write() = std::mem::take(&mut loaded));
        drop(open);
        for ulid in unwanted {
            remove_block(&self.dir, &ulid)?;
        }
        Ok(())
    }
}

/// Opens the blocks of the directory that are not among `open`.
fn open_all(dir: &Path, open: &[Arc<Block>]) -> Result<Found, Error> {
    let entries = fs::read_dir(dir).map_err(|err| Error::io("read", dir, err))?;
    let mut found = Found::default();
    for entry in entries {
        let entry = entry.map_err(|err| Error::io("read", dir, err))?;
        let path = entry.path();
        let is_block = entry.file_name().to_str().is_some_and(is_block_name);
        if !is_block || !path.is_dir() {
            continue;
        }
        let text = fs::read(path.join(meta::FILE_NAME)).map_err(|err| err.to_string());
        let meta = match text.and_then(|text| Meta::parse(&text)) {
            Ok(meta) => meta,
            Err(err) => {
                tracing::error!(
                    component = "tsdb",
                    dir = %path.display(),
                    err,
                    "Failed to read meta.json for a block during reloadBlocks. Skipping"
                );
                continue;
            }
        };
        let known = open.iter().find(|block| block.meta().ulid == meta.ulid);
        match known.map_or_else(
            || Block::open(&path).map(Arc::new),
            |block| Ok(block.clone()),
        ) {
            Ok(block) => found.blocks.push(block),
            Err(err) => {
                found.damaged.insert(meta.ulid, err);
            }
        }
    }
    Ok(found)
}

/// Says which blocks are new and whether some share times.
fn report(open: &[Arc<Block>], loaded: &[Arc<Block>], merge_overlapping: bool) {
    let known: BTreeSet<String> = open.iter().map(|block| block.meta().ulid.clone()).collect();
    let mut end = i64::MIN;
    for block in loaded {
        let meta = block.meta();
        if !known.contains(&meta.ulid) {
            tracing::info!(
                component = "tsdb",
                mint = meta.min_time,
                maxt = meta.max_time,
                ulid = meta.ulid,
                "Found healthy block"
            );
        }
        if meta.min_time < end && merge_overlapping {
            tracing::warn!(
                component = "tsdb",
                ulid = meta.ulid,
                mint = meta.min_time,
                maxt = meta.max_time,
                "Overlapping blocks found during reloadBlocks"
            );
        }
        end = end.max(meta.max_time);
    }
}

/// Removes a block's folder, if it is there: under another name first, so that a crash leaves no
/// half of a block.
pub(super) fn remove_block(dir: &Path, ulid: &str) -> Result<(), Error> {
    let path = dir.join(ulid);
    if !is_block_name(ulid) || !path.exists() {
        return Ok(());
    }
    let renamed = dir.join(format!("{ulid}{DELETION_SUFFIX}"));
    if renamed.exists() {
        fs::remove_dir_all(&renamed).map_err(|err| Error::io("remove", &renamed, err))?;
    }
    fs::rename(&path, &renamed).map_err(|err| Error::io("rename", &path, err))?;
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|err| Error::io("sync", dir, err))?;
    fs::remove_dir_all(&renamed).map_err(|err| Error::io("remove", &renamed, err))?;
    tracing::info!(component = "tsdb", block = ulid, "Deleting obsolete block");
    Ok(())
}

/// Removes what work that was cut short left in `dir`; what cannot be removed is reported and left.
pub(super) fn remove_leftovers(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if !name.to_str().is_some_and(is_leftover) || !path.is_dir() {
            continue;
        }
        match fs::remove_dir_all(&path) {
            Ok(()) => tracing::info!(
                component = "tsdb",
                dir = %path.display(),
                "Found and deleted tmp block dir"
            ),
            Err(err) => tracing::error!(
                component = "tsdb",
                dir = %path.display(),
                err = %err,
                "Failed to delete tmp block dir"
            ),
        }
    }
}

/// Whether a folder of this name is half of a block, checkpoint or head snapshot.
fn is_leftover(name: &str) -> bool {
    let stem = LEFTOVER_SUFFIXES
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix));
    stem.is_some_and(|stem| {
        is_block_name(stem)
            || stem.starts_with("checkpoint.")
            || stem.starts_with("chunk_snapshot.")
    })
}
