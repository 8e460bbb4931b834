//! Expressions simple enough to match without an engine.

use gocompat::regex::syntax::hir::ClassUnicode;
use memchr::memmem;

/// Literals with gaps of anything between them, such as `a.*b.+`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    /// What the text starts with.
    pub(super) prefix: String,
    /// Then, in this order: a gap of at least so many characters, a literal. The last literal, be
    /// it empty, ends the text. None: the text is the prefix.
    pub(super) rest: Vec<(usize, String)>,
}

impl Glob {
    pub(super) fn is_match(&self, text: &str) -> bool {
        let Some(mut left) = text.strip_prefix(self.prefix.as_str()) else {
            return false;
        };
        let Some(((last_gap, last), middle)) = self.rest.split_last() else {
            return left.is_empty();
        };
        // The first place of a literal leaves most room for what follows.
        for (gap, literal) in middle {
            let Some(after_gap) = skip(left, *gap) else {
                return false;
            };
            let Some(at) = memmem::find(after_gap.as_bytes(), literal.as_bytes()) else {
                return false;
            };
            left = &after_gap[at + literal.len()..];
        }
        left.strip_suffix(last.as_str())
            .is_some_and(|gap| skip(gap, *last_gap).is_some())
    }

    pub(super) fn matches_everything(&self) -> bool {
        self.is_open(0)
    }

    pub(super) fn matches_all_but_empty(&self) -> bool {
        self.is_open(1)
    }

    fn is_open(&self, gap: usize) -> bool {
        self.prefix.is_empty()
            && matches!(&*self.rest, [(least, end)] if *least == gap && end.is_empty())
    }
}

/// `text` without its first `count` characters, if it has so many.
fn skip(text: &str, count: usize) -> Option<&str> {
    if count == 0 {
        return Some(text);
    }
    let (last, character) = text.char_indices().nth(count - 1)?;
    Some(&text[last + character.len_utf8()..])
}

/// One character of a [`Sequence`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// This one.
    Exact(char),
    /// One of these: a letter in any case, most often.
    Class(ClassUnicode),
}

impl Item {
    fn is_match(&self, character: char) -> bool {
        match self {
            Self::Exact(exact) => *exact == character,
            Self::Class(class) => class
                .ranges()
                .iter()
                .any(|range| (range.start()..=range.end()).contains(&character)),
        }
    }
}

/// One character after another, and perhaps anything after the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) items: Vec<Item>,
    /// Anything may follow, at least so many characters.
    pub(super) open: Option<usize>,
}

impl Sequence {
    pub(super) fn is_match(&self, text: &str) -> bool {
        let mut characters = text.chars();
        let head = self.items.iter().all(|item| {
            characters
                .next()
                .is_some_and(|character| item.is_match(character))
        });
        head && match self.open {
            None => characters.as_str().is_empty(),
            Some(least) => skip(characters.as_str(), least).is_some(),
        }
    }
}
