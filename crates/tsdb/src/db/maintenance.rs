//! The thread that keeps the database in shape: closed chunks go to files, old parts of the head
//! to blocks, blocks together and away.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Shared;

/// How often the head is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two rounds over the blocks.
const TICKS_PER_ROUND: u32 = 60;

/// How much nicer the thread is than the others: while queries and scrapes want every processor it
/// gets about a tenth of one.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// Lets queries and scrapes go first: what this thread does can wait a little, and may take a
/// processor for seconds. Not where the call would mean the whole process.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        // Without it queries are slower meanwhile, no more.
        let _ = getpriority_process(None)
            .and_then(|nice| setpriority_process(None, (nice + NICER).min(19)));
    }
}

/// The running thread. Dropping it waits for its end, which comes soon once the database is
/// closing.
#[derive(Debug)]
pub(super) struct Maintenance {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Maintenance {
    pub(super) fn start(shared: Arc<Shared>, snapshot_interval_ms: u64) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("tsdb".to_owned())
            .spawn(move || {
                give_way();
                let mut ticks = 0_u32;
                let interval = Duration::from_millis(snapshot_interval_ms);
                let mut written_down = Instant::now();
                while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    ticks += 1;
                    shared.tick(ticks.is_multiple_of(TICKS_PER_ROUND));
                    if !interval.is_zero() && written_down.elapsed() >= interval {
                        if let Err(err) = shared.write_down() {
                            // The log has everything.
                            tracing::warn!(component = "tsdb", err = %err, "Writing the head's memory down failed");
                        }
                        written_down = Instant::now();
                    }
                }
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(component = "tsdb", "The maintenance thread panicked");
        }
    }
}

impl Shared {
    fn tick(&self, is_round: bool) {
        if self.head.has_unwritten_chunks()
            && let Err(err) = self.head.write_chunks()
        {
            tracing::error!(component = "tsdb", err = %err, "Writing head chunks failed");
        }
        if is_round && let Err(err) = self.reload_blocks() {
            tracing::error!(component = "tsdb", err = %err, "reloadBlocks");
        }
        if (is_round || self.head.is_compactable())
            && let Err(err) = self.compact()
        {
            tracing::error!(component = "tsdb", err = %err, "compaction failed");
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use rustix::process::getpriority_process;

    use super::{NICER, give_way};

    #[test]
    fn only_the_thread_itself_gives_way() {
        let nice = || getpriority_process(None).expect("priority");
        let before = nice();
        let there = std::thread::spawn(move || {
            give_way();
            nice()
        });
        let there = there.join().expect("no panic");
        assert_eq!(there, (before + NICER).min(19));
        assert_eq!(nice(), before);
    }
}
