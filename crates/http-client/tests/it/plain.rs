//! Without TLS: credentials, redirects, dead connections, rest.

use std::time::Duration;

use http_client::options::{Auth, Text};
use http_client::{Client, ClientOptions, Request};
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;
use url::Url;

use crate::support::*;

fn basic() -> ClientOptions {
    let auth = Auth::Basic {
        username: Text::inline("u"),
        password: Text::inline("p"),
    };
    ClientOptions {
        auth,
        ..ClientOptions::default()
    }
}

#[tokio::test]
async fn credentials_and_headers_are_sent_and_read_anew() {
    let address = serve(echo).await;
    let url = format!("http://{address}/x?y=z");
    let head = get(basic(), &url).await.unwrap();
    assert!(head.starts_with("GET /x?y=z HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: Basic dTpw\r\n"), "{head}");
    assert!(head.contains("user-agent: test/1\r\n"), "{head}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let options = ClientOptions {
        auth: Auth::Header {
            kind: "Bearer".to_owned(),
            credentials: Text::File(file.clone()),
        },
        headers: vec![("x-extra".to_owned(), Text::inline("1"))],
        ..ClientOptions::default()
    };
    let missing = get(options.clone(), &url).await.unwrap_err().to_string();
    assert!(
        missing.contains("unable to read authorization credentials: unable to read file /"),
        "{missing}"
    );
    for token in ["first", "second"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        let head = get(options.clone(), &url).await.unwrap();
        assert!(
            head.contains(&format!("authorization: Bearer {token}\r\n")),
            "{head}"
        );
        assert!(head.contains("x-extra: 1\r\n"), "{head}");
    }
}

#[tokio::test]
async fn redirects_do_not_carry_credentials_to_other_hosts() {
    let target = serve(echo).await;
    let port = target.rsplit_once(':').unwrap().1.to_owned();
    let redirecting = serve(move |mut stream| {
        let port = port.clone();
        async move {
            let head = read_head(&mut stream).await.unwrap_or_default();
            assert!(head.contains("authorization: "), "{head}");
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: http://localhost:{port}/\r\nContent-Length: 0\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let headers = ["x-extra", "cookie"].map(|name| (name.to_owned(), Text::inline("1")));
    let options = ClientOptions {
        headers: headers.to_vec(),
        ..basic()
    };
    let head = get(options, &format!("http://{redirecting}/")).await;
    let head = head.unwrap();
    assert!(!head.contains("authorization"), "{head}");
    assert!(!head.contains("cookie"), "{head}");
    // What else is configured goes along, as in the reference.
    assert!(head.contains("x-extra: 1\r\n"), "{head}");
    assert!(
        head.contains(&format!("referer: http://{redirecting}/\r\n")),
        "{head}"
    );
}

#[tokio::test]
async fn a_dead_kept_connection_is_replaced() {
    let address = serve(|mut stream| async move {
        // One answer a connection, without saying so.
        read_head(&mut stream).await;
        let _ = stream.write_all(OK).await;
    })
    .await;
    let client = Client::new(ClientOptions::default(), "test/1").unwrap();
    let mut connection = client.connection();
    for _ in 0..3 {
        let request = Request::get(Url::parse(&format!("http://{address}/")).unwrap());
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut response = connection.send(request, deadline).await.unwrap();
        assert_eq!(response.body.collect(10).await.unwrap(), b"ok");
    }
}

/// A server whose answers say which connection they came by, followed by `extra`; each connection has
/// at most `answers_max`.
async fn serve_numbered(extra: &'static str, answers_max: usize) -> String {
    let connections = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    serve(move |mut stream| {
        let number = connections.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move {
            for _ in 0..answers_max {
                if read_head(&mut stream).await.is_none() {
                    return;
                }
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}{extra}");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_at_rest_is_used_again() {
    let client = Client::new(ClientOptions::default(), "test/1").unwrap();
    let address = serve_numbered("", usize::MAX).await;
    let answers = ask_and_rest(&mut client.connection(), &format!("http://{address}/")).await;
    assert_eq!(answers, [b"0", b"0", b"0"]);
}

#[tokio::test]
async fn a_connection_that_died_at_rest_is_replaced() {
    let client = Client::new(ClientOptions::default(), "test/1").unwrap();
    let address = serve_numbered("", 1).await;
    let answers = ask_and_rest(&mut client.connection(), &format!("http://{address}/")).await;
    assert_eq!(answers, [b"0", b"1", b"2"]);
}

/// What comes behind an answer is not taken for the next one.
#[tokio::test]
async fn unasked_bytes_end_a_connection() {
    let client = Client::new(ClientOptions::default(), "test/1").unwrap();
    let extra = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    let address = serve_numbered(extra, usize::MAX).await;
    let answers = ask_and_rest(&mut client.connection(), &format!("http://{address}/")).await;
    assert_eq!(answers, [b"0", b"1", b"2"]);
}

#[tokio::test]
async fn a_socket_in_the_file_system_is_asked_in_place_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("daemon.sock");
    let options = ClientOptions {
        unix_socket: Some(path.clone()),
        ..ClientOptions::default()
    };
    let url = "http://daemon.localhost/x";
    let refused = get(options.clone(), url).await.unwrap_err().to_string();
    let expected = format!(
        "Get \"{url}\": dial unix {}: connect: no such file or directory",
        path.display()
    );
    assert_eq!(refused, expected);

    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    let head = get(options, url).await.unwrap();
    assert!(head.starts_with("GET /x HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: daemon.localhost\r\n"), "{head}");
}

#[test]
fn a_request_takes_little_from_the_task_that_makes_it() {
    let client = Client::new(ClientOptions::default(), "test").unwrap();
    let mut connection = client.connection();
    let request = Request::get("http://127.0.0.1:1/".parse().unwrap());
    let future = connection.send(request, Instant::now());
    assert!(size_of_val(&future) < 2048, "{}", size_of_val(&future));
}
