//! Reads the templates of an alert's labels and annotations, which only run later.

use text_template::{Options, parse};

use super::Rule;

/// Variables that every alert's template has.
const VARIABLES: &[&str] = &["$labels", "$externalLabels", "$externalURL", "$value"];

/// Functions beside the template language's own.
const FUNCTIONS: &[&str] = &[
    "args",
    "externalURL",
    "first",
    "graphLink",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "label",
    "match",
    "now",
    "parseDuration",
    "pathPrefix",
    "query",
    "reReplaceAll",
    "safeHtml",
    "sortByLabel",
    "stripDomain",
    "stripPort",
    "strvalue",
    "tableLink",
    "title",
    "toDuration",
    "toLower",
    "toTime",
    "toUpper",
    "urlQueryEscape",
    "value",
];

/// Problems of the templates in labels and annotations.
pub(super) fn lint(rule: &Rule) -> Vec<String> {
    let labels = rule.labels.iter().map(|(name, text)| ("label", name, text));
    let annotations = rule
        .annotations
        .iter()
        .map(|(name, text)| ("annotation", name, text));
    let template_name = format!("__alert_{}", rule.alert.value);
    let options = Options {
        name: &template_name,
        functions: FUNCTIONS,
        variables: VARIABLES,
    };
    let problem = |(kind, name, text): (&str, &String, &String)| {
        let err = parse(text, &options).err()?;
        Some(format!("{kind} {name:?}: {err}"))
    };
    labels.chain(annotations).filter_map(problem).collect()
}
