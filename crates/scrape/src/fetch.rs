//! The request to a target, and the bytes of its answer as they came. Network only: nothing here
//! takes long, and what does (inflating, parsing) is done on the worker pool.

use gocompat::quote::quote;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_client::{BodyError, Connection, Request};
use tokio::time::Instant;
use url::Url;

use crate::error::Error;
use crate::options::JobOptions;
use crate::target::Target;

/// Most bytes of a body, compressed or not, where nothing else limits it.
pub(crate) const BODY_BYTES_MAX: u64 = 1 << 30;
/// Compressed, a body may be a little longer than uncompressed.
const COMPRESSION_OVERHEAD_BYTES_MAX: u64 = 64 << 10;

/// An answer with status 200.
#[derive(Debug)]
pub(crate) struct Answer {
    /// As it came.
    pub(crate) body: Vec<u8>,
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

/// Asks, and reads the answer.
pub(crate) async fn fetch(
    connection: &mut Connection,
    request: Request,
    body_size_limit: u64,
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
    let bytes_max = match (body_size_limit, gzip) {
        (0, _) => BODY_BYTES_MAX,
        (limit, true) => limit.saturating_add(COMPRESSION_OVERHEAD_BYTES_MAX),
        (limit, false) => limit,
    };
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let body = response
        .body
        .collect(bytes_max)
        .await
        .map_err(|err| match err {
            BodyError::TooLarge => Error::BodySizeLimit,
            other => Error::Body(other.to_string()),
        })?;
    // Most of the time a target is not asked anything.
    connection.rest(deadline).await;
    Ok(Answer {
        body,
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
