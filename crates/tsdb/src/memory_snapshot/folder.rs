//! Folders of snapshots, and how a snapshot is tied to the log that goes on behind it.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use telemetry::Registry;

use crate::Error;
use crate::wal::{self, Compression, SEGMENT_BYTES, Writer, WriterMetrics};

/// Prefix of the folders, in the reference's words.
const PREFIX: &str = "chunk_snapshot.";
/// What only we write and read; other readers look at names that are numbers.
const SIDE_FILE: &str = "ferula.json";
/// Bytes of the log before the snapshot's place that are looked at again.
const TIE_BYTES_MAX: u64 = 64 << 10;

/// A place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
}

/// A snapshot on disk: what the log says before its position.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    pub(crate) position: Position,
}

/// What the format has no place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Side {
    version: u32,
    /// No series had this reference or a higher one.
    pub(crate) next_ref: u64,
    /// Bytes of the log right before the position, and their checksum.
    tie_bytes: u64,
    tie_crc32c: u32,
}

impl Folder {
    /// The newest snapshot in `dir`.
    pub(crate) fn last(dir: &Path) -> Result<Option<Self>, Error> {
        let all = all(dir)?;
        Ok(all.into_iter().max_by_key(|folder| folder.position))
    }

    /// What we wrote beside the records; `None` if another program made the snapshot.
    pub(crate) fn side(&self) -> Result<Option<Side>, Error> {
        let path = self.path.join(SIDE_FILE);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice::<Side>(&text)
                .ok()
                .filter(|side| side.version == 1)
                .map(Some)
                .ok_or_else(|| Error::Snapshot(format!("{SIDE_FILE} cannot be read"))),
            Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
            Err(err) => Err(Error::io("read", &path, err)),
        }
    }
}

impl Side {
    /// Whether the log in `wal_dir` is the one that the snapshot was made beside.
    pub(crate) fn fits(&self, wal_dir: &Path, position: Position) -> Result<bool, Error> {
        let (bytes, crc) = tie(wal_dir, position)?;
        Ok((bytes, crc) == (self.tie_bytes, self.tie_crc32c))
    }
}

/// Number and checksum of the last bytes before a position; fewer if the log is shorter.
fn tie(wal_dir: &Path, position: Position) -> Result<(u64, u32), Error> {
    let segments = wal::segments(wal_dir)?;
    let segment = segments
        .into_iter()
        .find(|(number, _)| *number == position.segment);
    let Some((_, path)) = segment else {
        return Ok((0, 0));
    };
    let file = File::open(&path).map_err(|err| Error::io("open", &path, err))?;
    let wanted = position.offset.min(TIE_BYTES_MAX);
    let mut bytes = vec![0; wanted as usize];
    let from = position.offset - wanted;
    match file.read_exact_at(&mut bytes, from) {
        Ok(()) => Ok((wanted, crc32c::crc32c(&bytes))),
        Err(err) if err.kind() == ErrorKind::UnexpectedEof => Ok((u64::MAX, 0)),
        Err(err) => Err(Error::io("read", &path, err)),
    }
}

fn all(dir: &Path) -> Result<Vec<Folder>, Error> {
    let listing = fs::read_dir(dir).map_err(|err| Error::io("list", dir, err))?;
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|err| Error::io("list", dir, err))?;
        let name = entry.file_name();
        let position = name.to_str().and_then(position_of);
        let path = entry.path();
        if let Some(position) = position.filter(|_| path.is_dir()) {
            found.push(Folder { path, position });
        }
    }
    Ok(found)
}

fn position_of(name: &str) -> Option<Position> {
    let (segment, offset) = name.strip_prefix(PREFIX)?.split_once('.')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(segment) || !is_number(offset) {
        return None;
    }
    Some(Position {
        segment: segment.parse().ok()?,
        offset: offset.parse().ok()?,
    })
}

/// Deletes the snapshots in `dir` that are for places before `position` (all with `None`), and what
/// a crash left of one in the making.
pub(crate) fn remove(dir: &Path, position: Option<Position>) -> Result<(), Error> {
    for folder in all(dir)? {
        if position.is_none_or(|position| folder.position < position) {
            remove_folder(&folder.path)?;
        }
    }
    remove_temporary(dir)
}

/// Deletes what a crash left of snapshots in the making.
pub(crate) fn remove_temporary(dir: &Path) -> Result<(), Error> {
    let listing = fs::read_dir(dir).map_err(|err| Error::io("list", dir, err))?;
    for entry in listing {
        let entry = entry.map_err(|err| Error::io("list", dir, err))?;
        let name = entry.file_name();
        let unfinished = name
            .to_str()
            .and_then(|name| position_of(name.strip_suffix(".tmp")?));
        if unfinished.is_some() {
            remove_folder(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_folder(path: &Path) -> Result<(), Error> {
    fs::remove_dir_all(path).map_err(|err| Error::io("remove", path, err))
}

/// A snapshot in the making. Dropped unfinished, it leaves a folder that is ignored and removed
/// with the next one.
#[derive(Debug)]
pub(crate) struct FolderWriter {
    dir: PathBuf,
    temporary: PathBuf,
    path: PathBuf,
    position: Position,
    writer: Writer,
}

impl FolderWriter {
    /// Begins the snapshot in `dir` of what the log says before `position`.
    pub(crate) fn create(
        dir: &Path,
        position: Position,
        compression: Compression,
    ) -> Result<Self, Error> {
        let name = format!("{PREFIX}{:06}.{:010}", position.segment, position.offset);
        let temporary = dir.join(format!("{name}.tmp"));
        if temporary.exists() {
            remove_folder(&temporary)?;
        }
        fs::create_dir(&temporary).map_err(|err| Error::io("create", &temporary, err))?;
        // Its writes are not those of the log.
        let metrics = WriterMetrics::new(&Registry::new(), "snapshot");
        let writer = Writer::create(&temporary, 0, SEGMENT_BYTES, compression, metrics)?;
        Ok(Self {
            dir: dir.to_owned(),
            temporary,
            path: dir.join(name),
            position,
            writer,
        })
    }

    /// Adds records.
    pub(crate) fn log(&mut self, records: &[Vec<u8>]) -> Result<(), Error> {
        self.writer.log(records)
    }

    /// Brings the snapshot to the disk, publishes it and removes those before it. The log in
    /// `wal_dir` must be on the disk up to the position.
    pub(crate) fn finish(mut self, wal_dir: &Path, next_ref: u64) -> Result<(), Error> {
        self.writer.close()?;
        let (tie_bytes, tie_crc32c) = tie(wal_dir, self.position)?;
        let side = Side {
            version: 1,
            next_ref,
            tie_bytes,
            tie_crc32c,
        };
        let path = self.temporary.join(SIDE_FILE);
        let text = serde_json::to_vec(&side).map_err(|err| Error::Snapshot(err.to_string()))?;
        let written = fs::write(&path, text).and_then(|()| File::open(&path)?.sync_all());
        written.map_err(|err| Error::io("write", &path, err))?;
        wal::sync_dir(&self.temporary)?;
        if self.path.exists() {
            remove_folder(&self.path)?;
        }
        fs::rename(&self.temporary, &self.path)
            .map_err(|err| Error::io("rename", &self.temporary, err))?;
        wal::sync_dir(&self.dir)?;
        remove(&self.dir, Some(self.position))
    }
}
