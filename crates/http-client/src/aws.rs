//! Who we are for AWS: credentials and region, found where the official SDKs look for them.
//!
//! [`AwsIdentity::credentials`] takes the first of these that is there:
//!
//! 1. keys of the configuration;
//! 2. the profile that the configuration, `AWS_PROFILE` or `AWS_DEFAULT_PROFILE` names: its keys, its
//!    web identity token, or what its `credential_source` or `source_profile` leads to;
//! 3. the environment's keys (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`);
//! 4. the environment's web identity token (`AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_ROLE_ARN`);
//! 5. the profile `default`;
//! 6. the container's endpoint (`AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `_FULL_URI`);
//! 7. the machine's metadata service, version 2.
//!
//! Then roles are assumed: those of the profiles, and that of the configuration. Single sign-on and
//! `credential_process` are not built and refused by name.
//!
//! What is found is kept until shortly before it ends; one caller at a time asks, the others wait for
//! its answer. Answers are bounded. Secrets are in no error and no `Debug` text.

mod metadata;
mod plan;
mod profile;
mod sts;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use yaml::Secret;

use self::metadata::Instance;
use self::plan::{Plan, Source};
use self::profile::Profiles;
use self::sts::Sts;
use crate::config::SigV4Config;
pub use crate::sigv4::Credentials;
use crate::sigv4::SignError;
use crate::{BodyError, Client, ClientOptions, Request, Variables};

/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Most bytes of a service's message that are shown.
const MESSAGE_BYTES_MAX: usize = 500;
/// How long before their end credentials are replaced.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// What the configuration says of AWS; empty fields say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AwsOptions {
    /// Region.
    pub region: String,
    /// Id of the access key; set with [`secret_key`](Self::secret_key) or not at all.
    pub access_key: String,
    /// The access key.
    pub secret_key: Secret,
    /// Profile of the shared AWS files.
    pub profile: String,
    /// Role to assume with the credentials found.
    pub role_arn: String,
    /// External id to assume it with.
    pub external_id: String,
    /// Whether roles are asked for at the FIPS endpoint.
    pub use_fips_sts_endpoint: bool,
}

impl From<&SigV4Config> for AwsOptions {
    fn from(config: &SigV4Config) -> Self {
        Self {
            region: config.region.clone(),
            access_key: config.access_key.clone(),
            secret_key: config.secret_key.clone(),
            profile: config.profile.clone(),
            role_arn: config.role_arn.clone(),
            external_id: config.external_id.clone(),
            use_fips_sts_endpoint: config.use_fips_sts_endpoint,
        }
    }
}

/// Why credentials or a region were not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AwsError {
    /// No place that was asked has credentials.
    #[error("no AWS credentials found: {0}")]
    NoCredentials(String),
    /// No place that was asked names a region.
    #[error("region not configured in sigv4 or in default credentials chain")]
    NoRegion,
    /// The profile that was asked for is in neither file.
    #[error("failed to get shared config profile, {0}")]
    NoProfile(String),
    /// A profile cannot be used: its name, and why.
    #[error("AWS profile {0:?}: {1}")]
    BadProfile(String, &'static str),
    /// A file cannot be read.
    #[error("AWS credentials: {0}")]
    File(String),
    /// The address of a service is no URL or not allowed.
    #[error("AWS endpoint {0:?}: {1}")]
    BadEndpoint(String, String),
    /// A service did not answer.
    #[error(transparent)]
    Http(#[from] crate::Error),
    /// An answer ended early or is too long.
    #[error("answer of AWS service: {0}")]
    Body(#[from] BodyError),
    /// A service answered that it will not.
    #[error("{0}: {1}")]
    Refused(&'static str, String),
    /// An answer lacks something: the service, and what.
    #[error("{0}: no valid {1} in the answer")]
    BadAnswer(&'static str, &'static str),
    /// A request to a service cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The deadline passed.
    #[error("AWS credentials: context deadline exceeded")]
    Timeout,
    /// The runtime is shutting down.
    #[error("AWS credentials: interrupted")]
    Interrupted,
}

impl AwsError {
    /// A service's refusal in its own words, shortened.
    fn refused(who: &'static str, status: StatusCode, code: &str, message: &str) -> Self {
        let mut text = format!("{} {code} {message}", status.as_u16());
        let end = (0..=MESSAGE_BYTES_MAX.min(text.len()))
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        Self::Refused(who, text.trim().to_owned())
    }
}

/// Credentials and region of one configured use of AWS. Clones share what was found.
#[derive(Debug, Clone)]
pub struct AwsIdentity {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: AwsOptions,
    variables: Variables,
    client: Client,
    found: Mutex<Option<Found>>,
}

/// Credentials, and when to ask for new ones.
#[derive(Debug)]
struct Found {
    credentials: Credentials,
    renew: Option<SystemTime>,
}

impl AwsIdentity {
    /// Reads nothing yet. `user_agent` is what the client calls itself where services are asked.
    pub fn new(
        options: AwsOptions,
        variables: Variables,
        user_agent: &str,
    ) -> Result<Self, crate::Error> {
        let asking = ClientOptions {
            follow_redirects: false,
            ..ClientOptions::default()
        };
        let shared = Shared {
            options,
            variables,
            client: Client::new(asking, user_agent)?,
            found: Mutex::new(None),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Credentials that are valid now, from the first place that has some. When new ones cannot be
    /// had, old ones are given as long as they are valid.
    pub async fn credentials(&self, deadline: Instant) -> Result<Credentials, AwsError> {
        let found = timeout_at(deadline, self.shared.found.lock()).await;
        let mut found = found.map_err(|_| AwsError::Timeout)?;
        let now = SystemTime::now();
        if let Some(found) = &*found
            && found.renew.is_none_or(|renew| now < renew)
        {
            return Ok(found.credentials.clone());
        }
        match self.shared.ask(deadline).await {
            Ok(credentials) => {
                *found = Some(Found {
                    renew: credentials.expires.map(|end| renew_time(now, end)),
                    credentials: credentials.clone(),
                });
                Ok(credentials)
            }
            Err(err) => match &*found {
                Some(old) if old.credentials.expires.is_some_and(|end| now < end) => {
                    tracing::warn!(component = "http client", err = %err, "Cannot renew AWS credentials");
                    Ok(old.credentials.clone())
                }
                _ => Err(err),
            },
        }
    }

    /// The region: that of the configuration, the environment (`AWS_REGION`, `AWS_DEFAULT_REGION`),
    /// the profile, or the machine.
    pub async fn region(&self, deadline: Instant) -> Result<String, AwsError> {
        let shared = &self.shared;
        if let Some(region) = shared.configured_region().await? {
            return Ok(region);
        }
        match Instance::new(&shared.client, &shared.variables, deadline).await {
            Ok(instance) => instance.region().await,
            Err(err) => {
                tracing::debug!(component = "http client", err = %err, "No AWS region from the machine");
                Err(AwsError::NoRegion)
            }
        }
    }
}

impl Shared {
    async fn configured_region(&self) -> Result<Option<String>, AwsError> {
        let set = Some(self.options.region.clone())
            .filter(|region| !region.is_empty())
            .or_else(|| self.variables.get("AWS_REGION"))
            .or_else(|| self.variables.get("AWS_DEFAULT_REGION"));
        if set.is_some() {
            return Ok(set);
        }
        let name = plan::profile_name(&self.options, &self.variables);
        let name = name.unwrap_or_else(|| "default".to_owned());
        let profiles = self.profiles().await?;
        let region = profiles
            .get(&name)
            .and_then(|profile| profile.get("region"));
        Ok(region.map(str::to_owned))
    }

    async fn profiles(&self) -> Result<Profiles, AwsError> {
        let variables = self.variables.clone();
        in_background(move || Profiles::load(&variables)).await?
    }

    async fn ask(&self, deadline: Instant) -> Result<Credentials, AwsError> {
        let profiles = self.profiles().await?;
        let Plan { source, roles } = plan::plan(&self.options, &self.variables, &profiles)?;
        let (client, variables) = (&self.client, &self.variables);
        let mut credentials = match source {
            Source::Keys(keys) => keys,
            Source::WebIdentity { role, token_file } => {
                let sts = self.sts().await?;
                sts.assume_by_token(&role, &token_file, deadline).await?
            }
            Source::Container => metadata::container(client, variables, deadline).await?,
            Source::Instance => {
                let instance = Instance::new(client, variables, deadline).await?;
                instance.credentials().await?
            }
        };
        for role in roles {
            credentials = self
                .sts()
                .await?
                .assume(&role, &credentials, deadline)
                .await?;
        }
        Ok(credentials)
    }

    async fn sts(&self) -> Result<Sts<'_>, AwsError> {
        let region = self.configured_region().await?.ok_or(AwsError::NoRegion)?;
        let fips = self.options.use_fips_sts_endpoint;
        Sts::new(&self.client, &self.variables, region, fips)
    }
}

/// Five minutes before the end, but not before half of the time is over.
fn renew_time(now: SystemTime, end: SystemTime) -> SystemTime {
    let left = end.duration_since(now).unwrap_or_default();
    now + left.saturating_sub(RENEW_BEFORE).max(left / 2)
}

/// Sends `request` on a connection of its own; status and text of the answer.
async fn ask(
    client: &Client,
    request: Request,
    deadline: Instant,
) -> Result<(StatusCode, String), AwsError> {
    let mut response = client.connection().send(request, deadline).await?;
    let body = response.body.collect(ANSWER_BYTES_MAX).await?;
    Ok((response.status, String::from_utf8_lossy(&body).into_owned()))
}

/// Runs what reads files where it may block.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AwsError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| AwsError::Interrupted)
}

/// A time as services write it (RFC 3339).
fn time(who: &'static str, text: &str) -> Result<SystemTime, AwsError> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| AwsError::BadAnswer(who, "Expiration"))?;
    Ok(time.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_comes_before_the_end() {
        let now = SystemTime::UNIX_EPOCH;
        let check = |left: u64, expected: u64| {
            let renew = renew_time(now, now + Duration::from_secs(left));
            assert_eq!(renew, now + Duration::from_secs(expected));
        };
        check(3600, 3300);
        check(900, 600);
        check(100, 50);
        assert_eq!(
            renew_time(now + Duration::from_secs(1), now),
            now + Duration::from_secs(1)
        );
    }

    #[test]
    fn refusals_are_shortened() {
        let long = "ä".repeat(1000);
        let text =
            AwsError::refused("STS", StatusCode::FORBIDDEN, "AccessDenied", &long).to_string();
        assert!(
            text.starts_with("STS: 403 AccessDenied ää") && text.len() <= 510,
            "{text}"
        );
    }
}
