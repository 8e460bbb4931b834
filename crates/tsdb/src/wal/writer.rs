//! Records into segments: one write for each batch, nothing half-written left behind.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use telemetry::{Counter, CounterFamily, Gauge, Registry, Summary};

use super::segment::segment_path;
use super::{
    Batch, Compression, FRAGMENT_FIRST, FRAGMENT_FULL, FRAGMENT_HEADER_BYTES, FRAGMENT_LAST,
    FRAGMENT_MIDDLE, PAGE_BYTES,
};
use crate::Error;
use crate::memory_snapshot::folder::Position;

/// Bytes of the framing buffer that outlive a batch.
const FRAMED_BYTES_KEPT: usize = 1 << 20;

/// Instruments of a log, under the reference's names.
#[derive(Debug, Clone)]
pub struct WriterMetrics {
    fsync_duration: Summary,
    page_flushes: Counter,
    pages_completed: Counter,
    writes_failed: Counter,
    segment_current: Gauge,
    record_part_writes: Counter,
    record_part_bytes: Counter,
    record_bytes_saved: CounterFamily,
    /// Attempts to delete what lies before a checkpoint.
    pub(crate) truncations: Counter,
    /// Those that failed.
    pub(crate) truncations_failed: Counter,
}

impl WriterMetrics {
    /// Registers the instruments with names that begin with `prefix`.
    pub fn new(registry: &Registry, prefix: &str) -> Self {
        let counter = |name: &str, help: &str| registry.counter(&format!("{prefix}_{name}"), help);
        Self {
            fsync_duration: registry.summary(
                &format!("{prefix}_fsync_duration_seconds"),
                "Duration of write log fsync.",
                &[0.5, 0.9, 0.99],
            ),
            page_flushes: counter("page_flushes_total", "Total number of page flushes."),
            pages_completed: counter("completed_pages_total", "Total number of completed pages."),
            writes_failed: counter(
                "writes_failed_total",
                "Total number of write log writes that failed.",
            ),
            segment_current: registry.gauge(
                &format!("{prefix}_segment_current"),
                "Write log segment index that TSDB is currently writing to.",
            ),
            record_part_writes: counter(
                "record_part_writes_total",
                "Total number of record parts written before flushing.",
            ),
            record_part_bytes: counter(
                "record_parts_bytes_written_total",
                "Total number of record part bytes written before flushing, including CRC and compression headers.",
            ),
            record_bytes_saved: registry.counter_family(
                &format!("{prefix}_record_bytes_saved_total"),
                "Total number of bytes saved by the optional record compression.",
                &["compression"],
            ),
            truncations: counter(
                "truncations_total",
                "Total number of write log truncations attempted.",
            ),
            truncations_failed: counter(
                "truncations_failed_total",
                "Total number of write log truncations that failed.",
            ),
        }
    }
}

/// The end of a log. Not shared: its owner puts a lock around it.
pub struct Writer {
    dir: PathBuf,
    segment_bytes: u64,
    compression: Compression,
    /// Visible to the tests of the log, which take it away to make writes fail.
    pub(super) file: File,
    segment: u32,
    /// End of the last good batch; the next one goes here.
    offset: u64,
    /// Bytes of a failed batch may lie behind `offset`.
    tail_dirty: bool,
    /// A sync failed: what the disk holds is unknown, and a later sync may wrongly say all is well.
    unsynced: bool,
    framed: Vec<u8>,
    metrics: WriterMetrics,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("dir", &self.dir)
            .field("segment", &self.segment)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts segment `segment` in `dir`, which must not exist yet.
    pub fn create(
        dir: &Path,
        segment: u32,
        segment_bytes: u64,
        compression: Compression,
        metrics: WriterMetrics,
    ) -> Result<Self, Error> {
        if segment_bytes == 0 || !segment_bytes.is_multiple_of(PAGE_BYTES as u64) {
            return Err(Error::InvalidOption("invalid segment size".to_owned()));
        }
        let file = create_segment(dir, segment)?;
        metrics.segment_current.set(f64::from(segment));
        Ok(Self {
            dir: dir.to_owned(),
            segment_bytes,
            compression,
            file,
            segment,
            offset: 0,
            tail_dirty: false,
            unsynced: false,
            framed: Vec::new(),
            metrics,
        })
    }

    /// Where the next batch goes.
    pub(crate) fn position(&self) -> Position {
        Position {
            segment: self.segment,
            offset: self.offset,
        }
    }

    /// Its instruments.
    pub(crate) fn metrics(&self) -> &WriterMetrics {
        &self.metrics
    }

    /// The log's directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Number of the open segment.
    pub fn segment(&self) -> u32 {
        self.segment
    }

    /// Writes `records` as one [`Batch`].
    pub fn log(&mut self, records: &[Vec<u8>]) -> Result<(), Error> {
        self.write(&Batch::pack(records, self.compression))
    }

    /// Writes the records of `batch` behind each other with one write, all into one segment. On an
    /// error none of them is in the log: what was written of them is cut off, at once or before
    /// the next batch.
    pub fn write(&mut self, batch: &Batch) -> Result<(), Error> {
        let result = self.try_write(batch);
        if result.is_err() {
            self.metrics.writes_failed.inc();
        }
        result
    }

    fn try_write(&mut self, batch: &Batch) -> Result<(), Error> {
        if self.unsynced {
            let path = segment_path(&self.dir, self.segment);
            let err = std::io::Error::other("an earlier sync failed");
            return Err(Error::io("write", &path, err));
        }
        self.cut_dirty_tail()?;
        if self.offset > 0 && framed_end(self.offset, batch) > self.segment_bytes {
            self.next_segment()?;
        }
        self.framed.clear();
        // Kept for the next batch, unless this one was out of the ordinary.
        self.framed.shrink_to(FRAMED_BYTES_KEPT);
        for (record, flags) in batch.iter() {
            let parts = frame(&mut self.framed, self.offset, record, flags);
            self.metrics.record_part_writes.add(parts as f64);
        }
        self.write_framed()?;
        let saved = self
            .metrics
            .record_bytes_saved
            .with(&[batch.compression().as_str()]);
        saved.add(batch.saved_bytes() as f64);
        Ok(())
    }

    fn write_framed(&mut self) -> Result<(), Error> {
        let end = self.offset + self.framed.len() as u64;
        if let Err(err) = self.file.write_all_at(&self.framed, self.offset) {
            self.tail_dirty = true;
            // A full disk takes nothing, but gives back what the failed batch got.
            let _ = self.cut_dirty_tail();
            return Err(Error::io(
                "write",
                &segment_path(&self.dir, self.segment),
                err,
            ));
        }
        let pages = end / PAGE_BYTES as u64 - self.offset / PAGE_BYTES as u64;
        self.metrics.pages_completed.add(pages as f64);
        self.metrics
            .page_flushes
            .add(pages as f64 + f64::from(!end.is_multiple_of(PAGE_BYTES as u64)));
        self.metrics.record_part_bytes.add(self.framed.len() as f64);
        self.offset = end;
        Ok(())
    }

    /// Cuts what a failed batch left behind.
    fn cut_dirty_tail(&mut self) -> Result<(), Error> {
        if !self.tail_dirty {
            return Ok(());
        }
        let path = || segment_path(&self.dir, self.segment);
        self.file
            .set_len(self.offset)
            .map_err(|err| Error::io("truncate", &path(), err))?;
        self.tail_dirty = false;
        Ok(())
    }

    /// Pads and syncs the open segment and starts the next one. If that fails, the open segment
    /// stays open and whole.
    pub fn next_segment(&mut self) -> Result<(), Error> {
        self.finish_segment()?;
        let next = self
            .segment
            .checked_add(1)
            .ok_or_else(|| Error::InvalidOption("segment numbers are used up".to_owned()))?;
        self.file = create_segment(&self.dir, next)?;
        self.segment = next;
        self.offset = 0;
        self.metrics.segment_current.set(f64::from(next));
        Ok(())
    }

    /// Pads the open page with zeros and syncs the segment.
    fn finish_segment(&mut self) -> Result<(), Error> {
        self.pad_page()?;
        self.sync()
    }

    fn pad_page(&mut self) -> Result<(), Error> {
        self.cut_dirty_tail()?;
        let used = self.offset % PAGE_BYTES as u64;
        if used == 0 {
            return Ok(());
        }
        self.framed.clear();
        self.framed.resize(PAGE_BYTES - used as usize, 0);
        self.write_framed()
    }

    /// Brings everything logged to the disk.
    pub fn sync(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        let result = self.file.sync_data();
        self.metrics
            .fsync_duration
            .observe(start.elapsed().as_secs_f64());
        self.unsynced |= result
            .as_ref()
            .is_err_and(|err| err.kind() != ErrorKind::StorageFull);
        result.map_err(|err| Error::io("sync", &segment_path(&self.dir, self.segment), err))
    }

    /// Pads and syncs the open segment. The log takes nothing more after it but a new
    /// [`create`](Self::create).
    pub fn close(&mut self) -> Result<(), Error> {
        let padded = self.pad_page();
        self.sync()?;
        match padded {
            // A log may end inside a page: on a full disk nothing is missing.
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::StorageFull => Ok(()),
            padded => padded,
        }
    }
}

fn create_segment(dir: &Path, number: u32) -> Result<File, Error> {
    let path = segment_path(dir, number);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(|err| Error::io("create", &path, err))?;
    if let Err(err) = sync_dir(dir) {
        // Not left behind: the next attempt wants this name.
        let _ = fs::remove_file(&path);
        return Err(err);
    }
    Ok(file)
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir)
        .and_then(|handle| handle.sync_all())
        .map_err(|err| Error::io("sync", dir, err))
}

/// Creates `dir` and makes its name durable.
pub(crate) fn create_dir(dir: &Path) -> Result<(), Error> {
    fs::create_dir_all(dir).map_err(|err| Error::io("create", dir, err))?;
    dir.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or(Ok(()), sync_dir)
}

fn page_free(offset: u64) -> usize {
    PAGE_BYTES - (offset % PAGE_BYTES as u64) as usize
}

/// Where a batch would end that begins at `offset`.
fn framed_end(offset: u64, batch: &Batch) -> u64 {
    let mut at = offset;
    for (record, _) in batch.iter() {
        let mut rest = record.len();
        loop {
            if page_free(at) < FRAGMENT_HEADER_BYTES {
                at += page_free(at) as u64;
            }
            let part = rest.min(page_free(at) - FRAGMENT_HEADER_BYTES);
            at += (FRAGMENT_HEADER_BYTES + part) as u64;
            rest -= part;
            if rest == 0 {
                break;
            }
        }
    }
    at
}

/// Appends the fragments of `record` to `framed`, which begins at `base` in its segment; returns
/// how many there are.
fn frame(framed: &mut Vec<u8>, base: u64, record: &[u8], flags: u8) -> usize {
    let mut rest = record;
    let mut parts = 0;
    loop {
        pad_page_end(framed, base);
        let free = page_free(base + framed.len() as u64) - FRAGMENT_HEADER_BYTES;
        let (part, after) = rest.split_at(rest.len().min(free));
        let kind = match (parts, after.is_empty()) {
            (0, true) => FRAGMENT_FULL,
            (0, false) => FRAGMENT_FIRST,
            (_, false) => FRAGMENT_MIDDLE,
            (_, true) => FRAGMENT_LAST,
        };
        framed.push(kind | flags);
        framed.extend_from_slice(&(part.len() as u16).to_be_bytes());
        framed.extend_from_slice(&crc32c::crc32c(part).to_be_bytes());
        framed.extend_from_slice(part);
        parts += 1;
        rest = after;
        if rest.is_empty() {
            pad_page_end(framed, base);
            return parts;
        }
    }
}

/// Fills a page in which no fragment fits any more.
fn pad_page_end(framed: &mut Vec<u8>, base: u64) {
    let free = page_free(base + framed.len() as u64);
    if free < FRAGMENT_HEADER_BYTES {
        framed.resize(framed.len() + free, 0);
    }
}
