//! Why a body was refused, in the words scrape errors show to users.

/// A body that is not in the format it claims. The text is part of the compatible surface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub String);
