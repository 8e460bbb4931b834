//! Checks of relabelling rules, with the reference's messages.

use gocompat::quote::quote;

use super::{DEFAULT_REPLACEMENT, DEFAULT_SEPARATOR, RelabelAction, RelabelConfig};
use crate::label_name::NameScheme;

/// A rule that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelabelConfigError {
    /// `hashmod` divides by zero.
    #[error("relabel configuration for hashmod requires non-zero modulus")]
    ZeroModulus,
    /// The action writes a label and none is named.
    #[error("relabel configuration for {0} action requires 'target_label' value")]
    NoTargetLabel(RelabelAction),
    /// The target is no legal name.
    #[error(
        "{} is invalid 'target_label' for {action} action",
        quote(target_label)
    )]
    TargetLabel {
        /// The target.
        target_label: String,
        /// The action.
        action: RelabelAction,
    },
    /// The replacement is no legal name.
    #[error("{} is invalid 'replacement' for {action} action", quote(replacement))]
    Replacement {
        /// The replacement.
        replacement: String,
        /// The action.
        action: RelabelAction,
    },
    /// The action has no use for a replacement.
    #[error("'replacement' can not be set for {0} action")]
    ReplacementSet(RelabelAction),
    /// `keepequal` and `dropequal` compare two labels and nothing else.
    #[error("{0} action requires only 'source_labels' and `target_label`, and no other fields")]
    OnlySourceAndTarget(RelabelAction),
    /// `labelkeep` and `labeldrop` match names and nothing else.
    #[error("{0} action requires only 'regex', and no other fields")]
    OnlyRegex(RelabelAction),
}

impl RelabelConfig {
    /// Whether the rule makes sense, under its name scheme.
    pub fn validate(&self) -> Result<(), RelabelConfigError> {
        use RelabelAction as Action;
        let action = self.action;
        if action == Action::HashMod && self.modulus == 0 {
            return Err(RelabelConfigError::ZeroModulus);
        }
        let compares_or_changes_case = matches!(
            action,
            Action::Lowercase | Action::Uppercase | Action::KeepEqual | Action::DropEqual
        );
        let needs_target =
            compares_or_changes_case || matches!(action, Action::Replace | Action::HashMod);
        if needs_target && self.target_label.is_empty() {
            return Err(RelabelConfigError::NoTargetLabel(action));
        }
        let target_is_legal = if action == Action::Replace && self.target_label.contains('$') {
            self.is_name_template(&self.target_label)
        } else {
            !needs_target || self.name_scheme.is_label_name(&self.target_label)
        };
        if !target_is_legal && action != Action::HashMod {
            return Err(self.target_error());
        }
        if compares_or_changes_case && self.replacement != DEFAULT_REPLACEMENT {
            return Err(RelabelConfigError::ReplacementSet(action));
        }
        if action == Action::LabelMap && !self.is_name_template(&self.replacement) {
            let replacement = self.replacement.clone();
            return Err(RelabelConfigError::Replacement {
                replacement,
                action,
            });
        }
        if !target_is_legal {
            return Err(self.target_error());
        }
        self.validate_unused_fields()
    }

    fn target_error(&self) -> RelabelConfigError {
        RelabelConfigError::TargetLabel {
            target_label: self.target_label.clone(),
            action: self.action,
        }
    }

    fn validate_unused_fields(&self) -> Result<(), RelabelConfigError> {
        let plain = self.modulus == 0
            && self.separator == DEFAULT_SEPARATOR
            && self.replacement == DEFAULT_REPLACEMENT;
        match self.action {
            RelabelAction::DropEqual | RelabelAction::KeepEqual
                if !plain || self.regex.is_written() =>
            {
                Err(RelabelConfigError::OnlySourceAndTarget(self.action))
            }
            RelabelAction::LabelDrop | RelabelAction::LabelKeep
                if !plain || self.source_labels.is_some() || !self.target_label.is_empty() =>
            {
                Err(RelabelConfigError::OnlyRegex(self.action))
            }
            _ => Ok(()),
        }
    }

    /// Whether expanding `template` can give a legal name.
    fn is_name_template(&self, template: &str) -> bool {
        match self.name_scheme {
            NameScheme::Utf8 => !template.is_empty(),
            NameScheme::Legacy => is_legacy_name_template(template),
        }
    }
}

/// Whether `template` is made of letters, underscores and variables (`$1`, `${1}`, `${name}`),
/// with digits anywhere but at the start.
fn is_legacy_name_template(template: &str) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut rest = template.as_bytes();
    if rest.first().is_none_or(u8::is_ascii_digit) {
        return false;
    }
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'$' => {
                let (inner, braced) = match after.split_first() {
                    Some((b'{', inner)) => (inner, true),
                    _ => (after, false),
                };
                let count = inner.iter().take_while(|byte| word(byte)).count();
                let after = &inner[count..];
                match (count, braced, after.split_first()) {
                    (0, ..) => return false,
                    (_, true, Some((b'}', after))) => after,
                    (_, true, _) => return false,
                    (_, false, _) => after,
                }
            }
            byte if word(byte) => after,
            _ => return false,
        };
    }
    true
}
