//! Records of a log, decoded side by side and handed out in the log's order.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use stdx::cancel::CancelToken;

use super::series_record::SeriesRecord;
use crate::Error;
use crate::wal::record::{Record, SampleEntry, decode, decode_samples, kind};
use crate::wal::{LogReader, Place, RawRecord};

/// Groups of records that wait for or in one decoder.
const QUEUE_LEN_MAX: usize = 4;
/// Bytes that make a group of records.
const GROUP_BYTES: usize = 128 << 10;
/// Records that make one, however small.
const GROUP_LEN: usize = 1024;
/// Bytes of all records that were read and not handed out; one larger group is let through.
const READ_BYTES_MAX: usize = 32 << 20;

/// A record of the log, decoded whole: a damaged one leaves nothing.
#[derive(Debug)]
pub(super) enum Decoded {
    Series(SeriesRecord),
    Samples(Vec<SampleEntry>),
    /// Any other kind.
    Rare(Record),
}

impl Decoded {
    /// Decodes records one by one.
    pub(super) fn group(records: &[RawRecord]) -> Group<Self> {
        let mut plain = Vec::new();
        let mut group = Group::default();
        for (index, raw) in records.iter().enumerate() {
            match raw.plain(&mut plain).and_then(Self::of) {
                Ok(decoded) => group.items.push((index, decoded)),
                Err(reason) => {
                    group.damage = Some((index, reason));
                    break;
                }
            }
        }
        group
    }

    fn of(record: &[u8]) -> Result<Self, String> {
        match record.first() {
            Some(&kind::SERIES) => SeriesRecord::decode(record)
                .map(Self::Series)
                .map_err(|err| format!("decode record: {err}")),
            Some(&(kind::SAMPLES | kind::SAMPLES_V2)) => {
                let mut entries = Vec::with_capacity(record.len() / 10);
                decode_samples(record, |entry| entries.push(entry))
                    .map_err(|err| format!("decode samples: {err}"))?;
                Ok(Self::Samples(entries))
            }
            _ => decode(record)
                .map(Self::Rare)
                .map_err(|err| format!("decode record: {err}")),
        }
    }
}

/// What neighbouring records say.
#[derive(Debug)]
pub(super) struct Group<T> {
    /// Each with the index of the record that it came from, or of the first one.
    pub(super) items: Vec<(usize, T)>,
    /// The record behind those of `items` that could not be decoded, and why.
    pub(super) damage: Option<(usize, String)>,
}

impl<T> Default for Group<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            damage: None,
        }
    }
}

impl<T> Group<T> {
    fn take(self, records: &[RawRecord], take: &mut impl FnMut(&Place, T)) -> Result<(), Error> {
        let place = |index: usize| records.get(index).map(|record| &record.place);
        for (index, item) in self.items {
            if let Some(place) = place(index) {
                take(place, item);
            }
        }
        match self.damage {
            Some((index, reason)) => match place(index) {
                Some(place) => Err(place.corruption(reason).into()),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }
}

/// Threads that decode; with none, who asks for records decodes them.
pub(super) struct Decoders<'scope, T> {
    workers: Vec<Worker<'scope, T>>,
    decode: fn(&[RawRecord]) -> Group<T>,
}

/// Records and what they say.
type Answer<T> = (Vec<RawRecord>, Group<T>);

struct Worker<'scope, T> {
    records: SyncSender<Vec<RawRecord>>,
    answers: Receiver<Answer<T>>,
    thread: ScopedJoinHandle<'scope, ()>,
}

impl<'scope, T: Send + 'scope> Decoders<'scope, T> {
    /// Starts `threads` of them.
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        threads: usize,
        decode: fn(&[RawRecord]) -> Group<T>,
    ) -> Self {
        let workers = (0..threads).map(|_| {
            let (records, jobs) = sync_channel::<Vec<RawRecord>>(QUEUE_LEN_MAX);
            let (results, answers) = sync_channel(QUEUE_LEN_MAX);
            let thread = scope.spawn(move || {
                for records in jobs {
                    let group = decode(&records);
                    if results.send((records, group)).is_err() {
                        // The log ends for a reason that lies before these records.
                        break;
                    }
                }
            });
            Worker {
                records,
                answers,
                thread,
            }
        });
        Self {
            workers: workers.collect(),
            decode,
        }
    }

    /// Hands what the records say to `take`, in their order, until the log ends, one is damaged or
    /// `stop` says so.
    pub(super) fn read(
        self,
        reader: &mut LogReader,
        stop: &CancelToken,
        mut take: impl FnMut(&Place, T),
    ) -> Result<(), Error> {
        if self.workers.is_empty() {
            loop {
                stop.check()?;
                let (records, end) = next_group(reader);
                (self.decode)(&records).take(&records, &mut take)?;
                if let Some(end) = end {
                    return end;
                }
            }
        }
        // Each worker gets every n-th group and answers in order: so the next answer of the worker
        // whose turn it is belongs to the next group.
        let mut turn = self.workers.iter().cycle();
        let mut answering = self.workers.iter().cycle();
        // Bytes of the groups that are out.
        let mut waiting: VecDeque<usize> = VecDeque::new();
        let mut waiting_bytes = 0;
        let mut end = None;
        loop {
            stop.check()?;
            while end.is_none()
                && waiting.len() < QUEUE_LEN_MAX * self.workers.len()
                && (waiting_bytes < READ_BYTES_MAX || waiting.is_empty())
            {
                let records;
                (records, end) = next_group(reader);
                let bytes = records.iter().map(RawRecord::len).sum();
                waiting_bytes += bytes;
                waiting.push_back(bytes);
                // Fails only if the worker panicked: then it does not answer either.
                let _ = turn.next().map(|worker| worker.records.send(records));
            }
            let Some(bytes) = waiting.pop_front() else {
                return end.unwrap_or(Ok(()));
            };
            waiting_bytes -= bytes;
            match answering.next().map(|worker| worker.answers.recv()) {
                Some(Ok((records, group))) => group.take(&records, &mut take)?,
                Some(Err(_)) | None => break,
            }
        }
        for worker in self.workers {
            drop((worker.records, worker.answers));
            if let Err(panic) = worker.thread.join() {
                resume_unwind(panic);
            }
        }
        Ok(())
    }
}

/// The next records, and the log's end or why there are no more.
fn next_group(reader: &mut LogReader) -> (Vec<RawRecord>, Option<Result<(), Error>>) {
    let mut records = Vec::new();
    let mut bytes = 0;
    while bytes < GROUP_BYTES && records.len() < GROUP_LEN {
        match reader.next_raw() {
            Ok(Some(record)) => {
                bytes += record.len();
                records.push(record);
            }
            Ok(None) => return (records, Some(Ok(()))),
            Err(err) => return (records, Some(Err(err))),
        }
    }
    (records, None)
}
