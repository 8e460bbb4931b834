//! TLS: who is trusted, who we are, and files that change.

use std::sync::Arc;
use std::time::Duration;

use http_client::options::{Text, TlsOptions, TlsVersion};
use http_client::{Client, Connection, Error, Request};
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tokio::time::Instant;
use url::Url;

use crate::support::*;

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
        wrong_name.ends_with(
            "tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 \
             because it doesn't contain any IP SANs"
        ),
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

/// A request on `connection` to a server that echoes.
async fn ask(connection: &mut Connection, url: &str) -> Result<String, Error> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let request = Request::get(Url::parse(url).unwrap());
    let mut response = connection.send(request, deadline).await?;
    let body = response.body.collect(10_000).await.unwrap();
    Ok(String::from_utf8(body).unwrap())
}

/// A changed authority counts from the next request on, on kept connections too.
#[tokio::test]
async fn a_changed_authority_needs_no_reload() {
    let (old, new) = (authority(), authority());
    let config = |authority: &Authority| acceptor(server_config(&authority.server, None));
    let current = Arc::new(Mutex::new(config(&old)));
    let acceptors = current.clone();
    let address = serve(move |stream| {
        let acceptor = acceptors.lock().clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                echo(stream).await;
            }
        }
    })
    .await;
    let url = by_name(&address);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &old.ca).unwrap();
    let options = tls(TlsOptions {
        ca: Some(Text::File(file.clone())),
        ..TlsOptions::default()
    });
    let client = Client::new(options, "test/1").unwrap();
    let mut connection = client.connection();
    ask(&mut connection, &url).await.unwrap();
    std::fs::write(&file, &new.ca).unwrap();
    let err = ask(&mut connection, &url).await.unwrap_err().to_string();
    assert!(err.contains("signed by unknown authority"), "{err}");
    *current.lock() = config(&new);
    ask(&mut connection, &url).await.unwrap();
    std::fs::write(&file, "none").unwrap();
    let err = ask(&mut connection, &url).await.unwrap_err().to_string();
    assert!(err.contains("unable to use specified CA cert"), "{err}");
    std::fs::remove_file(&file).unwrap();
    let err = ask(&mut connection, &url).await.unwrap_err().to_string();
    assert!(err.contains("unable to read CA cert"), "{err}");
}

#[tokio::test]
async fn a_changed_client_certificate_needs_no_reload() {
    let (known, stranger) = (authority(), authority());
    let address = serve_tls(&known.server, Some(&known.ca)).await;
    let url = by_name(&address);
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    let write = |identity: &(String, String)| {
        std::fs::write(&cert, &identity.0).unwrap();
        std::fs::write(&key, &identity.1).unwrap();
    };
    write(&known.client);
    let options = tls(TlsOptions {
        ca: Some(Text::inline(&known.ca)),
        identity: Some((Text::File(cert.clone()), Text::File(key.clone()))),
        ..TlsOptions::default()
    });
    let client = Client::new(options, "test/1").unwrap();
    let mut connection = client.connection();
    ask(&mut connection, &url).await.unwrap();
    write(&stranger.client);
    ask(&mut connection, &url).await.unwrap_err();
    write(&known.client);
    ask(&mut connection, &url).await.unwrap();
    // A key that is not the certificate's.
    std::fs::write(&key, &stranger.client.1).unwrap();
    let err = ask(&mut connection, &url).await.unwrap_err().to_string();
    assert!(
        err.contains("unable to use specified client cert (file "),
        "{err}"
    );
}

#[tokio::test]
async fn versions_are_kept_to() {
    let authority = authority();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let serve_version = async |version: &'static rustls::SupportedProtocolVersion| {
        let identity = server_config(&authority.server, None).cert_resolver;
        let config = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(identity);
        let acceptor = acceptor(config);
        let address = serve(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    echo(stream).await;
                }
            }
        });
        by_name(&address.await)
    };
    let only_12 = serve_version(&rustls::version::TLS12).await;
    let only_13 = serve_version(&rustls::version::TLS13).await;
    let between = |min_version, max_version| {
        tls(TlsOptions {
            ca: Some(Text::inline(&authority.ca)),
            min_version,
            max_version,
            ..TlsOptions::default()
        })
    };
    get(between(None, None), &only_12).await.unwrap();
    get(between(None, None), &only_13).await.unwrap();
    get(
        between(Some(TlsVersion::Tls10), Some(TlsVersion::Tls12)),
        &only_12,
    )
    .await
    .unwrap();
    let err = get(between(Some(TlsVersion::Tls13), None), &only_12).await;
    let err = err.unwrap_err().to_string();
    assert!(err.contains("protocol version"), "{err}");
    let err = get(between(None, Some(TlsVersion::Tls12)), &only_13).await;
    assert!(err.unwrap_err().to_string().contains("protocol version"));
}
