//! Immutable files as memory.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

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
        std::fs::remove_file(&path).unwrap();
        assert!(FileMap::open(&path).is_err());
    }
}
