//! Any text as a regular expression, on a text that follows its first line: refused or matched,
//! never a panic or a hang; a matcher agrees with the engine.
#![no_main]

use gocompat::regex::Regex;
use libfuzzer_sys::fuzz_target;
use model::regex_matcher::RegexMatcher;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (expression, text) = text.split_once('\n').unwrap_or((&text, "abc"));
    let Ok(regex) = Regex::new_anchored(expression) else {
        return;
    };
    let _ = regex.replace_all(text, expression);
    if let Ok(matcher) = RegexMatcher::new(expression) {
        assert_eq!(matcher.is_match(text), regex.is_match(text));
    }
});
