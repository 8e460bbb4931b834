//! The receiving side of remote write: a request's body becomes samples in the store.
//!
//! Way of a request: headers ([`Receiver::negotiate`]) → snappy, bounded before memory is taken →
//! the whole message checked against the protocol's definition → series by series, read in place,
//! resolved to references through what is remembered of earlier requests → batches into one
//! transaction → answer with status, text and counts in the reference's words.
//!
//! Everything here is synchronous and meant for a pool. How many requests are in work, and how much
//! memory they may take, is the business of who calls.

mod histogram;
mod known_series;
mod labels;
mod metrics;
mod negotiate;
pub mod read;
mod schemas;
mod snappy;
mod symbols;
mod transaction;
mod wire;
mod write_v1;
mod write_v2;

use std::sync::Arc;

use model::Timestamp;
use storage::Appendable;
use telemetry::Registry;

use self::known_series::KnownSeries;
use self::labels::{Fault, RawPair};
use self::metrics::Metrics;
pub use self::negotiate::Message;
pub use self::snappy::{PACKED_BYTES_MAX, unpacked_len};
pub use self::transaction::Written;

/// Label sets remembered from one request to the next.
const KNOWN_SERIES_MAX: usize = 1 << 20;
/// Bytes of a label set in a log line.
const LOGGED_BYTES_MAX: usize = 1024;

/// What an operator chooses.
#[derive(Debug, Clone)]
pub struct ReceiverOptions {
    /// Messages that are taken.
    pub accepted: Vec<Message>,
    /// Whether metadata of series is kept (feature `metadata-wal-records`).
    pub keep_metadata: bool,
}

/// What the sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Text of the error; empty for none.
    pub text: String,
    /// Counts that go into headers; version 1 has none.
    pub written: Option<Written>,
}

/// Why a request was not taken, or not all of it.
#[derive(Debug, Default)]
struct Failure {
    /// Whether sending it again would not help.
    is_bad_request: bool,
    text: String,
}

impl Failure {
    fn internal(err: impl std::fmt::Display) -> Self {
        Self {
            is_bad_request: false,
            text: err.to_string(),
        }
    }

    fn status(&self) -> u16 {
        if self.is_bad_request { 400 } else { 500 }
    }
}

/// Series of a request whose labels are impossible.
#[derive(Debug, Default)]
struct Invalid {
    count: u64,
    first: Option<String>,
}

impl Invalid {
    fn add(&mut self, count: u64, pairs: &[RawPair<'_>], fault: &Fault) {
        self.count += count;
        self.first.get_or_insert_with(|| {
            let mut text = labels::text(pairs);
            text.truncate(text.floor_char_boundary(LOGGED_BYTES_MAX));
            match fault {
                Fault::Invalid => text,
                Fault::Duplicate(name) => format!("{text}, {name} twice"),
            }
        });
    }
}

/// Takes remote write requests. Shared by all connections.
pub struct Receiver {
    store: Arc<dyn Appendable>,
    options: ReceiverOptions,
    known: Arc<KnownSeries>,
    metrics: Metrics,
}

impl Receiver {
    /// A receiver that writes into `store`.
    pub fn new(store: Arc<dyn Appendable>, options: ReceiverOptions, registry: &Registry) -> Self {
        let known = Arc::new(KnownSeries::new(KNOWN_SERIES_MAX));
        let metrics = Metrics::new(registry, &known);
        Self {
            store,
            options,
            known,
            metrics,
        }
    }

    /// Which message a request holds by its headers, or the answer that refuses it.
    pub fn negotiate(&self, content_type: &str, content_encoding: &str) -> Result<Message, Answer> {
        let unsupported = |text: String| {
            tracing::error!(component = "web", err = %text, "Error decoding remote write request");
            Answer {
                status: 415,
                text,
                written: None,
            }
        };
        let message = negotiate::message(content_type, &self.options.accepted);
        let message = message.map_err(unsupported)?;
        negotiate::encoding(content_encoding).map_err(unsupported)?;
        Ok(message)
    }

    /// Takes a request; `now` is the clock's time.
    pub fn receive(&self, message: Message, body: &[u8], now: Timestamp) -> Answer {
        let schema = match message {
            Message::V1 => &schemas::WRITE_REQUEST,
            Message::V2 => &schemas::REQUEST_V2,
        };
        let refused = |text: String| {
            tracing::error!(
                component = "web",
                protobuf_message = message.as_str(),
                err = %text,
                "Error decoding remote write request"
            );
            Answer {
                status: 400,
                text,
                written: None,
            }
        };
        let request = match snappy::unpack(body) {
            Ok(request) => request,
            Err(err) => return refused(err.to_string()),
        };
        if let Err(err) = wire::check(&request, schema) {
            return refused(err.to_string());
        }
        let mut invalid = Invalid::default();
        let (written, failure) = match message {
            Message::V1 => {
                let appender = self.store.appender();
                match write_v1::write(&request, appender, &self.known, now, &mut invalid) {
                    Ok(_) => (None, None),
                    Err(failure) => (None, Some(failure)),
                }
            }
            Message::V2 => {
                let outcome = write_v2::write(
                    &request,
                    self.store.appender(),
                    &self.known,
                    self.options.keep_metadata,
                    now,
                    &mut invalid,
                );
                let without = outcome.without_metadata;
                self.metrics.without_metadata.add(without as f64);
                (Some(outcome.written), outcome.failure)
            }
        };
        if let Some(got) = &invalid.first {
            self.metrics.invalid_labels.add(invalid.count as f64);
            tracing::warn!(component = "web", count = invalid.count, got = %got, "Invalid metric names or labels");
        }
        let Some(failure) = failure else {
            return Answer {
                status: 204,
                text: String::new(),
                written,
            };
        };
        let text = &failure.text;
        let shown = &text[..text.floor_char_boundary(LOGGED_BYTES_MAX)];
        tracing::error!(
            component = "web",
            protobuf_message = message.as_str(),
            err = %shown,
            "Error while remote writing the request"
        );
        Answer {
            status: failure.status(),
            text: failure.text,
            written,
        }
    }
}

/// Reads any bytes as a request of either version and writes what they say into a store in memory:
/// for fuzzing.
#[doc(hidden)]
pub fn receive_any(body: &[u8]) -> [Answer; 2] {
    let store = Arc::new(storage::memory_store::MemoryStore::new());
    let options = ReceiverOptions {
        accepted: vec![Message::V1, Message::V2],
        keep_metadata: true,
    };
    let receiver = Receiver::new(store, options, &Registry::new());
    [Message::V1, Message::V2].map(|message| receiver.receive(message, body, 0))
}

/// Packs a message as senders do: for fuzzing.
#[doc(hidden)]
pub fn pack(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new()
        .compress_vec(message)
        .unwrap_or_default()
}

#[cfg(test)]
mod encode;
#[cfg(test)]
mod tests;
