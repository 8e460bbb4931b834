//! Hetzner servers.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;

yaml::record! {
    /// Hetzner servers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct HetznerSdConfig: "hetzner.SDConfig", checked "hetzner.plain" {
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// `robot` or `hcloud`.
        pub role: String => omit "role";
        /// Label selector of the `hcloud` role.
        pub label_selector: String => omit "label_selector";
    }
}

impl HetznerSdConfig {
    fn check(&mut self) -> Result<(), String> {
        match self.role.as_str() {
            "robot" | "hcloud" => self.http_client.validate(),
            "" => Err("role missing (one of: robot, hcloud)".into()),
            role => Err(format!("unknown role {role:?}")),
        }
    }
}
