//! Target groups from an HTTP server, polled.

use std::time::Duration;

use ::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use ::http::{HeaderMap, StatusCode};
use http_client::{BodyError, Client, ClientOptions, Connection, Request};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::{Environment, group_text, with_label};
use crate::config::HttpSdConfig;
use crate::discoverer::{Discoverer, Running, Updates};
use crate::error::Error;
use crate::refresh;
use crate::target_group::TargetGroup;

/// Label with the URL a target came from.
const META_URL: &str = "__meta_url";
/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 28;

/// Polls one URL.
#[derive(Debug)]
pub struct HttpDiscoverer {
    url: Url,
    /// As written, for labels and sources.
    url_text: String,
    interval: Duration,
    headers: HeaderMap,
    client: Client,
    environment: Environment,
}

impl HttpDiscoverer {
    /// A provider as configured.
    pub fn new(config: &HttpSdConfig, environment: &Environment) -> Result<Self, Error> {
        let url = Url::parse(&config.url)
            .map_err(|err| Error::BadContent(format!("parse {:?}: {err}", config.url)))?;
        let interval = config.refresh_interval.as_std();
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let seconds = gocompat::float::format_f(interval.as_secs_f64());
        if let Ok(value) = HeaderValue::from_str(&seconds) {
            headers.insert("x-prometheus-refresh-interval-seconds", value);
        }
        let options = ClientOptions::from(&config.http_client);
        let client = Client::new(options, &environment.user_agent)?;
        Ok(Self {
            url,
            url_text: config.url.clone(),
            interval,
            headers,
            client,
            environment: environment.clone(),
        })
    }

    async fn poll(&self, connection: &mut Connection) -> Result<Vec<TargetGroup>, Error> {
        let request = Request {
            headers: self.headers.clone(),
            ..Request::get(self.url.clone())
        };
        let deadline = Instant::now() + self.interval;
        let mut response = connection.send(request, deadline).await?;
        if response.status != StatusCode::OK {
            let code = response.status.as_u16();
            let reason = response.status.canonical_reason().unwrap_or("");
            return Err(Error::BadContent(format!(
                "server returned HTTP status {code} {reason}"
            )));
        }
        let content_type = response.headers.get(CONTENT_TYPE);
        let content_type = content_type.map_or(String::new(), |value| {
            String::from_utf8_lossy(value.as_bytes()).trim().to_owned()
        });
        if !is_json(&content_type) {
            return Err(Error::BadContent(format!(
                "unsupported content type {content_type:?}"
            )));
        }
        let body = response.body.collect(ANSWER_BYTES_MAX).await;
        let body = body.map_err(|err: BodyError| Error::BadContent(err.to_string()))?;
        let mut groups = group_text::from_json(&body)?;
        for (index, group) in groups.iter_mut().enumerate() {
            group.source = format!("{}:{index}", self.url_text);
            group.labels = with_label(&group.labels, META_URL, &self.url_text);
        }
        Ok(groups)
    }
}

impl Discoverer for HttpDiscoverer {
    fn run(self: Box<Self>, updates: Updates) -> Running {
        Box::pin(async move {
            let environment = self.environment.clone();
            let failures = environment.metrics.http_failures.clone();
            let connection = Mutex::new(self.client.connection());
            let interval = self.interval;
            let (this, connection, failures) = (&self, &connection, &failures);
            let poll = || async move {
                let mut connection = connection.lock().await;
                this.poll(&mut connection)
                    .await
                    .inspect_err(|_| failures.inc())
            };
            let config = &environment.config_name;
            refresh::run(
                "http",
                config,
                interval,
                environment.metrics.clone(),
                updates,
                poll,
            )
            .await;
        })
    }
}

/// `application/json`, in UTF-8 if it says.
fn is_json(content_type: &str) -> bool {
    let lower = content_type.to_ascii_lowercase();
    let Some((media_type, parameters)) = lower.split_once(';') else {
        return lower == "application/json";
    };
    let charset = parameters
        .trim()
        .strip_prefix("charset=")
        .unwrap_or(parameters.trim());
    media_type.trim() == "application/json" && matches!(charset.trim_matches('"'), "utf-8" | "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf8_is_taken() {
        assert!(is_json("application/json"));
        assert!(is_json("application/json; charset=utf-8"));
        assert!(is_json("application/json;charset=\"UTF-8\""));
        assert!(!is_json("application/json; charset=latin1"));
        assert!(!is_json("text/plain"));
        assert!(!is_json(""));
    }
}
