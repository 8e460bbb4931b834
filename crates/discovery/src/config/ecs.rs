//! ECS tasks.

use http_client::config::HttpClientConfig;
use model::config_value::Duration;
use yaml::Secret;

yaml::record! {
    /// ECS tasks.
    #[derive(Debug, Clone, PartialEq)]
    pub struct EcsSdConfig: "aws.ECSSDConfig", checked "aws.plain" {
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
        /// Clusters; all if empty.
        pub clusters: Vec<String> => omit "clusters";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// API calls at a time.
        pub request_concurrency: i64 = 20 => omit "request_concurrency";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
    }
}

impl EcsSdConfig {
    fn check(&mut self) -> Result<(), String> {
        self.http_client.validate()
    }
}
