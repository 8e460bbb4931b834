//! EC2 instances of a region. `api` asks, `instance` turns answers into targets.

use std::collections::BTreeMap;
use std::time::Duration;

use http_client::Variables;
use http_client::aws::{AwsIdentity, AwsOptions};
use model::Labels;
use tokio::time::Instant;

use super::Environment;
use crate::config::Ec2SdConfig;
use crate::error::Error;
use crate::refresh::Poll;
use crate::target_group::TargetGroup;

mod api;
mod instance;

pub use instance::check_instances;

use api::Api;

/// Most pages of instances; each has up to a thousand.
const PAGES_MAX: usize = 1000;
/// Longest that one request may take.
const REQUEST_MAX: Duration = Duration::from_secs(60);

/// Polls the instances of a region.
#[derive(Debug)]
pub struct Ec2Discoverer {
    config: Ec2SdConfig,
    user_agent: String,
    variables: Variables,
    /// Made by the first poll, and anew when the service no longer knows us.
    api: Option<Api>,
    /// Ids of zones by their names; `None` until the service has told them once.
    zone_ids: Option<BTreeMap<String, String>>,
}

impl Ec2Discoverer {
    /// A provider as configured; `variables` is the environment in which AWS's SDKs look for what
    /// the configuration leaves open.
    pub fn new(config: &Ec2SdConfig, environment: &Environment, variables: Variables) -> Self {
        Self {
            config: config.clone(),
            user_agent: environment.user_agent.clone(),
            variables,
            api: None,
            zone_ids: None,
        }
    }

    async fn connect(&self) -> Result<Api, Error> {
        let options = options(&self.config);
        let identity = AwsIdentity::new(options, self.variables.clone(), &self.user_agent)?;
        let region = identity.region(Instant::now() + REQUEST_MAX).await;
        let region = region
            .map_err(|err| Error::BadContent(format!("could not determine AWS region: {err}")))?;
        Api::new(&self.config, identity, region, &self.user_agent)
    }
}

/// What the configuration says of credentials. As in the reference keys count only in pairs.
fn options(config: &Ec2SdConfig) -> AwsOptions {
    let mut options = AwsOptions {
        region: config.region.clone(),
        profile: config.profile.clone(),
        role_arn: config.role_arn.clone(),
        external_id: config.external_id.clone(),
        ..AwsOptions::default()
    };
    if !config.access_key.is_empty() && !config.secret_key.is_empty() {
        options.access_key.clone_from(&config.access_key);
        options.secret_key.clone_from(&config.secret_key);
    }
    options
}

impl Poll for Ec2Discoverer {
    const MECHANISM: &'static str = "ec2";

    fn interval(&self) -> Duration {
        self.config.refresh_interval.as_std()
    }

    async fn poll(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let mut api = match self.api.take() {
            Some(api) => api,
            None => self.connect().await?,
        };
        if self.zone_ids.is_none() {
            match api.zone_ids().await {
                Ok(ids) => self.zone_ids = Some(ids),
                Err(err) => tracing::debug!(
                    component = "discovery manager",
                    discovery = "ec2",
                    err = %err,
                    "Unable to describe availability zones"
                ),
            }
        }
        let zone_ids = self.zone_ids.clone().unwrap_or_default();
        let listed = list(&mut api, &self.config, zone_ids).await;
        let source = api.region().to_owned();
        // Credentials that are refused are looked for anew.
        if !matches!(&listed, Err(err) if api::is_refusal(err)) {
            self.api = Some(api);
        }
        let targets = listed.map_err(|err| Error::while_("could not describe instances", err))?;
        Ok(vec![TargetGroup {
            targets,
            labels: Labels::empty(),
            source,
        }])
    }
}

/// The targets of all pages.
async fn list(
    api: &mut Api,
    config: &Ec2SdConfig,
    zone_ids: BTreeMap<String, String>,
) -> Result<Vec<Labels>, Error> {
    let reading = std::sync::Arc::new(instance::Reading {
        region: api.region().to_owned(),
        port: config.port,
        zone_ids,
    });
    let mut targets = Vec::new();
    let mut token = String::new();
    for _ in 0..PAGES_MAX {
        let page = api.instances(&config.filters, &token, &reading).await?;
        targets.extend(page.targets);
        if page.next_token.is_empty() {
            return Ok(targets);
        }
        token = page.next_token;
    }
    Err(Error::BadContent(format!("more than {PAGES_MAX} pages")))
}
