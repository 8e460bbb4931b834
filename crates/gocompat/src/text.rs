//! Upper and lower case, character by character, as Go's `strings.ToUpper` and `ToLower` map them:
//! always one character for one, where the standard library expands some (`ß` to `SS`).

/// `strings.ToLower`.
pub fn to_lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().map(lower).collect()
}

/// `strings.ToUpper`.
pub fn to_upper(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars().map(upper).collect()
}

fn lower(character: char) -> char {
    // The only character whose full mapping is longer: I with a dot above.
    if character == '\u{130}' {
        'i'
    } else {
        single(character, character.to_lowercase())
    }
}

fn upper(character: char) -> char {
    let code = u32::from(character);
    // Greek letters with iota subscript: the full mapping spells the iota out.
    let titled = match code {
        0x1f80..=0x1faf if code & 8 == 0 => Some(code + 8),
        0x1fb3 | 0x1fc3 | 0x1ff3 => Some(code + 9),
        _ => None,
    };
    match titled.and_then(char::from_u32) {
        Some(titled) => titled,
        None => single(character, character.to_uppercase()),
    }
}

/// The mapping if it is one character, else the character itself.
fn single(character: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(only), None) => only,
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::{to_lower, to_upper};

    #[test]
    fn every_character_stays_one() {
        assert_eq!(to_upper("straße ŉ ﬀ ᾳ ᾈ ä"), "STRAßE ŉ ﬀ ᾼ ᾈ Ä");
        assert_eq!(to_lower("İ ΑΣ Ä"), "i ας ä".replace('ς', "σ"));
    }
}
