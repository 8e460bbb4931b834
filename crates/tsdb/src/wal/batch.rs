//! Records of one transaction, compressed: the work that needs no lock on the log.

use std::cell::RefCell;

use super::{Compression, FLAG_SNAPPY, FLAG_ZSTD};

/// Zstandard level: the log is written once and rarely read.
const ZSTD_LEVEL: i32 = 1;

thread_local! {
    /// Its tables take 32 KiB, which a new one would fill with zeros.
    static SNAPPY: RefCell<snap::raw::Encoder> = RefCell::new(snap::raw::Encoder::new());
}

/// Where a record ends in the batch's bytes, and how it is compressed.
#[derive(Debug, Clone, Copy)]
struct Place {
    end: usize,
    flags: u8,
}

/// Records ready to be framed.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    places: Vec<Place>,
    compression: Compression,
    saved_bytes: usize,
}

impl Batch {
    /// Compresses each record, where that makes it shorter.
    pub fn pack(records: &[Vec<u8>], compression: Compression) -> Self {
        let mut batch = Self {
            bytes: Vec::with_capacity(
                records
                    .iter()
                    .map(|record| snap::raw::max_compress_len(record.len()))
                    .sum(),
            ),
            places: Vec::with_capacity(records.len()),
            compression,
            saved_bytes: 0,
        };
        SNAPPY.with_borrow_mut(|snappy| {
            for record in records {
                batch.push(record, snappy);
            }
        });
        batch
    }

    fn push(&mut self, record: &[u8], snappy: &mut snap::raw::Encoder) {
        let start = self.bytes.len();
        let compressed = match self.compression {
            Compression::None => None,
            Compression::Snappy => {
                self.bytes
                    .resize(start + snap::raw::max_compress_len(record.len()), 0);
                let room = self.bytes.get_mut(start..).unwrap_or_default();
                let made = snappy.compress(record, room).ok();
                made.map(|len| (len, FLAG_SNAPPY))
            }
            Compression::Zstd => zstd::bulk::compress(record, ZSTD_LEVEL).ok().map(|bytes| {
                self.bytes.extend_from_slice(&bytes);
                (bytes.len(), FLAG_ZSTD)
            }),
        };
        let flags = match compressed.filter(|(len, _)| *len < record.len()) {
            Some((len, flags)) => {
                self.saved_bytes += record.len() - len;
                self.bytes.truncate(start + len);
                flags
            }
            None => {
                self.bytes.truncate(start);
                self.bytes.extend_from_slice(record);
                0
            }
        };
        self.places.push(Place {
            end: self.bytes.len(),
            flags,
        });
    }

    /// The records and their compression flags.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], u8)> {
        let mut start = 0;
        self.places.iter().map(move |place| {
            let record = self.bytes.get(start..place.end).unwrap_or_default();
            start = place.end;
            (record, place.flags)
        })
    }

    /// How the batch was compressed.
    pub(super) fn compression(&self) -> Compression {
        self.compression
    }

    /// Bytes that compression saved.
    pub(super) fn saved_bytes(&self) -> usize {
        self.saved_bytes
    }
}
