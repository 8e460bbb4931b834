//! Go's syntax of regular expressions (`regexp/syntax` with the Perl flags), read into the HIR of
//! `regex-syntax`.
//!
//! That crate's own parser reads another dialect: there `\d`, `\w`, `\s` and `\b` are Unicode,
//! `a{` and `[a&&b]` mean something else, `a**` and `(?x)` are fine. Facts: Go's documentation of
//! the syntax; each refusal here was compared with what a running reference says.
//!
//! The parser is one loop over a stack of open groups, so that nesting costs no stack; nesting,
//! repetition counts and size are bounded as Go bounds them.

mod class;
mod escape;
mod group;
mod node;
mod repeat;

pub use regex_syntax::hir;
use regex_syntax::hir::{Dot, Hir, Look};

use super::RegexError;
use node::{Frame, Node};

/// Deepest nesting of the parsed tree.
const HEIGHT_MAX: u32 = 1000;
/// Most instructions of Go's program, its bound of 128 MiB.
const SIZE_MAX: u64 = (128 << 20) / 40;

/// Flags that `(?ismU)` change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Flags {
    /// `i`: letters match in any case.
    fold_case: bool,
    /// `m`: `^` and `$` match at line ends too.
    multi_line: bool,
    /// `s`: `.` matches `\n`.
    dot_all: bool,
    /// `U`: repetitions prefer less.
    non_greedy: bool,
}

/// Which names `\p{…}` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClassNames {
    /// Categories and scripts, spelt as in the Unicode tables.
    Exact,
    /// In any case, with long category names too.
    Loose,
}

/// What was parsed.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The expression.
    pub hir: Hir,
    /// Names of the groups by index, empty for those without; the first is the whole match.
    pub group_names: Vec<Box<str>>,
}

/// Parses an expression that may match anywhere.
pub fn parse(source: &str) -> Result<Parsed, RegexError> {
    Parser::new(source, Flags::default(), ClassNames::Loose).run()
}

/// Parses `^(?s:source)$`: errors show that whole text, as the reference's do.
pub fn parse_anchored(source: &str) -> Result<Parsed, RegexError> {
    parse(&format!("^(?s:{source})$"))
}

/// Parses the expression of a label matcher as the reference does first: alone, with `.` matching
/// `\n`, and with the exact names of Unicode classes only.
pub fn parse_matcher(source: &str) -> Result<Parsed, RegexError> {
    let flags = Flags {
        dot_all: true,
        ..Flags::default()
    };
    Parser::new(source, flags, ClassNames::Exact).run()
}

/// What a read piece of the expression left behind.
enum Step<'a> {
    /// Go on with the rest.
    Rest(&'a str),
    /// The piece was a repetition operator; another must not follow it.
    Repetition(&'a str),
}

struct Parser<'a> {
    whole: &'a str,
    flags: Flags,
    names: ClassNames,
    /// Open groups, the expression itself first; never empty.
    frames: Vec<Frame>,
    group_names: Vec<Box<str>>,
}

type Result_<T> = Result<T, RegexError>;

impl<'a> Parser<'a> {
    fn new(whole: &'a str, flags: Flags, names: ClassNames) -> Self {
        let frames = vec![Frame::new(None, flags)];
        Self {
            whole,
            flags,
            names,
            frames,
            group_names: vec![Box::default()],
        }
    }

    fn run(mut self) -> Result_<Parsed> {
        let mut rest = self.whole;
        // Where the repetition operator began that was read last, if it was the last thing read.
        let mut last_repeat = None;
        while !rest.is_empty() {
            match self.step(rest, last_repeat)? {
                Step::Rest(after) => {
                    last_repeat = None;
                    rest = after;
                }
                Step::Repetition(after) => {
                    last_repeat = Some(rest);
                    rest = after;
                }
            }
        }
        let (Some(frame), true) = (self.frames.pop(), self.frames.is_empty()) else {
            return Err(self.whole_error("missing closing )"));
        };
        let node = self.checked(frame.finish())?;
        Ok(Parsed {
            hir: node.hir,
            group_names: self.group_names,
        })
    }

    /// Reads what `rest`, which is not empty, starts with.
    fn step(&mut self, rest: &'a str, last_repeat: Option<&'a str>) -> Result_<Step<'a>> {
        let Some(first) = rest.chars().next() else {
            return Ok(Step::Rest(rest));
        };
        let after = &rest[first.len_utf8()..];
        match first {
            '(' if after.starts_with('?') => return self.perl_group(rest).map(Step::Rest),
            '(' => self.open_group(Some("")),
            ')' => self.close_group()?,
            '|' => self.frame().end_alternative(),
            '^' if self.flags.multi_line => self.push(Hir::look(Look::StartLF)),
            '^' => self.push(Hir::look(Look::Start)),
            '$' if self.flags.multi_line => self.push(Hir::look(Look::EndLF)),
            '$' => self.push(Hir::look(Look::End)),
            '.' if self.flags.dot_all => self.push(Hir::dot(Dot::AnyChar)),
            '.' => self.push(Hir::dot(Dot::AnyCharExceptLF)),
            '[' => return self.bracket_class(rest).map(Step::Rest),
            '*' | '+' | '?' | '{' => return self.repetition(rest, last_repeat),
            '\\' => return self.backslash(rest).map(Step::Rest),
            _ => self.literal(first),
        }
        Ok(Step::Rest(after))
    }

    /// What a backslash starts outside a class.
    fn backslash(&mut self, rest: &'a str) -> Result_<&'a str> {
        let look = match rest.as_bytes().get(1) {
            Some(b'A') => Some(Look::Start),
            Some(b'z') => Some(Look::End),
            Some(b'b') => Some(Look::WordAscii),
            Some(b'B') => Some(Look::WordAsciiNegate),
            Some(b'C') => return Err(error("invalid escape sequence", &rest[..2])),
            Some(b'Q') => {
                let (literal, after) = rest[2..].split_once("\\E").unwrap_or((&rest[2..], ""));
                for character in literal.chars() {
                    self.literal(character);
                }
                return Ok(after);
            }
            _ => None,
        };
        if let Some(look) = look {
            self.push(Hir::look(look));
            return Ok(&rest[2..]);
        }
        if let Some((class, after)) = self.class_escape(rest)? {
            self.push(class::into_hir(class));
            return Ok(after);
        }
        let (code, after) = escape::escape(rest)?;
        match char::from_u32(code) {
            Some(character) => self.literal(character),
            // A surrogate: no text has it.
            None => self.push(Hir::fail()),
        }
        Ok(after)
    }

    fn literal(&mut self, character: char) {
        if self.flags.fold_case {
            let class = class::folded(character);
            if class.ranges().len() > 1 || class.ranges().iter().any(|range| range.len() > 1) {
                return self.push(class::into_hir(class));
            }
        }
        self.frame().push_literal(character);
    }

    fn push(&mut self, hir: Hir) {
        self.frame().push(Node::leaf(hir));
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            // Not reached: `close_group` keeps the outermost frame.
            self.frames.push(Frame::new(None, self.flags));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// Refuses what Go would refuse for its size.
    fn checked(&self, node: Node) -> Result_<Node> {
        if node.height > HEIGHT_MAX {
            return Err(self.whole_error("expression nests too deeply"));
        }
        if node.size > SIZE_MAX {
            return Err(self.whole_error("expression too large"));
        }
        Ok(node)
    }

    fn whole_error(&self, kind: &'static str) -> RegexError {
        error(kind, self.whole)
    }
}

fn error(kind: &'static str, fragment: &str) -> RegexError {
    RegexError {
        kind,
        fragment: fragment.to_owned(),
    }
}

/// The part of `start` that lies before `end`, a suffix of it.
fn before<'a>(start: &'a str, end: &str) -> &'a str {
    start
        .get(..start.len().saturating_sub(end.len()))
        .unwrap_or(start)
}

#[cfg(test)]
mod tests;
