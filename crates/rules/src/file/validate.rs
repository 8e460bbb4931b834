//! Checks of a decoded rule file.

use model::config_value::Duration;
use model::label_name::METRIC_NAME;
use promql_parser::{ParserOptions, parse_expr};
use yaml::Spanned;

use super::{Rule, RuleGroups, template_lint};

/// A problem of one rule: the text and the places it is about.
struct Problem {
    places: Vec<(u32, u32)>,
    text: String,
}

impl Problem {
    fn at(nodes: &[&Spanned<String>], text: impl Into<String>) -> Self {
        let places = nodes.iter().map(|node| (node.line, node.column)).collect();
        Self {
            places,
            text: text.into(),
        }
    }
}

/// All problems of `groups`, as the reference words them.
pub(super) fn validate(groups: &RuleGroups, options: &ParserOptions) -> Vec<String> {
    let mut errors = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for Spanned {
        value: group,
        line,
        column,
    } in &groups.groups
    {
        if group.name.is_empty() {
            errors.push(format!("{line}:{column}: Groupname must not be empty"));
        }
        if names.contains(&group.name.as_str()) {
            errors.push(format!(
                "{line}:{column}: groupname: \"{}\" is repeated in the same file",
                group.name
            ));
        }
        names.push(&group.name);
        for name in group.labels.keys().filter(|name| !is_rule_label(name)) {
            errors.push(format!("invalid label name: {name}"));
        }
        for (index, rule) in group.rules.iter().enumerate() {
            for problem in check_rule(rule, options) {
                let mut text = String::new();
                for (line, column) in &problem.places {
                    text.push_str(&format!("{line}:{column}: "));
                }
                errors.push(format!(
                    "{text}group {:?}, rule {}, {:?}: {}",
                    group.name,
                    index + 1,
                    rule.name(),
                    problem.text
                ));
            }
        }
    }
    errors
}

fn is_rule_label(name: &str) -> bool {
    !name.is_empty() && name != METRIC_NAME
}

fn check_rule(rule: &Rule, options: &ParserOptions) -> Vec<Problem> {
    let mut problems = Vec::new();
    let kinds = [&rule.record, &rule.alert];
    match (rule.record.value.is_empty(), rule.alert.value.is_empty()) {
        (false, false) => {
            problems.push(Problem::at(
                &kinds,
                "only one of 'record' and 'alert' must be set",
            ));
        }
        (true, true) => {
            problems.push(Problem::at(
                &kinds,
                "one of 'record' or 'alert' must be set",
            ));
        }
        _ => {}
    }
    if rule.expr.value.is_empty() {
        problems.push(Problem::at(
            &[&rule.expr],
            "field 'expr' must be set in rule",
        ));
    } else if let Err(err) = parse_expr(&rule.expr.value, options) {
        problems.push(Problem::at(
            &[&rule.expr],
            format!("could not parse expression: {err}"),
        ));
    }
    if !rule.record.value.is_empty() {
        check_recording(rule, &mut problems);
    }
    for name in rule.labels.keys().filter(|name| !is_rule_label(name)) {
        problems.push(Problem::at(&[], format!("invalid label name: {name}")));
    }
    if rule.annotations.keys().any(String::is_empty) {
        problems.push(Problem::at(&[], "invalid annotation name: "));
    }
    if !rule.alert.value.is_empty() {
        for text in template_lint::lint(rule) {
            problems.push(Problem::at(&[], text));
        }
    }
    problems
}

/// What a recording rule may not have.
fn check_recording(rule: &Rule, problems: &mut Vec<Problem>) {
    let mut add = |text: String| problems.push(Problem::at(&[&rule.record], text));
    if !rule.annotations.is_empty() {
        add("invalid field 'annotations' in recording rule".to_owned());
    }
    if rule.hold != Duration::ZERO {
        add("invalid field 'for' in recording rule".to_owned());
    }
    if rule.keep_firing_for != Duration::ZERO {
        add("invalid field 'keep_firing_for' in recording rule".to_owned());
    }
    let name = &rule.record.value;
    if name.contains(['{', '}']) {
        add(format!(
            "braces present in the recording rule name; should it be in expr?: {name}"
        ));
    }
}
