//! Memory that transactions hand on.

use crate::sync::Mutex;
use crate::wal::record::SampleEntry;

/// Transactions whose vectors are kept for those to come, and most samples of one that is.
const SPARE_LEN_MAX: usize = 16;
const SPARE_SAMPLES_MAX: usize = 8192;

/// Vectors of transactions that ended: a new one need not grow its own.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<Columns>>);

/// What grows with the samples of a transaction.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// With the slots of their series.
    pub(super) samples: Vec<(u32, SampleEntry)>,
    /// Slots.
    pub(super) pinned: Vec<u32>,
}

impl Spare {
    pub(super) fn take(&self) -> Columns {
        self.0.lock().pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, mut columns: Columns) {
        let Columns { samples, pinned } = &mut columns;
        if samples.capacity().max(pinned.capacity()) > SPARE_SAMPLES_MAX {
            return;
        }
        samples.clear();
        pinned.clear();
        let mut kept = self.0.lock();
        if kept.len() < SPARE_LEN_MAX {
            kept.push(columns);
        }
    }
}
