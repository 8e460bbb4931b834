//! Objects of a Kubernetes cluster.

use http_client::config::{EndpointUrl, HttpClientConfig};
use yaml::FilePath;

mod selector;

/// Roles, in the order the reference lists them.
const ROLES: [&str; 6] = [
    "pod",
    "service",
    "endpoints",
    "endpointslice",
    "node",
    "ingress",
];

yaml::record! {
    /// Objects of a Kubernetes cluster.
    #[derive(Debug, Clone, PartialEq)]
    pub struct KubernetesSdConfig: "kubernetes.SDConfig", checked "kubernetes.plain" {
        /// API server; the one of the own cluster if absent.
        pub api_server: Option<EndpointUrl> => omit "api_server";
        /// `pod`, `service`, `endpoints`, `endpointslice`, `node` or `ingress`.
        pub role: String => keep "role";
        /// Client configuration file.
        pub kubeconfig_file: FilePath => keep "kubeconfig_file";
        /// HTTP client options.
        pub http_client: HttpClientConfig => inline;
        /// Namespaces to look at.
        pub namespaces: NamespaceDiscovery => omit "namespaces";
        /// Label and field selectors.
        pub selectors: Vec<ResourceSelector> => omit "selectors";
        /// Metadata of related objects to attach.
        pub attach_metadata: AttachMetadata => omit "attach_metadata";
    }
}

yaml::record! {
    /// Namespaces to look at; all if nothing is set.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct NamespaceDiscovery: "kubernetes.NamespaceDiscovery", checked "kubernetes.plain" {
        /// Whether the own namespace is one of them.
        pub own_namespace: bool => keep "own_namespace";
        /// Names.
        pub names: Vec<String> => keep "names";
    }
}

yaml::record! {
    /// Which objects of a role to ask for.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ResourceSelector: "kubernetes.SelectorConfig", open {
        /// Role of the objects.
        pub role: String => omit "role";
        /// Label selector.
        pub label: String => omit "label";
        /// Field selector.
        pub field: String => omit "field";
    }
}

yaml::record! {
    /// Metadata of related objects to attach.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AttachMetadata: "kubernetes.AttachMetadataConfig", checked "kubernetes.plain" {
        /// Labels and annotations of the node.
        pub node: bool => keep "node";
        /// Labels and annotations of the namespace.
        pub namespace: bool => omit "namespace";
        /// Name of the owning deployment.
        pub deployment: bool => omit "deployment";
        /// Name of the owning job.
        pub job: bool => omit "job";
        /// Name of the owning cron job.
        pub cronjob: bool => omit "cronjob";
    }
}

impl NamespaceDiscovery {
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "the shape records share"
    )]
    fn check(&mut self) -> Result<(), String> {
        Ok(())
    }
}

impl AttachMetadata {
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "the shape records share"
    )]
    fn check(&mut self) -> Result<(), String> {
        Ok(())
    }
}

impl KubernetesSdConfig {
    fn check(&mut self) -> Result<(), String> {
        if self.role.is_empty() {
            return Err(format!("role missing (one of: {})", ROLES.join(", ")));
        }
        if !ROLES.contains(&self.role.as_str()) {
            return Err(format!("unknown Kubernetes SD role {:?}", self.role));
        }
        let has_own_options = !self.http_client.is_default();
        self.http_client.validate()?;
        let has_server = self.api_server.is_some();
        let has_file = !self.kubeconfig_file.is_empty();
        let own_namespace = self.namespaces.own_namespace;
        let conflicts = [
            (
                has_file && has_server,
                "cannot use 'kubeconfig_file' and 'api_server' simultaneously",
            ),
            (
                has_file && has_own_options,
                "cannot use a custom HTTP client configuration together with 'kubeconfig_file'",
            ),
            (
                !has_server && has_own_options,
                "to use custom HTTP client configuration please provide the 'api_server' URL explicitly",
            ),
            (
                has_server && own_namespace,
                "cannot use 'api_server' and 'namespaces.own_namespace' simultaneously",
            ),
            (
                has_file && own_namespace,
                "cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously",
            ),
        ];
        if let Some((_, text)) = conflicts.iter().find(|(conflict, _)| *conflict) {
            return Err((*text).to_owned());
        }
        self.check_selectors()
    }

    fn check_selectors(&self) -> Result<(), String> {
        let allowed: &[&str] = match self.role.as_str() {
            "pod" => &["pod", "node"],
            "endpoints" => &["pod", "service", "endpoints"],
            "endpointslice" => &["pod", "service", "endpointslice"],
            "service" => &["service"],
            "node" => &["node"],
            _ => &["ingress"],
        };
        for (index, selector) in self.selectors.iter().enumerate() {
            let role = selector.role.as_str();
            if !role.is_empty() && !ROLES.contains(&role) {
                return Err(format!("unknown Kubernetes SD role {role:?}"));
            }
            if self.selectors[..index]
                .iter()
                .any(|before| before.role == selector.role)
            {
                return Err(format!("duplicated selector role: {role}"));
            }
            if !allowed.contains(&role) {
                let allowed = allowed.join(", ");
                return Err(format!(
                    "{} role supports only {allowed} selectors",
                    self.role
                ));
            }
            selector::check_fields(&selector.field)?;
            selector::check_labels(&selector.label)?;
        }
        Ok(())
    }
}
