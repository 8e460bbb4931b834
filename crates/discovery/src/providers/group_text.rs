//! Target groups as files and HTTP answers write them: a list of `{targets, labels}`.

use std::collections::BTreeMap;

use model::Labels;
use model::label_name::ADDRESS;
use serde::Deserialize;

use crate::config::StaticConfig;
use crate::error::Error;
use crate::target_group::TargetGroup;

/// Unknown keys are mistakes; `null` is an empty list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    targets: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// Groups written as JSON, without sources.
pub(super) fn from_json(text: &[u8]) -> Result<Vec<TargetGroup>, Error> {
    let written: Option<Vec<Option<Written>>> =
        serde_json::from_slice(text).map_err(|err| Error::BadContent(err.to_string()))?;
    let mut groups = Vec::new();
    for (index, group) in written.unwrap_or_default().into_iter().enumerate() {
        let Some(group) = group else {
            return Err(Error::BadContent(format!(
                "nil target group item found (index {index})"
            )));
        };
        let targets = group.targets.unwrap_or_default();
        groups.push(TargetGroup {
            targets: targets
                .iter()
                .map(|target| Labels::from_pairs([(ADDRESS, target.as_str())]))
                .collect(),
            labels: Labels::from_pairs(group.labels.unwrap_or_default()),
            source: String::new(),
        });
    }
    Ok(groups)
}

/// Groups written as YAML, without sources.
pub(super) fn from_yaml(text: &str) -> Result<Vec<TargetGroup>, Error> {
    let mut written: Vec<Option<StaticConfig>> = Vec::new();
    yaml::decode(text, yaml::Dialect::V2, true, &mut written)
        .map_err(|err| Error::BadContent(err.to_string()))?;
    let mut groups = Vec::new();
    for (index, group) in written.iter().enumerate() {
        let Some(group) = group else {
            return Err(Error::BadContent(format!(
                "nil target group item found (index {index})"
            )));
        };
        groups.push(super::group(group));
    }
    Ok(groups)
}

/// Reads `text` as JSON groups and forgets them; a fuzz target's body. Must return whatever the
/// bytes are.
pub fn check_json(text: &[u8]) {
    let _ = from_json(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_mean_the_same() {
        let json = br#"[{"targets": ["a:1", "b:2"], "labels": {"x": "y"}}, {"targets": []}]"#;
        let yaml = "- targets: ['a:1', 'b:2']\n  labels: {x: y}\n- targets: []\n";
        let groups = from_json(json).unwrap();
        assert_eq!(groups, from_yaml(yaml).unwrap());
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].targets[1].value("__address__"), Some("b:2"));
        assert_eq!(groups[0].labels.value("x"), Some("y"));
    }

    #[test]
    fn mistakes_are_refused() {
        for json in [
            "{}",
            "[{\"target\": []}]",
            "[null]",
            "[",
            "[{\"targets\": [1]}]",
            "",
        ] {
            assert!(from_json(json.as_bytes()).is_err(), "{json}");
        }
        for yaml in ["- target: []", "- ", "a: b", "- targets: {}"] {
            assert!(from_yaml(yaml).is_err(), "{yaml}");
        }
        assert_eq!(from_json(b"[]").unwrap(), []);
    }

    #[test]
    fn damaged_seeds_return() {
        let seed = br#"[{"targets": ["a:1"], "labels": {"x": "y"}}]"#;
        for cut in 0..seed.len() {
            check_json(&seed[..cut]);
            let mut damaged = seed.to_vec();
            damaged[cut] ^= 0x10;
            check_json(&damaged);
        }
    }
}
