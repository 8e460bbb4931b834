//! `POST /api/v1/write`: takes a remote write request off the network and hands it to the receiver.
//!
//! What all requests in work may hold together is a budget: it is charged as bodies arrive and for
//! what they unpack to, before that memory is taken. When it is used up, a request is refused with
//! 503, which senders answer by trying again later. Only a few requests are with the workers at a
//! time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body;
use memory::budget::{Budget, Reservation};
use remote::receive::{PACKED_BYTES_MAX, Receiver, unpacked_len};
use stdx::pool::{Pool, PoolError};
use tokio::sync::Semaphore;

use crate::handler::{Answer, empty, error, header_text};

/// How much of the memory that a body unpacks to is needed again while it is written.
const WORK_FACTOR: u64 = 2;

/// What the endpoint needs.
#[derive(Clone)]
pub struct WriteReceiver {
    /// Who understands requests.
    pub receiver: Arc<Receiver>,
    /// Where they are worked on.
    pub pool: Pool,
    /// What they may hold together.
    pub budget: Budget,
    /// Requests that are worked on or wait for a worker; more wait here, so that who shares the
    /// pool (scrapes) never finds a long queue.
    pub places: Arc<Semaphore>,
}

/// Answers one request.
pub(crate) async fn answer<B>(
    endpoint: &WriteReceiver,
    request: Request<B>,
    read_timeout: Duration,
) -> Answer
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let negotiated = endpoint.receiver.negotiate(
        header_text(&parts.headers, header::CONTENT_TYPE),
        header_text(&parts.headers, header::CONTENT_ENCODING),
    );
    let message = match negotiated {
        Ok(message) => message,
        Err(refusal) => return answer_of(&refusal),
    };
    let reading = read(&endpoint.budget, body);
    let (body, reservation) = match tokio::time::timeout(read_timeout, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(answer)) => return answer,
        Err(_) => return error(StatusCode::REQUEST_TIMEOUT, "request body read timeout"),
    };
    // The semaphore is never closed.
    let place = endpoint.places.clone().acquire_owned().await;
    let receiver = endpoint.receiver.clone();
    let job = move || {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let answer = receiver.receive(message, &body, now.as_millis() as i64);
        // Held until here, whether or not the client still waits.
        drop((reservation, place));
        answer
    };
    match endpoint.pool.run(job).await {
        Ok(answer) => answer_of(&answer),
        Err(PoolError::Full) => busy(),
        Err(PoolError::Closed) => error(StatusCode::SERVICE_UNAVAILABLE, "server is stopping"),
        Err(PoolError::Panicked(message)) => {
            tracing::error!(component = "web", err = %message, "Remote write request panicked");
            error(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        }
    }
}

fn busy() -> Answer {
    error(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many remote write requests in work",
    )
}

/// The body, with what it and its work will hold reserved.
async fn read<B>(budget: &Budget, body: B) -> Result<(Bytes, Reservation), Answer>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut reservation = budget.reserve(0).map_err(|_| busy())?;
    let mut body = std::pin::pin!(body);
    let mut whole = BytesMut::new();
    let mut only: Option<Bytes> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|err| error(StatusCode::BAD_REQUEST, &err.into().to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len() + only.as_ref().map_or(0, Bytes::len) + data.len() > PACKED_BYTES_MAX {
            return Err(error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "request body too large",
            ));
        }
        reservation.grow(data.len() as u64).map_err(|_| busy())?;
        // A body of one piece stays where it is.
        if whole.is_empty() && only.is_none() {
            only = Some(data);
            continue;
        }
        if let Some(first) = only.take() {
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&data);
    }
    let body = only.unwrap_or_else(|| whole.freeze());
    // A body that cannot be unpacked is refused without further memory.
    let unpacked = unpacked_len(&body).unwrap_or(0) as u64;
    reservation
        .grow(unpacked.saturating_mul(WORK_FACTOR))
        .map_err(|_| busy())?;
    Ok((body, reservation))
}

fn answer_of(answer: &remote::receive::Answer) -> Answer {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if answer.text.is_empty() && status.is_success() {
        empty(status)
    } else {
        error(status, &answer.text)
    };
    if let Some(written) = answer.written {
        for (name, count) in [
            ("x-prometheus-remote-write-samples-written", written.samples),
            (
                "x-prometheus-remote-write-histograms-written",
                written.histograms,
            ),
            (
                "x-prometheus-remote-write-exemplars-written",
                written.exemplars,
            ),
        ] {
            let name = HeaderName::from_static(name);
            response
                .headers_mut()
                .insert(name, HeaderValue::from(count));
        }
    }
    response
}
