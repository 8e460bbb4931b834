//! The client against servers in this process: TLS, credentials, redirects, dead connections.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail the test")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http_client::options::{Auth, Text, TlsOptions};
use http_client::{Client, ClientOptions, Connection, Error, Request};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use url::Url;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn serve<F, R>(handle: F) -> String
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Answers every request with its own head.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    while let Some(head) = read_head(&mut stream).await {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}",
            head.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn get(options: ClientOptions, url: &str) -> Result<String, Error> {
    let client = Client::new(options, "test/1")?;
    let deadline = Instant::now() + Duration::from_secs(30);
    let request = Request::get(Url::parse(url).unwrap());
    let mut response = client.connection().send(request, deadline).await?;
    let body = response.body.collect(1 << 20).await.unwrap();
    Ok(String::from_utf8(body).unwrap())
}

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
        missing.contains("unable to read authorization credentials file"),
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
    let head = get(basic(), &format!("http://{redirecting}/"))
        .await
        .unwrap();
    assert!(!head.contains("authorization"), "{head}");
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

/// Asks three times, at rest in between; the answers.
async fn ask_and_rest(connection: &mut Connection, url: &str) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    for _ in 0..3 {
        let request = Request::get(Url::parse(url).unwrap());
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut response = connection.send(request, deadline).await.unwrap();
        answers.push(response.body.collect(1000).await.unwrap());
        connection.rest(deadline).await;
        // Twice does no harm.
        connection.rest(deadline).await;
    }
    answers
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
async fn a_tls_connection_rests_too() {
    let authority = authority();
    let address = serve_tls(&authority.server, None).await;
    let tls = tls(TlsOptions {
        ca: Some(Text::inline(&authority.ca)),
        ..TlsOptions::default()
    });
    let client = Client::new(tls, "test/1").unwrap();
    let url = format!("https://{}/", address.replace("127.0.0.1", "localhost"));
    let answers = ask_and_rest(&mut client.connection(), &url).await;
    assert!(answers.iter().all(|answer| answer.starts_with(b"GET / ")));
}

/// An authority, and certificates it signed, as PEM.
struct Authority {
    ca: String,
    server: (String, String),
    client: (String, String),
}

fn authority() -> Authority {
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(params, ca_key);
    let sign = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (
            params.signed_by(&key, &issuer).unwrap().pem(),
            key.serialize_pem(),
        )
    };
    Authority {
        server: sign("localhost"),
        client: sign("client"),
        ca,
    }
}

/// A TLS server with this identity; with `client_ca` it wants client certificates.
async fn serve_tls(identity: &(String, String), client_ca: Option<&str>) -> String {
    use rustls_pki_types::pem::PemObject as _;
    let chain = CertificateDer::pem_slice_iter(identity.0.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.1.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = match client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = rustls::RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
                .unwrap();
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots),
                provider,
            );
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                echo(stream).await;
            }
        }
    })
    .await
}

fn tls(tls: TlsOptions) -> ClientOptions {
    ClientOptions {
        tls,
        ..ClientOptions::default()
    }
}

#[tokio::test]
async fn certificates_are_verified() {
    let authority = authority();
    let address = serve_tls(&authority.server, None).await;
    let port = address.rsplit_once(':').unwrap().1;
    let (by_name, by_address) = (
        format!("https://localhost:{port}/"),
        format!("https://{address}/"),
    );
    let trusting = TlsOptions {
        ca: Some(Text::inline(&authority.ca)),
        ..TlsOptions::default()
    };
    get(tls(trusting.clone()), &by_name).await.unwrap();

    let wrong_name = get(tls(trusting.clone()), &by_address)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        wrong_name.contains("failed to verify certificate"),
        "{wrong_name}"
    );
    let named = TlsOptions {
        server_name: "localhost".to_owned(),
        ..trusting
    };
    get(tls(named), &by_address).await.unwrap();
    let careless = TlsOptions {
        insecure_skip_verify: true,
        ..TlsOptions::default()
    };
    get(tls(careless), &by_address).await.unwrap();

    let other = TlsOptions {
        ca: Some(Text::inline(&self::authority().ca)),
        ..TlsOptions::default()
    };
    let unknown = get(tls(other), &by_name).await.unwrap_err().to_string();
    assert!(
        unknown.contains("x509: certificate signed by unknown authority"),
        "{unknown}"
    );
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let authority = authority();
    let address = serve_tls(&authority.server, Some(&authority.ca)).await;
    let url = format!("https://localhost:{}/", address.rsplit_once(':').unwrap().1);
    let (cert, key) = &authority.client;
    let anonymous = TlsOptions {
        ca: Some(Text::inline(&authority.ca)),
        ..TlsOptions::default()
    };
    get(tls(anonymous.clone()), &url).await.unwrap_err();
    let known = TlsOptions {
        identity: Some((Text::inline(cert), Text::inline(key))),
        ..anonymous
    };
    get(tls(known), &url).await.unwrap();
}

#[tokio::test]
async fn a_server_may_be_its_own_authority() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let cert = params.self_signed(&key).unwrap().pem();
    let address = serve_tls(&(cert.clone(), key.serialize_pem()), None).await;
    let url = format!("https://localhost:{}/", address.rsplit_once(':').unwrap().1);
    let trusting = TlsOptions {
        ca: Some(Text::inline(&cert)),
        ..TlsOptions::default()
    };
    get(tls(trusting), &url).await.unwrap();
}

#[test]
fn files_that_are_missing_are_named_at_once() {
    let ca = Some(Text::File("/nonexistent/ca.pem".into()));
    let options = tls(TlsOptions {
        ca,
        ..TlsOptions::default()
    });
    let error = Client::new(options, "test/1").unwrap_err().to_string();
    assert!(
        error.contains("open /nonexistent/ca.pem: no such file or directory"),
        "{error}"
    );
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
