//! Quantiles over a sliding window of ten minutes, with count and sum since the start.
//!
//! The window is a ring of five slices of two minutes each, as in the reference's client library.
//! A slice keeps a bounded, evenly thinned selection of its observations, so memory is bounded and
//! the quantiles are approximate once a slice has seen more than it keeps.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::AtomicFloat;

/// Slices in the window.
const SLICES: u64 = 5;
/// Time one slice covers.
const SLICE: Duration = Duration::from_secs(120);
/// Observations a slice keeps.
const SLICE_LEN_MAX: usize = 512;

/// Quantiles over a sliding window, with count and sum since the start.
#[derive(Debug, Clone)]
pub struct Summary(Arc<SummaryState>);

#[derive(Debug)]
struct SummaryState {
    quantiles: Vec<f64>,
    created: Instant,
    slices: Mutex<VecDeque<Slice>>,
    count: AtomicU64,
    sum: AtomicFloat,
}

/// Observations of one stretch of time.
#[derive(Debug)]
struct Slice {
    /// Position in time, in slices since the summary was made.
    number: u64,
    kept: Vec<f64>,
    /// Every `stride`th observation is kept.
    stride: u64,
    seen: u64,
}

impl Slice {
    fn new(number: u64) -> Self {
        Self {
            number,
            kept: Vec::new(),
            stride: 1,
            seen: 0,
        }
    }

    fn push(&mut self, value: f64) {
        if self.seen.is_multiple_of(self.stride) {
            if self.kept.len() == SLICE_LEN_MAX {
                let mut position = 0;
                self.kept.retain(|_| {
                    position += 1;
                    position % 2 == 1
                });
                self.stride *= 2;
            }
            if self.seen.is_multiple_of(self.stride) {
                self.kept.push(value);
            }
        }
        self.seen += 1;
    }
}

impl Summary {
    pub(super) fn new(quantiles: &[f64]) -> Self {
        Self(Arc::new(SummaryState {
            quantiles: quantiles.to_vec(),
            created: Instant::now(),
            slices: Mutex::default(),
            count: AtomicU64::new(0),
            sum: AtomicFloat::default(),
        }))
    }

    /// Counts one observation made now.
    pub fn observe(&self, value: f64) {
        self.observe_at(value, Instant::now());
    }

    /// Counts one observation made at `now`.
    pub fn observe_at(&self, value: f64, now: Instant) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.0.sum.add(value);
        if self.0.quantiles.is_empty() {
            return;
        }
        let number = self.slice_number(now);
        let mut slices = self.0.slices.lock();
        expire(&mut slices, number);
        if slices.back().is_none_or(|last| last.number < number) {
            slices.push_back(Slice::new(number));
        }
        if let Some(last) = slices.back_mut() {
            last.push(value);
        }
    }

    /// Number of observations so far.
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// (quantile, value) pairs over the window that ends at `now` (NaN without observations), sum
    /// and count.
    pub(super) fn snapshot(&self, now: Instant) -> (Vec<(f64, f64)>, f64, f64) {
        let number = self.slice_number(now);
        let weighted = {
            let mut slices = self.0.slices.lock();
            expire(&mut slices, number);
            let mut weighted: Vec<(f64, u64)> = Vec::new();
            for slice in &*slices {
                weighted.extend(slice.kept.iter().map(|value| (*value, slice.stride)));
            }
            weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
            weighted
        };
        let quantiles = self
            .0
            .quantiles
            .iter()
            .map(|q| (*q, quantile(&weighted, *q)))
            .collect();
        (quantiles, self.0.sum.load(), self.count() as f64)
    }

    fn slice_number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.0.created).as_secs() / SLICE.as_secs()
    }
}

fn expire(slices: &mut VecDeque<Slice>, number: u64) {
    while slices
        .front()
        .is_some_and(|first| first.number + SLICES <= number)
    {
        slices.pop_front();
    }
}

/// The smallest value that at least the share `q` of the weight does not exceed.
fn quantile(weighted: &[(f64, u64)], q: f64) -> f64 {
    let total: u64 = weighted.iter().map(|(_, weight)| weight).sum();
    let rank = (q * total as f64).ceil().max(1.0);
    let mut passed = 0;
    for (value, weight) in weighted {
        passed += weight;
        if passed as f64 >= rank {
            return *value;
        }
    }
    f64::NAN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_window_and_totals_of_all_time() {
        let summary = Summary::new(&[0.5, 0.99]);
        let start = summary.0.created;
        for value in 1..=100 {
            summary.observe_at(f64::from(value), start);
        }
        let (quantiles, sum, count) = summary.snapshot(start + Duration::from_secs(599));
        assert_eq!(quantiles, [(0.5, 50.0), (0.99, 99.0)]);
        assert_eq!((sum, count), (5050.0, 100.0));
        let (quantiles, sum, count) = summary.snapshot(start + Duration::from_secs(600));
        assert!(quantiles.iter().all(|(_, value)| value.is_nan()));
        assert_eq!((sum, count), (5050.0, 100.0));
    }

    #[test]
    fn many_observations_are_thinned_evenly() {
        let summary = Summary::new(&[0.5]);
        let start = summary.0.created;
        for value in 0..100_000 {
            summary.observe_at(f64::from(value), start);
        }
        assert!(
            summary
                .0
                .slices
                .lock()
                .iter()
                .all(|slice| slice.kept.len() <= SLICE_LEN_MAX)
        );
        let (quantiles, ..) = summary.snapshot(start);
        assert!((quantiles[0].1 - 50_000.0).abs() < 1000.0, "{quantiles:?}");
    }
}
