//! Tokens to syntax tree: entry points and what all parts of the parser share.
//!
//! One method a rule of the grammar, precedence climbing for operators. The parser stops at the
//! first error, syntactic or not, since only the first one is ever shown; errors of types come
//! last, from [`crate::check`].

mod aggregate;
mod duration;
mod expr;
pub(crate) mod number;
mod postfix;
mod selector;

use model::{Labels, Matcher};

use crate::ast::{Expr, PosRange};
use crate::check;
use crate::error::{ParseError, ParseErrors};
use crate::lex::Lexer;
use crate::options::ParserOptions;
use crate::token::{Token, TokenKind};

/// How deep parentheses, calls and signs may nest. Each level costs stack.
const NESTING_MAX: u32 = 250;
/// How high a tree may grow: chains such as `a + b + c …` add a level each.
pub const TREE_HEIGHT_MAX: u32 = 1000;

type Parsed<T> = Result<T, ParseError>;

/// Where the parser is and what it waits for, as error messages say it; empty where unknown.
#[derive(Debug, Clone, Copy)]
struct Context {
    place: &'static str,
    expected: &'static str,
}

const NO_CONTEXT: Context = Context {
    place: "",
    expected: "",
};

/// An expression and the height of its tree.
#[derive(Debug)]
struct Built {
    expr: Expr,
    height: u32,
}

#[derive(Debug)]
struct Parser<'a> {
    lexer: Lexer<'a>,
    options: ParserOptions,
    /// The token that was looked at and not consumed yet.
    ahead: Option<Token<'a>>,
    context: Context,
    /// End of the last token that can end an expression with its modifiers.
    last_closing: u32,
    nesting: u32,
}

/// Parses and type-checks an expression.
pub fn parse_expr(text: &str, options: &ParserOptions) -> Result<Expr, ParseErrors> {
    run(text, options, |parser| {
        if parser.peek()?.kind == TokenKind::EndOfInput {
            let nowhere = PosRange::default();
            return Err(ParseError::new(nowhere, "no expression found in input"));
        }
        let mut expr = parser.binary(0)?.expr;
        parser.end()?;
        check::check(&mut expr, text)?;
        Ok(expr)
    })
}

/// Parses a selector without modifiers, `name{a="b"}`, into its matchers.
///
/// Selectors that match everything are accepted here: whether they may is the caller's business.
pub fn parse_metric_selector(
    text: &str,
    options: &ParserOptions,
) -> Result<Vec<Matcher>, ParseErrors> {
    run(text, options, |parser| {
        let kind = parser.peek()?.kind;
        let selector = if kind == TokenKind::LeftBrace {
            parser.vector_selector(None)?
        } else if kind.is_metric_name() {
            let name = parser.next()?;
            parser.vector_selector(Some(name))?
        } else {
            return Err(parser.unexpected());
        };
        parser.end()?;
        Ok(selector.matchers)
    })
}

/// [`parse_metric_selector`] of several texts; the first error ends it.
pub fn parse_metric_selectors<T: AsRef<str>>(
    texts: &[T],
    options: &ParserOptions,
) -> Result<Vec<Vec<Matcher>>, ParseErrors> {
    texts
        .iter()
        .map(|text| parse_metric_selector(text.as_ref(), options))
        .collect()
}

/// Parses a series as it is printed, `name{a="b"}`, into its labels.
pub fn parse_metric(text: &str) -> Result<Labels, ParseErrors> {
    run(text, &ParserOptions::all(), |parser| {
        let labels = parser.metric()?;
        parser.end()?;
        Ok(labels)
    })
}

/// Parses the series at the beginning of `text`; returns its labels and the first byte behind it.
///
/// A name and its braces must touch, because in series notation a space ends the series.
pub(crate) fn metric_prefix(text: &str) -> Result<(Labels, usize), ParseError> {
    let mut parser = Parser::new(text, &ParserOptions::all());
    let labels = parser.series_metric()?;
    Ok((labels, parser.lexer.position()))
}

fn run<T>(
    text: &str,
    options: &ParserOptions,
    parse: impl FnOnce(&mut Parser<'_>) -> Parsed<T>,
) -> Result<T, ParseErrors> {
    if u32::try_from(text.len()).is_err() {
        let error = ParseError::new(PosRange::default(), "expression is longer than 4 GiB");
        return Err(ParseErrors::new("", error));
    }
    parse(&mut Parser::new(text, options)).map_err(|error| ParseErrors::new(text, error))
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, options: &ParserOptions) -> Self {
        Self {
            lexer: Lexer::new(text),
            options: *options,
            ahead: None,
            context: NO_CONTEXT,
            last_closing: 0,
            nesting: 0,
        }
    }

    /// The next token, left where it is.
    fn peek(&mut self) -> Parsed<Token<'a>> {
        if let Some(token) = self.ahead {
            return Ok(token);
        }
        let token = self.lexer.next_token()?;
        if matches!(
            token.kind,
            TokenKind::RightBrace
                | TokenKind::RightParen
                | TokenKind::RightBracket
                | TokenKind::Duration
                | TokenKind::Number
        ) {
            self.last_closing = token.pos.end;
        }
        self.ahead = Some(token);
        Ok(token)
    }

    /// Consumes the next token.
    fn next(&mut self) -> Parsed<Token<'a>> {
        let token = self.peek()?;
        self.ahead = None;
        Ok(token)
    }

    /// Consumes the next token if it is of this kind.
    fn eat(&mut self, kind: TokenKind) -> Parsed<Option<Token<'a>>> {
        let token = self.peek()?;
        if token.kind == kind {
            self.ahead = None;
            return Ok(Some(token));
        }
        Ok(None)
    }

    /// Consumes a token of this kind or fails.
    fn expect(&mut self, kind: TokenKind) -> Parsed<Token<'a>> {
        self.eat(kind)?.ok_or_else(|| self.unexpected())
    }

    fn end(&mut self) -> Parsed<()> {
        self.expect(TokenKind::EndOfInput).map(|_| ())
    }

    /// The error that the next token is not what the grammar wants here.
    fn unexpected(&mut self) -> ParseError {
        let token = match self.peek() {
            Ok(token) => token,
            Err(error) => return error,
        };
        let Context { place, expected } = self.context;
        let mut message = format!("unexpected {}", token.describe());
        if !place.is_empty() {
            message.push_str(" in ");
            message.push_str(place);
        }
        if !expected.is_empty() {
            message.push_str(", expected ");
            message.push_str(expected);
        }
        ParseError::new(token.pos, message)
    }

    /// Runs `parse` with another context for its error messages.
    fn within<T>(
        &mut self,
        place: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let before = std::mem::replace(&mut self.context, Context { place, expected });
        let result = parse(self);
        self.context = before;
        result
    }

    /// Runs `parse` one level deeper; fails where that would be too deep.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= NESTING_MAX {
            let pos = self.peek()?.pos;
            return Err(ParseError::new(pos, "expression is nested too deeply"));
        }
        self.nesting += 1;
        let result = parse(self);
        self.nesting -= 1;
        result
    }
}

impl Built {
    fn leaf(expr: Expr) -> Self {
        Self { expr, height: 1 }
    }

    /// A node above subtrees of which `below` is the height of the highest.
    fn above(below: u32, expr: Expr) -> Parsed<Self> {
        if below >= TREE_HEIGHT_MAX {
            return Err(ParseError::new(
                expr.pos(),
                "expression is nested too deeply",
            ));
        }
        Ok(Self {
            expr,
            height: below + 1,
        })
    }
}
