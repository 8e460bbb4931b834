//! What is attached to an expression: ranges, subqueries, `offset`, `@`, `anchored`, `smoothed`.

use gocompat::float::format_f_precision;

use super::{Built, Parsed, Parser, duration};
use crate::ast::{
    AtModifier, DurationExpr, Expr, MatrixSelector, PosRange, SubqueryExpr, VectorSelector,
};
use crate::error::ParseError;
use crate::token::{Token, TokenKind};

/// What a duration may be made of, as the error messages of the measured release say it.
const DURATION_EXPECTED: &str = "number or duration";

/// The parts of a selector or subquery that modifiers change.
struct Target<'e> {
    offset_ms: &'e mut i64,
    offset_expr: &'e mut Option<DurationExpr>,
    at: &'e mut Option<AtModifier>,
    end: &'e mut u32,
}

fn target(expr: &mut Expr) -> Option<Target<'_>> {
    let (offset_ms, offset_expr, at, end) = match expr {
        Expr::Vector(selector) => {
            let VectorSelector {
                offset_ms,
                offset_expr,
                at,
                pos,
                ..
            } = &mut **selector;
            (offset_ms, offset_expr, at, &mut pos.end)
        }
        Expr::Matrix(matrix) => {
            let MatrixSelector { selector, pos, .. } = &mut **matrix;
            let VectorSelector {
                offset_ms,
                offset_expr,
                at,
                ..
            } = selector;
            (offset_ms, offset_expr, at, &mut pos.end)
        }
        Expr::Subquery(subquery) => {
            let SubqueryExpr {
                offset_ms,
                offset_expr,
                at,
                pos,
                ..
            } = &mut **subquery;
            (offset_ms, offset_expr, at, &mut pos.end)
        }
        _ => return None,
    };
    Some(Target {
        offset_ms,
        offset_expr,
        at,
        end,
    })
}

impl<'a> Parser<'a> {
    /// Everything that follows `built` and belongs to it.
    pub(super) fn postfix(&mut self, mut built: Built) -> Parsed<Built> {
        loop {
            let token = self.peek()?;
            match token.kind {
                TokenKind::Offset => {
                    self.ahead = None;
                    self.offset(&mut built.expr)?;
                }
                TokenKind::At => {
                    self.ahead = None;
                    self.at_modifier(&mut built.expr)?;
                }
                TokenKind::LeftBracket => {
                    self.ahead = None;
                    built = self.brackets(built, token)?;
                }
                TokenKind::Anchored | TokenKind::Smoothed => {
                    self.ahead = None;
                    self.extended_range(&mut built.expr, token)?;
                }
                _ => return Ok(built),
            }
        }
    }

    fn offset(&mut self, expr: &mut Expr) -> Parsed<()> {
        let duration = self.within("offset", DURATION_EXPECTED, Self::offset_duration)?;
        let pos = expr.pos();
        let Some(target) = target(expr) else {
            return Err(ParseError::new(
                pos,
                "offset modifier must be preceded by an instant vector selector \
                 or range vector selector or a subquery",
            ));
        };
        if *target.offset_ms != 0 || target.offset_expr.is_some() {
            return Err(ParseError::new(pos, "offset may not be set multiple times"));
        }
        (*target.offset_ms, *target.offset_expr) = duration::split(duration);
        *target.end = self.last_closing;
        Ok(())
    }

    fn at_modifier(&mut self, expr: &mut Expr) -> Parsed<()> {
        let at = self.within("@", "timestamp", Self::at_value)?;
        let pos = expr.pos();
        let at = match at {
            // The bounds are the reference's: seconds, although milliseconds are kept.
            AtValue::Seconds(seconds)
                if !(seconds > i64::MIN as f64 && seconds < i64::MAX as f64) =>
            {
                let seconds = format_f_precision(seconds, 6);
                let message = format!("timestamp out of bounds for @ modifier: {seconds}");
                return Err(ParseError::new(pos, message));
            }
            AtValue::Seconds(seconds) => AtModifier::Timestamp(milliseconds(seconds)),
            AtValue::Start => AtModifier::Start,
            AtValue::End => AtModifier::End,
        };
        let Some(target) = target(expr) else {
            return Err(ParseError::new(
                pos,
                "@ modifier must be preceded by an instant vector selector \
                 or range vector selector or a subquery",
            ));
        };
        if target.at.is_some() {
            let message = "@ <timestamp> may not be set multiple times";
            return Err(ParseError::new(pos, message));
        }
        *target.at = Some(at);
        *target.end = self.last_closing;
        Ok(())
    }

    fn at_value(&mut self) -> Parsed<AtValue> {
        let value = match self.peek()?.kind {
            TokenKind::Start => AtValue::Start,
            TokenKind::End => AtValue::End,
            _ => {
                let negative = self.eat_sign()?.is_some_and(|(negative, _)| negative);
                return match self.eat_number()? {
                    Some(number) if negative => Ok(AtValue::Seconds(-number.value)),
                    Some(number) => Ok(AtValue::Seconds(number.value)),
                    None => Err(self.unexpected()),
                };
            }
        };
        self.ahead = None;
        self.expect(TokenKind::LeftParen)?;
        self.expect(TokenKind::RightParen)?;
        Ok(value)
    }

    /// `[range]` or `[range:step]`, the opening bracket being consumed.
    fn brackets(&mut self, built: Built, open: Token<'a>) -> Parsed<Built> {
        let range = self.within(
            "subquery selector",
            DURATION_EXPECTED,
            Self::positive_duration,
        )?;
        let colon = self.within("subquery or range", "\":\" or \"]\"", |parser| {
            if parser.eat(TokenKind::Colon)?.is_some() {
                return Ok(true);
            }
            parser.expect(TokenKind::RightBracket).map(|_| false)
        })?;
        if colon {
            self.subquery(built, range)
        } else {
            let height = built.height;
            let matrix = self.matrix(built.expr, range, open)?;
            Ok(Built {
                expr: Expr::Matrix(Box::new(matrix)),
                height,
            })
        }
    }

    fn matrix(&self, expr: Expr, range: DurationExpr, open: Token<'a>) -> Parsed<MatrixSelector> {
        let brackets = PosRange {
            start: open.pos.start,
            end: self.last_closing,
        };
        let error = |message| Err(ParseError::new(brackets, message));
        let Expr::Vector(selector) = expr else {
            return error("ranges only allowed for vector selectors");
        };
        if selector.offset_ms != 0 {
            return error("no offset modifiers allowed before range");
        }
        if matches!(selector.at, Some(AtModifier::Timestamp(_))) {
            return error("no @ modifiers allowed before range");
        }
        let pos = PosRange {
            start: selector.pos.start,
            end: self.last_closing,
        };
        let (range_ms, range_expr) = duration::split(range);
        Ok(MatrixSelector {
            selector: *selector,
            range_ms,
            range_expr,
            pos,
        })
    }

    fn subquery(&mut self, built: Built, range: DurationExpr) -> Parsed<Built> {
        const STEP_EXPECTED: &str = "number or duration or \"]\"";
        let step = self.within("subquery selector", STEP_EXPECTED, |parser| {
            if parser.eat(TokenKind::RightBracket)?.is_some() {
                return Ok(None);
            }
            let step = parser.positive_duration()?;
            parser.context.expected = "\"]\"";
            parser.expect(TokenKind::RightBracket)?;
            Ok(Some(step))
        })?;
        let pos = PosRange {
            start: built.expr.pos().start,
            end: self.last_closing,
        };
        let (range_ms, range_expr) = duration::split(range);
        let (step_ms, step_expr) = step.map_or((0, None), duration::split);
        let subquery = SubqueryExpr {
            expr: built.expr,
            range_ms,
            range_expr,
            step_ms,
            step_expr,
            offset_ms: 0,
            offset_expr: None,
            at: None,
            pos,
        };
        Built::above(built.height, Expr::Subquery(Box::new(subquery)))
    }

    /// `anchored` or `smoothed`.
    fn extended_range(&mut self, expr: &mut Expr, token: Token<'a>) -> Parsed<()> {
        let anchored = token.kind == TokenKind::Anchored;
        let name = if anchored { "anchored" } else { "smoothed" };
        let pos = expr.pos();
        let error = |message: String| Err(ParseError::new(pos, message));
        if !self.options.extended_range_selectors {
            return error(format!("{name} modifier is experimental and not enabled"));
        }
        let selector = match expr {
            Expr::Vector(selector) => &mut **selector,
            Expr::Matrix(matrix) => &mut matrix.selector,
            Expr::Subquery(_) => {
                return error(format!("{name} modifier is not supported for subqueries"));
            }
            _ => return error(format!("{name} modifier not implemented")),
        };
        if anchored {
            selector.anchored = true;
        } else {
            selector.smoothed = true;
        }
        if selector.anchored && selector.smoothed {
            let message = "anchored and smoothed modifiers cannot be used together";
            return error(message.to_owned());
        }
        // The keyword ends the expression.
        match expr {
            Expr::Vector(selector) => selector.pos.end = token.pos.end,
            Expr::Matrix(matrix) => matrix.pos.end = token.pos.end,
            _ => {}
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum AtValue {
    Seconds(f64),
    Start,
    End,
}

/// Rounded to milliseconds; what does not fit becomes the smallest number, as in the reference.
fn milliseconds(seconds: f64) -> i64 {
    let millis = (seconds * 1000.0).round();
    if millis >= i64::MAX as f64 {
        i64::MIN
    } else {
        millis as i64
    }
}
