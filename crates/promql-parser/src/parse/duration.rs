//! Durations in brackets and behind `offset`, with their arithmetic.

use super::{Parsed, Parser};
use crate::ast::{BinaryOp, DurationExpr, NumberLiteral, PosRange};
use crate::error::ParseError;
use crate::token::{Token, TokenKind, duration_keyword};

/// Seconds that fit 63 bits of nanoseconds.
const SECONDS_MAX: f64 = i64::MAX as f64 / 1e9;

/// Milliseconds of a plain number of seconds, or the expression that has to be computed.
pub(super) fn split(duration: DurationExpr) -> (i64, Option<DurationExpr>) {
    match duration {
        DurationExpr::Number(number) => (milliseconds(number.value), None),
        other => (0, Some(other)),
    }
}

/// By way of whole nanoseconds, as the reference counts them: 1.001 s are 1001 ms, although
/// `1.001 * 1000.0` is less than that.
fn milliseconds(seconds: f64) -> i64 {
    let nanos = if seconds.is_nan() {
        i64::MIN
    } else {
        (seconds * 1e9).round() as i64
    };
    nanos / 1_000_000
}

impl<'a> Parser<'a> {
    /// A duration that must be above zero, as far as that is known before evaluation.
    pub(super) fn positive_duration(&mut self) -> Parsed<DurationExpr> {
        let duration = self.duration(0)?;
        if let DurationExpr::Number(number) = &duration
            && number.value <= 0.0
        {
            let message = "duration must be greater than 0";
            return Err(ParseError::new(number.pos, message));
        }
        Ok(duration)
    }

    /// What follows `offset`: a signed number or function call, without operators behind it, or an
    /// expression that begins with a parenthesis.
    pub(super) fn offset_duration(&mut self) -> Parsed<DurationExpr> {
        let token = self.peek()?;
        if token.kind == TokenKind::LeftParen {
            return self.duration(0);
        }
        let Some((negative, sign)) = self.eat_sign()? else {
            return self.duration_operand();
        };
        if let Some(number) = self.eat_number()? {
            return signed(negative, sign, DurationExpr::Number(number));
        }
        if self.peek()?.kind == TokenKind::LeftParen {
            let operand = self.duration_operand()?;
            return signed(negative, sign, operand);
        }
        if matches!(self.peek()?.kind, TokenKind::Operator(_)) {
            let operand = self.nested(|p| p.duration(BinaryOp::Pow.precedence()))?;
            let first = signed(negative, sign, operand)?;
            return self.duration_behind(first, 0);
        }
        let operand = self.duration_operand()?;
        signed(negative, sign, operand)
    }

    /// Operands joined by operators that bind at least as tightly as `precedence`.
    fn duration(&mut self, precedence: u8) -> Parsed<DurationExpr> {
        let first = match self.eat_sign()? {
            Some((negative, sign)) => {
                let operand = self.nested(|p| p.duration(BinaryOp::Pow.precedence()))?;
                signed(negative, sign, operand)?
            }
            None => self.duration_operand()?,
        };
        self.duration_behind(first, precedence)
    }

    fn duration_behind(&mut self, first: DurationExpr, precedence: u8) -> Parsed<DurationExpr> {
        let mut left = first;
        let mut height = 0;
        while let TokenKind::Operator(op) = self.peek()?.kind
            && is_arithmetic(op)
            && op.precedence() >= precedence
        {
            let token = self.next()?;
            let above = op.precedence() + u8::from(op != BinaryOp::Pow);
            let right = self.nested(|parser| parser.duration(above))?;
            self.require_duration_expr(&left)?;
            check_divisor(op, &token, &right)?;
            let pos = PosRange {
                start: left.pos().start,
                end: right.pos().end,
            };
            height += 1;
            if height > super::NESTING_MAX {
                return Err(ParseError::new(pos, "expression is nested too deeply"));
            }
            left = DurationExpr::Binary {
                op,
                lhs: Box::new(left),
                rhs: Box::new(right),
                pos,
            };
        }
        Ok(left)
    }

    fn require_duration_expr(&self, first: &DurationExpr) -> Parsed<()> {
        if self.options.duration_expr {
            return Ok(());
        }
        let message = "experimental duration expression is not enabled";
        Err(ParseError::new(first.pos(), message))
    }

    fn duration_operand(&mut self) -> Parsed<DurationExpr> {
        if let Some(number) = self.eat_number()? {
            return in_range(number).map(DurationExpr::Number);
        }
        let token = self.peek()?;
        let kind = match token.kind {
            TokenKind::Identifier => duration_keyword(token.text).unwrap_or(token.kind),
            kind => kind,
        };
        match kind {
            TokenKind::LeftParen => self.duration_paren(),
            TokenKind::Step | TokenKind::Range => {
                self.ahead = None;
                self.expect(TokenKind::LeftParen)?;
                let close = self.expect(TokenKind::RightParen)?;
                let pos = PosRange {
                    start: token.pos.start,
                    end: close.pos.end,
                };
                Ok(match kind {
                    TokenKind::Step => DurationExpr::Step(pos),
                    _ => DurationExpr::Range(pos),
                })
            }
            TokenKind::MinOf | TokenKind::MaxOf => {
                self.ahead = None;
                self.duration_pair(kind, token)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn duration_paren(&mut self) -> Parsed<DurationExpr> {
        let open = self.expect(TokenKind::LeftParen)?;
        let inner = self.nested(|parser| parser.duration(0))?;
        let close = self.expect(TokenKind::RightParen)?;
        self.require_duration_expr(&inner)?;
        let pos = PosRange {
            start: open.pos.start,
            end: close.pos.end,
        };
        Ok(match inner {
            // Parentheses around a literal or around parentheses say nothing.
            DurationExpr::Number(_) | DurationExpr::Paren(..) => inner,
            other => DurationExpr::Paren(Box::new(other), pos),
        })
    }

    /// The two arguments of `min_of` and `max_of`.
    fn duration_pair(&mut self, kind: TokenKind, name: Token<'a>) -> Parsed<DurationExpr> {
        self.expect(TokenKind::LeftParen)?;
        let first = self.nested(|parser| parser.duration(0))?;
        self.expect(TokenKind::Comma)?;
        let second = self.nested(|parser| parser.duration(0))?;
        let close = self.expect(TokenKind::RightParen)?;
        let pos = PosRange {
            start: name.pos.start,
            end: close.pos.end,
        };
        let (first, second) = (Box::new(first), Box::new(second));
        Ok(match kind {
            TokenKind::MinOf => DurationExpr::MinOf(first, second, pos),
            _ => DurationExpr::MaxOf(first, second, pos),
        })
    }
}

fn is_arithmetic(op: BinaryOp) -> bool {
    use BinaryOp::{Add, Div, Mod, Mul, Pow, Sub};
    matches!(op, Add | Sub | Mul | Div | Mod | Pow)
}

fn check_divisor(op: BinaryOp, token: &Token<'_>, divisor: &DurationExpr) -> Parsed<()> {
    let zero = matches!(divisor, DurationExpr::Number(number) if number.value == 0.0);
    let message = match op {
        BinaryOp::Div if zero => "division by zero",
        BinaryOp::Mod if zero => "modulo by zero",
        _ => return Ok(()),
    };
    Err(ParseError::new(token.pos, message))
}

fn in_range(number: NumberLiteral) -> Parsed<NumberLiteral> {
    if number.value > SECONDS_MAX || number.value < -SECONDS_MAX {
        return Err(ParseError::new(number.pos, "duration out of range"));
    }
    Ok(number)
}

/// A sign before a literal becomes part of it; plus before anything else says nothing.
fn signed(negative: bool, sign: Token<'_>, operand: DurationExpr) -> Parsed<DurationExpr> {
    let pos = PosRange {
        start: sign.pos.start,
        end: operand.pos().end,
    };
    match operand {
        DurationExpr::Number(number) => {
            let value = if negative {
                -number.value
            } else {
                number.value
            };
            in_range(NumberLiteral {
                value,
                duration: number.duration,
                pos,
            })
            .map(DurationExpr::Number)
        }
        other if negative => Ok(DurationExpr::Unary {
            negative,
            operand: Box::new(other),
            pos,
        }),
        other => Ok(other),
    }
}
