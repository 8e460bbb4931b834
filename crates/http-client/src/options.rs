//! What a client does: the configuration's `<http_config>` after validation, in the form the
//! client works with.

use std::path::PathBuf;

use yaml::{FilePath, Secret};

use crate::config::{self, HttpClientConfig, TlsConfig};

/// Options of a client. The default is a plain client that follows redirects.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientOptions {
    /// Credentials.
    pub auth: Auth,
    /// TLS.
    pub tls: TlsOptions,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Headers added to each request: name and where its value comes from, in this order.
    pub headers: Vec<(String, Text)>,
    /// Socket in the file system to connect to, in place of the URL's host and port.
    pub unix_socket: Option<PathBuf>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            auth: Auth::None,
            tls: TlsOptions::default(),
            follow_redirects: true,
            headers: Vec::new(),
            unix_socket: None,
        }
    }
}

impl ClientOptions {
    /// A text that differs whenever the options do, secrets included, and shows none of them.
    pub fn fingerprint(&self) -> String {
        use std::hash::{BuildHasher as _, RandomState};
        // One key a process: fingerprints are compared within it and must not be guessable.
        static KEY: std::sync::OnceLock<RandomState> = std::sync::OnceLock::new();
        let mut secrets = Vec::new();
        let mut push = |text: &Text| {
            if let Text::Inline(secret) = text {
                secrets.push(secret.expose().to_owned());
            }
        };
        match &self.auth {
            Auth::None => {}
            Auth::Basic { username, password } => {
                push(username);
                push(password);
            }
            Auth::Header { credentials, .. } => push(credentials),
        }
        self.headers.iter().for_each(|(_, text)| push(text));
        self.tls.ca.iter().for_each(&mut push);
        self.tls.identity.iter().for_each(|(cert, key)| {
            push(cert);
            push(key);
        });
        let hash = KEY.get_or_init(RandomState::new).hash_one(&secrets);
        format!("{self:?}{hash:016x}")
    }
}

impl From<&HttpClientConfig> for ClientOptions {
    /// From a validated configuration. What is not built yet is left out:
    /// [`HttpClientConfig::not_built`] names it.
    fn from(config: &HttpClientConfig) -> Self {
        let mut headers = Vec::new();
        for (name, header) in config.http_headers.iter().flat_map(|headers| &headers.0) {
            let values = header.values.iter().map(|value| Text::inline(value));
            let secrets = header.secrets.iter().cloned().map(Text::Inline);
            let files = header.files.iter().map(file);
            headers.extend(
                values
                    .chain(secrets)
                    .chain(files)
                    .map(|text| (name.clone(), text)),
            );
        }
        Self {
            auth: auth(config),
            tls: TlsOptions::from(&config.tls_config),
            follow_redirects: config.follow_redirects,
            headers,
            unix_socket: None,
        }
    }
}

fn auth(config: &HttpClientConfig) -> Auth {
    if let Some(basic) = &config.basic_auth {
        return Auth::Basic {
            username: text(&Secret::new(basic.username.clone()), &basic.username_file),
            password: text(&basic.password, &basic.password_file),
        };
    }
    let Some(authorization) = &config.authorization else {
        return Auth::None;
    };
    Auth::Header {
        kind: authorization.kind.clone(),
        credentials: text(&authorization.credentials, &authorization.credentials_file),
    }
}

fn file(path: &FilePath) -> Text {
    Text::File((**path).into())
}

/// The file if there is one, else what is written in place.
fn text(inline: &Secret, path: &FilePath) -> Text {
    if path.is_empty() {
        Text::Inline(inline.clone())
    } else {
        file(path)
    }
}

/// As [`text`], where nothing written means nothing wanted.
fn optional_text(inline: &Secret, path: &FilePath) -> Option<Text> {
    let wanted = !(inline.is_empty() && path.is_empty());
    wanted.then(|| text(inline, path))
}

/// Credentials of a client.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Auth {
    /// None.
    #[default]
    None,
    /// User and password.
    Basic {
        /// User.
        username: Text,
        /// Password.
        password: Text,
    },
    /// `Authorization: <kind> <credentials>`.
    Header {
        /// The scheme's word, such as `Bearer`.
        kind: String,
        /// What follows it.
        credentials: Text,
    },
}

/// A text given in place or in a file that is read for every request.
#[derive(Debug, Clone, PartialEq)]
pub enum Text {
    /// In place.
    Inline(Secret),
    /// In this file; blanks at its ends do not count.
    File(PathBuf),
}

impl Text {
    /// A text given in place.
    pub fn inline(text: &str) -> Self {
        Self::Inline(Secret::new(text))
    }
}

/// TLS versions that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// Cannot be honoured: treated as [`Tls12`](Self::Tls12).
    Tls10,
    /// Cannot be honoured: treated as [`Tls12`](Self::Tls12).
    Tls11,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// TLS options of a client.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TlsOptions {
    /// Authorities in place of the system's.
    pub ca: Option<Text>,
    /// The client's certificate and key.
    pub identity: Option<(Text, Text)>,
    /// Name to send and to verify in place of the URL's host.
    pub server_name: String,
    /// Whether any certificate is good.
    pub insecure_skip_verify: bool,
    /// Lowest version.
    pub min_version: Option<TlsVersion>,
    /// Highest version.
    pub max_version: Option<TlsVersion>,
}

impl From<&TlsConfig> for TlsOptions {
    fn from(config: &TlsConfig) -> Self {
        let cert = optional_text(&Secret::new(config.cert.clone()), &config.cert_file);
        let key = optional_text(&config.key, &config.key_file);
        Self {
            ca: optional_text(&Secret::new(config.ca.clone()), &config.ca_file),
            identity: cert.zip(key),
            server_name: config.server_name.clone(),
            insecure_skip_verify: config.insecure_skip_verify,
            min_version: config.min_version.map(version),
            max_version: config.max_version.map(version),
        }
    }
}

fn version(version: config::TlsVersion) -> TlsVersion {
    match version {
        config::TlsVersion::Tls10 => TlsVersion::Tls10,
        config::TlsVersion::Tls11 => TlsVersion::Tls11,
        config::TlsVersion::Tls12 => TlsVersion::Tls12,
        config::TlsVersion::Tls13 => TlsVersion::Tls13,
    }
}
