//! What a client does: the configuration's `<http_config>` after validation, in the form the
//! client works with.

use std::path::PathBuf;

use yaml::Secret;

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
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            auth: Auth::None,
            tls: TlsOptions::default(),
            follow_redirects: true,
            headers: Vec::new(),
        }
    }
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
