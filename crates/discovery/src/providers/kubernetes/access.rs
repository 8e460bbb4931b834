//! How the API server is reached: the address, and who we are to it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use http_client::options::{Auth, Text, TlsOptions};
use http_client::{Client, ClientOptions, ProxyOptions, Variables};
use tokio::sync::Mutex;
use url::Url;

use super::exec::{ExecPlugin, Issued};
use super::kubeconfig;
use crate::config::KubernetesSdConfig;
use crate::error::Error;

/// Where a pod finds its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// An API server and our access to it.
#[derive(Debug)]
pub(super) struct Access {
    server: Url,
    options: ClientOptions,
    user_agent: String,
    headers: HeaderMap,
    plugin: Option<ExecPlugin>,
    current: Mutex<Option<Current>>,
    /// The next epoch.
    epochs: AtomicU64,
}

/// What requests are sent with now.
#[derive(Debug)]
struct Current {
    client: Client,
    headers: HeaderMap,
    issued: Option<Issued>,
    epoch: u64,
}

/// What a request is sent with.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) client: Client,
    /// Headers beside those of the client.
    pub(super) headers: HeaderMap,
    /// Grows with new credentials: connections of another epoch must not be used.
    pub(super) epoch: u64,
}

/// The address of the API server and the place of a service account, as a pod has them.
#[derive(Debug)]
pub struct Cluster<'a> {
    /// `KUBERNETES_SERVICE_HOST`.
    pub host: Option<String>,
    /// `KUBERNETES_SERVICE_PORT`.
    pub port: Option<String>,
    /// Folder with `token`, `ca.crt` and `namespace`.
    pub folder: &'a Path,
    /// The environment, which may name proxies.
    pub variables: Variables,
}

impl Cluster<'_> {
    /// Of this process.
    pub fn of_process() -> Cluster<'static> {
        Cluster {
            host: std::env::var("KUBERNETES_SERVICE_HOST").ok(),
            port: std::env::var("KUBERNETES_SERVICE_PORT").ok(),
            folder: Path::new(SERVICE_ACCOUNT),
            variables: Variables::of_process(),
        }
    }

    /// The proxies that are used where nothing else is said, as in the reference's client.
    fn proxies(&self) -> ProxyOptions {
        ProxyOptions::from_variables(&self.variables)
    }

    /// The namespace of the pod that we run in.
    pub(super) fn namespace(&self) -> Result<String, Error> {
        let path = self.folder.join("namespace");
        let text = read_small(&path).map_err(|err| {
            Error::BadContent(format!("could not determine the pod's namespace: {err}"))
        })?;
        if text.is_empty() {
            let reason = "could not read own namespace name (empty file)";
            return Err(Error::BadContent(reason.to_owned()));
        }
        Ok(text)
    }

    fn server(&self) -> Result<Url, Error> {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (Some(host), Some(port)) = (set(&self.host), set(&self.port)) else {
            let reason = "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and \
                          KUBERNETES_SERVICE_PORT must be defined";
            return Err(Error::BadContent(reason.to_owned()));
        };
        server_url(&format!(
            "https://{}",
            super::labels::host_port(&host, port)
        ))
    }
}

impl Access {
    /// As the section says: the given server, a file, or the cluster that we run in.
    pub(super) fn new(
        config: &KubernetesSdConfig,
        cluster: &Cluster<'_>,
        user_agent: &str,
    ) -> Result<Self, Error> {
        if !config.kubeconfig_file.is_empty() {
            let way = kubeconfig::read(Path::new(&*config.kubeconfig_file), &cluster.proxies())?;
            return Self::with(way, user_agent);
        }
        let Some(server) = &config.api_server else {
            return Self::with(in_cluster(cluster)?, user_agent);
        };
        let way = Way {
            server: server_url(server.as_str())?,
            options: ClientOptions::from(&config.http_client),
            headers: HeaderMap::new(),
            plugin: None,
        };
        Self::with(way, user_agent)
    }

    fn with(way: Way, user_agent: &str) -> Result<Self, Error> {
        // Mistakes in the options show now.
        let client = Client::new(way.options.clone(), user_agent)?;
        let current = way.plugin.is_none().then(|| Current {
            client,
            headers: way.headers.clone(),
            issued: None,
            epoch: 0,
        });
        Ok(Self {
            server: way.server,
            options: way.options,
            user_agent: user_agent.to_owned(),
            headers: way.headers,
            plugin: way.plugin,
            current: Mutex::new(current),
            epochs: AtomicU64::new(1),
        })
    }

    /// Where the API server is.
    pub(super) fn server(&self) -> &Url {
        &self.server
    }

    /// What to send a request with.
    pub(super) async fn credentials(&self) -> Result<Credentials, Error> {
        // Held while the plugin runs: others wait for what it issues.
        let mut current = self.current.lock().await;
        let usable = current.as_ref().filter(|current| {
            let issued = current.issued.as_ref();
            issued.is_none_or(Issued::is_good)
        });
        if let Some(current) = usable {
            return Ok(Credentials {
                client: current.client.clone(),
                headers: current.headers.clone(),
                epoch: current.epoch,
            });
        }
        let Some(plugin) = &self.plugin else {
            return Err(Error::BadContent("no credentials".to_owned()));
        };
        let issued = plugin.run().await?;
        let mut options = self.options.clone();
        issued.add_to(&mut options);
        let client = Client::new(options, &self.user_agent)?;
        let headers = self.headers.clone();
        let epoch = self.epochs.fetch_add(1, Ordering::Relaxed);
        *current = Some(Current {
            client: client.clone(),
            headers: headers.clone(),
            issued: Some(issued),
            epoch,
        });
        Ok(Credentials {
            client,
            headers,
            epoch,
        })
    }

    /// Forgets what a plugin issued: the server does not take it.
    pub(super) async fn renew(&self) {
        if self.plugin.is_some() {
            *self.current.lock().await = None;
        }
    }
}

/// What a configuration comes to.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) server: Url,
    pub(super) options: ClientOptions,
    /// Headers of every request.
    pub(super) headers: HeaderMap,
    pub(super) plugin: Option<ExecPlugin>,
}

/// As the service account of the pod that we run in. Token and authority are read anew from their
/// files, which the cluster replaces.
fn in_cluster(cluster: &Cluster<'_>) -> Result<Way, Error> {
    let server = cluster.server()?;
    let token = cluster.folder.join("token");
    read_small(&token).map_err(|source| Error::File {
        path: token.clone(),
        source,
    })?;
    let ca = cluster.folder.join("ca.crt");
    tracing::info!(
        component = "discovery manager",
        discovery = "kubernetes",
        "Using pod service account via in-cluster config"
    );
    Ok(Way {
        server,
        options: ClientOptions {
            auth: Auth::Header {
                kind: "Bearer".to_owned(),
                credentials: Text::File(token),
            },
            tls: TlsOptions {
                // Without the file the system's authorities count, as in the reference's client.
                ca: ca.exists().then_some(Text::File(ca)),
                ..TlsOptions::default()
            },
            proxy: cluster.proxies(),
            ..ClientOptions::default()
        },
        headers: HeaderMap::new(),
        plugin: None,
    })
}

/// A URL that requests can be sent to.
pub(super) fn server_url(text: &str) -> Result<Url, Error> {
    let refused = |reason: String| Error::BadContent(format!("API server {text:?}: {reason}"));
    let url = Url::parse(text).map_err(|err| refused(err.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(refused("not a URL with http:// or https://".to_owned()));
    }
    Ok(url)
}

/// Most bytes of files with credentials and of configurations.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The text of a small file, blanks at its ends apart.
pub(super) fn read_small(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_reaches_its_cluster() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "secret-token\n").unwrap();
        std::fs::write(dir.path().join("namespace"), "monitoring").unwrap();
        let cluster = |host: Option<&str>| Cluster {
            host: host.map(str::to_owned),
            port: Some("443".to_owned()),
            folder: dir.path(),
            variables: Variables::of([("HTTPS_PROXY", "http://p:3128"), ("no_proxy", "h")]),
        };
        let way = in_cluster(&cluster(Some("fd00::1"))).unwrap();
        assert_eq!(way.server.as_str(), "https://[fd00::1]/");
        assert_eq!(way.options.tls.ca, None);
        let expected = Some(yaml::Secret::new("http://p:3128"));
        assert_eq!(way.options.proxy.https, expected);
        assert_eq!(way.options.proxy.no_proxy.as_deref(), Some("h"));
        let Auth::Header { kind, credentials } = way.options.auth else {
            panic!("a token")
        };
        assert_eq!(kind, "Bearer");
        assert_eq!(credentials, Text::File(dir.path().join("token")));
        assert_eq!(cluster(None).namespace().unwrap(), "monitoring");
        let err = in_cluster(&cluster(None)).unwrap_err().to_string();
        assert!(err.contains("KUBERNETES_SERVICE_HOST"), "{err}");
        std::fs::write(dir.path().join("namespace"), "").unwrap();
        assert!(cluster(None).namespace().is_err());
        std::fs::remove_file(dir.path().join("token")).unwrap();
        assert!(in_cluster(&cluster(Some("h"))).is_err());
    }
}
