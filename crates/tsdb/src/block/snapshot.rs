//! A copy of a block that shares its files' contents.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::{Block, BlockError, meta, tombstones};

impl Block {
    /// Makes a folder of the block's name in `dir` and links all files of the block into it. `dir`
    /// must be on the same file system.
    pub fn snapshot(&self, dir: &Path) -> Result<(), BlockError> {
        // Deletions, which replace files, wait.
        let state = self.state.write();
        let folder = dir.join(&state.meta.ulid);
        let chunks = folder.join("chunks");
        fs::create_dir_all(&chunks).map_err(|err| self.io_error("snapshot", err))?;
        for name in [meta::FILE_NAME, "index", tombstones::FILE_NAME] {
            match fs::hard_link(self.path.join(name), folder.join(name)) {
                Err(err)
                    if err.kind() == io::ErrorKind::NotFound && name == tombstones::FILE_NAME => {}
                linked => linked.map_err(|err| self.io_error(name, err))?,
            }
        }
        let link_chunks = || {
            for entry in fs::read_dir(self.path.join("chunks"))? {
                let entry = entry?;
                fs::hard_link(entry.path(), chunks.join(entry.file_name()))?;
            }
            File::open(&chunks)?.sync_all()?;
            File::open(&folder)?.sync_all()
        };
        link_chunks().map_err(|err| self.io_error("chunks", err))
    }
}
