//! What is refused, in which words, and where.

use crate::error;

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        assert_eq!(error(text), *expected, "{text}");
    }
}

#[test]
fn characters_that_mean_nothing() {
    check(&[
        ("é", "1:1: parse error: unexpected character: 'é'"),
        ("a$", "1:2: parse error: unexpected character: '$'"),
        ("a & b", "1:3: parse error: unexpected character: '&'"),
        (
            "a ! b",
            "1:3: parse error: unexpected character after '!': ' '",
        ),
        (
            "!a",
            "1:1: parse error: unexpected character after '!': 'a'",
        ),
        (
            "a =~ b",
            "1:3: parse error: unexpected character after '=': '~'",
        ),
        ("a = b", "1:3: parse error: unexpected \"=\""),
        ("a;", "1:2: parse error: unexpected character: ';'"),
        ("x\ny é", "2:1: parse error: unexpected identifier \"y\""),
        ("}", "1:1: parse error: unexpected character: '}'"),
        (")", "1:2: parse error: unexpected right parenthesis ')'"),
        ("]", "1:1: parse error: unexpected right bracket ']'"),
        ("a[5m[", "1:5: parse error: unexpected left bracket '['"),
        ("{{", "1:2: parse error: unexpected left brace '{'"),
        (
            "{1=\"b\"}",
            "1:2: parse error: unexpected character inside braces: '1'",
        ),
        (
            "a{b~\"c\"}",
            "1:4: parse error: unexpected character inside braces: '~'",
        ),
        (
            "{a!\"b\"}",
            "1:3: parse error: unexpected character after '!' inside braces: '\"'",
        ),
        (
            "a[:5m]",
            "1:4: parse error: unexpected colon before duration in duration expression",
        ),
        ("a[5m::5m]", "1:6: parse error: unexpected colon ':'"),
        (
            "a[é]",
            "1:3: parse error: unexpected character in duration expression: 'é'",
        ),
        ("a[5mé]", "1:5: parse error: unexpected character: 'é'"),
    ]);
}

#[test]
fn numbers_and_durations() {
    check(&[
        (
            "1.2.3",
            "1:1: parse error: bad number or duration syntax: \"1.2.\"",
        ),
        (
            "1__0",
            "1:1: parse error: bad number or duration syntax: \"1__\"",
        ),
        (
            "0x",
            "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"0x\": invalid syntax",
        ),
        (
            "0b1",
            "1:1: parse error: bad number or duration syntax: \"0\"",
        ),
        (
            "1_",
            "1:1: parse error: bad number or duration syntax: \"1_\"",
        ),
        (
            "1e",
            "1:1: parse error: bad number or duration syntax: \"1e\"",
        ),
        (
            "1e5x",
            "1:1: parse error: bad number or duration syntax: \"1e5\"",
        ),
        (
            "1e5.5",
            "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e5.5\": invalid syntax",
        ),
        (
            "5mm",
            "1:1: parse error: bad number or duration syntax: \"5mm\"",
        ),
        (
            "1d5",
            "1:1: parse error: bad number or duration syntax: \"1d5\"",
        ),
        (
            "5e324",
            "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"5e324\": value out of range",
        ),
        ("99999999999y", "1:1: parse error: duration out of range"),
        (
            "5m5m",
            "1:1: parse error: not a valid duration string: \"5m5m\"",
        ),
        (
            "1.5m",
            "1:1: parse error: unknown unit \".\" in duration \"1.5m\"",
        ),
        (
            "0x1p3",
            "1:1: parse error: bad number or duration syntax: \"0x1\"",
        ),
    ]);
}

#[test]
fn string_literals() {
    check(&[
        ("\"abc", "1:1: parse error: unterminated quoted string"),
        ("`abc", "1:1: parse error: unterminated raw string"),
        ("\"a\nb\"", "1:1: parse error: unterminated quoted string"),
        (
            "\"\\q\"",
            "1:1: parse error: unknown escape sequence U+0071 'q'",
        ),
        (
            "\"\\x4\"",
            "1:1: parse error: illegal character U+0022 '\"' in escape sequence",
        ),
        (
            "\"\\u12",
            "1:1: parse error: escape sequence not terminated",
        ),
        (
            "\"\\400\"",
            "1:1: parse error: escape sequence is an invalid Unicode code point",
        ),
        (
            "\"\\ud800\"",
            "1:1: parse error: escape sequence is an invalid Unicode code point",
        ),
        ("\"\\", "1:1: parse error: escape sequence not terminated"),
        (
            "'\\\"'",
            "1:1: parse error: unknown escape sequence U+0022 '\"'",
        ),
        ("\"�\"", "1:1: parse error: invalid UTF-8 rune"),
    ]);
}

#[test]
fn texts_that_end_early() {
    check(&[
        ("(", "1:2: parse error: unclosed left parenthesis"),
        (
            "a{",
            "1:3: parse error: unexpected end of input inside braces",
        ),
        (
            "a[",
            "1:3: parse error: unexpected end of input in duration expression",
        ),
        ("a[5m", "1:5: parse error: unclosed left bracket"),
        ("foo(1", "1:6: parse error: unclosed left parenthesis"),
        (
            "a{b=\"c\"",
            "1:8: parse error: unexpected end of input inside braces",
        ),
        ("1 +", "1:4: parse error: unexpected end of input"),
        (
            "a offset",
            "1:9: parse error: unexpected end of input in offset, expected number or duration",
        ),
        (
            "a @",
            "1:4: parse error: unexpected end of input in @, expected timestamp",
        ),
        (
            "sum(a) by",
            "1:10: parse error: unexpected end of input in grouping opts, expected \"(\"",
        ),
        (
            "sum by (a)",
            "1:11: parse error: unexpected end of input in aggregation",
        ),
        ("a > bool", "1:9: parse error: unexpected end of input"),
        (
            "a + on (x) group_left",
            "1:22: parse error: unexpected end of input in grouping opts, expected \"(\"",
        ),
        ("#x", "1:1: parse error: no expression found in input"),
        ("  ", "1:1: parse error: no expression found in input"),
    ]);
}

#[test]
fn tokens_out_of_place() {
    check(&[
        ("a b", "1:3: parse error: unexpected identifier \"b\""),
        ("1 1", "1:3: parse error: unexpected number \"1\""),
        ("* 1", "1:1: parse error: unexpected <op:*>"),
        ("a bool b", "1:3: parse error: unexpected <bool>"),
        ("bool", "1:1: parse error: unexpected <bool>"),
        (
            "sum(a b)",
            "1:7: parse error: unexpected identifier \"b\" in aggregation",
        ),
        (
            "sum(1 +)",
            "1:8: parse error: unexpected \")\" in aggregation",
        ),
        ("abs(1 +)", "1:8: parse error: unexpected \")\""),
        (
            "sum by (a b) (c)",
            "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\"",
        ),
        (
            "sum by (1) (c)",
            "1:9: parse error: unexpected number \"1\" in grouping opts, expected label",
        ),
        (
            "sum by (a,,b) (c)",
            "1:11: parse error: unexpected \",\" in grouping opts, expected label",
        ),
        (
            "sum by a (b)",
            "1:8: parse error: unexpected identifier \"a\" in grouping opts, expected \"(\"",
        ),
        (
            "sum by (a) without (b) (c)",
            "1:12: parse error: unexpected <without> in aggregation",
        ),
        (
            "a + on b",
            "1:8: parse error: unexpected identifier \"b\" in grouping opts, expected \"(\"",
        ),
        (
            "a + group_left b",
            "1:5: parse error: unexpected <group_left>",
        ),
        (
            "{b}",
            "1:3: parse error: unexpected \"}\" in label matching, expected label matching operator",
        ),
        (
            "a{b=}",
            "1:5: parse error: unexpected \"}\" in label matching, expected string",
        ),
        (
            "a{b=c}",
            "1:5: parse error: unexpected identifier \"c\" in label matching, expected string",
        ),
        (
            "a{,}",
            "1:3: parse error: unexpected \",\" in label matching, expected identifier or \"}\"",
        ),
        (
            "a{b=\"c\",,}",
            "1:9: parse error: unexpected \",\" in label matching, expected identifier or \"}\"",
        ),
        (
            "a{b=\"c\" d=\"e\"}",
            "1:9: parse error: unexpected identifier \"d\" in label matching, expected \",\" or \"}\"",
        ),
        (
            "{\"a\" \"b\"}",
            "1:6: parse error: unexpected string \"\\\"b\\\"\" in label matching, expected \",\" or \"}\"",
        ),
        (
            "a offset x",
            "1:10: parse error: unexpected identifier \"x\" in offset, expected number or duration",
        ),
        (
            "a @ x",
            "1:5: parse error: unexpected identifier \"x\" in @, expected timestamp",
        ),
        (
            "a @ start(1)",
            "1:11: parse error: unexpected number \"1\" in @, expected timestamp",
        ),
        (
            "a[]",
            "1:3: parse error: unexpected \"]\" in subquery selector, expected number or duration",
        ),
        (
            "a[5m {]",
            "1:6: parse error: unexpected \"{\" in subquery or range, expected \":\" or \"]\"",
        ),
        (
            "a[5m:{]",
            "1:6: parse error: unexpected \"{\" in subquery selector, expected number or duration or \"]\"",
        ),
        (
            "a[5m:5m{]",
            "1:8: parse error: unexpected \"{\" in subquery selector, expected \"]\"",
        ),
        (
            "a[5m@]",
            "1:5: parse error: unexpected \"<Item 57400>\" <op:@> in subquery or range, expected \":\" or \"]\"",
        ),
        (
            "x \"a string that is long\"",
            "1:3: parse error: unexpected string \"\\\"a string \"...",
        ),
        (
            "x a:b",
            "1:3: parse error: unexpected metric identifier \"a:b\"",
        ),
        ("x start", "1:3: parse error: unexpected \"start\""),
        ("a and", "1:6: parse error: unexpected end of input"),
        (
            "foo(1,)",
            "1:6: parse error: trailing commas not allowed in function call args",
        ),
        (
            "sum(,)",
            "1:5: parse error: unexpected \",\" in aggregation",
        ),
        ("by (a) (b)", "1:4: parse error: unexpected \"(\""),
        ("a:b(1)", "1:4: parse error: unexpected \"(\""),
    ]);
}

#[test]
fn arguments() {
    check(&[
        (
            "foo(a)",
            "1:1: parse error: unknown function with name \"foo\"",
        ),
        (
            "Rate(a[5m])",
            "1:1: parse error: unknown function with name \"Rate\"",
        ),
        (
            "rate()",
            "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 0",
        ),
        (
            "rate(a[5m],1)",
            "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 2",
        ),
        (
            "round()",
            "1:1: parse error: expected at least 1 argument(s) in call to \"round\", got 0",
        ),
        (
            "round(a,1,2)",
            "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3",
        ),
        (
            "label_join(a,\"b\")",
            "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 2",
        ),
        (
            "label_join(a,\"b\",1,\"c\")",
            "1:18: parse error: expected type string in call to function \"label_join\", got scalar",
        ),
        (
            "sum()",
            "1:1: parse error: no arguments for aggregate expression provided",
        ),
        (
            "sum(a,b)",
            "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 1, got 2",
        ),
        (
            "topk(1)",
            "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
        ),
        (
            "topk(a,b)",
            "1:6: parse error: expected type scalar in aggregation parameter, got instant vector",
        ),
        (
            "count_values(1,a)",
            "1:14: parse error: expected type string in aggregation parameter, got scalar",
        ),
        (
            "abs(1)",
            "1:5: parse error: expected type instant vector in call to function \"abs\", got scalar",
        ),
        (
            "abs(\"x\")",
            "1:5: parse error: expected type instant vector in call to function \"abs\", got string",
        ),
        (
            "abs(a[5m])",
            "1:5: parse error: expected type instant vector in call to function \"abs\", got range vector",
        ),
        (
            "rate(a)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ),
        (
            "sum(1)",
            "1:5: parse error: expected type instant vector in aggregation expression, got scalar",
        ),
        (
            "vector(\"a\")",
            "1:8: parse error: expected type scalar in call to function \"vector\", got string",
        ),
        (
            "info(a,b)",
            "1:8: parse error: expected label selectors only, got vector selector instead",
        ),
        (
            "time(1)",
            "1:1: parse error: expected 0 argument(s) in call to \"time\", got 1",
        ),
        (
            "hour(a,b)",
            "1:1: parse error: expected at most 1 argument(s) in call to \"hour\", got 2",
        ),
    ]);
}

#[test]
fn operands() {
    check(&[
        (
            "1 == 1",
            "1:3: parse error: comparisons between scalars must use BOOL modifier",
        ),
        (
            "1 + bool 1",
            "1:3: parse error: bool modifier can only be used on comparison operators",
        ),
        (
            "a + bool b",
            "1:3: parse error: bool modifier can only be used on comparison operators",
        ),
        (
            "a  and   bool b",
            "1:4: parse error: bool modifier can only be used on comparison operators",
        ),
        (
            "1 and a",
            "1:1: parse error: set operator \"and\" not allowed in binary scalar expression",
        ),
        (
            "a or 1",
            "1:1: parse error: set operator \"or\" not allowed in binary scalar expression",
        ),
        (
            "\"a\" + 1",
            "1:1: parse error: binary expression must contain only scalar and instant vector types",
        ),
        (
            "1 + a[5m]",
            "1:5: parse error: binary expression must contain only scalar and instant vector types",
        ),
        (
            "a + on(b) 1",
            "1:1: parse error: vector matching only allowed between instant vectors",
        ),
        (
            "a and on(b) group_left c",
            "1:1: parse error: no grouping allowed for \"and\" operation",
        ),
        (
            "a + on(x) group_left(x) b",
            "1:3: parse error: label \"x\" must not occur in ON and GROUP clause at once",
        ),
        (
            "-\"a\"",
            "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \"string\"",
        ),
        (
            "-a[5m]",
            "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \"range vector\"",
        ),
        (
            "1 == (2 == 3)",
            "1:9: parse error: comparisons between scalars must use BOOL modifier",
        ),
    ]);
}

#[test]
fn selectors() {
    check(&[
        (
            "{}",
            "1:1: parse error: vector selector must contain at least one non-empty matcher",
        ),
        (
            "{a=\"\"}",
            "1:1: parse error: vector selector must contain at least one non-empty matcher",
        ),
        (
            "{a=~\".*\"}",
            "1:1: parse error: vector selector must contain at least one non-empty matcher",
        ),
        (
            "{a!=\"b\"}",
            "1:1: parse error: vector selector must contain at least one non-empty matcher",
        ),
        (
            "x{\"b\"}",
            "1:1: parse error: metric name must not be set twice: \"x\" or \"b\"",
        ),
        (
            "x{__name__=\"y\"}",
            "1:1: parse error: metric name must not be set twice: \"x\" or \"y\"",
        ),
        (
            "{a=~\"(\"}",
            "1:2: parse error: error parsing regexp: missing closing ): `(`",
        ),
        (
            "{a=\"x\",b=~\"*\"}",
            "1:8: parse error: error parsing regexp: missing argument to repetition operator: `*`",
        ),
        (
            "sum by (\"\") (a)",
            "1:9: parse error: invalid label name for grouping: \"\"",
        ),
        (
            "sum by (\"\\xff\") (a)",
            "1:9: parse error: invalid label name for grouping: \"\\xff\"",
        ),
    ]);
}

#[test]
fn ranges_and_modifiers() {
    check(&[
        ("a[0]", "1:3: parse error: duration must be greater than 0"),
        (
            "a[-5m]",
            "1:3: parse error: duration must be greater than 0",
        ),
        ("a[99999999999]", "1:3: parse error: duration out of range"),
        ("a[5m/0]", "1:5: parse error: division by zero"),
        ("a[5m%(0)]", "1:5: parse error: modulo by zero"),
        (
            "a[5m:0s]",
            "1:6: parse error: duration must be greater than 0",
        ),
        (
            "(a)[5m]",
            "1:4: parse error: ranges only allowed for vector selectors",
        ),
        (
            "1[5m:]",
            "1:1: parse error: subquery is only allowed on instant vector, got scalar instead",
        ),
        (
            "a[5m][5m]",
            "1:6: parse error: ranges only allowed for vector selectors",
        ),
        (
            "a[5m][5m:]",
            "1:1: parse error: subquery is only allowed on instant vector, got matrix instead",
        ),
        (
            "a offset 1m[5m]",
            "1:12: parse error: no offset modifiers allowed before range",
        ),
        (
            "a @ 1[5m]",
            "1:6: parse error: no @ modifiers allowed before range",
        ),
        (
            "a offset 1m offset 2m",
            "1:1: parse error: offset may not be set multiple times",
        ),
        (
            "a @ 1 @ 2",
            "1:1: parse error: @ <timestamp> may not be set multiple times",
        ),
        (
            "a @ start() @ end()",
            "1:1: parse error: @ <timestamp> may not be set multiple times",
        ),
        (
            "(a) offset 1m",
            "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        ),
        (
            "1 @ 1",
            "1:1: parse error: @ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        ),
        (
            "a @ Inf",
            "1:1: parse error: timestamp out of bounds for @ modifier: +Inf",
        ),
        (
            "a @ NaN",
            "1:1: parse error: timestamp out of bounds for @ modifier: NaN",
        ),
        (
            "a @ 1e30",
            "1:1: parse error: timestamp out of bounds for @ modifier: 1000000000000000019884624838656.000000",
        ),
        (
            "a offset -99999999999",
            "1:10: parse error: duration out of range",
        ),
    ]);
}

#[test]
fn newer_syntax() {
    check(&[
        (
            "a[5m x]",
            "1:6: parse error: unexpected character: 'x', expected ':'",
        ),
        (
            "a[min(1m, 2m)]",
            "1:3: parse error: unexpected character in duration expression: 'm'",
        ),
        (
            "a[step(1)]",
            "1:8: parse error: unexpected number \"1\" in subquery selector, expected number or duration",
        ),
        (
            "a anchored smoothed",
            "1:1: parse error: anchored and smoothed modifiers cannot be used together",
        ),
        (
            "a[5m:] smoothed",
            "1:1: parse error: smoothed modifier is not supported for subqueries",
        ),
        (
            "abs(a) anchored",
            "1:1: parse error: anchored modifier not implemented",
        ),
        (
            "a and fill(0) b",
            "1:1: parse error: filling in missing series not allowed for set operators",
        ),
        (
            "a + fill(0) 1",
            "1:1: parse error: filling in missing series only allowed between instant vectors",
        ),
        (
            "info(a, (b))",
            "1:9: parse error: expected label selectors only",
        ),
        (
            "histogram_quantiles(a, \"q\")",
            "1:1: parse error: expected at least 3 argument(s) in call to \"histogram_quantiles\", got 2",
        ),
    ]);
}
