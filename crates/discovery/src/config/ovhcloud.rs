//! OVHcloud servers.

use model::config_value::Duration;
use yaml::Secret;

use super::required;

yaml::record! {
    /// OVHcloud servers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct OvhcloudSdConfig: "ovhcloud.SDConfig", checked "ovhcloud.plain" {
        /// API region.
        pub endpoint: String = "ovh-eu".to_owned() => omit "endpoint";
        /// Application key.
        pub application_key: String => omit "application_key";
        /// Application secret.
        pub application_secret: Secret => omit "application_secret";
        /// Consumer key.
        pub consumer_key: Secret => omit "consumer_key";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// `vps` or `dedicated_server`.
        pub service: String => omit "service";
    }
}

impl OvhcloudSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(&self.endpoint, "endpoint can not be empty")?;
        required(&self.application_key, "application key can not be empty")?;
        required(
            self.application_secret.expose(),
            "application secret can not be empty",
        )?;
        required(self.consumer_key.expose(), "consumer key can not be empty")?;
        match self.service.as_str() {
            "vps" | "dedicated_server" => Ok(()),
            service => Err(format!("unknown service: {service}")),
        }
    }
}
