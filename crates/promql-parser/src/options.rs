//! Which parts of the language are switched on.

/// Switches for parts of the language that the server hides behind feature flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, as on the command line"
)]
pub struct ParserOptions {
    /// Functions and aggregations marked experimental.
    pub experimental_functions: bool,
    /// Arithmetic, `step()` and their like in durations.
    pub duration_expr: bool,
    /// `anchored` and `smoothed`.
    pub extended_range_selectors: bool,
    /// `fill`, `fill_left`, `fill_right`.
    pub fill_modifiers: bool,
}

impl Default for ParserOptions {
    fn default() -> Self {
        Self {
            experimental_functions: false,
            duration_expr: true,
            extended_range_selectors: false,
            fill_modifiers: false,
        }
    }
}

impl ParserOptions {
    /// Everything switched on: what the language tools and the test scripts use.
    pub fn all() -> Self {
        Self {
            experimental_functions: true,
            duration_expr: true,
            extended_range_selectors: true,
            fill_modifiers: true,
        }
    }
}
