//! Oracle Cloud instances.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;
use yaml::{FilePath, Secret};

use super::required;

yaml::record! {
    /// Oracle Cloud instances.
    #[derive(Debug, Clone, PartialEq)]
    pub struct OciSdConfig: "oci.SDConfig", checked "oci.plain" {
        /// `api_key` or `instance_principal`.
        pub auth: String = "api_key".to_owned() => omit "auth";
        /// Tenancy.
        pub tenancy: String => omit "tenancy";
        /// User.
        pub user: String => omit "user";
        /// The key's fingerprint.
        pub fingerprint: String => omit "fingerprint";
        /// Private key.
        pub key_file: FilePath => omit "key_file";
        /// Passphrase of the key.
        pub key_passphrase: Secret => omit "key_passphrase";
        /// File that holds the passphrase.
        pub key_passphrase_file: FilePath => omit "key_passphrase_file";
        /// Region.
        pub region: String => omit "region";
        /// Compartments; the tenancy if empty.
        pub compartments: Vec<String> => omit "compartments";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
    }
}

impl OciSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(&self.region, "OCI SD configuration requires a region")?;
        if self.compartments.iter().any(String::is_empty) {
            return Err("OCI SD configuration compartments must not contain empty entries".into());
        }
        if self.refresh_interval <= Duration::ZERO {
            return Err("OCI SD configuration requires a positive refresh_interval".into());
        }
        let key = [
            (self.tenancy.as_str(), "tenancy"),
            (self.user.as_str(), "user"),
            (self.fingerprint.as_str(), "fingerprint"),
            (&*self.key_file, "key_file"),
        ];
        let has_passphrase =
            !self.key_passphrase.is_empty() || !self.key_passphrase_file.is_empty();
        if !self.key_passphrase.is_empty() && !self.key_passphrase_file.is_empty() {
            return Err(
                "at most one of key_passphrase & key_passphrase_file must be configured".into(),
            );
        }
        match self.auth.as_str() {
            "api_key" => {
                for (value, name) in key {
                    required(
                        value,
                        &format!("OCI SD configuration requires {name} for api_key auth"),
                    )?;
                }
            }
            "instance_principal" => {
                if let Some((_, name)) = key.iter().find(|(value, _)| !value.is_empty()) {
                    return Err(format!(
                        "{name} must not be set for instance_principal auth"
                    ));
                }
                if has_passphrase {
                    return Err("key_passphrase must not be set for instance_principal auth".into());
                }
            }
            auth => {
                return Err(format!(
                    "unknown OCI SD auth {auth:?}, expected api_key or instance_principal"
                ));
            }
        }
        self.http_client.validate()
    }
}
