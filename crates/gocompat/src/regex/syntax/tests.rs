//! Tests of `syntax`.

use proptest::prelude::*;

use super::super::Regex;
use super::{parse, parse_anchored, parse_matcher};

/// Whether `source`, anchored, matches `text`.
fn matches(source: &str, text: &str) -> bool {
    Regex::new_anchored(source)
        .unwrap_or_else(|err| panic!("{source}: {err}"))
        .is_match(text)
}

#[test]
fn classes_are_ascii() {
    for (source, yes, no) in [
        (r"\d", "7", "٣"),
        (r"\w", "_", "ä"),
        (r"\s", "\x0c", "\u{a0}"),
        (r"\s", "\t", "\x0b"),
        (r"\S", "\x0b", " "),
        (r"[[:space:]]", "\x0b", "\u{a0}"),
        (r"[^\d]", "٣", "3"),
        (r"[[:^alpha:]]", "ä", "a"),
        (r".*a\b.*", "äa ä", "ab"),
        (r"a\bä", "aä", "aa"),
        (r"\pL", "ä", "1"),
        (r"\p{^L}", "1", "ä"),
        (r"\P{Greek}", "a", "α"),
        (r"[\p{Nd}x]", "٣", "a"),
        (r"\p{Old_Italic}", "\u{10300}", "a"),
    ] {
        assert!(matches(source, yes), "{source} should match {yes:?}");
        assert!(!matches(source, no), "{source} should not match {no:?}");
    }
}

#[test]
fn literals_that_other_dialects_read_differently() {
    for (source, text) in [
        ("a{", "a{"),
        ("a{,5}", "a{,5}"),
        ("{a}", "{a}"),
        ("a{1", "a{1"),
        ("a{01}", "a{01}"),
        (r"\Qa.b*\E+", "a.b**"),
        (r"\101\x42\x{43}\0", "ABC\0"),
        ("[a&&b]+", "a&b"),
        ("[a~~b]+", "a~b"),
        ("[[a]+", "[a"),
        ("[]a]+", "]a"),
        ("[^]a]", "b"),
        ("[a-]+", "a-"),
        ("[-a]+", "-a"),
        (r"\<\>\_\-", "<>_-"),
        ("[a\\-z]+", "-az"),
        (" a # b", " a # b"),
    ] {
        assert!(matches(source, text), "{source} should match {text:?}");
    }
}

#[test]
fn flags_hold_to_the_end_of_their_group() {
    for (source, text, expected) in [
        ("(?i)ab", "AB", true),
        ("(?i)k", "\u{212a}", true),
        ("(?i)[^k]", "\u{212a}", false),
        (r"(?i)\w", "\u{17f}", true),
        (r"(?i)σ", "ς", true),
        ("(?i)ß", "ẞ", true),
        ("((?i)a)b", "Ab", true),
        ("((?i)a)b", "AB", false),
        ("(?i:a|b)c", "Bc", true),
        ("a(?i)b|c", "C", true),
        ("(?-s).", "\n", false),
        (".", "\n", true),
        ("(?s-i:.)(?i-s:.)", "\nx", true),
        ("(?s-i:.)(?i-s:.)", "\n\n", false),
        ("(?m)a$\n^b", "a\nb", true),
        ("a$\n^b", "a\nb", false),
        (r"\Aab\z", "ab", true),
    ] {
        assert_eq!(matches(source, text), expected, "{source} on {text:?}");
    }
}

#[test]
fn repetitions_prefer_more_or_less() {
    let first = |source: &str| Regex::new(source).unwrap().find("aaa").unwrap().len();
    assert_eq!(first("a+"), 3);
    assert_eq!(first("a+?"), 1);
    assert_eq!(first("(?U)a+"), 1);
    assert_eq!(first("(?U)a+?"), 3);
    assert_eq!(first("a{1,2}?"), 1);
    assert_eq!(first("a|aa"), 1);
}

#[test]
fn groups_are_numbered_and_named() {
    let parsed = parse("(a)(?P<x>b)(?:c)(?<y>d)(?P<x>e)").unwrap();
    let names: Vec<&str> = parsed.group_names.iter().map(|name| &**name).collect();
    assert_eq!(names, ["", "", "x", "y", "x"]);
    let regex = Regex::new("(?P<x>a)?(?P<x>b)").unwrap();
    assert_eq!(regex.captures("b").unwrap().named("x"), Some("b"));
    let regex = Regex::new("(a){0}(b)").unwrap();
    assert_eq!(regex.captures("b").unwrap().text(2), Some("b"));
}

#[test]
fn refuses_in_the_words_of_go() {
    let check = |source: &str, message: &str| {
        let error = parse_matcher(source).map_or_else(|err| err.to_string(), |_| String::new());
        assert_eq!(
            error,
            format!("error parsing regexp: {message}"),
            "{source}"
        );
    };
    check("(", "missing closing ): `(`");
    check(")", "unexpected ): `)`");
    check("a)|(b", "unexpected ): `a)|(b`");
    check("a**", "invalid nested repetition operator: `**`");
    check("a*?+", "invalid nested repetition operator: `*?+`");
    check("a???", "invalid nested repetition operator: `???`");
    check("a{2}{3}", "invalid nested repetition operator: `{2}{3}`");
    check("x{2}*", "invalid nested repetition operator: `{2}*`");
    check("a{1001}", "invalid repeat count: `{1001}`");
    check("a{99999999999}", "invalid repeat count: `{99999999999}`");
    check("a{2,1}", "invalid repeat count: `{2,1}`");
    check("((a{100}){100})", "invalid repeat count: `{100}`");
    check("*a", "missing argument to repetition operator: `*`");
    check("a|*", "missing argument to repetition operator: `*`");
    check("(+?)", "missing argument to repetition operator: `+?`");
    check("(?x)", "invalid or unsupported Perl syntax: `(?x`");
    check("(?", "invalid or unsupported Perl syntax: `(?`");
    check("(?i", "invalid or unsupported Perl syntax: `(?i`");
    check("(?=a)", "invalid or unsupported Perl syntax: `(?=`");
    check("(?-)a", "invalid or unsupported Perl syntax: `(?-)`");
    check("(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`");
    check("(?P=n)", "invalid or unsupported Perl syntax: `(?P`");
    check("(?P<n", "invalid named capture: `(?P<n`");
    check("(?P<>a)", "invalid named capture: `(?P<>`");
    check("(?<=a)", "invalid named capture: `(?<=a)`");
    check("[a", "missing closing ]: `[a`");
    check("x[", "missing closing ]: `[`");
    check("[z-a]", "invalid character class range: `z-a`");
    check("(?i)[k-K]", "invalid character class range: `k-K`");
    check("[a--c]", "invalid character class range: `a--`");
    check("[[:foo:]]", "invalid character class range: `[:foo:]`");
    check(r"\pX", r"invalid character class range: `\pX`");
    check(r"\p{Greek", r"invalid character class range: `\p{Greek`");
    check(r"\p{Grek}", r"invalid character class range: `\p{Grek}`");
    check(r"\p{greek}", r"invalid character class range: `\p{greek}`");
    check(
        r"\p{Letter}",
        r"invalid character class range: `\p{Letter}`",
    );
    check(r"\q", r"invalid escape sequence: `\q`");
    check(r"\8", r"invalid escape sequence: `\8`");
    check(r"\1", r"invalid escape sequence: `\1`");
    check(r"\C", r"invalid escape sequence: `\C`");
    check(r"\u0041", r"invalid escape sequence: `\u`");
    check(r"\xg1", r"invalid escape sequence: `\xg1`");
    check(r"[a-\x]", r"invalid escape sequence: `\x]`");
    check(r"[a-\d]", r"invalid escape sequence: `\d`");
    check(r"\x{110000}", r"invalid escape sequence: `\x{110000`");
    check(r"\", "trailing backslash at end of expression: ``");
}

#[test]
fn anchoring_shows_in_errors_and_reads_as_text() {
    let error = |source: &str| parse_anchored(source).unwrap_err().to_string();
    assert_eq!(
        error("("),
        "error parsing regexp: missing closing ): `^(?s:()$`"
    );
    assert_eq!(
        error(r"\Qa"),
        r"error parsing regexp: missing closing ): `^(?s:\Qa)$`"
    );
    // What the reference accepts, odd as it is: the alternation escapes the anchors.
    assert!(matches("a)|(b", "axx"));
}

#[test]
fn loose_names_are_for_plain_expressions() {
    for name in [
        "Letter",
        "greek",
        "old italic",
        "LC",
        "Assigned",
        "Cn",
        "ASCII",
        "uppercase-letter",
    ] {
        assert!(parse(&format!(r"\p{{{name}}}")).is_ok(), "{name}");
    }
    assert!(parse(r"\p{Grek}").is_err());
    assert!(parse(r"\p{Cs}\p{C}").is_ok());
}

#[test]
fn bounds_nesting_and_size() {
    let nested = |depth: usize| format!("{}{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse_matcher(&nested(999)).is_ok());
    let error = parse_matcher(&nested(1000)).unwrap_err();
    assert_eq!(error.kind, "expression nests too deeply");
    assert_eq!(
        parse_anchored(&nested(999)).unwrap_err().kind,
        "expression nests too deeply"
    );
    assert!(Regex::new(&nested(998)).is_ok());
    assert!(Regex::new(&"(?:".repeat(10_000)).is_err());
    let error = Regex::new(&r"(\pL{200}){5}".repeat(40)).unwrap_err();
    assert_eq!(error.kind, "expression too large");
    assert!(parse("((a{1000}){0}){5}").is_ok());
}

#[test]
fn surrogates_match_nothing() {
    assert!(!matches(r"\x{d800}", "\u{fffd}"));
    assert!(matches(r"[\x{d700}-\x{e000}]", "\u{d701}"));
    assert!(!matches(r"[\x{d800}-\x{dfff}]", "a"));
    assert!(!matches(r"[^\x00-\x{10ffff}]", "a"));
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// What parses, compiles and matches without a panic; what does not, says why.
    #[test]
    fn never_panics(source in "(\\PC|[a-c\\\\()\\[\\]{}?*+|^$.,0-9:P<>iQEpLx-]){0,24}", text in ".{0,8}") {
        match Regex::new_anchored(&source) {
            Ok(regex) => {
                let _ = regex.is_match(&text);
                let _ = regex.replace_all(&text, "$1");
            }
            Err(err) => prop_assert!(err.to_string().starts_with("error parsing regexp: ")),
        }
    }

    /// Where the dialects agree, so do the matches.
    #[test]
    fn agrees_with_the_other_parser(
        source in "([abc.]|\\[[abc]{1,3}\\]|\\([ab](\\|[bc]{0,2})?\\)|[ab][*+?]|\\|){0,6}",
        text in "[abc]{0,6}",
    ) {
        if let Ok(other) = regex_automata::meta::Regex::new(&format!("^(?s:{source})$")) {
            prop_assert_eq!(matches(&source, &text), other.is_match(&text));
        }
    }
}
