//! GCE instances.

use model::config_value::Duration;

use super::required;

yaml::record! {
    /// GCE instances.
    #[derive(Debug, Clone, PartialEq)]
    pub struct GceSdConfig: "gce.SDConfig", checked "gce.plain" {
        /// Project.
        pub project: String => omit "project";
        /// Zone.
        pub zone: String => omit "zone";
        /// API filter.
        pub filter: String => omit "filter";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(60) => omit "refresh_interval";
        /// Port of the targets.
        pub port: i64 = 80 => omit "port";
        /// Joins tags.
        pub tag_separator: String = ",".to_owned() => omit "tag_separator";
    }
}

impl GceSdConfig {
    fn check(&mut self) -> Result<(), String> {
        required(&self.project, "GCE SD configuration requires a project")?;
        required(&self.zone, "GCE SD configuration requires a zone")
    }
}
