//! Late samples out of their log.
//!
//! Chunks of late samples in head chunk files are taken up when the log names them: others were
//! made blocks already, and would bring back what was deleted since. Where the log is damaged or
//! gone, all are taken up: a sample twice is better than none.

use std::path::Path;

use model::Timestamp;
use model::sample::Value;

use super::super::Head;
use super::super::series::{LateChunk, LateSamples};
use super::super::visibility::SETTLED;
use crate::Error;
use crate::head_chunks::{ChunkRef, FoundChunk};
use crate::wal::record::{Record, decode};
use crate::wal::{self, Corruption, LogReader};

/// Reads the log of late samples in `dir`; the write-ahead log must have been read before, `chunks`
/// are those found in the head chunk files, in their order. Damage is returned beside what was read
/// before it.
pub(crate) fn replay_late(
    head: &Head,
    dir: &Path,
    chunks: &[FoundChunk],
) -> Result<Option<Corruption>, Error> {
    if wal::segments(dir)?.is_empty() {
        chunks.iter().for_each(|chunk| attach(head, chunk));
        return Ok(None);
    }
    let mut unknown = 0_u64;
    let mut add_sample =
        |(series_ref, times, value)| add(head, series_ref, times, value, &mut unknown);
    let mut reader = LogReader::open(dir, 0)?;
    let read = reader.for_each(|_, record| {
        match decode(record).map_err(|err| format!("decode record: {err}"))? {
            Record::Samples(samples) => samples
                .into_iter()
                .map(|sample| {
                    (
                        sample.series_ref,
                        (sample.timestamp, sample.start),
                        Value::Float(sample.value),
                    )
                })
                .for_each(&mut add_sample),
            Record::Histograms(samples) => samples
                .into_iter()
                .map(|sample| {
                    let times = (sample.timestamp, sample.start);
                    (sample.series_ref, times, sample.value)
                })
                .for_each(&mut add_sample),
            Record::MmapMarkers(markers) => {
                for (series_ref, chunk_ref) in markers {
                    mark(head, series_ref, ChunkRef::from(chunk_ref), chunks)
                        .map_err(|err| err.to_string())?;
                }
            }
            Record::Tombstones(tombstones) => {
                for tombstone in tombstones {
                    if let Some(slot) = head.series.refs.slot_of(tombstone.series_ref) {
                        head.remove_late(slot, tombstone.mint, tombstone.maxt)
                            .map_err(|err| err.to_string())?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    });
    if unknown > 0 {
        tracing::warn!(
            component = "tsdb",
            samples = unknown,
            "Unknown series references in the WBL"
        );
    }
    match read {
        Ok(()) => Ok(None),
        Err(Error::Corrupt(corruption)) => {
            chunks.iter().for_each(|chunk| attach(head, chunk));
            Ok(Some(corruption))
        }
        Err(err) => Err(err),
    }
}

/// Gives a chunk to its series, if it has not got it.
fn attach(head: &Head, chunk: &FoundChunk) {
    let slot = head.series.refs.slot_of(chunk.series_ref);
    let late = LateChunk {
        mint: chunk.mint,
        maxt: chunk.maxt,
        chunk_ref: chunk.chunk_ref,
    };
    if let Some(slot) = slot
        && let Some(mut strip) = head.series.lock(slot)
        && let Some(state) = strip.series_mut(slot)
        && !state
            .late()
            .is_some_and(|known| known.chunks().contains(&late))
    {
        state.late_mut().attach(late);
        head.out_of_order.cover(chunk.mint, chunk.maxt);
    }
}

fn add(
    head: &Head,
    series_ref: u64,
    (timestamp, start): (Timestamp, Timestamp),
    value: Value,
    unknown: &mut u64,
) {
    let Some(slot) = head.series.refs.slot_of(series_ref) else {
        *unknown += 1;
        return;
    };
    let Some(mut strip) = head.series.lock(slot) else {
        return;
    };
    let Some(state) = strip.series_mut(slot) else {
        return;
    };
    let start = if head.rules().encodings.holds_starts(&value) {
        start
    } else {
        0
    };
    // However long the list gets: the marker that ends it speaks of all since the one before.
    if state.late_mut().insert((timestamp, start), value, SETTLED) {
        head.out_of_order.cover(timestamp, timestamp);
    }
}

/// What the log said of the series since the marker before is in the chunk at `chunk_ref`, and in
/// those written with it, if they are found. If they are not, or if the marker names none because
/// the list was written to become a block, the samples of the log are kept as a chunk of their own:
/// the block may not have come about, and the chunk may have been lost with its writer's buffers.
/// Once the block is there, the log before the marker goes.
fn mark(
    head: &Head,
    series_ref: u64,
    chunk_ref: ChunkRef,
    chunks: &[FoundChunk],
) -> Result<(), Error> {
    let found = chunks.binary_search_by_key(&chunk_ref, |chunk| chunk.chunk_ref);
    if let Ok(at) = found {
        written_together(chunks, at).for_each(|chunk| attach(head, chunk));
    }
    let slot = head.series.refs.slot_of(series_ref);
    if let Some(slot) = slot
        && let Some(mut strip) = head.series.lock(slot)
        && let Some(state) = strip.series_mut(slot)
        && state.late().is_some_and(LateSamples::has_list)
    {
        let series_ref = state.series_ref;
        match found {
            Ok(_) => state.late_mut().forget_list(),
            Err(_) => {
                let encodings = head.rules().encodings;
                state.late_mut().write(series_ref, &head.files, encodings)?;
            }
        }
    }
    Ok(())
}

/// The chunk at `at` and those of the same list before it: a list becomes several chunks where the
/// kind of samples changes. They lie behind each other, in order of time.
fn written_together(chunks: &[FoundChunk], at: usize) -> impl Iterator<Item = &FoundChunk> {
    let mut first: Option<(u64, Timestamp)> = None;
    let until = chunks.get(..=at).unwrap_or_default().iter().rev();
    until.take_while(move |chunk| {
        let belongs = first
            .is_none_or(|(series_ref, mint)| chunk.series_ref == series_ref && chunk.maxt < mint);
        first = Some((chunk.series_ref, chunk.mint));
        belongs
    })
}
