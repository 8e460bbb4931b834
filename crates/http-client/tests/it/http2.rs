//! HTTP/2, where a server with TLS chooses it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use http_client::{Client, ClientOptions, Request};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::Instant;
use url::Url;

use crate::support::{
    acceptor, ask_and_rest, authority, by_name, get, serve, server_config, trusting,
};

/// What a server of HTTP/2 was sent, as text.
fn describe(request: &http::Request<Incoming>) -> http::Response<Full<Bytes>> {
    let mut text = format!(
        "{:?} {} {}\n",
        request.version(),
        request.method(),
        request.uri()
    );
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\n", value.to_str().unwrap_or("?")));
    }
    http::Response::new(Full::new(Bytes::from(text)))
}

/// A server of HTTP/2 that ends each connection, in order, after `answers_max` answers; and the
/// count of connections.
async fn serve_http2(
    identity: &(String, String),
    answers_max: usize,
) -> (String, Arc<AtomicUsize>) {
    let mut config = server_config(identity, None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = acceptor(config);
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let address = serve(move |stream| {
        let acceptor = acceptor.clone();
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let (answered, mut told) = tokio::sync::mpsc::unbounded_channel();
            let service = service_fn(move |request| {
                let _ = answered.send(());
                std::future::ready(Ok::<_, Infallible>(describe(&request)))
            });
            let builder = http2::Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            for _ in 0..answers_max {
                tokio::select! {
                    _ = &mut connection => return,
                    _ = told.recv() => {}
                }
            }
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    })
    .await;
    (address, connections)
}

#[tokio::test]
async fn a_server_that_chooses_http2_is_spoken_to_in_it() {
    let authority = authority();
    let (address, connections) = serve_http2(&authority.server, usize::MAX).await;
    let client = Client::new(trusting(&authority.ca), "test/1").unwrap();
    let url = format!("{}x?y=z", by_name(&address));
    let answers = ask_and_rest(&mut client.connection(), &url).await;
    let answer = String::from_utf8(answers[2].clone()).unwrap();
    assert!(
        answer.starts_with(&format!("HTTP/2.0 GET {url}\n")),
        "{answer}"
    );
    assert!(answer.contains("user-agent: test/1\n"), "{answer}");
    assert!(!answer.contains("\nhost:"), "{answer}");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_its_server_ends_is_replaced() {
    let authority = authority();
    let (address, connections) = serve_http2(&authority.server, 1).await;
    let client = Client::new(trusting(&authority.ca), "test/1").unwrap();
    let answers = ask_and_rest(&mut client.connection(), &by_name(&address)).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.starts_with(b"HTTP/2.0 GET "))
    );
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn http2_is_not_offered_where_it_is_switched_off() {
    let authority = authority();
    let mut config = server_config(&authority.server, None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = acceptor(config);
    let offered = serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let stream = acceptor.accept(stream).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), None);
            crate::support::echo(stream).await;
        }
    })
    .await;
    let options = ClientOptions {
        http2: false,
        ..trusting(&authority.ca)
    };
    let head = get(options, &by_name(&offered)).await.unwrap();
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
}

#[tokio::test]
async fn a_silent_server_of_http2_ends_in_time() {
    let authority = authority();
    let mut config = server_config(&authority.server, None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = acceptor(config);
    let address = serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let stream = acceptor.accept(stream).await;
            std::future::pending::<()>().await;
            drop(stream);
        }
    })
    .await;
    let client = Client::new(trusting(&authority.ca), "test/1").unwrap();
    let request = Request::get(Url::parse(&by_name(&address)).unwrap());
    let deadline = Instant::now() + Duration::from_millis(300);
    let err = client
        .connection()
        .send(request, deadline)
        .await
        .unwrap_err();
    assert!(err.is_timeout(), "{err}");
}
