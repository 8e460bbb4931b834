//! AWS Signature Version 4: requests signed in their headers.
//!
//! ```text
//! canonical request = method \n path \n query \n headers \n signed names \n payload hash
//! text to sign      = AWS4-HMAC-SHA256 \n time \n scope \n hash of the canonical request
//! key               = HMAC chain over secret, day, region, service, "aws4_request"
//! ```
//!
//! Source of the format: "AWS Signature Version 4 for API requests" in the IAM user guide. Paths
//! are encoded twice, as every service but S3 wants it; S3 is not served.

use std::fmt::Write as _;
use std::time::SystemTime;

use aws_lc_rs::{digest, hmac};
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use yaml::Secret;

use crate::Request;

/// Letters, digits and `-._~` stay; everything else is encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// As [`RESERVED`], with slashes between segments left alone.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
/// Headers that the way may change or that the client sets itself: not signed.
const UNSIGNED: [&str; 9] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "expect",
    "transfer-encoding",
    "user-agent",
    "via",
    "x-amzn-trace-id",
];

/// What AWS knows its caller by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Id of the key; not secret.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: Secret,
    /// Goes along with temporary keys.
    pub session_token: Option<Secret>,
    /// When temporary keys end; `None` for lasting ones.
    pub expires: Option<SystemTime>,
}

/// A request that cannot be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The URL has no host.
    #[error("sign AWS request: the URL has no host")]
    NoHost,
    /// A part holds characters that a header may not have. The part is named, not shown.
    #[error("sign AWS request: {0} holds characters that a header may not have")]
    BadHeader(&'static str),
    /// The time is not between the years 1970 and 9999.
    #[error("sign AWS request: the time is out of range")]
    BadTime,
}

/// The hash of a body as [`sign`] wants it: SHA-256, lower-case hexadecimal.
pub fn payload_hash(body: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, body).as_ref())
}

/// Signs `request` for `service` (as in `ec2`, `aps`) in `region` at `time`: sets the headers
/// `X-Amz-Date`, `Authorization` and, with temporary keys, `X-Amz-Security-Token`, and writes the
/// query in the canonical form that was signed. All headers that the request has at that moment are signed
/// but those that are likely to change on the way; headers set later are not. `payload_hash` is
/// that of the body, by [`payload_hash`].
///
/// A signature is good for five minutes around `time` and for this request only: sign right before
/// sending, and do not follow redirects.
pub fn sign(
    request: &mut Request,
    payload_hash: &str,
    region: &str,
    service: &str,
    credentials: &Credentials,
    time: SystemTime,
) -> Result<(), SignError> {
    let stamp = stamp(time)?;
    let scope = format!("{}/{region}/{service}/aws4_request", &stamp[..8]);
    let headers = &mut request.headers;
    headers.insert(DATE, value(&stamp, "the time")?);
    headers.remove(SECURITY_TOKEN);
    if let Some(token) = &credentials.session_token {
        let mut token = value(token.expose(), "the session token")?;
        token.set_sensitive(true);
        headers.insert(SECURITY_TOKEN, token);
    }
    if let Some(query) = request.url.query().map(canonical_query) {
        let query = Some(query).filter(|query| !query.is_empty());
        request.url.set_query(query.as_deref());
    }
    let (canonical, names) = canonical_request(request, payload_hash)?;
    let hash = self::payload_hash(canonical.as_bytes());
    let text = format!("{ALGORITHM}\n{stamp}\n{scope}\n{hash}");
    let secret = credentials.secret_access_key.expose();
    let signature = hex(mac(&key(secret, &stamp[..8], region, service), &text).as_ref());
    let id = &credentials.access_key_id;
    let authorization = format!(
        "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    let mut authorization = value(&authorization, "the access key id, region or service")?;
    authorization.set_sensitive(true);
    request.headers.insert(AUTHORIZATION, authorization);
    Ok(())
}

/// `20150830T123600Z`.
fn stamp(time: SystemTime) -> Result<String, SignError> {
    let time = jiff::Timestamp::try_from(time).map_err(|_| SignError::BadTime)?;
    let stamp = time.strftime("%Y%m%dT%H%M%SZ").to_string();
    // A year before 1000 or negative would break the day off at the wrong place.
    if time.as_second() < 0 || stamp.len() != 16 {
        return Err(SignError::BadTime);
    }
    Ok(stamp)
}

fn value(text: &str, what: &'static str) -> Result<HeaderValue, SignError> {
    HeaderValue::from_str(text).map_err(|_| SignError::BadHeader(what))
}

/// The text that is hashed, and the names of the signed headers.
fn canonical_request(request: &Request, payload_hash: &str) -> Result<(String, String), SignError> {
    let host = crate::client::host_header(&request.url).map_err(|_| SignError::NoHost)?;
    if host.is_empty() {
        return Err(SignError::NoHost);
    }
    let (lines, names) = canonical_headers(&request.headers, &host);
    let method = &request.method;
    let path = utf8_percent_encode(request.url.path(), RESERVED_IN_PATH);
    let query = request.url.query().unwrap_or("");
    let text = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload_hash}");
    Ok((text, names))
}

/// The lines of the signed headers, and their names joined by semicolons, in the names' order.
fn canonical_headers(headers: &HeaderMap, host: &HeaderValue) -> (String, String) {
    let mut names: Vec<_> = headers
        .keys()
        .filter(|name| **name != HOST && !UNSIGNED.contains(&name.as_str()))
        .collect();
    names.push(&HOST);
    names.sort_unstable_by_key(|name| name.as_str());
    let mut lines = String::new();
    for name in &names {
        let values: Vec<_> = if **name == HOST {
            vec![squeeze(host)]
        } else {
            headers.get_all(*name).iter().map(squeeze).collect()
        };
        let _ = writeln!(lines, "{name}:{}", values.join(","));
    }
    let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
    (lines, names.join(";"))
}

/// The value without blanks at its ends, and with runs of blanks as one.
fn squeeze(value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    let words: Vec<_> = text.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ").trim().to_owned()
}

/// The parameters, each encoded anew, in order.
fn canonical_query(query: &str) -> String {
    let encode = |text: &str| {
        let text = text.replace('+', " ");
        let decoded: Vec<u8> = percent_decode_str(&text).collect();
        percent_encoding::percent_encode(&decoded, RESERVED).to_string()
    };
    let mut pairs: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encode(name), encode(value))
        })
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// The key of one day, region and service.
fn key(secret: &str, day: &str, region: &str, service: &str) -> hmac::Tag {
    let first = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
    let mut tag = hmac::sign(&first, day.as_bytes());
    for text in [region, service, "aws4_request"] {
        tag = mac(&tag, text);
    }
    tag
}

fn mac(key: &hmac::Tag, text: &str) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
    hmac::sign(&key, text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::Method;
    use url::Url;

    use super::*;

    /// 2015-08-30T12:36:00Z, the time of the published examples.
    const EXAMPLE_SECONDS: u64 = 1_440_938_160;

    fn credentials() -> Credentials {
        Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: None,
            expires: None,
        }
    }

    fn signed(mut request: Request, service: &str, credentials: &Credentials) -> Request {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(EXAMPLE_SECONDS);
        let hash = payload_hash(&request.body);
        sign(&mut request, &hash, "us-east-1", service, credentials, time).unwrap();
        request
    }

    #[track_caller]
    fn check(request: &Request, names: &str, signature: &str) {
        let text = request.headers[AUTHORIZATION].to_str().unwrap();
        let end = format!("SignedHeaders={names}, Signature={signature}");
        assert!(text.ends_with(&end), "{text}");
    }

    fn form(url: &str, body: &'static str) -> Request {
        let mut request = Request::get(Url::parse(url).unwrap());
        request.method = Method::POST;
        request.body = Bytes::from_static(body.as_bytes());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(http::header::CONTENT_TYPE, kind);
        request
    }

    /// The example of the documentation: IAM's ListUsers.
    #[test]
    fn signs_as_the_documentation_does() {
        let url = "https://iam.amazonaws.com/?Version=2010-05-08&Action=ListUsers";
        let mut request = Request::get(Url::parse(url).unwrap());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        request.headers.insert(http::header::CONTENT_TYPE, kind);
        let request = signed(request, "iam", &credentials());
        assert_eq!(request.headers[DATE], "20150830T123600Z");
        assert_eq!(
            request.url.query(),
            Some("Action=ListUsers&Version=2010-05-08")
        );
        check(
            &request,
            "content-type;host;x-amz-date",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        );
        let text = request.headers[AUTHORIZATION].to_str().unwrap();
        let start = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, ";
        assert!(text.starts_with(start), "{text}");
    }

    /// Cases of AWS's published test suite for signers.
    #[test]
    fn signs_as_the_published_suite_does() {
        let get = |url: &str| {
            signed(
                Request::get(Url::parse(url).unwrap()),
                "service",
                &credentials(),
            )
        };
        check(
            &get("https://example.amazonaws.com/"),
            "host;x-amz-date",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        );
        check(
            &get("https://example.amazonaws.com/?Param2=value2&Param1=value1"),
            "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        );
        let posted = form("https://example.amazonaws.com/", "Param1=value1");
        check(
            &signed(posted, "service", &credentials()),
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        );
    }

    #[test]
    fn temporary_keys_bring_their_token() {
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        let temporary = Credentials {
            session_token: Some(Secret::new(token)),
            ..credentials()
        };
        let mut request = Request::get(Url::parse("https://example.amazonaws.com/").unwrap());
        request.method = Method::POST;
        check(
            &signed(request, "service", &temporary),
            "host;x-amz-date;x-amz-security-token",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        );
        assert!(!format!("{temporary:?}").contains("AQoDYXdz"));
    }

    #[test]
    fn the_same_parameters_have_one_form() {
        assert_eq!(canonical_query("b=2&a=x+y&a=%41&c"), "a=A&a=x%20y&b=2&c=");
        assert_eq!(canonical_query("k=%7e/"), "k=~%2F");
        assert_eq!(
            canonical_query(&canonical_query("a=%25+%zz")),
            "a=%25%20%25zz"
        );
    }

    #[test]
    fn what_cannot_be_signed_is_refused() {
        let mut request = Request::get(Url::parse("http://h/").unwrap());
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(EXAMPLE_SECONDS);
        let bad = Credentials {
            session_token: Some(Secret::new("secret\nline")),
            ..credentials()
        };
        let err = sign(&mut request, "", "r", "s", &bad, time).unwrap_err();
        assert!(!err.to_string().contains("secret\n"), "{err}");
        let far = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert!(sign(&mut request, "", "r", "s", &credentials(), far).is_err());
    }
}
