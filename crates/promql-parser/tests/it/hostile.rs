//! Input made to hurt: errors, never a crash.

use promql_parser::pretty::prettify;
use promql_parser::tree::to_json;
use promql_parser::{ParserOptions, TREE_HEIGHT_MAX, parse_expr, parse_series_desc};

/// Runs on a stack smaller than any thread of the program has.
fn on_small_stack(test: fn()) {
    std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(test)
        .expect("a thread that ends")
        .join()
        .expect("no panic");
}

#[track_caller]
fn refused(text: &str) {
    let error = parse_expr(text, &ParserOptions::all()).expect_err("hostile text was accepted");
    assert!(error.to_string().len() < 1000);
}

#[test]
fn deep_nesting_is_refused() {
    on_small_stack(|| {
        let deep = 100_000;
        let repeated = |head: &str, middle: &str, tail: &str| {
            format!("{}{middle}{}", head.repeat(deep), tail.repeat(deep))
        };
        refused(&repeated("(", "1", ")"));
        refused(&repeated("-", "a", ""));
        refused(&repeated("1 ^ ", "1", ""));
        refused(&repeated("abs(", "a", ")"));
        refused(&repeated("sum(", "a", ")"));
        refused(&repeated("sum by (a) (", "a", ")"));
        refused(&repeated("", "a", "[5m:1m]"));
        refused(&repeated("a + ", "a", ""));
        refused(&format!("a[{}]", repeated("(", "1", ")")));
        refused(&format!("a[{}]", repeated("-", "1", "")));
        refused(&format!("a[{}]", repeated("1 + ", "1", "")));
        refused(&format!("a[{}]", repeated("min_of(", "1", ",1)")));
        refused(&format!("a offset {}", repeated("(", "1", ")")));
        refused(&format!("a offset {}", repeated("-", "1", "")));
        refused("(".repeat(1_000_000).as_str());
        refused("{".repeat(1_000_000).as_str());
        refused("[".repeat(1_000_000).as_str());
    });
}

#[test]
fn the_deepest_accepted_trees_can_be_used() {
    on_small_stack(|| {
        let chain = "a or ".repeat(TREE_HEIGHT_MAX as usize - 1) + "a";
        let nested = format!("{}a{}", "abs(".repeat(249), ")".repeat(249));
        let duration = format!("a[{}1m]", "step() + ".repeat(249));
        for text in [chain, nested, duration] {
            let expr = parse_expr(&text, &ParserOptions::all()).unwrap();
            assert_eq!(expr.clone(), expr);
            assert_eq!(expr.to_string(), text);
            assert!(!prettify(&expr).is_empty());
            assert!(!to_json(&expr).to_string().is_empty());
        }
    });
}

#[test]
fn a_megabyte_of_anything_is_an_error() {
    for unit in [
        "a ", "\"", "é", "1_", "\\", "{a=", "sum by ", "#", "\n", "a[", "{\"", "))", "@",
    ] {
        let text = unit.repeat(1_000_000 / unit.len());
        if let Err(error) = parse_expr(&text, &ParserOptions::all()) {
            assert!(!error.to_string().is_empty());
        }
        let _ = parse_series_desc(&text);
    }
}

#[test]
fn a_megabyte_of_sense_is_accepted() {
    let labels: Vec<String> = (0..40_000)
        .map(|n| format!("label_{n}=\"value\""))
        .collect();
    let text = format!("a{{{}}}", labels.join(","));
    assert!(parse_expr(&text, &ParserOptions::all()).is_ok());
    let arguments = vec!["\"x\""; 100_000].join(", ");
    let text = format!("label_join(a, \"b\", \"c\", {arguments})");
    assert!(parse_expr(&text, &ParserOptions::all()).is_ok());
}
