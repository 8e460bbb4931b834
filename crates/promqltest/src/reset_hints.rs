//! Reset hints of native histograms, as they come back from a store of chunks.
//!
//! A chunk promises that there is no reset inside of it, and what stands before it is not trusted. So
//! what is read is not what was written: of the first counter histogram of a chunk nothing is known,
//! all later ones follow no reset.

use std::collections::HashMap;

use chunk::histogram::{AppendOutcome, CounterResetHeader, FloatHistogramAppender};
use model::{CounterResetHint, FloatHistogram, Labels, Timestamp};

/// The open chunks of all series.
#[derive(Default)]
pub(crate) struct ResetHints {
    open: HashMap<Labels, Open>,
}

struct Open {
    appender: FloatHistogramAppender,
    bytes: Vec<u8>,
}

impl ResetHints {
    /// Notes a float, which ends a chunk of histograms.
    pub(crate) fn float(&mut self, labels: &Labels) {
        self.open.remove(labels);
    }

    /// Notes a histogram and gives the hint that it is read with.
    pub(crate) fn histogram(
        &mut self,
        labels: &Labels,
        time: Timestamp,
        histogram: &FloatHistogram,
    ) -> Result<CounterResetHint, String> {
        let failed = |error: chunk::EncodeError| error.to_string();
        let header = match self.open.get_mut(labels) {
            Some(open) => {
                let outcome = open.appender.append(&mut open.bytes, time, histogram);
                match outcome.map_err(failed)? {
                    AppendOutcome::Appended | AppendOutcome::Recoded => {
                        return Ok(match open.appender.header() {
                            CounterResetHeader::Gauge => CounterResetHint::Gauge,
                            _ => CounterResetHint::NotCounterReset,
                        });
                    }
                    AppendOutcome::NewChunk(header) => header,
                }
            }
            None => match histogram.counter_reset_hint {
                CounterResetHint::Gauge => CounterResetHeader::Gauge,
                CounterResetHint::CounterReset => CounterResetHeader::CounterReset,
                _ => CounterResetHeader::Unknown,
            },
        };
        let mut bytes = Vec::new();
        let appender = FloatHistogramAppender::start(header, &mut bytes, time, histogram);
        let appender = appender.map_err(failed)?;
        self.open.insert(labels.clone(), Open { appender, bytes });
        Ok(match header {
            CounterResetHeader::Gauge => CounterResetHint::Gauge,
            _ => CounterResetHint::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(count: f64, hint: CounterResetHint) -> FloatHistogram {
        FloatHistogram {
            count,
            zero_count: count,
            counter_reset_hint: hint,
            ..FloatHistogram::default()
        }
    }

    #[test]
    fn of_the_first_histogram_of_a_chunk_nothing_is_known() {
        use CounterResetHint::{CounterReset, Gauge, NotCounterReset, Unknown};
        let mut hints = ResetHints::default();
        let labels = Labels::from_pairs([("a", "b")]);
        let written = [
            (1.0, Unknown),
            (2.0, Unknown),
            (1.0, Unknown),
            (1.0, NotCounterReset),
            (3.0, CounterReset),
            (4.0, Gauge),
            (1.0, Gauge),
        ];
        let read: Vec<_> = written
            .into_iter()
            .enumerate()
            .map(|(index, (count, hint))| {
                let histogram = counted(count, hint);
                hints
                    .histogram(&labels, index as i64, &histogram)
                    .expect("encoded")
            })
            .collect();
        let expected = [
            Unknown,
            NotCounterReset,
            Unknown,
            NotCounterReset,
            Unknown,
            Gauge,
            Gauge,
        ];
        assert_eq!(read, expected);
        hints.float(&labels);
        let again = hints.histogram(&labels, 9, &counted(9.0, NotCounterReset));
        assert_eq!(again, Ok(Unknown));
    }
}
