//! Reading an answer's body, piece by piece, up to a limit.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than allowed.
    #[error("body size limit exceeded")]
    TooLarge,
    /// The deadline passed.
    #[error("context deadline exceeded")]
    Timeout,
    /// The connection ended before the body did.
    #[error("unexpected EOF")]
    Incomplete,
    /// The connection broke.
    #[error("{0}")]
    Transport(String),
}

/// A body that is being received.
#[derive(Debug)]
pub struct Body {
    incoming: Incoming,
    deadline: Instant,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, deadline: Instant) -> Self {
        Self { incoming, deadline }
    }

    /// Puts another deadline in place of the request's: for answers that go on as long as they please.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// The next piece as it came over the network; `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let frame = timeout_at(self.deadline, self.incoming.frame());
            let Ok(frame) = frame.await else {
                return Err(BodyError::Timeout);
            };
            match frame {
                None => return Ok(None),
                Some(Err(err)) if ended_early(&err) => return Err(BodyError::Incomplete),
                Some(Err(err)) => return Err(BodyError::Transport(crate::dial::root_text(&err))),
                // Trailers are of no interest.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// All of the body, at most `bytes_max` bytes.
    pub async fn collect(&mut self, bytes_max: usize) -> Result<Vec<u8>, BodyError> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if chunk.len() > bytes_max.saturating_sub(all.len()) {
                return Err(BodyError::TooLarge);
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }
}

fn ended_early(err: &hyper::Error) -> bool {
    use std::error::Error as _;
    let source = err
        .source()
        .and_then(|source| source.downcast_ref::<std::io::Error>());
    err.is_incomplete_message()
        || source.is_some_and(|source| source.kind() == std::io::ErrorKind::UnexpectedEof)
}
