//! Immutable files as memory.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;

use memmap2::{Mmap, UncheckedAdvice};

/// A whole file, mapped read-only. For files that nobody changes once they are published (blocks,
/// full head chunk files): cutting a mapped file short makes later reads of it fatal.
#[derive(Debug)]
pub struct FileMap(Bytes);

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    /// The empty file, which cannot be mapped, or bytes that never were a file.
    Owned(Vec<u8>),
}

impl From<Vec<u8>> for FileMap {
    /// Bytes in place of a file: for tests and fuzzing.
    fn from(bytes: Vec<u8>) -> Self {
        Self(Bytes::Owned(bytes))
    }
}

impl FileMap {
    /// Maps the file at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Ok(Self(Bytes::Owned(Vec::new())));
        }
        #[expect(unsafe_code, reason = "mapping a file is unsafe whatever the crate")]
        // SAFETY: the mapping is read-only and private to this value; the files it is used for are
        // published by a rename and never written or truncated afterwards by either program.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self(Bytes::Mapped(map)))
    }

    /// Gives the memory behind a range free: its pages leave this process and come back from the
    /// file when they are read again. For readers that go through a file once. Best effort.
    pub fn release(&self, range: Range<usize>) {
        let Bytes::Mapped(map) = &self.0 else {
            return;
        };
        let end = range.end.min(map.len());
        let Some(len) = end.checked_sub(range.start).filter(|len| *len > 0) else {
            return;
        };
        #[expect(
            unsafe_code,
            reason = "the advice is unsafe for memory that has no file behind it"
        )]
        // SAFETY: the mapping is of a file and read-only, so that pages that are dropped have the
        // same contents when they are read again; the range lies within the mapping.
        let released =
            unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, len) };
        // Without it the pages stay until the system wants them.
        drop(released);
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_what_the_file_holds() {
        let path = std::env::temp_dir().join(format!("ferula-file-map-{}", std::process::id()));
        for content in [&b"some bytes"[..], b""] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(&*FileMap::open(&path).unwrap(), content);
        }
        let pages: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        std::fs::write(&path, &pages).unwrap();
        let map = FileMap::open(&path).unwrap();
        for range in [0..100_000, 5_000..70_000, 99_999..500_000, 7..7] {
            map.release(range);
            assert!(*map == pages[..], "released pages come back");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(FileMap::open(&path).is_err());
    }
}
