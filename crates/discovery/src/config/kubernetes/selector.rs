//! Whether a Kubernetes selector can be read. The API server decides the rest.

/// Field selectors: `name=value` or `name!=value`, separated by commas.
pub(super) fn check_fields(text: &str) -> Result<(), String> {
    for term in split_terms(text) {
        if !term.is_empty() && !term.contains('=') {
            return Err(format!(
                "invalid selector: '{text}'; can't understand '{term}'"
            ));
        }
    }
    Ok(())
}

/// Commas separate terms unless a backslash stands before them.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '\\' if !escaped => escaped = true,
            ',' if !escaped => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => escaped = false,
        }
    }
    terms.push(&text[start..]);
    terms
}

/// Label selectors: `key`, `!key`, `key=value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`.
pub(super) fn check_labels(text: &str) -> Result<(), String> {
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = term_end(rest).ok_or_else(|| bad_labels(text))?;
        if !is_label_term(rest[..end].trim()) {
            return Err(bad_labels(text));
        }
        rest = match rest.get(end + 1..) {
            None => "",
            Some(after) if after.trim().is_empty() => return Err(bad_labels(text)),
            Some(after) => after.trim(),
        };
    }
    Ok(())
}

fn bad_labels(text: &str) -> String {
    format!("unable to parse requirement: invalid label selector {text:?}")
}

/// End of the first term: a comma outside parentheses, or the end; `None` if one stays open.
fn term_end(text: &str) -> Option<usize> {
    let mut open = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => open = true,
            ')' => open = false,
            ',' if !open => return Some(at),
            _ => {}
        }
    }
    (!open).then_some(text.len())
}

fn is_label_term(term: &str) -> bool {
    let is_key = |key: &str| {
        let name = key.rsplit('/').next().unwrap_or("");
        !name.is_empty()
            && key.len() <= 253 + 64
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
    };
    let is_value = |value: &str| {
        value.len() <= 63
            && value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if let Some(key) = term.strip_prefix('!') {
        return is_key(key.trim());
    }
    if let Some((head, list)) = term.split_once('(') {
        let Some(list) = list.strip_suffix(')') else {
            return false;
        };
        let mut words = head.split_whitespace();
        let (key, operator) = (words.next(), words.next());
        return key.is_some_and(is_key)
            && matches!(operator, Some("in" | "notin"))
            && words.next().is_none()
            && list.split(',').all(|value| is_value(value.trim()));
    }
    for operator in ["!=", "==", "=", ">", "<"] {
        if let Some((key, value)) = term.split_once(operator) {
            return is_key(key.trim()) && is_value(value.trim());
        }
    }
    is_key(term)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read_as_the_api_reads_them() {
        for good in [
            "",
            "a=b",
            "a!=b,c",
            "a in (b, c),d notin (e)",
            "!a",
            "k8s.io/name=x",
        ] {
            assert_eq!(check_labels(good), Ok(()), "{good}");
        }
        for bad in ["a in (b", "a b", "a=b,", "a=b c"] {
            assert!(check_labels(bad).is_err(), "{bad}");
        }
        assert_eq!(check_fields("metadata.status=Running,a!=b"), Ok(()));
        assert!(check_fields("metadata.status-Running").is_err());
    }
}
