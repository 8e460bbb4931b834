//! The open chunk of a series, put away in a snapshot and taken up again.

use std::sync::Arc;

use chunk::{Encoding, xor};
use model::Timestamp;
use model::sample::{SampleColumns, Value};

use super::{
    Appended, ChunkEncodings, ChunkRules, OpenFloats, OpenHistograms, SeriesState, planned_end,
    range_end,
};
use crate::FloatEncoding;
use crate::head::series::LastHistogram;
use crate::head::visibility::SETTLED;
use crate::head_chunks::{FoundChunk, HeadChunks};
use crate::memory_snapshot::OpenChunk;

impl SeriesState {
    /// The open chunk and the newest value, if there is one.
    pub(crate) fn open_chunk(&self) -> Option<(OpenChunk<'_>, Value)> {
        let (mint, maxt) = self.open_range()?;
        let (encoding, data) = self.open_bytes();
        let last = match self.last_histogram() {
            None => Value::Float(self.open.value()),
            Some(LastHistogram::Integer(last)) => Value::Histogram(Arc::new(last.clone())),
            Some(LastHistogram::Float(last)) => Value::FloatHistogram(Arc::new(last.clone())),
        };
        let chunk = OpenChunk {
            mint,
            maxt,
            encoding,
            data,
        };
        Some((chunk, last))
    }

    /// Adds a chunk in a file to a series that was restored; chunks come in order of their times.
    /// One that the open chunk became after the snapshot takes its place. Says why if the chunk
    /// cannot be added otherwise: what is before the snapshot's position is nowhere else.
    pub(crate) fn attach_beside_open(
        &mut self,
        chunk: &FoundChunk,
        files: &HeadChunks,
    ) -> Result<(), String> {
        if let Some((first, last)) = self.open_range()
            && chunk.mint == first
            && chunk.maxt >= last
        {
            self.open = OpenFloats::empty();
            self.bytes = Vec::new();
            if let Some(cold) = &mut self.cold {
                cold.histograms = None;
            }
            self.tidy_cold();
        }
        if self.attach_between(chunk.mint, chunk.maxt, chunk.chunk_ref, files) {
            Ok(())
        } else {
            Err("a chunk in a file and one in the snapshot overlap".to_owned())
        }
    }

    /// Takes up an open chunk. The series must have no samples yet; says why the chunk cannot be
    /// used.
    pub(crate) fn restore(
        &mut self,
        (mint, maxt): (Timestamp, Timestamp),
        encoding: Encoding,
        data: Vec<u8>,
        rules: ChunkRules,
    ) -> Result<(), String> {
        if self.last_time().is_some() {
            return Err("two open chunks of a series".to_owned());
        }
        let quarter = rules.samples / 4;
        let last = if encoding == Encoding::Xor {
            let nth = quarter.saturating_sub(1);
            let resumed = xor::resume(data, nth).map_err(|err| err.to_string())?;
            if resumed.first != mint {
                return Err("the first time of a chunk is not its first sample's".to_owned());
            }
            self.first_time = mint;
            self.next_at = range_end(mint, rules);
            if quarter > 0
                && resumed.appender.count() > quarter
                && let Some(at) = resumed.nth
            {
                // As it was planned when the sample behind it came.
                self.next_at = planned_end(mint, at, self.next_at, 4.0);
            }
            self.open = OpenFloats::Xor(resumed.appender);
            self.bytes = resumed.bytes;
            self.open.timestamp()
        } else if encoding == Encoding::Xor2 {
            self.append_again(&data, rules)?
        } else {
            let open = OpenHistograms::resume(encoding, &data, mint, rules)
                .map_err(|err| err.to_string())?;
            let last = open.last_time();
            self.cold_mut().histograms = Some(Box::new(open));
            last
        };
        if last == maxt {
            Ok(())
        } else {
            Err("the last time of a chunk is not its last sample's".to_owned())
        }
    }

    /// Encodes the samples of an XOR2 chunk anew, which gives the same chunk; the newest time.
    fn append_again(&mut self, data: &[u8], rules: ChunkRules) -> Result<Timestamp, String> {
        let mut columns = SampleColumns::default();
        let (mint, maxt) = (Timestamp::MIN, Timestamp::MAX);
        chunk::decode(Encoding::Xor2, data, mint, maxt, &mut columns)
            .map_err(|err| err.to_string())?;
        let encodings = ChunkEncodings {
            floats: FloatEncoding::Xor2,
            ..rules.encodings
        };
        let rules = ChunkRules { encodings, ..rules };
        for (index, (time, value)) in columns.timestamps.iter().zip(&columns.values).enumerate() {
            let start = columns.start_timestamps.get(index).copied().unwrap_or(0);
            let value = Value::Float(*value);
            match self.append((*time, start), value, SETTLED, u64::MAX, rules) {
                Appended::Taken => {}
                Appended::Begun(false) if index == 0 => {}
                _ => return Err("an open chunk that would have been closed before".to_owned()),
            }
        }
        columns
            .timestamps
            .last()
            .copied()
            .ok_or_else(|| "an empty chunk".to_owned())
    }
}
