//! Servers and certificates that the tests share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http_client::options::TlsOptions;
use http_client::{Client, ClientOptions, Connection, Error, Request};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use url::Url;

pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

pub(crate) async fn serve<F, R>(handle: F) -> String
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // As real servers do; else HTTP/2 waits for acknowledgements.
            let _ = stream.set_nodelay(true);
            tokio::spawn(handle(stream));
        }
    });
    address
}

pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Answers every request with its own head.
pub(crate) async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
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

pub(crate) async fn get(options: ClientOptions, url: &str) -> Result<String, Error> {
    let client = Client::new(options, "test/1")?;
    let deadline = Instant::now() + Duration::from_secs(30);
    let request = Request::get(Url::parse(url).unwrap());
    let mut response = client.connection().send(request, deadline).await?;
    let body = response.body.collect(1 << 20).await.unwrap();
    Ok(String::from_utf8(body).unwrap())
}

/// An authority, and certificates it signed, as PEM.
pub(crate) struct Authority {
    pub(crate) ca: String,
    pub(crate) server: (String, String),
    pub(crate) client: (String, String),
}

pub(crate) fn authority() -> Authority {
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

/// A TLS server that echoes, with this identity; with `client_ca` it wants client certificates.
pub(crate) async fn serve_tls(identity: &(String, String), client_ca: Option<&str>) -> String {
    let acceptor = acceptor(server_config(identity, client_ca));
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

pub(crate) fn acceptor(config: rustls::ServerConfig) -> TlsAcceptor {
    TlsAcceptor::from(Arc::new(config))
}

pub(crate) fn server_config(
    identity: &(String, String),
    client_ca: Option<&str>,
) -> rustls::ServerConfig {
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
    config.with_single_cert(chain, key).unwrap()
}

/// The URL of a TLS server by the name in its certificate.
pub(crate) fn by_name(address: &str) -> String {
    format!("https://{}/", address.replace("127.0.0.1", "localhost"))
}

/// Options that trust this authority.
pub(crate) fn trusting(ca: &str) -> ClientOptions {
    tls(TlsOptions {
        ca: Some(http_client::options::Text::inline(ca)),
        ..TlsOptions::default()
    })
}

pub(crate) fn tls(tls: TlsOptions) -> ClientOptions {
    ClientOptions {
        tls,
        ..ClientOptions::default()
    }
}

/// Asks three times, at rest in between; the answers.
pub(crate) async fn ask_and_rest(connection: &mut Connection, url: &str) -> Vec<Vec<u8>> {
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
