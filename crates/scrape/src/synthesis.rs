//! Start timestamps for counters whose targets tell none: a counter begins anew with the first sample
//! that is met of it, which is left out, and what it had before is taken off all later ones.
//!
//! As in the reference: after a reset the values are those of the target again, and the start is a
//! millisecond before the sample that shows the reset.

use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use model::histogram::deltas;
use model::sample::Value;
use model::{FloatHistogram, Histogram, MetricType, Timestamp};

use crate::text_hash::TextHash;

/// What is known of one target's counters.
#[derive(Debug, Default)]
pub(crate) struct Synthesis {
    counters: HashTable<Counter>,
}

#[derive(Debug)]
struct Counter {
    /// Of the text of its series.
    series: TextHash,
    /// Scrape in which it was seen last.
    seen: u64,
    start: Timestamp,
    state: State,
}

#[derive(Debug)]
enum State {
    Float { previous: f64, taken_off: f64 },
    Histogram(Box<HistogramState>),
}

#[derive(Debug)]
struct HistogramState {
    previous: Arc<FloatHistogram>,
    /// `None` after a reset.
    taken_off: Option<Arc<FloatHistogram>>,
}

/// What becomes of a sample.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It is the first of its counter, and is left out.
    First,
    /// It is stored with this start.
    Since(Timestamp, Value),
}

/// Whether series of this name are counters that a family of this name and type consists of.
pub(crate) fn is_cumulative(series: &str, family: &str, metric_type: MetricType) -> bool {
    match metric_type {
        MetricType::Counter => {
            let base = |name| str::strip_suffix(name, "_total").unwrap_or(name);
            series.starts_with(family) && base(series) == base(family)
        }
        MetricType::Histogram => {
            let part = |part: &str| matches!(part, "" | "_bucket" | "_sum" | "_count");
            series.strip_prefix(family).is_some_and(part)
        }
        MetricType::Summary => {
            let part = |part: &str| matches!(part, "_sum" | "_count");
            series.strip_prefix(family).is_some_and(part)
        }
        MetricType::Gauge
        | MetricType::GaugeHistogram
        | MetricType::Info
        | MetricType::StateSet
        | MetricType::Unknown => false,
    }
}

impl Synthesis {
    /// Takes a sample of a counter that tells no start, in scrape number `scrape`.
    pub(crate) fn take(
        &mut self,
        series: TextHash,
        scrape: u64,
        time: Timestamp,
        value: Value,
    ) -> Outcome {
        let same = |counter: &Counter| counter.series == series;
        let hash = |counter: &Counter| counter.series.short();
        match self.counters.entry(series.short(), same, hash) {
            Entry::Vacant(place) => {
                place.insert(Counter {
                    series,
                    seen: scrape,
                    start: time,
                    state: State::first(&value),
                });
                Outcome::First
            }
            Entry::Occupied(mut found) => {
                let counter = found.get_mut();
                counter.seen = scrape;
                counter.next(time, value)
            }
        }
    }

    /// Begins a counter anew with its next sample: one was refused, or told its start.
    pub(crate) fn forget(&mut self, series: TextHash) {
        let same = |counter: &Counter| counter.series == series;
        if let Ok(found) = self.counters.find_entry(series.short(), same) {
            found.remove();
        }
    }

    /// Forgets counters that were not seen in scrape number `scrape`.
    pub(crate) fn forget_before(&mut self, scrape: u64) {
        self.counters.retain(|counter| counter.seen >= scrape);
        if self.counters.is_empty() {
            self.counters = HashTable::new();
        }
    }

    /// Bytes of memory it takes, buckets of histograms not counted.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.counters.allocation_size()
    }
}

impl State {
    fn first(value: &Value) -> Self {
        match value {
            Value::Float(number) => Self::Float {
                previous: *number,
                taken_off: *number,
            },
            Value::Histogram(histogram) => Self::first_histogram(Arc::new(histogram.to_float())),
            Value::FloatHistogram(histogram) => Self::first_histogram(histogram.clone()),
        }
    }

    fn first_histogram(histogram: Arc<FloatHistogram>) -> Self {
        Self::Histogram(Box::new(HistogramState {
            previous: histogram.clone(),
            taken_off: Some(histogram),
        }))
    }
}

impl Counter {
    fn next(&mut self, time: Timestamp, value: Value) -> Outcome {
        match (&mut self.state, value) {
            (
                State::Float {
                    previous,
                    taken_off,
                },
                Value::Float(number),
            ) => {
                if number < *previous {
                    *taken_off = 0.0;
                    self.start = time.saturating_sub(1);
                }
                *previous = number;
                Outcome::Since(self.start, Value::Float(number - *taken_off))
            }
            (State::Histogram(state), Value::Histogram(histogram)) => {
                let current = Arc::new(histogram.to_float());
                let rest = state.next(current, &mut self.start, time);
                let value =
                    rest.map_or(histogram.clone(), |rest| Arc::new(whole(&rest, &histogram)));
                Outcome::Since(self.start, Value::Histogram(value))
            }
            (State::Histogram(state), Value::FloatHistogram(histogram)) => {
                let rest = state.next(histogram.clone(), &mut self.start, time);
                let value = rest.map_or(histogram, Arc::new);
                Outcome::Since(self.start, Value::FloatHistogram(value))
            }
            // Another kind of counter under the same name.
            (state, value) => {
                *state = State::first(&value);
                self.start = time;
                Outcome::First
            }
        }
    }
}

impl HistogramState {
    /// What is left when that is taken off which was there at the start; `None` if nothing was.
    fn next(
        &mut self,
        current: Arc<FloatHistogram>,
        start: &mut Timestamp,
        time: Timestamp,
    ) -> Option<FloatHistogram> {
        let reset = current.detect_reset(&self.previous);
        self.previous = current.clone();
        if !reset {
            let taken_off = self.taken_off.as_ref()?;
            if let Ok((mut rest, _)) = current.subtract(taken_off) {
                rest.counter_reset_hint = current.counter_reset_hint;
                return Some(rest);
            }
        }
        // What cannot be subtracted is another counter as well.
        self.taken_off = None;
        *start = time.saturating_sub(1);
        None
    }
}

/// A difference of integer histograms with integer counts again. `original` has what a difference does
/// not know.
fn whole(difference: &FloatHistogram, original: &Histogram) -> Histogram {
    let whole = |counts: &[f64]| deltas(counts.iter().map(|count| *count as i64));
    Histogram {
        counter_reset_hint: original.counter_reset_hint,
        schema: difference.schema,
        zero_threshold: difference.zero_threshold,
        zero_count: difference.zero_count as u64,
        count: difference.count as u64,
        sum: difference.sum,
        positive_spans: difference.positive_spans.clone(),
        negative_spans: difference.negative_spans.clone(),
        positive_buckets: whole(&difference.positive_buckets),
        negative_buckets: whole(&difference.negative_buckets),
        custom_values: difference.custom_values.clone(),
    }
}

#[cfg(test)]
mod tests {
    use model::Span;

    use super::*;
    use crate::text_hash::TextKey;

    fn histogram(counts: [i64; 2]) -> Value {
        Value::Histogram(Arc::new(Histogram {
            count: (counts[0] + counts[1]) as u64,
            sum: counts[0] as f64,
            positive_spans: vec![Span {
                offset: 0,
                length: 2,
            }],
            positive_buckets: vec![counts[0], counts[1] - counts[0]],
            ..Histogram::default()
        }))
    }

    /// Times and values of a series; what becomes of them.
    #[track_caller]
    fn check(samples: &[(Timestamp, Value)], expected: &[Option<(Timestamp, Value)>]) {
        let mut synthesis = Synthesis::default();
        let series = TextKey::random().hash(b"c");
        let found: Vec<_> = (1..)
            .zip(samples)
            .map(|(scrape, (time, value))| {
                match synthesis.take(series, scrape, *time, value.clone()) {
                    Outcome::First => None,
                    Outcome::Since(start, value) => Some((start, value)),
                }
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn floats_begin_at_zero() {
        let number = Value::Float;
        check(
            &[
                (10, number(5.0)),
                (20, number(5.0)),
                (30, number(7.5)),
                // A reset, and on from there.
                (40, number(2.0)),
                (50, number(3.0)),
            ],
            &[
                None,
                Some((10, number(0.0))),
                Some((10, number(2.5))),
                Some((39, number(2.0))),
                Some((39, number(3.0))),
            ],
        );
    }

    #[test]
    fn histograms_begin_at_zero() {
        let float = |value: &Value| match value {
            Value::Histogram(histogram) => Value::FloatHistogram(Arc::new(histogram.to_float())),
            other => other.clone(),
        };
        let samples = [
            (10, histogram([1, 2])),
            (20, histogram([3, 5])),
            (30, histogram([2, 1])),
            (40, histogram([2, 4])),
        ];
        let expected = [
            None,
            Some((10, histogram([2, 3]))),
            Some((29, histogram([2, 1]))),
            Some((29, histogram([2, 4]))),
        ];
        check(&samples, &expected);
        let samples: Vec<_> = samples
            .iter()
            .map(|(at, value)| (*at, float(value)))
            .collect();
        let expected = expected.map(|found| found.map(|(start, value)| (start, float(&value))));
        check(&samples, &expected);
    }

    #[test]
    fn another_kind_of_value_is_another_counter() {
        let number = Value::Float;
        check(
            &[
                (10, number(5.0)),
                (20, histogram([1, 2])),
                (30, histogram([2, 2])),
            ],
            &[
                None,
                None,
                Some((
                    20,
                    Value::Histogram(Arc::new(Histogram {
                        count: 1,
                        sum: 1.0,
                        positive_spans: vec![Span {
                            offset: 0,
                            length: 1,
                        }],
                        positive_buckets: vec![1],
                        ..Histogram::default()
                    })),
                )),
            ],
        );
    }

    #[test]
    fn forgotten_counters_begin_anew() {
        let mut synthesis = Synthesis::default();
        let key = TextKey::random();
        let series = |name: &str| key.hash(name.as_bytes());
        let mut first = |scrape: u64, name: &str| {
            let outcome = synthesis.take(series(name), scrape, 0, Value::Float(1.0));
            outcome == Outcome::First
        };
        assert!(first(1, "a") && first(1, "b") && !first(2, "a"));
        synthesis.forget_before(2);
        synthesis.forget(series("c"));
        let mut first = |scrape: u64, name: &str| {
            let outcome = synthesis.take(series(name), scrape, 0, Value::Float(1.0));
            outcome == Outcome::First
        };
        assert!(!first(3, "a") && first(3, "b"));
        synthesis.forget(series("a"));
        assert_eq!(
            synthesis.take(series("a"), 4, 0, Value::Float(1.0)),
            Outcome::First
        );
    }

    #[test]
    fn only_counters_of_the_family_count() {
        #[track_caller]
        fn check(metric_type: MetricType, family: &str, series: &str, expected: bool) {
            let found = is_cumulative(series, family, metric_type);
            assert_eq!(found, expected, "{series} of {family}");
        }
        let counter = MetricType::Counter;
        check(counter, "c", "c_total", true);
        check(counter, "c_total", "c_total", true);
        check(counter, "c", "c", true);
        check(counter, "c_total", "c", false);
        check(counter, "c", "c_created", false);
        check(counter, "", "c", false);
        for part in ["", "_bucket", "_sum", "_count"] {
            check(MetricType::Histogram, "h", &format!("h{part}"), true);
        }
        check(MetricType::Histogram, "h", "h_total", false);
        check(MetricType::Histogram, "h", "i_sum", false);
        check(MetricType::Summary, "s", "s_sum", true);
        check(MetricType::Summary, "s", "s_count", true);
        check(MetricType::Summary, "s", "s", false);
        check(MetricType::Gauge, "g", "g", false);
        check(MetricType::Unknown, "g", "g", false);
    }
}
