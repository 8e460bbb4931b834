//! Where the answers of [`ApiDouble`] go: a stream with HTTP/1.1, or one of the streams of HTTP/2.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::server::TlsStream;

use crate::api_double::ApiDouble;

/// What a connection runs on.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// An answer under way: its head, pieces of its body, its end or something else.
pub(crate) trait Reply: Send {
    fn head(&mut self, status: u16) -> impl Future<Output = std::io::Result<()>> + Send;
    fn chunk(&mut self, text: &str) -> impl Future<Output = std::io::Result<()>> + Send;
    fn end(&mut self) -> impl Future<Output = std::io::Result<()>> + Send;
    /// Breaks off behind `part`, in the middle of what it begins.
    fn break_off(&mut self, part: &str) -> impl Future<Output = std::io::Error> + Send;
    /// Until the client wants no more.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
}

/// A refusal.
pub(crate) async fn write_status(
    reply: &mut impl Reply,
    code: u16,
    message: &str,
) -> std::io::Result<()> {
    let status = json!({"kind": "Status", "code": code, "message": message});
    reply.head(code).await?;
    reply.chunk(&status.to_string()).await?;
    reply.end().await
}

/// On a connection with HTTP/1.1, in chunks.
pub(crate) struct Http1<'a, S>(pub(crate) &'a mut S);

impl<S: Stream> Reply for Http1<'_, S> {
    async fn head(&mut self, status: u16) -> std::io::Result<()> {
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        self.0.write_all(head.as_bytes()).await
    }

    async fn chunk(&mut self, text: &str) -> std::io::Result<()> {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.0.write_all(chunk.as_bytes()).await
    }

    async fn end(&mut self) -> std::io::Result<()> {
        self.0.write_all(b"0\r\n\r\n").await
    }

    async fn break_off(&mut self, part: &str) -> std::io::Error {
        // The chunk is announced to be longer.
        let begun = format!("{:x}\r\n{part}", part.len() + 40);
        let written = self.0.write_all(begun.as_bytes()).await;
        written.err().unwrap_or_else(broken)
    }

    async fn gone(&mut self) {
        let mut byte = [0];
        while self.0.read(&mut byte).await.is_ok_and(|read| read > 0) {}
    }
}

fn broken() -> std::io::Error {
    std::io::Error::other("broken as told")
}

/// On a stream of HTTP/2. Without an end the stream is reset.
struct Http2 {
    head: Option<oneshot::Sender<u16>>,
    body: mpsc::Sender<Piece>,
}

/// Of a body: some bytes, its end, or the order to reset the stream.
enum Piece {
    Bytes(Bytes),
    End,
    Reset,
}

impl Http2 {
    async fn send(&mut self, piece: Piece) -> std::io::Result<()> {
        self.body.send(piece).await.map_err(std::io::Error::other)
    }
}

impl Reply for Http2 {
    async fn head(&mut self, status: u16) -> std::io::Result<()> {
        if let Some(head) = self.head.take() {
            head.send(status).map_err(|_| broken())?;
        }
        Ok(())
    }

    async fn chunk(&mut self, text: &str) -> std::io::Result<()> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        self.send(Piece::Bytes(bytes)).await
    }

    async fn end(&mut self) -> std::io::Result<()> {
        self.send(Piece::End).await
    }

    async fn break_off(&mut self, part: &str) -> std::io::Error {
        let sent = self.chunk(part).await;
        let _ = self.send(Piece::Reset).await;
        sent.err().unwrap_or_else(broken)
    }

    async fn gone(&mut self) {
        self.body.closed().await;
    }
}

/// The body of an answer on HTTP/2, as its sender makes it.
struct Pieces(mpsc::Receiver<Piece>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(context).map(|piece| match piece {
            Some(Piece::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => None,
            Some(Piece::Reset) | None => Some(Err(broken())),
        })
    }
}

/// Whether the two sides have agreed on HTTP/2.
pub(crate) fn chose_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice())
}

/// Serves a connection with HTTP/2 until one side ends it.
pub(crate) async fn serve_http2(double: &ApiDouble, stream: TlsStream<TcpStream>) {
    let (begun, mut changed) = double.epochs();
    let serving = double.clone();
    let service = service_fn(move |request| answer(serving.clone(), request, begun.connections));
    let builder = http2::Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut takes_more = true;
    loop {
        tokio::select! {
            _ = &mut connection => return,
            _ = changed.changed() => {}
        }
        let (now, _) = double.epochs();
        if now.connections != begun.connections {
            return;
        }
        if takes_more && now.gone_away != begun.gone_away {
            takes_more = false;
            connection.as_mut().graceful_shutdown();
        }
    }
}

async fn answer(
    double: ApiDouble,
    request: http::Request<Incoming>,
    connection: u64,
) -> Result<http::Response<Pieces>, Infallible> {
    let target = request.uri().path_and_query();
    let target = target.map_or_else(String::new, ToString::to_string);
    let mut text = format!("{} {target}\r\n", request.method());
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or("?")));
    }
    let (head, status) = oneshot::channel();
    let (body, pieces) = mpsc::channel(1);
    let mut reply = Http2 {
        head: Some(head),
        body,
    };
    tokio::spawn(async move { double.answer(&mut reply, &text, &target, connection).await });
    let mut response = http::Response::new(Pieces(pieces));
    let status = status.await.unwrap_or(500);
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    Ok(response)
}
