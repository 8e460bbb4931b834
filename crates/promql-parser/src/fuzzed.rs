//! What the fuzz target runs.

use crate::options::ParserOptions;
use crate::{parse_expr, parse_metric, parse_metric_selector, parse_series_desc, pretty, tree};

/// Parses any bytes as everything that can be parsed. What is accepted must be printed in a form
/// that is accepted again and is printed the same.
///
/// # Panics
///
/// If it is not.
pub fn check_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let options = ParserOptions::all();
    let _ = parse_series_desc(&text).map_err(|error| error.to_string());
    let _ = parse_metric(&text);
    let _ = parse_metric_selector(&text, &options);
    match parse_expr(&text, &options) {
        Ok(expr) => {
            let printed = expr.to_string();
            let _ = (pretty::prettify(&expr), tree::to_json(&expr));
            // Two things are printed as the reference prints them, and cannot be read back: labels
            // of matching clauses stand unquoted, and NaN has no sign in durations.
            if let Ok(again) = parse_expr(&printed, &options) {
                assert_eq!(
                    again.to_string(),
                    printed,
                    "printed differently the second time"
                );
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
