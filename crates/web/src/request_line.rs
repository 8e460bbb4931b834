//! Request targets with characters that want escaping and come without, as people type them:
//! `curl 'localhost:9090/api/v1/query?query=up>0'`. The reference takes them; the HTTP library has no
//! URL for them and would refuse. So they are escaped before it sees them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes read at a time while requests are looked at.
const READ_BYTES_MAX: usize = 4096;
/// Of a header line, enough to tell which it is.
const LINE_START_LEN: usize = 18;

/// A stream whose requests' first lines are escaped.
///
/// It knows where a request begins as long as those before it had no body. From the first one that has
/// (or might have) one, bytes go through as they are.
#[derive(Debug)]
pub(crate) struct Escaping<S> {
    stream: S,
    place: Place,
    line: LineStart,
    /// Bytes that were read and are not handed on yet: escaped, there are more.
    waiting: Vec<u8>,
    handed_on: usize,
}

/// Where in a request the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    RequestLine,
    Header,
    /// No longer looked at.
    Unknown,
}

/// The beginning of the line at hand, in lower case.
#[derive(Debug, Default)]
struct LineStart {
    bytes: [u8; LINE_START_LEN],
    len: usize,
}

impl LineStart {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte.to_ascii_lowercase();
            self.len += 1;
        }
    }

    fn starts_with(&self, text: &[u8]) -> bool {
        self.bytes
            .get(..self.len)
            .is_some_and(|line| line.starts_with(text))
    }

    fn is_blank(&self) -> bool {
        self.len == 0 || (self.len == 1 && self.bytes[0] == b'\r')
    }
}

impl<S> Escaping<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            place: Place::RequestLine,
            line: LineStart::default(),
            waiting: Vec::new(),
            handed_on: 0,
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match (self.place, byte) {
                (Place::RequestLine, b'"') => self.waiting.extend_from_slice(b"%22"),
                (Place::RequestLine, b'<') => self.waiting.extend_from_slice(b"%3C"),
                (Place::RequestLine, b'>') => self.waiting.extend_from_slice(b"%3E"),
                _ => self.waiting.push(*byte),
            }
            match byte {
                b'\n' => self.end_line(),
                _ => self.line.push(*byte),
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.place = match self.place {
            // Blank lines before a request are allowed.
            Place::RequestLine if line.is_blank() => Place::RequestLine,
            Place::RequestLine if line.starts_with(b"get ") || line.starts_with(b"head ") => {
                Place::Header
            }
            Place::Header if line.is_blank() => Place::RequestLine,
            Place::Header if !may_tell_of_a_body(&line) => Place::Header,
            _ => Place::Unknown,
        }
    }
}

fn may_tell_of_a_body(line: &LineStart) -> bool {
    let names: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"upgrade"];
    names.iter().any(|name| line.starts_with(name))
}

impl<S: AsyncRead + Unpin> AsyncRead for Escaping<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.handed_on == this.waiting.len() {
            if this.place == Place::Unknown {
                return Pin::new(&mut this.stream).poll_read(context, into);
            }
            let mut space = [0; READ_BYTES_MAX];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut read))?;
            this.waiting.clear();
            this.handed_on = 0;
            this.take(read.filled());
        }
        let rest = this.waiting.get(this.handed_on..).unwrap_or_default();
        let now = rest.get(..into.remaining()).unwrap_or(rest);
        into.put_slice(now);
        this.handed_on += now.len();
        if this.handed_on == this.waiting.len() {
            // An idle connection holds nothing.
            this.waiting = Vec::new();
            this.handed_on = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Escaping<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// For fuzzing: what is read comes out the same in pieces of any size, and is as long as before but for
/// the characters that were escaped.
///
/// # Panics
///
/// If that does not hold.
pub fn check(data: &[u8]) {
    let escaped = |piece: usize| {
        let mut stream = Escaping::new(());
        for piece in data.chunks(piece) {
            stream.take(piece);
        }
        stream.waiting
    };
    let whole = escaped(data.len().max(1));
    assert_eq!(escaped(1), whole, "read byte by byte");
    let kept = data.iter().filter(|byte| !b"\"<>".contains(byte));
    assert!(
        whole.len() >= data.len() && whole.len() <= 3 * data.len(),
        "length"
    );
    assert!(is_part_of(kept.copied(), &whole), "nothing is lost");
}

/// Whether `bytes` are in `all` in their order.
fn is_part_of(mut bytes: impl Iterator<Item = u8>, all: &[u8]) -> bool {
    let mut all = all.iter();
    bytes.all(|byte| all.any(|other| *other == byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What comes out of `text`, read in pieces of `piece` bytes.
    fn escaped(text: &[u8], piece: usize) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut stream = Escaping::new(text);
            let mut all = Vec::new();
            let mut space = vec![0; piece];
            loop {
                let read = stream.read(&mut space).await.expect("in memory");
                if read == 0 {
                    return all;
                }
                all.extend_from_slice(&space[..read]);
            }
        })
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        for piece in [1, 2, 3, 7, 100_000] {
            let found = escaped(text.as_bytes(), piece);
            assert_eq!(String::from_utf8_lossy(&found), expected, "{piece}");
        }
    }

    #[test]
    fn first_lines_of_requests_without_a_body_are_escaped() {
        check(
            "\r\nGET /a?q=x>0 HTTP/1.1\r\nHost: <h>\r\n\r\nHEAD /\"<> HTTP/1.1\n\nGET /> HTTP/1.1\r\n",
            "\r\nGET /a?q=x%3E0 HTTP/1.1\r\nHost: <h>\r\n\r\nHEAD /%22%3C%3E HTTP/1.1\n\nGET /%3E HTTP/1.1\r\n",
        );
    }

    #[test]
    fn behind_a_request_that_may_have_a_body_all_stays_as_it_is() {
        let rest = "GET /> HTTP/1.1\r\n\r\n";
        for start in [
            "POST /%3E HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\nContent-LENGTH: 19\r\n\r\n",
            "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
            "nonsense\n",
        ] {
            let text = format!("{start}{rest}");
            check(&text, &text);
        }
        check("POST /> HTTP/1.1\r\n", "POST /%3E HTTP/1.1\r\n");
    }

    proptest! {
        #[test]
        fn nothing_else_changes(text in "(GET /|POST /|[ a<>\"\r\n:]|content-length){0,40}", piece in 1_usize..9) {
            let found = escaped(text.as_bytes(), piece);
            prop_assert_eq!(&found, &escaped(text.as_bytes(), 1 << 20));
            super::check(text.as_bytes());
            let back = String::from_utf8(found).expect("as before")
                .replace("%22", "\"").replace("%3C", "<").replace("%3E", ">");
            prop_assert_eq!(back, text);
        }
    }
}
