//! The request to a target, and the bytes of its answer as they came. Network only: nothing here
//! takes long, and what does (inflating, parsing) is done on the worker pool.

use gocompat::quote::quote;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_client::{Connection, Request, Response};
use memory::budget::Reservation;
use tokio::time::Instant;
use url::Url;

use crate::bounds::{BODY_BYTES_MAX, Bounds};
use crate::error::Error;
use crate::options::JobOptions;
use crate::target::Target;

/// Bytes of a body that nobody asks for.
const FREE_BYTES: usize = 1 << 20;
/// Compressed, a body may be a little longer than uncompressed.
const COMPRESSION_OVERHEAD_BYTES_MAX: u64 = 64 << 10;

/// An answer with status 200.
#[derive(Debug)]
pub(crate) struct Answer {
    /// As it came.
    pub(crate) body: Vec<u8>,
    /// What a long body takes.
    pub(crate) held: Option<Reservation>,
    /// Whether `body` is compressed.
    pub(crate) gzip: bool,
    /// The Content-Type header.
    pub(crate) content_type: Option<String>,
}

/// What `target` is asked, each time.
pub(crate) fn request(options: &JobOptions, target: &Target) -> Result<Request, Error> {
    Ok(Request {
        headers: headers(options, target.timeout().as_secs_f64()),
        ..Request::get(request_url(target.url())?)
    })
}

fn headers(options: &JobOptions, timeout_seconds: f64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let accept = exposition::negotiate::accept_header(&options.protocols, &options.escaping);
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(ACCEPT, accept);
    }
    let encoding = if options.enable_compression {
        "gzip"
    } else {
        "identity"
    };
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    let timeout = gocompat::float::format_f(timeout_seconds);
    if let Ok(timeout) = HeaderValue::from_str(&timeout) {
        headers.insert("x-prometheus-scrape-timeout-seconds", timeout);
    }
    headers
}

/// What bounds a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits<'a> {
    /// The job's limit, which the body must not reach; 0 for none.
    configured: u64,
    bounds: &'a Bounds,
}

impl<'a> BodyLimits<'a> {
    pub(crate) fn new(options: &JobOptions, bounds: &'a Bounds) -> Self {
        Self {
            configured: options.body_size_limit,
            bounds,
        }
    }

    /// Bytes that an uncompressed body must not reach.
    pub(crate) fn bytes_end(self) -> u64 {
        match self.configured {
            0 => self.bounds.body_bytes_max,
            limit => limit.min(BODY_BYTES_MAX),
        }
    }

    /// What is said of a body that does.
    pub(crate) fn refusal(self) -> Error {
        if self.configured == 0 || self.configured > BODY_BYTES_MAX {
            Error::BodyTooLong(self.bytes_end())
        } else {
            Error::BodySizeLimit
        }
    }

    /// Reads a body, and what it holds if it is a long one.
    async fn collect(
        self,
        response: &mut Response,
        gzip: bool,
    ) -> Result<(Vec<u8>, Option<Reservation>), Error> {
        let overhead = if gzip {
            COMPRESSION_OVERHEAD_BYTES_MAX
        } else {
            0
        };
        let bytes_max = self.bytes_end().saturating_add(overhead);
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let mut all = Vec::new();
        let mut held = None;
        loop {
            let chunk = response.body.chunk().await;
            let Some(chunk) = chunk.map_err(|err| Error::Body(err.to_string()))? else {
                return Ok((all, held));
            };
            if chunk.len() > bytes_max.saturating_sub(all.len()) {
                return Err(self.refusal());
            }
            let len = all.len() + chunk.len();
            if len > FREE_BYTES && len > all.capacity() {
                // What a vector would do by itself, but asked for first.
                let capacity = len.max(all.capacity() * 2).min(bytes_max);
                let bytes = capacity as u64;
                match &mut held {
                    None => held = Some(self.bounds.bodies.reserve(bytes)?),
                    Some(held) => held.resize(bytes)?,
                }
                all.reserve_exact(capacity - all.len());
            }
            all.extend_from_slice(&chunk);
        }
    }
}

/// Asks, and reads the answer.
pub(crate) async fn fetch(
    connection: &mut Connection,
    request: Request,
    limits: BodyLimits<'_>,
    deadline: Instant,
) -> Result<Answer, Error> {
    let sent = connection.send(request, deadline).await;
    let mut response = sent.map_err(|err| Error::Request(err.to_string()))?;
    if response.status != StatusCode::OK {
        let code = response.status.as_u16();
        let reason = response.status.canonical_reason().unwrap_or("");
        return Err(Error::Status(
            format!("{code} {reason}").trim_end().to_owned(),
        ));
    }
    let header = |name: http::HeaderName| {
        let value = response.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let gzip = header(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
    let content_type = header(CONTENT_TYPE);
    let (body, held) = limits.collect(&mut response, gzip).await?;
    // Most of the time a target is not asked anything.
    connection.rest(deadline).await;
    Ok(Answer {
        body,
        held,
        gzip,
        content_type,
    })
}

/// The URL as the HTTP client takes it; what it refuses is worded as the reference does where that
/// refuses it too.
fn request_url(text: &str) -> Result<Url, Error> {
    Url::parse(text).map_err(|err| {
        let reason = gocompat::url::parse(text).err();
        let reason = reason.map(|reason| reason.to_string());
        Error::Request(reason.unwrap_or_else(|| format!("parse {}: {err}", quote(text))))
    })
}
