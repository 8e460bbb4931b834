//! Operators, parentheses, calls.

use super::{Built, Parsed, Parser};
use crate::ast::{
    BinaryExpr, BinaryOp, Call, Cardinality, Expr, NumberLiteral, ParenExpr, PosRange,
    StringLiteral, UnaryExpr, VectorMatching,
};
use crate::error::ParseError;
use crate::functions;
use crate::token::{Token, TokenKind};

use super::selector::unquoted_exactly;

/// What stands between a binary operator and its right operand.
#[derive(Debug)]
struct Modifiers {
    return_bool: bool,
    matching: VectorMatching,
}

impl<'a> Parser<'a> {
    /// Operands joined by operators that bind at least as tightly as `precedence`.
    pub(super) fn binary(&mut self, precedence: u8) -> Parsed<Built> {
        let mut left = self.operand()?;
        while let TokenKind::Operator(op) = self.peek()?.kind
            && op.precedence() >= precedence
        {
            self.ahead = None;
            let modifiers = self.modifiers()?;
            // All associate to the left, except the power.
            let above = op.precedence() + u8::from(op != BinaryOp::Pow);
            let right = self.nested(|parser| parser.binary(above))?;
            let pos = PosRange {
                start: left.expr.pos().start,
                end: right.expr.pos().end,
            };
            left = Built::above(
                left.height.max(right.height),
                Expr::Binary(Box::new(BinaryExpr {
                    op,
                    lhs: left.expr,
                    rhs: right.expr,
                    matching: Some(modifiers.matching),
                    return_bool: modifiers.return_bool,
                    pos,
                })),
            )?;
        }
        Ok(left)
    }

    /// A sign with its operand, or a primary expression with what is attached to it.
    fn operand(&mut self) -> Parsed<Built> {
        match self.eat_sign()? {
            Some((negative, sign)) => self.signed(negative, sign),
            None => {
                let primary = self.primary()?;
                self.postfix(primary)
            }
        }
    }

    fn signed(&mut self, negative: bool, sign: Token<'a>) -> Parsed<Built> {
        // Binds like multiplication, that is less tightly than the power.
        let inner = self.nested(|parser| parser.binary(BinaryOp::Pow.precedence()))?;
        let start = sign.pos.start;
        if let Expr::Number(NumberLiteral {
            value,
            duration,
            pos,
        }) = inner.expr
        {
            return Ok(Built::leaf(Expr::Number(NumberLiteral {
                value: if negative { -value } else { value },
                duration,
                pos: PosRange {
                    start,
                    end: pos.end,
                },
            })));
        }
        let pos = PosRange {
            start,
            end: inner.expr.pos().end,
        };
        let unary = UnaryExpr {
            negative,
            expr: inner.expr,
            pos,
        };
        Built::above(inner.height, Expr::Unary(Box::new(unary)))
    }

    fn primary(&mut self) -> Parsed<Built> {
        if let Some(number) = self.eat_number()? {
            return Ok(Built::leaf(Expr::Number(number)));
        }
        let token = self.peek()?;
        match token.kind {
            TokenKind::String => {
                self.ahead = None;
                let (value, invalid_utf8) = unquoted_exactly(&token)?;
                let literal = StringLiteral {
                    value,
                    invalid_utf8,
                    pos: token.pos,
                };
                Ok(Built::leaf(Expr::String(literal)))
            }
            TokenKind::LeftParen => self.paren(),
            TokenKind::LeftBrace => Ok(Built::leaf(Expr::Vector(Box::new(
                self.vector_selector(None)?,
            )))),
            kind if kind.is_metric_name() => {
                self.ahead = None;
                self.named(token)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn paren(&mut self) -> Parsed<Built> {
        let open = self.expect(TokenKind::LeftParen)?;
        let inner = self.nested(|parser| parser.binary(0))?;
        let close = self.expect(TokenKind::RightParen)?;
        let pos = PosRange {
            start: open.pos.start,
            end: close.pos.end,
        };
        let paren = ParenExpr {
            expr: inner.expr,
            pos,
        };
        Built::above(inner.height, Expr::Paren(Box::new(paren)))
    }

    /// What begins with a name or keyword: an aggregation, a call or a selector.
    fn named(&mut self, name: Token<'a>) -> Parsed<Built> {
        let next = self.peek()?.kind;
        match (name.kind, next) {
            (
                TokenKind::Aggregate(op),
                TokenKind::LeftParen | TokenKind::By | TokenKind::Without,
            ) => self.aggregate(op, name),
            (TokenKind::Identifier | TokenKind::Start | TokenKind::End, TokenKind::LeftParen) => {
                self.call(name)
            }
            _ => Ok(Built::leaf(Expr::Vector(Box::new(
                self.vector_selector(Some(name))?,
            )))),
        }
    }

    fn call(&mut self, name: Token<'a>) -> Parsed<Built> {
        let (args, height) = self.arguments()?;
        let error = |message| Err(ParseError::new(name.pos, message));
        let quoted = gocompat::quote::quote(name.text);
        let Some(func) = functions::lookup(name.text) else {
            return error(format!("unknown function with name {quoted}"));
        };
        if func.experimental && !self.options.experimental_functions {
            return error(format!("function {quoted} is not enabled"));
        }
        let pos = PosRange {
            start: name.pos.start,
            end: self.last_closing,
        };
        Built::above(height, Expr::Call(Box::new(Call { func, args, pos })))
    }

    /// Arguments in parentheses, and the height of the highest.
    pub(super) fn arguments(&mut self) -> Parsed<(Vec<Expr>, u32)> {
        self.expect(TokenKind::LeftParen)?;
        let (mut arguments, mut height) = (Vec::new(), 0);
        if self.eat(TokenKind::RightParen)?.is_some() {
            return Ok((arguments, height));
        }
        loop {
            let argument = self.nested(|parser| parser.binary(0))?;
            height = height.max(argument.height);
            arguments.push(argument.expr);
            let Some(comma) = self.eat(TokenKind::Comma)? else {
                break;
            };
            if !self.peek()?.kind.starts_expression() {
                let message = "trailing commas not allowed in function call args";
                return Err(ParseError::new(comma.pos, message));
            }
        }
        self.expect(TokenKind::RightParen)?;
        Ok((arguments, height))
    }

    /// `[bool] [on|ignoring (…) [group_left|group_right [(…)]]] [fill…]`
    fn modifiers(&mut self) -> Parsed<Modifiers> {
        let return_bool = self.eat(TokenKind::Bool)?.is_some();
        let mut matching = VectorMatching {
            card: Cardinality::OneToOne,
            labels: Vec::new(),
            on: false,
            include: Vec::new(),
            fill_lhs: None,
            fill_rhs: None,
        };
        let kind = self.peek()?.kind;
        if matches!(kind, TokenKind::On | TokenKind::Ignoring) {
            self.ahead = None;
            matching.on = kind == TokenKind::On;
            matching.labels = self.grouping_labels()?;
            self.group_side(&mut matching)?;
        }
        self.fill(&mut matching)?;
        Ok(Modifiers {
            return_bool,
            matching,
        })
    }

    fn group_side(&mut self, matching: &mut VectorMatching) -> Parsed<()> {
        matching.card = match self.peek()?.kind {
            TokenKind::GroupLeft => Cardinality::ManyToOne,
            TokenKind::GroupRight => Cardinality::OneToMany,
            _ => return Ok(()),
        };
        self.ahead = None;
        let next = self.peek()?.kind;
        if next == TokenKind::LeftParen || !next.starts_expression() {
            matching.include = self.grouping_labels()?;
        }
        Ok(())
    }

    /// `fill(v)`, or one or both of `fill_left(v)` and `fill_right(v)` in any order.
    fn fill(&mut self, matching: &mut VectorMatching) -> Parsed<()> {
        loop {
            let token = self.peek()?;
            let free = match token.kind {
                TokenKind::Fill => matching.fill_lhs.is_none() && matching.fill_rhs.is_none(),
                TokenKind::FillLeft => matching.fill_lhs.is_none(),
                TokenKind::FillRight => matching.fill_rhs.is_none(),
                _ => return Ok(()),
            };
            // A second one is the name of the right operand.
            if !free {
                return Ok(());
            }
            self.ahead = None;
            if !self.options.fill_modifiers {
                let message = "binop fill modifiers are experimental and not enabled";
                return Err(ParseError::new(token.pos, message));
            }
            self.expect(TokenKind::LeftParen)?;
            let negative = self.eat_sign()?.is_some_and(|(negative, _)| negative);
            let Some(number) = self.eat_number()? else {
                return Err(self.unexpected());
            };
            self.expect(TokenKind::RightParen)?;
            let value = Some(if negative {
                -number.value
            } else {
                number.value
            });
            if token.kind != TokenKind::FillRight {
                matching.fill_lhs = value;
            }
            if token.kind != TokenKind::FillLeft {
                matching.fill_rhs = value;
            }
        }
    }
}
