//! `POST /api/v1/read`: hands another server's question to the reader and sends the answer, whole or
//! as a stream of frames that never lie around in numbers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Frame, SizeHint};
use remote::receive::PACKED_BYTES_MAX;
use remote::receive::read::{ReadError, ReadRequest, Reader, ResponseKind};
use stdx::cancel::CancelToken;
use stdx::pool::{Pool, PoolError};
use telemetry::Gauge;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::handler::{Answer, error};

/// Frames between the reader and the network.
const FRAMES_WAITING_MAX: usize = 4;

/// What the endpoint needs.
#[derive(Clone)]
pub struct ReadEndpoint {
    /// Who answers.
    pub reader: Arc<Reader>,
    /// Reads at a time; more wait.
    pub places: Arc<Semaphore>,
    /// Reads in work or waiting.
    pub queries: Gauge,
}

/// An answer's body: complete, or as it comes.
pub enum ResponseBody {
    /// All of it.
    Full(Full<Bytes>),
    /// The rest of a stream; an error breaks the connection off, so that nobody takes a part for
    /// the whole.
    Frames(mpsc::Receiver<Result<Vec<u8>, ReadError>>, CancelOnDrop),
}

/// Cancels the work for a client that has left.
pub struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        match self.get_mut() {
            Self::Full(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never| match never {}),
            Self::Frames(frames, _) => frames
                .poll_recv(context)
                .map(|frame| frame.map(|frame| Ok(Frame::data(Bytes::from(frame?))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(body) => body.is_end_stream(),
            Self::Frames(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(body) => body.size_hint(),
            Self::Frames(..) => SizeHint::default(),
        }
    }
}

/// A complete answer.
pub(crate) fn full(answer: Answer) -> Response<ResponseBody> {
    answer.map(ResponseBody::Full)
}

/// Answers one request.
pub(crate) async fn answer<B>(
    endpoint: &ReadEndpoint,
    pool: &Pool,
    request: Request<B>,
    read_timeout: Duration,
) -> Response<ResponseBody>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let reading = Limited::new(request.into_body(), PACKED_BYTES_MAX).collect();
    let body = match tokio::time::timeout(read_timeout, reading).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(err)) => return full(error(StatusCode::BAD_REQUEST, &err.to_string())),
        Err(_) => {
            return full(error(
                StatusCode::REQUEST_TIMEOUT,
                "request body read timeout",
            ));
        }
    };
    endpoint.queries.inc();
    let waiting = Waiting(endpoint.queries.clone());
    // The semaphore is never closed.
    let place = endpoint.places.clone().acquire_owned().await;
    let held = (waiting, place);
    let reader = endpoint.reader.clone();
    let request = match reader.request(&body) {
        Ok(request) => request,
        Err(err) => return full(refusal(&err)),
    };
    match request.kind {
        ResponseKind::Samples => sampled(reader, pool, request, held).await,
        ResponseKind::StreamedChunks => streamed(reader, pool, request, held).await,
    }
}

/// Counts a read while it lasts.
struct Waiting(Gauge);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

async fn sampled<H: Send + 'static>(
    reader: Arc<Reader>,
    pool: &Pool,
    request: ReadRequest,
    held: H,
) -> Response<ResponseBody> {
    let cancel = CancelToken::new();
    let guard = CancelOnDrop(cancel.clone());
    let job = move || {
        let answer = reader.sampled(&request, &cancel);
        drop(held);
        answer
    };
    let outcome = pool.run(job).await;
    drop(guard);
    let body = match outcome {
        Ok(Ok(body)) => body,
        Ok(Err(err)) => return full(refusal(&err)),
        Err(err) => return full(pool_failure(&err)),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/x-protobuf");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("snappy"));
    full(response)
}

/// Waits for the first frame, or for the error in its place: only then is the status known.
async fn streamed<H: Send + 'static>(
    reader: Arc<Reader>,
    pool: &Pool,
    request: ReadRequest,
    held: H,
) -> Response<ResponseBody> {
    let cancel = CancelToken::new();
    let guard = CancelOnDrop(cancel.clone());
    let (frames, received) = mpsc::channel(FRAMES_WAITING_MAX);
    let (begun, beginning) = oneshot::channel();
    let job = move || {
        let mut begun = Some(begun);
        let mut sink = |frame: Vec<u8>| {
            if let Some(begun) = begun.take() {
                let _ = begun.send(Ok(()));
            }
            frames.blocking_send(Ok(frame)).is_ok()
        };
        let outcome = reader.streamed(&request, &cancel, &mut sink);
        drop(held);
        match (outcome, begun) {
            (Err(err), Some(begun)) => {
                let _ = begun.send(Err(err));
            }
            (Err(err), None) => {
                tracing::error!(component = "web", err = %err, "Remote read broke off");
                let _ = frames.blocking_send(Err(err));
            }
            (Ok(()), begun) => {
                if let Some(begun) = begun {
                    let _ = begun.send(Ok(()));
                }
            }
        }
    };
    let running = pool.run(job);
    match beginning.await {
        Ok(Ok(())) => {}
        Ok(Err(err)) => return full(refusal(&err)),
        Err(_) => {
            let err = running.await.err().unwrap_or(PoolError::Closed);
            return full(pool_failure(&err));
        }
    }
    let mut response = Response::new(ResponseBody::Frames(received, guard));
    let kind = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn refusal(err: &ReadError) -> Answer {
    let status = StatusCode::from_u16(err.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    error(status, &err.text)
}

fn pool_failure(err: &PoolError) -> Answer {
    tracing::error!(component = "web", err = %err, "Remote read failed");
    let status = match err {
        PoolError::Full | PoolError::Closed => StatusCode::SERVICE_UNAVAILABLE,
        PoolError::Panicked(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    error(status, "remote read could not be run")
}
