//! Asking the Security Token Service for the temporary credentials of a role.
//!
//! Source of the format: "AssumeRole" and "AssumeRoleWithWebIdentity" in the STS API reference
//! (query protocol: a form goes in, XML comes out).

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use tokio::time::Instant;
use url::Url;
use yaml::Secret;

use super::plan::Role;
use super::{AwsError, Credentials, ask, in_background};
use crate::auth::read_file;
use crate::sigv4::{payload_hash, sign};
use crate::{Client, Request, Variables};

/// How long credentials are asked for: the least the service gives.
const ROLE_SECONDS: &str = "900";

/// Where the service is.
#[derive(Debug)]
pub(super) struct Sts<'a> {
    pub(super) client: &'a Client,
    pub(super) region: String,
    pub(super) url: Url,
}

impl<'a> Sts<'a> {
    /// The service of `region`: `AWS_ENDPOINT_URL_STS` or `AWS_ENDPOINT_URL` if set.
    pub(super) fn new(
        client: &'a Client,
        variables: &Variables,
        region: String,
        fips: bool,
    ) -> Result<Self, AwsError> {
        let configured = variables
            .get("AWS_ENDPOINT_URL_STS")
            .or_else(|| variables.get("AWS_ENDPOINT_URL"));
        let text = configured.unwrap_or_else(|| {
            let prefix = if fips { "sts-fips" } else { "sts" };
            let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
            format!("https://{prefix}.{region}.amazonaws.com{suffix}/")
        });
        let url = Url::parse(&text).map_err(|err| AwsError::BadEndpoint(text, err.to_string()))?;
        Ok(Self {
            client,
            region,
            url,
        })
    }

    /// Credentials of `role`, asked for with `credentials`.
    pub(super) async fn assume(
        &self,
        role: &Role,
        credentials: &Credentials,
        deadline: Instant,
    ) -> Result<Credentials, AwsError> {
        let session = session_name(role);
        let mut fields = vec![
            ("Action", "AssumeRole"),
            ("DurationSeconds", ROLE_SECONDS),
            ("RoleArn", &role.arn),
            ("RoleSessionName", &session),
        ];
        if !role.external_id.is_empty() {
            fields.push(("ExternalId", &role.external_id));
        }
        let mut request = self.request(&fields);
        let hash = payload_hash(&request.body);
        let now = SystemTime::now();
        sign(&mut request, &hash, &self.region, "sts", credentials, now)?;
        self.credentials(request, deadline).await
    }

    /// Credentials of `role` for the token in `token_file`, read anew.
    pub(super) async fn assume_by_token(
        &self,
        role: &Role,
        token_file: &str,
        deadline: Instant,
    ) -> Result<Credentials, AwsError> {
        let path = std::path::PathBuf::from(token_file);
        let read = in_background(move || read_file(&path)).await?;
        let token = read.map_err(|err| AwsError::File(err.to_string()))?;
        let session = session_name(role);
        let request = self.request(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("RoleArn", &role.arn),
            ("RoleSessionName", &session),
            ("WebIdentityToken", token.trim()),
        ]);
        self.credentials(request, deadline).await
    }

    fn request(&self, fields: &[(&str, &str)]) -> Request {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("Version", "2011-06-15");
        form.extend_pairs(fields);
        let mut request = Request::get(self.url.clone());
        request.method = Method::POST;
        request.body = Bytes::from(form.finish());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        request.headers.insert(CONTENT_TYPE, kind);
        request
    }

    async fn credentials(
        &self,
        request: Request,
        deadline: Instant,
    ) -> Result<Credentials, AwsError> {
        let (status, text) = ask(self.client, request, deadline).await?;
        if status != StatusCode::OK {
            let part = |name| element(&text, name).unwrap_or_default();
            return Err(AwsError::refused(
                "STS",
                status,
                &part("Code"),
                &part("Message"),
            ));
        }
        let part = |name| element(&text, name).ok_or(AwsError::BadAnswer("STS", name));
        Ok(Credentials {
            access_key_id: part("AccessKeyId")?,
            secret_access_key: Secret::new(part("SecretAccessKey")?),
            session_token: Some(Secret::new(part("SessionToken")?)),
            expires: Some(super::time("STS", &part("Expiration")?)?),
        })
    }
}

/// The configured name, or one that differs from session to session.
fn session_name(role: &Role) -> String {
    if !role.session_name.is_empty() {
        return role.session_name.clone();
    }
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    format!("ferula-{}", since.map_or(0, |since| since.as_nanos()))
}

/// The text of the first element `name` in `xml`. Enough for answers whose elements have texts of
/// letters and digits and whose names do not come twice.
fn element(xml: &str, name: &'static str) -> Option<String> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    let text = text.trim();
    let text = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A value is found whatever stands around it, and no text makes the reader panic.
        #[test]
        fn elements_are_found(around in "[\\PC<>&]{0,100}", value in "[!-;=?-~]{1,50}") {
            let escaped = value.replace('&', "&amp;");
            let xml = format!("<A><Code>{escaped}</Code></A>{around}");
            prop_assert_eq!(element(&xml, "Code"), Some(value));
            let _ = element(&around, "Code");
        }
    }
}
