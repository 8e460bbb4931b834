//! Keeps two processes, ours or the reference's, out of one directory.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::Error;

/// A held lock. Dropping it removes the file, as the reference does.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: File,
    path: PathBuf,
    clean_start: bool,
}

impl LockFile {
    /// As [`acquire`](Self::acquire), unless the user wants no lock.
    pub(crate) fn acquire_unless(no_lockfile: bool, dir: &Path) -> Result<Option<Self>, Error> {
        (!no_lockfile).then(|| Self::acquire(dir)).transpose()
    }

    /// Locks `<dir>/lock`; never waits.
    pub(crate) fn acquire(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("lock");
        let fail = |source| Error::Lock {
            path: path.clone(),
            source,
        };
        let clean_start = !path.exists();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fail)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(Error::Locked),
            Err(errno) => return Err(fail(errno.into())),
        }
        let mut left_by = String::new();
        // Only informative, and a dead process may have left anything.
        let _ = (&file).take(64).read_to_string(&mut left_by);
        if !clean_start {
            tracing::warn!(component = "tsdb", file = %path.display(), pid = %left_by.trim(), "A TSDB lockfile from a previous execution already existed. It was replaced");
        }
        file.set_len(0).map_err(fail)?;
        file.write_all_at(std::process::id().to_string().as_bytes(), 0)
            .map_err(fail)?;
        Ok(Self {
            file,
            path,
            clean_start,
        })
    }

    /// Whether no lock file had been left behind.
    pub(crate) fn clean_start(&self) -> bool {
        self.clean_start
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Removed while still locked, so that nobody can lock a file about to vanish.
        let _ = std::fs::remove_file(&self.path);
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}
