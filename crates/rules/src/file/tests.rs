//! Rule files: accepted, refused, linted.

use proptest::prelude::{any, proptest};

use super::*;

fn load(text: &str) -> Result<RuleGroups, Vec<String>> {
    RuleGroups::load(text, &ParserOptions::default(), false)
}

fn refuses(rule: &str, expected: &str) {
    let text = format!("groups:\n- name: g\n  rules:\n  - {rule}\n");
    assert_eq!(
        load(&text).map(|_| ()),
        Err(vec![expected.to_owned()]),
        "{rule}"
    );
}

#[test]
fn groups_load_with_all_their_keys() {
    let groups = load(
        "groups:\n- name: g\n  interval: 5s\n  query_offset: 1m\n  limit: 5\n  labels: {a: b}\n  rules:\n  \
         - &r {record: a:b, expr: sum(up), labels: {l: v}}\n  \
         - {alert: A, expr: up == 0, for: 5m, keep_firing_for: 1m, annotations: {s: '{{ $value }} {{ range $i, $v := query \"up\" }}{{ $v }}{{ end }}'}}\n  \
         - <<: *r\n    record: c:d\n",
    )
    .expect("valid");
    assert_eq!(groups.rule_count(), 3);
    assert_eq!(groups.groups[0].value.rules[2].record.value, "c:d");
    assert!(load("").is_ok());
}

#[test]
fn bad_rules_are_refused_in_the_reference_words() {
    refuses(
        "{record: a, alert: b, expr: up}",
        "4:14: 4:24: group \"g\", rule 1, \"b\": only one of 'record' and 'alert' must be set",
    );
    refuses(
        "{expr: up}",
        "0:0: 0:0: group \"g\", rule 1, \"\": one of 'record' or 'alert' must be set",
    );
    refuses(
        "{record: a}",
        "0:0: group \"g\", rule 1, \"a\": field 'expr' must be set in rule",
    );
    refuses(
        "{record: a, expr: up, for: 5m}",
        "4:14: group \"g\", rule 1, \"a\": invalid field 'for' in recording rule",
    );
    refuses(
        "{record: a, expr: up, labels: {__name__: x}}",
        "group \"g\", rule 1, \"a\": invalid label name: __name__",
    );
    refuses(
        "{alert: a, expr: up, annotations: {s: '{{ $label.x }}'}}",
        "group \"g\", rule 1, \"a\": annotation \"s\": template: __alert_a:1: undefined variable \"$label\"",
    );
    refuses(
        "{alert: a, expr: up, annotation: {}}",
        "yaml: unmarshal errors:\n  line 4: field annotation not found in type rulefmt.Rule",
    );
}

#[test]
fn repeated_rules_are_found() {
    let text = "groups:\n- name: g\n  rules:\n  - {record: a, expr: up}\n  - {record: a, expr: down}\n  \
                - {record: a, expr: x, labels: {l: v}}\n";
    let groups = load(text).expect("valid");
    let found = duplicate_rules(&groups);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].metric, "a");
}

proptest! {
    #[test]
    fn any_template_is_linted_without_panic(text in any::<String>(), tail in "[{}\"`$:=\\\\ a-z/*-]{0,30}") {
        let rule = Rule {
            annotations: BTreeMap::from([("a".to_owned(), format!("{text}{{{{{tail}"))]),
            ..Rule::default()
        };
        let _ = template_lint::lint(&rule);
    }
}
