//! Rule files: groups of recording and alerting rules. Anchors, aliases and merge keys are allowed;
//! only the first document counts.

use std::collections::BTreeMap;

use model::config_value::Duration;
use promql_parser::ParserOptions;
use yaml::{Dialect, Spanned};

mod duplicates;
mod template_lint;
mod validate;

pub use duplicates::{DuplicateRule, duplicate_rules};

yaml::record! {
    /// All groups of a file.
    #[derive(Debug, Clone, PartialEq)]
    pub struct RuleGroups: "rulefmt.RuleGroups", open {
        /// The groups.
        pub groups: Vec<Spanned<RuleGroup>> => keep "groups";
    }
}

yaml::record! {
    /// Rules that run one after the other.
    #[derive(Debug, Clone, PartialEq)]
    pub struct RuleGroup: "rulefmt.RuleGroup", open {
        /// Name, unique in the file.
        pub name: String => keep "name";
        /// Time between evaluations; the global one if zero.
        pub interval: Duration => omit "interval";
        /// How far back rules look; the global value if absent.
        pub query_offset: Option<Duration> => omit "query_offset";
        /// Most alerts or series a rule may give; 0 is no limit.
        pub limit: i64 => omit "limit";
        /// The rules.
        pub rules: Vec<Rule> => keep "rules";
        /// Labels added to all of them; a rule's own win.
        pub labels: BTreeMap<String, String> => omit "labels";
    }
}

yaml::record! {
    /// A recording or an alerting rule.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Rule: "rulefmt.Rule", open {
        /// Name of the series a recording rule writes.
        pub record: Spanned<String> => omit "record";
        /// Name of the alert.
        pub alert: Spanned<String> => omit "alert";
        /// The expression.
        pub expr: Spanned<String> => keep "expr";
        /// How long the expression must hold.
        pub hold: Duration => omit "for";
        /// How long the alert stays after the expression holds no more.
        pub keep_firing_for: Duration => omit "keep_firing_for";
        /// Labels; templates in alerts.
        pub labels: BTreeMap<String, String> => omit "labels";
        /// Annotations of an alert; templates.
        pub annotations: BTreeMap<String, String> => omit "annotations";
    }
}

impl Rule {
    /// The name, of whichever kind.
    pub fn name(&self) -> &str {
        if self.alert.value.is_empty() {
            &self.record.value
        } else {
            &self.alert.value
        }
    }
}

impl RuleGroups {
    /// Reads and checks the text of a rule file. All errors, in the reference's words.
    pub fn load(
        text: &str,
        options: &ParserOptions,
        ignore_unknown_fields: bool,
    ) -> Result<Self, Vec<String>> {
        let mut groups = Self::default();
        yaml::decode(text, Dialect::V3, !ignore_unknown_fields, &mut groups)
            .map_err(|err| vec![err.to_string()])?;
        let errors = validate::validate(&groups, options);
        if errors.is_empty() {
            Ok(groups)
        } else {
            Err(errors)
        }
    }

    /// Whether a rule file with this text asks for work; so does one that cannot be read, of which
    /// nobody can say that it does not.
    pub fn is_wanted(text: &str) -> bool {
        let mut groups = Self::default();
        yaml::decode(text, Dialect::V3, false, &mut groups).is_err() || !groups.groups.is_empty()
    }

    /// Number of rules in all groups.
    pub fn rule_count(&self) -> usize {
        self.groups
            .iter()
            .map(|group| group.value.rules.len())
            .sum()
    }
}

#[cfg(test)]
mod tests;
