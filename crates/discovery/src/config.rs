//! Discovery sections as configuration files write them: one file per mechanism, one table of all.
//!
//! Every section is read and checked here, whether or not its mechanism is built.

mod aws;
mod azure;
mod consul;
mod digitalocean;
mod dns;
mod docker;
mod dockerswarm;
mod ec2;
mod ecs;
mod elasticache;
mod eureka;
mod file;
mod gce;
mod hetzner;
mod http;
mod ionos;
mod kubernetes;
mod kuma;
mod lightsail;
mod linode;
mod marathon;
mod msk;
mod nerve;
mod nomad;
mod oci;
mod openstack;
mod outscale;
mod ovhcloud;
mod puppetdb;
mod rds;
mod scaleway;
mod serverset;
mod stackit;
mod static_config;
mod triton;
mod uyuni;
mod vultr;

use http_client::config::{EndpointUrl, HttpClientConfig};
use yaml::Entries;

pub use aws::AwsSdConfig;
pub use azure::AzureSdConfig;
pub use consul::ConsulSdConfig;
pub use digitalocean::DigitalOceanSdConfig;
pub use dns::DnsSdConfig;
pub use docker::DockerSdConfig;
pub use dockerswarm::DockerSwarmSdConfig;
pub use ec2::Ec2SdConfig;
pub use ecs::EcsSdConfig;
pub use elasticache::ElasticacheSdConfig;
pub use eureka::EurekaSdConfig;
pub use file::FileSdConfig;
pub use gce::GceSdConfig;
pub use hetzner::HetznerSdConfig;
pub use http::HttpSdConfig;
pub use ionos::IonosSdConfig;
pub use kubernetes::{AttachMetadata, KubernetesSdConfig, NamespaceDiscovery, ResourceSelector};
pub use kuma::KumaSdConfig;
pub use lightsail::LightsailSdConfig;
pub use linode::LinodeSdConfig;
pub use marathon::MarathonSdConfig;
pub use msk::MskSdConfig;
pub use nerve::NerveSdConfig;
pub use nomad::NomadSdConfig;
pub use oci::OciSdConfig;
pub use openstack::OpenstackSdConfig;
pub use outscale::OutscaleSdConfig;
pub use ovhcloud::OvhcloudSdConfig;
pub use puppetdb::PuppetdbSdConfig;
pub use rds::RdsSdConfig;
pub use scaleway::ScalewaySdConfig;
pub use serverset::ServersetSdConfig;
pub use stackit::StackitSdConfig;
pub use static_config::StaticConfig;
pub use triton::TritonSdConfig;
pub use uyuni::UyuniSdConfig;
pub use vultr::VultrSdConfig;

yaml::record! {
    /// All discovery lists of a scrape job or an Alertmanager set.
    #[derive(Debug, Clone, PartialEq)]
    pub struct SdConfigs: "discovery.Configs", open {
        /// See [`AwsSdConfig`].
        pub aws_sd_configs: Entries<AwsSdConfig> => omit "aws_sd_configs";
        /// See [`AzureSdConfig`].
        pub azure_sd_configs: Entries<AzureSdConfig> => omit "azure_sd_configs";
        /// See [`ConsulSdConfig`].
        pub consul_sd_configs: Entries<ConsulSdConfig> => omit "consul_sd_configs";
        /// See [`DigitalOceanSdConfig`].
        pub digitalocean_sd_configs: Entries<DigitalOceanSdConfig> => omit "digitalocean_sd_configs";
        /// See [`DnsSdConfig`].
        pub dns_sd_configs: Entries<DnsSdConfig> => omit "dns_sd_configs";
        /// See [`DockerSdConfig`].
        pub docker_sd_configs: Entries<DockerSdConfig> => omit "docker_sd_configs";
        /// See [`DockerSwarmSdConfig`].
        pub dockerswarm_sd_configs: Entries<DockerSwarmSdConfig> => omit "dockerswarm_sd_configs";
        /// See [`Ec2SdConfig`].
        pub ec2_sd_configs: Entries<Ec2SdConfig> => omit "ec2_sd_configs";
        /// See [`EcsSdConfig`].
        pub ecs_sd_configs: Entries<EcsSdConfig> => omit "ecs_sd_configs";
        /// See [`ElasticacheSdConfig`].
        pub elasticache_sd_configs: Entries<ElasticacheSdConfig> => omit "elasticache_sd_configs";
        /// See [`EurekaSdConfig`].
        pub eureka_sd_configs: Entries<EurekaSdConfig> => omit "eureka_sd_configs";
        /// See [`FileSdConfig`].
        pub file_sd_configs: Entries<FileSdConfig> => omit "file_sd_configs";
        /// See [`GceSdConfig`].
        pub gce_sd_configs: Entries<GceSdConfig> => omit "gce_sd_configs";
        /// See [`HetznerSdConfig`].
        pub hetzner_sd_configs: Entries<HetznerSdConfig> => omit "hetzner_sd_configs";
        /// See [`HttpSdConfig`].
        pub http_sd_configs: Entries<HttpSdConfig> => omit "http_sd_configs";
        /// See [`IonosSdConfig`].
        pub ionos_sd_configs: Entries<IonosSdConfig> => omit "ionos_sd_configs";
        /// See [`KubernetesSdConfig`].
        pub kubernetes_sd_configs: Entries<KubernetesSdConfig> => omit "kubernetes_sd_configs";
        /// See [`KumaSdConfig`].
        pub kuma_sd_configs: Entries<KumaSdConfig> => omit "kuma_sd_configs";
        /// See [`LightsailSdConfig`].
        pub lightsail_sd_configs: Entries<LightsailSdConfig> => omit "lightsail_sd_configs";
        /// See [`LinodeSdConfig`].
        pub linode_sd_configs: Entries<LinodeSdConfig> => omit "linode_sd_configs";
        /// See [`MarathonSdConfig`].
        pub marathon_sd_configs: Entries<MarathonSdConfig> => omit "marathon_sd_configs";
        /// See [`MskSdConfig`].
        pub msk_sd_configs: Entries<MskSdConfig> => omit "msk_sd_configs";
        /// See [`NerveSdConfig`].
        pub nerve_sd_configs: Entries<NerveSdConfig> => omit "nerve_sd_configs";
        /// See [`NomadSdConfig`].
        pub nomad_sd_configs: Entries<NomadSdConfig> => omit "nomad_sd_configs";
        /// See [`OciSdConfig`].
        pub oci_sd_configs: Entries<OciSdConfig> => omit "oci_sd_configs";
        /// See [`OpenstackSdConfig`].
        pub openstack_sd_configs: Entries<OpenstackSdConfig> => omit "openstack_sd_configs";
        /// See [`OutscaleSdConfig`].
        pub outscale_sd_configs: Entries<OutscaleSdConfig> => omit "outscale_sd_configs";
        /// See [`OvhcloudSdConfig`].
        pub ovhcloud_sd_configs: Entries<OvhcloudSdConfig> => omit "ovhcloud_sd_configs";
        /// See [`PuppetdbSdConfig`].
        pub puppetdb_sd_configs: Entries<PuppetdbSdConfig> => omit "puppetdb_sd_configs";
        /// See [`RdsSdConfig`].
        pub rds_sd_configs: Entries<RdsSdConfig> => omit "rds_sd_configs";
        /// See [`ScalewaySdConfig`].
        pub scaleway_sd_configs: Entries<ScalewaySdConfig> => omit "scaleway_sd_configs";
        /// See [`ServersetSdConfig`].
        pub serverset_sd_configs: Entries<ServersetSdConfig> => omit "serverset_sd_configs";
        /// See [`StackitSdConfig`].
        pub stackit_sd_configs: Entries<StackitSdConfig> => omit "stackit_sd_configs";
        /// Targets written in the configuration.
        pub static_configs: Entries<StaticConfig> => omit "static_configs";
        /// See [`TritonSdConfig`].
        pub triton_sd_configs: Entries<TritonSdConfig> => omit "triton_sd_configs";
        /// See [`UyuniSdConfig`].
        pub uyuni_sd_configs: Entries<UyuniSdConfig> => omit "uyuni_sd_configs";
        /// See [`VultrSdConfig`].
        pub vultr_sd_configs: Entries<VultrSdConfig> => omit "vultr_sd_configs";
    }
}

impl SdConfigs {
    /// Refuses null entries.
    pub fn check(&self) -> Result<(), String> {
        let lists = [
            (self.aws_sd_configs.has_null(), "aws_sd_configs"),
            (self.azure_sd_configs.has_null(), "azure_sd_configs"),
            (self.consul_sd_configs.has_null(), "consul_sd_configs"),
            (
                self.digitalocean_sd_configs.has_null(),
                "digitalocean_sd_configs",
            ),
            (self.dns_sd_configs.has_null(), "dns_sd_configs"),
            (self.docker_sd_configs.has_null(), "docker_sd_configs"),
            (
                self.dockerswarm_sd_configs.has_null(),
                "dockerswarm_sd_configs",
            ),
            (self.ec2_sd_configs.has_null(), "ec2_sd_configs"),
            (self.ecs_sd_configs.has_null(), "ecs_sd_configs"),
            (
                self.elasticache_sd_configs.has_null(),
                "elasticache_sd_configs",
            ),
            (self.eureka_sd_configs.has_null(), "eureka_sd_configs"),
            (self.file_sd_configs.has_null(), "file_sd_configs"),
            (self.gce_sd_configs.has_null(), "gce_sd_configs"),
            (self.hetzner_sd_configs.has_null(), "hetzner_sd_configs"),
            (self.http_sd_configs.has_null(), "http_sd_configs"),
            (self.ionos_sd_configs.has_null(), "ionos_sd_configs"),
            (
                self.kubernetes_sd_configs.has_null(),
                "kubernetes_sd_configs",
            ),
            (self.kuma_sd_configs.has_null(), "kuma_sd_configs"),
            (self.lightsail_sd_configs.has_null(), "lightsail_sd_configs"),
            (self.linode_sd_configs.has_null(), "linode_sd_configs"),
            (self.marathon_sd_configs.has_null(), "marathon_sd_configs"),
            (self.msk_sd_configs.has_null(), "msk_sd_configs"),
            (self.nerve_sd_configs.has_null(), "nerve_sd_configs"),
            (self.nomad_sd_configs.has_null(), "nomad_sd_configs"),
            (self.oci_sd_configs.has_null(), "oci_sd_configs"),
            (self.openstack_sd_configs.has_null(), "openstack_sd_configs"),
            (self.outscale_sd_configs.has_null(), "outscale_sd_configs"),
            (self.ovhcloud_sd_configs.has_null(), "ovhcloud_sd_configs"),
            (self.puppetdb_sd_configs.has_null(), "puppetdb_sd_configs"),
            (self.rds_sd_configs.has_null(), "rds_sd_configs"),
            (self.scaleway_sd_configs.has_null(), "scaleway_sd_configs"),
            (self.serverset_sd_configs.has_null(), "serverset_sd_configs"),
            (self.stackit_sd_configs.has_null(), "stackit_sd_configs"),
            (self.static_configs.has_null(), "static_configs"),
            (self.triton_sd_configs.has_null(), "triton_sd_configs"),
            (self.uyuni_sd_configs.has_null(), "uyuni_sd_configs"),
            (self.vultr_sd_configs.has_null(), "vultr_sd_configs"),
        ];
        match lists.iter().find(|(has_null, _)| *has_null) {
            Some((_, key)) => Err(format!("empty or null section in {key}")),
            None => Ok(()),
        }
    }

    /// Refuses URLs where host and port are wanted. Relabelling could still turn them into
    /// addresses, so only an owner without such rules calls this.
    pub fn check_static_targets(&self) -> Result<(), String> {
        let targets = self.static_configs.iter().flat_map(|group| &group.targets);
        match targets.into_iter().find(|target| target.contains('/')) {
            Some(target) => Err(format!("{target:?} is not a valid hostname")),
            None => Ok(()),
        }
    }

    /// Keys of the lists that have entries.
    pub fn used(&self) -> Vec<&'static str> {
        let lists = [
            (!self.aws_sd_configs.is_empty(), "aws_sd_configs"),
            (!self.azure_sd_configs.is_empty(), "azure_sd_configs"),
            (!self.consul_sd_configs.is_empty(), "consul_sd_configs"),
            (
                !self.digitalocean_sd_configs.is_empty(),
                "digitalocean_sd_configs",
            ),
            (!self.dns_sd_configs.is_empty(), "dns_sd_configs"),
            (!self.docker_sd_configs.is_empty(), "docker_sd_configs"),
            (
                !self.dockerswarm_sd_configs.is_empty(),
                "dockerswarm_sd_configs",
            ),
            (!self.ec2_sd_configs.is_empty(), "ec2_sd_configs"),
            (!self.ecs_sd_configs.is_empty(), "ecs_sd_configs"),
            (
                !self.elasticache_sd_configs.is_empty(),
                "elasticache_sd_configs",
            ),
            (!self.eureka_sd_configs.is_empty(), "eureka_sd_configs"),
            (!self.file_sd_configs.is_empty(), "file_sd_configs"),
            (!self.gce_sd_configs.is_empty(), "gce_sd_configs"),
            (!self.hetzner_sd_configs.is_empty(), "hetzner_sd_configs"),
            (!self.http_sd_configs.is_empty(), "http_sd_configs"),
            (!self.ionos_sd_configs.is_empty(), "ionos_sd_configs"),
            (
                !self.kubernetes_sd_configs.is_empty(),
                "kubernetes_sd_configs",
            ),
            (!self.kuma_sd_configs.is_empty(), "kuma_sd_configs"),
            (
                !self.lightsail_sd_configs.is_empty(),
                "lightsail_sd_configs",
            ),
            (!self.linode_sd_configs.is_empty(), "linode_sd_configs"),
            (!self.marathon_sd_configs.is_empty(), "marathon_sd_configs"),
            (!self.msk_sd_configs.is_empty(), "msk_sd_configs"),
            (!self.nerve_sd_configs.is_empty(), "nerve_sd_configs"),
            (!self.nomad_sd_configs.is_empty(), "nomad_sd_configs"),
            (!self.oci_sd_configs.is_empty(), "oci_sd_configs"),
            (
                !self.openstack_sd_configs.is_empty(),
                "openstack_sd_configs",
            ),
            (!self.outscale_sd_configs.is_empty(), "outscale_sd_configs"),
            (!self.ovhcloud_sd_configs.is_empty(), "ovhcloud_sd_configs"),
            (!self.puppetdb_sd_configs.is_empty(), "puppetdb_sd_configs"),
            (!self.rds_sd_configs.is_empty(), "rds_sd_configs"),
            (!self.scaleway_sd_configs.is_empty(), "scaleway_sd_configs"),
            (
                !self.serverset_sd_configs.is_empty(),
                "serverset_sd_configs",
            ),
            (!self.stackit_sd_configs.is_empty(), "stackit_sd_configs"),
            (!self.static_configs.is_empty(), "static_configs"),
            (!self.triton_sd_configs.is_empty(), "triton_sd_configs"),
            (!self.uyuni_sd_configs.is_empty(), "uyuni_sd_configs"),
            (!self.vultr_sd_configs.is_empty(), "vultr_sd_configs"),
        ];
        lists
            .into_iter()
            .filter(|(used, _)| *used)
            .map(|(_, key)| key)
            .collect()
    }

    /// Keys of the lists that have entries and whose mechanism is not built yet, and options of
    /// built ones that are not.
    pub fn not_built(&self) -> Vec<String> {
        let built = [
            "static_configs",
            "file_sd_configs",
            "http_sd_configs",
            "dns_sd_configs",
            "consul_sd_configs",
            "docker_sd_configs",
            "dockerswarm_sd_configs",
            "ec2_sd_configs",
            "kubernetes_sd_configs",
        ];
        let unbuilt = self.used().into_iter().filter(|key| !built.contains(key));
        let mut names: Vec<String> = unbuilt.map(ToOwned::to_owned).collect();
        let http = self.http_sd_configs.iter().map(|entry| &entry.http_client);
        push_not_built("http_sd_configs", http, &mut names);
        let consul = self
            .consul_sd_configs
            .iter()
            .map(|entry| &entry.http_client);
        push_not_built("consul_sd_configs", consul, &mut names);
        let docker = self
            .docker_sd_configs
            .iter()
            .map(|entry| &entry.http_client);
        push_not_built("docker_sd_configs", docker, &mut names);
        let swarm = self
            .dockerswarm_sd_configs
            .iter()
            .map(|entry| &entry.http_client);
        push_not_built("dockerswarm_sd_configs", swarm, &mut names);
        let ec2 = self.ec2_sd_configs.iter().map(|entry| &entry.http_client);
        push_not_built("ec2_sd_configs", ec2, &mut names);
        let kubernetes = self.kubernetes_sd_configs.iter();
        let kubernetes = kubernetes.map(|entry| &entry.http_client);
        push_not_built("kubernetes_sd_configs", kubernetes, &mut names);
        names
    }
}

yaml::record! {
    /// A filter of an AWS API.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AwsFilter: "aws.Filter", open {
        /// Name.
        pub name: String => keep "name";
        /// Values, any of which matches.
        pub values: Vec<String> => keep "values";
    }
}

yaml::record! {
    /// A filter of the Docker API.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct MobyFilter: "moby.Filter", open {
        /// Name.
        pub name: String => keep "name";
        /// Values, any of which matches.
        pub values: Vec<String> => keep "values";
    }
}

/// Adds the options of the HTTP clients of the list `key` that are set and not built yet.
fn push_not_built<'a>(
    key: &str,
    clients: impl Iterator<Item = &'a HttpClientConfig>,
    names: &mut Vec<String>,
) {
    for (index, client) in clients.enumerate() {
        let options = client.not_built().into_iter();
        names.extend(options.map(|option| format!("{key}[{index}].{option}")));
    }
}

/// Refuses an empty `value` with `text`.
fn required(value: &str, text: &str) -> Result<(), String> {
    if value.is_empty() {
        Err(text.to_owned())
    } else {
        Ok(())
    }
}

fn check_aws_filters(filters: &[AwsFilter], service: &str) -> Result<(), String> {
    if filters.iter().any(|filter| filter.values.is_empty()) {
        return Err(format!(
            "{service} SD configuration filter values cannot be empty"
        ));
    }
    Ok(())
}

fn check_http_url(text: &str) -> Result<(), String> {
    let url = EndpointUrl::parse(text)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("URL scheme must be 'http' or 'https'".into());
    }
    required(url.host(), "host is missing in URL")
}

fn check_zookeeper(kind: &str, servers: &[String], paths: &[String]) -> Result<(), String> {
    if servers.is_empty() {
        return Err(format!(
            "{kind} SD config must contain at least one Zookeeper server"
        ));
    }
    if paths.is_empty() {
        return Err(format!("{kind} SD config must contain at least one path"));
    }
    match paths.iter().find(|path| !path.starts_with('/')) {
        Some(path) => Err(format!(
            "{kind} SD config paths must begin with '/': {path}"
        )),
        None => Ok(()),
    }
}
