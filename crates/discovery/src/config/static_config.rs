//! Targets written in the configuration.

use model::config_value::LabelSet;

const GO_TYPE: &str = "struct { Targets []string \"yaml:\\\"targets\\\"\"; Labels model.LabelSet \"yaml:\\\"labels\\\"\" }";

yaml::record! {
    /// A group of targets with labels of their own. Files of target groups hold the same.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Written: "targetgroup.Group", open {
        targets: Vec<String> => keep "targets";
        labels: LabelSet => omit "labels";
    }
}

/// A group of targets with labels of their own. Files of target groups hold the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaticConfig {
    /// Host and port of each target.
    pub targets: Vec<String>,
    /// Labels of all of them.
    pub labels: LabelSet,
}

impl yaml::Yaml for StaticConfig {
    fn go_type() -> String {
        "targetgroup.Group".to_owned()
    }

    fn zero() -> Self {
        Self::default()
    }

    fn decode(
        &mut self,
        decoder: &mut yaml::Decoder<'_>,
        id: yaml::NodeId,
    ) -> Result<(), yaml::Fatal> {
        let mut written = Written::default();
        yaml::record::decode_record(&mut written, decoder, id, GO_TYPE)?;
        (self.targets, self.labels) = (written.targets, written.labels);
        Ok(())
    }

    fn encode(&self) -> yaml::Tree {
        Written {
            targets: self.targets.clone(),
            labels: self.labels.clone(),
        }
        .encode()
    }

    fn is_zero(&self) -> bool {
        false
    }
}
