//! Remote write 1.0: all of a request is taken, or nothing, except series with impossible labels,
//! which are passed over.

use model::{Exemplar, Labels};
use storage::{AppendError, Appender};

use super::known_series::{KnownSeries, LabelsKey};
use super::labels::{self, RawPair};
use super::transaction::{Mode, Points, Reason, Sample, Source, Transaction, Written};
use super::wire::Fields;
use super::{Failure, Invalid, histogram};

/// Series as they lie in the request.
struct Series<'s> {
    known: &'s KnownSeries,
}

impl<'a> Source<'a> for Series<'_> {
    fn labels(&self, message: &'a [u8]) -> Option<Labels> {
        labels::read(&mut pairs(message).collect::<Vec<_>>()).ok()
    }

    fn key(&self, message: &'a [u8]) -> Option<LabelsKey> {
        let mut range = LabelRange::default();
        let mut fields = Fields::new(message);
        loop {
            let start = message.len() - fields.rest().len();
            let Some((number, _)) = fields.next() else {
                break;
            };
            if number == 1 {
                range.add(start, message.len() - fields.rest().len());
            }
        }
        range.key(message, self.known)
    }

    fn refusal_text(&self, reason: &Reason, _: &'a [u8]) -> String {
        reason.to_string()
    }
}

/// Where in a message its labels are; known only while they lie side by side.
#[derive(Debug, Default)]
struct LabelRange {
    start: usize,
    end: usize,
    scattered: bool,
}

impl LabelRange {
    #[inline]
    fn add(&mut self, start: usize, end: usize) {
        if self.end == 0 {
            self.start = start;
        } else if self.end != start {
            self.scattered = true;
        }
        self.end = end;
    }

    fn key(&self, message: &[u8], known: &KnownSeries) -> Option<LabelsKey> {
        let bytes = message.get(self.start..self.end)?;
        (!self.scattered && !bytes.is_empty()).then(|| known.key(bytes))
    }
}

/// Label pairs of a series or an exemplar.
fn pairs(message: &[u8]) -> impl Iterator<Item = RawPair<'_>> {
    let labels = Fields::new(message).filter(|(number, _)| *number == 1);
    labels.map(|(_, label)| {
        let mut pair: RawPair<'_> = (b"", b"");
        for (number, value) in Fields::new(label.bytes()) {
            match number {
                1 => pair.0 = value.bytes(),
                2 => pair.1 = value.bytes(),
                _ => {}
            }
        }
        pair
    })
}

fn sample(message: &[u8]) -> Sample {
    let mut sample = Sample {
        value: 0.0,
        timestamp: 0,
        start_timestamp: 0,
    };
    for (number, value) in Fields::new(message) {
        match number {
            1 => sample.value = value.double(),
            2 => sample.timestamp = value.varint() as i64,
            _ => {}
        }
    }
    sample
}

fn exemplar(message: &[u8]) -> Option<Exemplar> {
    let (mut value, mut timestamp) = (0.0, 0);
    for (number, field) in Fields::new(message) {
        match number {
            2 => value = field.double(),
            3 => timestamp = field.varint() as i64,
            _ => {}
        }
    }
    Some(Exemplar {
        labels: labels::read_exemplar(pairs(message))?,
        value,
        timestamp: Some(timestamp),
    })
}

/// Writes a checked request; series that are passed over are noted.
pub(super) fn write(
    request: &[u8],
    appender: Box<dyn Appender>,
    known: &KnownSeries,
    now: i64,
    invalid: &mut Invalid,
) -> Result<Written, Failure> {
    let mut transaction =
        Transaction::new(appender, Series { known }, known, Mode::AllOrNothing, now);
    match append(request, &mut transaction, known, invalid) {
        Ok(()) if transaction.refusals.is_empty() => match transaction.commit() {
            Ok((written, _)) => Ok(written),
            Err(err) => Err(Failure::internal(err)),
        },
        Ok(()) => {
            let first = transaction.rollback().first();
            let (is_bad_request, text) = first.unwrap_or_default();
            Err(Failure {
                is_bad_request,
                text,
            })
        }
        Err(err) => {
            transaction.rollback();
            Err(Failure::internal(err))
        }
    }
}

/// Appends series until one is refused.
fn append<'a>(
    request: &'a [u8],
    transaction: &mut Transaction<'a, '_, Series<'_>>,
    known: &KnownSeries,
    invalid: &mut Invalid,
) -> Result<(), AppendError> {
    let mut points = Points::default();
    let mut exemplars: Vec<&[u8]> = Vec::new();
    for (_, message) in Fields::new(request).filter(|(number, _)| *number == 1) {
        let message = message.bytes();
        points.clear();
        exemplars.clear();
        let mut range = LabelRange::default();
        let mut fields = Fields::new(message);
        loop {
            let start = message.len() - fields.rest().len();
            let Some((number, value)) = fields.next() else {
                break;
            };
            match number {
                1 => range.add(start, message.len() - fields.rest().len()),
                2 => points.samples.push(sample(value.bytes())),
                3 => exemplars.push(value.bytes()),
                4 => points.histograms.push(histogram::read(value.bytes())),
                _ => {}
            }
        }
        let found = range.key(message, known).and_then(|key| known.find(key));
        let series = match found {
            Some(series) => Some(series),
            None => {
                let mut raw: Vec<_> = pairs(message).collect();
                match labels::read(&mut raw) {
                    Err(fault) => {
                        invalid.add(1, &raw, &fault);
                        continue;
                    }
                    Ok(labels) if points.is_empty() => transaction.existing(&labels),
                    Ok(labels) => transaction.create(message, &labels, &points)?,
                }
            }
        };
        if let Some(series) = series {
            transaction.push(message, series, &mut points)?;
            for exemplar in exemplars.iter().filter_map(|message| exemplar(message)) {
                transaction.push_exemplar(message, series, &exemplar);
            }
        }
        if transaction.is_over() {
            break;
        }
    }
    transaction.flush()
}
