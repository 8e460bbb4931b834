//! The thread that drops what was sent, or is too old to be sent, from an agent's log.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use model::Timestamp;

use super::Shared;

/// The running thread. Dropping it waits for its end, which a truncation under way may delay.
#[derive(Debug)]
pub(super) struct Truncation {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Truncation {
    /// Truncates each `frequency_ms`. `sent` tells up to which time everything was sent.
    pub(super) fn start(
        shared: Arc<Shared>,
        sent: impl Fn() -> Timestamp + Send + 'static,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let frequency = u64::try_from(shared.options.truncate_frequency_ms).unwrap_or(0);
        let frequency = Duration::from_millis(frequency);
        let thread = std::thread::Builder::new()
            .name("agent".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(frequency) == Err(RecvTimeoutError::Timeout) {
                    let (sent, now) = (sent(), now_ms());
                    let mint = shared.truncation_time(sent, now);
                    tracing::debug!(component = "agent", ts = mint, "truncating the WAL");
                    if let Err(err) = shared.truncate(mint, now) {
                        // The next round tries again.
                        tracing::warn!(component = "agent", err = %err, "failed to truncate WAL");
                    }
                }
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Truncation {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(component = "agent", "The truncation thread panicked");
        }
    }
}

fn now_ms() -> Timestamp {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    since.as_millis().try_into().unwrap_or(Timestamp::MAX)
}
