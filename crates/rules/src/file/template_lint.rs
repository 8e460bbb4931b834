//! What can be said about an alert's templates without the template engine: actions that are not
//! closed, blocks without an end and the reverse, variables that are not defined.
//!
//! Unknown functions, wrong numbers of arguments and run-time errors need the engine.

use super::Rule;

/// Problems of the templates in labels and annotations.
pub(super) fn lint(rule: &Rule) -> Vec<String> {
    let labels = rule.labels.iter().map(|(name, text)| ("label", name, text));
    let annotations = rule
        .annotations
        .iter()
        .map(|(name, text)| ("annotation", name, text));
    let mut problems = Vec::new();
    for (kind, name, text) in labels.chain(annotations) {
        if let Err((line, problem)) = check(text) {
            let alert = &rule.alert.value;
            problems.push(format!(
                "{kind} {name:?}: template: __alert_{alert}:{line}: {problem}"
            ));
        }
    }
    problems
}

/// Line of the first problem and its text.
fn check(text: &str) -> Result<(), (usize, String)> {
    // What every alert's template has before the user's text.
    let mut variables = vec!["$labels", "$externalLabels", "$externalURL", "$value", "$"];
    let mut open = 0usize;
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let at = text.len() - rest.len() + start;
        let line = text[..at].matches('\n').count() + 1;
        let body = &rest[start + 2..];
        let trimmed = body.strip_prefix("- ").unwrap_or(body).trim_start();
        if trimmed.starts_with("/*") {
            let end = body
                .find("*/")
                .ok_or((line, "unclosed comment".to_owned()))?;
            rest = &body[end..];
            rest = rest.find("}}").map_or("", |close| &rest[close + 2..]);
            continue;
        }
        let size = action_size(body).ok_or((line, "unclosed action".to_owned()))?;
        let (action, after) = (&body[..size], &body[size + 2..]);
        rest = after;
        let words = words(action);
        match words.first().copied() {
            Some("if" | "range" | "with" | "block" | "define") => open += 1,
            Some("end") => {
                open = open
                    .checked_sub(1)
                    .ok_or((line, "unexpected {{end}}".to_owned()))?;
            }
            _ => {}
        }
        check_variables(&words, &mut variables).map_err(|problem| (line, problem))?;
    }
    if open > 0 {
        return Err((text.matches('\n').count() + 1, "unexpected EOF".to_owned()));
    }
    Ok(())
}

/// Bytes before the closing braces, which may stand in a string.
fn action_size(body: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, letter) in body.char_indices() {
        match (quote, letter) {
            (None, '"' | '`' | '\'') => quote = Some(letter),
            (None, '}') if body[at..].starts_with("}}") => return Some(at),
            (Some('"' | '\''), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), _) if open == letter && !escaped => quote = None,
            _ => {}
        }
        escaped = false;
    }
    None
}

/// Words of an action without its strings: names, variables, `:=`, `=`, `,`.
fn words(action: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = action;
    while let Some(first) = rest.chars().next() {
        let size = match first {
            '"' | '`' => {
                let close = |text: &str| {
                    let mut escaped = false;
                    text.char_indices().skip(1).find_map(|(at, letter)| {
                        let ends = letter == first && !escaped;
                        escaped = letter == '\\' && first == '"' && !escaped;
                        ends.then_some(at + 1)
                    })
                };
                let size = close(rest).unwrap_or(rest.len());
                rest = &rest[size..];
                continue;
            }
            '$' => 1 + word_size(&rest[1..]),
            ':' if rest.starts_with(":=") => 2,
            _ => word_size(rest).max(first.len_utf8()),
        };
        let word = &rest[..size];
        if !word.trim().is_empty() && word != "-" {
            words.push(word);
        }
        rest = &rest[size..];
    }
    words
}

fn word_size(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

/// Refuses variables that nothing defines; `:=` defines those before it. Scopes are not followed: a
/// variable stays known after its block.
fn check_variables<'t>(words: &[&'t str], variables: &mut Vec<&'t str>) -> Result<(), String> {
    let assigned = words.iter().position(|word| *word == ":=").unwrap_or(0);
    for (at, word) in words
        .iter()
        .enumerate()
        .filter(|(_, word)| word.starts_with('$'))
    {
        if at < assigned {
            variables.push(word);
        } else if !variables.contains(word) {
            return Err(format!("undefined variable {word:?}"));
        }
    }
    Ok(())
}
