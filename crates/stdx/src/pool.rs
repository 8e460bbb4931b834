//! Named thread pools with a bounded queue: the place for CPU work and blocking I/O.
//!
//! A panic in one job is caught and reported to whoever waits for that job; the worker lives on.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Sender, TrySendError, bounded};
use futures_channel::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Why a job gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolError {
    /// The queue is full: the caller should shed or retry later.
    Full,
    /// The pool has been shut down.
    Closed,
    /// The job panicked with this message.
    Panicked(String),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the worker pool's queue is full"),
            Self::Closed => f.write_str("the worker pool is closed"),
            Self::Panicked(message) => write!(f, "job panicked: {message}"),
        }
    }
}

impl std::error::Error for PoolError {}

/// A fixed number of named threads behind one bounded queue. Clones share both; the threads end
/// when the last clone is dropped and the queue is empty.
#[derive(Clone)]
pub struct Pool {
    name: Arc<str>,
    threads: usize,
    queue: Sender<Job>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.name)
            .field("threads", &self.threads)
            .finish()
    }
}

impl Pool {
    /// Starts `threads` (at least one) workers called `name-0`, `name-1`, … with room for
    /// `queue_len_max` waiting jobs.
    pub fn new(name: &str, threads: usize, queue_len_max: usize) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let (queue, jobs) = bounded::<Job>(queue_len_max.max(1));
        for index in 0..threads {
            let jobs = jobs.clone();
            thread::Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || {
                    for job in jobs {
                        job();
                    }
                })?;
        }
        Ok(Self {
            name: name.into(),
            threads,
            queue,
        })
    }

    /// Number of worker threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Jobs waiting for a worker.
    pub fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// Queues `job` and returns a future of its result. Never blocks; a full queue is
    /// [`PoolError::Full`]. The job runs to its end even if the future is dropped, so long work
    /// takes a [`CancelToken`](crate::cancel::CancelToken).
    pub fn run<T, F>(&self, job: F) -> impl Future<Output = Result<T, PoolError>> + Send + 'static
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let queued = self.queue.try_send(Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(job))
                .map_err(|panic| PoolError::Panicked(panic_message(&*panic)));
            // The receiver may be gone: the caller lost interest.
            let _ = sender.send(result);
        }));
        async move {
            match queued {
                Ok(()) => receiver.await.unwrap_or(Err(PoolError::Closed)),
                Err(TrySendError::Full(_)) => Err(PoolError::Full),
                Err(TrySendError::Disconnected(_)) => Err(PoolError::Closed),
            }
        }
    }

    /// Queues `job`, blocking while the queue is full, without waiting for its result. For threads
    /// that may block; not for async code. A panic is logged.
    pub fn spawn_blocking<F>(&self, job: F)
    where
        F: FnOnce() + Send + 'static,
    {
        let name = self.name.clone();
        // Fails only when all workers are gone, which needs the last clone to be gone.
        let _ = self.queue.send(Box::new(move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(job)) {
                let message = panic_message(&*panic);
                tracing::error!(pool = %name, err = %message, "Job panicked");
            }
        }));
    }
}

/// The text of a panic payload, as far as it has one.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "unknown panic".to_owned()
    }
}
