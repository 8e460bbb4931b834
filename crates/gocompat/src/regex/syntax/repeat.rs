//! Repetition operators: `*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}`.

use regex_syntax::hir::{Hir, Repetition};

use super::node::Node;
use super::{Parser, Result_, Step, before, error};

/// Most copies that counted repetitions may make of anything, nested ones multiplied.
const COUNT_MAX: u32 = 1000;

/// How often: at least, at most (`None`: any number).
type Counts = (u32, Option<u32>);

impl<'a> Parser<'a> {
    /// Applies the operator that `rest` starts with to the last part; a brace that starts none is
    /// a literal.
    pub(super) fn repetition(
        &mut self,
        rest: &'a str,
        last_repeat: Option<&'a str>,
    ) -> Result_<Step<'a>> {
        let simple = match rest.as_bytes().first() {
            Some(b'*') => Some((0, None)),
            Some(b'+') => Some((1, None)),
            Some(b'?') => Some((0, Some(1))),
            _ => None,
        };
        let (counts, after) = match simple {
            Some(counts) => (counts, &rest[1..]),
            None => match braces(rest) {
                None => {
                    self.literal('{');
                    return Ok(Step::Rest(&rest[1..]));
                }
                Some((Some(counts), after)) => (counts, after),
                Some((None, after)) => {
                    return Err(error("invalid repeat count", before(rest, after)));
                }
            },
        };
        let (lazy, after) = match after.strip_prefix('?') {
            Some(after) => (true, after),
            None => (false, after),
        };
        if let Some(start) = last_repeat {
            return Err(error(
                "invalid nested repetition operator",
                before(start, after),
            ));
        }
        let operator = before(rest, after);
        let Some(node) = self.frame().pop() else {
            return Err(error("missing argument to repetition operator", operator));
        };
        let greedy = lazy == self.flags.non_greedy;
        let node = self.checked(repeated(node, counts, greedy, simple.is_some()))?;
        let (min, max) = counts;
        let counted = simple.is_none() && (min >= 2 || max.is_some_and(|max| max >= 2));
        if counted && node.copies > u64::from(COUNT_MAX) {
            return Err(error("invalid repeat count", operator));
        }
        self.frame().push(node);
        Ok(Step::Repetition(after))
    }
}

fn repeated(node: Node, (min, max): Counts, greedy: bool, simple: bool) -> Node {
    let size = match (simple, max) {
        (true, _) => node.size.saturating_add(2),
        (false, None) => node.size.saturating_mul(u64::from(min)).saturating_add(2),
        (false, Some(max)) => node
            .size
            .saturating_mul(u64::from(max))
            .saturating_add(u64::from(max - min)),
    };
    let copies = match (simple, max.unwrap_or(min)) {
        (true, _) => node.copies,
        (false, 0) if max.is_some() => 1,
        (false, count) => node.copies.saturating_mul(u64::from(count.max(1))),
    };
    let hir = Hir::repetition(Repetition {
        min,
        max,
        greedy,
        sub: Box::new(node.hir),
    });
    Node {
        hir,
        height: node.height + 1,
        size: size.max(1),
        copies,
    }
}

/// Reads `{n}`, `{n,}` or `{n,m}`. Outer `None`: no such form; inner `None`: bad numbers.
fn braces(rest: &str) -> Option<(Option<Counts>, &str)> {
    let (min, after) = number(rest.strip_prefix('{')?)?;
    let (max, after) = match after.strip_prefix(',') {
        None => (Some(min), after),
        Some(after) if after.starts_with('}') => (None, after),
        Some(after) => {
            let (max, after) = number(after)?;
            (Some(max), after)
        }
    };
    let after = after.strip_prefix('}')?;
    let good = min <= COUNT_MAX && max.is_none_or(|max| max <= COUNT_MAX && min <= max);
    Some((good.then_some((min, max)), after))
}

/// A decimal number without leading zeros; very large ones stop growing.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, after) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), after))
}
