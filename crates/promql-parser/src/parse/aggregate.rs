//! Aggregations and lists of labels.

use gocompat::quote::{quote_bytes, unquote_bytes};

use super::{Built, Parsed, Parser};
use crate::ast::{AggregateExpr, AggregateOp, Expr, PosRange};
use crate::error::ParseError;
use crate::token::{Token, TokenKind};

const GROUPING: &str = "grouping opts";

/// A by or without clause.
#[derive(Debug, Default)]
struct Grouping {
    labels: Vec<String>,
    without: bool,
}

impl<'a> Parser<'a> {
    /// What follows an aggregation operator that has been consumed.
    pub(super) fn aggregate(&mut self, op: AggregateOp, token: Token<'a>) -> Parsed<Built> {
        let (grouping, arguments) = self.within("aggregation", "", |parser| {
            if let Some(grouping) = parser.grouping()? {
                return Ok((grouping, parser.arguments()?));
            }
            let arguments = parser.arguments()?;
            Ok((parser.grouping()?.unwrap_or_default(), arguments))
        })?;
        let pos = PosRange {
            start: token.pos.start,
            end: self.last_closing,
        };
        let (arguments, height) = arguments;
        self.build_aggregate(op, grouping, arguments, pos)
            .and_then(|expr| Built::above(height, Expr::Aggregate(Box::new(expr))))
    }

    fn build_aggregate(
        &self,
        op: AggregateOp,
        grouping: Grouping,
        mut arguments: Vec<Expr>,
        pos: PosRange,
    ) -> Parsed<AggregateExpr> {
        let error = |message: String| Err(ParseError::new(pos, message));
        let count = arguments.len();
        let (Some(expr), wanted) = (arguments.pop(), 1 + usize::from(op.has_param())) else {
            return error("no arguments for aggregate expression provided".to_owned());
        };
        if op.is_experimental() && !self.options.experimental_functions {
            return error(format!(
                "{op}() is experimental and must be enabled with \
                 --enable-feature=promql-experimental-functions"
            ));
        }
        if count != wanted {
            return error(format!(
                "wrong number of arguments for aggregate expression provided, \
                 expected {wanted}, got {count}"
            ));
        }
        let Grouping { labels, without } = grouping;
        Ok(AggregateExpr {
            op,
            expr,
            param: arguments.pop(),
            grouping: labels,
            without,
            pos,
        })
    }

    fn grouping(&mut self) -> Parsed<Option<Grouping>> {
        let without = match self.peek()?.kind {
            TokenKind::By => false,
            TokenKind::Without => true,
            _ => return Ok(None),
        };
        self.ahead = None;
        Ok(Some(Grouping {
            labels: self.grouping_labels()?,
            without,
        }))
    }

    /// `(a, "b c",)`
    pub(super) fn grouping_labels(&mut self) -> Parsed<Vec<String>> {
        self.within(GROUPING, "\"(\"", |parser| {
            parser.expect(TokenKind::LeftParen)?;
            let mut labels = Vec::new();
            loop {
                parser.context.expected = "label";
                if parser.eat(TokenKind::RightParen)?.is_some() {
                    return Ok(labels);
                }
                labels.push(parser.grouping_label()?);
                parser.context.expected = "\",\" or \")\"";
                if parser.eat(TokenKind::Comma)?.is_none() {
                    parser.expect(TokenKind::RightParen)?;
                    return Ok(labels);
                }
            }
        })
    }

    fn grouping_label(&mut self) -> Parsed<String> {
        let token = self.peek()?;
        if token.kind.is_label_name() {
            self.ahead = None;
            return Ok(token.text.to_owned());
        }
        if token.kind != TokenKind::String {
            return Err(self.unexpected());
        }
        self.ahead = None;
        let bytes = unquote_bytes(token.text).unwrap_or_default();
        match String::from_utf8(bytes) {
            Ok(label) if !label.is_empty() => Ok(label),
            Ok(_) => Err(bad_label(&token, b"")),
            Err(error) => Err(bad_label(&token, error.as_bytes())),
        }
    }
}

fn bad_label(token: &Token<'_>, label: &[u8]) -> ParseError {
    let label = quote_bytes(label);
    ParseError::new(
        token.pos,
        format!("invalid label name for grouping: {label}"),
    )
}
