//! What is taken and what is refused; answers come from asking the reference.

use super::*;

use crate::{Format, check_known};

/// Bodies that the reference refuses, with the error it reports for them.
const REFUSED: &[(&[u8], &str)] = &[
    (
        b"a\n",
        "expected value after metric, got \"\\n\" (\"INVALID\") while parsing: \"a\\n\"",
    ),
    (
        b"a{b='c'} 1\n",
        "expected label value, got \"'\" (\"INVALID\") while parsing: \"a{b='\"",
    ),
    (
        b"a{b=\"c\"} \n",
        "expected value after metric, got \"\\n\" (\"INVALID\") while parsing: \"a{b=\\\"c\\\"} \\n\"",
    ),
    (
        b"a 1 2 3\n",
        "expected next entry after timestamp, got \"3\\n\" (\"TIMESTAMP\") while parsing: \"a 1 2 3\\n\"",
    ),
    (
        b"a 1 -5\n",
        "expected timestamp or new record, got \"-\" (\"INVALID\") while parsing: \"a 1 -\"",
    ),
    (
        b"a 1{\n",
        "expected timestamp or new record, got \"{\" (\"INVALID\") while parsing: \"a 1{\"",
    ),
    (
        b"a{b=\"c\",,} 1\n",
        "expected label name, got \",}\" (\"COMMA\") while parsing: \"a{b=\\\"c\\\",,}\"",
    ),
    (
        b"a{,} 1\n",
        "expected label name, got \",}\" (\"COMMA\") while parsing: \"a{,}\"",
    ),
    (
        b"a{b} 1\n",
        "metric name already set while parsing: \"a{b}\"",
    ),
    (
        b"a{\"b\"} 1\n",
        "metric name already set while parsing: \"a{\\\"b\\\"}\"",
    ),
    (
        b"{\"b\",\"c\"} 1\n",
        "metric name already set while parsing: \"{\\\"b\\\",\\\"c\\\"}\"",
    ),
    (
        b"{b=\"c\"} 1\n",
        "metric name not set while parsing: \"{b=\\\"c\\\"} 1\"",
    ),
    (b"# HELP a\n# TYPE a\na 1\n", "invalid metric type \"\""),
    (b"# TYPE a foo\na 1\n", "invalid metric type \"foo\""),
    (b"# TYPE a gauge \na 1\n", "invalid metric type \"gauge \""),
    (
        b"# HELP a \xff\na 1\n",
        "help text \"\\xff\" is not a valid utf8 string",
    ),
    (
        b"a{b=\"\xff\"} 1\n",
        "invalid UTF-8 label value: \"\\\"\\xff\\\"\"",
    ),
    (
        b"# HELP 1\n",
        "expected metric name after HELP, got \"1\" (\"INVALID\") while parsing: \"# HELP 1\"",
    ),
    (
        b"a 1e400\n",
        "strconv.ParseFloat: parsing \"1e400\": value out of range while parsing: \"a 1e400\"",
    ),
    (
        b"a 0x1p4\n",
        "unsupported character in float while parsing: \"a 0x1p4\"",
    ),
    (
        b"a abc\n",
        "strconv.ParseFloat: parsing \"abc\": invalid syntax while parsing: \"a abc\"",
    ),
    (
        b"a 1 99999999999999999999\n",
        "strconv.ParseInt: parsing \"99999999999999999999\": value out of range while parsing: \"a 1 99999999999999999999\"",
    ),
    (
        b"a 1\r\n",
        "strconv.ParseFloat: parsing \"1\\r\": invalid syntax while parsing: \"a 1\\r\"",
    ),
    (
        b"a{b=\"c\\",
        "expected label value, got \"\\\"c\\\\\\n\" (\"INVALID\") while parsing: \"a{b=\\\"c\\\\\\n\"",
    ),
    (
        b"a{b=\"\\\n\"} 1\n",
        "expected label value, got \"\\\"\\\\\\n\" (\"INVALID\") while parsing: \"a{b=\\\"\\\\\\n\"",
    ),
    (
        b"\xef\xbb\xbfa 1\n",
        "expected a valid start token, got \"\\xef\" (\"INVALID\") while parsing: \"\\xef\"",
    ),
    (
        b"a{b=\"c\"",
        "expected label name, got \"\\n\" (\"INVALID\") while parsing: \"a{b=\\\"c\\\"\\n\"",
    ),
    (
        b"a{b=\"c\"}\n",
        "expected value after metric, got \"\\n\" (\"INVALID\") while parsing: \"a{b=\\\"c\\\"}\\n\"",
    ),
    (
        b"a{1=\"b\"} 1\n",
        "expected label name, got \"1\" (\"INVALID\") while parsing: \"a{1\"",
    ),
    (
        b"a:b{c:d=\"e\"} 1\n",
        "expected equal, got \":\" (\"INVALID\") while parsing: \"a:b{c:\"",
    ),
    (
        b"a 1\x00\n",
        "expected timestamp or new record, got \"\\x00\" (\"INVALID\") while parsing: \"a 1\\x00\"",
    ),
    (
        b"1 1\n",
        "expected a valid start token, got \"1\" (\"INVALID\") while parsing: \"1\"",
    ),
    (
        b"a -nan\n",
        "strconv.ParseFloat: parsing \"-nan\": invalid syntax while parsing: \"a -nan\"",
    ),
    (
        b"a{b=\"c\"}{ 1\n",
        "expected value after metric, got \"{ \" (\"BOPEN\") while parsing: \"a{b=\\\"c\\\"}{ \"",
    ),
    (
        b"a 5 # {a=\"b\"} 1\n",
        "expected timestamp or new record, got \"#\" (\"INVALID\") while parsing: \"a 5 #\"",
    ),
    (
        b"a\tb\n",
        "strconv.ParseFloat: parsing \"b\": invalid syntax while parsing: \"a\\tb\"",
    ),
    (
        b"a{b=c} 1\n",
        "expected label value, got \"c\" (\"INVALID\") while parsing: \"a{b=c\"",
    ),
    (
        b"a{b 1\n",
        "expected equal, got \"1\" (\"INVALID\") while parsing: \"a{b 1\"",
    ),
    (
        b"a{b=\"c\"} 1 x\n",
        "expected timestamp or new record, got \"x\" (\"INVALID\") while parsing: \"a{b=\\\"c\\\"} 1 x\"",
    ),
    (
        b"# TYPE a unknown\na 1\n",
        "invalid metric type \"unknown\"",
    ),
];

/// Bodies that the reference takes, with their number of samples.
const TAKEN: &[(&[u8], usize)] = &[
    (b"a 1\n", 1),
    (b"  a 1\n", 1),
    (b"a 1\n\x00garbage\n", 1),
    (b"a{b=\"c\nd\"} 1\n", 1),
    (b"a{b=\"c\x00d\"} 1\n", 1),
    (b"a+1\n", 1),
    (b"a {b=\"c\"}1\n", 1),
    (b"a{b=\"c\" d=\"e\"} 1\n", 1),
    (b"{\"b\"} 1\n", 1),
    (b"# HELP\n# TYPE\n#\n# \n#x\na 1\n", 1),
    (b"a 99999999999999999999999\n", 1),
    (b"a{b=\"x\\y\\n\\\\\\\"\"} 1\n", 1),
    (b"a 1", 1),
    (b"# HELP a b", 0),
    (b"# TYPE \"a.b\" counter\n{\"a.b\"} 1\n", 1),
    (b"a 1 \n", 1),
    (b"\t\na 1\n", 1),
    (b"a{} 1\n", 1),
    (b"{ \"a\" , c = \"d\" } 1\n", 1),
    (b"#\x00\na 1\n", 0),
    (b"# \x00\na 1\n", 0),
    (b"a NaN\na2 +Inf\na3 -inf\n", 3),
    (b"a nan\n", 1),
    (b"a 1\n\n\nb 2\n", 2),
    (b"# TYPE h histogram\nh{le=\"1\"} 2\nx{le=\"1e6\"} 3\nx{le=\"+Inf\"} 3\nx{le=\"0x10\"} 1\nx{le=\"1e-7\"} 1\nx{le=\"nan\"} 1\n# TYPE s summary\ns{quantile=\"1\"} 2\ns{le=\"1\"} 2\n", 8),
    (b" {\"a\"} 1\n", 1),
    (b"   # HELP a b\na 1\n", 1),
    (b"a 1 1700000000000000 \n", 1),
    (b"a {b=\"c\"} 1\n", 1),
    (b"# HELP \"a b\"c d\na 1\n", 1),
    (b"# HELP a\\b c\na 1\n", 1),
    (b"a 1\n  \n", 1),
];

fn parse(body: &[u8]) -> (Vec<Entry<'_>>, Option<ParseError>) {
    let mut parser = TextParser::new(body);
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
    let exact = TextParser::new(body).exact();
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
            let mut parser = TextParser::new(&body[at..]);
            let is_known = |text: &[u8]| text == expected.text;
            if let Some(series) = parser.next_known(expected.text.len(), is_known) {
                assert_eq!(format!("{series:?}"), format!("{expected:?}"));
                known += 1;
            }
            let mut labels = Vec::new();
            // Must not fail for another reason than names that are no UTF-8.
            if let Err(err) = crate::series_text::pairs(
                Format::Text,
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
            check_known(Format::Text, learned, seed);
        }
        for cut in 0..=learned.len() {
            check_known(Format::Text, learned, &learned[..cut]);
        }
        for index in 0..learned.len() {
            for flip in [1_u8, 2, 0x20, 0x80, learned[index]] {
                let mut damaged = learned.to_vec();
                damaged[index] ^= flip;
                check_known(Format::Text, learned, &damaged);
                check_known(Format::Text, &damaged, learned);
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
        check_known(Format::Text, learned.as_bytes(), body.as_bytes());
    }
}
