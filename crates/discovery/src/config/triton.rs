//! Triton containers and nodes.

use http_client::config::TlsConfig;
use model::config_value::Duration;

use super::required;

yaml::record! {
    /// Triton containers and nodes.
    #[derive(Debug, Clone, PartialEq)]
    pub struct TritonSdConfig: "triton.SDConfig", checked "triton.plain" {
        /// Account.
        pub account: String => keep "account";
        /// `container` or `cn`.
        pub role: String = "container".to_owned() => keep "role";
        /// DNS suffix of targets.
        pub dns_suffix: String => keep "dns_suffix";
        /// Server.
        pub endpoint: String => keep "endpoint";
        /// Groups; all if empty.
        pub groups: Vec<String> => omit "groups";
        /// Port of the targets.
        pub port: i64 = 9163 => omit "port";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// TLS options.
        pub tls_config: TlsConfig => omit "tls_config";
        /// API version.
        pub version: i64 = 1 => keep "version";
    }
}

impl TritonSdConfig {
    fn check(&mut self) -> Result<(), String> {
        if !matches!(self.role.as_str(), "container" | "cn") {
            return Err("triton SD configuration requires role to be 'container' or 'cn'".into());
        }
        required(&self.account, "triton SD configuration requires an account")?;
        required(
            &self.dns_suffix,
            "triton SD configuration requires a dns_suffix",
        )?;
        required(
            &self.endpoint,
            "triton SD configuration requires an endpoint",
        )?;
        if self.refresh_interval <= Duration::ZERO {
            return Err(
                "triton SD configuration requires RefreshInterval to be a positive integer".into(),
            );
        }
        Ok(())
    }
}
