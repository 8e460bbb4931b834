//! Options of OAuth 2.0 tokens.

use std::collections::BTreeMap;

use yaml::{FilePath, Secret, Tree};

use super::{ProxyConfig, TlsConfig, set_count};

/// Grant by a signed assertion.
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

yaml::record! {
    /// Where tokens come from.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Oauth2: "config.OAuth2", checked "config.plain" {
        /// Client.
        pub client_id: String => keep "client_id";
        /// Its secret.
        pub client_secret: Secret => keep "client_secret";
        /// File that holds it.
        pub client_secret_file: FilePath => omit "client_secret_file";
        /// Its name in a secret manager; there is none.
        pub client_secret_ref: String => omit "client_secret_ref";
        /// `kid` of the assertion.
        pub client_certificate_key_id: String => omit "client_certificate_key_id";
        /// Key that signs it, PEM.
        pub client_certificate_key: Secret => omit "client_certificate_key";
        /// File that holds the key.
        pub client_certificate_key_file: FilePath => omit "client_certificate_key_file";
        /// The key's name in a secret manager; there is none.
        pub client_certificate_key_ref: String => omit "client_certificate_key_ref";
        /// `client_credentials` or the assertion grant.
        pub grant_type: String => omit "grant_type";
        /// `RS256`, `RS384` or `RS512`.
        pub signature_algorithm: String => omit "signature_algorithm";
        /// Issuer of the assertion.
        pub iss: String => omit "iss";
        /// Audience of the assertion.
        pub audience: String => omit "audience";
        /// More claims of the assertion.
        pub claims: BTreeMap<String, Tree> => omit "claims";
        /// Scopes asked for.
        pub scopes: Vec<String> => omit "scopes";
        /// Where tokens are asked for.
        pub token_url: String => keep "token_url";
        /// More form fields.
        pub endpoint_params: BTreeMap<String, String> => omit "endpoint_params";
        /// TLS to the token server.
        pub tls_config: TlsConfig => omit "tls_config";
        /// Proxy to the token server.
        pub proxy: ProxyConfig => inline;
    }
}

impl Oauth2 {
    /// Options that name something in a secret manager, and whether they are set.
    pub(super) fn references(&self) -> impl Iterator<Item = (bool, &'static str)> {
        let own = [
            (!self.client_secret_ref.is_empty(), "client_secret_ref"),
            (
                !self.client_certificate_key_ref.is_empty(),
                "client_certificate_key_ref",
            ),
        ];
        own.into_iter().chain(self.tls_config.references())
    }

    fn check(&mut self) -> Result<(), String> {
        self.proxy.validate()
    }

    /// Checks the options against each other.
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.client_id.is_empty() {
            return Err("oauth2 client_id must be configured".into());
        }
        if self.token_url.is_empty() {
            return Err("oauth2 token_url must be configured".into());
        }
        let secrets = [
            !self.client_secret.is_empty(),
            !self.client_secret_file.is_empty(),
            !self.client_secret_ref.is_empty(),
        ];
        if self.grant_type == JWT_BEARER {
            return self.validate_assertion();
        }
        if !matches!(self.grant_type.as_str(), "" | "client_credentials") {
            return Err("grant_type must be either client_credentials or urn:ietf:params:oauth:grant-type:jwt-bearer".into());
        }
        if set_count(&secrets) > 1 {
            return Err("at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be configured using grant-type=client_credentials".into());
        }
        Ok(())
    }

    fn validate_assertion(&self) -> Result<(), String> {
        let keys = [
            !self.client_certificate_key.is_empty(),
            !self.client_certificate_key_file.is_empty(),
            !self.client_certificate_key_ref.is_empty(),
        ];
        if set_count(&keys) > 1 {
            return Err("at most one of oauth2 client_certificate_key, client_certificate_key_file & client_certificate_key_ref must be configured using grant-type=urn:ietf:params:oauth:grant-type:jwt-bearer".into());
        }
        if !matches!(
            self.signature_algorithm.as_str(),
            "" | "RS256" | "RS384" | "RS512"
        ) {
            return Err("valid signature algorithms are RS256, RS384 and RS512".into());
        }
        Ok(())
    }
}
