//! What is taken and what is refused; answers come from asking the reference.

use super::*;

use crate::{Format, check_known};

/// Bodies that the reference refuses, with the error it reports for them.
const REFUSED: &[(&[u8], &str)] = &[
    (b"", "data does not end with # EOF"),
    (b"a 1\n", "data does not end with # EOF"),
    (b"a 1\n# EOF\n\n", "unexpected data after # EOF"),
    (b"a 1\n# EOF\nb 1\n", "unexpected data after # EOF"),
    (
        b"\na 1\n# EOF\n",
        "expected a valid start token, got \"\\n\" (\"INVALID\") while parsing: \"\\n\"",
    ),
    (
        b" a 1\n# EOF\n",
        "expected a valid start token, got \" \" (\"INVALID\") while parsing: \" \"",
    ),
    (
        b"a  1\n# EOF\n",
        "expected value after metric, got \"  \" (\"INVALID\") while parsing: \"a  \"",
    ),
    (
        b"a 1 \n# EOF\n",
        "expected a valid start token, got \"\\n#\" (\"LINEBREAK\") while parsing: \"\\n#\"",
    ),
    (
        b"a 1 x\n# EOF\n",
        "strconv.ParseFloat: parsing \"x\": invalid syntax while parsing: \"a 1 x\"",
    ),
    (b"a 1 NaN\n# EOF\n", "invalid timestamp NaN"),
    (b"a 1 +Inf\n# EOF\n", "invalid timestamp +Inf"),
    (
        b"a 1 # x\n# EOF\n",
        "expected a valid start token, got \"x\" (\"INVALID\") while parsing: \"x\"",
    ),
    (
        b"a 1 #x\n# EOF\n",
        "strconv.ParseFloat: parsing \"#x\": invalid syntax while parsing: \"a 1 #x\"",
    ),
    (
        b"a 1 # {x} 1\n# EOF\n",
        "expected label name, got \"} \" (\"BCLOSE\") while parsing: \"a 1 # {x} \"",
    ),
    (
        b"a 1 # {\"x\"} 1\n# EOF\n",
        "expected label name, got \"} \" (\"BCLOSE\") while parsing: \"a 1 # {\\\"x\\\"} \"",
    ),
    (
        b"a 1 # {x=\"y\"}\n# EOF\n",
        "expected value after exemplar labels, got \"\\n\" (\"INVALID\") while parsing: \"a 1 # {x=\\\"y\\\"}\\n\"",
    ),
    (
        b"a 1 # {x=\"y\"} 1 NaN\n# EOF\n",
        "invalid exemplar timestamp NaN",
    ),
    (
        b"a 1 # {x=\"y\"} 1 1 1\n# EOF\n",
        "expected next entry after exemplar timestamp, got \" 1\\n\" (\"TIMESTAMP\") while parsing: \"a 1 # {x=\\\"y\\\"} 1 1 1\\n\"",
    ),
    (
        b"a 1 # {x=\"y\"} 1 x\n# EOF\n",
        "strconv.ParseFloat: parsing \"x\": invalid syntax while parsing: \"a 1 # {x=\\\"y\\\"} 1 x\"",
    ),
    (
        b"a 1 1 1\n# EOF\n",
        "expected next entry after timestamp, got \" 1\\n\" (\"TIMESTAMP\") while parsing: \"a 1 1 1\\n\"",
    ),
    (
        b"# HELP a b\n# TYPE a counter\n# UNIT a s\na 1\n# EOF\n",
        "unit \"s\" not a suffix of metric \"a\"",
    ),
    (b"# UNIT a_s\na_s 1\n# EOF\n", "expected text in UNIT"),
    (
        b"# TYPE a untyped\n# EOF\n",
        "invalid metric type \"untyped\"",
    ),
    (
        b"# foo\n# EOF\n",
        "expected a valid start token, got \"# f\" (\"INVALID\") while parsing: \"# f\"",
    ),
    (
        b"#\n# EOF\n",
        "expected a valid start token, got \"#\\n\" (\"INVALID\") while parsing: \"#\\n\"",
    ),
    (b"# HELP a\n# EOF\n", "expected text in HELP"),
    (
        b"# HELP a \xff\n# EOF\n",
        "help text \"\\xff\" is not a valid utf8 string",
    ),
    (
        b"a{b=\"c\" d=\"e\"} 1\n# EOF\n",
        "expected comma or brace close, got \" \" (\"INVALID\") while parsing: \"a{b=\\\"c\\\" \"",
    ),
    (
        b"a{b=\"c\", d=\"e\"} 1\n# EOF\n",
        "expected label name, got \" \" (\"INVALID\") while parsing: \"a{b=\\\"c\\\", \"",
    ),
    (
        b"a{b=\"c\nd\"} 1\n# EOF\n",
        "expected label value, got \"\\\"c\\n\" (\"INVALID\") while parsing: \"a{b=\\\"c\\n\"",
    ),
    (
        b"a{b=\"c\"}1\n# EOF\n",
        "expected value after metric, got \"1\" (\"INVALID\") while parsing: \"a{b=\\\"c\\\"}1\"",
    ),
    (
        b"a {b=\"c\"} 1\n# EOF\n",
        "strconv.ParseFloat: parsing \"{b=\\\"c\\\"}\": invalid syntax while parsing: \"a {b=\\\"c\\\"}\"",
    ),
    (
        b"{\"a\",\"b\"} 1\n# EOF\n",
        "metric name already set while parsing: \"{\\\"a\\\",\\\"b\\\"}\"",
    ),
    (
        b"{c=\"d\"} 1\n# EOF\n",
        "metric name not set while parsing: \"{c=\\\"d\\\"} 1\"",
    ),
    (b"# EOF\r\n", "unexpected data after # EOF"),
    (b"# EOFx\n", "unexpected data after # EOF"),
    (
        b"a 1\r\n# EOF\n",
        "strconv.ParseFloat: parsing \"1\\r\": invalid syntax while parsing: \"a 1\\r\"",
    ),
    (b"# HELP a b", "expected text in HELP"),
    (
        b"a 1e400\n# EOF\n",
        "strconv.ParseFloat: parsing \"1e400\": value out of range while parsing: \"a 1e400\"",
    ),
    (
        b"a",
        "expected value after metric, got \"a\" (\"EOF\") while parsing: \"a\"",
    ),
    (b"a 1", "data does not end with # EOF"),
    (
        b"a{",
        "expected label name, got \"{\" (\"EOF\") while parsing: \"a{\"",
    ),
    (
        b"a{b=\"c\"} 1 # {",
        "expected label name, got \" # {\" (\"EOF\") while parsing: \"a{b=\\\"c\\\"} 1 # {\"",
    ),
    (
        b"a{b=\"\xff\"} 1\n# EOF\n",
        "invalid UTF-8 label value: \"\\\"\\xff\\\"\"",
    ),
    (
        b"a 1 # {b=\"\xff\"} 1\n# EOF\n",
        "invalid UTF-8 label value: \"\\\"\\xff\\\"\"",
    ),
    (
        b"a 1 # {a=\"b\" c=\"d\"} 1\n# EOF\n",
        "expected comma or brace close, got \" \" (\"INVALID\") while parsing: \"a 1 # {a=\\\"b\\\" \"",
    ),
    (
        b"a 1\x00\n# EOF\n",
        "expected a valid start token, got \"\\x00\" (\"INVALID\") while parsing: \"\\x00\"",
    ),
    (
        b"a 1 # {b=\"\x00\"} 1\n# EOF\n",
        "expected label value, got \"\\\"\\x00\" (\"INVALID\") while parsing: \"a 1 # {b=\\\"\\x00\"",
    ),
    (
        b"{\"a\x00\"} 1\n# EOF\n",
        "expected label name, got \"\\\"a\\x00\" (\"INVALID\") while parsing: \"{\\\"a\\x00\"",
    ),
    (
        b"# UNIT s s\n# EOF\n",
        "unit \"s\" not a suffix of metric \"s\"",
    ),
    (
        b"a -nan\n# EOF\n",
        "strconv.ParseFloat: parsing \"-nan\": invalid syntax while parsing: \"a -nan\"",
    ),
    (
        b"a\t1\n# EOF\n",
        "expected value after metric, got \"\\t\" (\"INVALID\") while parsing: \"a\\t\"",
    ),
];

/// Bodies that the reference takes, with their number of samples.
const TAKEN: &[(&[u8], usize)] = &[
    (b"a 1\n# EOF\n", 1),
    (b"a 1\n# EOF", 1),
    (b"a 1 1.5\n# EOF\n", 1),
    (b"a 1 # {x=\"y\"} 1\n# EOF\n", 1),
    (b"a 1 # {x=\"y\"} 1 1.2\n# EOF\n", 1),
    (b"a 1 # {x=\"y\",} 1\n# EOF\n", 1),
    (b"a 1 # {} 1\n# EOF\n", 1),
    (b"# UNIT a_s s\na_s 1\n# EOF\n", 1),
    (b"# UNIT a_s \na_s 1\n# EOF\n", 1),
    (b"# TYPE a unknown\na 1\n# EOF\n", 1),
    (b"# HELP a \n# EOF\n", 0),
    (b"a{b=\"c\",} 1\n# EOF\n", 1),
    (b"{\"a\nb\"} 1\n# EOF\n", 1),
    (b"{\"a.b\",c=\"d\"} 1\n# EOF\n", 1),
    (b"# EOF\n", 0),
    (
        b"# TYPE h histogram\nh_bucket{le=\"1\"} 1 # {t=\"x\"} 0.5\n# EOF\n",
        1,
    ),
    (b"a 1 -1.5\n# EOF\n", 1),
    (b"a 1 1e3\n# EOF\n", 1),
    (b"a{b=\"\x00\"} 1\n# EOF\n", 1),
    (b"# HELP a \x00\n# EOF\n", 0),
    (
        b"# HELP \"a.b\" c\n# TYPE \"a.b\" counter\n# UNIT \"a.b_s\" s\n{\"a.b\"} 1\n# EOF\n",
        1,
    ),
    (b"a 1 # {\"x y\"=\"z\"} 1\n# EOF\n", 1),
    (b"a 1 # {x=\"y\"} nan\n# EOF\n", 1),
    (b"a nan\n# EOF\n", 1),
];

fn parse(body: &[u8]) -> (Vec<Entry<'_>>, Option<ParseError>) {
    let mut parser = OpenMetricsParser::new(body, false);
    let mut entries = Vec::new();
    loop {
        match parser.next_entry() {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => return (entries, None),
            Err(err) => return (entries, Some(err)),
        }
    }
}

#[test]
fn refuses_as_the_reference_does() {
    for (body, expected) in REFUSED {
        let (_, error) = parse(body);
        let error = error.map(|err| err.to_string());
        assert_eq!(error.as_deref(), Some(*expected), "{}", body.escape_ascii());
    }
}

#[test]
fn takes_what_the_reference_takes() {
    for (body, expected) in TAKEN {
        let (entries, error) = parse(body);
        assert_eq!(error, None, "{}", body.escape_ascii());
        let samples = entries
            .iter()
            .filter(|entry| matches!(entry, Entry::Series(_)))
            .count();
        assert_eq!(samples, *expected, "{}", body.escape_ascii());
    }
}

fn both_readers_agree(body: &[u8]) {
    let exact = OpenMetricsParser::new(body, false).exact();
    // Debug text, since NaN differs from itself.
    assert_eq!(
        format!("{:?}", parse(body)),
        format!("{exact:?}"),
        "{}",
        body.escape_ascii()
    );
}

#[test]
fn the_quick_reader_agrees_on_damaged_bodies() {
    let seeds = REFUSED
        .iter()
        .map(|(body, _)| *body)
        .chain(TAKEN.iter().map(|(body, _)| *body));
    for seed in seeds {
        for cut in 0..=seed.len() {
            both_readers_agree(&seed[..cut]);
        }
        for index in 0..seed.len() {
            for flip in [1_u8, 2, 0x20, 0x80, seed[index]] {
                let mut damaged = seed.to_vec();
                damaged[index] ^= flip;
                both_readers_agree(&damaged);
            }
        }
    }
}

#[test]
fn a_known_line_reads_as_an_unknown_one() {
    let mut known = 0;
    for (body, _) in TAKEN {
        for entry in parse(body).0 {
            let Entry::Series(expected) = entry else {
                continue;
            };
            let at = expected.text.as_ptr() as usize - body.as_ptr() as usize;
            let mut parser = OpenMetricsParser::new(&body[at..], false);
            let is_known = |text: &[u8]| text == expected.text;
            if let Some(series) = parser.next_known(expected.text.len(), is_known) {
                assert_eq!(format!("{series:?}"), format!("{expected:?}"));
                known += 1;
            }
            let mut labels = Vec::new();
            // Must not fail for another reason than names that are no UTF-8.
            if let Err(err) = crate::series_text::pairs(
                Format::OpenMetrics,
                expected.text,
                MetricType::Unknown,
                &mut labels,
            ) {
                assert!(err.to_string().starts_with("invalid metric name"), "{err}");
            }
        }
    }
    assert!(known > 5, "the known way is hardly ever taken: {known}");
}

#[test]
fn knowing_lines_changes_nothing_about_damaged_bodies() {
    let bodies = || TAKEN.iter().map(|(body, _)| *body);
    for learned in bodies() {
        for seed in REFUSED.iter().map(|(body, _)| *body).chain(bodies()) {
            check_known(Format::OpenMetrics, learned, seed);
        }
        for cut in 0..=learned.len() {
            check_known(Format::OpenMetrics, learned, &learned[..cut]);
        }
        for index in 0..learned.len() {
            for flip in [1_u8, 2, 0x20, 0x80, learned[index]] {
                let mut damaged = learned.to_vec();
                damaged[index] ^= flip;
                check_known(Format::OpenMetrics, learned, &damaged);
                check_known(Format::OpenMetrics, &damaged, learned);
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn the_quick_reader_agrees_on_random_bodies(
        body in "([ab_:]{1,2}|\\{|\\}|[a]=\"[b\\\\]{0,2}\"|,|\"|\\\\| |\n|\t|[0-9.eE+-]{1,3}|# (HELP|TYPE|EOF|UNIT)? ?|\\x00|NaN|é){0,24}"
    ) {
        both_readers_agree(body.as_bytes());
    }

    #[test]
    fn knowing_lines_changes_nothing(
        learned in "(\n?[ab]{1,2} ?(\\{([a]=\"[b\\\\]{0,2}\",?){0,2}\\})? ?[0-9]{1,2}( [0-9])?\n){0,6}",
        body in "(\n?[ab]{1,2} ?(\\{([a]=\"[b\\\\]{0,2}\",?){0,2}\\})? ?[0-9]{1,2}( [0-9])?[ {]?\n|# EOF|#a|a=){0,6}"
    ) {
        check_known(Format::OpenMetrics, learned.as_bytes(), body.as_bytes());
    }
}
