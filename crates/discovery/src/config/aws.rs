//! Any AWS service, chosen by role.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;
use yaml::{Entries, Secret};

use super::AwsFilter;

yaml::record! {
    /// Any AWS service, chosen by role.
    #[derive(Debug, Clone, PartialEq)]
    pub struct AwsSdConfig: "aws.SDConfig", checked "aws.plain" {
        /// Which service: `ec2`, `ecs`, `elasticache`, `lightsail`, `msk` or `rds`.
        pub role: String => omit "role";
        /// Service endpoint; found from the region if empty.
        pub endpoint: String => omit "endpoint";
        /// Region; asked from the environment if empty.
        pub region: String => omit "region";
        /// Access key id.
        pub access_key: String => omit "access_key";
        /// Access key.
        pub secret_key: Secret => omit "secret_key";
        /// Named profile of the shared AWS files.
        pub profile: String => omit "profile";
        /// Role to assume.
        pub role_arn: String => omit "role_arn";
        /// External id for that role.
        pub external_id: String => omit "external_id";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// API filters.
        pub filters: Entries<AwsFilter> => omit "filters";
        /// Clusters; all if empty.
        pub clusters: Vec<String> => omit "clusters";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
    }
}

impl AwsSdConfig {
    fn check(&mut self) -> Result<(), String> {
        const ROLES: [&str; 6] = ["ec2", "ecs", "elasticache", "lightsail", "msk", "rds"];
        if self.role.is_empty() {
            return Err("role missing (one of: ec2, ecs, elasticache, lightsail, msk, rds)".into());
        }
        if !ROLES.contains(&self.role.as_str()) {
            return Err(format!("unknown AWS SD role {:?}", self.role));
        }
        super::check_aws_filters(&self.filters, "AWS")?;
        self.http_client.validate()
    }
}
