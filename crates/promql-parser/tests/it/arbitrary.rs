//! Any bytes at all: no panic, no hang. The fuzz target runs the same function.

use promql_parser::check_text;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::proptest;

const SEEDS: &[&str] = &[
    "sum by (a, \"b c\") (rate(x{y=~\"z.*\"}[5m:1m] offset -3m @ start())) / on (a) group_left b",
    "a[5m + (1h / step()) ^ 2] smoothed > bool fill(0) topk(5, {\"a.b\", c!~`d`})",
    "label_replace(a, 'b', \"\\x41\\u00e9\\101\", `c`, \"(.*)\") # comment\n or -1_000.5e-3",
    "m{a=\"b\"}@st _ -30s-1mx2 {{schema:0 buckets:[1 2]}}+{{sum:1}}x3 1+2x3 stale",
    "0x1F + Inf - NaN % 1h30m atan2 089 </ 5 and unless offset 5m",
];

#[test]
fn cut_and_changed_seeds_never_panic() {
    for seed in SEEDS {
        check_text(seed.as_bytes());
        for end in 0..seed.len() {
            let mut bytes = seed.as_bytes().to_vec();
            check_text(&bytes[..end]);
            for flip in [0x01, 0x20, 0x80, 0xff] {
                bytes[end] ^= flip;
                check_text(&bytes);
                bytes[end] ^= flip;
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        check_text(&bytes);
    }

    #[test]
    fn random_words_never_panic(text in words()) {
        check_text(text.as_bytes());
    }
}

/// Pieces of the language in any order.
fn words() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "a",
        "sum",
        "by",
        "on",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        "5m",
        "1",
        "\"x\"",
        "'",
        "`",
        "\\",
        "=",
        "=~",
        "!~",
        "!=",
        "==",
        "@",
        "start()",
        "offset",
        "-",
        "+",
        "^",
        "bool",
        "group_left",
        "fill(",
        "step()",
        "#",
        "\n",
        "rate(",
        "é",
        "smoothed",
        "_",
        "x3",
        "{{",
        "}}",
    ];
    vec(0..WORDS.len(), 0..40).prop_map(|indexes| {
        indexes
            .iter()
            .map(|index| WORDS[*index])
            .collect::<Vec<_>>()
            .join(" ")
    })
}
