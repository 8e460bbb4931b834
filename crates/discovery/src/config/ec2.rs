//! EC2 instances.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;
use yaml::{Entries, Secret};

use super::AwsFilter;

yaml::record! {
    /// EC2 instances.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Ec2SdConfig: "aws.EC2SDConfig", checked "aws.plain" {
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
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
    }
}

impl Ec2SdConfig {
    fn check(&mut self) -> Result<(), String> {
        super::check_aws_filters(&self.filters, "EC2")?;
        self.http_client.validate()
    }
}
