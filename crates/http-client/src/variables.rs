//! Environment variables as a value, so that tests can bring their own.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Environment variables: the process's, or others in tests.
#[derive(Clone, Default)]
pub struct Variables(Option<Arc<BTreeMap<String, String>>>);

impl Variables {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self(None)
    }

    /// These.
    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        let owned = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(Some(Arc::new(BTreeMap::from(owned))))
    }

    /// The value of `name`; an empty one counts as none, as does one that is not UTF-8.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = match &self.0 {
            None => std::env::var(name).ok(),
            Some(pairs) => pairs.get(name).cloned(),
        };
        value.filter(|value| !value.is_empty())
    }
}

// Values may be secret.
impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Variables")
    }
}
