//! Through a proxy to a target: CONNECT (RFC 9110, 9.3.6).

use http::header::{HeaderMap, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::Proxy;
use crate::dial::{Origin, authority};
use crate::error::Failure;

/// Most bytes of a proxy's answer to CONNECT.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Most bytes of a reason that are shown.
const REASON_BYTES_MAX: usize = 1000;

/// What is said to every proxy of a client.
#[derive(Debug)]
pub(crate) struct Manners<'a> {
    pub(crate) user_agent: &'a HeaderValue,
    pub(crate) headers: &'a HeaderMap,
}

/// Asks `proxy`, at the other end of `stream`, for a way to `origin`. Afterwards the stream is as
/// good as one to the origin.
pub(crate) async fn tunnel<S>(
    stream: &mut S,
    proxy: &Proxy,
    origin: &Origin,
    manners: &Manners<'_>,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(proxy, origin, manners)?;
    stream.write_all(&request).await.map_err(broken)?;
    let mut answer = Vec::new();
    loop {
        if let Some(head) = Head::parse(&answer)? {
            return head.check(&answer);
        }
        if answer.len() >= ANSWER_BYTES_MAX {
            let text = format!("proxy: answer to CONNECT exceeds {ANSWER_BYTES_MAX} bytes");
            return Err(Failure::Transport(text));
        }
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).await.map_err(broken)?;
        if count == 0 {
            return Err(Failure::Transport("unexpected EOF".to_owned()));
        }
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
}

/// A proxy that breaks the connection.
fn broken(err: std::io::Error) -> Failure {
    match err.kind() {
        std::io::ErrorKind::ConnectionReset => {
            Failure::Transport("read: connection reset by peer".to_owned())
        }
        std::io::ErrorKind::UnexpectedEof => Failure::Transport("unexpected EOF".to_owned()),
        _ => Failure::Transport(err.to_string()),
    }
}

fn request(proxy: &Proxy, origin: &Origin, manners: &Manners<'_>) -> Result<Vec<u8>, Failure> {
    let target = authority(&origin.host, origin.port);
    let mut text = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    let mut add = |name: &str, value: &HeaderValue| {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    };
    if !manners.headers.contains_key(http::header::USER_AGENT) {
        add("User-Agent", manners.user_agent);
    }
    let authorization = proxy.authorization()?;
    for (name, value) in manners.headers {
        if authorization.is_none() || name != http::header::PROXY_AUTHORIZATION {
            add(name.as_str(), value);
        }
    }
    if let Some(authorization) = authorization {
        add("Proxy-Authorization", &authorization);
    }
    text.extend_from_slice(b"\r\n");
    Ok(text)
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    code: u16,
    reason: String,
    /// Bytes up to and with the empty line.
    size: usize,
}

impl Head {
    /// `None` while the empty line that ends it is still to come.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, Failure> {
        let Some(size) = head_size(bytes) else {
            return Ok(None);
        };
        let line = bytes
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches('\r');
        let malformed = |what: &str, text: &str| {
            let text: String = text.chars().take(REASON_BYTES_MAX).collect();
            Failure::Transport(format!("malformed HTTP {what} {text:?}"))
        };
        let (version, status) = line
            .split_once(' ')
            .ok_or_else(|| malformed("response", line))?;
        let status = status.trim_start_matches(' ');
        let (code, reason) = status.split_once(' ').unwrap_or((status, ""));
        let number = code.parse().ok().filter(|_| code.len() == 3);
        let code = number.ok_or_else(|| malformed("status code", code))?;
        if !matches!(version, "HTTP/1.0" | "HTTP/1.1") {
            return Err(malformed("version", version));
        }
        let reason = reason.chars().take(REASON_BYTES_MAX).collect();
        Ok(Some(Self { code, reason, size }))
    }

    /// Whether the way is open. Refusals are shown with the proxy's reason, as in the reference.
    fn check(&self, answer: &[u8]) -> Result<(), Failure> {
        if self.code != 200 {
            return Err(Failure::Transport(match self.reason.as_str() {
                "" => "unknown status code".to_owned(),
                reason => reason.to_owned(),
            }));
        }
        if answer.len() > self.size {
            let text = "proxy: unasked bytes behind the answer to CONNECT";
            return Err(Failure::Transport(text.to_owned()));
        }
        Ok(())
    }
}

/// How many bytes there are up to and with the first empty line.
fn head_size(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    while let Some(length) = bytes.get(start..)?.iter().position(|byte| *byte == b'\n') {
        let line = bytes.get(start..start + length)?;
        start += length + 1;
        if line.is_empty() || line == b"\r" {
            return Some(start);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_are_read() {
        let parse = |text: &str| Head::parse(text.as_bytes()).map_err(|err| err.to_string());
        let text = "HTTP/1.1 407 Proxy Authentication Required\r\nX: y\r\n\r\n";
        let head = parse(text).unwrap().unwrap();
        assert_eq!(head.code, 407);
        assert_eq!(head.size, text.len());
        let err = head.check(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(err, "Proxy Authentication Required");
        assert_eq!(parse("HTTP/1.1 200 OK\r\nX: y\r\n").unwrap(), None);
        let ok = parse("HTTP/1.0 200\n\nmore").unwrap().unwrap();
        assert_eq!((ok.code, ok.size), (200, 14));
        assert!(ok.check(b"HTTP/1.0 200\n\nmore").is_err());
        assert!(ok.check(b"HTTP/1.0 200\n\n").is_ok());
        let check = |text, expected: &str| assert_eq!(parse(text).unwrap_err(), expected);
        check("hello\r\n\r\n", r#"malformed HTTP response "hello""#);
        check("HTTP/1.1 2x0 OK\n\n", r#"malformed HTTP status code "2x0""#);
        check("HTTP/2 200 OK\n\n", r#"malformed HTTP version "HTTP/2""#);
    }

    proptest! {
        /// Nothing makes the reader panic; it waits for an empty line, and once it has read a head,
        /// what comes behind does not change it.
        #[test]
        fn any_answer_is_read(bytes in proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b' '), Just(b'H'), any::<u8>()], 0..200,
        ), more in proptest::collection::vec(any::<u8>(), 0..20), code in 0_u16..1000) {
            let mut text = format!("HTTP/1.1 {code:03} R\r\n").into_bytes();
            text.extend_from_slice(&bytes);
            let longer: Vec<u8> = text.iter().chain(&more).copied().collect();
            match Head::parse(&text).unwrap() {
                None => prop_assert!(head_size(&text).is_none()),
                Some(head) => {
                    prop_assert_eq!(head.code, code);
                    prop_assert!(head.size <= text.len());
                    prop_assert_eq!(Head::parse(&longer).unwrap(), Some(head));
                }
            }
            let _ = Head::parse(&bytes);
        }
    }
}
