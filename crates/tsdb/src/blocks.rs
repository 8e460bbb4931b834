//! The blocks of a data directory, as found when the database is opened.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Timestamp;
use parking_lot::RwLock;
use storage::Querier;

use crate::Error;
use crate::block::querier::BlockQuerier;
use crate::block::{Block, is_block_name};

/// Open blocks, oldest first. Read only: cutting, compacting and removing blocks is not built yet.
#[derive(Debug)]
pub(crate) struct Blocks {
    dir: PathBuf,
    blocks: RwLock<Vec<Arc<Block>>>,
}

impl Blocks {
    /// Opens every block in `dir`. A damaged one fails the start, as with the reference: going on
    /// without it would answer wrongly.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        Ok(Self {
            dir: dir.to_owned(),
            blocks: RwLock::new(load(dir)?),
        })
    }

    /// Looks again.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        *self.blocks.write() = load(&self.dir)?;
        Ok(())
    }

    /// Number of blocks.
    pub(crate) fn len(&self) -> usize {
        self.blocks.read().len()
    }

    /// First time of any block.
    pub(crate) fn min_time(&self) -> Option<Timestamp> {
        self.blocks
            .read()
            .iter()
            .map(|block| block.meta().min_time)
            .min()
    }

    /// End of the last block: the head begins here.
    pub(crate) fn max_time(&self) -> Option<Timestamp> {
        self.blocks
            .read()
            .iter()
            .map(|block| block.meta().max_time)
            .max()
    }

    /// Views of the blocks that reach into `mint..=maxt`.
    pub(crate) fn queriers(&self, mint: Timestamp, maxt: Timestamp) -> Vec<Box<dyn Querier>> {
        let mut queriers: Vec<Box<dyn Querier>> = Vec::new();
        for block in self.blocks.read().iter() {
            if block.meta().min_time <= maxt && mint < block.meta().max_time {
                queriers.push(Box::new(BlockQuerier::new(block.clone(), mint, maxt)));
            }
        }
        queriers
    }
}

fn load(dir: &Path) -> Result<Vec<Arc<Block>>, Error> {
    let entries = fs::read_dir(dir).map_err(|err| Error::io("read", dir, err))?;
    let mut blocks = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|err| Error::io("read", dir, err))?;
        let is_block = entry.file_name().to_str().is_some_and(is_block_name);
        if is_block && entry.path().is_dir() {
            blocks.push(Arc::new(Block::open(&entry.path())?));
        }
    }
    // What a compaction merged may still lie around after a crash; its result has it all.
    let merged: HashSet<String> = blocks
        .iter()
        .flat_map(|block| block.meta().compaction.parents.iter())
        .map(|parent| parent.ulid.clone())
        .collect();
    blocks
        .retain(|block| !merged.contains(&block.meta().ulid) && !block.meta().compaction.deletable);
    blocks.sort_by(|one, other| {
        let key = |block: &Block| (block.meta().min_time, block.meta().ulid.clone());
        key(one).cmp(&key(other))
    });
    for block in &blocks {
        tracing::info!(
            component = "tsdb",
            mint = block.meta().min_time,
            maxt = block.meta().max_time,
            ulid = block.meta().ulid,
            "Found healthy block"
        );
    }
    Ok(blocks)
}
