//! Locks and atomic numbers, from one place: all that threads share goes through these, so that a
//! model checker can put its own in their place (`model_check`) and try other orders of events.
//!
//! Not among them: cells that are written once, whose makers touch nothing shared.

#[cfg(not(all(test, feature = "model-check")))]
mod real {
    pub(crate) use std::sync::atomic;

    pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
}
#[cfg(not(all(test, feature = "model-check")))]
pub(crate) use real::*;

#[cfg(all(test, feature = "model-check"))]
mod checked;
#[cfg(all(test, feature = "model-check"))]
pub(crate) use checked::*;
