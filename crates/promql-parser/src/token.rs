//! Tokens, keywords, and how error messages call them.

use gocompat::quote::quote;

use crate::ast::{AggregateOp, BinaryOp, PosRange};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    EndOfInput,
    Identifier,
    /// An identifier with a colon: only ever a metric name.
    MetricIdentifier,
    String,
    Number,
    Duration,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    /// `=`
    Equal,
    /// `=~`
    EqualRegex,
    /// `!~`
    NotEqualRegex,
    At,
    Operator(BinaryOp),
    Aggregate(AggregateOp),
    Bool,
    By,
    GroupLeft,
    GroupRight,
    Ignoring,
    Offset,
    On,
    Without,
    Anchored,
    Smoothed,
    Fill,
    FillLeft,
    FillRight,
    /// `start`, `end`: also metric names and functions.
    Start,
    End,
    /// `step`, `range`, `min_of`, `max_of` inside brackets; elsewhere they are identifiers.
    Step,
    Range,
    MinOf,
    MaxOf,
}

/// A token and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind,
    /// The token as written.
    pub(crate) text: &'a str,
    pub(crate) pos: PosRange,
}

/// Keywords outside braces and brackets, in any case.
pub(crate) fn keyword(word: &str) -> Option<TokenKind> {
    // Longer than any keyword: spares lower-casing long metric names.
    if word.len() > 12 {
        return None;
    }
    let kind = match word.to_ascii_lowercase().as_str() {
        "and" => TokenKind::Operator(BinaryOp::And),
        "or" => TokenKind::Operator(BinaryOp::Or),
        "unless" => TokenKind::Operator(BinaryOp::Unless),
        "atan2" => TokenKind::Operator(BinaryOp::Atan2),
        "sum" => TokenKind::Aggregate(AggregateOp::Sum),
        "avg" => TokenKind::Aggregate(AggregateOp::Avg),
        "count" => TokenKind::Aggregate(AggregateOp::Count),
        "min" => TokenKind::Aggregate(AggregateOp::Min),
        "max" => TokenKind::Aggregate(AggregateOp::Max),
        "group" => TokenKind::Aggregate(AggregateOp::Group),
        "stddev" => TokenKind::Aggregate(AggregateOp::Stddev),
        "stdvar" => TokenKind::Aggregate(AggregateOp::Stdvar),
        "topk" => TokenKind::Aggregate(AggregateOp::Topk),
        "bottomk" => TokenKind::Aggregate(AggregateOp::Bottomk),
        "count_values" => TokenKind::Aggregate(AggregateOp::CountValues),
        "quantile" => TokenKind::Aggregate(AggregateOp::Quantile),
        "limitk" => TokenKind::Aggregate(AggregateOp::Limitk),
        "limit_ratio" => TokenKind::Aggregate(AggregateOp::LimitRatio),
        "offset" => TokenKind::Offset,
        "by" => TokenKind::By,
        "without" => TokenKind::Without,
        "on" => TokenKind::On,
        "ignoring" => TokenKind::Ignoring,
        "group_left" => TokenKind::GroupLeft,
        "group_right" => TokenKind::GroupRight,
        "bool" => TokenKind::Bool,
        "anchored" => TokenKind::Anchored,
        "smoothed" => TokenKind::Smoothed,
        "fill" => TokenKind::Fill,
        "fill_left" => TokenKind::FillLeft,
        "fill_right" => TokenKind::FillRight,
        "start" => TokenKind::Start,
        "end" => TokenKind::End,
        "inf" | "nan" => TokenKind::Number,
        _ => return None,
    };
    Some(kind)
}

/// Keywords inside brackets, in any case.
pub(crate) fn duration_keyword(word: &str) -> Option<TokenKind> {
    let kinds = [
        ("step", TokenKind::Step),
        ("range", TokenKind::Range),
        ("min_of", TokenKind::MinOf),
        ("max_of", TokenKind::MaxOf),
    ];
    kinds
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name))
        .map(|(_, kind)| *kind)
}

impl TokenKind {
    /// A keyword or name that can stand for a metric name before braces.
    pub(crate) fn is_metric_name(self) -> bool {
        match self {
            Self::Identifier
            | Self::MetricIdentifier
            | Self::Aggregate(_)
            | Self::By
            | Self::Offset
            | Self::Without
            | Self::Anchored
            | Self::Smoothed
            | Self::Fill
            | Self::FillLeft
            | Self::FillRight
            | Self::Start
            | Self::End
            | Self::Step
            | Self::Range
            | Self::MinOf
            | Self::MaxOf => true,
            Self::Operator(op) => matches!(op, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless),
            _ => false,
        }
    }

    /// A keyword or name that can stand for a label name in a list of labels.
    pub(crate) fn is_label_name(self) -> bool {
        self.is_metric_name()
            || matches!(
                self,
                Self::Bool
                    | Self::GroupLeft
                    | Self::GroupRight
                    | Self::Ignoring
                    | Self::On
                    | Self::Operator(BinaryOp::Atan2)
            )
    }

    /// Whether an expression can begin with it.
    pub(crate) fn starts_expression(self) -> bool {
        self.is_metric_name()
            || matches!(
                self,
                Self::Number
                    | Self::Duration
                    | Self::String
                    | Self::LeftParen
                    | Self::LeftBrace
                    | Self::Operator(BinaryOp::Add | BinaryOp::Sub)
            )
    }

    fn is_keyword(self) -> bool {
        matches!(
            self,
            Self::Bool
                | Self::By
                | Self::GroupLeft
                | Self::GroupRight
                | Self::Ignoring
                | Self::Offset
                | Self::On
                | Self::Without
                | Self::Anchored
                | Self::Smoothed
                | Self::Fill
                | Self::FillLeft
                | Self::FillRight
        )
    }
}

impl Token<'_> {
    /// How "unexpected …" messages call the token.
    pub(crate) fn describe(&self) -> String {
        match self.kind {
            TokenKind::EndOfInput => "end of input".to_owned(),
            TokenKind::Identifier => format!("identifier {}", quote(self.text)),
            TokenKind::MetricIdentifier => format!("metric identifier {}", quote(self.text)),
            TokenKind::String => format!("string {}", shortened(self.text)),
            TokenKind::Number => format!("number {}", shortened(self.text)),
            TokenKind::Duration => format!("duration {}", shortened(self.text)),
            TokenKind::Aggregate(_) => format!("<aggr:{}>", self.text),
            TokenKind::Operator(_) | TokenKind::EqualRegex | TokenKind::NotEqualRegex => {
                format!("<op:{}>", self.text)
            }
            // The reference has no name for this one and shows its number.
            TokenKind::At => "\"<Item 57400>\" <op:@>".to_owned(),
            kind if kind.is_keyword() => format!("<{}>", self.text),
            _ => shortened(self.text),
        }
    }
}

/// Quoted, cut after ten characters.
fn shortened(text: &str) -> String {
    if text.len() <= 10 {
        return quote(text);
    }
    let cut: String = text.chars().take(10).collect();
    format!("{}...", quote(&cut))
}
