//! What a client does: the configuration's `<http_config>` after validation, in the form the
//! client works with.

use std::path::PathBuf;

use yaml::{FilePath, Secret};

use crate::config::{self, HttpClientConfig, TlsConfig};
pub use crate::oauth2::{Grant, OAuth2Options, Signature};
pub use crate::proxy::ProxyOptions;

/// Options of a client. The default is a plain client that follows redirects.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientOptions {
    /// Credentials.
    pub auth: Auth,
    /// TLS.
    pub tls: TlsOptions,
    /// Proxies.
    pub proxy: ProxyOptions,
    /// Whether targets with TLS are offered HTTP/2.
    pub http2: bool,
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
            proxy: ProxyOptions::default(),
            http2: true,
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
        let mut secrets = Secrets::default();
        match &self.auth {
            Auth::None => {}
            Auth::Basic { username, password } => {
                secrets.add_text(username);
                secrets.add_text(password);
            }
            Auth::Header { credentials, .. } => secrets.add_text(credentials),
            Auth::OAuth2(oauth2) => {
                secrets.add_text(&oauth2.secret);
                secrets.add_tls(&oauth2.tls);
                secrets.add_proxy(&oauth2.proxy);
            }
        }
        for (_, text) in &self.headers {
            secrets.add_text(text);
        }
        secrets.add_tls(&self.tls);
        secrets.add_proxy(&self.proxy);
        let secrets = secrets.0;
        let hash = KEY.get_or_init(RandomState::new).hash_one(&secrets);
        format!("{self:?}{hash:016x}")
    }
}

/// What a fingerprint covers and does not show, in the order it was added.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, secret: &Secret) {
        self.0.push(secret.expose().to_owned());
    }

    fn add_text(&mut self, text: &Text) {
        if let Text::Inline(secret) = text {
            self.add(secret);
        }
    }

    fn add_tls(&mut self, tls: &TlsOptions) {
        let identity = tls.identity.iter().flat_map(|(cert, key)| [cert, key]);
        for text in tls.ca.iter().chain(identity) {
            self.add_text(text);
        }
    }

    fn add_proxy(&mut self, proxy: &ProxyOptions) {
        let headers = proxy.connect_headers.iter().map(|(_, value)| value);
        let urls = proxy.http.iter().chain(&proxy.https);
        urls.chain(headers).for_each(|secret| self.add(secret));
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
            proxy: ProxyOptions::from(&config.proxy),
            http2: config.enable_http2,
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
    if let Some(oauth2) = &config.oauth2 {
        return Auth::OAuth2(Box::new(OAuth2Options::from(oauth2)));
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
pub(crate) fn text(inline: &Secret, path: &FilePath) -> Text {
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
    /// A token of an OAuth 2.0 server.
    OAuth2(Box<OAuth2Options>),
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
