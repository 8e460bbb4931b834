//! Signatures of all functions.

use crate::ast::ValueType;

/// Signature of a function.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Name as written.
    pub name: &'static str,
    /// Types of the arguments; the last one repeats where `variadic` allows.
    pub args: &'static [ValueType],
    /// 0: exactly `args`; n > 0: the last argument is optional or may come up to n times in all;
    /// -1: the last argument may come any number of times, also not at all.
    pub variadic: i32,
    /// Type of the result.
    pub returns: ValueType,
    /// Needs `--enable-feature=promql-experimental-functions`.
    pub experimental: bool,
}
