//! Relabelling: rules that rewrite or drop label sets, in the order they are written.
//!
//! Semantics as the reference's `relabel_config` documentation has them. A rule with the default
//! expression and a rule whose result needs no group never run the regular expression engine for
//! captures.

mod action;
mod config;
mod regex;
mod validate;

use gocompat::regex::{Group, expand_with};
use gocompat::text;
use md5::{Digest, Md5};

pub use action::{RelabelAction, UnknownRelabelAction};
pub use regex::{DEFAULT_REGEX, RelabelRegex};
pub use validate::RelabelConfigError;

use crate::label_name::NameScheme;
use crate::{Labels, LabelsBuilder};

/// Joins the source labels' values where a rule says nothing else.
pub const DEFAULT_SEPARATOR: &str = ";";
/// The result of a rule that says nothing else: the expression's first group.
pub const DEFAULT_REPLACEMENT: &str = "$1";

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RelabelConfig {
    /// Labels whose values are joined and matched; `None` if none was written.
    pub source_labels: Option<Vec<String>>,
    /// What joins them.
    pub separator: String,
    /// What the joined value, or for the label actions each name, has to match.
    pub regex: RelabelRegex,
    /// Divisor of `hashmod`.
    pub modulus: u64,
    /// The label that is written, for `replace` a template.
    pub target_label: String,
    /// What is written: a template.
    pub replacement: String,
    /// What to do.
    pub action: RelabelAction,
    /// Which target names are legal.
    pub name_scheme: NameScheme,
}

impl Default for RelabelConfig {
    fn default() -> Self {
        Self {
            source_labels: None,
            separator: DEFAULT_SEPARATOR.to_owned(),
            regex: RelabelRegex::default(),
            modulus: 0,
            target_label: String::new(),
            replacement: DEFAULT_REPLACEMENT.to_owned(),
            action: RelabelAction::Replace,
            name_scheme: NameScheme::default(),
        }
    }
}

/// Applies `configs` in order. `None` if one of them drops the label set.
pub fn process(labels: &Labels, configs: &[RelabelConfig]) -> Option<Labels> {
    if configs.is_empty() {
        return Some(labels.clone());
    }
    let mut builder = LabelsBuilder::from_labels(labels);
    process_builder(&mut builder, configs).then(|| builder.labels())
}

/// Applies `configs` in order to what `builder` holds. `false` if one of them drops the label set;
/// what the builder then holds is of no use.
#[must_use]
pub fn process_builder(builder: &mut LabelsBuilder, configs: &[RelabelConfig]) -> bool {
    configs.iter().all(|config| config.apply(builder))
}

impl RelabelConfig {
    /// Applies this rule; `false` if it drops the label set.
    fn apply(&self, builder: &mut LabelsBuilder) -> bool {
        match self.action {
            RelabelAction::LabelMap => self.map_names(builder),
            RelabelAction::LabelDrop => {
                builder.retain(|name, _| !self.regex.is_match(name));
            }
            RelabelAction::LabelKeep => {
                builder.retain(|name, _| self.regex.is_match(name));
            }
            _ => return self.apply_to_value(builder),
        }
        true
    }

    /// The actions that look at the joined value of the source labels.
    fn apply_to_value(&self, builder: &mut LabelsBuilder) -> bool {
        let value = self.source_value(builder);
        match self.action {
            RelabelAction::Drop => return !self.regex.is_match(&value),
            RelabelAction::Keep => return self.regex.is_match(&value),
            RelabelAction::DropEqual => return builder.value_or_empty(&self.target_label) != value,
            RelabelAction::KeepEqual => return builder.value_or_empty(&self.target_label) == value,
            RelabelAction::Replace => self.replace(builder, &value),
            RelabelAction::Lowercase => {
                builder.set(&self.target_label, &text::to_lower(&value));
            }
            RelabelAction::Uppercase => {
                builder.set(&self.target_label, &text::to_upper(&value));
            }
            RelabelAction::HashMod => {
                builder.set(&self.target_label, &self.hash_mod(&value).to_string());
            }
            RelabelAction::LabelMap | RelabelAction::LabelDrop | RelabelAction::LabelKeep => {}
        }
        true
    }

    fn source_value(&self, builder: &LabelsBuilder) -> String {
        match self.source_labels.as_deref() {
            None | Some([]) => String::new(),
            Some([only]) => builder.value_or_empty(only).to_owned(),
            Some(names) => {
                let mut joined = String::new();
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        joined.push_str(&self.separator);
                    }
                    joined.push_str(builder.value_or_empty(name));
                }
                joined
            }
        }
    }

    fn replace(&self, builder: &mut LabelsBuilder, value: &str) {
        let templated = self.target_label.contains('$') || self.replacement.contains('$');
        if !templated {
            if self.regex.is_match(value) {
                self.set_checked(builder, &self.target_label, &self.replacement);
            }
            return;
        }
        let (mut target, mut result) = (String::new(), String::new());
        if self.regex.is_default() {
            // `(.*)` over all of the value: both groups are the value.
            let groups = |group: Group<'_>| matches!(group, Group::Index(0 | 1)).then_some(value);
            expand_with(&self.target_label, &mut target, groups);
            expand_with(&self.replacement, &mut result, groups);
        } else {
            let Some(captures) = self.regex.captures(value) else {
                return;
            };
            self.regex
                .expand(&self.target_label, &captures, &mut target);
            self.regex.expand(&self.replacement, &captures, &mut result);
        }
        self.set_checked(builder, &target, &result);
    }

    /// Sets `target` unless it is no legal name; an empty value removes it.
    fn set_checked(&self, builder: &mut LabelsBuilder, target: &str, value: &str) {
        if self.name_scheme.is_label_name(target) {
            builder.set(target, value);
        }
    }

    /// The last eight bytes of the value's MD5 sum, big endian, modulo the modulus.
    fn hash_mod(&self, value: &str) -> u64 {
        let sum = Md5::digest(value.as_bytes());
        let mut last = [0; 8];
        last.copy_from_slice(&sum[8..]);
        // Validation refuses zero.
        u64::from_be_bytes(last)
            .checked_rem(self.modulus)
            .unwrap_or(0)
    }

    fn map_names(&self, builder: &mut LabelsBuilder) {
        let matching: Vec<(String, String)> = builder
            .iter()
            .filter(|(name, _)| self.regex.is_match(name))
            .map(|(name, value)| {
                (
                    self.regex.replace_all(name, &self.replacement),
                    value.to_owned(),
                )
            })
            .collect();
        for (name, value) in matching {
            builder.set(&name, &value);
        }
    }
}

#[cfg(test)]
mod tests;
