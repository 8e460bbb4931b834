//! Tests of `regex`.

use super::{Regex, has_variable};

fn regex(source: &str) -> Regex {
    Regex::new(source).unwrap()
}

#[test]
fn anchored_means_all_of_the_text() {
    let regex = Regex::new_anchored("a|b.c").unwrap();
    assert!(regex.is_match("a"));
    assert!(regex.is_match("b\nc"));
    assert!(!regex.is_match("ab"));
    assert!(!regex.is_match("a\n"));
}

#[test]
fn expands_templates() {
    let check = |template: &str, expanded: &str| {
        let regex = Regex::new(r"(\w+)-(?P<port>\d+)(x)?").unwrap();
        let captures = regex.captures("host-80").unwrap();
        let mut out = String::new();
        regex.expand(template, &captures, &mut out);
        assert_eq!(out, expanded, "{template}");
    };
    check("$1:$2", "host:80");
    check("${1}_$port", "host_80");
    check("${1}a$1a", "hosta");
    check("$$1 $ $", "$1 $ $");
    check("${port", "${port");
    check("$0|$3|$9|$nope", "host-80|||");
    check("$-${}${1x}", "$-${}");
    check("$01", "");
}

#[test]
fn knows_templates_with_variables() {
    for (template, expected) in [
        ("a", false),
        ("$1", true),
        ("$$1", false),
        ("a${x}", true),
        ("$", false),
        ("${a-b}", false),
    ] {
        assert_eq!(has_variable(template), expected, "{template}");
    }
}

#[test]
fn replaces_all_matches_as_go_does() {
    let check = |source: &str, text: &str, template: &str, replaced: &str| {
        assert_eq!(
            regex(source).replace_all(text, template),
            replaced,
            "{source} in {text}"
        );
    };
    check("a*", "baaac", "x", "xbxcx");
    check("a+", "baaac", "<$0>", "b<aaa>c");
    check("", "äb", "-", "-ä-b-");
    check("^a", "aaa", "b", "baa");
    check("(.)", "äb", "$1$1", "ääbb");
    check("x", "", "y", "");
    check("x*", "", "y", "y");
}

#[test]
fn damaged_expressions_are_refused_or_compiled() {
    let seeds = [
        r"^(?s:(?P<name>[a-z\d]+)|\Qx.y\E{2,3}?|\p{Greek}[^[:alpha:]])$",
        r"((a*)+?b|c)*(?i-s:\x{e4}\101[!-\]&&b])",
        "(?U)(x{1,5}){100}|.+|()",
    ];
    for seed in seeds {
        assert!(Regex::new(seed).is_ok(), "{seed}");
        for at in 0..seed.len() {
            let _ = Regex::new_anchored(&seed[..at]).map(|regex| regex.is_match(seed));
            for flip in [1, 8, 0x20] {
                let mut bytes = seed.as_bytes().to_vec();
                bytes[at] ^= flip;
                let text = String::from_utf8_lossy(&bytes);
                let _ = Regex::new(&text).map(|regex| regex.is_match(seed));
            }
        }
    }
}
