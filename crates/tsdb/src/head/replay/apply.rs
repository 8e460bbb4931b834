//! What the log says of single series, applied side by side.
//!
//! A series belongs to one applier, and what concerns it comes through that applier's queue in the
//! order of the log. Series are independent of each other, so the result does not depend on how
//! many appliers there are. They touch series and, through these, head chunk files; nothing that
//! series share.
//!
//! Floats, which nearly all of a log is, come as the decoders made them, record by record, to all
//! appliers, of which each takes its own; what is rarer comes to its applier alone.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use model::sample::Value;
use model::{Metadata, Timestamp};

use super::snapshot::StoredChunk;
use crate::head::Head;
use crate::head::append::Tally;
use crate::head::series::{Appended, ChunkRules, SeriesState, StripCursor};
use crate::head::visibility::SETTLED;
use crate::head_chunks::FoundChunk;
use crate::wal::record::SampleEntry;

/// Neighbouring slots that go to the same applier: some hundred, so that two of them rarely meet.
const RUN_SLOTS: u32 = 256;
/// Floats that go through the queues together where records are smaller.
const BATCH_LEN: usize = 4096;
/// Changes, which may be large, that go through a queue together.
const CHANGES_LEN: usize = 128;
/// Floats that go through the queues together, at most.
const FLOATS_LEN_MAX: usize = 4 * BATCH_LEN;
/// Batches that wait for one applier.
const QUEUE_LEN_MAX: usize = 4;

/// Something that happens to one series.
#[derive(Debug)]
pub(super) enum Change {
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

/// Samples of a record in the log's order, slots in the place of references.
#[derive(Debug)]
pub(super) struct PlacedFloats(pub(super) Vec<SampleEntry>);

/// What appliers get, in the order of the log.
enum Batch {
    /// To all of them.
    Floats(Arc<PlacedFloats>),
    /// To the one whose series these are.
    Changes(Vec<(u32, Change)>),
}

/// Applies the changes of some series.
#[derive(Debug)]
struct Applier<'a> {
    head: &'a Head,
    /// Which of how many it is.
    lane: usize,
    of: usize,
    rules: ChunkRules,
    tally: Tally,
    /// Slots with chunks that were closed.
    closed: Vec<u32>,
    /// Why a snapshot cannot be used.
    doubt: Option<String>,
}

impl<'a> Applier<'a> {
    fn new(head: &'a Head, lane: usize, of: usize) -> Self {
        Self {
            head,
            lane,
            of,
            rules: head.rules(),
            tally: Tally::default(),
            closed: Vec::new(),
            doubt: None,
        }
    }

    fn apply(&mut self, batch: Batch) {
        match batch {
            Batch::Floats(floats) => self.floats(&floats),
            Batch::Changes(mut changes) => self.changes(&mut changes),
        }
    }

    /// Appends those of its series.
    fn floats(&mut self, PlacedFloats(entries): &PlacedFloats) {
        let mut cursor = StripCursor::default();
        for entry in entries {
            // A slot, so it fits.
            let slot = entry.series_ref as u32;
            if self.of > 1 && lane_of(slot, self.of) != self.lane {
                continue;
            }
            if let Some(strip) = self.head.series.seek(&mut cursor, slot)
                && let Some(state) = strip.series_mut(slot)
            {
                let times = (entry.timestamp, entry.start);
                let appended = if state.append_plain(times, entry.value, self.rules) {
                    Appended::Taken
                } else {
                    let value = Value::Float(entry.value);
                    state.append(times, value, SETTLED, u64::MAX, self.rules)
                };
                self.count(slot, appended, true, entry.timestamp);
            }
        }
    }

    fn count(&mut self, slot: u32, appended: Appended, float: bool, timestamp: Timestamp) {
        if appended == Appended::Begun(true) {
            self.closed.push(slot);
        }
        self.tally.count(appended, float, timestamp);
    }

    fn changes(&mut self, changes: &mut Vec<(u32, Change)>) {
        let mut cursor = StripCursor::default();
        for (slot, change) in changes.drain(..) {
            let Some(strip) = self.head.series.seek(&mut cursor, slot) else {
                continue;
            };
            if let Some(state) = strip.series_mut(slot) {
                self.change(slot, state, change);
            }
        }
    }

    fn change(&mut self, slot: u32, state: &mut SeriesState, change: Change) {
        match change {
            Change::Histogram(times, value) => {
                let appended = state.append(times, value, SETTLED, u64::MAX, self.rules);
                self.count(slot, appended, false, times.0);
            }
            Change::Metadata(metadata) => {
                state.set_metadata(metadata);
            }
            Change::Chunks(chunks) => {
                for chunk in chunks {
                    let (mint, maxt) = (chunk.mint, chunk.maxt);
                    let files = &self.head.files;
                    // A repeated record finds its chunks attached already.
                    if state.attach_between(mint, maxt, chunk.chunk_ref, files) {
                        self.head.cover(mint, maxt);
                    }
                }
            }
            Change::ChunksBesideOpen(chunks) => {
                for chunk in chunks {
                    match state.attach_beside_open(&chunk, &self.head.files) {
                        Ok(()) => self.head.cover(chunk.mint, chunk.maxt),
                        Err(reason) => self.doubt = Some(reason),
                    }
                }
            }
            Change::Open(chunk) => {
                let times = (chunk.mint, chunk.maxt);
                match state.restore(times, chunk.encoding, chunk.data, self.rules) {
                    Ok(()) => {
                        self.head.cover(chunk.mint, chunk.maxt);
                        self.tally.chunks += 1;
                    }
                    Err(reason) => self.doubt = Some(reason),
                }
            }
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

/// The applier, of so many, to which the series in `slot` belongs.
fn lane_of(slot: u32, of: usize) -> usize {
    (slot / RUN_SLOTS) as usize % of.max(1)
}

/// All appliers, and what was not handed to them yet: floats, or else changes in lanes.
pub(super) struct Appliers<'scope> {
    head: &'scope Head,
    lanes: Vec<Lane<'scope>>,
    floats: Vec<SampleEntry>,
    /// Whether a lane has changes.
    has_changes: bool,
}

struct Lane<'scope> {
    changes: Vec<(u32, Change)>,
    target: Target<'scope>,
}

enum Target<'scope> {
    /// On the thread that reads.
    Here(Applier<'scope>),
    Thread(SyncSender<Batch>, ScopedJoinHandle<'scope, Applied>),
}

impl<'scope> Appliers<'scope> {
    /// Starts `threads` of them; with none, changes are applied where they are read.
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        head: &'scope Head,
        threads: usize,
    ) -> Self {
        let thread = |lane| {
            let (sender, batches) = sync_channel(QUEUE_LEN_MAX);
            let thread = scope.spawn(move || {
                let mut applier = Applier::new(head, lane, threads);
                for batch in batches {
                    applier.apply(batch);
                }
                applier.finish()
            });
            Target::Thread(sender, thread)
        };
        let mut targets: Vec<_> = (0..threads).map(thread).collect();
        if targets.is_empty() {
            targets.push(Target::Here(Applier::new(head, 0, 1)));
        }
        let lane = |target| Lane {
            changes: Vec::new(),
            target,
        };
        Self {
            head,
            lanes: targets.into_iter().map(lane).collect(),
            floats: Vec::new(),
            has_changes: false,
        }
    }

    /// Hands over samples.
    pub(super) fn push_floats(&mut self, PlacedFloats(entries): PlacedFloats) {
        if self.has_changes {
            self.flush_changes();
        }
        if self.floats.is_empty() && (BATCH_LEN / 2..=FLOATS_LEN_MAX).contains(&entries.len()) {
            self.send_floats(entries);
            return;
        }
        for part in entries.chunks(BATCH_LEN) {
            self.floats.extend_from_slice(part);
            if self.floats.len() >= BATCH_LEN {
                self.flush_floats();
            }
        }
    }

    /// Hands over a change of the series in `slot`.
    pub(super) fn push(&mut self, slot: u32, change: Change) {
        if !self.floats.is_empty() {
            self.flush_floats();
        }
        self.has_changes = true;
        let lane = lane_of(slot, self.lanes.len());
        let Some(lane) = self.lanes.get_mut(lane) else {
            return;
        };
        lane.changes.push((slot, change));
        if lane.changes.len() >= CHANGES_LEN {
            lane.flush();
        }
    }

    fn flush_floats(&mut self) {
        let floats = std::mem::take(&mut self.floats);
        self.send_floats(floats);
    }

    fn send_floats(&mut self, floats: Vec<SampleEntry>) {
        let floats = Arc::new(PlacedFloats(floats));
        for lane in &mut self.lanes {
            lane.send(Batch::Floats(floats.clone()));
        }
    }

    fn flush_changes(&mut self) {
        for lane in &mut self.lanes {
            lane.flush();
        }
        self.has_changes = false;
    }

    /// Waits until everything is applied; says why a snapshot cannot be used that was.
    pub(super) fn finish(mut self) -> Result<(), String> {
        self.flush_floats();
        self.flush_changes();
        let mut closed = Vec::new();
        let mut doubt = None;
        for lane in self.lanes {
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
        if !self.changes.is_empty() {
            let changes = std::mem::take(&mut self.changes);
            self.send(Batch::Changes(changes));
        }
    }

    fn send(&mut self, batch: Batch) {
        match &mut self.target {
            Target::Here(applier) => applier.apply(batch),
            // Fails only if the applier panicked, which comes to light at the end.
            Target::Thread(sender, _) => drop(sender.send(batch)),
        }
    }
}
