//! What the log says of single series, applied side by side.
//!
//! A series belongs to one applier, and what concerns it comes through that applier's queue in the
//! order of the log. Series are independent of each other, so the result does not depend on how
//! many appliers there are. They touch series and, through these, head chunk files; nothing that
//! series share.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use model::sample::Value;
use model::{Metadata, Timestamp};

use super::snapshot::StoredChunk;
use crate::head::Head;
use crate::head::append::Tally;
use crate::head::series::{Appended, ChunkRules, StripCursor};
use crate::head::visibility::SETTLED;
use crate::head_chunks::FoundChunk;

/// Neighbouring slots that go to the same applier: some hundred, so that two of them rarely meet.
const RUN_SLOTS: u32 = 256;
/// Changes that go through a queue together.
const BATCH_LEN: usize = 4096;
/// What a change counts that holds more than a float.
const RARE_WEIGHT: usize = 32;
/// Batches that wait for one applier.
const QUEUE_LEN_MAX: usize = 4;

/// Something that happens to one series.
#[derive(Debug)]
pub(super) enum Change {
    Float {
        slot: u32,
        timestamp: Timestamp,
        /// Start timestamp; 0 if there is none.
        start: Timestamp,
        value: f64,
    },
    Rare(u32, Box<RareChange>),
}

/// What happens less often, or takes more room.
#[derive(Debug)]
pub(super) enum RareChange {
    /// Time and start timestamp; histogram.
    Histogram((Timestamp, Timestamp), Value),
    Metadata(Arc<Metadata>),
    /// The log names the series whose chunks these are.
    Chunks(Vec<FoundChunk>),
    /// A snapshot names it; its open chunk came before.
    ChunksBesideOpen(Vec<FoundChunk>),
    /// The open chunk out of a snapshot.
    Open(StoredChunk),
}

impl Change {
    fn slot(&self) -> u32 {
        match self {
            Self::Float { slot, .. } | Self::Rare(slot, _) => *slot,
        }
    }
}

/// Applies the changes of some series.
#[derive(Debug)]
struct Applier<'a> {
    head: &'a Head,
    rules: ChunkRules,
    tally: Tally,
    /// Slots with chunks that were closed.
    closed: Vec<u32>,
    /// Why a snapshot cannot be used.
    doubt: Option<String>,
}

impl<'a> Applier<'a> {
    fn new(head: &'a Head) -> Self {
        Self {
            head,
            rules: head.rules(),
            tally: Tally::default(),
            closed: Vec::new(),
            doubt: None,
        }
    }

    fn apply(&mut self, changes: &mut Vec<Change>) {
        let mut cursor = StripCursor::default();
        for change in changes.drain(..) {
            let slot = change.slot();
            let Some(strip) = self.head.series.seek(&mut cursor, slot) else {
                continue;
            };
            let Some(state) = strip.series_mut(slot) else {
                continue;
            };
            let (times, value) = match change {
                Change::Float {
                    timestamp,
                    start,
                    value,
                    ..
                } => ((timestamp, start), Value::Float(value)),
                Change::Rare(_, rare) => match *rare {
                    RareChange::Histogram(times, value) => (times, value),
                    RareChange::Metadata(metadata) => {
                        state.set_metadata(metadata);
                        continue;
                    }
                    RareChange::Chunks(chunks) => {
                        for chunk in chunks {
                            let (mint, maxt) = (chunk.mint, chunk.maxt);
                            let files = &self.head.files;
                            // A repeated record finds its chunks attached already.
                            if state.attach_between(mint, maxt, chunk.chunk_ref, files) {
                                self.head.cover(mint, maxt);
                            }
                        }
                        continue;
                    }
                    RareChange::ChunksBesideOpen(chunks) => {
                        for chunk in chunks {
                            match state.attach_beside_open(&chunk, &self.head.files) {
                                Ok(()) => self.head.cover(chunk.mint, chunk.maxt),
                                Err(reason) => self.doubt = Some(reason),
                            }
                        }
                        continue;
                    }
                    RareChange::Open(chunk) => {
                        let times = (chunk.mint, chunk.maxt);
                        match state.restore(times, chunk.encoding, chunk.data, self.rules) {
                            Ok(()) => {
                                self.head.cover(chunk.mint, chunk.maxt);
                                self.tally.chunks += 1;
                            }
                            Err(reason) => self.doubt = Some(reason),
                        }
                        continue;
                    }
                },
            };
            let float = matches!(value, Value::Float(_));
            let appended = state.append(times, value, SETTLED, u64::MAX, self.rules);
            if appended == Appended::Begun(true) {
                self.closed.push(slot);
            }
            self.tally.count(appended, float, times.0);
        }
    }

    fn finish(self) -> Applied {
        if let Some((mint, maxt)) = self.tally.range() {
            self.head.cover(mint, maxt);
        }
        let chunks = self.tally.chunks as f64;
        self.head.metrics.chunks_created.add(chunks);
        Applied {
            closed: self.closed,
            doubt: self.doubt,
        }
    }
}

/// What came of it.
struct Applied {
    closed: Vec<u32>,
    doubt: Option<String>,
}

/// All appliers, and what was not handed to them yet.
pub(super) struct Appliers<'scope> {
    head: &'scope Head,
    lanes: Vec<Lane<'scope>>,
}

struct Lane<'scope> {
    batch: Vec<Change>,
    weight: usize,
    target: Target<'scope>,
}

enum Target<'scope> {
    /// On the thread that reads.
    Here(Applier<'scope>),
    Thread(SyncSender<Vec<Change>>, ScopedJoinHandle<'scope, Applied>),
}

impl<'scope> Appliers<'scope> {
    /// Starts `threads` of them; with none, changes are applied where they are read.
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        head: &'scope Head,
        threads: usize,
    ) -> Self {
        let thread = |_| {
            let (sender, batches) = sync_channel::<Vec<Change>>(QUEUE_LEN_MAX);
            let thread = scope.spawn(move || {
                let mut applier = Applier::new(head);
                for mut batch in batches {
                    applier.apply(&mut batch);
                }
                applier.finish()
            });
            Target::Thread(sender, thread)
        };
        let mut targets: Vec<_> = (0..threads).map(thread).collect();
        if targets.is_empty() {
            targets.push(Target::Here(Applier::new(head)));
        }
        let lane = |target| Lane {
            batch: Vec::with_capacity(BATCH_LEN),
            weight: 0,
            target,
        };
        Self {
            head,
            lanes: targets.into_iter().map(lane).collect(),
        }
    }

    /// Hands over a change.
    pub(super) fn push(&mut self, change: Change) {
        let lane = (change.slot() / RUN_SLOTS) as usize % self.lanes.len().max(1);
        let Some(lane) = self.lanes.get_mut(lane) else {
            return;
        };
        lane.weight += match &change {
            Change::Float { .. } => 1,
            Change::Rare(..) => RARE_WEIGHT,
        };
        lane.batch.push(change);
        if lane.weight >= BATCH_LEN {
            lane.flush();
        }
    }

    /// Waits until everything is applied; says why a snapshot cannot be used that was.
    pub(super) fn finish(self) -> Result<(), String> {
        let mut closed = Vec::new();
        let mut doubt = None;
        for mut lane in self.lanes {
            lane.flush();
            let applied = match lane.target {
                Target::Here(applier) => applier.finish(),
                Target::Thread(sender, thread) => {
                    drop(sender);
                    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
                }
            };
            closed.extend(applied.closed);
            doubt = doubt.or(applied.doubt);
        }
        // The same order with any number of appliers.
        closed.sort_unstable();
        closed.dedup();
        self.head.note_closed(&mut closed);
        doubt.map_or(Ok(()), Err)
    }
}

impl Lane<'_> {
    fn flush(&mut self) {
        self.weight = 0;
        match &mut self.target {
            Target::Here(applier) => applier.apply(&mut self.batch),
            Target::Thread(sender, _) => {
                let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH_LEN));
                // Fails only if the applier panicked, which comes to light at the end.
                let _ = sender.send(batch);
            }
        }
    }
}
