//! What a reader takes with it from under a series' lock.

use chunk::Encoding;
use model::Timestamp;
use model::sample::{SampleColumns, Value};
use smallvec::SmallVec;

use super::chunks::ChunkBytes;

/// Chunks of one series that reach into a range, and which of their samples are not visible.
#[derive(Debug, Default)]
pub(crate) struct Extract {
    pub(super) closed: SmallVec<[ChunkBytes; 4]>,
    pub(super) open: SmallVec<[u8; 256]>,
    pub(super) open_encoding: Option<Encoding>,
    pub(super) hidden: SmallVec<[Timestamp; 4]>,
}

impl Extract {
    /// Appends the samples in the range to `columns`.
    pub(crate) fn decode(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        columns: &mut SampleColumns,
    ) -> Result<(), String> {
        let failed = |err: chunk::DecodeError| err.to_string();
        for part in &self.closed {
            let (encoding, bytes) = part.read()?;
            chunk::decode(encoding, bytes, mint, maxt, columns).map_err(failed)?;
        }
        if let Some(encoding) = self.open_encoding {
            chunk::decode(encoding, &self.open, mint, maxt, columns).map_err(failed)?;
        }
        if !self.hidden.is_empty() {
            retain(columns, |timestamp| !self.hidden.contains(&timestamp));
        }
        Ok(())
    }
}

/// Keeps the samples whose time `keep` accepts.
pub(crate) fn retain(columns: &mut SampleColumns, keep: impl Fn(Timestamp) -> bool) {
    if columns.timestamps.iter().all(|timestamp| keep(*timestamp)) {
        return;
    }
    let old = std::mem::take(columns);
    let starts = old.start_timestamps;
    let mut histograms = old.histograms.into_iter().peekable();
    for (index, (timestamp, number)) in old.timestamps.into_iter().zip(old.values).enumerate() {
        let histogram = histograms
            .next_if(|(at, _)| *at as usize == index)
            .map(|(_, value)| value);
        if keep(timestamp) {
            columns.push(timestamp, histogram.unwrap_or(Value::Float(number)));
            if let Some(start) = starts.get(index).filter(|start| **start != 0) {
                columns.set_last_start_timestamp(*start);
            }
        }
    }
}
