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
