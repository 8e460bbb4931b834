//! The otlp section: how OTLP data is translated.

use model::label_name::NameScheme;

yaml::record! {
    /// How OTLP data is translated.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct OtlpConfig: "config.OTLPConfig", checked "config.plain" {
        /// Whether every resource attribute becomes a label.
        pub promote_all_resource_attributes: bool => omit "promote_all_resource_attributes";
        /// Resource attributes that become labels.
        pub promote_resource_attributes: Vec<String> => omit "promote_resource_attributes";
        /// Exceptions where all become labels.
        pub ignore_resource_attributes: Vec<String> => omit "ignore_resource_attributes";
        /// How names are translated.
        pub translation_strategy: String = STRATEGIES[0].to_owned() => omit "translation_strategy";
        /// Whether identifying attributes stay on `target_info`.
        pub keep_identifying_resource_attributes: bool => omit "keep_identifying_resource_attributes";
        /// Whether histograms with explicit bounds become native ones.
        pub convert_histograms_to_nhcb: bool => omit "convert_histograms_to_nhcb";
        /// Whether the scope becomes labels.
        pub promote_scope_metadata: bool => omit "promote_scope_metadata";
        /// Whether label names that start with an underscore get a prefix.
        pub label_name_underscore_sanitization: bool = true => omit "label_name_underscore_sanitization";
        /// Whether runs of underscores stay.
        pub label_name_preserve_multiple_underscores: bool = true => omit "label_name_preserve_multiple_underscores";
    }
}

/// Known strategies, the default first; the last two keep names that are legal only as UTF-8.
const STRATEGIES: [&str; 4] = [
    "UnderscoreEscapingWithSuffixes",
    "UnderscoreEscapingWithoutSuffixes",
    "NoUTF8EscapingWithSuffixes",
    "NoTranslation",
];

impl OtlpConfig {
    fn check(&mut self) -> Result<(), String> {
        if self.promote_all_resource_attributes {
            if !self.promote_resource_attributes.is_empty() {
                return Err("'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured simultaneously".into());
            }
            return check_attributes(&mut self.ignore_resource_attributes, "ignored")
                .map_err(|err| format!("invalid 'ignore_resource_attributes': {err}"));
        }
        if !self.ignore_resource_attributes.is_empty() {
            return Err("'ignore_resource_attributes' cannot be configured unless 'promote_all_resource_attributes' is true".into());
        }
        check_attributes(&mut self.promote_resource_attributes, "promoted")
            .map_err(|err| format!("invalid 'promote_resource_attributes': {err}"))
    }

    /// Checks what depends on the name scheme in force.
    pub(crate) fn resolve(&self, scheme: NameScheme) -> Result<(), String> {
        let strategy = self.translation_strategy.as_str();
        if strategy.is_empty() {
            return Ok(());
        }
        match STRATEGIES.iter().position(|known| *known == strategy) {
            None => Err(format!(
                "unsupported OTLP translation strategy {strategy:?}"
            )),
            Some(2..) if scheme == NameScheme::Legacy => Err(format!(
                "OTLP translation strategy {strategy:?} is not allowed when UTF8 is disabled"
            )),
            Some(_) => Ok(()),
        }
    }
}

/// Trims names; refuses empty and repeated ones, naming all of them.
fn check_attributes(names: &mut [String], kind: &str) -> Result<(), String> {
    let mut problems = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for name in names {
        *name = name.trim().to_owned();
        if name.is_empty() {
            problems.push(format!("empty {kind} OTel resource attribute"));
        } else if seen.contains(name) {
            problems.push(format!(
                "duplicated {kind} OTel resource attribute {name:?}"
            ));
        } else {
            seen.push(name.clone());
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}
