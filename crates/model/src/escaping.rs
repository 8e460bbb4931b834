//! Names of any characters, escaped into those that all readers know: letters, digits, underscores
//! and colons.
//!
//! Schemes and their names are those of the content negotiation (`escaping=` in `Accept`).

use std::fmt::{self, Write as _};
use std::str::FromStr;

use gocompat::quote::quote;

use crate::label_name::is_legacy_metric_name;

/// What introduces a name escaped by [`EscapingScheme::Values`].
const VALUES_PREFIX: &str = "U__";

/// How names are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EscapingScheme {
    /// Not at all.
    #[default]
    AllowUtf8,
    /// Each character that is not allowed becomes an underscore.
    Underscores,
    /// Dots become `_dot_`, underscores and everything else two underscores.
    Dots,
    /// `U__` in front, underscores doubled, other characters as `_hex_`.
    Values,
}

/// A name that no scheme has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown format scheme {}", quote(.0))]
pub struct UnknownEscapingScheme(pub String);

impl EscapingScheme {
    /// The name as headers and configuration have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// Escapes a metric or label name.
    pub fn escape(self, name: &str) -> String {
        match self {
            Self::AllowUtf8 => name.to_owned(),
            // Legal underscores change here too, so that they can be told from escapes.
            Self::Dots => escape_dots(name),
            Self::Underscores | Self::Values if name.is_empty() || is_legacy_metric_name(name) => {
                name.to_owned()
            }
            Self::Underscores => {
                let kept = |(at, c)| if is_legal(c, at) { c } else { '_' };
                name.char_indices().map(kept).collect()
            }
            Self::Values => escape_values(name),
        }
    }

    /// Undoes [`escape`](Self::escape) as far as that is possible; what was not escaped stays.
    pub fn unescape(self, name: &str) -> String {
        match self {
            Self::AllowUtf8 | Self::Underscores => name.to_owned(),
            Self::Dots => name.replace("_dot_", ".").replace("__", "_"),
            Self::Values => unescape_values(name).unwrap_or_else(|| name.to_owned()),
        }
    }
}

impl fmt::Display for EscapingScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EscapingScheme {
    type Err = UnknownEscapingScheme;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values]
            .into_iter()
            .find(|scheme| scheme.as_str() == name)
            .ok_or_else(|| UnknownEscapingScheme(name.to_owned()))
    }
}

/// Whether a character may stand at byte `at` of a metric name.
fn is_legal(character: char, at: usize) -> bool {
    character.is_ascii_alphabetic()
        || matches!(character, '_' | ':')
        || (character.is_ascii_digit() && at > 0)
}

fn escape_dots(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for (at, character) in name.char_indices() {
        match character {
            '.' => out.push_str("_dot_"),
            '_' => out.push_str("__"),
            _ if is_legal(character, at) => out.push(character),
            _ => out.push_str("__"),
        }
    }
    out
}

fn escape_values(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    out.push_str(VALUES_PREFIX);
    for (at, character) in name.char_indices() {
        match character {
            '_' => out.push_str("__"),
            _ if is_legal(character, at) => out.push(character),
            // Writing to a string does not fail.
            _ => drop(write!(out, "_{:x}_", u32::from(character))),
        }
    }
    out
}

/// `None` if `name` is not so escaped.
fn unescape_values(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix(VALUES_PREFIX)?;
    let mut out = String::with_capacity(rest.len());
    while let Some((plain, after)) = rest.split_once('_') {
        out.push_str(plain);
        if let Some(after) = after.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let (digits, after) = after.split_once('_')?;
        // The reference gives up on a sixth digit.
        if digits.len() > 5 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::EscapingScheme::{self, AllowUtf8, Dots, Underscores, Values};

    #[test]
    fn each_scheme_escapes_in_its_way() {
        let check = |name: &str, underscores: &str, dots: &str, values: &str| {
            assert_eq!(AllowUtf8.escape(name), name);
            assert_eq!(Underscores.escape(name), underscores);
            assert_eq!(Dots.escape(name), dots);
            assert_eq!(Values.escape(name), values);
        };
        check("", "", "", "");
        check(
            "no:escaping_9",
            "no:escaping_9",
            "no:escaping__9",
            "no:escaping_9",
        );
        check(
            "my.name_x",
            "my_name_x",
            "my_dot_name__x",
            "U__my_2e_name__x",
        );
        check("9lives", "_lives", "__lives", "U___39_lives");
        check("a äß", "a___", "a______", "U__a_20__e4__df_");
    }

    #[test]
    fn unescaping_leaves_alone_what_is_not_escaped() {
        let check = |name: &str, plain: &str| assert_eq!(Values.unescape(name), plain);
        check("U__my_2e_name__x", "my.name_x");
        check("U__a_20__e4_", "a ä");
        check("U__", "");
        for broken in [
            "plain_name",
            "U__a_",
            "U__a_2e",
            "U__a_xyz_",
            "U__a_d800_",
            "U__a_010000_",
        ] {
            check(broken, broken);
        }
        assert_eq!(Dots.unescape("my_dot_name__x"), "my.name_x");
    }

    #[test]
    fn names_of_schemes_read_back() {
        for scheme in [AllowUtf8, Underscores, Dots, Values] {
            assert_eq!(scheme.as_str().parse(), Ok(scheme));
        }
        assert!("dot".parse::<EscapingScheme>().is_err());
    }

    proptest! {
        #[test]
        fn values_can_be_undone(name in "[a-zA-Z0-9_:. äß日]{1,12}") {
            // A legal name is not escaped, be it one that looks so.
            prop_assume!(!name.starts_with("U__"));
            prop_assert_eq!(Values.unescape(&Values.escape(&name)), name);
        }

        #[test]
        fn never_panics(name in any::<String>(), escaped in "U__[a-f0-9_]{0,12}") {
            for scheme in [AllowUtf8, Underscores, Dots, Values] {
                let _ = (scheme.escape(&name), scheme.unescape(&name), scheme.unescape(&escaped));
            }
        }
    }
}
