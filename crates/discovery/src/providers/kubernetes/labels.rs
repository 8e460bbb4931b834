//! Names of meta labels, and how names of Kubernetes become part of them.

use model::{Labels, LabelsBuilder};

use super::objects::{Meta, Pairs};

/// What every meta label of Kubernetes begins with.
const PREFIX: &str = "__meta_kubernetes_";
/// The value of labels that say that there is another one.
const PRESENT: &str = "true";

/// A label set in the making. Names are given without [`PREFIX`].
#[derive(Debug)]
pub(super) struct MetaLabels {
    builder: LabelsBuilder,
    /// The name that was set last: its memory is used again.
    name: String,
}

impl MetaLabels {
    /// Without any label.
    pub(super) fn new() -> Self {
        Self::over(LabelsBuilder::new())
    }

    /// Goes on from `labels`.
    pub(super) fn from_labels(labels: &Labels) -> Self {
        Self::over(LabelsBuilder::from_labels(labels))
    }

    fn over(builder: LabelsBuilder) -> Self {
        Self {
            builder,
            name: PREFIX.to_owned(),
        }
    }

    /// Sets the address.
    pub(super) fn address(&mut self, value: &str) -> &mut Self {
        self.builder.set(model::label_name::ADDRESS, value);
        self
    }

    /// Sets the label `instance`.
    pub(super) fn instance(&mut self, value: &str) -> &mut Self {
        self.builder.set(model::label_name::INSTANCE, value);
        self
    }

    /// Sets the meta label `name`; an empty value removes it, as it does in the reference once
    /// targets are made.
    pub(super) fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.set_named(name, "", value)
    }

    /// As [`set`](Self::set), where there is a value.
    pub(super) fn set_some(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.set(name, value);
        }
        self
    }

    /// Sets the meta label `<kind><name>`, with a name of Kubernetes made fit for a label.
    pub(super) fn set_named(&mut self, kind: &str, name: &str, value: &str) -> &mut Self {
        self.name.truncate(PREFIX.len());
        self.name.push_str(kind);
        self.name.extend(name.chars().map(label_char));
        self.builder.set(&self.name, value);
        self
    }

    /// Labels and annotations of an object of `kind`, and for each one that it is there.
    pub(super) fn set_metadata(&mut self, kind: &str, meta: &Meta) -> &mut Self {
        self.set_pairs(&format!("{kind}_label"), &meta.labels);
        self.set_pairs(&format!("{kind}_annotation"), &meta.annotations)
    }

    /// As [`set_metadata`](Self::set_metadata), with the object's name.
    pub(super) fn set_object(&mut self, kind: &str, meta: &Meta) -> &mut Self {
        self.set_named(kind, "_name", meta.name());
        self.set_metadata(kind, meta)
    }

    /// For each pair `<what>_<name>` with its value and `<what>present_<name>`.
    fn set_pairs(&mut self, what: &str, pairs: &Pairs) -> &mut Self {
        let (value_of, present) = (format!("{what}_"), format!("{what}present_"));
        for (name, value) in pairs.iter() {
            self.set_named(&value_of, name, value);
            self.set_named(&present, name, PRESENT);
        }
        self
    }

    /// Old topology keys: the one place where the word for presence is a part of its own.
    pub(super) fn set_topology(&mut self, kind: &str, pairs: &Pairs) -> &mut Self {
        let (value_of, present) = (format!("{kind}_"), format!("{kind}_present_"));
        for (name, value) in pairs.iter() {
            self.set_named(&value_of, name, value);
            self.set_named(&present, name, PRESENT);
        }
        self
    }

    /// The label set as it stands.
    pub(super) fn labels(&self) -> Labels {
        self.builder.labels()
    }
}

/// What stands for `letter` in the name of a label.
fn label_char(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || letter == '_' {
        letter
    } else {
        '_'
    }
}

/// The value of meta label `name` (without [`PREFIX`]), or the empty string.
pub(super) fn meta_value<'a>(labels: &'a Labels, name: &str) -> &'a str {
    labels.value_or_empty(&format!("{PREFIX}{name}"))
}

/// `host:port`, with brackets around an IPv6 address.
pub(super) fn host_port(host: &str, port: impl std::fmt::Display) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// `true` or `false`.
pub(super) fn bool_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_kubernetes_become_names_of_labels() {
        let mut labels = MetaLabels::new();
        labels.set_named("pod_label_", "app.kubernetes.io/näme-1", "x");
        labels.set("pod_ip", "");
        let labels = labels.labels();
        let expected = [("__meta_kubernetes_pod_label_app_kubernetes_io_n_me_1", "x")];
        assert_eq!(labels, Labels::from_pairs(expected));
    }

    #[test]
    fn addresses_of_both_families_take_a_port() {
        assert_eq!(host_port("10.0.0.1", 80), "10.0.0.1:80");
        assert_eq!(host_port("fd00::1", 80), "[fd00::1]:80");
    }
}
