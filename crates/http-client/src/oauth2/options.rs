//! What is asked for a token, from the configuration.

use serde_json::{Map, Value};
use yaml::Tree;

use crate::config::{JWT_BEARER, Oauth2};
use crate::options::{Text, TlsOptions, text};
use crate::proxy::ProxyOptions;

/// Where tokens come from.
#[derive(Debug, Clone, PartialEq)]
pub struct OAuth2Options {
    /// Client.
    pub client_id: String,
    /// Its secret, or with [`Grant::JwtBearer`] the key in PEM that signs for it.
    pub secret: Text,
    /// What is shown for a token.
    pub grant: Grant,
    /// What the token is to be good for.
    pub scopes: Vec<String>,
    /// Where it is asked for.
    pub token_url: String,
    /// More form fields.
    pub endpoint_params: Vec<(String, String)>,
    /// TLS to the token server.
    pub tls: TlsOptions,
    /// Proxies to the token server.
    pub proxy: ProxyOptions,
}

/// What is shown for a token.
#[derive(Debug, Clone, PartialEq)]
pub enum Grant {
    /// Id and secret of the client.
    ClientCredentials,
    /// An assertion that the client signs.
    JwtBearer {
        /// How it is signed.
        signature: Signature,
        /// Id of the key; empty for none.
        key_id: String,
        /// Who asserts; the client if empty.
        iss: String,
        /// Whom it is for; the token's URL if empty.
        audience: String,
        /// More claims.
        claims: Map<String, Value>,
    },
}

/// RSA signatures of assertions (RFC 7518, 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// With SHA-256.
    Rs256,
    /// With SHA-384.
    Rs384,
    /// With SHA-512.
    Rs512,
}

impl From<&Oauth2> for OAuth2Options {
    /// From a validated configuration.
    fn from(config: &Oauth2) -> Self {
        let asserts = config.grant_type == JWT_BEARER;
        let (inline, file) = match asserts {
            true => (
                &config.client_certificate_key,
                &config.client_certificate_key_file,
            ),
            false => (&config.client_secret, &config.client_secret_file),
        };
        let claims = config.claims.iter();
        let grant = match asserts {
            false => Grant::ClientCredentials,
            true => Grant::JwtBearer {
                signature: match config.signature_algorithm.as_str() {
                    "RS384" => Signature::Rs384,
                    "RS512" => Signature::Rs512,
                    _ => Signature::Rs256,
                },
                key_id: config.client_certificate_key_id.clone(),
                iss: config.iss.clone(),
                audience: config.audience.clone(),
                claims: claims
                    .map(|(name, value)| (name.clone(), json(value)))
                    .collect(),
            },
        };
        Self {
            client_id: config.client_id.clone(),
            secret: text(inline, file),
            grant,
            scopes: config.scopes.clone(),
            token_url: config.token_url.clone(),
            endpoint_params: config.endpoint_params.clone().into_iter().collect(),
            tls: TlsOptions::from(&config.tls_config),
            proxy: ProxyOptions::from(&config.proxy),
        }
    }
}

/// A value of the configuration as JSON has it; numbers that JSON does not have become null.
fn json(tree: &Tree) -> Value {
    let pairs = |pairs: &[(String, Tree)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.clone(), json(value)));
        Value::Object(pairs.collect())
    };
    match tree {
        Tree::Null => Value::Null,
        Tree::Bool(value) => Value::from(*value),
        Tree::Int(value) => Value::from(*value),
        Tree::Uint(value) => Value::from(*value),
        Tree::Float(value) => Value::from(*value),
        Tree::Text(value) => Value::from(value.as_str()),
        Tree::Sequence(values) | Tree::FlowSequence(values) => values.iter().map(json).collect(),
        Tree::Record(values) | Tree::Map(values) => pairs(values),
    }
}
