//! The head out of a snapshot of its memory: what the log says before a position.

use std::path::Path;
use std::sync::Arc;

use chunk::Encoding;
use model::{Metadata, Timestamp};
use stdx::cancel::CancelToken;

use super::Replay;
use super::apply::Change;
use super::decode::{Decoders, Group};
use super::series_record::{Builder, SeriesRecord};
use crate::Error;
use crate::block::tombstones::Tombstones;
use crate::memory_snapshot::folder::{Folder, Position};
use crate::memory_snapshot::{SnapshotRecord, decode};
use crate::wal::record::{ExemplarEntry, decode_series};
use crate::wal::{self, LogReader, RawRecord};

/// An open chunk on its way to its series.
#[derive(Debug)]
pub(super) struct StoredChunk {
    pub(super) mint: Timestamp,
    pub(super) maxt: Timestamp,
    pub(super) encoding: Encoding,
    pub(super) data: Vec<u8>,
}

/// What neighbouring records of a snapshot say.
#[derive(Debug)]
pub(super) enum Part {
    /// Series, and the open chunk of each.
    Series(SeriesRecord, Vec<Option<StoredChunk>>),
    Tombstones(Tombstones),
    Exemplars(Vec<ExemplarEntry>),
    Metadata(Vec<(u64, Arc<Metadata>)>),
}

impl Part {
    /// Decodes records; series become one part.
    pub(super) fn group(records: &[RawRecord]) -> Group<Self> {
        let mut plain = Vec::new();
        let mut group = Group::default();
        let mut series = Builder::default();
        let mut chunks = Vec::new();
        let mut others = Vec::new();
        for (index, raw) in records.iter().enumerate() {
            let decoded = raw
                .plain(&mut plain)
                .and_then(|record| decode(record).map_err(|err| err.to_string()));
            match decoded {
                Ok(SnapshotRecord::Series(found)) => {
                    series.add(found.series_ref, &found.pairs);
                    chunks.push(found.open.map(|open| StoredChunk {
                        mint: open.mint,
                        maxt: open.maxt,
                        encoding: open.encoding,
                        data: open.data.to_vec(),
                    }));
                }
                // They name series by references, all of which come before them.
                Ok(SnapshotRecord::Tombstones(found)) => {
                    others.push((index, Self::Tombstones(found)));
                }
                Ok(SnapshotRecord::Exemplars(found)) => {
                    others.push((index, Self::Exemplars(found)));
                }
                Ok(SnapshotRecord::Metadata(found)) => {
                    others.push((index, Self::Metadata(found)));
                }
                Ok(SnapshotRecord::OtherReferences(found)) => {
                    let mut series = Builder::default();
                    for (series_ref, pairs) in found {
                        series.add(series_ref, &pairs);
                    }
                    others.push((index, Self::Series(series.finish(), Vec::new())));
                }
                Err(reason) => {
                    group.damage = Some((index, reason));
                    break;
                }
            }
        }
        group.items.push((0, Self::Series(series.finish(), chunks)));
        group.items.extend(others);
        group
    }
}

impl<'scope> Replay<'scope> {
    /// Reads the snapshot in `folder` of the log in `dir`. After an error, what was read must be
    /// forgotten.
    pub(super) fn load_snapshot(
        &mut self,
        folder: &Folder,
        dir: &Path,
        decoders: Decoders<'scope, Part>,
        stop: &CancelToken,
    ) -> Result<(), Error> {
        if self.chunks.damaged {
            let reason = "head chunk files are damaged, the log has to replace them";
            return Err(Error::Snapshot(reason.to_owned()));
        }
        let next_ref = match folder.side()? {
            Some(side) if side.fits(dir, folder.position, |file| self.head.files.path(file))? => {
                side.next_ref
            }
            Some(_) => {
                let reason = "log or head chunk files are not those it was made beside";
                return Err(Error::Snapshot(reason.to_owned()));
            }
            None => highest_ref(dir, folder.position)?.saturating_add(1),
        };
        self.head.reserve_ref(next_ref.saturating_sub(1));
        self.stored_until = self.chunks.newest();
        let mut reader = LogReader::open(&folder.path, 0)?;
        let mut is_whole = false;
        decoders.read(&mut reader, stop, |_, part| {
            // Written behind the last series, even if nothing is deleted.
            is_whole |= matches!(part, Part::Tombstones(_));
            self.part(part);
        })?;
        if !is_whole {
            return Err(Error::Snapshot("its end is missing".to_owned()));
        }
        // Segments that are not read: no sample in them is newer than all that was put away.
        for (segment, _) in wal::segments(dir)? {
            if segment <= folder.position.segment && self.stored_until > Timestamp::MIN {
                self.newest.cover(segment, self.stored_until);
            }
        }
        Ok(())
    }

    fn part(&mut self, part: Part) {
        match part {
            Part::Series(record, mut chunks) => {
                let begin = self.head.begin();
                let mut newest = self.stored_until;
                self.series_with(&record, true, |appliers, index, slot| {
                    let chunk = chunks.get_mut(index).and_then(Option::take);
                    // Blocks have what ends before them.
                    if let Some(chunk) = chunk.filter(|chunk| chunk.maxt >= begin) {
                        newest = newest.max(chunk.maxt);
                        appliers.push(slot, Change::Open(chunk));
                    }
                });
                self.stored_until = newest;
            }
            Part::Tombstones(tombstones) => {
                for (series_ref, (mint, maxt)) in tombstones.iter() {
                    match self.head.series.refs.slot_of(series_ref) {
                        Some(slot) => self.head.add_tombstone(slot, mint, maxt),
                        None => self.tally.unknown_tombstones += 1,
                    }
                }
            }
            Part::Metadata(entries) => {
                for (series_ref, metadata) in entries {
                    self.metadata(series_ref, metadata);
                }
            }
            Part::Exemplars(exemplars) => {
                for entry in exemplars {
                    self.exemplar(entry);
                }
            }
        }
    }
}

/// The highest reference that checkpoint and segments in `dir` name before `position`: a snapshot
/// of another program does not say, and new series must not get references that the log used.
pub(super) fn highest_ref(dir: &Path, position: Position) -> Result<u64, Error> {
    let mut highest = 0;
    let mut look = |reader: &mut LogReader, until: Option<Position>| -> Result<(), Error> {
        let mut plain = Vec::new();
        while let Some(raw) = reader.next_raw()? {
            let is_before = |position| raw.place.position() < position;
            if !until.is_none_or(is_before) {
                break;
            }
            let found = raw.plain(&mut plain).and_then(|record| {
                decode_series(record, |series_ref, _| highest = series_ref.max(highest))
                    .map_err(|err| format!("decode record: {err}"))
            });
            if let Err(reason) = found {
                return Err(raw.place.corruption(reason).into());
            }
        }
        Ok(())
    };
    let mut first = 0;
    if let Some(checkpoint) = wal::last_checkpoint(dir)? {
        look(&mut LogReader::open(&checkpoint.path, 0)?, None)?;
        first = checkpoint.last_segment.saturating_add(1);
    }
    look(&mut LogReader::open(dir, first)?, Some(position))?;
    Ok(highest)
}
