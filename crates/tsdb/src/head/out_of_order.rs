//! Samples that come out of order, within a window behind the head's newest one.
//!
//! They do not go to the write-ahead log and the open chunks but to a log of their own (`wbl`) and
//! to short sorted lists by series. A full list is written to a head chunk file; a *marker* in the
//! log, before the samples that come after it, says that what it said of the series before is in
//! that chunk. Format: `docs/internals/formats/wal.md`.

mod replay;

use crate::sync::atomic::{AtomicI64, AtomicU16, Ordering};

use crate::sync::Mutex;
use model::Timestamp;
use model::sample::Value;

use super::Head;
use super::append::{encode_all_histograms, encode_floats};
use super::series::{ChunkEncodings, LateSamples};
use crate::Error;
use crate::head_chunks::ChunkRef;
use crate::wal::record::{HistogramEntry, SampleEntry, encode_mmap_markers};
use crate::wal::{Batch, Writer};
pub(crate) use replay::replay_late;

/// What the head knows of late samples as a whole.
#[derive(Debug)]
pub(crate) struct OutOfOrder {
    /// Milliseconds behind the newest sample of the head that are taken; 0 for none.
    window_ms: AtomicI64,
    /// Samples of a list.
    list_len_max: AtomicU16,
    /// Their log; `None` until there is a window. Held while late samples are added.
    pub(crate) log: Mutex<Option<Writer>>,
    /// Markers that the log must have before any other sample of their series: writing them failed.
    /// Taken with the log held.
    owed: Mutex<Vec<(u64, u64)>>,
    min_time: AtomicI64,
    max_time: AtomicI64,
}

impl OutOfOrder {
    pub(crate) fn new(window_ms: i64, list_len_max: u16) -> Self {
        Self {
            window_ms: AtomicI64::new(window_ms),
            list_len_max: AtomicU16::new(list_len_max.max(1)),
            log: Mutex::new(None),
            owed: Mutex::default(),
            min_time: AtomicI64::new(Timestamp::MAX),
            max_time: AtomicI64::new(Timestamp::MIN),
        }
    }

    pub(crate) fn window_ms(&self) -> i64 {
        self.window_ms.load(Ordering::Acquire)
    }

    pub(crate) fn set_window_ms(&self, window_ms: i64) {
        self.window_ms.store(window_ms.max(0), Ordering::Release);
    }

    fn list_len_max(&self) -> usize {
        usize::from(self.list_len_max.load(Ordering::Acquire))
    }

    /// First and last time of late samples, if there are any.
    pub(crate) fn range(&self) -> Option<(Timestamp, Timestamp)> {
        let (min, max) = (
            self.min_time.load(Ordering::Acquire),
            self.max_time.load(Ordering::Acquire),
        );
        (min <= max).then_some((min, max))
    }

    /// Widens the range of late samples.
    pub(crate) fn cover(&self, mint: Timestamp, maxt: Timestamp) {
        self.min_time.fetch_min(mint, Ordering::AcqRel);
        self.max_time.fetch_max(maxt, Ordering::AcqRel);
    }

    /// Sets the range of late samples anew.
    pub(crate) fn reset_range(&self, range: Option<(Timestamp, Timestamp)>) {
        let (min, max) = range.unwrap_or((Timestamp::MAX, Timestamp::MIN));
        self.min_time.store(min, Ordering::Release);
        self.max_time.store(max, Ordering::Release);
    }
}

/// A late sample on its way.
#[derive(Debug, Clone)]
pub(crate) struct Late {
    pub(crate) slot: u32,
    pub(crate) series_ref: u64,
    pub(crate) timestamp: Timestamp,
    /// Start timestamp; 0 for none.
    pub(crate) start: Timestamp,
    pub(crate) value: Value,
}

/// Records that are not in the log yet.
#[derive(Debug, Default)]
struct Pending {
    markers: Vec<(u64, u64)>,
    samples: Vec<SampleEntry>,
    histograms: Vec<HistogramEntry>,
}

impl Pending {
    /// Nothing but the markers that are owed.
    fn owed(head: &Head) -> Self {
        Self {
            markers: std::mem::take(&mut *head.out_of_order.owed.lock()),
            ..Self::default()
        }
    }

    /// Keeps the markers for the next time.
    fn owe(self, head: &Head) {
        *head.out_of_order.owed.lock() = self.markers;
    }

    fn push(&mut self, late: &Late) {
        match &late.value {
            Value::Float(value) => self.samples.push(SampleEntry {
                series_ref: late.series_ref,
                timestamp: late.timestamp,
                start: late.start,
                value: *value,
            }),
            value => self.histograms.push(HistogramEntry {
                series_ref: late.series_ref,
                timestamp: late.timestamp,
                start: late.start,
                value: value.clone(),
            }),
        }
    }

    fn has_samples_of(&self, series_ref: u64) -> bool {
        self.samples
            .iter()
            .any(|sample| sample.series_ref == series_ref)
            || self
                .histograms
                .iter()
                .any(|sample| sample.series_ref == series_ref)
    }

    fn log(&mut self, head: &Head, writer: &mut Writer) -> Result<(), Error> {
        let mut records = Vec::new();
        if !self.markers.is_empty() {
            records.push(encode_mmap_markers(&self.markers));
        }
        let store_starts = head.rules().encodings.store_starts;
        if !self.samples.is_empty() {
            records.push(encode_floats(self.samples.iter(), store_starts));
        }
        records.extend(encode_all_histograms(&self.histograms, store_starts));
        if records.is_empty() {
            return Ok(());
        }
        writer.write(&Batch::pack(&records, head.wal_compression))?;
        *self = Self::default();
        Ok(())
    }
}

/// What became of late samples.
#[derive(Debug, Default)]
pub(crate) struct LateTally {
    pub(crate) floats: u64,
    pub(crate) histograms: u64,
    /// The list had a sample at that time.
    pub(crate) repeated: u64,
}

impl Head {
    /// Adds late samples of commit `sequence` and logs them; when it returns they are in the log.
    /// They stay invisible until the commit is published, except that a list which fills up is
    /// written with what was logged of it.
    pub(crate) fn add_late(&self, late: &[Late], sequence: u64) -> Result<LateTally, Error> {
        let mut tally = LateTally::default();
        if late.is_empty() {
            return Ok(tally);
        }
        let mut log = self.out_of_order.log.lock();
        let writer = log.as_mut().ok_or(Error::Closed)?;
        let mut pending = Pending::owed(self);
        let mut added = || {
            for sample in late {
                if !self.add_one_late(sample, sequence, &mut pending, writer)? {
                    tally.repeated += 1;
                    continue;
                }
                pending.push(sample);
                self.out_of_order.cover(sample.timestamp, sample.timestamp);
                match sample.value {
                    Value::Float(_) => tally.floats += 1,
                    _ => tally.histograms += 1,
                }
            }
            pending.log(self, writer)
        };
        if let Err(err) = added() {
            // Sent again, they must not pass for samples that are there.
            self.take_back(&pending);
            pending.owe(self);
            return Err(err);
        }
        Ok(tally)
    }

    /// Removes from their lists what could not be logged: no list with such samples was written.
    fn take_back(&self, pending: &Pending) {
        let floats = pending.samples.iter();
        let floats = floats.map(|sample| (sample.series_ref, sample.timestamp));
        let histograms = pending.histograms.iter();
        let histograms = histograms.map(|sample| (sample.series_ref, sample.timestamp));
        for (series_ref, timestamp) in floats.chain(histograms) {
            if let Some(slot) = self.series.refs.slot_of(series_ref)
                && let Some(mut strip) = self.series.lock(slot)
                && let Some(state) = strip.series_mut(slot)
                && state.late().is_some()
            {
                state.late_mut().take_back(timestamp);
                state.tidy_late();
            }
        }
    }

    fn add_one_late(
        &self,
        sample: &Late,
        sequence: u64,
        pending: &mut Pending,
        writer: &mut Writer,
    ) -> Result<bool, Error> {
        let encodings = self.rules().encodings;
        let full = self.late_list_len(sample.slot) >= self.out_of_order.list_len_max();
        if full && pending.has_samples_of(sample.series_ref) {
            // What goes to the chunk is logged before the marker that speaks of it.
            pending.log(self, writer)?;
        }
        let Some(mut strip) = self.series.lock(sample.slot) else {
            return Ok(false);
        };
        let Some(state) = strip.series_mut(sample.slot) else {
            return Ok(false);
        };
        let late = state.late_mut();
        if full {
            if let Some(chunk_ref) = late.write(sample.series_ref, &self.files, encodings)? {
                pending.markers.push((sample.series_ref, chunk_ref.into()));
            }
        } else if !late.has_list() {
            pending.markers.push((sample.series_ref, 0));
        }
        // A chunk that could not hold it must not be what makes the difference to a query.
        let start = if encodings.holds_starts(&sample.value) {
            sample.start
        } else {
            0
        };
        Ok(late.insert((sample.timestamp, start), sample.value.clone(), sequence))
    }

    fn late_list_len(&self, slot: u32) -> usize {
        self.series
            .lock(slot)
            .and_then(|strip| Some(strip.series(slot)?.late()?.list_len()))
            .unwrap_or(0)
    }

    /// Writes all lists to files, so that everything late is in chunks up to the place returned
    /// with the last segment of the log that speaks of them.
    pub(crate) fn write_late(&self) -> Result<Option<(ChunkRef, u32)>, Error> {
        // Nobody adds late samples meanwhile.
        let mut log = self.out_of_order.log.lock();
        let Some(writer) = log.as_mut() else {
            return Ok(None);
        };
        let encodings = self.rules().encodings;
        let mut pending = Pending::owed(self);
        let written = self.write_lists(&mut pending, encodings);
        // Should the blocks not come about, the log goes on: it must know what is in chunks.
        let logged = pending.log(self, writer);
        pending.owe(self);
        let last = written?;
        logged?;
        let segment = writer.segment();
        writer.next_segment()?;
        Ok(last.map(|last| (last, segment)))
    }

    /// Writes all lists; gives the place of the last chunk of late samples. Where a list went is
    /// noted in `pending`.
    fn write_lists(
        &self,
        pending: &mut Pending,
        encodings: ChunkEncodings,
    ) -> Result<Option<ChunkRef>, Error> {
        let mut last: Option<ChunkRef> = None;
        for slot in 0..self.series.len() {
            let Some(mut strip) = self.series.lock(slot) else {
                continue;
            };
            let Some(state) = strip.series_mut(slot) else {
                continue;
            };
            let series_ref = state.series_ref;
            if state.late().is_none() {
                continue;
            }
            let late: &mut LateSamples = state.late_mut();
            if late.has_list() {
                let chunk_ref = late.write(series_ref, &self.files, encodings)?;
                let chunk_ref = chunk_ref.map(u64::from);
                pending
                    .markers
                    .extend(chunk_ref.map(|chunk_ref| (series_ref, chunk_ref)));
            }
            last = last.max(late.chunks().iter().map(|chunk| chunk.chunk_ref).max());
        }
        Ok(last)
    }

    /// Forgets late samples in chunks up to `last`: they are in blocks.
    pub(crate) fn truncate_late(&self, last: ChunkRef) {
        self.readers.wait_for_those_before(Timestamp::MAX);
        let mut range: Option<(Timestamp, Timestamp)> = None;
        let log = self.out_of_order.log.lock();
        for slot in 0..self.series.len() {
            let Some(mut strip) = self.series.lock(slot) else {
                continue;
            };
            let Some(state) = strip.series_mut(slot) else {
                continue;
            };
            if state.late().is_some() {
                state.late_mut().truncate(last);
                state.tidy_late();
            }
            range = match (range, state.late().and_then(LateSamples::range)) {
                (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
                (one, other) => one.or(other),
            };
        }
        self.out_of_order.reset_range(range);
        drop(log);
    }
}
