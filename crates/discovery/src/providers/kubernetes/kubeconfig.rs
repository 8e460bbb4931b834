//! Client configuration files (`kubeconfig`): the current context's cluster and user.
//!
//! Format: <https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/>. Other keys are passed
//! over; those that would change who we are, and are not built, are refused by name.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use http_client::options::{Auth, Text, TlsOptions};
use http_client::{ClientOptions, ProxyOptions};
use yaml::Secret;

use super::access::{Way, read_small, server_url};
use super::exec::{ClusterInfo, ExecPlugin};
use crate::error::Error;

yaml::record! {
    /// The file.
    #[derive(Debug, Clone, PartialEq)]
    struct Written: "kubeconfig.Config", open {
        /// Name of the context to use.
        current_context: String => omit "current-context";
        /// Clusters.
        clusters: Vec<NamedCluster> => omit "clusters";
        /// Users.
        users: Vec<NamedUser> => omit "users";
        /// Pairs of them.
        contexts: Vec<NamedContext> => omit "contexts";
    }
}

yaml::record! {
    /// A cluster with its name.
    #[derive(Debug, Clone, PartialEq)]
    struct NamedCluster: "kubeconfig.NamedCluster", open {
        name: String => omit "name";
        cluster: WrittenCluster => omit "cluster";
    }
}

yaml::record! {
    /// A cluster.
    #[derive(Debug, Clone, PartialEq)]
    struct WrittenCluster: "kubeconfig.Cluster", open {
        server: String => omit "server";
        tls_server_name: String => omit "tls-server-name";
        insecure: bool => omit "insecure-skip-tls-verify";
        ca_file: String => omit "certificate-authority";
        ca_data: String => omit "certificate-authority-data";
        proxy_url: Secret => omit "proxy-url";
    }
}

yaml::record! {
    /// A context with its name.
    #[derive(Debug, Clone, PartialEq)]
    struct NamedContext: "kubeconfig.NamedContext", open {
        name: String => omit "name";
        context: WrittenContext => omit "context";
    }
}

yaml::record! {
    /// Names of a cluster and a user.
    #[derive(Debug, Clone, PartialEq)]
    struct WrittenContext: "kubeconfig.Context", open {
        cluster: String => omit "cluster";
        user: String => omit "user";
    }
}

yaml::record! {
    /// A user with its name.
    #[derive(Debug, Clone, PartialEq)]
    struct NamedUser: "kubeconfig.NamedAuthInfo", open {
        name: String => omit "name";
        user: WrittenUser => omit "user";
    }
}

yaml::record! {
    /// A user.
    #[derive(Debug, Clone, PartialEq)]
    struct WrittenUser: "kubeconfig.AuthInfo", open {
        cert_file: String => omit "client-certificate";
        cert_data: String => omit "client-certificate-data";
        key_file: String => omit "client-key";
        key_data: Secret => omit "client-key-data";
        token: Secret => omit "token";
        token_file: String => omit "tokenFile";
        username: String => omit "username";
        password: Secret => omit "password";
        act_as: String => omit "as";
        act_as_uid: String => omit "as-uid";
        act_as_groups: Vec<String> => omit "as-groups";
        auth_provider: Option<WrittenProvider> => omit "auth-provider";
        exec: Option<WrittenExec> => omit "exec";
    }
}

yaml::record! {
    /// A mechanism that Kubernetes has given up.
    #[derive(Debug, Clone, PartialEq)]
    struct WrittenProvider: "kubeconfig.AuthProviderConfig", open {
        name: String => omit "name";
    }
}

yaml::record! {
    /// A command that issues credentials.
    #[derive(Debug, Clone, PartialEq)]
    struct WrittenExec: "kubeconfig.ExecConfig", open {
        command: String => omit "command";
        args: Vec<Secret> => omit "args";
        env: Vec<WrittenVariable> => omit "env";
        api_version: String => omit "apiVersion";
        install_hint: String => omit "installHint";
        provide_cluster_info: bool => omit "provideClusterInfo";
        interactive_mode: String => omit "interactiveMode";
    }
}

yaml::record! {
    /// A variable of its environment.
    #[derive(Debug, Clone, PartialEq)]
    struct WrittenVariable: "kubeconfig.ExecEnvVar", open {
        name: String => omit "name";
        value: Secret => omit "value";
    }
}

/// The way that the current context of the file describes, through `proxies` unless it names one.
pub(super) fn read(path: &Path, proxies: &ProxyOptions) -> Result<Way, Error> {
    let text = read_small(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    way(&text, folder, proxies)
        .map_err(|reason| Error::BadContent(format!("{}: {reason}", path.display())))
}

fn way(text: &str, folder: &Path, proxies: &ProxyOptions) -> Result<Way, String> {
    let mut written = Written::default();
    yaml::decode(text, yaml::Dialect::V2, false, &mut written).map_err(|err| err.to_string())?;
    let current = &written.current_context;
    if current.is_empty() {
        return Err("no current-context is set".to_owned());
    }
    let mut contexts = written.contexts.iter();
    let context = contexts.find(|context| context.name == *current);
    let context = &context.ok_or(format!("no context {current:?}"))?.context;
    let mut clusters = written.clusters.iter();
    let cluster = clusters.find(|cluster| cluster.name == context.cluster);
    let cluster = &cluster
        .ok_or(format!("no cluster {:?}", context.cluster))?
        .cluster;
    let user = match context.user.as_str() {
        "" => WrittenUser::default(),
        name => {
            let mut users = written.users.iter();
            let user = users.find(|user| user.name == name);
            user.ok_or(format!("no user {name:?}"))?.user.clone()
        }
    };
    if user.auth_provider.is_some() {
        return Err("auth-provider is no longer part of Kubernetes; use exec".to_owned());
    }
    let server = server_url(&cluster.server).map_err(|err| err.to_string())?;
    let tls = TlsOptions {
        ca: pem(
            "certificate-authority",
            &cluster.ca_data,
            &cluster.ca_file,
            folder,
        )?,
        identity: identity(&user, folder)?,
        server_name: cluster.tls_server_name.clone(),
        insecure_skip_verify: cluster.insecure,
        ..TlsOptions::default()
    };
    let exec = user.exec.as_ref();
    let plugin = exec.map(|exec| plugin(exec, cluster, folder)).transpose()?;
    Ok(Way {
        server,
        options: ClientOptions {
            auth: auth(&user, folder),
            tls,
            proxy: proxy(cluster, proxies),
            ..ClientOptions::default()
        },
        headers: impersonation(&user)?,
        plugin,
    })
}

/// The proxy on the way to the API server: the cluster's own, else those of the environment.
fn proxy(cluster: &WrittenCluster, others: &ProxyOptions) -> ProxyOptions {
    if cluster.proxy_url.is_empty() {
        return others.clone();
    }
    let url = Some(cluster.proxy_url.clone());
    ProxyOptions {
        http: url.clone(),
        https: url,
        ..ProxyOptions::default()
    }
}

/// Where a file is that is named beside the configuration.
fn beside(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}

/// What is given in place (in base64), else by a file. What is given in place counts.
fn pem(what: &str, data: &str, file: &str, folder: &Path) -> Result<Option<Text>, String> {
    if !data.is_empty() {
        let packed: String = data.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(packed);
        let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or(format!("{what}-data is not base64 of PEM"))?;
        return Ok(Some(Text::Inline(Secret::new(text))));
    }
    Ok((!file.is_empty()).then(|| Text::File(beside(folder, file))))
}

fn identity(user: &WrittenUser, folder: &Path) -> Result<Option<(Text, Text)>, String> {
    let cert = pem(
        "client-certificate",
        &user.cert_data,
        &user.cert_file,
        folder,
    )?;
    let key = pem("client-key", user.key_data.expose(), &user.key_file, folder)?;
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        (None, None) => Ok(None),
        _ => Err("client-certificate and client-key go together".to_owned()),
    }
}

fn auth(user: &WrittenUser, folder: &Path) -> Auth {
    let bearer = |credentials| Auth::Header {
        kind: "Bearer".to_owned(),
        credentials,
    };
    if !user.token_file.is_empty() {
        return bearer(Text::File(beside(folder, &user.token_file)));
    }
    if !user.token.is_empty() {
        return bearer(Text::Inline(user.token.clone()));
    }
    if !user.username.is_empty() || !user.password.is_empty() {
        return Auth::Basic {
            username: Text::inline(&user.username),
            password: Text::Inline(user.password.clone()),
        };
    }
    Auth::None
}

/// Headers that ask to be taken for somebody else.
fn impersonation(user: &WrittenUser) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &'static str, value: &str| {
        let value = HeaderValue::from_str(value).map_err(|_| format!("a bad {name}"))?;
        headers.append(HeaderName::from_static(name), value);
        Ok::<(), String>(())
    };
    if user.act_as.is_empty() {
        if !user.act_as_uid.is_empty() || !user.act_as_groups.is_empty() {
            return Err("as-uid and as-groups need as".to_owned());
        }
        return Ok(headers);
    }
    add("impersonate-user", &user.act_as)?;
    if !user.act_as_uid.is_empty() {
        add("impersonate-uid", &user.act_as_uid)?;
    }
    for group in &user.act_as_groups {
        add("impersonate-group", group)?;
    }
    Ok(headers)
}

fn plugin(
    exec: &WrittenExec,
    cluster: &WrittenCluster,
    folder: &Path,
) -> Result<ExecPlugin, String> {
    if exec.command.is_empty() {
        return Err("exec has no command".to_owned());
    }
    let known = ["v1", "v1beta1"].map(|version| format!("client.authentication.k8s.io/{version}"));
    if !known.contains(&exec.api_version) {
        return Err(format!(
            "exec: apiVersion {:?} is not known",
            exec.api_version
        ));
    }
    if exec.interactive_mode == "Always" {
        return Err("exec: interactiveMode \"Always\" needs a terminal".to_owned());
    }
    // A name alone is looked up in PATH, a path is beside the file.
    let command = if exec.command.contains('/') {
        beside(folder, &exec.command)
    } else {
        PathBuf::from(&exec.command)
    };
    let cluster = exec
        .provide_cluster_info
        .then(|| cluster_info(cluster, folder));
    Ok(ExecPlugin {
        command,
        args: exec
            .args
            .iter()
            .map(|arg| arg.expose().to_owned())
            .collect(),
        env: exec
            .env
            .iter()
            .map(|variable| (variable.name.clone(), variable.value.clone()))
            .collect(),
        api_version: exec.api_version.clone(),
        install_hint: exec.install_hint.clone(),
        cluster: cluster.transpose()?,
    })
}

fn cluster_info(cluster: &WrittenCluster, folder: &Path) -> Result<ClusterInfo, String> {
    let certificate_authority_data = if cluster.ca_data.is_empty() && !cluster.ca_file.is_empty() {
        let text = read_small(&beside(folder, &cluster.ca_file));
        STANDARD.encode(text.map_err(|err| format!("certificate-authority: {err}"))?)
    } else {
        cluster.ca_data.clone()
    };
    Ok(ClusterInfo {
        server: cluster.server.clone(),
        tls_server_name: cluster.tls_server_name.clone(),
        insecure_skip_tls_verify: cluster.insecure,
        certificate_authority_data,
    })
}

#[cfg(test)]
mod tests;
