//! Ingresses as a role.

use serde::Deserialize;

use super::labels::MetaLabels;
use super::objects::{self, Key, OwnGroup, WrittenMeta};

/// An ingress as the API sends it.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    #[serde(default)]
    metadata: WrittenMeta,
    spec: Option<Spec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    ingress_class_name: Option<Box<str>>,
    tls: Option<Vec<Tls>>,
    rules: Option<Vec<Rule>>,
}

#[derive(Debug, Deserialize)]
struct Tls {
    hosts: Option<Vec<Box<str>>>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    host: Option<Box<str>>,
    http: Option<Http>,
}

#[derive(Debug, Deserialize)]
struct Http {
    paths: Option<Vec<Path>>,
}

#[derive(Debug, Deserialize)]
struct Path {
    path: Option<Box<str>>,
}

impl objects::Written for Written {
    fn metadata(&mut self) -> &mut WrittenMeta {
        &mut self.metadata
    }
}

impl Written {
    /// The ingress's key and its group: a target for each path of each rule.
    pub(super) fn into_group(self) -> (Key, OwnGroup) {
        let meta = self.metadata.into_meta();
        let spec = self.spec.unwrap_or_default();
        let mut labels = MetaLabels::new();
        labels
            .set("namespace", meta.namespace())
            .set_some("ingress_class_name", spec.ingress_class_name.as_deref())
            .set_object("ingress", &meta);
        let rules = spec.rules.iter().flatten();
        let group = OwnGroup {
            labels: labels.labels(),
            targets: rules.flat_map(|rule| spec.targets(rule)).collect(),
        };
        (meta.key, group)
    }
}

impl Spec {
    fn targets(&self, rule: &Rule) -> Vec<model::Labels> {
        let host = rule.host.as_deref().unwrap_or("");
        let hosts = self.tls.iter().flatten().flat_map(|tls| &tls.hosts);
        let secure = hosts.flatten().any(|pattern| covers(pattern, host));
        let target = |path: &str| {
            let path = if path.is_empty() { "/" } else { path };
            let mut labels = MetaLabels::new();
            labels
                .address(host)
                .set("ingress_scheme", if secure { "https" } else { "http" })
                .set("ingress_host", host)
                .set("ingress_path", path);
            labels.labels()
        };
        match &rule.http {
            None => vec![target("/")],
            Some(http) => {
                let paths = http.paths.iter().flatten();
                let paths = paths.map(|path| path.path.as_deref().unwrap_or(""));
                paths.map(target).collect()
            }
        }
    }
}

/// Whether a certificate for `pattern` is good for `host`. A `*` stands for the first label of a name.
fn covers(pattern: &str, host: &str) -> bool {
    if pattern == host {
        return true;
    }
    let (Some(parent), Some((_, host_parent))) = (pattern.strip_prefix('*'), host.split_once('.'))
    else {
        return pattern == "*" && !host.contains('.');
    };
    parent.strip_prefix('.') == Some(host_parent)
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        assert!(covers("example.com", "example.com"));
        assert!(covers("*.example.com", "a.example.com"));
        assert!(!covers("*.example.com", "a.b.example.com"));
        assert!(!covers("*.example.com", "example.com"));
        assert!(!covers("a.*.com", "a.b.com"));
        assert!(covers("*", "localhost"));
        assert!(!covers("*", "a.b"));
    }
}
