//! Writing a checkpoint: a small log that stands for all segments up to a number.

use std::fs;
use std::path::{Path, PathBuf};

use telemetry::Registry;

use super::segment::{CHECKPOINT_PREFIX, checkpoints};
use super::writer::sync_dir;
use super::{Compression, SEGMENT_BYTES, Writer, WriterMetrics, segments};
use crate::Error;

/// A checkpoint in the making. Dropped unfinished, it leaves a folder that the next start removes.
#[derive(Debug)]
pub struct CheckpointWriter {
    dir: PathBuf,
    last_segment: u32,
    temporary: PathBuf,
    writer: Writer,
}

impl CheckpointWriter {
    /// Starts the checkpoint of the log in `dir` for segments up to `last_segment`.
    pub fn create(dir: &Path, last_segment: u32, compression: Compression) -> Result<Self, Error> {
        let temporary = dir.join(format!("{CHECKPOINT_PREFIX}{last_segment:08}.tmp"));
        if temporary.exists() {
            fs::remove_dir_all(&temporary).map_err(|err| Error::io("remove", &temporary, err))?;
        }
        fs::create_dir(&temporary).map_err(|err| Error::io("create", &temporary, err))?;
        // Its writes are not those of the log.
        let metrics = WriterMetrics::new(&Registry::new(), "checkpoint");
        let writer = Writer::create(&temporary, 0, SEGMENT_BYTES, compression, metrics)?;
        Ok(Self {
            dir: dir.to_owned(),
            last_segment,
            temporary,
            writer,
        })
    }

    /// Adds records.
    pub fn log(&mut self, records: &[Vec<u8>]) -> Result<(), Error> {
        self.writer.log(records)
    }

    /// Brings the checkpoint to the disk and publishes it. The segments it stands for can be
    /// deleted then.
    pub fn finish(mut self) -> Result<(), Error> {
        self.writer.close()?;
        sync_dir(&self.temporary)?;
        let path = self
            .dir
            .join(format!("{CHECKPOINT_PREFIX}{:08}", self.last_segment));
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|err| Error::io("remove", &path, err))?;
        }
        fs::rename(&self.temporary, &path)
            .map_err(|err| Error::io("rename", &self.temporary, err))?;
        sync_dir(&self.dir)
    }
}

/// Deletes the segments up to `last` of the log in `dir`.
pub(crate) fn remove_segments(dir: &Path, last: u32) -> Result<(), Error> {
    for (number, path) in segments(dir)? {
        if number <= last {
            fs::remove_file(&path).map_err(|err| Error::io("remove", &path, err))?;
        }
    }
    Ok(())
}

/// Deletes checkpoints of the log in `dir` for segments before `last`.
pub(crate) fn remove_checkpoints(dir: &Path, last: u32) -> Result<(), Error> {
    for checkpoint in checkpoints(dir)? {
        if checkpoint.last_segment < last {
            let path = &checkpoint.path;
            fs::remove_dir_all(path).map_err(|err| Error::io("remove", path, err))?;
        }
    }
    Ok(())
}
