//! Asking an HTTP API: one request, a bounded body, and its decoding outside of async code.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_client::{BodyError, Connection, Request};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::error::Error;

/// Most bytes of an answer.
pub const ANSWER_BYTES_MAX: usize = 1 << 28;
/// Most bytes of an answer that says why there is none.
const REFUSAL_BYTES_MAX: usize = 1 << 14;
/// Bodies up to this many bytes are decoded at once: they take less than half a millisecond.
const DECODED_INLINE_BYTES_MAX: usize = 1 << 14;

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; cut after 16 KiB where the status says that the server refuses.
    pub body: Bytes,
}

/// Sends `request` and reads the answer, whatever its status.
pub async fn fetch(
    connection: &mut Connection,
    request: Request,
    deadline: Instant,
) -> Result<Answer, Error> {
    let mut response = connection.send(request, deadline).await?;
    let broken = |err: BodyError| Error::BadContent(err.to_string());
    let body = if response.status.is_success() {
        response.body.collect(ANSWER_BYTES_MAX).await
    } else {
        let mut start = Vec::new();
        while start.len() < REFUSAL_BYTES_MAX
            && let Some(chunk) = response.body.chunk().await.map_err(broken)?
        {
            start.extend_from_slice(&chunk);
        }
        start.truncate(REFUSAL_BYTES_MAX);
        Ok(start)
    };
    Ok(Answer {
        status: response.status,
        headers: response.headers,
        body: body.map_err(broken)?.into(),
    })
}

/// Sends `request` and reads its JSON, if `accept` finds nothing wrong with the answer.
pub async fn json<T: DeserializeOwned + Send + 'static>(
    connection: &mut Connection,
    request: Request,
    deadline: Instant,
    accept: impl FnOnce(&Answer) -> Result<(), Error>,
) -> Result<T, Error> {
    let answer = fetch(connection, request, deadline).await?;
    accept(&answer)?;
    decode(answer.body, from_json).await
}

/// What `text` says as JSON.
pub fn from_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(|err| Error::BadContent(err.to_string()))
}

/// Runs `read` over `body`, outside of async code if it may take long.
pub async fn decode<T: Send + 'static>(
    body: Bytes,
    read: impl FnOnce(&[u8]) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if body.len() <= DECODED_INLINE_BYTES_MAX {
        return read(&body);
    }
    match tokio::task::spawn_blocking(move || read(&body)).await {
        Ok(read) => read,
        Err(err) => Err(Error::BadContent(format!("answer not decoded: {err}"))),
    }
}

impl Answer {
    /// The text of a header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The body as text, without blanks at its ends.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().to_owned()
    }

    /// The status as the reference prints it: `404 Not Found`.
    pub fn status_text(&self) -> String {
        let reason = self.status.canonical_reason().unwrap_or("");
        format!("{} {reason}", self.status.as_u16())
    }
}
