//! TLS sessions: authorities, identity, versions.
//!
//! Files are read again for each request by TLS and the session settings are rebuilt when their
//! contents changed, so that rotated certificates need no reload.

mod failure;
mod validity;
mod verify;

use std::sync::Arc;

use parking_lot::Mutex;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

pub(crate) use self::failure::failure;
use crate::auth::read_file;
use crate::options::{Text, TlsOptions, TlsVersion};

/// The TLS side of a client.
#[derive(Debug)]
pub struct Tls {
    options: TlsOptions,
    http2: bool,
    built: Mutex<Option<Built>>,
}

/// Settings and the file contents they were made of.
#[derive(Debug, Clone)]
struct Built {
    material: Material,
    sessions: Arc<Sessions>,
}

/// Settings for new sessions. They stay the same as long as the files do: a connection with other
/// settings is out of date.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// With targets.
    pub(crate) target: Arc<ClientConfig>,
    /// With proxies, to which HTTP/1.1 is spoken.
    pub(crate) proxy: Arc<ClientConfig>,
}

/// The name of HTTP/2 in TLS.
pub(crate) const HTTP2: &[u8] = b"h2";

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
    /// Checks that certificates and keys can be read and used. `http2`: whether it is offered.
    pub fn new(options: TlsOptions, http2: bool) -> Result<Self, String> {
        let tls = Self {
            options,
            http2,
            built: Mutex::new(None),
        };
        if tls.options != TlsOptions::default() {
            tls.refresh("specified ")?;
        }
        Ok(tls)
    }

    /// Settings for a session now: others than last time if a file's content changed.
    pub(crate) async fn sessions(self: &Arc<Self>) -> Result<Arc<Sessions>, String> {
        if let Some(built) = &*self.built.lock()
            && !self.has_files()
        {
            return Ok(built.sessions.clone());
        }
        let tls = self.clone();
        // Reads files, and parses certificates if they changed.
        let read = tokio::task::spawn_blocking(move || tls.refresh("")).await;
        read.map_err(|err| format!("tls: {err}"))?
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

    /// `of`: how the client's certificate is called in errors.
    fn refresh(&self, of: &str) -> Result<Arc<Sessions>, String> {
        let ca = match &self.options.ca {
            Some(text) => Some(read(text, "CA cert")?),
            None => None,
        };
        let identity = match &self.options.identity {
            Some((cert, key)) => {
                let cert = read(cert, &format!("{of}client cert"))?;
                Some((cert, read(key, &format!("{of}client key"))?))
            }
            None => None,
        };
        let material = Material { ca, identity };
        if let Some(built) = &*self.built.lock()
            && built.material == material
        {
            return Ok(built.sessions.clone());
        }
        let proxy = build(&self.options, &material)?;
        let mut target = proxy.clone();
        if self.http2 {
            target.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
        }
        let sessions = Arc::new(Sessions {
            target: Arc::new(target),
            proxy: Arc::new(proxy),
        });
        let mut built = self.built.lock();
        // Another one may have been quicker: connections compare.
        if let Some(built) = &*built
            && built.material == material
        {
            return Ok(built.sessions.clone());
        }
        *built = Some(Built {
            material,
            sessions: sessions.clone(),
        });
        Ok(sessions)
    }
}

fn read(text: &Text, what: &str) -> Result<String, String> {
    match text {
        Text::Inline(secret) => Ok(secret.expose().to_owned()),
        Text::File(path) => read_file(path).map_err(|err| {
            format!(
                "unable to read {what}: unable to read file {}: {err}",
                path.display()
            )
        }),
    }
}

/// Where a text is, in the reference's words.
fn place(text: &Text) -> String {
    match text {
        Text::Inline(_) => "inline".to_owned(),
        Text::File(path) => format!("file {}", path.display()),
    }
}

fn build(options: &TlsOptions, material: &Material) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = roots(options, material)?;
    let verifier = verifier(options, &provider, roots)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions(options)?)
        .map_err(|err| format!("tls: {err}"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let (Some((cert, key)), Some(texts)) = (&material.identity, &options.identity) else {
        return Ok(builder.with_no_client_auth());
    };
    let bad = |reason: String| {
        let (cert, key) = (place(&texts.0), place(&texts.1));
        format!("unable to use specified client cert ({cert}) & key ({key}): {reason}")
    };
    let chain = certificates(cert).map_err(|err| bad(format!("tls: {err}")))?;
    if chain.is_empty() {
        let reason = "tls: failed to find any PEM data in certificate input";
        return Err(bad(reason.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|err| {
        bad(match err {
            pem::Error::NoItemsFound => "tls: failed to find any PEM data in key input".to_owned(),
            other => format!("tls: {other}"),
        })
    })?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|err| bad(format!("tls: {err}")))
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
fn roots(
    options: &TlsOptions,
    material: &Material,
) -> Result<Vec<CertificateDer<'static>>, String> {
    if let (Some(pem), Some(text)) = (&material.ca, &options.ca) {
        let roots = certificates(pem).unwrap_or_default();
        if roots.is_empty() {
            return Err(format!("unable to use specified CA cert {}", place(text)));
        }
        return Ok(roots);
    }
    let loaded = rustls_native_certs::load_native_certs();
    for err in &loaded.errors {
        tracing::warn!(component = "http client", err = %err, "Cannot load system roots");
    }
    Ok(loaded.certs)
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
