//! EC2's Query API: signed forms, answers in XML (API version 2016-11-15).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http_client::aws::AwsIdentity;
use http_client::{Client, ClientOptions, Connection, Request, sigv4};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use super::REQUEST_MAX;
use super::instance::{Page, Reading};
use crate::config::{AwsFilter, Ec2SdConfig};
use crate::error::Error;
use crate::fetch::{self, Answer};

const API_VERSION: &str = "2016-11-15";
/// How often a request is tried that the service has no time for.
const ATTEMPTS_MAX: u32 = 3;
/// Pause before the second attempt; doubled for the next.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Endings of the services' names by region, where they are not `amazonaws.com`.
const DOMAINS: [(&str, &str); 6] = [
    ("cn-", "amazonaws.com.cn"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
];

/// The service of one region, asked over one connection.
#[derive(Debug)]
pub(super) struct Api {
    connection: Connection,
    identity: AwsIdentity,
    endpoint: Url,
    region: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct Items<T> {
    pub(super) item: Vec<T>,
}

impl Api {
    pub(super) fn new(
        config: &Ec2SdConfig,
        identity: AwsIdentity,
        region: String,
        user_agent: &str,
    ) -> Result<Self, Error> {
        let endpoint = if config.endpoint.is_empty() {
            default_endpoint(&region)
        } else {
            config.endpoint.clone()
        };
        let endpoint = Url::parse(&endpoint)
            .map_err(|err| Error::BadContent(format!("ec2 endpoint {endpoint:?}: {err}")))?;
        let options = ClientOptions {
            // A signature is good for one address.
            follow_redirects: false,
            ..ClientOptions::from(&config.http_client)
        };
        let client = Client::new(options, user_agent)?;
        Ok(Self {
            connection: client.connection(),
            identity,
            endpoint,
            region,
        })
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// Ids of the region's zones by name.
    pub(super) async fn zone_ids(&mut self) -> Result<BTreeMap<String, String>, Error> {
        let answer = self.ask("DescribeAvailabilityZones", &[]).await?;
        let zones: Zones = fetch::decode(answer.body, from_xml).await?;
        let named = zones.zones.item.into_iter();
        let named = named.filter_map(|zone| Some((zone.name?, zone.id?)));
        Ok(named.collect())
    }

    /// One page of instances as targets; an empty `token` asks for the first.
    pub(super) async fn instances(
        &mut self,
        filters: &[AwsFilter],
        token: &str,
        reading: &Arc<Reading>,
    ) -> Result<Page, Error> {
        let mut parameters = Vec::new();
        for (index, filter) in filters.iter().enumerate() {
            let index = index + 1;
            parameters.push((format!("Filter.{index}.Name"), filter.name.clone()));
            for (number, value) in filter.values.iter().enumerate() {
                let name = format!("Filter.{index}.Value.{}", number + 1);
                parameters.push((name, value.clone()));
            }
        }
        if !token.is_empty() {
            parameters.push(("NextToken".to_owned(), token.to_owned()));
        }
        let answer = self.ask("DescribeInstances", &parameters).await?;
        let reading = reading.clone();
        fetch::decode(answer.body, move |text| reading.page(text)).await
    }

    /// Asks for `action` until there is an answer, or a refusal that will not change.
    async fn ask(
        &mut self,
        action: &'static str,
        parameters: &[(String, String)],
    ) -> Result<Answer, Error> {
        let form = form(action, parameters);
        for attempt in 1.. {
            let answer = self.ask_once(&form).await?;
            if answer.status.is_success() {
                return Ok(answer);
            }
            let refusal = refusal(action, &answer);
            if attempt >= ATTEMPTS_MAX || !is_passing(&answer, &refusal) {
                return Err(refusal);
            }
            tokio::time::sleep(RETRY_AFTER * (1 << (attempt - 1))).await;
        }
        Err(Error::BadContent("ec2: no attempt made".to_owned()))
    }

    async fn ask_once(&mut self, form: &str) -> Result<Answer, Error> {
        let deadline = Instant::now() + REQUEST_MAX;
        let bad = |err: &dyn std::fmt::Display| Error::BadContent(err.to_string());
        let credentials = self.identity.credentials(deadline).await;
        let credentials = credentials.map_err(|err| bad(&err))?;
        let mut headers = HeaderMap::new();
        let form_type = "application/x-www-form-urlencoded; charset=utf-8";
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(form_type));
        let mut request = Request {
            method: Method::POST,
            url: self.endpoint.clone(),
            headers,
            body: form.to_owned().into(),
        };
        let hash = sigv4::payload_hash(form.as_bytes());
        let now = SystemTime::now();
        sigv4::sign(&mut request, &hash, &self.region, "ec2", &credentials, now)
            .map_err(|err| bad(&err))?;
        fetch::fetch(&mut self.connection, request, deadline).await
    }
}

fn form(action: &str, parameters: &[(String, String)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action);
    form.append_pair("Version", API_VERSION);
    form.extend_pairs(parameters);
    form.finish()
}

/// Where the service of `region` is.
fn default_endpoint(region: &str) -> String {
    let special = DOMAINS.iter().find(|(start, _)| region.starts_with(start));
    let domain = special.map_or("amazonaws.com", |(_, domain)| domain);
    format!("https://ec2.{region}.{domain}/")
}

/// What `text` says as XML.
pub(super) fn from_xml<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    let text = std::str::from_utf8(text).map_err(|err| Error::BadContent(err.to_string()))?;
    quick_xml::de::from_str(text).map_err(|err| Error::BadContent(format!("bad XML: {err}")))
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Zones {
    #[serde(rename = "availabilityZoneInfo")]
    zones: Items<Zone>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Zone {
    #[serde(rename = "zoneName")]
    name: Option<String>,
    #[serde(rename = "zoneId")]
    id: Option<String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Refused {
    #[serde(rename = "Errors")]
    errors: Reasons,
    #[serde(rename = "RequestID")]
    request_id: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Reasons {
    #[serde(rename = "Error")]
    error: Vec<Reason>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Reason {
    code: String,
    message: String,
}

/// The service's refusal in the words of the reference's SDK.
fn refusal(action: &'static str, answer: &Answer) -> Error {
    let refused: Refused = from_xml(&answer.body).unwrap_or_default();
    let reason = refused.errors.error.into_iter().next();
    let reason = reason.unwrap_or_else(|| Reason {
        code: "UnknownError".to_owned(),
        message: answer.status_text(),
    });
    Error::Aws {
        action,
        status: answer.status.as_u16(),
        request_id: refused.request_id,
        code: reason.code,
        message: reason.message,
    }
}

/// Whether another attempt may find the service with more time.
fn is_passing(answer: &Answer, refusal: &Error) -> bool {
    let throttled = matches!(refusal, Error::Aws { code, .. } if matches!(
        code.as_str(),
        "RequestLimitExceeded" | "Throttling" | "ThrottlingException" | "RequestThrottled"
            | "RequestThrottledException" | "TooManyRequestsException"
    ));
    throttled || matches!(answer.status.as_u16(), 500 | 502 | 503 | 504)
}

/// Whether the service does not take our credentials.
pub(super) fn is_refusal(err: &Error) -> bool {
    matches!(err, Error::Aws { code, .. } if code == "AuthFailure" || code == "UnauthorizedOperation")
}

#[cfg(test)]
mod tests {
    use super::default_endpoint;

    #[test]
    fn each_partition_has_its_domain() {
        let check = |region: &str, expected: &str| assert_eq!(default_endpoint(region), expected);
        check("eu-west-1", "https://ec2.eu-west-1.amazonaws.com/");
        check("us-gov-west-1", "https://ec2.us-gov-west-1.amazonaws.com/");
        check("cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn/");
        check(
            "us-isob-east-1",
            "https://ec2.us-isob-east-1.sc2s.sgov.gov/",
        );
    }
}
