//! Where a 3xx answer leads, and what goes along: the rules of the reference's HTTP client.

use http::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use http::{Method, StatusCode};
use url::Url;

/// Most redirects of one request.
pub(crate) const REDIRECTS_MAX: usize = 10;

/// What does not go along to other hosts. Configured headers of other names do, as in the reference.
pub(crate) const CREDENTIALS: [HeaderName; 4] = [
    AUTHORIZATION,
    COOKIE,
    HeaderName::from_static("cookie2"),
    PROXY_AUTHORIZATION,
];

/// What the next request says of where it comes from; nothing of encrypted to clear, and no user.
pub(crate) fn referer(from: &Url, to: &Url) -> Option<HeaderValue> {
    if from.scheme() == "https" && to.scheme() == "http" {
        return None;
    }
    let mut shown = from.clone();
    // Both fail only for URLs that cannot have a user.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    HeaderValue::from_str(shown.as_str()).ok()
}

/// The method of the request after an answer with `status`; `None` if it is no redirect.
pub(crate) fn next_method(status: StatusCode, method: &Method) -> Option<Method> {
    match status.as_u16() {
        301..=303 if *method == Method::GET || *method == Method::HEAD => Some(method.clone()),
        301..=303 => Some(Method::GET),
        307 | 308 => Some(method.clone()),
        _ => None,
    }
}

/// Whether credentials for `first` may go to `next`: the same host or one below it, and never
/// from encrypted to clear.
pub(crate) fn keeps_credentials(first: &Url, next: &Url) -> bool {
    let (Some(first_host), Some(next_host)) = (first.host_str(), next.host_str()) else {
        return false;
    };
    if first.scheme() == "https" && next.scheme() != "https" {
        return false;
    }
    next_host == first_host
        || (first.domain().is_some()
            && next_host
                .strip_suffix(first_host)
                .is_some_and(|prefix| prefix.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_within_the_host() {
        fn check(first: &str, next: &str, expected: bool) {
            let (first, next) = (Url::parse(first).unwrap(), Url::parse(next).unwrap());
            assert_eq!(keeps_credentials(&first, &next), expected, "{first} {next}");
        }
        check("http://a.b/", "http://a.b/x", true);
        check("http://a.b/", "http://c.a.b/x", true);
        check("http://a.b/", "http://ca.b/x", false);
        check("http://a.b/", "http://b/x", false);
        check("http://1.2.3.4/", "http://1.2.3.5/x", false);
        check("https://a.b/", "http://a.b/x", false);
    }

    #[test]
    fn requests_say_where_they_come_from() {
        let check = |from: &str, to: &str, expected: Option<&str>| {
            let (from, to) = (Url::parse(from).unwrap(), Url::parse(to).unwrap());
            let referer = referer(&from, &to);
            assert_eq!(
                referer.as_ref().map(|value| value.to_str().unwrap()),
                expected
            );
        };
        check("http://u:p@a/x?y", "http://b/", Some("http://a/x?y"));
        check("https://a/", "https://b/", Some("https://a/"));
        check("https://a/", "http://a/", None);
    }

    #[test]
    fn methods_follow_the_status() {
        let next =
            |status: u16, method| next_method(StatusCode::from_u16(status).unwrap(), &method);
        assert_eq!(next(302, Method::POST), Some(Method::GET));
        assert_eq!(next(307, Method::POST), Some(Method::POST));
        assert_eq!(next(304, Method::GET), None);
        assert_eq!(next(200, Method::GET), None);
    }
}
