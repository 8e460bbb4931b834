//! Records of a log, decoded side by side and handed out in the log's order.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::series_record::SeriesRecord;
use crate::Error;
use crate::wal::record::{Record, SampleEntry, decode, decode_samples, kind};
use crate::wal::{LogReader, Place, RawRecord};

/// Records that wait for or in one decoder.
const QUEUE_LEN_MAX: usize = 8;
/// Bytes of all records that were read and not handed out; one larger record is let through.
const READ_BYTES_MAX: usize = 32 << 20;

/// A record, decoded whole: a damaged one leaves nothing.
#[derive(Debug)]
pub(super) enum Decoded {
    Series(SeriesRecord),
    Samples(Vec<SampleEntry>),
    /// Any other kind.
    Rare(Record),
}

impl Decoded {
    fn of(raw: &RawRecord, plain: &mut Vec<u8>) -> Result<Self, String> {
        let record = raw.plain(plain)?;
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

/// Threads that decode; with none, who asks for records decodes them.
pub(super) struct Decoders<'scope> {
    workers: Vec<Worker<'scope>>,
}

struct Worker<'scope> {
    records: SyncSender<RawRecord>,
    decoded: Receiver<Result<Decoded, String>>,
    thread: ScopedJoinHandle<'scope, ()>,
}

impl<'scope> Decoders<'scope> {
    /// Starts `threads` of them.
    pub(super) fn start(scope: &'scope Scope<'scope, '_>, threads: usize) -> Self {
        let workers = (0..threads).map(|_| {
            let (records, jobs) = sync_channel::<RawRecord>(QUEUE_LEN_MAX);
            let (results, decoded) = sync_channel(QUEUE_LEN_MAX);
            let thread = scope.spawn(move || {
                let mut plain = Vec::new();
                for raw in jobs {
                    if results.send(Decoded::of(&raw, &mut plain)).is_err() {
                        // The log ends for a reason that lies before this record.
                        break;
                    }
                }
            });
            Worker {
                records,
                decoded,
                thread,
            }
        });
        Self {
            workers: workers.collect(),
        }
    }

    /// Hands the records to `take` in their order until the log ends or one is damaged.
    pub(super) fn read(
        self,
        reader: &mut LogReader,
        mut take: impl FnMut(&Place, Decoded),
    ) -> Result<(), Error> {
        if self.workers.is_empty() {
            let mut plain = Vec::new();
            while let Some((place, raw)) = reader.next_raw()? {
                match Decoded::of(&raw, &mut plain) {
                    Ok(decoded) => take(&place, decoded),
                    Err(reason) => return Err(place.corruption(reason).into()),
                }
            }
            return Ok(());
        }
        // Each worker gets every n-th record and answers in order: so the next answer of the
        // worker whose turn it is belongs to the next record.
        let mut turn = self.workers.iter().cycle();
        let mut answers = self.workers.iter().cycle();
        let mut waiting: VecDeque<(Place, usize)> = VecDeque::new();
        let mut waiting_bytes = 0;
        let mut end = None;
        loop {
            while end.is_none()
                && waiting.len() < QUEUE_LEN_MAX * self.workers.len()
                && (waiting_bytes < READ_BYTES_MAX || waiting.is_empty())
            {
                match reader.next_raw() {
                    Ok(Some((place, raw))) => {
                        waiting_bytes += raw.len();
                        waiting.push_back((place, raw.len()));
                        // Fails only if the worker panicked: then it does not answer either.
                        let _ = turn.next().map(|worker| worker.records.send(raw));
                    }
                    Ok(None) => end = Some(Ok(())),
                    Err(err) => end = Some(Err(err)),
                }
            }
            let Some((place, len)) = waiting.pop_front() else {
                return end.unwrap_or(Ok(()));
            };
            waiting_bytes -= len;
            match answers.next().map(|worker| worker.decoded.recv()) {
                Some(Ok(Ok(decoded))) => take(&place, decoded),
                Some(Ok(Err(reason))) => return Err(place.corruption(reason).into()),
                Some(Err(_)) | None => break,
            }
        }
        for worker in self.workers {
            drop((worker.records, worker.decoded));
            if let Err(panic) = worker.thread.join() {
                resume_unwind(panic);
            }
        }
        Ok(())
    }
}
