//! What targets may take of the memory where their jobs set no limits.
//!
//! All bounds are shares of the process's memory limit. They are far above what targets need that mean
//! no harm; one that passes them fails alone and is told why, so that the process lives and the others
//! are scraped.

use memory::Room;
use memory::budget::{Budget, BudgetExhausted};
use memory::room::{Left, Look};
use model::Timestamp;

use crate::error::Error;

/// Most bytes of a body, compressed or not, whatever is configured.
pub(crate) const BODY_BYTES_MAX: u64 = 1 << 30;
/// A body may have this much on small machines too.
const BODY_BYTES_MIN: u64 = 16 << 20;
/// A series with a sample or two takes about half of this, its own texts apart.
const SERIES_BYTES: u64 = 512;
/// A sample on its way takes about this much: in columns, in the transaction, in its log record.
const SAMPLE_BYTES: u64 = 160;
/// For about this long series stay in the head, whether they get samples or not.
const GROWTH_WINDOW_MS: i64 = 2 * 60 * 60 * 1000;
/// A target may change all its series this many times in that window, however many they are.
const CHANGES_MAX: u64 = 4;

/// What targets may take of the memory.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Most bytes of a body of a job without `body_size_limit`.
    pub(crate) body_bytes_max: u64,
    /// For all bodies that are longer than a megabyte.
    pub(crate) bodies: Budget,
    /// Most samples of a body.
    pub(crate) samples_max: usize,
    room: Room,
    /// What one target may add while memory is scarce.
    growth_bytes_max: u64,
}

impl Default for Bounds {
    /// Without a memory limit.
    fn default() -> Self {
        Self {
            body_bytes_max: BODY_BYTES_MAX,
            bodies: Budget::unlimited("scraped bodies"),
            samples_max: usize::MAX,
            room: Room::unlimited(),
            growth_bytes_max: u64::MAX,
        }
    }
}

impl Bounds {
    /// Shares of `limit_bytes`, of which the process uses what `used_bytes` says.
    pub fn within(limit_bytes: u64, used_bytes: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        let samples_max = limit_bytes / 8 / SAMPLE_BYTES;
        Self {
            body_bytes_max: (limit_bytes / 16).clamp(BODY_BYTES_MIN, BODY_BYTES_MAX),
            bodies: Budget::new("scraped bodies", limit_bytes / 4),
            samples_max: usize::try_from(samples_max).unwrap_or(usize::MAX),
            room: Room::new(limit_bytes, used_bytes),
            growth_bytes_max: limit_bytes / 16,
        }
    }

    /// How much memory there is.
    pub(crate) fn look(&self) -> Look {
        self.room.look()
    }

    /// Why a target gets no more series, if so: it has added `growth` and had `settled_len` series
    /// after its last successful scrape.
    pub(crate) fn refusal(&self, look: Look, growth: &Growth, settled_len: usize) -> Option<Error> {
        let settled_bytes = SERIES_BYTES.saturating_mul(settled_len as u64);
        let share = settled_bytes
            .saturating_mul(CHANGES_MAX)
            .max(self.growth_bytes_max);
        let Look {
            left,
            used_bytes,
            limit_bytes,
        } = look;
        match left {
            Left::Scarce if growth.bytes > share => Some(Error::TooManyNewSeries {
                added: growth.series,
                used_bytes,
                limit_bytes,
            }),
            Left::Ample | Left::Scarce => None,
            Left::Nothing => Some(Error::NoRoomForSeries {
                used_bytes,
                limit_bytes,
            }),
        }
    }
}

impl From<BudgetExhausted> for Error {
    fn from(err: BudgetExhausted) -> Self {
        Self::NoRoomForBody {
            used_bytes: err.used_bytes,
            limit_bytes: err.limit_bytes,
        }
    }
}

/// The series that a target has added of late, as far as memory may still hold them.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    since: Timestamp,
    series: u64,
    bytes: u64,
}

impl Growth {
    /// Begins a scrape at `time`.
    pub(crate) fn begin(&mut self, time: Timestamp) {
        if time.saturating_sub(self.since) >= GROWTH_WINDOW_MS {
            *self = Self {
                since: time,
                ..Self::default()
            };
        }
    }

    /// Counts a series with a text of `text_len` bytes.
    pub(crate) fn add(&mut self, text_len: usize) {
        self.series += 1;
        self.bytes = self.bytes.saturating_add(SERIES_BYTES + text_len as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(left: Left) -> Look {
        Look {
            left,
            used_bytes: 600 << 20,
            limit_bytes: 1 << 30,
        }
    }

    fn grown(series: u64, text_len: usize) -> Growth {
        let mut growth = Growth::default();
        for _ in 0..series {
            growth.add(text_len);
        }
        growth
    }

    #[test]
    fn who_adds_much_gets_no_more_while_memory_is_scarce() {
        let bounds = Bounds::within(1 << 30, || 0);
        let refused = |left, growth: &Growth, settled_len| {
            let refusal = bounds.refusal(look(left), growth, settled_len);
            refusal.is_some()
        };
        // A sixteenth of the memory.
        let few = grown(100_000, 100);
        let many = grown(110_000, 100);
        assert!(!refused(Left::Scarce, &few, 0));
        assert!(refused(Left::Scarce, &many, 0));
        assert!(!refused(Left::Ample, &many, 0));
        assert!(refused(Left::Nothing, &Growth::default(), 0));
        // A large target may change.
        assert!(!refused(Left::Scarce, &many, 110_000));
        // Long texts count.
        assert!(refused(Left::Scarce, &grown(7, 10 << 20), 0));
    }

    #[test]
    fn refusals_say_what_to_do() {
        let bounds = Bounds::within(1 << 30, || 0);
        let text = |left| {
            let growth = grown(200_000, 0);
            let refusal = bounds.refusal(look(left), &growth, 0);
            refusal.map_or_else(String::new, |err| err.to_string())
        };
        assert_eq!(
            text(Left::Scarce),
            "no room for more series of this target: it has added 200000 within two hours, and \
             600 of 1024 MiB of memory are in use (see sample_limit and --memory.limit)"
        );
        assert_eq!(
            text(Left::Nothing),
            "no room for new series: 600 of 1024 MiB of memory are in use (see --memory.limit)"
        );
    }

    #[test]
    fn what_was_added_long_ago_does_not_count() {
        let bounds = Bounds::within(1 << 30, || 0);
        let mut growth = grown(200_000, 0);
        let refused = |growth: &Growth| bounds.refusal(look(Left::Scarce), growth, 0).is_some();
        growth.begin(GROWTH_WINDOW_MS - 1);
        assert!(refused(&growth));
        growth.begin(GROWTH_WINDOW_MS);
        assert!(!refused(&growth));
    }

    #[test]
    fn bodies_have_a_share_of_the_memory() {
        let bytes_max = |limit: u64| Bounds::within(limit, || 0).body_bytes_max;
        assert_eq!(bytes_max(100 << 20), 16 << 20);
        assert_eq!(bytes_max(4 << 30), 256 << 20);
        assert_eq!(bytes_max(1 << 40), 1 << 30);
    }
}
