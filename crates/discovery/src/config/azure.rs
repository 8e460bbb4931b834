//! Azure virtual machines.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;
use yaml::Secret;

use super::required;

yaml::record! {
    /// Azure virtual machines.
    #[derive(Debug, Clone, PartialEq)]
    pub struct AzureSdConfig: "azure.SDConfig", checked "azure.plain" {
        /// Cloud.
        pub environment: String = "AzurePublicCloud".to_owned() => omit "environment";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// Subscription.
        pub subscription_id: String => omit "subscription_id";
        /// Tenant.
        pub tenant_id: String => omit "tenant_id";
        /// Client.
        pub client_id: String => omit "client_id";
        /// The client's secret.
        pub client_secret: Secret => omit "client_secret";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(300) => omit "refresh_interval";
        /// `OAuth`, `ManagedIdentity`, `SDK` or `WorkloadIdentity`.
        pub authentication_method: String = "OAuth".to_owned() => omit "authentication_method";
        /// The only resource group to look at.
        pub resource_group: String => omit "resource_group";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
    }
}

impl AzureSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(
            &self.subscription_id,
            "azure SD configuration requires a subscription_id",
        )?;
        if self.authentication_method == "OAuth" {
            required(
                &self.tenant_id,
                "azure SD configuration requires a tenant_id",
            )?;
            required(
                &self.client_id,
                "azure SD configuration requires a client_id",
            )?;
            required(
                self.client_secret.expose(),
                "azure SD configuration requires a client_secret",
            )?;
        }
        let known = ["OAuth", "ManagedIdentity", "SDK", "WorkloadIdentity"];
        if !known.contains(&self.authentication_method.as_str()) {
            return Err(format!(
                "unknown authentication_type {:?}. Supported types are \"OAuth\", \"ManagedIdentity\" or \"SDK\"",
                self.authentication_method
            ));
        }
        self.http_client.validate()
    }
}
