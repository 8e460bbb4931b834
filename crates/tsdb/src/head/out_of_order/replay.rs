//! Late samples out of their log.

use std::path::Path;

use model::Timestamp;
use model::sample::Value;

use super::super::Head;
use super::super::visibility::SETTLED;
use crate::Error;
use crate::head_chunks::ChunkRef;
use crate::wal::record::{Record, decode};
use crate::wal::{Corruption, LogReader};

/// Reads the log of late samples in `dir`; the write-ahead log and the head chunk files must have
/// been read before. Damage is returned beside what was read before it.
pub(crate) fn replay_late(
    head: &Head,
    dir: &Path,
    last_chunk: ChunkRef,
) -> Result<Option<Corruption>, Error> {
    if !dir.exists() {
        return Ok(None);
    }
    let mut unknown = 0_u64;
    let mut reader = LogReader::open(dir, 0)?;
    let read = reader.for_each(|_, record| {
        match decode(record).map_err(|err| format!("decode record: {err}"))? {
            Record::Samples(samples) => {
                for sample in samples {
                    let value = Value::Float(sample.value);
                    add(
                        head,
                        sample.series_ref,
                        sample.timestamp,
                        value,
                        &mut unknown,
                    )
                    .map_err(|err| err.to_string())?;
                }
            }
            Record::Histograms(samples) => {
                for sample in samples {
                    let value = sample.value;
                    add(
                        head,
                        sample.series_ref,
                        sample.timestamp,
                        value,
                        &mut unknown,
                    )
                    .map_err(|err| err.to_string())?;
                }
            }
            Record::MmapMarkers(markers) => {
                for (series_ref, chunk_ref) in markers {
                    mark(head, series_ref, ChunkRef::from(chunk_ref), last_chunk);
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
        Err(Error::Corrupt(corruption)) => Ok(Some(corruption)),
        Err(err) => Err(err),
    }
}

fn add(
    head: &Head,
    series_ref: u64,
    timestamp: Timestamp,
    value: Value,
    unknown: &mut u64,
) -> Result<(), Error> {
    let Some(slot) = head.series.refs.slot_of(series_ref) else {
        *unknown += 1;
        return Ok(());
    };
    let Some(mut strip) = head.series.lock(slot) else {
        return Ok(());
    };
    let Some(state) = strip.series_mut(slot) else {
        return Ok(());
    };
    let series_ref = state.series_ref;
    let late = state.late_mut();
    if late.list_len() >= head.out_of_order.list_len_max() {
        late.write(series_ref, &head.files)?;
    }
    if late.insert(timestamp, value, SETTLED) {
        head.out_of_order.cover(timestamp, timestamp);
    }
    Ok(())
}

/// What the log said of the series so far is in a chunk, if that was found.
fn mark(head: &Head, series_ref: u64, chunk_ref: ChunkRef, last_chunk: ChunkRef) {
    if chunk_ref > last_chunk {
        return;
    }
    let slot = head.series.refs.slot_of(series_ref);
    if let Some(slot) = slot
        && let Some(mut strip) = head.series.lock(slot)
        && let Some(state) = strip.series_mut(slot)
        && state.late().is_some()
    {
        state.late_mut().forget_list();
    }
}
