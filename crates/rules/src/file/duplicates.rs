//! Rules that write or fire the same thing twice: legal, and nearly always a mistake.

use std::collections::BTreeMap;

use super::RuleGroups;

/// A rule that repeats another's name and labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DuplicateRule {
    /// Name of the series or alert.
    pub metric: String,
    /// Its labels, those of the group included.
    pub labels: BTreeMap<String, String>,
}

/// The repetitions, sorted: three equal rules give two.
pub fn duplicate_rules(groups: &RuleGroups) -> Vec<DuplicateRule> {
    let mut rules = Vec::new();
    for group in &groups.groups {
        for rule in &group.value.rules {
            let mut labels = group.value.labels.clone();
            labels.extend(rule.labels.clone());
            let is_alert = !rule.alert.value.is_empty();
            rules.push((
                DuplicateRule {
                    metric: rule.name().to_owned(),
                    labels,
                },
                is_alert,
            ));
        }
    }
    rules.sort();
    let pairs = rules.windows(2);
    pairs
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| pair[1].0.clone())
        .collect()
}
