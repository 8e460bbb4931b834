//! Folders of snapshots, and how a snapshot is tied to the log that goes on behind it.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use telemetry::Registry;

use crate::Error;
use crate::wal::{self, Compression, SEGMENT_BYTES, Writer, WriterMetrics};

/// Who a snapshot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Written at the end of a run, for us and for the reference.
    Shared,
    /// Written now and then while running, for us alone.
    Private,
}

impl Kind {
    /// Prefix of the folders.
    fn prefix(self) -> &'static str {
        match self {
            Self::Shared => "chunk_snapshot.",
            Self::Private => "ferula_snapshot.",
        }
    }
}

/// What only we write and read; other readers look at names that are numbers.
const SIDE_FILE: &str = "ferula.json";
/// Bytes of a file before a place in it that are looked at again.
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

/// The end of a file as a snapshot found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Tie {
    /// Bytes before the end that were looked at, and their checksum.
    bytes: u64,
    crc32c: u32,
}

impl Tie {
    /// Looks at what lies before `end` in the file at `path`; `None` if it does not reach there.
    fn of(path: &Path, end: u64) -> Result<Option<Self>, Error> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(Error::io("open", path, err)),
        };
        let wanted = end.min(TIE_BYTES_MAX);
        let mut bytes = vec![0; wanted as usize];
        match file.read_exact_at(&mut bytes, end - wanted) {
            Ok(()) => Ok(Some(Self {
                bytes: wanted,
                crc32c: crc32c::crc32c(&bytes),
            })),
            Err(err) if err.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(err) => Err(Error::io("read", path, err)),
        }
    }
}

/// The newest head chunk file as a snapshot found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct ChunksTie {
    file: u32,
    end: u64,
    tie: Tie,
}

/// What the format has no place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Side {
    version: u32,
    /// No series had this reference or a higher one.
    pub(crate) next_ref: u64,
    /// The log before the position.
    log: Tie,
    /// Head chunk files, if there are any.
    chunks: Option<ChunksTie>,
}

impl Folder {
    /// The newest snapshot in `dir` of one of these kinds.
    pub(crate) fn last(dir: &Path, kinds: &[Kind]) -> Result<Option<Self>, Error> {
        let mut found = Vec::new();
        for kind in kinds {
            found.extend(all(dir, *kind)?);
        }
        Ok(found.into_iter().max_by_key(|folder| folder.position))
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
    /// What there is beside a snapshot at `position`: the log in `wal_dir`, and head chunk files up
    /// to a place in one of them.
    fn new(
        wal_dir: &Path,
        position: Position,
        next_ref: u64,
        chunks: Option<(PathBuf, u32, u64)>,
    ) -> Result<Self, Error> {
        let gone = || Error::Snapshot("a file that belongs to it is gone".to_owned());
        let log = Tie::of(
            &segment_path_of(wal_dir, position.segment)?,
            position.offset,
        )?;
        let chunks = match chunks {
            None => None,
            Some((path, file, end)) => Some(ChunksTie {
                file,
                end,
                tie: Tie::of(&path, end)?.ok_or_else(gone)?,
            }),
        };
        Ok(Self {
            version: 1,
            next_ref,
            log: log.ok_or_else(gone)?,
            chunks,
        })
    }

    /// Whether the log in `wal_dir` and the head chunk files are those that the snapshot was made
    /// beside; `chunk_file` tells where a file is.
    pub(crate) fn fits(
        &self,
        wal_dir: &Path,
        position: Position,
        chunk_file: impl Fn(u32) -> PathBuf,
    ) -> Result<bool, Error> {
        let log = Tie::of(
            &segment_path_of(wal_dir, position.segment)?,
            position.offset,
        )?;
        let chunks = match self.chunks {
            None => true,
            Some(chunks) => Tie::of(&chunk_file(chunks.file), chunks.end)? == Some(chunks.tie),
        };
        Ok(log == Some(self.log) && chunks)
    }
}

/// Where a segment is: other programs may write its number with fewer digits.
fn segment_path_of(wal_dir: &Path, segment: u32) -> Result<PathBuf, Error> {
    let segments = wal::segments(wal_dir)?;
    let found = segments.into_iter().find(|(number, _)| *number == segment);
    Ok(found.map_or_else(|| wal::segment_path(wal_dir, segment), |(_, path)| path))
}

fn all(dir: &Path, kind: Kind) -> Result<Vec<Folder>, Error> {
    let listing = fs::read_dir(dir).map_err(|err| Error::io("list", dir, err))?;
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|err| Error::io("list", dir, err))?;
        let name = entry.file_name();
        let position = name.to_str().and_then(|name| position_of(name, kind));
        let path = entry.path();
        if let Some(position) = position.filter(|_| path.is_dir()) {
            found.push(Folder { path, position });
        }
    }
    Ok(found)
}

fn position_of(name: &str, kind: Kind) -> Option<Position> {
    let (segment, offset) = name.strip_prefix(kind.prefix())?.split_once('.')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(segment) || !is_number(offset) {
        return None;
    }
    Some(Position {
        segment: segment.parse().ok()?,
        offset: offset.parse().ok()?,
    })
}

/// Whether `name` is that of a snapshot that only we know, finished or in the making.
pub(crate) fn is_private(name: &str) -> bool {
    let finished = name.strip_suffix(".tmp").unwrap_or(name);
    position_of(finished, Kind::Private).is_some()
}

/// Deletes all snapshots in `dir`.
pub(crate) fn remove_all(dir: &Path) -> Result<(), Error> {
    for kind in [Kind::Shared, Kind::Private] {
        for folder in all(dir, kind)? {
            remove_folder(&folder.path)?;
        }
    }
    Ok(())
}

/// Deletes snapshots of one kind for places before `position`, and what a crash left of some in the
/// making.
fn remove_before(dir: &Path, kind: Kind, position: Position) -> Result<(), Error> {
    for folder in all(dir, kind)? {
        if folder.position < position {
            remove_folder(&folder.path)?;
        }
    }
    let listing = fs::read_dir(dir).map_err(|err| Error::io("list", dir, err))?;
    for entry in listing {
        let entry = entry.map_err(|err| Error::io("list", dir, err))?;
        let name = entry.file_name();
        let unfinished = name
            .to_str()
            .and_then(|name| position_of(name.strip_suffix(".tmp")?, kind));
        if unfinished.is_some() {
            remove_folder(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_folder(path: &Path) -> Result<(), Error> {
    fs::remove_dir_all(path).map_err(|err| Error::io("remove", path, err))
}

/// A snapshot in the making. Dropped unfinished, it takes its folder away; one that a crash leaves is
/// ignored, and removed with the next snapshot.
#[derive(Debug)]
pub(crate) struct FolderWriter {
    dir: PathBuf,
    temporary: PathBuf,
    path: PathBuf,
    kind: Kind,
    position: Position,
    writer: Writer,
    is_published: bool,
}

impl Drop for FolderWriter {
    fn drop(&mut self) {
        if !self.is_published
            && let Err(err) = remove_folder(&self.temporary)
        {
            tracing::warn!(component = "tsdb", err = %err, "An unfinished snapshot is left");
        }
    }
}

impl FolderWriter {
    /// Begins the snapshot in `dir` of what the log says before `position`.
    pub(crate) fn create(
        dir: &Path,
        kind: Kind,
        position: Position,
        compression: Compression,
    ) -> Result<Self, Error> {
        let (prefix, Position { segment, offset }) = (kind.prefix(), position);
        let name = format!("{prefix}{segment:06}.{offset:010}");
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
            kind,
            position,
            writer,
            is_published: false,
        })
    }

    /// Adds records.
    pub(crate) fn log(&mut self, records: &[Vec<u8>]) -> Result<(), Error> {
        self.writer.log(records)
    }

    /// Brings the snapshot to the disk, publishes it and removes those of its kind before it.
    /// `chunks` is how far the newest head chunk file is on the disk.
    pub(crate) fn finish(
        mut self,
        wal_dir: &Path,
        next_ref: u64,
        chunks: Option<(PathBuf, u32, u64)>,
    ) -> Result<(), Error> {
        self.writer.close()?;
        let side = Side::new(wal_dir, self.position, next_ref, chunks)?;
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
        self.is_published = true;
        wal::sync_dir(&self.dir)?;
        remove_before(&self.dir, self.kind, self.position)
    }
}
