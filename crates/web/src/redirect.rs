//! Redirects as Go's `net/http` writes them, and its routers with it.

use gocompat::url::{self, Part};
use http::{Method, StatusCode, header};

use crate::handler::{Answer, empty, set, with_type};
use crate::page;
use crate::router;

/// Where a router finds a route that differs in a slash or in letter case: an unescaped path, and the
/// query that came.
pub(crate) fn to_path(
    method: &Method,
    permanent: bool,
    path: &[u8],
    query: Option<&str>,
) -> Answer {
    let mut location = String::new();
    url::push_escaped(&mut location, path, Part::Path);
    if let Some(query) = query {
        location.push('?');
        location.push_str(query);
    }
    let status = if permanent {
        StatusCode::MOVED_PERMANENTLY
    } else {
        StatusCode::TEMPORARY_REDIRECT
    };
    let reads_page = matches!(*method, Method::GET | Method::HEAD);
    redirect(status, reads_page, &location)
}

/// Where a handler sends who asks: a text that begins with a slash. As in the reference, dots and double
/// slashes are taken out of all of it, a query too, and only bytes beyond ASCII are escaped.
pub(crate) fn to_text(text: &str) -> Answer {
    let cleaned = router::clean(text.as_bytes());
    let cleaned = match cleaned.strip_suffix(b"/") {
        None | Some(b"") => &*cleaned,
        Some(shorter) => shorter,
    };
    let mut location = String::new();
    for &byte in cleaned {
        if byte.is_ascii() {
            location.push(char::from(byte));
        } else {
            location.push_str(&format!("%{byte:02x}"));
        }
    }
    redirect(StatusCode::FOUND, true, &location)
}

fn redirect(status: StatusCode, with_body: bool, location: &str) -> Answer {
    let mut answer = if with_body {
        let reason = status.canonical_reason().unwrap_or("");
        let body = format!("<a href=\"{}\">{reason}</a>.\n\n", page::escape(location));
        with_type(status, "text/html; charset=utf-8", body)
    } else {
        empty(status)
    };
    set(answer.headers_mut(), header::LOCATION, location);
    answer
}
