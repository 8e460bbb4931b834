//! Truth values as text.

use crate::quote::quote;

/// A truth value as `strconv.ParseBool` reads it; the error is that function's.
pub fn parse(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!(
            "strconv.ParseBool: parsing {}: invalid syntax",
            quote(text)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_reference_reads() {
        for (text, expected) in [("1", true), ("t", true), ("True", true), ("FALSE", false)] {
            assert_eq!(parse(text), Ok(expected));
        }
        for text in ["", "yes", "tRUE", " true"] {
            let error = format!("strconv.ParseBool: parsing {text:?}: invalid syntax");
            assert_eq!(parse(text), Err(error));
        }
    }
}
