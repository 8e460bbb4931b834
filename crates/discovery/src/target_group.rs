//! Target groups: what providers report.

use model::Labels;

/// Targets that share labels and a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetGroup {
    /// Each target's labels; `__address__` says where it is.
    pub targets: Vec<Labels>,
    /// Labels that all of them get, where they have none of that name.
    pub labels: Labels,
    /// Names the group within its provider: a later group of the same source replaces it.
    pub source: String,
}

impl TargetGroup {
    /// The group that says `source` is gone.
    pub fn gone(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            ..Self::default()
        }
    }
}
