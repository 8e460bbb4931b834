//! What is accepted, and its normal form.

use promql_parser::ast::{AtModifier, Expr};
use promql_parser::pretty::prettify;
use promql_parser::tree::to_json;
use promql_parser::{ParserOptions, parse_metric, parse_metric_selector};
use serde_json::json;

use crate::parse;

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        assert_eq!(parse(text).to_string(), *expected, "{text}");
    }
}

/// Texts that are their own normal form.
#[track_caller]
fn check_same(texts: &[&str]) {
    for text in texts {
        assert_eq!(parse(text).to_string(), *text);
    }
}

#[test]
fn numbers() {
    check(&[
        ("1_000", "1000"),
        ("0x1F", "31"),
        ("0X_1f", "31"),
        ("010", "8"),
        ("089", "89"),
        ("5.", "5"),
        (".5", "0.5"),
        (
            "1e5_0",
            "100000000000000000000000000000000000000000000000000",
        ),
        ("inf", "+Inf"),
        ("-iNf", "-Inf"),
        ("NAN", "NaN"),
        ("9223372036854775808", "9223372036854776000"),
        ("- -1", "1"),
        ("-0", "-0"),
        ("90m", "1h30m"),
        ("-5m", "-5m"),
        ("0d", "0s"),
        ("1y1w", "372d"),
        ("0xe+1", "14 + 1"),
    ]);
}

#[test]
fn strings() {
    check(&[
        (r#"'it\'s'"#, r#""it's""#),
        (r#""\x41\101é\u00e9\U0001F525\t""#, r#""AAéé🔥\t""#),
        (r"`raw \n`", r#""raw \\n""#),
        (r#""\xff""#, r#""\xff""#),
        ("# nothing\n'a' # behind", "\"a\""),
    ]);
}

#[test]
fn operators_and_their_precedence() {
    check_same(&[
        "-2 ^ 2",
        "a ^ -b ^ c",
        "-a * b + c % d atan2 e",
        "a == bool b",
        "a > bool on (x) b",
        "a unless b or c and d",
        "a and on (x) b",
        "a </ 5",
        "a >/ 5",
    ]);
    let Expr::Unary(unary) = parse("-a ^ b") else {
        panic!("the power binds tighter")
    };
    assert!(matches!(unary.expr, Expr::Binary(_)));
    let Expr::Binary(product) = parse("-a * b") else {
        panic!("the sign binds tighter")
    };
    assert!(matches!(product.lhs, Expr::Unary(_)));
    let Expr::Binary(power) = parse("a ^ b ^ c") else {
        panic!()
    };
    assert!(
        matches!(power.rhs, Expr::Binary(_)),
        "the power associates to the right"
    );
    let Expr::Binary(difference) = parse("a - b - c") else {
        panic!()
    };
    assert!(
        matches!(difference.lhs, Expr::Binary(_)),
        "the rest to the left"
    );
}

#[test]
fn matching_clauses() {
    check(&[
        ("a+on(x,)group_left(y,)b", "a + on (x) group_left (y) b"),
        ("a + ON(b) GROUP_RIGHT c", "a + on (b) group_right () c"),
        ("a + ignoring() b", "a + b"),
        ("a + on() b", "a + on () b"),
        ("a + on(b) (c)", "a + on (b) (c)"),
        ("a + fill(0) b", "a + fill (0) b"),
        (
            "a + fill_right(-1) fill_left (5m) b",
            "a + fill_left (300) fill_right (-1) b",
        ),
        (
            "a + on (x) group_left fill(NaN) fill",
            "a + on (x) group_left () fill (NaN) fill",
        ),
        ("fill + fill(0) fill_left", "fill + fill (0) fill_left"),
    ]);
}

#[test]
fn aggregations() {
    check(&[
        ("SUM(a) BY (b)", "sum by (b) (a)"),
        ("sum by () (b)", "sum(b)"),
        ("sum(b) without ()", "sum without () (b)"),
        (
            "count by (a, 'b c', `d`, sum, bool, atan2,) (x)",
            "count by (a, \"b c\", d, sum, bool, atan2) (x)",
        ),
        ("topk(5, a)", "topk(5, a)"),
        (
            "count_values without (x) ((\"y\"), a)",
            "count_values without (x) ((\"y\"), a)",
        ),
    ]);
}

#[test]
fn selectors() {
    check(&[
        ("a{}", "a"),
        ("a { b = 'c' , }", "a{b=\"c\"}"),
        (
            "{z='1',a!='2',m=~'3',b!~'4'}",
            "{a!=\"2\",b!~\"4\",m=~\"3\",z=\"1\"}",
        ),
        ("{'a.b','c d'='e'}", "{\"c d\"=\"e\",__name__=\"a.b\"}"),
        ("{'a','b'}", "{__name__=\"a\",__name__=\"b\"}"),
        (":a:b{by='c',inf='d'}", ":a:b{by=\"c\",inf=\"d\"}"),
    ]);
    check_same(&[
        "sum",
        "by + without",
        "offset offset 5m",
        "and and and",
        "start",
        "step[5m]",
    ]);
}

#[test]
fn modifiers() {
    check(&[
        ("a offset 1.5", "a offset 1s500ms"),
        ("a OFFSET -5m @ END()", "a @ end() offset -5m"),
        ("a @ 1.2345", "a @ 1.235"),
        ("a @ - 5m", "a @ -300.000"),
        ("a @ start()[5m]", "a[5m] @ start()"),
        ("a offset 0 offset 5m", "a offset 5m"),
        ("a[5m:1m] offset 3m @ 7", "a[5m:1m] @ 7.000 offset 3m"),
        ("a[1001ms]", "a[1s1ms]"),
        ("a[5m] smoothed offset 1m", "a[5m] smoothed offset 1m"),
        ("a anchored", "a anchored"),
    ]);
    let Expr::Vector(selector) = parse("a @ -1.5 offset -1m") else {
        panic!()
    };
    assert_eq!(selector.at, Some(AtModifier::Timestamp(-1500)));
    assert_eq!(selector.offset_ms, -60_000);
}

#[test]
fn duration_expressions() {
    check(&[
        ("a[5m+1m*2]", "a[5m + 1m * 2]"),
        ("a[((5m + 1))]", "a[(5m + 1)]"),
        ("a[(5m)]", "a[5m]"),
        ("a[-(-5m)]", "a[5m]"),
        ("a[2^3^2:-1+2]", "a[2 ^ 3 ^ 2:-1 + 2]"),
        (
            "a[STEP()+1:min_of(range(), 5m)]",
            "a[step() + 1:min_of(range(), 5m)]",
        ),
        (
            "a offset -max_of(step(), 1s)",
            "a offset -max_of(step(), 1s)",
        ),
        ("a offset (1m+1)[5m]", "a[5m] offset (1m + 1)"),
    ]);
    // Operators behind a plain offset belong to the outer expression.
    for text in [
        "a offset 1m + 1m",
        "a offset step() * 0",
        "a offset -(1m) + 1",
    ] {
        assert!(matches!(parse(text), Expr::Binary(_)), "{text}");
    }
    assert!(matches!(parse("a offset (1m) * 2"), Expr::Vector(_)));
}

#[test]
fn functions_named_like_keywords() {
    check_same(&[
        "end() - start()",
        "vector(range())",
        "step()",
        "min_of(1, 2)",
    ]);
}

#[test]
fn long_expressions_are_split_over_lines() {
    let text = "sum by (some_label) (rate(a_metric_with_a_rather_long_name_total[5m])) \
                / on (job) group_left () (b_metric_with_a_rather_long_name_total offset 5m)";
    let expected = "  sum by (some_label) (rate(a_metric_with_a_rather_long_name_total[5m]))\n\
                    / on (job) group_left ()\n  \
                    (b_metric_with_a_rather_long_name_total offset 5m)";
    assert_eq!(prettify(&parse(text)), expected);
    let name = "x".repeat(101);
    assert_eq!(
        prettify(&parse(&format!("sum({name})"))),
        format!("sum(\n  {name}\n)")
    );
    assert_eq!(
        prettify(&parse(&format!("-topk(5,({name}))"))),
        format!("-topk(\n  5,\n  (\n    {name}\n  )\n)")
    );
    assert_eq!(prettify(&parse("a[5m:]")), "a[5m:]");
}

#[test]
fn the_tree_as_json() {
    let a = json!({
        "type": "vectorSelector", "name": "a", "offset": 0, "startOrEnd": null, "timestamp": null,
        "matchers": [{"name": "__name__", "type": "=", "value": "a"}],
    });
    assert_eq!(to_json(&parse("a")), a);
    assert_eq!(
        to_json(&parse("topk(1, a)")),
        json!({
            "type": "aggregation", "op": "topk", "expr": a, "grouping": [], "without": false,
            "param": {"type": "numberLiteral", "val": "1"},
        })
    );
    assert_eq!(
        to_json(&parse("1 < bool (2)")),
        json!({
            "type": "binaryExpr", "op": "<", "bool": true, "matching": null,
            "lhs": {"type": "numberLiteral", "val": "1"},
            "rhs": {"type": "parenExpr", "expr": {"type": "numberLiteral", "val": "2"}},
        })
    );
    let matching = to_json(&parse("a and b"))["matching"].clone();
    let expected = json!({"card": "many-to-many", "labels": [], "on": false, "include": []});
    assert_eq!(matching, expected);
    let call = to_json(&parse("rate(a[5m] offset 1m @ 2)"));
    assert_eq!(
        call["func"],
        json!({"name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector"})
    );
    let matrix = &call["args"][0];
    assert_eq!(
        (&matrix["range"], &matrix["offset"], &matrix["timestamp"]),
        (&json!(300_000), &json!(60_000), &json!(2000))
    );
}

#[test]
fn the_tree_has_members_of_newer_syntax_where_it_is_used() {
    let step =
        json!({"type": "durationExpr", "op": "step", "lhs": null, "rhs": null, "wrapped": false});
    let number = |val: &str, duration: bool| json!({"type": "numberLiteral", "val": val, "duration": duration});
    let tree = to_json(&parse("a[2 * (5m - step())] offset -step()"));
    assert_eq!(tree["range"], json!(0));
    assert_eq!(
        tree["rangeExpr"],
        json!({
            "type": "durationExpr", "op": "*", "wrapped": false, "lhs": number("2", false),
            "rhs": {
                "type": "durationExpr", "op": "-", "wrapped": true, "lhs": number("300", true), "rhs": step,
            },
        })
    );
    assert_eq!(
        tree["offsetExpr"],
        json!({"type": "durationExpr", "op": "-", "lhs": null, "rhs": step, "wrapped": false})
    );
    let tree = to_json(&parse("a[1m:max_of(1m, step())] offset (1m + 1)"));
    assert_eq!(
        tree["stepExpr"],
        json!({
            "type": "durationExpr", "op": "max_of", "wrapped": false,
            "lhs": number("60", true), "rhs": step,
        })
    );
    assert_eq!(tree["offsetExpr"]["wrapped"], json!(true));
    assert_eq!(tree.get("rangeExpr"), None);
    let matching = to_json(&parse("a + fill_left(0.5) b"))["matching"].clone();
    assert_eq!(matching["fillValues"], json!({"lhs": 0.5, "rhs": null}));
    assert_eq!(to_json(&parse("a smoothed"))["smoothed"], json!(true));
}

#[test]
fn metrics_and_selectors_alone() {
    let labels = parse_metric("a{b='c', \"d e\"=`f`}").unwrap();
    let pairs: Vec<_> = labels.iter().collect();
    assert_eq!(pairs, [("__name__", "a"), ("b", "c"), ("d e", "f")]);
    assert!(parse_metric("").unwrap().is_empty());
    let options = ParserOptions::default();
    assert_eq!(
        parse_metric_selector("a{b!='c'}", &options).unwrap().len(),
        2
    );
    assert!(parse_metric_selector("{}", &options).unwrap().is_empty());
    let error = parse_metric_selector("a[5m]", &options).unwrap_err();
    assert_eq!(error.to_string(), "1:2: parse error: unexpected \"[\"");
    let error = parse_metric("a{b=c}").unwrap_err();
    let expected = "1:5: parse error: unexpected identifier \"c\" in label set, expected string";
    assert_eq!(error.to_string(), expected);
}
