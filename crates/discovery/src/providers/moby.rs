//! The Docker Engine API: where the daemon is, which version it speaks, lists of things.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use http_client::config::HttpClientConfig;
use http_client::{Client, ClientOptions, Connection, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use crate::config::MobyFilter;
use crate::error::Error;
use crate::fetch::{self, Answer};

pub(super) mod networks;

/// The newest version of the API that we ask for; what we read has been in it since 1.24.
const VERSION_MAX: Version = Version(1, 55);
/// The version of daemons that do not tell theirs.
const VERSION_UNTOLD: Version = Version(1, 24);
/// The host in requests to a socket in the file system, where it means nothing.
const SOCKET_HOST: &str = "http://api.moby.localhost";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

/// A daemon, asked over one connection.
#[derive(Debug)]
pub(super) struct Engine {
    connection: Connection,
    base: Url,
    timeout: Duration,
    /// What both sides speak, once the daemon has said what it does.
    version: Option<Version>,
}

/// Filters of a list: each name with the values of which one must match.
#[derive(Debug, Default)]
pub(super) struct Filters(BTreeMap<String, BTreeSet<String>>);

impl From<&[MobyFilter]> for Filters {
    fn from(written: &[MobyFilter]) -> Self {
        let mut filters = BTreeMap::<String, BTreeSet<String>>::new();
        for filter in written {
            for value in &filter.values {
                let values = filters.entry(filter.name.clone()).or_default();
                values.insert(value.clone());
            }
        }
        Self(filters)
    }
}

impl Filters {
    /// As the API takes them: `{"name":{"value":true}}`.
    fn json(&self) -> String {
        let sets = self.0.iter().map(|(name, values)| {
            let values = values.iter().map(|value| (value.clone(), true.into()));
            (name.clone(), serde_json::Value::Object(values.collect()))
        });
        serde_json::Value::Object(sets.collect()).to_string()
    }
}

impl Engine {
    /// The daemon at `host`, a URL of scheme `unix`, `tcp`, `http` or `https`. As in the reference
    /// the HTTP options count with the last two only.
    pub(super) fn new(
        host: &str,
        http_client: &HttpClientConfig,
        timeout: Duration,
        user_agent: &str,
    ) -> Result<Self, Error> {
        let (base, unix_socket) = locate(host)?;
        let options = if host.starts_with("http") {
            ClientOptions::from(http_client)
        } else {
            ClientOptions {
                unix_socket,
                ..ClientOptions::default()
            }
        };
        let client = Client::new(options, user_agent)?;
        Ok(Self {
            connection: client.connection(),
            base,
            timeout,
            version: None,
        })
    }

    /// What the API lists at `path`.
    pub(super) async fn list<T: DeserializeOwned + Send + 'static>(
        &mut self,
        path: &str,
        filters: &Filters,
    ) -> Result<Vec<T>, Error> {
        let Version(major, minor) = self.negotiate().await?;
        let version = format!("v{major}.{minor}");
        let mut url = self.url(&[&version, path])?;
        if !filters.0.is_empty() {
            url.query_pairs_mut()
                .append_pair("filters", &filters.json());
        }
        let deadline = Instant::now() + self.timeout;
        let shown = url.clone();
        let accept = |answer: &Answer| accept(answer, &shown);
        let listed: Option<Vec<T>> =
            fetch::json(&mut self.connection, Request::get(url), deadline, accept).await?;
        Ok(listed.unwrap_or_default())
    }

    /// The version that both sides speak; asked for until the daemon has answered once.
    async fn negotiate(&mut self) -> Result<Version, Error> {
        if let Some(version) = self.version {
            return Ok(version);
        }
        let url = self.url(&["_ping"])?;
        let request = Request {
            method: Method::HEAD,
            ..Request::get(url.clone())
        };
        let deadline = Instant::now() + self.timeout;
        let mut answer = fetch::fetch(&mut self.connection, request, deadline).await?;
        // A daemon that is not well answers 500 and tells its version all the same; others may not
        // know the method.
        if !matches!(answer.status.as_u16(), 200 | 500) {
            let request = Request::get(url.clone());
            answer = fetch::fetch(&mut self.connection, request, deadline).await?;
            accept(&answer, &url)?;
        }
        let theirs = match answer.header("api-version") {
            "" => VERSION_UNTOLD,
            text => Version::parse(text)
                .ok_or_else(|| Error::BadContent(format!("invalid API version: {text:?}")))?,
        };
        let version = theirs.min(VERSION_MAX);
        self.version = Some(version);
        Ok(version)
    }

    fn url(&self, path: &[&str]) -> Result<Url, Error> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Error::BadContent("docker: host is no address".to_owned()))?
            .pop_if_empty()
            .extend(path.iter().flat_map(|part| part.split('/')));
        Ok(url)
    }
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

/// The URL before the version, and the socket to dial.
fn locate(host: &str) -> Result<(Url, Option<PathBuf>), Error> {
    let unreadable = || Error::BadContent(format!("unable to parse docker host `{host}`"));
    let (scheme, address) = host.split_once("://").ok_or_else(unreadable)?;
    let (text, socket) = match scheme {
        "unix" => (SOCKET_HOST.to_owned(), Some(PathBuf::from(address))),
        "tcp" => (format!("http://{address}"), None),
        "http" | "https" => (host.to_owned(), None),
        _ => return Err(Error::BadContent(format!("protocol not available: {host}"))),
    };
    let url = Url::parse(&text).map_err(|_| unreadable())?;
    Ok((url, socket))
}

fn accept(answer: &Answer, url: &Url) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    if answer.status.is_success() {
        return Ok(());
    }
    if answer.body.is_empty() {
        return Err(Error::BadContent(format!(
            "request returned {} for API route and version {url}, check if the server supports the requested API version",
            answer.status.canonical_reason().unwrap_or(""),
        )));
    }
    let told = match fetch::from_json::<Refusal>(&answer.body) {
        Ok(refusal) => refusal.message.trim().to_owned(),
        Err(_) => answer.text(),
    };
    Err(Error::BadContent(format!(
        "Error response from daemon: {told}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_urls() {
        let located = |host: &str| {
            let (url, socket) = locate(host).map_err(|err| err.to_string())?;
            Ok((
                url.to_string(),
                socket.map(|path| path.display().to_string()),
            ))
        };
        let url = |text: &str| Ok::<_, String>((text.to_owned(), None));
        assert_eq!(located("tcp://h:2375"), url("http://h:2375/"));
        assert_eq!(located("https://h/p"), url("https://h/p"));
        assert_eq!(
            located("unix:///var/run/docker.sock"),
            Ok((
                "http://api.moby.localhost/".to_owned(),
                Some("/var/run/docker.sock".to_owned())
            ))
        );
        let refused = |host| located(host).unwrap_err();
        assert_eq!(refused("h:1"), "unable to parse docker host `h:1`");
        assert_eq!(
            refused("npipe:////x"),
            "protocol not available: npipe:////x"
        );
    }

    #[test]
    fn filters_are_sets() {
        let filter = |name: &str, values: &[&str]| MobyFilter {
            name: name.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let written = [
            filter("label", &["b", "a"]),
            filter("label", &["a"]),
            filter("x", &[]),
        ];
        let filters = Filters::from(&written[..]);
        assert_eq!(filters.json(), r#"{"label":{"a":true,"b":true}}"#);
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(Version::parse("1.9") < Version::parse("1.44"));
        assert_eq!(Version::parse("1.44"), Some(Version(1, 44)));
        assert_eq!(Version::parse("x"), None);
    }
}
