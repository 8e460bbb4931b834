//! Named thread pools with a bounded queue: the place for CPU work and blocking I/O.
//!
//! A panic in one job is caught and reported to whoever waits for that job; the worker lives on.
//! The next job goes to the worker that became free last: what it needs is still in its caches, and
//! workers that few jobs need sleep on.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, Thread};

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
    queue: Arc<Open>,
}

/// The result of a queued job, once it has run. Nobody is woken for one that is not waited for.
#[derive(Debug)]
pub struct Running<T>(oneshot::Receiver<Result<T, PoolError>>);

impl<T> Future for Running<T> {
    type Output = Result<T, PoolError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = Pin::new(&mut self.0).poll(context);
        result.map(|result| result.unwrap_or(Err(PoolError::Closed)))
    }
}

/// The queue as long as somebody may add to it.
struct Open(Arc<Queue>);

struct Queue {
    len_max: usize,
    state: Mutex<State>,
    /// Told when a job was taken.
    taken: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Workers that sleep, the latest last.
    idle: Vec<Arc<Sleeper>>,
    /// Those who wait for room.
    waiting: usize,
    closed: bool,
}

/// A worker that may sleep.
struct Sleeper {
    thread: Thread,
    called: AtomicBool,
}

impl Sleeper {
    fn call(&self) {
        self.called.store(true, Ordering::Release);
        self.thread.unpark();
    }

    fn sleep(&self) {
        while !self.called.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No job runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds `job`, which the state has room for.
    fn add(mut state: MutexGuard<'_, State>, job: Job) {
        state.jobs.push_back(job);
        let sleeper = state.idle.pop();
        drop(state);
        if let Some(sleeper) = sleeper {
            sleeper.call();
        }
    }

    /// Runs jobs until there are none and none can come.
    fn work(&self) {
        let own = Arc::new(Sleeper {
            thread: thread::current(),
            called: AtomicBool::new(false),
        });
        loop {
            let mut state = self.lock();
            if let Some(job) = state.jobs.pop_front() {
                // Telling nobody is a system call too.
                let is_awaited = state.waiting > 0;
                drop(state);
                if is_awaited {
                    self.taken.notify_one();
                }
                job();
            } else if state.closed {
                return;
            } else {
                state.idle.push(own.clone());
                drop(state);
                own.sleep();
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        for sleeper in state.idle.drain(..) {
            sleeper.call();
        }
    }
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
        let queue = Arc::new(Queue {
            len_max: queue_len_max.max(1),
            state: Mutex::default(),
            taken: Condvar::new(),
        });
        // Dropped if a thread cannot be made, upon which those before it end.
        let open = Arc::new(Open(queue.clone()));
        for index in 0..threads {
            let queue = queue.clone();
            thread::Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || queue.work())?;
        }
        Ok(Self {
            name: name.into(),
            threads,
            queue: open,
        })
    }

    /// Number of worker threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Jobs waiting for a worker.
    pub fn queue_len(&self) -> usize {
        self.queue.0.lock().jobs.len()
    }

    /// Queues `job` and returns a future of its result. Never blocks; a full queue is
    /// [`PoolError::Full`]. The job runs to its end even if the future is dropped, so long work
    /// takes a [`CancelToken`](crate::cancel::CancelToken).
    pub fn run<T, F>(&self, job: F) -> impl Future<Output = Result<T, PoolError>> + Send + 'static
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let begun = self.begin(job);
        async move { begun?.await }
    }

    /// As [`run`](Self::run), but says at once that the queue is full.
    pub fn begin<T, F>(&self, job: F) -> Result<Running<T>, PoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let queue = &self.queue.0;
        let state = queue.lock();
        if state.jobs.len() >= queue.len_max {
            return Err(PoolError::Full);
        }
        Queue::add(
            state,
            Box::new(move || {
                let result = catch_unwind(AssertUnwindSafe(job))
                    .map_err(|panic| PoolError::Panicked(panic_message(&*panic)));
                // The receiver may be gone: the caller lost interest.
                let _ = sender.send(result);
            }),
        );
        Ok(Running(receiver))
    }

    /// Queues `job`, blocking while the queue is full, without waiting for its result. For threads
    /// that may block; not for async code. A panic is logged.
    pub fn spawn_blocking<F>(&self, job: F)
    where
        F: FnOnce() + Send + 'static,
    {
        let name = self.name.clone();
        let queue = &self.queue.0;
        let mut state = queue.lock();
        while state.jobs.len() >= queue.len_max {
            state.waiting += 1;
            let woken = queue.taken.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        Queue::add(
            state,
            Box::new(move || {
                if let Err(panic) = catch_unwind(AssertUnwindSafe(job)) {
                    let message = panic_message(&*panic);
                    tracing::error!(pool = %name, err = %message, "Job panicked");
                }
            }),
        );
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Barrier, mpsc};
    use std::task::Waker;

    use super::*;

    /// What `future` gives, once it does.
    fn wait<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn jobs_give_what_they_make_and_panics_are_told() {
        let pool = Pool::new("test", 2, 10).expect("threads");
        assert_eq!(wait(pool.run(|| 7)), Ok(7));
        let name = wait(pool.run(|| thread::current().name().map(str::to_owned)));
        assert!(name.is_ok_and(|name| name.is_some_and(|name| name.starts_with("test-"))));
        let panicked = wait(pool.run(|| panic!("no {}", "way")));
        assert_eq!(panicked, Err::<(), _>(PoolError::Panicked("no way".into())));
        pool.spawn_blocking(|| panic!("logged"));
        assert_eq!(wait(pool.run(|| 8)), Ok(8));
    }

    #[test]
    fn a_full_queue_refuses_or_holds_up() {
        let pool = Pool::new("test", 1, 1).expect("threads");
        let (go, gone) = mpsc::channel::<()>();
        let (began, begun) = mpsc::channel();
        let first = pool.run(move || {
            began.send(()).expect("awaited");
            gone.recv()
        });
        begun.recv().expect("runs");
        let second = pool.run(|| 2);
        assert_eq!(pool.queue_len(), 1);
        assert_eq!(wait(pool.run(|| 3)), Err(PoolError::Full));
        let (done, ended) = mpsc::channel();
        let blocked = thread::spawn({
            let pool = pool.clone();
            move || pool.spawn_blocking(move || done.send(4).expect("awaited"))
        });
        go.send(()).expect("awaited");
        assert_eq!(wait(first), Ok(Ok(())));
        assert_eq!(wait(second), Ok(2));
        blocked.join().expect("no panic");
        assert_eq!(ended.recv(), Ok(4));
    }

    #[test]
    fn all_workers_work_at_a_time() {
        let pool = Pool::new("test", 4, 10).expect("threads");
        for _ in 0..50 {
            let barrier = Arc::new(Barrier::new(4));
            let jobs: Vec<_> = (0..4)
                .map(|_| {
                    let barrier = barrier.clone();
                    pool.run(move || barrier.wait().is_leader())
                })
                .collect();
            let leaders = jobs.into_iter().map(wait);
            assert_eq!(leaders.filter(|leader| *leader == Ok(true)).count(), 1);
        }
    }

    #[test]
    fn what_was_queued_is_done_before_the_workers_end() {
        let count = Arc::new(AtomicUsize::new(0));
        let pool = Pool::new("test", 3, 1000).expect("threads");
        for _ in 0..1000 {
            let count = count.clone();
            pool.spawn_blocking(move || {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
        drop(pool);
        // Each worker holds the count only as long as it has jobs.
        while Arc::strong_count(&count) > 1 {
            thread::yield_now();
        }
        assert_eq!(count.load(Ordering::Relaxed), 1000);
    }

    #[test]
    fn jobs_one_after_another_go_to_one_worker() {
        let pool = Pool::new("test", 8, 10).expect("threads");
        // All are asleep, none of them still on its way there.
        while pool.queue.0.lock().idle.len() < 8 {
            thread::yield_now();
        }
        let mut workers = std::collections::BTreeSet::new();
        for _ in 0..100 {
            workers.insert(wait(pool.run(|| format!("{:?}", thread::current().id()))).ok());
            while pool.queue.0.lock().idle.len() < 8 {
                thread::yield_now();
            }
        }
        assert_eq!(workers.len(), 1, "{workers:?}");
    }
}
