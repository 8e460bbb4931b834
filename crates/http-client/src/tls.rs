//! TLS sessions: authorities, identity, versions.
//!
//! Files are read again for each new connection and the session settings are rebuilt when their
//! contents changed, so that rotated certificates need no reload.

mod validity;
mod verify;

use std::sync::Arc;

use parking_lot::Mutex;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::auth::read_file;
use crate::options::{Text, TlsOptions, TlsVersion};

/// The TLS side of a client.
#[derive(Debug)]
pub struct Tls {
    options: TlsOptions,
    built: Mutex<Option<Built>>,
}

/// Settings and the file contents they were made of.
#[derive(Debug, Clone)]
struct Built {
    material: Material,
    config: Arc<ClientConfig>,
}

/// PEM texts.
#[derive(Clone, PartialEq, Eq)]
struct Material {
    ca: Option<String>,
    identity: Option<(String, String)>,
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Material")
    }
}

impl Tls {
    /// Checks that certificates and keys can be read and used.
    pub fn new(options: TlsOptions) -> Result<Self, String> {
        let tls = Self {
            options,
            built: Mutex::new(None),
        };
        if tls.options != TlsOptions::default() {
            tls.refresh()?;
        }
        Ok(tls)
    }

    /// Settings for a new session.
    pub(crate) async fn client_config(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some(built) = &*self.built.lock()
            && !self.has_files()
        {
            return Ok(built.config.clone());
        }
        // Reads files and parses certificates: short, but only once a connection.
        tokio::task::yield_now().await;
        self.refresh()
    }

    /// The name to verify for `host`.
    pub(crate) fn server_name(&self, host: &str) -> Result<ServerName<'static>, String> {
        let name = match self.options.server_name.as_str() {
            "" => host,
            name => name,
        };
        ServerName::try_from(name.to_owned()).map_err(|err| format!("tls: {name}: {err}"))
    }

    fn has_files(&self) -> bool {
        let is_file = |text: &Text| matches!(text, Text::File(_));
        self.options.ca.as_ref().is_some_and(is_file)
            || self
                .options
                .identity
                .as_ref()
                .is_some_and(|(c, k)| is_file(c) || is_file(k))
    }

    fn refresh(&self) -> Result<Arc<ClientConfig>, String> {
        let ca = match &self.options.ca {
            Some(text) => Some(read(text, "CA cert")?),
            None => None,
        };
        let identity = match &self.options.identity {
            Some((cert, key)) => Some((read(cert, "client cert")?, read(key, "client key")?)),
            None => None,
        };
        let material = Material { ca, identity };
        if let Some(built) = &*self.built.lock()
            && built.material == material
        {
            return Ok(built.config.clone());
        }
        let config = Arc::new(build(&self.options, &material)?);
        *self.built.lock() = Some(Built {
            material,
            config: config.clone(),
        });
        Ok(config)
    }
}

fn read(text: &Text, what: &str) -> Result<String, String> {
    match text {
        Text::Inline(secret) => Ok(secret.expose().to_owned()),
        Text::File(path) => read_file(path)
            .map_err(|err| format!("unable to load specified {what} {}: {err}", path.display())),
    }
}

fn build(options: &TlsOptions, material: &Material) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = roots(material.ca.as_deref())?;
    let verifier = verifier(options, &provider, roots)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions(options)?)
        .map_err(|err| format!("tls: {err}"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match &material.identity {
        None => Ok(builder.with_no_client_auth()),
        Some((cert, key)) => {
            let chain = certificates(cert).map_err(|err| format!("client cert: {err}"))?;
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                .map_err(|err| format!("client key: {err}"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|err| format!("unable to use client certificate: {err}"))
        }
    }
}

fn verifier(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
    roots: Vec<CertificateDer<'static>>,
) -> Result<Arc<dyn rustls::client::danger::ServerCertVerifier>, String> {
    if options.insecure_skip_verify {
        return Ok(Arc::new(verify::AcceptAny::new(provider.clone())));
    }
    Ok(Arc::new(verify::Lenient::new(provider, roots)?))
}

/// The authorities: those given, else the system's.
fn roots(ca: Option<&str>) -> Result<Vec<CertificateDer<'static>>, String> {
    match ca {
        Some(pem) => {
            let roots = certificates(pem)?;
            if roots.is_empty() {
                return Err("unable to use specified CA cert: no certificates found".to_owned());
            }
            Ok(roots)
        }
        None => {
            let loaded = rustls_native_certs::load_native_certs();
            for err in &loaded.errors {
                tracing::warn!(component = "http client", err = %err, "Cannot load system roots");
            }
            Ok(loaded.certs)
        }
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|err| format!("{err}"))
}

/// Adds what can be added; roots that cannot serve as trust anchors are left out.
fn store(roots: &[CertificateDer<'static>]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    store
}

fn versions(options: &TlsOptions) -> Result<&'static [&'static SupportedProtocolVersion], String> {
    use rustls::version::{TLS12, TLS13};
    let min = options
        .min_version
        .unwrap_or(TlsVersion::Tls12)
        .max(TlsVersion::Tls12);
    let max = options.max_version.unwrap_or(TlsVersion::Tls13);
    if max < TlsVersion::Tls12 {
        return Err("tls: versions below 1.2 are not supported".to_owned());
    }
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    Ok(match (min, max) {
        (TlsVersion::Tls13, _) => &BOTH[..1],
        (_, TlsVersion::Tls12) => &BOTH[1..],
        _ => &BOTH,
    })
}
