//! Accepts connections within bounds and hands their requests to the [`Handler`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::error::Error;
use crate::handler::{ClientIp, Handler};
use crate::request_line::Escaping;

/// Bounds of the listeners.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most connections at a time, all listeners together; more wait in the kernel's queue.
    pub connections_max: usize,
    /// Longest time to read a request's head or body, and for which a connection may idle.
    pub read_timeout: Duration,
    /// Longest time that open requests get to finish at shutdown.
    pub shutdown_timeout: Duration,
}

/// Pause after a failed accept: out of file descriptors, most likely, which takes time to pass.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Starts to listen on `address` (`host:port`; an empty host is every interface).
pub async fn bind(address: &str) -> Result<TcpListener, Error> {
    let failed = |err: io::Error| {
        let reason = match err.kind() {
            io::ErrorKind::AddrInUse => "bind: address already in use".to_owned(),
            io::ErrorKind::PermissionDenied => "bind: permission denied".to_owned(),
            io::ErrorKind::AddrNotAvailable => "bind: cannot assign requested address".to_owned(),
            _ => err.to_string(),
        };
        Error::Listen {
            address: address.to_owned(),
            reason,
        }
    };
    match address.strip_prefix(':') {
        // Every interface: IPv6 sockets take IPv4 too, where there is IPv6.
        Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
            Ok(listener) => Ok(listener),
            Err(err) if err.kind() == io::ErrorKind::AddrInUse => Err(failed(err)),
            Err(_) => TcpListener::bind(format!("0.0.0.0:{port}"))
                .await
                .map_err(failed),
        },
        None => TcpListener::bind(address).await.map_err(failed),
    }
}

/// Serves until `stop` turns true, then lets open requests finish within the limit.
pub async fn serve(
    listeners: Vec<TcpListener>,
    handler: Arc<Handler>,
    limits: Limits,
    stop: watch::Receiver<bool>,
) {
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    let mut loops = Vec::new();
    for listener in listeners {
        loops.push(tokio::spawn(accept_loop(
            listener,
            handler.clone(),
            limits,
            connections.clone(),
            stop.clone(),
        )));
    }
    for accepting in loops {
        let _ = accepting.await;
    }
    // A place for each connection: all of them are free once every connection is closed.
    let places = u32::try_from(limits.connections_max).unwrap_or(u32::MAX);
    let all_closed = connections.acquire_many(places);
    if tokio::time::timeout(limits.shutdown_timeout, all_closed)
        .await
        .is_err()
    {
        tracing::warn!(
            component = "web",
            "Requests still open at shutdown were cut off"
        );
    }
}

async fn accept_loop(
    listener: TcpListener,
    handler: Arc<Handler>,
    limits: Limits,
    connections: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => return,
            accepted = accept(&listener, &connections) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let serving = serve_connection(
                    (stream, peer),
                    permit,
                    handler.clone(),
                    limits,
                    stop.clone(),
                );
                tokio::spawn(serving);
            }
            Err(err) => {
                tracing::error!(component = "web", err = %err, "Accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Returns once the server is to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody can say so any more, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Takes a place first, then a connection, so that no accepted connection waits for a place.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = connections
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

async fn serve_connection(
    (stream, peer): (TcpStream, SocketAddr),
    permit: OwnedSemaphorePermit,
    handler: Arc<Handler>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let metrics = handler.metrics().clone();
    metrics.accepted.inc();
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let handler = handler.clone();
        request.extensions_mut().insert(ClientIp(peer.ip()));
        async move { Ok::<_, std::convert::Infallible>(handler.handle(request).await) }
    });
    // The header timeout also ends connections that idle between requests.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.read_timeout)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(Escaping::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    // An error of the connection is the client's: it left, or did not speak HTTP.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
    metrics.closed.inc();
    drop(permit);
}
