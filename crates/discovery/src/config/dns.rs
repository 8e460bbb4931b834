//! DNS records.

use model::config_value::Duration;

yaml::record! {
    /// DNS records.
    #[derive(Debug, Clone, PartialEq)]
    pub struct DnsSdConfig: "dns.SDConfig", checked "dns.plain" {
        /// Names to resolve.
        pub names: Vec<String> => omit "names";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(30) => omit "refresh_interval";
        /// Record type.
        pub record_type: String = "SRV".to_owned() => omit "type";
        /// Port for records that carry none.
        pub port: i64 = 0 => omit "port";
    }
}

impl DnsSdConfig {
    fn check(&mut self) -> Result<(), String> {
        if self.names.is_empty() {
            return Err("DNS-SD config must contain at least one SRV record name".into());
        }
        match self.record_type.to_ascii_uppercase().as_str() {
            "SRV" => Ok(()),
            "A" | "AAAA" | "MX" | "NS" if self.port == 0 => {
                Err("a port is required in DNS-SD configs for all record types except SRV".into())
            }
            "A" | "AAAA" | "MX" | "NS" => Ok(()),
            _ => Err(format!("invalid DNS-SD records type {}", self.record_type)),
        }
    }
}
