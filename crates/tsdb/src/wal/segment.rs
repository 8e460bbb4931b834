//! Names of segments and checkpoints, and what a directory holds of them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Error;

/// Prefix of checkpoint directories.
pub(super) const CHECKPOINT_PREFIX: &str = "checkpoint.";

/// A directory that stands for all segments up to a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The directory: a log of its own.
    pub path: PathBuf,
    /// Last segment it covers.
    pub last_segment: u32,
}

/// Path of segment `number`.
pub(crate) fn segment_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}"))
}

/// Segments of the log in `dir`, ascending. Names that are no number are ignored; a gap is an
/// error. A missing directory is an empty log.
pub fn segments(dir: &Path) -> Result<Vec<(u32, PathBuf)>, Error> {
    let mut found: Vec<(u32, PathBuf)> = entries(dir)?
        .into_iter()
        .filter_map(|(name, path)| Some((number(&name)?, path)))
        .collect();
    found.sort();
    for pair in found.windows(2) {
        if let [(before, _), (after, _)] = pair
            && before.checked_add(1) != Some(*after)
        {
            return Err(Error::SegmentGap {
                path: dir.to_owned(),
                before: *before,
                after: *after,
            });
        }
    }
    Ok(found)
}

/// The newest checkpoint in `dir`, if there is one.
pub fn last_checkpoint(dir: &Path) -> Result<Option<Checkpoint>, Error> {
    let all = checkpoints(dir)?;
    Ok(all
        .into_iter()
        .max_by_key(|checkpoint| checkpoint.last_segment))
}

/// All checkpoints in `dir`.
pub(super) fn checkpoints(dir: &Path) -> Result<Vec<Checkpoint>, Error> {
    Ok(entries(dir)?
        .into_iter()
        .filter_map(|(name, path)| {
            let last_segment = number(name.strip_prefix(CHECKPOINT_PREFIX)?)?;
            path.is_dir().then_some(Checkpoint { path, last_segment })
        })
        .collect())
}

/// Deletes what a crash left of checkpoints under construction.
pub(crate) fn remove_temporary(dir: &Path) -> Result<(), Error> {
    for (name, path) in entries(dir)? {
        if name.starts_with(CHECKPOINT_PREFIX) && name.ends_with(".tmp") {
            fs::remove_dir_all(&path).map_err(|err| Error::io("remove", &path, err))?;
        }
    }
    Ok(())
}

fn number(name: &str) -> Option<u32> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    name.parse().ok()
}

fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(Error::io("list", dir, err)),
    };
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|err| Error::io("list", dir, err))?;
        if let Some(name) = entry.file_name().to_str() {
            found.push((name.to_owned(), entry.path()));
        }
    }
    found.sort();
    Ok(found)
}
