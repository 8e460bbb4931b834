//! Asking the machine or the container we run in: its role's credentials, and the region.
//!
//! Sources: "Use the Instance Metadata Service" (version 2, with a session token) in the EC2 user
//! guide; "Container credential provider" in the AWS SDKs and Tools guide.

use std::net::IpAddr;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderValue};
use http::{Method, StatusCode};
use tokio::time::Instant;
use url::{Host, Url};
use yaml::Secret;

use super::{AwsError, Credentials, ask, in_background, time};
use crate::auth::read_file;
use crate::{Client, Request, Variables};

/// Most time for the metadata service: off AWS nobody answers at its address.
const INSTANCE_TIME_MAX: Duration = Duration::from_secs(5);
const INSTANCE: &str = "EC2 instance metadata";
const CONTAINER: &str = "container credentials";

/// The metadata service of the machine, with a session at it.
pub(super) struct Instance<'a> {
    client: &'a Client,
    endpoint: Url,
    token: HeaderValue,
    deadline: Instant,
}

impl<'a> Instance<'a> {
    /// Opens a session.
    pub(super) async fn new(
        client: &'a Client,
        variables: &Variables,
        deadline: Instant,
    ) -> Result<Self, AwsError> {
        let disabled = variables.get("AWS_EC2_METADATA_DISABLED");
        if disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            let reason = "the EC2 metadata service is disabled by AWS_EC2_METADATA_DISABLED";
            return Err(AwsError::NoCredentials(reason.to_owned()));
        }
        let six = variables
            .get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
        let default = if six {
            "http://[fd00:ec2::254]/"
        } else {
            "http://169.254.169.254/"
        };
        let endpoint = variables.get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let endpoint = url(&endpoint.unwrap_or_else(|| default.to_owned()))?;
        let deadline = deadline.min(Instant::now() + INSTANCE_TIME_MAX);
        let mut request = Request::get(join(&endpoint, "latest/api/token")?);
        request.method = Method::PUT;
        let seconds = HeaderValue::from_static("21600");
        let header = "x-aws-ec2-metadata-token-ttl-seconds";
        request.headers.insert(header, seconds);
        let (status, text) = ask(client, request, deadline).await?;
        if status != StatusCode::OK {
            return Err(AwsError::refused(INSTANCE, status, "", ""));
        }
        let bad = |_| AwsError::BadAnswer(INSTANCE, "session token");
        let mut token = HeaderValue::from_str(text.trim()).map_err(bad)?;
        token.set_sensitive(true);
        Ok(Self {
            client,
            endpoint,
            token,
            deadline,
        })
    }

    async fn get(&self, path: &str) -> Result<String, AwsError> {
        let mut request = Request::get(join(&self.endpoint, path)?);
        let token = self.token.clone();
        request.headers.insert("x-aws-ec2-metadata-token", token);
        let (status, text) = ask(self.client, request, self.deadline).await?;
        if status != StatusCode::OK {
            return Err(AwsError::refused(INSTANCE, status, "", ""));
        }
        Ok(text)
    }

    /// The credentials of the machine's role.
    pub(super) async fn credentials(&self) -> Result<Credentials, AwsError> {
        let folder = "latest/meta-data/iam/security-credentials/";
        let roles = self.get(folder).await?;
        let role = roles.lines().next().unwrap_or("").trim();
        if role.is_empty() {
            let reason = "the EC2 instance has no role".to_owned();
            return Err(AwsError::NoCredentials(reason));
        }
        read_credentials(INSTANCE, &self.get(&format!("{folder}{role}")).await?)
    }

    /// The region the machine is in.
    pub(super) async fn region(&self) -> Result<String, AwsError> {
        let region = self.get("latest/meta-data/placement/region").await?;
        Some(region.trim().to_owned())
            .filter(|region| !region.is_empty())
            .ok_or(AwsError::BadAnswer(INSTANCE, "region"))
    }
}

/// The credentials that the container's environment leads to.
pub(super) async fn container(
    client: &Client,
    variables: &Variables,
    deadline: Instant,
) -> Result<Credentials, AwsError> {
    let mut request = Request::get(container_url(variables)?);
    if let Some(token) = container_token(variables).await? {
        let bad = |_| AwsError::BadAnswer(CONTAINER, "authorization token");
        let mut token = HeaderValue::from_str(token.trim()).map_err(bad)?;
        token.set_sensitive(true);
        request.headers.insert(AUTHORIZATION, token);
    }
    let (status, text) = ask(client, request, deadline).await?;
    if status != StatusCode::OK {
        return Err(AwsError::refused(CONTAINER, status, "", ""));
    }
    read_credentials(CONTAINER, &text)
}

async fn container_token(variables: &Variables) -> Result<Option<String>, AwsError> {
    match variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        None => Ok(variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")),
        Some(path) => {
            let read = in_background(move || read_file(path.as_ref())).await?;
            read.map(Some)
                .map_err(|err| AwsError::File(err.to_string()))
        }
    }
}

fn container_url(variables: &Variables) -> Result<Url, AwsError> {
    if let Some(path) = variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        return url(&format!("http://169.254.170.2{path}"));
    }
    let text = variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let url = url(&text.unwrap_or_default())?;
    if url.scheme() == "https" || is_near(&url) {
        return Ok(url);
    }
    let reason = "only https, loopback and the container hosts of ECS and EKS are allowed";
    Err(AwsError::BadEndpoint(url.into(), reason.to_owned()))
}

/// Whether credentials may come from there unencrypted.
fn is_near(url: &Url) -> bool {
    let hosts = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
    let address: IpAddr = match url.host() {
        None => return false,
        Some(Host::Domain(name)) => return name == "localhost",
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
    };
    address.is_loopback() || hosts.iter().any(|host| *host == address.to_string())
}

fn url(text: &str) -> Result<Url, AwsError> {
    Url::parse(text).map_err(|err| AwsError::BadEndpoint(text.to_owned(), err.to_string()))
}

fn join(endpoint: &Url, path: &str) -> Result<Url, AwsError> {
    url(&format!(
        "{}/{path}",
        endpoint.as_str().trim_end_matches('/')
    ))
}

/// The document both services answer with.
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    token: Option<String>,
    expiration: Option<String>,
}

fn read_credentials(who: &'static str, text: &str) -> Result<Credentials, AwsError> {
    // The parser's message may repeat parts of the text.
    let bad = |_| AwsError::BadAnswer(who, "JSON document");
    let document: Document = serde_json::from_str(text).map_err(bad)?;
    let missing = |name| AwsError::BadAnswer(who, name);
    let secret = document.secret_access_key;
    Ok(Credentials {
        access_key_id: document.access_key_id.ok_or(missing("AccessKeyId"))?,
        secret_access_key: Secret::new(secret.ok_or(missing("SecretAccessKey"))?),
        session_token: document.token.map(Secret::new),
        expires: match document.expiration {
            None => None,
            Some(text) => Some(time(who, &text)?),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_asked_nearby_only() {
        let check = |uri: &str, allowed: bool| {
            let variables = Variables::of([("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)]);
            assert_eq!(container_url(&variables).is_ok(), allowed, "{uri}");
        };
        check("http://169.254.170.23/v1/credentials", true);
        check("http://127.0.0.1:8080/x", true);
        check("http://[fd00:ec2::23]/x", true);
        check("https://example.com/x", true);
        check("http://example.com/x", false);
        check("http://169.254.169.254/x", false);
        check("", false);
        let variables = Variables::of([("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")]);
        let url = container_url(&variables).unwrap();
        assert_eq!(url.as_str(), "http://169.254.170.2/v2/x");
    }

    #[test]
    fn documents_need_their_parts() {
        let text =
            r#"{"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"2030-01-02T03:04:05Z"}"#;
        let found = read_credentials(CONTAINER, text).unwrap();
        assert_eq!(found.access_key_id, "A");
        assert!(found.expires.is_some());
        for bad in ["", "{}", r#"{"AccessKeyId":"A"}"#, "secret text"] {
            let err = read_credentials(CONTAINER, bad).unwrap_err().to_string();
            assert!(!err.contains("secret text"), "{err}");
        }
    }
}
