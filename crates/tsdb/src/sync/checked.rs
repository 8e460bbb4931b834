//! The model checker's locks, in the form the rest of the crate uses.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

use shuttle::sync;
pub(crate) use shuttle::sync::atomic;

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

/// Empty only inside [`Condvar::wait`].
#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T>(Option<sync::MutexGuard<'a, T>>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("the lock is held")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("the lock is held")
    }
}

/// Readers and a writer. That of the checker does not let a thread read while it reads already,
/// which ours may; this one prefers nobody, where the real one lets writers wait first.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T> {
    /// Held while somebody tries or gives up the lock.
    gate: Mutex<()>,
    freed: Condvar,
    /// Never waited for: all threads of a model are one.
    value: std::sync::RwLock<T>,
}

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            gate: Mutex::default(),
            freed: Condvar::default(),
            value: std::sync::RwLock::new(value),
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for<'a, G>(&'a self, attempt: impl Fn(&'a Self) -> Option<G>) -> Option<G> {
        let mut gate = self.gate.lock();
        loop {
            match attempt(self) {
                Some(guard) => return Some(guard),
                None => self.freed.wait(&mut gate),
            }
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        let guard = self.wait_for(|lock| lock.value.try_read().ok());
        RwLockReadGuard { guard, lock: self }
    }

    pub(crate) fn read_recursive(&self) -> RwLockReadGuard<'_, T> {
        self.read()
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        let guard = self.wait_for(|lock| lock.value.try_write().ok());
        RwLockWriteGuard { guard, lock: self }
    }

    fn wake(&self) {
        // A model that failed is being taken down: nobody will run again.
        if !std::thread::panicking() {
            drop(self.gate.lock());
            self.freed.notify_all();
        }
    }
}

/// Empty only while it is dropped.
#[derive(Debug)]
pub(crate) struct RwLockReadGuard<'a, T> {
    guard: Option<std::sync::RwLockReadGuard<'a, T>>,
    lock: &'a RwLock<T>,
}

/// Empty only while it is dropped.
#[derive(Debug)]
pub(crate) struct RwLockWriteGuard<'a, T> {
    guard: Option<std::sync::RwLockWriteGuard<'a, T>>,
    lock: &'a RwLock<T>,
}

impl<T> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().expect("the lock is held")
    }
}

impl<T> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().expect("the lock is held")
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect("the lock is held")
    }
}

impl<T> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        drop(self.guard.take());
        self.lock.wake();
    }
}

impl<T> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        drop(self.guard.take());
        self.lock.wake();
    }
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(sync::Condvar);

impl Condvar {
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        guard.0 = guard
            .0
            .take()
            .map(|held| self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}
