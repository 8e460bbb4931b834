//! Chunks of one series that share times become chunks that do not.
//!
//! Which of two samples with the same time stays is decided as in the reference. Its merge keeps
//! chunk lists in a heap by first and last time; what is encoded anew goes back into that heap. The
//! samples of chunks that overlap are merged by another heap: the merge asks the chunk it is at
//! first, and lets the heap's top win a tie.

use chunk::{DecodeError, Encoding};
use model::Timestamp;
use model::sample::SampleColumns;

use crate::compact::encode::{Choice, Encoder};
use crate::compact::source::SourceChunk;
use crate::compact::tie_heap::TieHeap;

/// A place in one of the lists.
#[derive(Debug, Clone, Copy)]
struct Place {
    list: usize,
    index: usize,
}

/// Merges series; keeps its memory from one to the next.
#[derive(Debug)]
pub(super) struct Merger {
    samples_max: u16,
    floats: Encoding,
    /// The lists being merged, then those of chunks encoded anew.
    lists: Vec<Vec<SourceChunk>>,
    heap: TieHeap<Place>,
    /// Chunks that overlap.
    group: Vec<SourceChunk>,
    /// Columns that are free to decode a chunk into.
    free: Vec<SampleColumns>,
}

impl Merger {
    /// Chunks that are encoded anew have at most `samples_max` samples; those of floats are encoded
    /// as `floats` says.
    pub(super) fn new(samples_max: u16, floats: Encoding) -> Self {
        Self {
            samples_max,
            floats,
            lists: Vec::new(),
            heap: TieHeap::default(),
            group: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Replaces the contents of `merged` by the chunks of all `lists`, each of which is sorted by
    /// first and last time. Those that overlap are encoded anew, equal neighbours among them become
    /// one. New bytes go to the end of `data`, which has those of all chunks.
    pub(super) fn merge(
        &mut self,
        lists: &[Vec<SourceChunk>],
        data: &mut Vec<u8>,
        merged: &mut Vec<SourceChunk>,
    ) -> Result<(), DecodeError> {
        merged.clear();
        merged.extend(lists.iter().flatten());
        if lists.len() > 1 {
            merged.sort_by_key(|chunk| (chunk.mint, chunk.maxt));
        }
        let apart = |pair: &[SourceChunk]| match pair {
            [before, after] => before.maxt < after.mint,
            _ => true,
        };
        if merged.windows(2).all(apart) {
            return Ok(());
        }
        merged.clear();
        self.lists.clear();
        self.lists.extend_from_slice(lists);
        for list in 0..lists.len() {
            self.push(Place { list, index: 0 });
        }
        while let Some(first) = self.next() {
            self.take_group(&first, data);
            if self.group.is_empty() {
                merged.push(first);
                continue;
            }
            // The first one comes last: it does so in the reference, and the order decides ties.
            self.group.push(first);
            let encoded = self.merge_group(data)?;
            merged.extend(encoded.first());
            self.lists.push(encoded);
            let list = self.lists.len() - 1;
            self.push(Place { list, index: 1 });
        }
        Ok(())
    }

    /// Takes the chunks that overlap with `first` or with each other into the group, without those
    /// equal to the one before.
    fn take_group(&mut self, first: &SourceChunk, data: &[u8]) {
        self.group.clear();
        let bytes = |chunk: &SourceChunk| data.get(chunk.start..chunk.end);
        let (mut previous, mut end) = (*first, first.maxt);
        while let Some(top) = self.heap.top()
            && let Some(next) = chunk_at(&self.lists, top)
            && next.mint <= end
        {
            let next = *next;
            let is_equal = (next.mint, next.maxt) == (previous.mint, previous.maxt)
                && bytes(&next) == bytes(&previous);
            if !is_equal {
                self.group.push(next);
                end = end.max(next.maxt);
                previous = next;
            }
            self.next();
        }
    }

    fn merge_group(&mut self, data: &mut Vec<u8>) -> Result<Vec<SourceChunk>, DecodeError> {
        let mut samples = ChainedSamples::new(&self.group, &mut self.free);
        let mut encoder = Encoder::new(self.samples_max, Choice::Floats(self.floats));
        let mut encoded = Vec::new();
        while let Some((columns, index)) = samples.next(data)? {
            encoder.add(columns, index, &mut encoded, data)?;
        }
        encoder.finish(&mut encoded, data);
        Ok(encoded)
    }

    /// Takes the first chunk and puts its list back.
    fn next(&mut self) -> Option<SourceChunk> {
        let lists = &self.lists;
        let place = self.heap.pop(|one, other| is_before(lists, one, other))?;
        let chunk = chunk_at(lists, &place).copied();
        self.push(Place {
            index: place.index + 1,
            ..place
        });
        chunk
    }

    /// Adds a place unless it is behind its list's end.
    fn push(&mut self, place: Place) {
        let lists = &self.lists;
        if chunk_at(lists, &place).is_some() {
            self.heap
                .push(place, |one, other| is_before(lists, one, other));
        }
    }
}

fn chunk_at<'a>(lists: &'a [Vec<SourceChunk>], place: &Place) -> Option<&'a SourceChunk> {
    lists.get(place.list)?.get(place.index)
}

fn is_before(lists: &[Vec<SourceChunk>], one: &Place, other: &Place) -> bool {
    let key = |place| chunk_at(lists, place).map(|chunk| (chunk.mint, chunk.maxt));
    key(one) < key(other)
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
