//! How a relabelling rule reads and prints. Whether it makes sense depends on the name scheme of its
//! owner, who calls [`RelabelConfig::validate`](super::RelabelConfig::validate).

use yaml::{Decoder, Fatal, NodeId, Tree, Yaml};

use super::{DEFAULT_REPLACEMENT, DEFAULT_SEPARATOR, RelabelAction, RelabelConfig, RelabelRegex};
use crate::label_name::NameScheme;

yaml::record! {
    /// A rule as written.
    struct Written: "relabel.Config", open {
        source_labels: Option<Vec<String>> => omit "source_labels";
        separator: String = DEFAULT_SEPARATOR.to_owned() => keep "separator";
        regex: RelabelRegex => omit "regex";
        modulus: u64 => omit "modulus";
        target_label: String => omit "target_label";
        replacement: String = DEFAULT_REPLACEMENT.to_owned() => keep "replacement";
        action: String = "replace".to_owned() => omit "action";
    }
}

impl Yaml for RelabelConfig {
    fn go_type() -> String {
        "relabel.Config".to_owned()
    }

    fn zero() -> Self {
        Self {
            separator: String::new(),
            replacement: String::new(),
            ..Self::default()
        }
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        let mut written = Written::default();
        let before = decoder.issue_count();
        yaml::record::decode_record(&mut written, decoder, id, "relabel.plain")?;
        if decoder.issue_count() != before {
            return Ok(());
        }
        if written.action.is_empty() {
            return Err(Fatal::new("relabel action cannot be empty"));
        }
        let action: Result<RelabelAction, _> = written.action.parse();
        *self = Self {
            source_labels: written.source_labels,
            separator: written.separator,
            regex: written.regex,
            modulus: written.modulus,
            target_label: written.target_label,
            replacement: written.replacement,
            action: action.map_err(|err| Fatal::new(err.to_string()))?,
            name_scheme: NameScheme::default(),
        };
        Ok(())
    }

    fn encode(&self) -> Tree {
        let names = self.source_labels.iter().flatten();
        let names: Vec<Tree> = names.map(|name| Tree::Text(name.clone())).collect();
        let written = Written {
            source_labels: None,
            separator: self.separator.clone(),
            regex: self.regex.clone(),
            modulus: self.modulus,
            target_label: self.target_label.clone(),
            replacement: self.replacement.clone(),
            action: self.action.to_string(),
        };
        let mut pairs = Vec::new();
        if !names.is_empty() {
            pairs.push(("source_labels".to_owned(), Tree::FlowSequence(names)));
        }
        yaml::record::Record::encode_keys(&written, &mut pairs);
        Tree::Record(pairs)
    }

    fn is_zero(&self) -> bool {
        false
    }
}

impl Yaml for RelabelRegex {
    fn go_type() -> String {
        "relabel.Regexp".to_owned()
    }

    fn zero() -> Self {
        Self::new("").unwrap_or_default()
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        let mut text = String::new();
        let before = decoder.issue_count();
        decoder.read(&mut text, id)?;
        if decoder.issue_count() == before {
            *self = Self::new(&text).map_err(|err| Fatal::new(err.to_string()))?;
        }
        Ok(())
    }

    fn encode(&self) -> Tree {
        Tree::Text(self.as_str().to_owned())
    }

    fn is_zero(&self) -> bool {
        !self.is_written()
    }
}

/// An absent list of source labels is not the same as an empty one.
#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Result<RelabelConfig, String> {
        let mut config = RelabelConfig::default();
        yaml::decode(text, yaml::Dialect::V2, true, &mut config).map_err(|err| err.to_string())?;
        Ok(config)
    }

    #[test]
    fn a_rule_prints_with_its_defaults() {
        let config = rule("source_labels: [a, b]\nregex: x.*\ntarget_label: t\n").expect("valid");
        assert_eq!(
            yaml::to_text(&config.encode()),
            "source_labels: [a, b]\nseparator: ;\nregex: x.*\ntarget_label: t\nreplacement: $1\n\
             action: replace\n"
        );
        let config =
            rule("{separator: '', regex: '', target_label: t, replacement: ''}").expect("valid");
        assert_eq!(
            yaml::to_text(&config.encode()),
            "separator: \"\"\nregex: \"\"\ntarget_label: t\nreplacement: \"\"\naction: replace\n"
        );
    }

    #[test]
    fn bad_rules_are_refused_in_the_reference_words() {
        let check = |text: &str, expected: &str| {
            assert_eq!(rule(text).map(|_| ()), Err(expected.to_owned()), "{text}");
        };
        check("action: foo", "unknown relabel action \"foo\"");
        check("action:", "relabel action cannot be empty");
        check(
            "actio: x",
            "yaml: unmarshal errors:\n  line 1: field actio not found in type relabel.plain",
        );
    }
}
