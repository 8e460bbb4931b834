//! Character classes: `[…]`, `\d`, `[:alpha:]`, `\p{Greek}`.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind};

use super::{ClassNames, Parser, Result_, before, error, escape};

/// The named classes inside brackets. Go knows no others.
const POSIX: [(&str, &[(char, char)]); 14] = [
    ("alnum", &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha", &[('A', 'Z'), ('a', 'z')]),
    ("ascii", &[('\0', '\x7f')]),
    ("blank", &[('\t', '\t'), (' ', ' ')]),
    ("cntrl", &[('\0', '\x1f'), ('\x7f', '\x7f')]),
    ("digit", &[('0', '9')]),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[('\t', '\r'), (' ', ' ')]),
    ("upper", &[('A', 'Z')]),
    ("word", &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];
const PERL_DIGIT: &[(char, char)] = &[('0', '9')];
/// Without the vertical tab, which `[:space:]` has.
const PERL_SPACE: &[(char, char)] = &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
const PERL_WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// Categories by their short names, as Go's tables have them.
const CATEGORIES: [&str; 37] = [
    "C", "Cc", "Cf", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N",
    "Nd", "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So",
    "Z", "Zl", "Zp", "Zs", "Any",
];
/// Scripts whose whole name has four letters: other names of four letters are abbreviations, which
/// Go does not know.
const SHORT_SCRIPTS: [&str; 7] = ["cham", "kawi", "lisu", "modi", "newa", "thai", "toto"];

impl<'a> Parser<'a> {
    /// Reads `[…]`.
    pub(super) fn bracket_class(&mut self, rest: &'a str) -> Result_<&'a str> {
        let mut class = ClassUnicode::empty();
        let mut at = &rest[1..];
        let negated = at.starts_with('^');
        if negated {
            at = &at[1..];
        }
        let mut first = true;
        while first || !at.starts_with(']') {
            first = false;
            if let Some((named, after)) = self.posix_class(at)? {
                class.union(&named);
                at = after;
                continue;
            }
            if let Some((escaped, after)) = self.class_escape(at)? {
                class.union(&escaped);
                at = after;
                continue;
            }
            at = self.class_range(&mut class, at, rest)?;
        }
        if negated {
            class.negate();
        }
        self.push(into_hir(class));
        Ok(&at[1..])
    }

    /// Reads one character or a range of them into `class`.
    fn class_range<'t>(
        &self,
        class: &mut ClassUnicode,
        at: &'t str,
        whole: &str,
    ) -> Result_<&'t str> {
        let (low, mut after) = class_character(at, whole)?;
        let mut high = low;
        // A minus sign before the closing bracket is one of the characters.
        if after.len() >= 2 && after.starts_with('-') && !after[1..].starts_with(']') {
            (high, after) = class_character(&after[1..], whole)?;
            if high < low {
                return Err(error("invalid character class range", before(at, after)));
            }
        }
        let mut range = code_range(low, high);
        if self.flags.fold_case {
            range.case_fold_simple();
        }
        class.union(&range);
        Ok(after)
    }

    /// `[:name:]` and `[:^name:]`, if `at` starts with one.
    fn posix_class<'t>(&self, at: &'t str) -> Result_<Option<(ClassUnicode, &'t str)>> {
        let Some((name, after)) = at
            .strip_prefix("[:")
            .and_then(|inner| inner.split_once(":]"))
        else {
            return Ok(None);
        };
        let (negated, plain) = match name.strip_prefix('^') {
            Some(plain) => (true, plain),
            None => (false, name),
        };
        match POSIX.iter().find(|(known, _)| *known == plain) {
            Some((_, ranges)) => Ok(Some((self.group(ranges, negated), after))),
            None => Err(error("invalid character class range", before(at, after))),
        }
    }

    /// `\d`, `\pL`, `\p{Greek}` and the like, if `at` starts with one.
    pub(super) fn class_escape<'t>(&self, at: &'t str) -> Result_<Option<(ClassUnicode, &'t str)>> {
        let Some(letter) = at.strip_prefix('\\').and_then(|rest| rest.chars().next()) else {
            return Ok(None);
        };
        let ranges = match letter {
            'd' | 'D' => PERL_DIGIT,
            's' | 'S' => PERL_SPACE,
            'w' | 'W' => PERL_WORD,
            'p' | 'P' => return self.unicode_class(at, letter == 'P'),
            _ => return Ok(None),
        };
        Ok(Some((
            self.group(ranges, letter.is_ascii_uppercase()),
            &at[2..],
        )))
    }

    fn group(&self, ranges: &[(char, char)], negated: bool) -> ClassUnicode {
        let ranges = ranges
            .iter()
            .map(|(low, high)| ClassUnicodeRange::new(*low, *high));
        self.finish(ClassUnicode::new(ranges), negated)
    }

    /// Folds case before it negates, as Go does.
    fn finish(&self, mut class: ClassUnicode, negated: bool) -> ClassUnicode {
        if self.flags.fold_case {
            class.case_fold_simple();
        }
        if negated {
            class.negate();
        }
        class
    }

    fn unicode_class<'t>(
        &self,
        at: &'t str,
        negated: bool,
    ) -> Result_<Option<(ClassUnicode, &'t str)>> {
        let inner = &at[2..];
        let bad = |shown: &str| error("invalid character class range", shown);
        let Some(first) = inner.chars().next() else {
            return Err(bad(at));
        };
        let (name, after) = if first == '{' {
            inner[1..].split_once('}').ok_or_else(|| bad(at))?
        } else {
            inner.split_at(first.len_utf8())
        };
        let (negated, name) = match name.strip_prefix('^') {
            Some(name) => (!negated, name),
            None => (negated, name),
        };
        let class = table(name, self.names).ok_or_else(|| bad(before(at, after)))?;
        Ok(Some((self.finish(class, negated), after)))
    }
}

/// One character of a bracket class, as a code point.
fn class_character<'t>(at: &'t str, whole: &str) -> Result_<(u32, &'t str)> {
    match at.chars().next() {
        None => Err(error("missing closing ]", whole)),
        Some('\\') => escape::escape(at),
        Some(character) => Ok((u32::from(character), &at[character.len_utf8()..])),
    }
}

/// The characters from `low` to `high`; surrogates among them are none.
fn code_range(low: u32, high: u32) -> ClassUnicode {
    let low = char::from_u32(low).unwrap_or('\u{e000}');
    let high = char::from_u32(high).unwrap_or('\u{d7ff}');
    let range = (low <= high).then(|| ClassUnicodeRange::new(low, high));
    ClassUnicode::new(range)
}

/// All that match `character` in any case.
pub(super) fn folded(character: char) -> ClassUnicode {
    let mut class = ClassUnicode::new([ClassUnicodeRange::new(character, character)]);
    class.case_fold_simple();
    class
}

/// A class as an expression; the empty class matches nothing.
pub(super) fn into_hir(class: ClassUnicode) -> Hir {
    Hir::class(Class::Unicode(class))
}

/// The characters of a category or script.
fn table(name: &str, names: ClassNames) -> Option<ClassUnicode> {
    let key: String = match names {
        ClassNames::Exact => name.to_owned(),
        ClassNames::Loose => name
            .chars()
            .filter(|c| !matches!(c, ' ' | '_' | '-'))
            .flat_map(char::to_lowercase)
            .collect(),
    };
    if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return None;
    }
    match key.to_ascii_lowercase().as_str() {
        // Go's "other" has no unassigned code points, and surrogates are no characters here.
        "c" | "other" if names == ClassNames::Loose || key == "C" => {
            return query(r"[\p{Cc}\p{Cf}\p{Co}]");
        }
        "cs" | "surrogate" if names == ClassNames::Loose || key == "Cs" => {
            return Some(ClassUnicode::empty());
        }
        _ => {}
    }
    let category = match names {
        ClassNames::Exact => CATEGORIES.contains(&key.as_str()),
        ClassNames::Loose => true,
    };
    if category {
        let found = match key.as_str() {
            "Any" | "any" | "ascii" | "assigned" => query(&format!(r"\p{{{key}}}")),
            _ => query(&format!(r"\p{{gc={key}}}")),
        };
        if found.is_some() {
            return found;
        }
    }
    is_script_name(&key, names)
        .then(|| query(&format!(r"\p{{sc={key}}}")))
        .flatten()
}

fn is_script_name(key: &str, names: ClassNames) -> bool {
    let lower = key.to_ascii_lowercase();
    if lower.len() == 4 && !SHORT_SCRIPTS.contains(&lower.as_str()) {
        return false;
    }
    // Each word of the exact spelling starts with a capital, and no others are in it.
    let spelt = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_uppercase())
            && (word == "SignWriting" || !word[1..].contains(|c: char| c.is_ascii_uppercase()))
    };
    names == ClassNames::Loose || key.split('_').all(spelt)
}

/// Asks the tables of `regex-syntax`.
fn query(class: &str) -> Option<ClassUnicode> {
    match regex_syntax::parse(class).ok()?.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        // A class of one character is a literal to that crate.
        HirKind::Literal(literal) => {
            let only = std::str::from_utf8(&literal.0).ok()?.chars().next()?;
            Some(ClassUnicode::new([ClassUnicodeRange::new(only, only)]))
        }
        _ => None,
    }
}
