//! The mechanisms, one file each, and the table from configuration to providers.

pub mod consul;
pub mod dns;
pub mod docker;
pub mod dockerswarm;
pub mod ec2;
pub mod file;
mod group_text;
pub mod http;
pub mod kubernetes;
mod meta;
mod moby;
pub mod static_config;

use http_client::options::Text;
use http_client::{ClientOptions, Variables};
use model::{Labels, LabelsBuilder};

use crate::config::{SdConfigs, StaticConfig};
use crate::error::Error;
use crate::manager::ProviderSpec;
use crate::metrics::ProviderMetrics;
use crate::refresh::{Poll, Poller};
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
        let client = ClientOptions::from(&config.http_client).fingerprint();
        let key = format!("http {} {} {client}", config.url, config.refresh_interval);
        specs.push(polled(key, config, environment, http::HttpDiscoverer::new));
    }
    for config in &configs.dns_sd_configs {
        let key = format!("dns {config:?}");
        specs.push(polled(key, config, environment, |config, environment| {
            let resolver = dns::Resolver::default();
            Ok(dns::DnsDiscoverer::new(config, environment, resolver))
        }));
    }
    for config in &configs.consul_sd_configs {
        let made_of = consul::completed(config, &Variables::of_process());
        let environment = environment.clone();
        // With the token, which the text of the configuration does not show.
        let client = consul::client_options(&made_of).fingerprint();
        specs.push(ProviderSpec {
            key: format!("consul {made_of:?} {client}"),
            make: Box::new(move || {
                let pace = consul::Pace::default();
                let made = consul::ConsulDiscoverer::new(&made_of, &environment, pace)?;
                Ok(Box::new(made))
            }),
        });
    }
    for config in &configs.docker_sd_configs {
        let client = ClientOptions::from(&config.http_client).fingerprint();
        let key = format!("docker {config:?} {client}");
        specs.push(polled(
            key,
            config,
            environment,
            docker::DockerDiscoverer::new,
        ));
    }
    for config in &configs.dockerswarm_sd_configs {
        let client = ClientOptions::from(&config.http_client).fingerprint();
        let key = format!("dockerswarm {config:?} {client}");
        let new = dockerswarm::DockerSwarmDiscoverer::new;
        specs.push(polled(key, config, environment, new));
    }
    for config in &configs.ec2_sd_configs {
        let client = ClientOptions {
            // The only secret of the rest; the text of the configuration does not show it.
            headers: vec![(String::new(), Text::Inline(config.secret_key.clone()))],
            ..ClientOptions::default()
        };
        let own = ClientOptions::from(&config.http_client).fingerprint();
        let key = format!("ec2 {config:?} {own} {}", client.fingerprint());
        specs.push(polled(key, config, environment, |config, environment| {
            let variables = Variables::of_process();
            Ok(ec2::Ec2Discoverer::new(config, environment, variables))
        }));
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

/// A provider that polls with what `new` makes of its configuration.
fn polled<C: Clone + Send + 'static, P: Poll>(
    key: String,
    config: &C,
    environment: &Environment,
    new: impl FnOnce(&C, &Environment) -> Result<P, Error> + Send + 'static,
) -> ProviderSpec {
    let (config, environment) = (config.clone(), environment.clone());
    ProviderSpec {
        key,
        make: Box::new(move || {
            let polled = new(&config, &environment)?;
            Ok(Box::new(Poller::new(polled, &environment)))
        }),
    }
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
