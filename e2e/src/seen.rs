//! What queries of a server showed, to be compared after a restart.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::server::{Server, samples_of};

/// Samples by series (its labels as JSON) and time in milliseconds; values as the API writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen(pub BTreeMap<String, BTreeMap<i64, String>>);

impl Seen {
    /// Samples of `selector`, a range selector, that `server` shows now.
    pub fn by(server: &Server, selector: &str) -> Result<Self> {
        let mut seen = Self::default();
        for series in server.query(selector)?.as_array().into_iter().flatten() {
            let times = seen.0.entry(series["metric"].to_string()).or_default();
            for (seconds, value) in samples_of(series) {
                times.insert((seconds * 1000.0).round() as i64, value);
            }
        }
        Ok(seen)
    }

    /// Adds all of `other`.
    pub fn append(&mut self, other: Self) {
        for (series, mut times) in other.0 {
            self.0.entry(series).or_default().append(&mut times);
        }
    }

    /// Whether every sample is in `later` too, with the same value; the error names `who` lacks
    /// them, how many, and the first.
    pub fn ensure_all_in(&self, later: &Self, who: &str) -> Result<()> {
        let mut missing = Vec::new();
        for (series, times) in &self.0 {
            for (time, value) in times {
                let found = later.0.get(series).and_then(|found| found.get(time));
                if found != Some(value) {
                    missing.push(format!("{series} at {time}: {value}, found {found:?}"));
                }
            }
        }
        ensure!(
            missing.is_empty(),
            "{who} lacks {} samples, the first: {:?}",
            missing.len(),
            missing.first()
        );
        Ok(())
    }
}
