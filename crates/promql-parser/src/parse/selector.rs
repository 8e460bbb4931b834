//! Selectors, label matchers, label sets.

use gocompat::quote::unquote_bytes;
use model::label_name::METRIC_NAME;
use model::{Labels, LabelsBuilder, MatchOp, Matcher};

use super::{Parsed, Parser};
use crate::ast::{BinaryOp, PosRange, VectorSelector};
use crate::error::ParseError;
use crate::token::{Token, TokenKind};

const MATCHING: &str = "label matching";
const LABEL_SET: &str = "label set";

impl<'a> Parser<'a> {
    /// `{…}` behind a name that has been consumed, or alone.
    pub(super) fn vector_selector(&mut self, name: Option<Token<'a>>) -> Parsed<VectorSelector> {
        let mut matchers = Vec::new();
        let mut pos = name.map_or_else(PosRange::default, |name| name.pos);
        if self.peek()?.kind == TokenKind::LeftBrace {
            let braces = self.label_matchers(&mut matchers)?;
            pos.start = name.map_or(braces.start, |name| name.pos.start);
            pos.end = braces.end;
        }
        let name = name.map_or("", |name| name.text);
        if !name.is_empty() {
            matchers.push(Matcher::equal(METRIC_NAME, name));
        }
        Ok(VectorSelector {
            name: name.to_owned(),
            matchers,
            offset_ms: 0,
            offset_expr: None,
            at: None,
            anchored: false,
            smoothed: false,
            pos,
        })
    }

    fn label_matchers(&mut self, matchers: &mut Vec<Matcher>) -> Parsed<PosRange> {
        let start = self.expect(TokenKind::LeftBrace)?.pos.start;
        let close = self.within(MATCHING, "identifier or \"}\"", |parser| {
            loop {
                if let Some(close) = parser.eat(TokenKind::RightBrace)? {
                    return Ok(close);
                }
                matchers.push(parser.label_matcher()?);
                parser.context.expected = "\",\" or \"}\"";
                if parser.eat(TokenKind::Comma)?.is_none() {
                    return parser.expect(TokenKind::RightBrace);
                }
                parser.context.expected = "identifier or \"}\"";
            }
        })?;
        Ok(PosRange {
            start,
            end: close.pos.end,
        })
    }

    fn label_matcher(&mut self) -> Parsed<Matcher> {
        let name = self.peek()?;
        let label = match name.kind {
            TokenKind::Identifier => name.text.to_owned(),
            TokenKind::String => unquoted(&name)?,
            _ => return Err(self.unexpected()),
        };
        self.ahead = None;
        let op = match self.peek()?.kind {
            TokenKind::Equal => MatchOp::Equal,
            TokenKind::Operator(BinaryOp::Neq) => MatchOp::NotEqual,
            TokenKind::EqualRegex => MatchOp::Regex,
            TokenKind::NotEqualRegex => MatchOp::NotRegex,
            _ if name.kind == TokenKind::String => {
                return Ok(Matcher::equal(METRIC_NAME, &label));
            }
            _ => return self.within(MATCHING, "label matching operator", |p| Err(p.unexpected())),
        };
        self.ahead = None;
        let value = self.within(MATCHING, "string", |p| p.expect(TokenKind::String))?;
        Matcher::new(op, &label, &unquoted(&value)?).map_err(|error| {
            let pos = PosRange {
                start: name.pos.start,
                end: value.pos.end,
            };
            ParseError::new(pos, error.to_string())
        })
    }

    /// `name{a="b"}` or either part of it.
    pub(super) fn metric(&mut self) -> Parsed<Labels> {
        let token = self.peek()?;
        if token.kind.is_metric_name() {
            self.ahead = None;
            let labels = match self.peek()?.kind {
                TokenKind::LeftBrace => self.label_set()?,
                _ => LabelsBuilder::new(),
            };
            return Ok(named(labels, token.text));
        }
        if token.kind == TokenKind::LeftBrace {
            return Ok(self.label_set()?.labels());
        }
        Ok(Labels::empty())
    }

    /// [`Self::metric`], but looking no further than the character behind it.
    pub(super) fn series_metric(&mut self) -> Parsed<Labels> {
        let token = self.next()?;
        if token.kind.is_metric_name() {
            if !self.lexer.touches_brace() {
                return Ok(named(LabelsBuilder::new(), token.text));
            }
            let labels = self.label_set()?;
            return Ok(named(labels, token.text));
        }
        self.ahead = Some(token);
        if token.kind == TokenKind::LeftBrace {
            return Ok(self.label_set()?.labels());
        }
        Err(self.unexpected())
    }

    fn label_set(&mut self) -> Parsed<LabelsBuilder> {
        self.expect(TokenKind::LeftBrace)?;
        let mut labels = LabelsBuilder::new();
        self.within(LABEL_SET, "identifier or \"}\"", |parser| {
            loop {
                if parser.eat(TokenKind::RightBrace)?.is_some() {
                    return Ok(());
                }
                let (name, value) = parser.label()?;
                labels.set(&name, &value);
                parser.context.expected = "\",\" or \"}\"";
                if parser.eat(TokenKind::Comma)?.is_none() {
                    return parser.expect(TokenKind::RightBrace).map(|_| ());
                }
                parser.context.expected = "identifier or \"}\"";
            }
        })?;
        Ok(labels)
    }

    fn label(&mut self) -> Parsed<(String, String)> {
        let name = self.peek()?;
        let label = match name.kind {
            TokenKind::Identifier => name.text.to_owned(),
            TokenKind::String => unquoted(&name)?,
            _ => return Err(self.unexpected()),
        };
        self.ahead = None;
        if self.eat(TokenKind::Equal)?.is_none() {
            if name.kind == TokenKind::String {
                return Ok((METRIC_NAME.to_owned(), label));
            }
            return self.within(LABEL_SET, "\"=\"", |parser| Err(parser.unexpected()));
        }
        let value = self.within(LABEL_SET, "string", |p| p.expect(TokenKind::String))?;
        Ok((label, unquoted(&value)?))
    }
}

fn named(mut labels: LabelsBuilder, name: &str) -> Labels {
    labels.set(METRIC_NAME, name);
    labels.labels()
}

/// The text of a string literal. Bytes that are no UTF-8 become U+FFFD: labels and results of this
/// program are text.
fn unquoted(token: &Token<'_>) -> Parsed<String> {
    unquoted_exactly(token).map(|(text, _)| text)
}

/// [`unquoted`], and the bytes if they are no UTF-8.
pub(super) fn unquoted_exactly(token: &Token<'_>) -> Parsed<(String, Option<Box<[u8]>>)> {
    let bytes = unquote_bytes(token.text).map_err(|error| {
        let text = gocompat::quote::quote(token.text);
        ParseError::new(token.pos, format!("error unquoting string {text}: {error}"))
    })?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            (text, Some(error.into_bytes().into()))
        }
    })
}
