//! The options of an outbound HTTP client as configuration files write them.
//!
//! Inlined into every section that sends requests; its owner calls [`HttpClientConfig::validate`].

use std::collections::BTreeMap;

use yaml::{FilePath, Secret, Tree};

pub mod endpoint_url;
mod oauth2;
mod sigv4;
mod tls;

pub use endpoint_url::EndpointUrl;
pub(crate) use oauth2::JWT_BEARER;
pub use oauth2::Oauth2;
pub use sigv4::SigV4Config;
pub use tls::{TlsConfig, TlsVersion};

yaml::record! {
    /// HTTP client options.
    #[derive(Debug, Clone, PartialEq)]
    pub struct HttpClientConfig: "config.HTTPClientConfig", open {
        /// User and password.
        pub basic_auth: Option<BasicAuth> => omit "basic_auth";
        /// An `Authorization` header of any scheme. A bearer token written the old way moves here.
        pub authorization: Option<Authorization> => omit "authorization";
        /// Tokens from an OAuth 2.0 server.
        pub oauth2: Option<Oauth2> => omit "oauth2";
        /// Old form of a bearer token; empty after validation.
        pub bearer_token: Secret => omit "bearer_token";
        /// Old form of a bearer token's file; empty after validation.
        pub bearer_token_file: FilePath => omit "bearer_token_file";
        /// TLS options.
        pub tls_config: TlsConfig => omit "tls_config";
        /// Whether redirects are followed.
        pub follow_redirects: bool = true => keep "follow_redirects";
        /// Whether HTTP/2 may be negotiated.
        pub enable_http2: bool = true => keep "enable_http2";
        /// Proxy options.
        pub proxy: ProxyConfig => inline;
        /// Extra headers.
        pub http_headers: Option<Headers> => omit "http_headers";
    }
}

yaml::record! {
    /// User and password, each given here, in a file or by a reference.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct BasicAuth: "config.BasicAuth", checked "config.plain" {
        /// User.
        pub username: String => omit "username";
        /// File that holds the user, read for every request.
        pub username_file: FilePath => omit "username_file";
        /// Name of the user in a secret manager; there is none.
        pub username_ref: String => omit "username_ref";
        /// Password.
        pub password: Secret => omit "password";
        /// File that holds the password, read for every request.
        pub password_file: FilePath => omit "password_file";
        /// Name of the password in a secret manager; there is none.
        pub password_ref: String => omit "password_ref";
    }
}

yaml::record! {
    /// An `Authorization` header.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Authorization: "config.Authorization", open {
        /// The scheme's word; `Bearer` after validation if none was written.
        pub kind: String => omit "type";
        /// What follows it.
        pub credentials: Secret => omit "credentials";
        /// File that holds it, read for every request.
        pub credentials_file: FilePath => omit "credentials_file";
        /// Its name in a secret manager; there is none.
        pub credentials_ref: String => omit "credentials_ref";
    }
}

yaml::record! {
    /// Which proxy to use.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ProxyConfig: "config.ProxyConfig", open {
        /// The proxy.
        pub proxy_url: Option<EndpointUrl> => omit "proxy_url";
        /// Hosts, domains and networks that are reached without it, separated by commas.
        pub no_proxy: String => omit "no_proxy";
        /// Whether the environment names the proxy.
        pub proxy_from_environment: bool => omit "proxy_from_environment";
        /// Headers sent to the proxy on CONNECT.
        pub proxy_connect_header: BTreeMap<String, Vec<Secret>> => omit "proxy_connect_header";
    }
}

yaml::record! {
    /// Values of one extra header.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Header: "config.Header", open {
        /// Values.
        pub values: Vec<String> => omit "values";
        /// Values that are not printed.
        pub secrets: Vec<Secret> => omit "secrets";
        /// Files that hold values.
        pub files: Vec<FilePath> => omit "files";
    }
}

/// Extra headers by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub BTreeMap<String, Header>);

impl yaml::Yaml for Headers {
    fn go_type() -> String {
        "config.Headers".to_owned()
    }

    fn zero() -> Self {
        Self::default()
    }

    fn decode(
        &mut self,
        decoder: &mut yaml::Decoder<'_>,
        id: yaml::NodeId,
    ) -> Result<(), yaml::Fatal> {
        self.0.decode(decoder, id)
    }

    fn encode(&self) -> Tree {
        self.0.encode()
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn visit_paths(&mut self, visit: &mut dyn FnMut(&mut String)) {
        self.0.visit_paths(visit);
    }
}

impl BasicAuth {
    // The record is checked as part of its owner.
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "the shape records share"
    )]
    fn check(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Number of set things: at most one of several may be.
pub(crate) fn set_count(set: &[bool]) -> usize {
    set.iter().filter(|set| **set).count()
}

/// Headers that the client sets itself.
const RESERVED_HEADERS: [&str; 18] = [
    "Accept-Encoding",
    "Authorization",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Host",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "User-Agent",
    "Www-Authenticate",
    "X-Amz-Content-Sha256",
    "X-Amz-Date",
    "X-Amz-Security-Token",
    "X-Prometheus-Remote-Read-Version",
    "X-Prometheus-Remote-Write-Version",
    "X-Prometheus-Scrape-Timeout-Seconds",
];

/// `x-forwarded-for` as `X-Forwarded-For`.
fn canonical_header(name: &str) -> String {
    let mut upper = true;
    let mut canonical = String::with_capacity(name.len());
    for letter in name.chars() {
        canonical.push(if upper {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        });
        upper = letter == '-';
    }
    canonical
}

impl HttpClientConfig {
    /// Checks the options against each other and rewrites old forms. Errors are the reference's.
    pub fn validate(&mut self) -> Result<(), String> {
        let has_bearer = !self.bearer_token.is_empty() || !self.bearer_token_file.is_empty();
        if !self.bearer_token.is_empty() && !self.bearer_token_file.is_empty() {
            return Err(
                "at most one of bearer_token & bearer_token_file must be configured".into(),
            );
        }
        if (self.basic_auth.is_some() || self.oauth2.is_some()) && has_bearer {
            return Err("at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured".into());
        }
        if let Some(basic) = &self.basic_auth {
            basic.validate()?;
        }
        if self.authorization.is_some() && has_bearer {
            return Err(
                "authorization is not compatible with bearer_token & bearer_token_file".into(),
            );
        }
        let both = "at most one of basic_auth, oauth2 & authorization must be configured";
        let has_other = self.basic_auth.is_some() || self.oauth2.is_some();
        if let Some(authorization) = &mut self.authorization {
            authorization.validate()?;
            if has_other {
                return Err(both.into());
            }
        } else if has_bearer {
            self.authorization = Some(Authorization {
                kind: "Bearer".to_owned(),
                credentials: std::mem::take(&mut self.bearer_token),
                credentials_file: std::mem::take(&mut self.bearer_token_file),
                credentials_ref: String::new(),
            });
        }
        if let Some(oauth2) = &self.oauth2 {
            if self.basic_auth.is_some() {
                return Err(both.into());
            }
            oauth2.validate()?;
        }
        self.proxy.validate()?;
        self.http_headers.as_ref().map_or(Ok(()), Headers::validate)
    }

    /// Whether nothing is set that differs from the documented defaults.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Names of options that are set and whose function is not built: names in a secret manager,
    /// which a server without one cannot resolve, as the reference's cannot.
    pub fn not_built(&self) -> Vec<&'static str> {
        let mut options = vec![
            (
                self.basic_auth
                    .as_ref()
                    .is_some_and(|auth| !auth.username_ref.is_empty()),
                "username_ref",
            ),
            (
                self.basic_auth
                    .as_ref()
                    .is_some_and(|auth| !auth.password_ref.is_empty()),
                "password_ref",
            ),
            (
                self.authorization
                    .as_ref()
                    .is_some_and(|auth| !auth.credentials_ref.is_empty()),
                "credentials_ref",
            ),
        ];
        options.extend(self.tls_config.references());
        if let Some(oauth2) = &self.oauth2 {
            options.extend(oauth2.references());
        }
        options
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, name)| name)
            .collect()
    }
}

impl BasicAuth {
    fn validate(&self) -> Result<(), String> {
        let users = [
            !self.username.is_empty(),
            !self.username_file.is_empty(),
            !self.username_ref.is_empty(),
        ];
        if set_count(&users) > 1 {
            return Err("at most one of basic_auth username, username_file & username_ref must be configured".into());
        }
        let passwords = [
            !self.password.is_empty(),
            !self.password_file.is_empty(),
            !self.password_ref.is_empty(),
        ];
        if set_count(&passwords) > 1 {
            return Err("at most one of basic_auth password, password_file & password_ref must be configured".into());
        }
        Ok(())
    }
}

impl Authorization {
    fn validate(&mut self) -> Result<(), String> {
        let credentials = [
            !self.credentials.is_empty(),
            !self.credentials_file.is_empty(),
            !self.credentials_ref.is_empty(),
        ];
        if set_count(&credentials) > 1 {
            return Err(
                "at most one of authorization credentials & credentials_file must be configured"
                    .into(),
            );
        }
        self.kind = self.kind.trim().to_owned();
        if self.kind.is_empty() {
            "Bearer".clone_into(&mut self.kind);
        }
        if self.kind.eq_ignore_ascii_case("basic") {
            return Err(
                r#"authorization type cannot be set to "basic", use "basic_auth" instead"#.into(),
            );
        }
        Ok(())
    }
}

impl ProxyConfig {
    /// Checks the options against each other.
    pub fn validate(&self) -> Result<(), String> {
        let has_url = self
            .proxy_url
            .as_ref()
            .is_some_and(|url| !url.as_str().is_empty());
        if !self.proxy_connect_header.is_empty() && !self.proxy_from_environment && !has_url {
            return Err("if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured".into());
        }
        if self.proxy_from_environment && has_url {
            return Err(
                "if proxy_from_environment is configured, proxy_url must not be configured".into(),
            );
        }
        if self.proxy_from_environment && !self.no_proxy.is_empty() {
            return Err(
                "if proxy_from_environment is configured, no_proxy must not be configured".into(),
            );
        }
        if self.proxy_url.is_none() && !self.no_proxy.is_empty() {
            return Err("if no_proxy is configured, proxy_url must also be configured".into());
        }
        Ok(())
    }
}

impl Headers {
    fn validate(&self) -> Result<(), String> {
        for name in self.0.keys() {
            let name = canonical_header(name);
            if RESERVED_HEADERS.contains(&name.as_str()) {
                return Err(format!("setting header {name:?} is not allowed"));
            }
        }
        Ok(())
    }
}
