//! Which forms of histograms are scraped: what a job says, and what the labels of a target say instead.

use exposition::{Conversion, Histograms, ParserOptions};
use model::label_name::{
    ALWAYS_SCRAPE_CLASSIC_HISTOGRAMS, CONVERT_CLASSIC_HISTOGRAMS_TO_NHCB, SCRAPE_NATIVE_HISTOGRAMS,
};

/// Switches of a job or a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HistogramSwitches {
    /// Whether native histograms are read.
    pub scrape_native: bool,
    /// Whether classic histograms are kept beside native ones.
    pub keep_classic: bool,
    /// Whether classic histograms become native ones with custom buckets.
    pub convert_classic: bool,
}

impl HistogramSwitches {
    /// The labels that carry them, with what errors call them.
    pub(crate) fn labels(&self) -> [(&'static str, &'static str, bool); 3] {
        [
            (
                CONVERT_CLASSIC_HISTOGRAMS_TO_NHCB,
                "convert classic histograms to nhcb",
                self.convert_classic,
            ),
            (
                ALWAYS_SCRAPE_CLASSIC_HISTOGRAMS,
                "always scrape classic histograms",
                self.keep_classic,
            ),
            (
                SCRAPE_NATIVE_HISTOGRAMS,
                "scrape native histograms",
                self.scrape_native,
            ),
        ]
    }

    /// What the labels of a target make of the switches of its job: `value_of` gives a label's value,
    /// empty if there is none, which leaves a switch as it is.
    pub(crate) fn overridden<'a>(self, value_of: impl Fn(&str) -> &'a str) -> Result<Self, String> {
        let [convert_classic, keep_classic, scrape_native] =
            self.labels()
                .map(|(label, what, job_value)| match value_of(label) {
                    "" => Ok(job_value),
                    text => gocompat::boolean::parse(text)
                        .map_err(|err| format!("error parsing {what}: {err}")),
                });
        Ok(Self {
            convert_classic: convert_classic?,
            keep_classic: keep_classic?,
            scrape_native: scrape_native?,
        })
    }

    /// How bodies are read.
    pub(crate) fn parser_options(self, start_timestamps: bool) -> ParserOptions {
        let histograms = match (self.scrape_native, self.keep_classic) {
            (false, _) => Histograms::Classic,
            (true, false) => Histograms::Native,
            (true, true) => Histograms::Both,
        };
        let conversion = match (self.convert_classic, self.keep_classic) {
            (false, _) => Conversion::Off,
            (true, false) => Conversion::Replace,
            (true, true) => Conversion::Keep,
        };
        ParserOptions {
            histograms,
            conversion,
            start_timestamps,
        }
    }
}
