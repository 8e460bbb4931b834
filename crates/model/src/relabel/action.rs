//! What a relabelling rule does.

use std::fmt;
use std::str::FromStr;

use gocompat::quote::quote;

/// Action of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RelabelAction {
    /// Writes the expanded replacement to the target label if the value matches.
    #[default]
    Replace,
    /// Keeps only label sets whose value matches.
    Keep,
    /// Drops label sets whose value matches.
    Drop,
    /// Keeps only label sets whose value equals the target label's.
    KeepEqual,
    /// Drops label sets whose value equals the target label's.
    DropEqual,
    /// Writes the value's hash modulo the modulus to the target label.
    HashMod,
    /// Copies labels whose name matches to the expanded replacement.
    LabelMap,
    /// Removes labels whose name matches.
    LabelDrop,
    /// Removes labels whose name does not match.
    LabelKeep,
    /// Writes the value in lower case to the target label.
    Lowercase,
    /// Writes the value in upper case to the target label.
    Uppercase,
}

/// A name that no action has, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown relabel action {}", quote(.0))]
pub struct UnknownRelabelAction(pub String);

impl RelabelAction {
    /// All actions.
    pub const ALL: [Self; 11] = [
        Self::Replace,
        Self::Keep,
        Self::Drop,
        Self::KeepEqual,
        Self::DropEqual,
        Self::HashMod,
        Self::LabelMap,
        Self::LabelDrop,
        Self::LabelKeep,
        Self::Lowercase,
        Self::Uppercase,
    ];

    /// The name as configuration files have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
        }
    }
}

impl fmt::Display for RelabelAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RelabelAction {
    type Err = UnknownRelabelAction;

    /// Reads a name in any case.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownRelabelAction(name.to_owned()))
    }
}
