//! Remote write 2.0: what is good of a request is taken, the rest is told.

use model::{Exemplar, Labels, Metadata, MetricType};
use storage::{AppendError, Appender};

use super::known_series::{KnownSeries, LabelsKey};
use super::labels::{self, Fault};
use super::symbols::{SymbolError, Symbols};
use super::transaction::{Mode, Points, Reason, Sample, Source, Transaction, Written};
use super::wire::{Fields, Varints};
use super::{Failure, Invalid, histogram};

impl<'a> Source<'a> for Symbols<'a, '_> {
    fn labels(&self, message: &'a [u8]) -> Option<Labels> {
        let mut pairs = self.pairs(&label_refs(message)).ok()?;
        labels::read(&mut pairs).ok()
    }

    fn key(&self, message: &'a [u8]) -> Option<LabelsKey> {
        Symbols::key(self, &label_refs(message))
    }

    fn refusal_text(&self, reason: &Reason, message: &'a [u8]) -> String {
        format!("{reason} for series {}", series_text(self, message))
    }
}

/// The labels of a series as the sender wrote them.
fn series_text(symbols: &Symbols<'_, '_>, message: &[u8]) -> String {
    let mut pairs = symbols.pairs(&label_refs(message)).unwrap_or_default();
    pairs.sort_by_key(|(name, _)| *name);
    labels::text(&pairs)
}

/// References to the names and values of a series' or an exemplar's labels.
fn label_refs(message: &[u8]) -> Vec<u32> {
    let mut refs = Vec::new();
    for (_, value) in Fields::new(message).filter(|(number, _)| *number == 1) {
        refs.extend(Varints::new(value).map(|number| number as u32));
    }
    refs
}

/// One series of the request, labels aside; reused from one to the next.
#[derive(Default)]
struct Scanned<'a> {
    refs: Vec<u32>,
    points: Points,
    exemplars: Vec<&'a [u8]>,
    metadata: Option<&'a [u8]>,
}

impl<'a> Scanned<'a> {
    fn scan(&mut self, message: &'a [u8]) {
        self.refs.clear();
        self.points.clear();
        self.exemplars.clear();
        self.metadata = None;
        for (number, value) in Fields::new(message) {
            match number {
                1 => self
                    .refs
                    .extend(Varints::new(value).map(|number| number as u32)),
                2 => self.points.samples.push(sample(value.bytes())),
                3 => self.points.histograms.push(histogram::read(value.bytes())),
                4 => self.exemplars.push(value.bytes()),
                5 => self.metadata = Some(value.bytes()),
                _ => {}
            }
        }
    }

    fn sample_count(&self) -> u64 {
        (self.points.samples.len() + self.points.histograms.len()) as u64
    }
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
            3 => sample.start_timestamp = value.varint() as i64,
            _ => {}
        }
    }
    sample
}

/// An exemplar; `None` if its labels are no text.
fn exemplar(symbols: &Symbols<'_, '_>, message: &[u8]) -> Result<Option<Exemplar>, SymbolError> {
    let (mut value, mut timestamp) = (0.0, 0);
    for (number, field) in Fields::new(message) {
        match number {
            2 => value = field.double(),
            3 => timestamp = field.varint() as i64,
            _ => {}
        }
    }
    let pairs = symbols.pairs(&label_refs(message))?;
    let labels = labels::read_exemplar(pairs.into_iter());
    Ok(labels.map(|labels| Exemplar {
        labels,
        value,
        timestamp: Some(timestamp),
    }))
}

fn metadata(symbols: &Symbols<'_, '_>, message: &[u8]) -> Result<Metadata, SymbolError> {
    let (mut kind, mut help, mut unit) = (0, 0, 0);
    for (number, value) in Fields::new(message) {
        match number {
            1 => kind = value.varint(),
            3 => help = value.varint() as u32,
            4 => unit = value.varint() as u32,
            _ => {}
        }
    }
    let text = |field, reference| {
        let text = symbols.metadata_text(field, reference)?;
        Ok(String::from_utf8_lossy(text).into_owned())
    };
    Ok(Metadata {
        unit: text("unit_ref", unit)?,
        help: text("help_ref", help)?,
        metric_type: match kind {
            1 => MetricType::Counter,
            2 => MetricType::Gauge,
            3 => MetricType::Histogram,
            4 => MetricType::GaugeHistogram,
            5 => MetricType::Summary,
            6 => MetricType::Info,
            7 => MetricType::StateSet,
            _ => MetricType::Unknown,
        },
    })
}

/// What a request left in the store.
pub(super) struct Outcome {
    pub(super) written: Written,
    pub(super) failure: Option<Failure>,
    /// Samples whose series' metadata was not taken.
    pub(super) without_metadata: u64,
}

/// Writes a checked request.
pub(super) fn write(
    request: &[u8],
    appender: Box<dyn Appender>,
    known: &KnownSeries,
    keep_metadata: bool,
    now: i64,
    invalid: &mut Invalid,
) -> Outcome {
    let nothing = |failure| Outcome {
        written: Written::default(),
        failure: Some(failure),
        without_metadata: 0,
    };
    let Some(symbols) = Symbols::read(request, known) else {
        appender.rollback();
        return nothing(Failure {
            is_bad_request: true,
            text: "too many symbols".to_owned(),
        });
    };
    let mut transaction = Transaction::new(appender, symbols, known, Mode::Partial, now);
    let mut without_metadata = 0;
    let appended = append(
        request,
        &mut transaction,
        known,
        keep_metadata.then_some(&mut without_metadata),
        invalid,
    );
    let lost = appended
        .map_err(|err| err.to_string())
        .err()
        .or_else(|| transaction.refusals.internal().map(str::to_owned));
    if let Some(text) = lost {
        // The sender will send all of it again.
        transaction.rollback();
        return nothing(Failure {
            is_bad_request: false,
            text,
        });
    }
    match transaction.commit() {
        Err(err) => nothing(Failure::internal(err)),
        Ok((written, refusals)) => Outcome {
            written,
            failure: (!refusals.is_empty()).then(|| Failure {
                is_bad_request: true,
                text: refusals.joined(),
            }),
            without_metadata,
        },
    }
}

fn append<'a, 's>(
    request: &'a [u8],
    transaction: &mut Transaction<'a, 's, Symbols<'a, 's>>,
    known: &KnownSeries,
    mut without_metadata: Option<&mut u64>,
    invalid: &mut Invalid,
) -> Result<(), AppendError> {
    let mut scanned = Scanned::default();
    for (_, message) in Fields::new(request).filter(|(number, _)| *number == 5) {
        let message = message.bytes();
        scanned.scan(message);
        // As in the reference, metadata that cannot be read costs the series.
        let described = match scanned
            .metadata
            .map(|message| metadata(transaction.source(), message))
            .transpose()
        {
            Ok(described) => described,
            Err(err) => {
                let refs = &scanned.refs;
                let readable = transaction.source().pairs(refs).map(|_| ());
                let text = match readable {
                    Ok(()) => format!("parsing metadata for series {}: {err}", refs_text(refs)),
                    Err(err) => format!("parsing labels for series {}: {err}", refs_text(refs)),
                };
                transaction.refuse(|_| text);
                continue;
            }
        };
        let key = transaction.source().key(&scanned.refs);
        let found = key.and_then(|key| known.find(key));
        let series = match found {
            Some(series) => Some(series),
            None => match labels_of(transaction, &scanned, invalid) {
                None => continue,
                Some(_) if scanned.points.is_empty() && scanned.exemplars.is_empty() => None,
                Some(labels) if scanned.points.is_empty() => transaction.existing(&labels),
                Some(labels) => match transaction.create(message, &labels, &scanned.points)? {
                    None if !scanned.exemplars.is_empty() => transaction.existing(&labels),
                    series => series,
                },
            },
        };
        if scanned.points.is_empty() && scanned.exemplars.is_empty() {
            transaction.refuse(|symbols| {
                format!(
                    "TimeSeries must contain at least one sample or histogram for series {}",
                    series_text(symbols, message)
                )
            });
            continue;
        }
        if let Some(series) = series {
            let count = scanned.sample_count();
            transaction.push(message, series, &mut scanned.points)?;
            push_exemplars(transaction, message, series, &scanned.exemplars);
            if let (Some(described), Some(without)) = (&described, &mut without_metadata)
                && !transaction.push_metadata(series, described)
            {
                **without += count;
            }
        }
        if transaction.is_over() {
            break;
        }
    }
    transaction.flush()
}

/// Labels of the series at hand; `None`, with the reason noted, if they are not in order.
fn labels_of<'a, 's>(
    transaction: &mut Transaction<'a, 's, Symbols<'a, 's>>,
    scanned: &Scanned<'a>,
    invalid: &mut Invalid,
) -> Option<Labels> {
    let mut pairs = match transaction.source().pairs(&scanned.refs) {
        Ok(pairs) => pairs,
        Err(err) => {
            let refs = &scanned.refs;
            transaction.refuse(|_| format!("parsing labels for series {}: {err}", refs_text(refs)));
            return None;
        }
    };
    match labels::read(&mut pairs) {
        Ok(labels) => Some(labels),
        Err(fault) => {
            invalid.add(scanned.sample_count(), &pairs, &fault);
            transaction.refuse(|_| {
                let text = labels::text(&pairs);
                match fault {
                    Fault::Invalid => format!("invalid metric name or labels, got {text}"),
                    Fault::Duplicate(name) => {
                        format!("invalid labels for series, labels {text}, duplicated label {name}")
                    }
                }
            });
            None
        }
    }
}

fn push_exemplars<'a, 's>(
    transaction: &mut Transaction<'a, 's, Symbols<'a, 's>>,
    message: &'a [u8],
    series: storage::SeriesRef,
    exemplars: &[&'a [u8]],
) {
    for part in exemplars {
        match exemplar(transaction.source(), part) {
            Ok(Some(exemplar)) => transaction.push_exemplar(message, series, &exemplar),
            Ok(None) => {}
            Err(err) => transaction.refuse(|symbols| {
                let series = series_text(symbols, message);
                format!("parsing exemplar for series {series}: {err}")
            }),
        }
    }
}

/// References as the reference's language prints a list of numbers.
fn refs_text(refs: &[u32]) -> String {
    let texts: Vec<String> = refs.iter().map(u32::to_string).collect();
    format!("[{}]", texts.join(" "))
}
