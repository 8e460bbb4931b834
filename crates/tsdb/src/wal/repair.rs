//! Cutting a damaged log back to its good beginning.

use std::fs::{self, File};
use std::path::Path;

use super::segment::segment_path;
use super::writer::sync_dir;
use super::{Compression, Corruption, Records, Writer, WriterMetrics, segments};
use crate::Error;

/// Deletes everything from `corruption` on: later segments whole, the damaged one rewritten with
/// the records before the damage. Afterwards the log is good and ends with that segment.
pub fn repair(
    dir: &Path,
    corruption: &Corruption,
    segment_bytes: u64,
    compression: Compression,
    metrics: &WriterMetrics,
) -> Result<(), Error> {
    tracing::warn!(
        component = "tsdb",
        segment = corruption.segment,
        offset = corruption.offset,
        "Starting corruption repair"
    );
    for (number, path) in segments(dir)?.into_iter().rev() {
        if number > corruption.segment {
            tracing::warn!(
                component = "tsdb",
                segment = number,
                "Deleting all segments newer than corrupted segment"
            );
            fs::remove_file(&path).map_err(|err| Error::io("remove", &path, err))?;
        }
    }
    let bad = dir.join(format!("{:08}.repair", corruption.segment));
    // The name on disk may have another number of digits than ours.
    fs::rename(&corruption.path, &bad).map_err(|err| Error::io("rename", &corruption.path, err))?;
    tracing::warn!(
        component = "tsdb",
        segment = corruption.segment,
        "Rewrite corrupted segment"
    );
    copy_good(dir, &bad, corruption, segment_bytes, compression, metrics)?;
    fs::remove_file(&bad).map_err(|err| Error::io("remove", &bad, err))?;
    sync_dir(dir)
}

fn copy_good(
    dir: &Path,
    bad: &Path,
    corruption: &Corruption,
    segment_bytes: u64,
    compression: Compression,
    metrics: &WriterMetrics,
) -> Result<(), Error> {
    let source = File::open(bad).map_err(|err| Error::io("open", bad, err))?;
    // A crash in here leaves the `.repair` file as it was, under a name that readers ignore.
    let target = segment_path(dir, corruption.segment);
    if target.exists() {
        fs::remove_file(&target).map_err(|err| Error::io("remove", &target, err))?;
    }
    let mut writer = Writer::create(
        dir,
        corruption.segment,
        segment_bytes,
        compression,
        metrics.clone(),
    )?;
    let mut records = Records::new(source);
    // Up to the damage: the reader stops there by itself, or the caller found a record bad.
    while let Ok(Some(record)) = records.next_record() {
        // All records were in one segment; recompressed they fit one again or, at worst, roll.
        let record = record.to_vec();
        if records.record_start() >= corruption.offset {
            break;
        }
        writer.log(&[record])?;
    }
    writer.close()
}
