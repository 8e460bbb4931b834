//! A file that its only writer lengthens while others read it through memory.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use memmap2::{Mmap, MmapOptions};

/// A file mapped read-only once, up to the size it may reach. What can be read is what its writer
/// has announced, never more than the file has.
#[derive(Debug)]
pub struct GrowingMap {
    map: Mmap,
    len: AtomicUsize,
}

impl GrowingMap {
    /// Maps `file` up to `len_max` bytes, of which none is readable yet. The file must never be
    /// cut short while the map lives.
    pub fn new(file: &File, len_max: usize) -> io::Result<Self> {
        #[expect(unsafe_code, reason = "mapping a file is unsafe whatever the crate")]
        // SAFETY: pages beyond the end of the file are never touched, as `bytes` ends at `len`,
        // which only `grow_to` raises, after looking at the file's size. The file has one writer,
        // the holder of the directory's lock, who appends and never truncates.
        let map = unsafe { MmapOptions::new().len(len_max).map(file)? };
        Ok(Self {
            map,
            len: AtomicUsize::new(0),
        })
    }

    /// Makes the first `len` bytes readable; as many as `file`, the file of this map, has at most.
    pub fn grow_to(&self, file: &File, len: usize) -> io::Result<()> {
        let file_len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let len = len.min(file_len).min(self.map.len());
        self.len.fetch_max(len, Ordering::Release);
        Ok(())
    }

    /// What can be read.
    pub fn bytes(&self) -> &[u8] {
        let len = self.len.load(Ordering::Acquire);
        self.map.get(..len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn shows_what_was_announced_and_the_file_has() {
        let path = std::env::temp_dir().join(format!("ferula-growing-{}", std::process::id()));
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        let map = GrowingMap::new(&file, 1 << 20).unwrap();
        assert_eq!(map.bytes(), b"");
        file.write_all(b"first second").unwrap();
        map.grow_to(&file, 5).unwrap();
        assert_eq!(map.bytes(), b"first");
        map.grow_to(&file, 4000).unwrap();
        assert_eq!(map.bytes(), b"first second");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(map.bytes(), b"first second");
    }
}
