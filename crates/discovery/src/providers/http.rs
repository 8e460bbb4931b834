//! Target groups from an HTTP server, polled.

use std::time::Duration;

use ::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use ::http::{HeaderMap, StatusCode};
use http_client::{Client, ClientOptions, Connection, Request};
use telemetry::Counter;
use tokio::time::Instant;
use url::Url;

use super::{Environment, group_text, with_label};
use crate::config::HttpSdConfig;
use crate::error::Error;
use crate::fetch::{self, Answer};
use crate::refresh::Poll;
use crate::target_group::TargetGroup;

/// Label with the URL a target came from.
const META_URL: &str = "__meta_url";

/// Polls one URL.
#[derive(Debug)]
pub struct HttpDiscoverer {
    url: Url,
    /// As written, for labels and sources.
    url_text: String,
    interval: Duration,
    headers: HeaderMap,
    connection: Connection,
    failures: Counter,
    /// Groups of the last answer.
    known: usize,
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
            connection: client.connection(),
            failures: environment.metrics.http_failures.clone(),
            known: 0,
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let request = Request {
            headers: self.headers.clone(),
            ..Request::get(self.url.clone())
        };
        let deadline = Instant::now() + self.interval;
        let answer = fetch::fetch(&mut self.connection, request, deadline).await?;
        accept(&answer)?;
        let mut groups = fetch::decode(answer.body, group_text::from_json).await?;
        for (index, group) in groups.iter_mut().enumerate() {
            group.source = self.source(index);
            group.labels = with_label(&group.labels, META_URL, &self.url_text);
        }
        let found = groups.len();
        groups.extend((found..self.known).map(|index| TargetGroup::gone(&self.source(index))));
        self.known = found;
        Ok(groups)
    }

    fn source(&self, index: usize) -> String {
        format!("{}:{index}", self.url_text)
    }
}

impl Poll for HttpDiscoverer {
    const MECHANISM: &'static str = "http";

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn poll(&mut self) -> Result<Vec<TargetGroup>, Error> {
        self.ask().await.inspect_err(|_| self.failures.inc())
    }
}

fn accept(answer: &Answer) -> Result<(), Error> {
    if answer.status != StatusCode::OK {
        return Err(Error::BadContent(format!(
            "server returned HTTP status {}",
            answer.status_text()
        )));
    }
    let content_type = answer.headers.get(CONTENT_TYPE);
    let content_type = content_type.map_or(String::new(), |value| {
        String::from_utf8_lossy(value.as_bytes()).trim().to_owned()
    });
    if !is_json(&content_type) {
        return Err(Error::BadContent(format!(
            "unsupported content type {content_type:?}"
        )));
    }
    Ok(())
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
