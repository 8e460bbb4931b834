//! Names, precedences and other small facts about the tree's parts.

use std::fmt;

use crate::ast::{AggregateOp, BinaryOp, DurationExpr, Expr, PosRange, ValueType};

impl ValueType {
    /// The name in error messages.
    pub fn documented(self) -> &'static str {
        match self {
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            other => other.as_str(),
        }
    }

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::String => "string",
            Self::None => "none",
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AggregateOp {
    /// The name as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
            Self::Group => "group",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Topk => "topk",
            Self::Bottomk => "bottomk",
            Self::CountValues => "count_values",
            Self::Quantile => "quantile",
            Self::Limitk => "limitk",
            Self::LimitRatio => "limit_ratio",
        }
    }

    /// Whether it takes a parameter before the vector.
    pub fn has_param(self) -> bool {
        matches!(
            self,
            Self::Topk
                | Self::Bottomk
                | Self::CountValues
                | Self::Quantile
                | Self::Limitk
                | Self::LimitRatio
        )
    }

    /// Needs `--enable-feature=promql-experimental-functions`.
    pub fn is_experimental(self) -> bool {
        matches!(self, Self::Limitk | Self::LimitRatio)
    }
}

impl fmt::Display for AggregateOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl BinaryOp {
    /// The operator as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Eql => "==",
            Self::Neq => "!=",
            Self::Gtr => ">",
            Self::Lss => "<",
            Self::Gte => ">=",
            Self::Lte => "<=",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
        }
    }

    /// How tightly it binds, from 1 (`or`) to 6 (`^`).
    pub fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Eql
            | Self::Neq
            | Self::Gtr
            | Self::Lss
            | Self::Gte
            | Self::Lte
            | Self::TrimUpper
            | Self::TrimLower => 3,
            Self::Add | Self::Sub => 4,
            Self::Mul | Self::Div | Self::Mod | Self::Atan2 => 5,
            Self::Pow => 6,
        }
    }

    /// `==`, `!=`, `>`, `<`, `>=`, `<=`
    pub fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Eql | Self::Neq | Self::Gtr | Self::Lss | Self::Gte | Self::Lte
        )
    }

    /// `and`, `or`, `unless`
    pub fn is_set_operator(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

impl fmt::Display for BinaryOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Expr {
    /// Where it stands.
    pub fn pos(&self) -> PosRange {
        match self {
            Self::Aggregate(node) => node.pos,
            Self::Binary(node) => node.pos,
            Self::Call(node) => node.pos,
            Self::Matrix(node) => node.pos,
            Self::Subquery(node) => node.pos,
            Self::Number(node) => node.pos,
            Self::Paren(node) => node.pos,
            Self::String(node) => node.pos,
            Self::Unary(node) => node.pos,
            Self::Vector(node) => node.pos,
        }
    }

    /// Type of its result.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Aggregate(_) | Self::Vector(_) => ValueType::Vector,
            Self::Binary(node) => {
                let scalar = |side: &Self| side.value_type() == ValueType::Scalar;
                if scalar(&node.lhs) && scalar(&node.rhs) {
                    ValueType::Scalar
                } else {
                    ValueType::Vector
                }
            }
            Self::Call(node) => node.func.returns,
            Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Number(_) => ValueType::Scalar,
            Self::Paren(node) => node.expr.value_type(),
            Self::String(_) => ValueType::String,
            Self::Unary(node) => node.expr.value_type(),
        }
    }
}

impl DurationExpr {
    /// Where it stands.
    pub fn pos(&self) -> PosRange {
        match self {
            Self::Number(number) => number.pos,
            Self::Step(pos)
            | Self::Range(pos)
            | Self::MinOf(_, _, pos)
            | Self::MaxOf(_, _, pos)
            | Self::Unary { pos, .. }
            | Self::Binary { pos, .. }
            | Self::Paren(_, pos) => *pos,
        }
    }
}
