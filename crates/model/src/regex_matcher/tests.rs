//! Tests of `regex_matcher`.

use gocompat::regex::{Regex, syntax};
use proptest::prelude::*;

use super::{Kind, RegexMatcher};

fn matcher(expression: &str) -> RegexMatcher {
    RegexMatcher::new(expression).unwrap_or_else(|err| panic!("{expression}: {err}"))
}

/// The matcher that relabelling rules use.
fn anchored(expression: &str) -> (RegexMatcher, Regex) {
    let parsed = syntax::parse_anchored(expression).unwrap();
    let regex = Regex::from_parsed(expression, parsed.clone()).unwrap();
    (RegexMatcher::from_anchored(&parsed, &regex), regex)
}

#[test]
fn finite_expressions_become_sets() {
    let check = |expression: &str, set: &[&str], prefix: &str| {
        let matcher = matcher(expression);
        assert_eq!(matcher.literal_set().unwrap(), set, "{expression}");
        assert_eq!(matcher.prefix(), prefix, "{expression}");
    };
    check("", &[""], "");
    check("foo", &["foo"], "foo");
    check("foo|bar|foo", &["bar", "foo"], "");
    check("foo1|foo2|fo", &["fo", "foo1", "foo2"], "fo");
    check("^(foo|)$", &["", "foo"], "");
    check(
        "a(b|c)[0-2]x?",
        &[
            "ab0", "ab0x", "ab1", "ab1x", "ab2", "ab2x", "ac0", "ac0x", "ac1", "ac1x", "ac2",
            "ac2x",
        ],
        "a",
    );
    check(r"prod\.eu|prod\.us", &["prod.eu", "prod.us"], "prod.");
    check("(?i)k", &["K", "k", "\u{212a}"], "");
    let many: Vec<String> = (10_000..30_000)
        .map(|number| format!("host-{number}"))
        .collect();
    let matcher = matcher(&many.join("|"));
    assert_eq!(matcher.literal_set().unwrap(), many);
    assert!(matcher.is_match("host-12345"));
    assert!(!matcher.is_match("host-1234"));
}

#[test]
fn literals_with_gaps_need_no_engine() {
    let check = |expression: &str, prefix: &str, yes: &[&str], no: &[&str]| {
        let matcher = matcher(expression);
        assert!(
            !matches!(matcher.plan.kind, Kind::Engine { .. }),
            "{expression}"
        );
        assert_eq!(matcher.literal_set(), None);
        assert_eq!(matcher.prefix(), prefix, "{expression}");
        for text in yes {
            assert!(matcher.is_match(text), "{expression} should match {text:?}");
        }
        for text in no {
            assert!(
                !matcher.is_match(text),
                "{expression} should not match {text:?}"
            );
        }
    };
    check(".*", "", &["", "a\n"], &[]);
    check(".+", "", &["ä"], &[""]);
    check("foo.*", "foo", &["foo", "foo\nbar"], &["fo", "xfoo"]);
    check("foo.+", "foo", &["foox"], &["foo"]);
    check(".*foo", "", &["foo", "xfoo"], &["foox"]);
    check(".*foo.*", "", &["foo", "xfoox"], &["fo"]);
    check("a.*b.+c", "a", &["abxc", "axbbc", "abbcc"], &["abc", "ab"]);
    check("a.*a", "a", &["aa"], &["a"]);
    check("a.*|b.+", "", &["a", "bx"], &["b", "c"]);
    check("ab.*|a.+", "a", &["ab", "ax"], &["a"]);
    check(
        "(?i)abcdefghijkl",
        "",
        &["abcdefghijkl", "ABCDEFGHIJKL", "aBcdefghij\u{212a}l"],
        &["abcdefghijk", "abcdefghijklm"],
    );
    check(
        "(?i)abc.*|x[0-9].+",
        "",
        &["ABC", "abcd", "x1y"],
        &["x1", "ab"],
    );
}

#[test]
fn what_matches_everything_is_known() {
    for (expression, everything, all_but_empty) in [
        (".*", true, true),
        (".+", false, true),
        ("a|.*", true, true),
        ("a.*", false, false),
        ("..+", false, false),
    ] {
        let matcher = matcher(expression);
        assert_eq!(matcher.matches_everything(), everything, "{expression}");
        assert_eq!(
            matcher.matches_all_but_empty(),
            all_but_empty,
            "{expression}"
        );
    }
}

#[test]
fn the_engine_is_asked_after_the_literals() {
    let matcher = matcher("ab[0-9]+cd[0-9]*ef");
    assert!(
        matches!(&matcher.plan.kind, Kind::Engine { suffix, contains, .. } if suffix == "ef" && contains == "cd")
    );
    assert_eq!(matcher.prefix(), "ab");
    assert!(matcher.is_match("ab1cdef"));
    assert!(!matcher.is_match("abcdef"));
    // Without the s flag's dot, gaps stop at line ends.
    assert!(!RegexMatcher::new("(?-s)a.*").unwrap().is_match("a\n"));
}

#[test]
fn relabelling_keeps_odd_anchors() {
    let (matcher, regex) = anchored("a)|(b");
    for text in ["a", "axx", "xxb", "c"] {
        assert_eq!(matcher.is_match(text), regex.is_match(text));
    }
    let (matcher, _) = anchored("a|b");
    assert_eq!(matcher.literal_set().unwrap(), ["a", "b"]);
}

#[test]
fn errors_show_the_expression_alone() {
    let error = RegexMatcher::new("a(").unwrap_err().to_string();
    assert_eq!(error, "error parsing regexp: missing closing ): `a(`");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever the plan, it matches what the plain engine matches.
    #[test]
    fn every_plan_agrees_with_the_engine(
        expression in "(\\(\\?i\\))?(\\^?(a|b|ä|\\.\\*|\\.\\+|\\.|[ab]{1,2}|\\[ab\\]|\\(a\\|b?\\)|\\(a\\.\\*\\|b\\)|a\\?|\\||b\\+){0,6})\\$?",
        texts in prop::collection::vec("[abäAB\n]{0,6}", 8),
    ) {
        let matcher = RegexMatcher::new(&expression);
        prop_assume!(matcher.is_ok());
        let matcher = matcher.unwrap();
        let (relabel, regex) = anchored(&expression);
        for text in &texts {
            let expected = regex.is_match(text);
            prop_assert_eq!(matcher.is_match(text), expected, "{} on {:?}", expression, text);
            prop_assert_eq!(relabel.is_match(text), expected, "{} on {:?}", expression, text);
            if expected {
                prop_assert!(text.starts_with(matcher.prefix()));
            }
        }
    }
}
