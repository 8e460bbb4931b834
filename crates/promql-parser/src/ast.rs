//! The syntax tree. Every node knows the bytes of the query text it came from.

use model::{Matcher, Timestamp};

/// Bytes `start..end` of the query text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PosRange {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// Types of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// A number.
    Scalar,
    /// One sample a series, all at one time.
    Vector,
    /// A run of samples a series.
    Matrix,
    /// Text.
    String,
    /// No value.
    None,
}

/// Any expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// `sum by (a) (x)`
    Aggregate(Box<AggregateExpr>),
    /// `a + b`
    Binary(Box<BinaryExpr>),
    /// `rate(x[5m])`
    Call(Box<Call>),
    /// `x[5m]`
    Matrix(Box<MatrixSelector>),
    /// `rate(x[5m])[1h:1m]`
    Subquery(Box<SubqueryExpr>),
    /// `1.5`, `5m`
    Number(NumberLiteral),
    /// `(a)`
    Paren(Box<ParenExpr>),
    /// `"text"`
    String(StringLiteral),
    /// `-a`
    Unary(Box<UnaryExpr>),
    /// `x{a="b"}`
    Vector(Box<VectorSelector>),
}

/// Aggregation operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the language's own")]
pub enum AggregateOp {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    CountValues,
    Quantile,
    Limitk,
    LimitRatio,
}

/// `op [by|without (labels)] ([param,] expr)`
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateExpr {
    /// Operator.
    pub op: AggregateOp,
    /// What is aggregated.
    pub expr: Expr,
    /// The parameter of topk, quantile, count_values and their like.
    pub param: Option<Expr>,
    /// Labels of the by or without clause, as written.
    pub grouping: Vec<String>,
    /// The clause is `without`.
    pub without: bool,
    /// Where.
    pub pos: PosRange,
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the language's own")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Eql,
    Neq,
    Gtr,
    Lss,
    Gte,
    Lte,
    And,
    Or,
    Unless,
    /// `</`
    TrimUpper,
    /// `>/`
    TrimLower,
}

/// `lhs op [bool] [on|ignoring (…)] [group_left|group_right (…)] [fill…] rhs`
#[derive(Debug, Clone, PartialEq)]
pub struct BinaryExpr {
    /// Operator.
    pub op: BinaryOp,
    /// Left operand.
    pub lhs: Expr,
    /// Right operand.
    pub rhs: Expr,
    /// How the sides match, where both are vectors.
    pub matching: Option<VectorMatching>,
    /// Comparison with the bool modifier.
    pub return_bool: bool,
    /// Where.
    pub pos: PosRange,
}

/// How many elements of one side match one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the language's own")]
pub enum Cardinality {
    OneToOne,
    ManyToOne,
    OneToMany,
    ManyToMany,
}

/// The matching clause of a binary expression.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorMatching {
    /// Cardinality (`group_left` is many-to-one).
    pub card: Cardinality,
    /// Labels of on or ignoring.
    pub labels: Vec<String>,
    /// The clause is `on`.
    pub on: bool,
    /// Extra labels of `group_left`/`group_right`.
    pub include: Vec<String>,
    /// Value for elements missing on the left, of `fill` and `fill_left`.
    pub fill_lhs: Option<f64>,
    /// Value for elements missing on the right, of `fill` and `fill_right`.
    pub fill_rhs: Option<f64>,
}

/// A function call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Signature.
    pub func: &'static crate::functions::Function,
    /// Arguments as written.
    pub args: Vec<Expr>,
    /// Where.
    pub pos: PosRange,
}

/// A duration in brackets or behind `offset`, as far as it is not a plain number.
#[derive(Debug, Clone, PartialEq)]
pub enum DurationExpr {
    /// A number of seconds or a duration literal (already in seconds).
    Number(NumberLiteral),
    /// `step()`
    Step(PosRange),
    /// `range()`
    Range(PosRange),
    /// `min_of(a, b)`
    MinOf(Box<DurationExpr>, Box<DurationExpr>, PosRange),
    /// `max_of(a, b)`
    MaxOf(Box<DurationExpr>, Box<DurationExpr>, PosRange),
    /// `-a`, `+a`
    Unary {
        /// The sign is minus.
        negative: bool,
        /// Operand.
        operand: Box<DurationExpr>,
        /// Where.
        pos: PosRange,
    },
    /// `a + b`, `-`, `*`, `/`, `%`, `^`
    Binary {
        /// One of the six arithmetic operators.
        op: BinaryOp,
        /// Left operand.
        lhs: Box<DurationExpr>,
        /// Right operand.
        rhs: Box<DurationExpr>,
        /// Where.
        pos: PosRange,
    },
    /// `(a)`
    Paren(Box<DurationExpr>, PosRange),
}

/// Value of `@`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AtModifier {
    /// `@ 1609746000`
    Timestamp(Timestamp),
    /// `@ start()`
    Start,
    /// `@ end()`
    End,
}

/// `x{…} [offset …] [@ …]`
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSelector {
    /// Metric name written before the braces; empty if none. Also among `matchers`.
    pub name: String,
    /// All matchers, the metric name's included.
    pub matchers: Vec<Matcher>,
    /// Offset in milliseconds, where it is a plain duration.
    pub offset_ms: i64,
    /// Offset where it has to be computed.
    pub offset_expr: Option<DurationExpr>,
    /// `@` modifier.
    pub at: Option<AtModifier>,
    /// `anchored`
    pub anchored: bool,
    /// `smoothed`
    pub smoothed: bool,
    /// Where.
    pub pos: PosRange,
}

/// `selector[range]`
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixSelector {
    /// What is selected; modifiers behind the brackets are stored here.
    pub selector: VectorSelector,
    /// Window in milliseconds, where it is a plain duration.
    pub range_ms: i64,
    /// Window where it has to be computed.
    pub range_expr: Option<DurationExpr>,
    /// Where.
    pub pos: PosRange,
}

/// `expr[range:step]`
#[derive(Debug, Clone, PartialEq)]
pub struct SubqueryExpr {
    /// What is evaluated again and again.
    pub expr: Expr,
    /// Window in milliseconds, where it is a plain duration.
    pub range_ms: i64,
    /// Window where it has to be computed.
    pub range_expr: Option<DurationExpr>,
    /// Step in milliseconds; 0: the default step.
    pub step_ms: i64,
    /// Step where it has to be computed.
    pub step_expr: Option<DurationExpr>,
    /// Offset in milliseconds, where it is a plain duration.
    pub offset_ms: i64,
    /// Offset where it has to be computed.
    pub offset_expr: Option<DurationExpr>,
    /// `@` modifier.
    pub at: Option<AtModifier>,
    /// Where.
    pub pos: PosRange,
}

/// A number or, as `5m`, a duration in seconds.
#[derive(Debug, Clone, Copy)]
pub struct NumberLiteral {
    /// Value.
    pub value: f64,
    /// It was written as a duration (printed back as one).
    pub duration: bool,
    /// Where.
    pub pos: PosRange,
}

/// Equal text means equal literal: NaN equals NaN.
impl PartialEq for NumberLiteral {
    fn eq(&self, other: &Self) -> bool {
        self.value.to_bits() == other.value.to_bits()
            && self.duration == other.duration
            && self.pos == other.pos
    }
}

/// Parentheses.
#[derive(Debug, Clone, PartialEq)]
pub struct ParenExpr {
    /// Inside.
    pub expr: Expr,
    /// Where.
    pub pos: PosRange,
}

/// Text, unquoted.
#[derive(Debug, Clone, PartialEq)]
pub struct StringLiteral {
    /// Value. Bytes that are not UTF-8 (`"\xff"`) are U+FFFD here.
    pub value: String,
    /// The bytes, where they are not UTF-8: such a literal is no legal label name or value.
    pub invalid_utf8: Option<Box<[u8]>>,
    /// Where.
    pub pos: PosRange,
}

/// A sign.
#[derive(Debug, Clone, PartialEq)]
pub struct UnaryExpr {
    /// The sign is minus.
    pub negative: bool,
    /// Operand.
    pub expr: Expr,
    /// Where.
    pub pos: PosRange,
}
