//! Tests of `relabel`.

use proptest::prelude::*;

use super::{RelabelAction, RelabelConfig, RelabelRegex, process};
use crate::Labels;
use crate::label_name::NameScheme;

fn rule(sources: &[&str], regex: &str, target: &str, replacement: &str) -> RelabelConfig {
    RelabelConfig {
        source_labels: Some(sources.iter().map(|&name| name.to_owned()).collect()),
        regex: RelabelRegex::new(regex).unwrap(),
        target_label: target.to_owned(),
        replacement: replacement.to_owned(),
        ..RelabelConfig::default()
    }
}

fn with_action(action: RelabelAction, config: RelabelConfig) -> RelabelConfig {
    RelabelConfig { action, ..config }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

/// Applies one rule to `{a="foo", b="bar", c="baz"}`.
fn check(config: RelabelConfig, expected: Option<&[(&str, &str)]>) {
    let input = labels(&[("a", "foo"), ("b", "bar"), ("c", "baz")]);
    assert_eq!(
        process(&input, std::slice::from_ref(&config)),
        expected.map(labels),
        "{config:?}"
    );
}

#[test]
fn replace_writes_the_expanded_template() {
    check(
        rule(&["a"], "f(.*)", "d", "ch${1}-ch${1}"),
        Some(&[("a", "foo"), ("b", "bar"), ("c", "baz"), ("d", "choo-choo")]),
    );
    check(
        rule(&["a", "b"], "(.*);(.*)", "a", "$2-$1"),
        Some(&[("a", "bar-foo"), ("b", "bar"), ("c", "baz")]),
    );
    // No match, no change.
    check(
        rule(&["a"], "bar", "d", "x"),
        Some(&[("a", "foo"), ("b", "bar"), ("c", "baz")]),
    );
    // An empty result removes the label.
    check(
        rule(&["a"], "(f).*", "a", "$2"),
        Some(&[("b", "bar"), ("c", "baz")]),
    );
    check(
        rule(&["a"], "foo", "a", ""),
        Some(&[("b", "bar"), ("c", "baz")]),
    );
}

#[test]
fn replace_with_the_default_expression_copies() {
    let mut config = rule(&["a", "c"], "(.*)", "d", "$1");
    check(
        config.clone(),
        Some(&[("a", "foo"), ("b", "bar"), ("c", "baz"), ("d", "foo;baz")]),
    );
    config.replacement = "<$0$2$$>".to_owned();
    check(
        config.clone(),
        Some(&[
            ("a", "foo"),
            ("b", "bar"),
            ("c", "baz"),
            ("d", "<foo;baz$>"),
        ]),
    );
    config.source_labels = None;
    config.replacement = "const".to_owned();
    config.regex = RelabelRegex::default();
    check(
        config,
        Some(&[("a", "foo"), ("b", "bar"), ("c", "baz"), ("d", "const")]),
    );
}

#[test]
fn replace_leaves_illegal_targets_alone() {
    let same: &[(&str, &str)] = &[("a", "foo"), ("b", "bar"), ("c", "baz")];
    check(rule(&["a"], "(z)?.*", "${1}", "x"), Some(same));
    let mut config = rule(&["a"], "(.*)", "${1}-x", "x");
    config.name_scheme = NameScheme::Legacy;
    check(config.clone(), Some(same));
    config.name_scheme = NameScheme::Utf8;
    check(
        config,
        Some(&[("a", "foo"), ("b", "bar"), ("c", "baz"), ("foo-x", "x")]),
    );
}

#[test]
fn keep_and_drop_decide_by_match() {
    let kept: Option<&[(&str, &str)]> = Some(&[("a", "foo"), ("b", "bar"), ("c", "baz")]);
    for (regex, matches) in [
        ("foo", true),
        ("f.*", true),
        ("oo", false),
        ("f", false),
        (".+", true),
    ] {
        let base = rule(&["a"], regex, "", "$1");
        check(
            with_action(RelabelAction::Keep, base.clone()),
            kept.filter(|_| matches),
        );
        check(
            with_action(RelabelAction::Drop, base),
            kept.filter(|_| !matches),
        );
    }
}

#[test]
fn keepequal_and_dropequal_compare_two_labels() {
    let kept: Option<&[(&str, &str)]> = Some(&[("a", "foo"), ("b", "bar"), ("c", "baz")]);
    for (target, equal) in [("a", true), ("b", false), ("none", false)] {
        let base = rule(&["a"], "(.*)", target, "$1");
        check(
            with_action(RelabelAction::KeepEqual, base.clone()),
            kept.filter(|_| equal),
        );
        check(
            with_action(RelabelAction::DropEqual, base),
            kept.filter(|_| !equal),
        );
    }
}

#[test]
fn hashmod_gives_the_reference_numbers() {
    let config = RelabelConfig {
        modulus: 1000,
        ..with_action(RelabelAction::HashMod, rule(&["c"], "(.*)", "d", "$1"))
    };
    check(
        config,
        Some(&[("a", "foo"), ("b", "bar"), ("c", "baz"), ("d", "976")]),
    );
}

#[test]
fn label_actions_work_on_names() {
    check(
        with_action(RelabelAction::LabelMap, rule(&[], "(b|c)", "", "x_$1")),
        Some(&[
            ("a", "foo"),
            ("b", "bar"),
            ("c", "baz"),
            ("x_b", "bar"),
            ("x_c", "baz"),
        ]),
    );
    check(
        with_action(RelabelAction::LabelDrop, rule(&[], "a|b", "", "$1")),
        Some(&[("c", "baz")]),
    );
    check(
        with_action(RelabelAction::LabelKeep, rule(&[], "a|b", "", "$1")),
        Some(&[("a", "foo"), ("b", "bar")]),
    );
}

#[test]
fn case_actions_write_the_changed_value() {
    check(
        with_action(RelabelAction::Uppercase, rule(&["a"], "(.*)", "d", "$1")),
        Some(&[("a", "foo"), ("b", "bar"), ("c", "baz"), ("d", "FOO")]),
    );
    check(
        with_action(RelabelAction::Lowercase, rule(&["none"], "(.*)", "a", "$1")),
        Some(&[("b", "bar"), ("c", "baz")]),
    );
}

#[test]
fn rules_apply_in_order_and_a_drop_ends_it() {
    let input = labels(&[("a", "foo")]);
    let rules = [
        rule(&["a"], "(.*)", "b", "$1$1"),
        with_action(RelabelAction::Drop, rule(&["b"], "foofoo", "", "$1")),
        rule(&["a"], "(.*)", "c", "$1"),
    ];
    assert_eq!(process(&input, &rules), None);
    assert_eq!(
        process(&input, &rules[..1]),
        Some(labels(&[("a", "foo"), ("b", "foofoo")]))
    );
    assert_eq!(process(&input, &[]), Some(input));
}

#[test]
fn action_names_are_read_in_any_case() {
    for action in RelabelAction::ALL {
        assert_eq!(action.as_str().to_uppercase().parse(), Ok(action));
    }
    let error = "x".parse::<RelabelAction>().map_err(|err| err.to_string());
    assert_eq!(error, Err(r#"unknown relabel action "x""#.to_owned()));
}

#[test]
fn validation_uses_the_reference_words() {
    use RelabelAction as A;
    let check = |config: &RelabelConfig, message: &str| {
        let error = config
            .validate()
            .map_or_else(|err| err.to_string(), |()| String::new());
        assert_eq!(error, message, "{config:?}");
    };
    let target = |action, target: &str| RelabelConfig {
        action,
        target_label: target.to_owned(),
        ..RelabelConfig::default()
    };
    check(&target(A::Replace, "a"), "");
    check(
        &target(A::Replace, ""),
        "relabel configuration for replace action requires 'target_label' value",
    );
    check(
        &target(A::HashMod, "a"),
        "relabel configuration for hashmod requires non-zero modulus",
    );
    check(&target(A::Keep, ""), "");
    check(&target(A::LabelMap, ""), "");
    let legacy = |action, name: &str| RelabelConfig {
        name_scheme: NameScheme::Legacy,
        ..target(action, name)
    };
    check(&legacy(A::Replace, "${1}_x$2"), "");
    for bad in ["${3", "0${3}", "a-${1}", "${a}${", "$"] {
        check(
            &legacy(A::Replace, bad),
            &format!("\"{bad}\" is invalid 'target_label' for replace action"),
        );
    }
    check(
        &legacy(A::Lowercase, "${3}"),
        "\"${3}\" is invalid 'target_label' for lowercase action",
    );
    let mut config = target(A::Uppercase, "a");
    config.replacement = "x".to_owned();
    check(&config, "'replacement' can not be set for uppercase action");
    let mut config = legacy(A::LabelMap, "");
    config.replacement = "a-b".to_owned();
    check(
        &config,
        "\"a-b\" is invalid 'replacement' for labelmap action",
    );
    let mut config = target(A::KeepEqual, "a");
    config.regex = RelabelRegex::new("(.*)").unwrap();
    check(
        &config,
        "keepequal action requires only 'source_labels' and `target_label`, and no other fields",
    );
    let mut config = target(A::LabelDrop, "");
    check(&config, "");
    config.source_labels = Some(vec![]);
    check(
        &config,
        "labeldrop action requires only 'regex', and no other fields",
    );
}

proptest! {
    /// The paths that avoid the engine do what the engine does.
    #[test]
    fn shortcuts_change_nothing(value in "[a-c]{0,3}", replacement in "[$a1{}]{0,5}") {
        let input = labels(&[("a", &value)]);
        let quick = rule(&["a"], "(.*)", "t", &replacement);
        let slow = rule(&["a"], "((?:.)*)", "t", &replacement);
        prop_assert_eq!(process(&input, &[quick]), process(&input, &[slow]));
    }
}
