//! Chunks of one series that share times become chunks that do not.
//!
//! Which of two samples with the same time stays is decided as in the reference: its merge keeps
//! the sample sources in a heap by time, asks the source it is at first, and lets the heap's top win a
//! tie.

use chunk::DecodeError;
use model::Timestamp;
use model::sample::SampleColumns;

use crate::compact::encode::Encoder;
use crate::compact::source::SourceChunk;
use crate::compact::tie_heap::TieHeap;

/// Merges series; keeps its memory from one to the next.
#[derive(Debug)]
pub(super) struct Merger {
    samples_max: u16,
    merged: Vec<SourceChunk>,
    group: Vec<SourceChunk>,
    /// Columns that are free to decode a chunk into.
    free: Vec<SampleColumns>,
}

impl Merger {
    /// Chunks that are encoded anew have at most `samples_max` samples.
    pub(super) fn new(samples_max: u16) -> Self {
        Self {
            samples_max,
            merged: Vec::new(),
            group: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Replaces chunks of `chunks`, which are sorted by first and last time, that overlap. Equal
    /// neighbours become one. New bytes go to the end of `data`, which has those of all chunks.
    pub(super) fn merge(
        &mut self,
        chunks: &mut Vec<SourceChunk>,
        data: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let apart = |pair: &[SourceChunk]| match pair {
            [before, after] => before.maxt < after.mint,
            _ => true,
        };
        if chunks.windows(2).all(apart) {
            return Ok(());
        }
        self.merged.clear();
        let mut rest = chunks.as_slice();
        while let Some((first, behind)) = rest.split_first() {
            rest = self.take_group(first, behind, data);
            if self.group.is_empty() {
                self.merged.push(*first);
                continue;
            }
            // The first one comes last: it does so in the reference, and the order decides ties.
            self.group.push(*first);
            self.merge_group(data)?;
        }
        std::mem::swap(chunks, &mut self.merged);
        Ok(())
    }

    /// Puts the chunks of `behind` that overlap with `first` or with each other into the group,
    /// without those equal to the one before, and returns the rest.
    fn take_group<'a>(
        &mut self,
        first: &SourceChunk,
        behind: &'a [SourceChunk],
        data: &[u8],
    ) -> &'a [SourceChunk] {
        self.group.clear();
        let bytes = |chunk: &SourceChunk| data.get(chunk.start..chunk.end);
        let (mut previous, mut end) = (*first, first.maxt);
        let mut rest = behind;
        while let Some((next, behind)) = rest.split_first() {
            if next.mint > end {
                break;
            }
            let is_equal = (next.mint, next.maxt) == (previous.mint, previous.maxt)
                && bytes(next) == bytes(&previous);
            if !is_equal {
                self.group.push(*next);
                end = end.max(next.maxt);
                previous = *next;
            }
            rest = behind;
        }
        rest
    }

    fn merge_group(&mut self, data: &mut Vec<u8>) -> Result<(), DecodeError> {
        let mut samples = ChainedSamples::new(&self.group, &mut self.free);
        let mut encoder = Encoder::new(self.samples_max);
        while let Some((columns, index)) = samples.next(data)? {
            encoder.add(columns, index, &mut self.merged, data)?;
        }
        encoder.finish(&mut self.merged, data);
        Ok(())
    }
}

/// A chunk being read: decoded when its first sample is wanted, given up after its last.
#[derive(Debug)]
struct Reading {
    chunk: SourceChunk,
    columns: SampleColumns,
    decoded: bool,
    /// The sample it is at.
    index: usize,
}

impl Reading {
    fn time(&self) -> Timestamp {
        if self.decoded {
            let time = self.columns.timestamps.get(self.index);
            time.copied().unwrap_or(Timestamp::MAX)
        } else {
            self.chunk.mint
        }
    }
}

/// The samples of several chunks by time, each time once.
struct ChainedSamples<'a> {
    readings: Vec<Reading>,
    /// Indices into `readings`, by time.
    heap: TieHeap<usize>,
    current: usize,
    /// Whether `current` is at a sample that was given out.
    started: bool,
    last_time: Option<Timestamp>,
    free: &'a mut Vec<SampleColumns>,
}

impl<'a> ChainedSamples<'a> {
    fn new(chunks: &[SourceChunk], free: &'a mut Vec<SampleColumns>) -> Self {
        let readings = chunks.iter().map(|chunk| Reading {
            chunk: *chunk,
            columns: SampleColumns::default(),
            decoded: false,
            index: 0,
        });
        let mut samples = Self {
            readings: readings.collect(),
            heap: TieHeap::default(),
            current: 0,
            started: false,
            last_time: None,
            free,
        };
        for index in 1..samples.readings.len() {
            samples.push(index);
        }
        samples
    }

    /// The next sample, as a place in columns.
    fn next(&mut self, data: &[u8]) -> Result<Option<(&SampleColumns, usize)>, DecodeError> {
        loop {
            if self.advance(data)? {
                let time = self.time(self.current);
                if Some(time) == self.last_time {
                    continue;
                }
                let top = self.heap.top().map(|top| self.time(*top));
                if top.is_none_or(|top| time < top) {
                    break;
                }
                self.push(self.current);
            }
            let Some(next) = self.pop() else {
                return Ok(None);
            };
            self.current = next;
            self.decode(data)?;
            self.started = true;
            if Some(self.time(self.current)) != self.last_time {
                break;
            }
        }
        self.last_time = Some(self.time(self.current));
        let reading = self.readings.get(self.current);
        Ok(reading.map(|reading| (&reading.columns, reading.index)))
    }

    /// Moves the current chunk to its next sample; `false` if there is none.
    fn advance(&mut self, data: &[u8]) -> Result<bool, DecodeError> {
        let begins = !std::mem::replace(&mut self.started, true);
        self.decode(data)?;
        let Some(reading) = self.readings.get_mut(self.current) else {
            return Ok(false);
        };
        if !begins {
            reading.index += 1;
        }
        let there = reading.index < reading.columns.len();
        if !there {
            // Nothing comes back to it: its memory is for another.
            let mut columns = std::mem::take(&mut reading.columns);
            columns.clear();
            self.free.push(columns);
        }
        Ok(there)
    }

    fn decode(&mut self, data: &[u8]) -> Result<(), DecodeError> {
        let Some(reading) = self.readings.get_mut(self.current) else {
            return Ok(());
        };
        if reading.decoded {
            return Ok(());
        }
        reading.decoded = true;
        reading.columns = self.free.pop().unwrap_or_default();
        let chunk = reading.chunk;
        let bytes = data.get(chunk.start..chunk.end).unwrap_or_default();
        let columns = &mut reading.columns;
        chunk::decode(
            chunk.encoding,
            bytes,
            Timestamp::MIN,
            Timestamp::MAX,
            columns,
        )
    }

    fn time(&self, reading: usize) -> Timestamp {
        time_of(&self.readings, reading)
    }

    fn push(&mut self, reading: usize) {
        let readings = &self.readings;
        self.heap.push(reading, |one, other| {
            time_of(readings, *one) < time_of(readings, *other)
        });
    }

    fn pop(&mut self) -> Option<usize> {
        let readings = &self.readings;
        self.heap
            .pop(|one, other| time_of(readings, *one) < time_of(readings, *other))
    }
}

fn time_of(readings: &[Reading], reading: usize) -> Timestamp {
    readings.get(reading).map_or(Timestamp::MAX, Reading::time)
}
