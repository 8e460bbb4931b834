//! Ways through proxies, and proxies that are not as they should be.

use std::sync::Arc;
use std::time::Duration;

use http_client::options::TlsOptions;
use http_client::{Client, ClientOptions, ProxyOptions, Request};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::time::Instant;
use url::Url;
use yaml::Secret;

use crate::support::{
    acceptor, ask_and_rest, authority, by_name, echo, get, read_head, serve, serve_tls,
    server_config, trusting,
};

/// Options with this proxy for everything.
fn through(proxy: &str, options: ClientOptions) -> ClientOptions {
    let proxy = ProxyOptions {
        http: Some(Secret::new(proxy)),
        https: Some(Secret::new(proxy)),
        connect_headers: vec![("X-Connect".to_owned(), Secret::new("c"))],
        ..ProxyOptions::default()
    };
    ClientOptions { proxy, ..options }
}

type Heads = Arc<Mutex<Vec<String>>>;

/// Answers CONNECT, and is the way to the target from then on. Keeps what it was sent.
async fn tunnel(mut stream: impl AsyncRead + AsyncWrite + Unpin, heads: Heads) {
    let head = read_head(&mut stream).await.unwrap_or_default();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    heads.lock().push(head);
    let Ok(mut target) = TcpStream::connect(target).await else {
        return;
    };
    let answer = b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    let _ = copy_bidirectional(&mut stream, &mut target).await;
}

/// A proxy for CONNECT, and what it was sent.
async fn serve_tunnel() -> (String, Heads) {
    let heads = Heads::default();
    let kept = heads.clone();
    let address = serve(move |stream| tunnel(stream, kept.clone())).await;
    (address, heads)
}

#[tokio::test]
async fn targets_without_tls_are_asked_for_by_their_url() {
    let proxy = serve(echo).await;
    let options = through(&format!("http://u:p@{proxy}"), ClientOptions::default());
    let head = get(options, "http://somewhere.test:81/x?y=z")
        .await
        .unwrap();
    assert!(
        head.starts_with("GET http://somewhere.test:81/x?y=z HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("host: somewhere.test:81\r\n"), "{head}");
    assert!(
        head.contains("proxy-authorization: Basic dTpw\r\n"),
        "{head}"
    );
    assert!(!head.contains("x-connect"), "{head}");
}

#[tokio::test]
async fn targets_with_tls_are_reached_through_connect() {
    let authority = authority();
    let address = serve_tls(&authority.server, None).await;
    let (proxy, heads) = serve_tunnel().await;
    let options = through(&format!("http://u:p@{proxy}"), trusting(&authority.ca));
    let client = Client::new(options, "test/1").unwrap();
    let answers = ask_and_rest(&mut client.connection(), &by_name(&address)).await;
    let answer = String::from_utf8_lossy(&answers[2]);
    assert!(answer.starts_with("GET / HTTP/1.1\r\n"), "{answer}");
    assert!(!answer.contains("proxy-authorization"), "{answer}");
    let heads = heads.lock().clone();
    assert_eq!(heads.len(), 1, "the way is used again: {heads:?}");
    let target = address.replace("127.0.0.1", "localhost");
    let expected = format!(
        "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: test/1\r\nx-connect: c\r\n\
         Proxy-Authorization: Basic dTpw\r\n\r\n"
    );
    assert_eq!(heads[0], expected);
}

#[tokio::test]
async fn proxies_may_be_reached_by_tls() {
    let authority = authority();
    let acceptor = acceptor(server_config(&authority.server, None));
    let forwarding = serve_tls(&authority.server, None).await;
    let heads = Heads::default();
    let kept = heads.clone();
    let tunnelling = serve(move |stream| {
        let (acceptor, kept) = (acceptor.clone(), kept.clone());
        async move { tunnel(acceptor.accept(stream).await.unwrap(), kept).await }
    })
    .await;
    let options = |proxy: &str| through(&by_name(proxy), trusting(&authority.ca));
    let head = get(options(&forwarding), "http://somewhere.test/").await;
    assert!(head.unwrap().starts_with("GET http://somewhere.test/ "));

    let address = serve_tls(&authority.server, None).await;
    let client = Client::new(options(&tunnelling), "test/1").unwrap();
    let answers = ask_and_rest(&mut client.connection(), &by_name(&address)).await;
    assert!(answers.iter().all(|answer| answer.starts_with(b"GET / ")));
    assert_eq!(heads.lock().len(), 1);

    let suspicious = ClientOptions {
        tls: TlsOptions::default(),
        ..options(&tunnelling)
    };
    let err = get(suspicious, &by_name(&address)).await.unwrap_err();
    let text = err.to_string();
    assert!(
        text.contains(": proxyconnect tcp: tls: failed to verify"),
        "{text}"
    );
}

#[tokio::test]
async fn excluded_targets_are_reached_directly() {
    let address = serve(echo).await;
    let options = through("http://127.0.0.1:1", ClientOptions::default());
    let proxy = ProxyOptions {
        no_proxy: Some("127.0.0.1".to_owned()),
        ..options.proxy.clone()
    };
    let options = ClientOptions { proxy, ..options };
    let head = get(options, &format!("http://{address}/")).await.unwrap();
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
}

/// What comes of a request for a target with TLS through a proxy that answers CONNECT with `answer`.
async fn refused(answer: Vec<u8>) -> String {
    let proxy = serve(move |mut stream: TcpStream| {
        let answer = answer.clone();
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(&answer).await;
        }
    })
    .await;
    let options = through(&format!("http://{proxy}"), ClientOptions::default());
    let err = get(options, "https://somewhere.test/x").await.unwrap_err();
    let text = err.to_string();
    let reason = text.strip_prefix("Get \"https://somewhere.test/x\": ");
    reason.unwrap_or(&text).to_owned()
}

#[tokio::test]
async fn what_a_proxy_answers_to_connect_is_checked() {
    let check = async |answer: &str, expected: &str| {
        assert_eq!(refused(answer.as_bytes().to_vec()).await, expected);
    };
    check(
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
        "Forbidden",
    )
    .await;
    check(
        "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        "Proxy Authentication Required",
    )
    .await;
    check("HTTP/1.1 503\r\n\r\n", "unknown status code").await;
    check("", "unexpected EOF").await;
    check("HTTP/1.1 200 OK\r\n", "unexpected EOF").await;
    check("hello\r\n\r\n", "malformed HTTP response \"hello\"").await;
    let mut huge = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
    huge.resize(1 << 20, b'x');
    let text = refused(huge).await;
    assert_eq!(text, "proxy: answer to CONNECT exceeds 65536 bytes");
}

#[tokio::test]
async fn a_proxy_that_is_silent_or_absent_ends_in_time() {
    let silent = serve(|mut stream| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let options = through(&format!("http://{silent}"), ClientOptions::default());
    let client = Client::new(options, "test/1").unwrap();
    let request = Request::get(Url::parse("https://somewhere.test/").unwrap());
    let deadline = Instant::now() + Duration::from_millis(100);
    let err = client
        .connection()
        .send(request, deadline)
        .await
        .unwrap_err();
    assert!(err.is_timeout(), "{err}");

    let options = through("http://127.0.0.1:1", ClientOptions::default());
    let err = get(options, "http://somewhere.test/").await.unwrap_err();
    assert_eq!(
        err.to_string(),
        "Get \"http://somewhere.test/\": proxyconnect tcp: dial tcp 127.0.0.1:1: connect: \
         connection refused"
    );
}

/// A SOCKS proxy that wants user and password, answers with `status`, and echoes then. It checks
/// that it is asked for `expected` (kind, address and port).
async fn serve_socks(status: u8, expected: Vec<u8>) -> String {
    serve(move |mut stream: TcpStream| {
        let expected = expected.clone();
        async move {
            let mut read = async |size: usize| {
                let mut bytes = vec![0; size];
                stream.read_exact(&mut bytes).await.unwrap();
                bytes
            };
            assert_eq!(read(4).await, [5, 2, 0, 2]);
            stream.write_all(&[5, 2]).await.unwrap();
            let mut login = vec![0; 5];
            stream.read_exact(&mut login).await.unwrap();
            assert_eq!(login, [1, 1, b'u', 1, b'p']);
            stream.write_all(&[1, 0]).await.unwrap();
            let mut request = vec![0; 3 + expected.len()];
            stream.read_exact(&mut request).await.unwrap();
            assert_eq!(request, [&[5, 1, 0], expected.as_slice()].concat());
            let answer = [5, status, 0, 3, 1, b'h', 0, 80];
            stream.write_all(&answer).await.unwrap();
            echo(stream).await;
        }
    })
    .await
}

#[tokio::test]
async fn socks_proxies_are_spoken_to() {
    let name = b"\x03\x0esomewhere.test\x00\x50".to_vec();
    let proxy = serve_socks(0, name.clone()).await;
    let options = through(&format!("socks5://u:p@{proxy}"), ClientOptions::default());
    let head = get(options, "http://somewhere.test/").await.unwrap();
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");

    let address = serve_socks(0, b"\x01\x0a\x01\x02\x03\x1f\x90".to_vec()).await;
    let options = through(
        &format!("socks5h://u:p@{address}"),
        ClientOptions::default(),
    );
    get(options, "http://10.1.2.3:8080/").await.unwrap();

    let proxy = serve_socks(5, name).await;
    let options = through(&format!("socks5://u:p@{proxy}"), ClientOptions::default());
    let err = get(options, "http://somewhere.test/").await.unwrap_err();
    let expected = format!(
        "Get \"http://somewhere.test/\": socks connect tcp {proxy}->somewhere.test:80: unknown \
         error connection refused"
    );
    assert_eq!(err.to_string(), expected);
}
