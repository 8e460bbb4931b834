//! What is read, and what is said of what is not.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, expected: &[(&str, &str)]) {
    let expected = expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(string_map(text), Ok(expected), "{text}");
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = string_map(text).expect_err("refused").to_string();
    assert_eq!(error, expected, "{text}");
}

#[test]
fn objects_of_strings_are_read() {
    check("{}", &[]);
    check(" null\n", &[]);
    check(
        " { \"b\" : \"1\" ,\t\"a\":\"2\"}\r\n",
        &[("a", "2"), ("b", "1")],
    );
    check(r#"{"a":"1","A":"2","a":"3"}"#, &[("A", "2"), ("a", "3")]);
    check(r#"{"a":null,"":"x"}"#, &[("", "x"), ("a", "")]);
    check(
        r#"{"\u0061\"\\\/\b\f\n\r\t":"é\u00e9 \ud83d\ude00"}"#,
        &[("a\"\\/\u{8}\u{c}\n\r\t", "éé 😀")],
    );
    check(
        r#"{"a":"\ud83dx\ud83d\ud83d\ude00\ude00\ud83d\u0041"}"#,
        &[("a", "\u{fffd}x\u{fffd}😀\u{fffd}\u{fffd}A")],
    );
}

#[test]
fn other_types_are_named() {
    let whole = |text: &str, found: &str| {
        let wanted = "into Go value of type map[string]string";
        refused(text, &format!("json: cannot unmarshal {found} {wanted}"));
    };
    whole("[1, {}]", "array");
    whole("\"{}\"", "string");
    whole("-1.5e+3", "number");
    whole("true", "bool");
    let value = |text: &str, found: &str| {
        let wanted = "into Go value of type string";
        let text = format!("{{\"a\":{text},\"b\":[]}}");
        refused(&text, &format!("json: cannot unmarshal {found} {wanted}"));
    };
    value("1", "number");
    value("false", "bool");
    value("[\"]\", {\"x\": [1, true]}]", "array");
    value("{\"b\": \"}\"}", "object");
}

#[test]
fn the_first_byte_that_cannot_stand_where_it_stands_is_named() {
    let end = "unexpected end of JSON input";
    for text in [
        "",
        " ",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":\"1\"",
        "{\"a\":\"1\",",
        "\"a",
        "[1",
    ] {
        refused(text, end);
    }
    for (text, byte, place) in [
        ("x", "'x'", "looking for beginning of value"),
        ("{a:1}", "'a'", "looking for beginning of object key string"),
        (
            "{\"a\":1,}",
            "'}'",
            "looking for beginning of object key string",
        ),
        ("{\"a\" 1}", "'1'", "after object key"),
        ("{\"a\":\"1\" \"b\"}", "'\"'", "after object key:value pair"),
        ("[1 2]", "'2'", "after array element"),
        ("[01]", "'1'", "after array element"),
        ("[1,]", "']'", "looking for beginning of value"),
        ("{} '", "'\\''", "after top-level value"),
        ("\"a\nb\"", "'\\n'", "in string literal"),
        ("\"\\x\"", "'x'", "in string escape code"),
        ("\"\\u12g4\"", "'g'", "in \\u hexadecimal character escape"),
        ("-x", "'x'", "in numeric literal"),
        ("1.", "' '", "after decimal point in numeric literal"),
        ("1e+", "' '", "in exponent of numeric literal"),
        ("trux", "'x'", "in literal true (expecting 'e')"),
        ("fa", "' '", "in literal false (expecting 'l')"),
        ("nul", "' '", "in literal null (expecting 'l')"),
        ("é", "'Ã'", "looking for beginning of value"),
        // Form comes before type.
        (
            "{\"a\":1,b}",
            "'b'",
            "looking for beginning of object key string",
        ),
    ] {
        refused(text, &format!("invalid character {byte} {place}"));
    }
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let wrong = "json: cannot unmarshal array into Go value of type string";
    refused(&nested(9_999), wrong);
    refused(&nested(10_000), "invalid character '[' exceeded max depth");
}

proptest! {
    #[test]
    fn what_was_written_is_read(pairs: BTreeMap<String, String>) {
        let mut text = String::from("{");
        for (name, value) in &pairs {
            for (part, after) in [(name, ':'), (value, ',')] {
                // Escapes of both lengths, and none.
                text.push('"');
                for character in part.chars() {
                    match u32::from(character) % 3 {
                        0 if !character.is_control() && !"\"\\".contains(character) => {
                            text.push(character);
                        }
                        _ => {
                            for unit in character.encode_utf16(&mut [0; 2]) {
                                text.push_str(&format!("\\u{unit:04x}"));
                            }
                        }
                    }
                }
                text.push('"');
                text.push(after);
            }
        }
        let text = text.trim_end_matches(',').to_owned() + "}";
        prop_assert_eq!(string_map(&text), Ok(pairs));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}\",:\\\\untrfalse0-9.+ -]{0,40}") {
        let _ = string_map(&text);
    }
}
