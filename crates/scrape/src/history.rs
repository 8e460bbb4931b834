//! What a target's last scrapes came to: a short ring that each scrape writes one entry of.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::Arc;
use std::time::Duration;

use exposition::Format;
use model::Timestamp;

/// Scrapes of a target that are remembered.
pub const SCRAPES_MAX: usize = 10;
/// Bytes of a target's error texts that are remembered, each different one counted once.
const ERROR_BYTES_MAX: usize = 144;
/// What an error text takes beside its bytes.
const ERROR_OVERHEAD_BYTES: usize = 2 * size_of::<usize>();

/// A scrape that is over. Numbers that are too large are the largest there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PastScrape {
    /// When it began.
    pub time: Timestamp,
    /// How long it took, microseconds.
    pub duration_us: u32,
    /// Bytes of the body, uncompressed; 0 if none came or it was too large.
    pub body_bytes: u32,
    /// Samples in the body.
    pub scraped: u32,
    /// Those that relabelling left.
    pub after_relabelling: u32,
    /// Series that were not in the scrape before.
    pub series_added: u32,
    /// As what the body was read; `None` if that did not come about.
    pub format: Option<Format>,
    /// Whether the body came compressed.
    pub compressed: bool,
    /// Whether it went well.
    pub up: bool,
    /// The beginning of its error's text; `None` if there was no error, or if later ones took its
    /// place.
    pub error: Option<Arc<str>>,
}

/// The last scrapes of a target.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The oldest first. Equal error texts that follow each other are shared.
    scrapes: VecDeque<PastScrape>,
}

impl History {
    /// Remembers a scrape, and its error if it has one.
    pub(crate) fn push(&mut self, mut scrape: PastScrape, error: &str) {
        if self.scrapes.capacity() == 0 {
            self.scrapes.reserve_exact(SCRAPES_MAX);
        }
        if self.scrapes.len() == SCRAPES_MAX {
            self.scrapes.pop_front();
        }
        scrape.error = (!error.is_empty()).then(|| self.text(error));
        self.scrapes.push_back(scrape);
        while self.error_bytes() > ERROR_BYTES_MAX {
            self.forget_oldest_error();
        }
    }

    /// The scrapes, the newest first.
    pub(crate) fn newest_first(&self) -> Vec<PastScrape> {
        self.scrapes.iter().rev().cloned().collect()
    }

    /// Bytes of memory it takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let ring = self.scrapes.capacity() * size_of::<PastScrape>();
        ring + self.error_bytes()
    }

    fn text(&self, error: &str) -> Arc<str> {
        let end = error.floor_char_boundary(ERROR_BYTES_MAX - ERROR_OVERHEAD_BYTES);
        let text = &error[..end];
        match self.texts().next_back() {
            Some(last) if **last == *text => last.clone(),
            _ => text.into(),
        }
    }

    fn texts(&self) -> impl DoubleEndedIterator<Item = &Arc<str>> {
        self.scrapes
            .iter()
            .filter_map(|scrape| scrape.error.as_ref())
    }

    fn error_bytes(&self) -> usize {
        let mut bytes = 0;
        let mut before: Option<&Arc<str>> = None;
        for text in self.texts() {
            if !before.is_some_and(|before| Arc::ptr_eq(before, text)) {
                bytes += ERROR_OVERHEAD_BYTES + text.len();
            }
            before = Some(text);
        }
        bytes
    }

    fn forget_oldest_error(&mut self) {
        let mut oldest: Option<Arc<str>> = None;
        for scrape in &mut self.scrapes {
            let Some(text) = &scrape.error else {
                continue;
            };
            let oldest = oldest.get_or_insert_with(|| text.clone());
            if !Arc::ptr_eq(oldest, text) {
                break;
            }
            scrape.error = None;
        }
    }
}

impl PastScrape {
    /// As what the body was read; empty if that did not come about.
    pub fn format_name(&self) -> &'static str {
        match self.format {
            Some(Format::Text) => "text",
            Some(Format::OpenMetrics) => "openmetrics",
            Some(Format::Protobuf) => "protobuf",
            None => "",
        }
    }

    /// One that began at `time` and took `duration`, of which no more is known.
    pub(crate) fn new(time: Timestamp, duration: Duration) -> Self {
        Self {
            time,
            duration_us: u32::try_from(duration.as_micros()).unwrap_or(u32::MAX),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(time: Timestamp) -> PastScrape {
        PastScrape::new(time, Duration::from_millis(5))
    }

    #[test]
    fn the_last_ten_scrapes_are_remembered() {
        let mut history = History::default();
        for time in 0..25 {
            history.push(scrape(time), "");
        }
        let seen: Vec<Timestamp> = history
            .newest_first()
            .iter()
            .map(|past| past.time)
            .collect();
        assert_eq!(seen, (15..25).rev().collect::<Vec<_>>());
        assert_eq!(history.newest_first()[0].duration_us, 5000);
    }

    #[test]
    fn errors_are_shared_and_the_oldest_give_way() {
        let mut history = History::default();
        let refused = "connection refused by all the ports of this machine";
        for (time, error) in [
            refused, refused, "", "short", "short", "", refused, "x", "y",
        ]
        .into_iter()
        .enumerate()
        {
            history.push(scrape(time as Timestamp), error);
        }
        let seen = history.newest_first();
        let texts: Vec<Option<&str>> = seen
            .iter()
            .rev()
            .map(|past| past.error.as_deref())
            .collect();
        let [short, refused] = [Some("short"), Some(refused)];
        let expected = [
            None,
            None,
            None,
            short,
            short,
            None,
            refused,
            Some("x"),
            Some("y"),
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_target_takes_no_more_than_720_bytes() {
        let mut history = History::default();
        for time in 0..40_i64 {
            // Two bytes a character: the cut must not fall into one.
            let error = format!("{time} {}", "é".repeat(3 * time as usize));
            history.push(scrape(time), &error);
            let bytes = history.heap_bytes() + size_of::<History>();
            assert!(bytes <= 720, "{bytes}");
        }
        let last = history.newest_first().swap_remove(0);
        assert!(last.error.is_some_and(|text| text.starts_with("39 éé")));
    }
}
