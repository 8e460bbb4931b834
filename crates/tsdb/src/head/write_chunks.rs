//! Closed chunks leave memory: they are written to head chunk files and read from there.

use std::sync::Arc;

use chunk::Encoding;
use model::Timestamp;

use super::Head;
use crate::Error;
use crate::head_chunks::NewHeadChunk;

/// Series whose chunks are written with one lock on the file.
const BATCH_LEN: usize = 1024;

/// A closed chunk, taken along from under its series' lock.
struct Taken {
    slot: u32,
    series_ref: u64,
    mint: Timestamp,
    maxt: Timestamp,
    encoding: Encoding,
    data: Arc<[u8]>,
}

impl Head {
    /// Says that the series in `slots` have closed chunks.
    pub(super) fn note_closed(&self, slots: &mut Vec<u32>) {
        if !slots.is_empty() {
            self.unwritten.lock().append(slots);
        }
    }

    /// Whether there are closed chunks to write.
    pub(crate) fn has_unwritten_chunks(&self) -> bool {
        !self.unwritten.lock().is_empty()
    }

    /// Writes closed chunks to files. What cannot be written stays in memory and is tried again
    /// the next time.
    pub(crate) fn write_chunks(&self) -> Result<(), Error> {
        let _maintenance = self.maintenance.lock();
        self.write_chunks_held()
    }

    /// Like [`write_chunks`](Self::write_chunks), for who holds the maintenance lock.
    pub(super) fn write_chunks_held(&self) -> Result<(), Error> {
        let slots = std::mem::take(&mut *self.unwritten.lock());
        for (done, batch) in slots.chunks(BATCH_LEN).enumerate() {
            if let Err(err) = self.write_batch(batch) {
                let rest = slots.get(done * BATCH_LEN..).unwrap_or_default();
                self.note_closed(&mut rest.to_vec());
                return Err(err);
            }
        }
        Ok(())
    }

    pub(super) fn write_batch(&self, slots: &[u32]) -> Result<(), Error> {
        let mut taken = Vec::with_capacity(slots.len());
        for slot in slots {
            let Some(strip) = self.series.lock(*slot) else {
                continue;
            };
            let Some(state) = strip.series(*slot) else {
                continue;
            };
            taken.extend(state.unwritten_chunks().map(|chunk| Taken {
                slot: *slot,
                series_ref: state.series_ref,
                mint: chunk.mint,
                maxt: chunk.maxt,
                encoding: chunk.encoding,
                data: chunk.data.clone(),
            }));
        }
        // A slot may have been noted twice.
        taken.sort_by_key(|chunk| (chunk.slot, chunk.mint));
        taken.dedup_by_key(|chunk| (chunk.slot, chunk.mint));
        let chunks: Vec<NewHeadChunk<'_>> = taken
            .iter()
            .map(|chunk| NewHeadChunk {
                series_ref: chunk.series_ref,
                mint: chunk.mint,
                maxt: chunk.maxt,
                encoding: chunk.encoding,
                is_out_of_order: false,
                data: &chunk.data,
            })
            .collect();
        let mut refs = Vec::with_capacity(chunks.len());
        let written = self.files.write(&chunks, &mut refs);
        for (chunk, chunk_ref) in taken.iter().zip(&refs) {
            if let Some(mut strip) = self.series.lock(chunk.slot)
                && let Some(state) = strip.series_mut(chunk.slot)
                && state.series_ref == chunk.series_ref
            {
                state.written(chunk.maxt, *chunk_ref);
            }
        }
        self.metrics.chunks_mapped.add(refs.len() as f64);
        written
    }
}
