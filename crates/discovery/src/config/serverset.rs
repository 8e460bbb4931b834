//! Serverset registrations in ZooKeeper.

use model::config_value::Duration;

yaml::record! {
    /// Serverset registrations in ZooKeeper.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ServersetSdConfig: "zookeeper.ServersetSDConfig", checked "zookeeper.plain" {
        /// ZooKeeper servers.
        pub servers: Vec<String> => keep "servers";
        /// Paths.
        pub paths: Vec<String> => keep "paths";
        /// Session timeout.
        pub timeout: Duration = Duration::from_secs(10) => omit "timeout";
    }
}

impl ServersetSdConfig {
    fn check(&mut self) -> Result<(), String> {
        super::check_zookeeper("serverset", &self.servers, &self.paths)
    }
}
