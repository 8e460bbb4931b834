//! The alerting section of configuration files.

use discovery::config::SdConfigs;
use http_client::config::{HttpClientConfig, SigV4Config};
use model::config_value::Duration;
use model::label_name::NameScheme;
use model::relabel::RelabelConfig;
use yaml::Entries;

yaml::record! {
    /// Where alerts go.
    #[derive(Debug, Clone, PartialEq)]
    pub struct AlertingConfig: "config.AlertingConfig", checked "config.plain" {
        /// Rules for all alerts.
        pub alert_relabel_configs: Entries<RelabelConfig> => omit "alert_relabel_configs";
        /// Sets of Alertmanagers.
        pub alertmanagers: Entries<AlertmanagerConfig> => omit "alertmanagers";
    }
}

yaml::record! {
    /// A set of Alertmanagers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct AlertmanagerConfig: "config.AlertmanagerConfig", checked "config.AlertmanagerConfig" {
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// AWS request signing.
        pub sigv4: Option<SigV4Config> => omit "sigv4";
        /// URL scheme.
        pub scheme: String = "http".to_owned() => omit "scheme";
        /// Path before the API's.
        pub path_prefix: String => omit "path_prefix";
        /// Longest time a request may take.
        pub timeout: Duration = Duration::from_secs(10) => omit "timeout";
        /// Version of the API; only `v2`.
        pub api_version: String = "v2".to_owned() => keep "api_version";
        /// Rules for the Alertmanagers' addresses.
        pub relabel_configs: Entries<RelabelConfig> => omit "relabel_configs";
        /// Rules for alerts sent to this set.
        pub alert_relabel_configs: Entries<RelabelConfig> => omit "alert_relabel_configs";
        /// Where the Alertmanagers' addresses come from.
        pub discovery: SdConfigs => inline;
    }
}

impl AlertingConfig {
    fn check(&mut self) -> Result<(), String> {
        if self.alert_relabel_configs.has_null() {
            return Err("empty or null alert relabeling rule".into());
        }
        Ok(())
    }

    /// Checks what depends on the name scheme in force.
    pub fn resolve(&mut self, scheme: NameScheme) -> Result<(), String> {
        let sets = self.alertmanagers.iter_mut();
        let set_rules = sets.flat_map(|set| {
            set.relabel_configs
                .iter_mut()
                .chain(set.alert_relabel_configs.iter_mut())
        });
        for rule in self.alert_relabel_configs.iter_mut().chain(set_rules) {
            rule.name_scheme = scheme;
            rule.validate().map_err(|err| err.to_string())?;
        }
        Ok(())
    }

    /// Whether nothing is configured.
    pub fn is_empty(&self) -> bool {
        self.alert_relabel_configs.is_empty() && self.alertmanagers.is_empty()
    }
}

impl AlertmanagerConfig {
    fn check(&mut self) -> Result<(), String> {
        if self.api_version != "v2" {
            let version = &self.api_version;
            return Err(format!(
                "expected Alertmanager api version to be one of [v2] but got {version}"
            ));
        }
        self.discovery.check()?;
        self.http_client.validate()?;
        let http = &self.http_client;
        let has_auth =
            http.basic_auth.is_some() || http.authorization.is_some() || http.oauth2.is_some();
        if has_auth && self.sigv4.is_some() {
            return Err(
                "at most one of basic_auth, authorization, oauth2, or sigv4 must be configured"
                    .into(),
            );
        }
        if self.relabel_configs.is_empty() {
            self.discovery.check_static_targets()?;
        }
        if self.relabel_configs.has_null() {
            return Err("empty or null Alertmanager target relabeling rule".into());
        }
        if self.alert_relabel_configs.has_null() {
            return Err("empty or null Alertmanager alert relabeling rule".into());
        }
        Ok(())
    }
}
