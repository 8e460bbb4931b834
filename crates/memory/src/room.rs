//! How much room is left for what stays in memory and whose number others decide: above all series.
//!
//! Budgets count what somebody reserves. Series are made of many small pieces all over the heap, so
//! here the process is looked at from outside, and whoever makes them asks before.

use std::sync::Arc;

/// A look at the process's memory. Clones share what they look with.
#[derive(Clone, Default)]
pub struct Room {
    bounded: Option<Bounded>,
}

#[derive(Clone)]
struct Bounded {
    limit_bytes: u64,
    used_bytes: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// How much is left.
    pub left: Left,
    /// What was in use.
    pub used_bytes: u64,
    /// What may be.
    pub limit_bytes: u64,
}

/// How much is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Enough for everybody.
    Ample,
    /// Half is in use: who takes much more than others gets no more.
    Scarce,
    /// Three quarters are in use. The rest is for queries and for work under way, so nothing that
    /// stays is added.
    Nothing,
}

impl Room {
    /// Room up to `limit_bytes`, of which the process uses what `used_bytes` says.
    pub fn new(limit_bytes: u64, used_bytes: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self {
            bounded: Some(Bounded {
                limit_bytes,
                used_bytes: Arc::new(used_bytes),
            }),
        }
    }

    /// Room without end.
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// Looks, which may take some ten microseconds.
    pub fn look(&self) -> Look {
        let Some(bounded) = &self.bounded else {
            return Look {
                left: Left::Ample,
                used_bytes: 0,
                limit_bytes: u64::MAX,
            };
        };
        let (limit_bytes, used_bytes) = (bounded.limit_bytes, (bounded.used_bytes)());
        let left = if used_bytes < limit_bytes / 2 {
            Left::Ample
        } else if used_bytes < limit_bytes / 4 * 3 {
            Left::Scarce
        } else {
            Left::Nothing
        };
        Look {
            left,
            used_bytes,
            limit_bytes,
        }
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let limit = self.bounded.as_ref().map(|bounded| bounded.limit_bytes);
        f.debug_tuple("Room").field(&limit).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn room_is_what_the_process_leaves() {
        let used = Arc::new(AtomicU64::new(0));
        let seen = used.clone();
        let room = Room::new(1000, move || seen.load(Ordering::Relaxed));
        for (used_bytes, left) in [
            (0, Left::Ample),
            (499, Left::Ample),
            (500, Left::Scarce),
            (749, Left::Scarce),
            (750, Left::Nothing),
            (2000, Left::Nothing),
            (10, Left::Ample),
        ] {
            used.store(used_bytes, Ordering::Relaxed);
            let limit_bytes = 1000;
            let expected = Look {
                left,
                used_bytes,
                limit_bytes,
            };
            assert_eq!(room.look(), expected);
        }
        assert_eq!(Room::unlimited().look().left, Left::Ample);
    }
}
