//! The mechanisms, one file each, and the table from configuration to providers.

pub mod file;
mod group_text;
pub mod http;
pub mod kubernetes;
pub mod static_config;

use http_client::ClientOptions;
use model::{Labels, LabelsBuilder};

use crate::config::{SdConfigs, StaticConfig};
use crate::manager::ProviderSpec;
use crate::metrics::ProviderMetrics;
use crate::target_group::TargetGroup;

pub use group_text::check_json;
pub use kubernetes::check_stream as check_kubernetes_stream;

/// What providers need beside their configuration.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Own metrics.
    pub metrics: ProviderMetrics,
    /// The User-Agent of requests.
    pub user_agent: String,
    /// Name of the job or Alertmanager set, for metrics and logs.
    pub config_name: String,
}

/// The providers of all sections of `configs` whose mechanism is built.
pub fn specs(configs: &SdConfigs, environment: &Environment) -> Vec<ProviderSpec> {
    let mut specs = Vec::new();
    let groups: Vec<TargetGroup> = configs.static_configs.iter().map(group).collect();
    if !groups.is_empty() || configs.used().is_empty() {
        specs.push(ProviderSpec {
            key: format!("static {groups:?}"),
            make: Box::new(move || Ok(Box::new(static_config::StaticDiscoverer::new(groups)))),
        });
    }
    for config in &configs.file_sd_configs {
        let (made_of, metrics) = (config.clone(), environment.metrics.clone());
        specs.push(ProviderSpec {
            key: format!("file {config:?}"),
            make: Box::new(move || Ok(Box::new(file::FileDiscoverer::new(&made_of, metrics)))),
        });
    }
    for config in &configs.http_sd_configs {
        let (made_of, environment) = (config.clone(), environment.clone());
        let client = ClientOptions::from(&config.http_client).fingerprint();
        specs.push(ProviderSpec {
            key: format!("http {} {} {client}", config.url, config.refresh_interval),
            make: Box::new(move || {
                Ok(Box::new(http::HttpDiscoverer::new(&made_of, &environment)?))
            }),
        });
    }
    for config in &configs.kubernetes_sd_configs {
        let (made_of, environment) = (config.clone(), environment.clone());
        let client = ClientOptions::from(&config.http_client).fingerprint();
        specs.push(ProviderSpec {
            // A configuration does not show its secrets.
            key: format!("kubernetes {config:?} {client}"),
            make: Box::new(move || {
                let discoverer = kubernetes::KubernetesDiscoverer::new(&made_of, &environment)?;
                Ok(Box::new(discoverer))
            }),
        });
    }
    specs
}

/// The target group that a written one means.
fn group(written: &StaticConfig) -> TargetGroup {
    let targets = written
        .targets
        .iter()
        .map(|target| Labels::from_pairs([(model::label_name::ADDRESS, target.as_str())]))
        .collect();
    TargetGroup {
        targets,
        labels: written.labels.to_labels(),
        source: String::new(),
    }
}

/// `labels` with one more.
fn with_label(labels: &Labels, name: &str, value: &str) -> Labels {
    let mut builder = LabelsBuilder::from_labels(labels);
    builder.set(name, value);
    builder.labels()
}
