//! Consul's HTTP API (v1): the agent, the catalog's list of services, the health of a service.

use std::collections::BTreeMap;

use http_client::options::Text;
use http_client::{Client, ClientOptions, Connection, Request, Variables};
use model::Labels;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;
use yaml::Secret;

use super::{Pace, entry};
use crate::config::ConsulSdConfig;
use crate::error::Error;
use crate::fetch::{self, Answer};

/// Where the API is and how it is asked.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    /// Ends before `/v1/`.
    base: Url,
    /// Parameters of all queries: which datacenter, namespace and partition.
    place: Vec<(&'static str, String)>,
    /// Parameters of all watches.
    watch: Vec<(&'static str, String)>,
    config: ConsulSdConfig,
}

/// Content with the index it was made at.
#[derive(Debug)]
pub(super) struct Reply<T> {
    pub(super) index: u64,
    pub(super) content: T,
}

/// `/v1/agent/self`, as far as it matters.
#[derive(Debug, Deserialize)]
pub(super) struct Agent {
    #[serde(rename = "Config", default)]
    config: BTreeMap<String, serde_json::Value>,
}

impl Agent {
    pub(super) fn datacenter(&self) -> Result<&str, Error> {
        let value = self.config.get("Datacenter");
        match value.and_then(serde_json::Value::as_str) {
            Some(datacenter) => Ok(datacenter),
            None => Err(Error::BadContent(format!(
                "invalid value '{}' for Config.Datacenter",
                value.map_or("<nil>".to_owned(), ToString::to_string)
            ))),
        }
    }
}

/// The services and their tags.
pub(super) type Services = BTreeMap<String, Option<Vec<String>>>;

impl Api {
    pub(super) fn new(config: &ConsulSdConfig, user_agent: &str) -> Result<Self, Error> {
        let (base, unix_socket) = base(config)?;
        let options = ClientOptions {
            unix_socket,
            ..client_options(config)
        };
        let client = Client::new(options, user_agent)?;
        let mut place = Vec::new();
        let mut set = |name, value: &String| {
            if !value.is_empty() {
                place.push((name, value.clone()));
            }
        };
        set("dc", &config.datacenter);
        set("ns", &config.namespace);
        set("partition", &config.partition);
        let mut watch = Vec::new();
        if config.allow_stale {
            watch.push(("stale", String::new()));
        }
        for (key, value) in &config.node_meta {
            watch.push(("node-meta", format!("{key}:{value}")));
        }
        Ok(Self {
            client,
            base,
            place,
            watch,
            config: config.clone(),
        })
    }

    pub(super) fn connection(&self) -> Connection {
        self.client.connection()
    }

    pub(super) async fn agent(
        &self,
        connection: &mut Connection,
        deadline: Instant,
    ) -> Result<Agent, Error> {
        let request = Request::get(self.url(&["agent", "self"], &[])?);
        fetch::json(connection, request, deadline, accept).await
    }

    pub(super) async fn services(
        &self,
        connection: &mut Connection,
        index: u64,
        pace: Pace,
    ) -> Result<Reply<Services>, Error> {
        let mut parameters = self.blocking(index, pace);
        if !self.config.filter.is_empty() {
            parameters.push(("filter", self.config.filter.clone()));
        }
        let url = self.url(&["catalog", "services"], &parameters)?;
        ask(connection, url, pace, fetch::from_json).await
    }

    pub(super) async fn service(
        &self,
        connection: &mut Connection,
        name: &str,
        index: u64,
        pace: Pace,
    ) -> Result<Reply<Vec<Labels>>, Error> {
        let mut parameters = self.blocking(index, pace);
        if !self.config.health_filter.is_empty() {
            parameters.push(("filter", self.config.health_filter.clone()));
        }
        let tags = self.config.tags.iter().map(|tag| ("tag", tag.clone()));
        parameters.extend(tags);
        let url = self.url(&["health", "service", name], &parameters)?;
        let separator = self.config.tag_separator.clone();
        let read = move |text: &[u8]| entry::targets(text, &separator);
        ask(connection, url, pace, read).await
    }

    /// Parameters of a query that waits for changes since `index`; 0 does not wait.
    fn blocking(&self, index: u64, pace: Pace) -> Vec<(&'static str, String)> {
        let mut parameters = self.watch.clone();
        if index > 0 {
            parameters.push(("index", index.to_string()));
        }
        parameters.push(("wait", format!("{}ms", pace.watch.as_millis())));
        parameters
    }

    fn url(&self, path: &[&str], parameters: &[(&'static str, String)]) -> Result<Url, Error> {
        let mut url = self.base.clone();
        let mut segments = url
            .path_segments_mut()
            .map_err(|()| Error::BadContent("consul: server is no address".to_owned()))?;
        segments.pop_if_empty().push("v1").extend(path);
        drop(segments);
        let all = self.place.iter().chain(parameters);
        if self.place.len() + parameters.len() > 0 {
            url.query_pairs_mut().extend_pairs(all);
        }
        Ok(url)
    }
}

/// `config` with what it leaves out, of which Consul's client takes some from the environment. The
/// reference's server always has an address and a client of its own, so that the client's other
/// variables (`CONSUL_HTTP_ADDR`, `CONSUL_HTTP_AUTH`, `CONSUL_CACERT`, …) do not count.
pub(in crate::providers) fn completed(
    config: &ConsulSdConfig,
    variables: &Variables,
) -> ConsulSdConfig {
    let mut config = config.clone();
    let value = |name| variables.get(name).unwrap_or_default();
    if config.token.is_empty() {
        config.token = Secret::new(value("CONSUL_HTTP_TOKEN"));
    }
    if config.namespace.is_empty() {
        config.namespace = value("CONSUL_NAMESPACE");
    }
    if config.partition.is_empty() {
        config.partition = value("CONSUL_PARTITION");
    }
    if config.scheme.is_empty() {
        let is_tls = gocompat::boolean::parse(&value("CONSUL_HTTP_SSL")) == Ok(true);
        config.scheme = if is_tls { "https" } else { "http" }.to_owned();
    }
    config
}

/// The options of the client, with the token as a header.
pub(in crate::providers) fn client_options(config: &ConsulSdConfig) -> ClientOptions {
    let mut options = ClientOptions::from(&config.http_client);
    if !config.token.is_empty() {
        let token = Secret::new(config.token.expose());
        let header = ("X-Consul-Token".to_owned(), Text::Inline(token));
        options.headers.push(header);
    }
    options
}

/// The API's URL, and the socket to dial if the server is one. A server may be written with a
/// scheme, which wins over the configured one, and with a path.
fn base(config: &ConsulSdConfig) -> Result<(Url, Option<std::path::PathBuf>), Error> {
    let (mut scheme, mut address) = (config.scheme.as_str(), config.server.as_str());
    let mut prefix = config.path_prefix.clone();
    let mut socket = None;
    if let Some((written, rest)) = config.server.split_once("://") {
        address = rest;
        match written {
            "unix" => {
                socket = Some(rest.into());
                address = "localhost";
            }
            // TLS that was asked for elsewhere stays.
            "http" => {}
            "https" => scheme = "https",
            other => {
                return Err(Error::BadContent(format!(
                    "Unknown protocol scheme: {other}"
                )));
            }
        }
        if socket.is_none()
            && let Some((host, path)) = address.split_once('/')
        {
            prefix = format!("/{path}");
            address = host;
        }
    }
    let scheme = if socket.is_some() { "http" } else { scheme };
    let slash = if prefix.is_empty() || prefix.starts_with('/') {
        ""
    } else {
        "/"
    };
    let text = format!("{scheme}://{address}{slash}{prefix}");
    let url = Url::parse(&text)
        .map_err(|err| Error::BadContent(format!("consul: parse {text:?}: {err}")))?;
    Ok((url, socket))
}

async fn ask<T: Send + 'static>(
    connection: &mut Connection,
    url: Url,
    pace: Pace,
    read: impl FnOnce(&[u8]) -> Result<T, Error> + Send + 'static,
) -> Result<Reply<T>, Error> {
    // The server adds up to a sixteenth to the time it waits.
    let deadline = Instant::now() + pace.watch + pace.retry;
    let answer = fetch::fetch(connection, Request::get(url), deadline).await?;
    accept(&answer)?;
    // Without a number there is no telling one answer from the next: as if it had none.
    let index = answer.header("x-consul-index").parse().unwrap_or(0);
    let content = fetch::decode(answer.body, read).await?;
    Ok(Reply { index, content })
}

fn accept(answer: &Answer) -> Result<(), Error> {
    if answer.status.as_u16() == 200 {
        return Ok(());
    }
    Err(Error::BadContent(format!(
        "Unexpected response code: {} ({})",
        answer.status.as_u16(),
        answer.text()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn based(server: &str, prefix: &str) -> Result<(String, Option<String>), String> {
        let config = ConsulSdConfig {
            server: server.to_owned(),
            path_prefix: prefix.to_owned(),
            scheme: "http".to_owned(),
            ..<ConsulSdConfig as yaml::Yaml>::zero()
        };
        let (url, socket) = base(&config).map_err(|err| err.to_string())?;
        let socket = socket.map(|path| path.display().to_string());
        Ok((url.to_string(), socket))
    }

    #[test]
    fn servers_are_written_in_many_ways() {
        let url = |text: &str| Ok((text.to_owned(), None));
        assert_eq!(based("h:8500", ""), url("http://h:8500/"));
        assert_eq!(based("h:8500", "/a"), url("http://h:8500/a"));
        assert_eq!(based("https://h:1", "a"), url("https://h:1/a"));
        assert_eq!(based("http://h:1/p/q", ""), url("http://h:1/p/q"));
        assert_eq!(
            based("unix:///run/c.sock", ""),
            Ok((
                "http://localhost/".to_owned(),
                Some("/run/c.sock".to_owned())
            ))
        );
        assert_eq!(
            based("ftp://h", ""),
            Err("Unknown protocol scheme: ftp".to_owned())
        );
    }

    #[test]
    fn the_environment_completes_a_configuration() {
        let bare = <ConsulSdConfig as yaml::Yaml>::zero();
        let set = Variables::of([
            ("CONSUL_HTTP_TOKEN", "t0"),
            ("CONSUL_NAMESPACE", "n0"),
            ("CONSUL_PARTITION", "p0"),
            ("CONSUL_HTTP_SSL", "true"),
            ("CONSUL_HTTP_ADDR", "elsewhere:1"),
        ]);
        let check = |config: &ConsulSdConfig, variables: &Variables, expected: [&str; 5]| {
            let found = completed(config, variables);
            let found = [
                found.token.expose(),
                &found.namespace,
                &found.partition,
                &found.scheme,
                &found.server,
            ];
            assert_eq!(found, expected);
        };
        let none = Variables::of([]);
        check(&bare, &none, ["", "", "", "http", ""]);
        check(&bare, &set, ["t0", "n0", "p0", "https", ""]);
        let plain = Variables::of([("CONSUL_HTTP_SSL", "yes")]);
        check(&bare, &plain, ["", "", "", "http", ""]);
        let configured = ConsulSdConfig {
            server: "h:1".to_owned(),
            token: Secret::new("t"),
            namespace: "n".to_owned(),
            partition: "p".to_owned(),
            scheme: "http".to_owned(),
            ..bare
        };
        check(&configured, &set, ["t", "n", "p", "http", "h:1"]);
    }

    #[test]
    fn what_is_no_datacenter_is_told() {
        let agent = |text: &str| serde_json::from_str::<Agent>(text).unwrap();
        assert_eq!(
            agent(r#"{"Config":{"Datacenter":"x"}}"#)
                .datacenter()
                .unwrap(),
            "x"
        );
        let told = |text: &str| agent(text).datacenter().unwrap_err().to_string();
        assert_eq!(told("{}"), "invalid value '<nil>' for Config.Datacenter");
        let number = r#"{"Config":{"Datacenter":7},"Member":[]}"#;
        assert_eq!(told(number), "invalid value '7' for Config.Datacenter");
    }
}
