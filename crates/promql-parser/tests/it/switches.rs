//! What the options switch off.

use promql_parser::{ParserOptions, parse_expr};

#[test]
fn experimental_syntax_is_refused_by_default() {
    let options = ParserOptions {
        duration_expr: false,
        ..ParserOptions::default()
    };
    for (text, expected) in [
        (
            "mad_over_time(a[5m])",
            "1:1: parse error: function \"mad_over_time\" is not enabled",
        ),
        ("end()", "1:1: parse error: function \"end\" is not enabled"),
        (
            "abs(limitk(1, a))",
            "1:5: parse error: limitk() is experimental and must be enabled with \
             --enable-feature=promql-experimental-functions",
        ),
        (
            "a[5m+1m]",
            "1:3: parse error: experimental duration expression is not enabled",
        ),
        (
            "a[(5m)]",
            "1:4: parse error: experimental duration expression is not enabled",
        ),
        (
            "a[5m] anchored",
            "1:1: parse error: anchored modifier is experimental and not enabled",
        ),
        (
            "a smoothed",
            "1:1: parse error: smoothed modifier is experimental and not enabled",
        ),
        (
            "a + fill(0) b",
            "1:5: parse error: binop fill modifiers are experimental and not enabled",
        ),
    ] {
        match parse_expr(text, &options) {
            Ok(expr) => panic!("{text} was accepted as {expr}"),
            Err(error) => assert_eq!(error.to_string(), expected, "{text}"),
        }
    }
}

#[test]
fn duration_expressions_are_on_by_default() {
    assert!(parse_expr("a[5m+1m] offset (2m*3)", &ParserOptions::default()).is_ok());
}

#[test]
fn first_over_time_is_on_by_default() {
    let options = ParserOptions::default();
    assert!(parse_expr("first_over_time(a[5m])", &options).is_ok());
    assert!(parse_expr("ts_of_first_over_time(a[5m])", &options).is_err());
}

#[test]
fn experimental_names_stay_usable_as_metric_names() {
    for text in [
        "limitk",
        "info",
        "fill",
        "anchored",
        "smoothed + fill_left",
        "sum by (fill) (a)",
    ] {
        assert!(
            parse_expr(text, &ParserOptions::default()).is_ok(),
            "{text}"
        );
    }
}
