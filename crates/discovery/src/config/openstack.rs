//! OpenStack instances, hypervisors and load balancers.

use http_client::config::TlsConfig;
use model::config_value::Duration;
use yaml::Secret;

use super::required;

yaml::record! {
    /// OpenStack instances, hypervisors and load balancers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct OpenstackSdConfig: "openstack.SDConfig", checked "openstack.plain" {
        /// Identity service.
        pub identity_endpoint: String => omit "identity_endpoint";
        /// User.
        pub username: String => omit "username";
        /// The user's id.
        pub userid: String => omit "userid";
        /// Password.
        pub password: Secret => omit "password";
        /// Project.
        pub project_name: String => omit "project_name";
        /// The project's id.
        pub project_id: String => omit "project_id";
        /// Domain.
        pub domain_name: String => omit "domain_name";
        /// The domain's id.
        pub domain_id: String => omit "domain_id";
        /// Application credential.
        pub application_credential_name: String => omit "application_credential_name";
        /// The application credential's id.
        pub application_credential_id: String => omit "application_credential_id";
        /// The application credential's secret.
        pub application_credential_secret: Secret => omit "application_credential_secret";
        /// `hypervisor`, `instance` or `loadbalancer`.
        pub role: String => omit "role";
        /// Region.
        pub region: String => omit "region";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// Whether all projects' instances are listed.
        pub all_tenants: bool => omit "all_tenants";
        /// TLS options.
        pub tls_config: TlsConfig => omit "tls_config";
        /// Which endpoint: `public`, `admin` or `internal`.
        pub availability: String = "public".to_owned() => omit "availability";
    }
}

impl OpenstackSdConfig {
    fn check(&mut self) -> Result<(), String> {
        if !matches!(self.availability.as_str(), "public" | "internal" | "admin") {
            let found = &self.availability;
            return Err(format!(
                "unknown availability {found}, must be one of admin, internal or public"
            ));
        }
        match self.role.as_str() {
            "hypervisor" | "instance" | "loadbalancer" => {
                required(&self.region, "openstack SD configuration requires a region")
            }
            "" => Err("role missing (one of: instance, hypervisor, loadbalancer)".into()),
            role => Err(format!("unknown OpenStack SD role {role:?}")),
        }
    }
}
