//! What `--lint` switches on.

use crate::args::Args;

/// Lints in force.
#[derive(Debug, Clone, Copy)]
pub struct Lint {
    /// Rules that repeat one another.
    pub duplicate_rules: bool,
    /// Jobs scraped more rarely than queries look back.
    pub too_long_scrape_interval: bool,
    /// Whether a finding changes the exit code.
    pub fatal: bool,
    /// How far queries look back, in milliseconds.
    pub lookback_delta_ms: i64,
}

/// The lint that runs unless told otherwise.
const DEFAULT: &str = "duplicate-rules";
/// How far queries look back unless told otherwise.
const LOOKBACK_DELTA_MS: i64 = 300_000;

impl Lint {
    /// Reads the flags; `known` are the names the command takes.
    pub fn from_args(args: &Args, known: &[&str]) -> Result<Self, String> {
        let value = args.values("lint").last().unwrap_or(DEFAULT);
        let names: Vec<&str> = value.split(',').collect();
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            return Err(format!(
                "unknown lint option {name:?}, known: {}",
                known.join(", ")
            ));
        }
        let lookback = args.values("query.lookback-delta").last();
        let lookback_delta_ms = match lookback {
            Some(text) => model::duration::parse(text).map_err(|err| err.to_string())?,
            None => LOOKBACK_DELTA_MS,
        };
        let has = |name: &str| names.contains(&"all") || names.contains(&name);
        let none = names.contains(&"none");
        Ok(Self {
            duplicate_rules: has("duplicate-rules") && !none,
            too_long_scrape_interval: has("too-long-scrape-interval") && !none,
            fatal: args.is_set("lint-fatal"),
            lookback_delta_ms,
        })
    }
}

/// What a check found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Findings {
    /// Something to complain about.
    pub failed: bool,
    /// Something that no server would load.
    pub has_errors: bool,
}

impl Findings {
    /// The exit code.
    pub fn exit_code(self, lint: &Lint) -> i32 {
        if self.failed && self.has_errors {
            crate::FAILURE
        } else if self.failed && lint.fatal {
            crate::LINT_FAILURE
        } else {
            0
        }
    }
}
