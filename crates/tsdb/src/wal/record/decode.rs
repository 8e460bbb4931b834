//! Bytes to records.

use std::borrow::Cow;
use std::sync::Arc;

use model::histogram::CUSTOM_BUCKETS_SCHEMA;
use model::sample::Value;
use model::{CounterResetHint, FloatHistogram, Histogram, Labels, Metadata, MetricType, Span};

use super::{
    ExemplarEntry, HistogramEntry, Record, RecordError, SampleEntry, TombstoneEntry, kind,
    start_marker,
};

/// Name and value of a label as a record has them.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// Decodes one record. An empty one is [`Record::Unknown`] of type 0.
pub fn decode(record: &[u8]) -> Result<Record, RecordError> {
    let Some((kind, body)) = record.split_first() else {
        return Ok(Record::Unknown(0));
    };
    let mut body = Cursor { rest: body };
    Ok(match *kind {
        kind::SERIES => Record::Series(read_all(&mut body, |body| {
            Ok((body.be64()?, body.labels()?))
        })?),
        kind::SAMPLES | kind::SAMPLES_V2 => {
            let mut samples = Vec::with_capacity(body.rest.len() / 10);
            decode_samples(record, |sample| samples.push(sample))?;
            Record::Samples(samples)
        }
        kind::TOMBSTONES => Record::Tombstones(read_all(&mut body, |body| {
            Ok(TombstoneEntry {
                series_ref: body.be64()?,
                mint: body.varint()?,
                maxt: body.varint()?,
            })
        })?),
        kind::EXEMPLARS => Record::Exemplars(decode_exemplars(body.rest)?),
        kind::MMAP_MARKERS => Record::MmapMarkers(read_all(&mut body, |body| {
            Ok((body.be64()?, body.be64()?))
        })?),
        kind::METADATA => Record::Metadata(decode_metadata(body.rest)?),
        kind::HISTOGRAMS | kind::CUSTOM_HISTOGRAMS => {
            Record::Histograms(histograms(&mut body, integer_histogram)?)
        }
        kind::FLOAT_HISTOGRAMS | kind::CUSTOM_FLOAT_HISTOGRAMS => {
            Record::Histograms(histograms(&mut body, float_histogram)?)
        }
        kind::HISTOGRAMS_V2 => Record::Histograms(histograms_v2(&mut body, integer_histogram)?),
        kind::FLOAT_HISTOGRAMS_V2 => Record::Histograms(histograms_v2(&mut body, float_histogram)?),
        unknown => Record::Unknown(unknown),
    })
}

/// Decodes a samples record of either version and hands out its entries; other records have none.
pub fn decode_samples(record: &[u8], mut each: impl FnMut(SampleEntry)) -> Result<(), RecordError> {
    let Some((kind, body)) = record.split_first() else {
        return Ok(());
    };
    let mut body = Cursor { rest: body };
    match *kind {
        kind::SAMPLES if !body.rest.is_empty() => {
            let (base_ref, base_time) = (body.be64()?, body.be64()? as i64);
            while !body.rest.is_empty() {
                each(SampleEntry {
                    series_ref: base_ref.wrapping_add(body.varint()? as u64),
                    timestamp: base_time.wrapping_add(body.varint()?),
                    start: 0,
                    value: body.f64()?,
                });
            }
        }
        kind::SAMPLES_V2 => {
            let mut framing = FramingV2::default();
            while !body.rest.is_empty() {
                let (series_ref, timestamp, start) = framing.next(&mut body)?;
                each(SampleEntry {
                    series_ref,
                    timestamp,
                    start,
                    value: body.f64()?,
                });
            }
        }
        _ => {}
    }
    Ok(())
}

/// Decodes a series record and hands out its entries; other records have none. The labels are as
/// they stand there ([`labels`] makes a set of them).
pub(crate) fn decode_series<'a>(
    record: &'a [u8],
    each: impl FnMut(u64, &[Pair<'a>]),
) -> Result<(), RecordError> {
    match record.split_first() {
        Some((&kind::SERIES, body)) => decode_series_body(body, each),
        _ => Ok(()),
    }
}

/// Decodes the body of a series record.
pub(crate) fn decode_series_body<'a>(
    body: &'a [u8],
    mut each: impl FnMut(u64, &[Pair<'a>]),
) -> Result<(), RecordError> {
    let mut body = Cursor { rest: body };
    let mut pairs = Vec::new();
    while !body.rest.is_empty() {
        let series_ref = body.be64()?;
        body.pairs(&mut pairs)?;
        each(series_ref, &pairs);
    }
    Ok(())
}

fn read_all<T>(
    body: &mut Cursor<'_>,
    mut entry: impl FnMut(&mut Cursor<'_>) -> Result<T, RecordError>,
) -> Result<Vec<T>, RecordError> {
    let mut entries = Vec::new();
    while !body.rest.is_empty() {
        entries.push(entry(body)?);
    }
    Ok(entries)
}

/// References, times and start timestamps of the second framing.
#[derive(Default)]
struct FramingV2 {
    started: bool,
    previous_ref: u64,
    first_time: i64,
    first_start: i64,
    previous_start: i64,
}

impl FramingV2 {
    /// Reference, time and start timestamp of the next entry.
    fn next(&mut self, body: &mut Cursor<'_>) -> Result<(u64, i64, i64), RecordError> {
        let delta_ref = body.varint()? as u64;
        let delta_time = body.varint()?;
        self.previous_ref = self.previous_ref.wrapping_add(delta_ref);
        let timestamp = self.first_time.wrapping_add(delta_time);
        if self.started {
            self.previous_start = match body.byte()? {
                start_marker::NONE => 0,
                start_marker::SAME => self.previous_start,
                start_marker::GIVEN => self.first_start.wrapping_add(body.varint()?),
                _ => return Err(RecordError::OutOfRange("start timestamp marker")),
            };
        } else {
            self.started = true;
            self.first_time = timestamp;
            self.first_start = body.varint()?;
            self.previous_start = self.first_start;
        }
        Ok((self.previous_ref, timestamp, self.previous_start))
    }
}

/// Decodes the body of an exemplars record.
pub(crate) fn decode_exemplars(body: &[u8]) -> Result<Vec<ExemplarEntry>, RecordError> {
    let mut body = Cursor { rest: body };
    let body = &mut body;
    if body.rest.is_empty() {
        return Ok(Vec::new());
    }
    let (base_ref, base_time) = (body.be64()?, body.be64()? as i64);
    read_all(body, |body| {
        Ok(ExemplarEntry {
            series_ref: base_ref.wrapping_add(body.varint()? as u64),
            timestamp: base_time.wrapping_add(body.varint()?),
            value: body.f64()?,
            labels: body.labels()?,
        })
    })
}

/// Decodes the body of a metadata record.
pub(crate) fn decode_metadata(body: &[u8]) -> Result<Vec<(u64, Arc<Metadata>)>, RecordError> {
    read_all(&mut Cursor { rest: body }, |body| {
        Ok((body.uvarint()?, Arc::new(metadata(body)?)))
    })
}

fn metadata(body: &mut Cursor<'_>) -> Result<Metadata, RecordError> {
    let metric_type = match body.byte()? {
        1 => MetricType::Counter,
        2 => MetricType::Gauge,
        3 => MetricType::Histogram,
        4 => MetricType::GaugeHistogram,
        5 => MetricType::Summary,
        6 => MetricType::Info,
        7 => MetricType::StateSet,
        _ => MetricType::Unknown,
    };
    let mut metadata = Metadata {
        metric_type,
        ..Metadata::default()
    };
    for _ in 0..body.uvarint()? {
        let name = body.text()?;
        let value = body.text()?;
        match &*name {
            "UNIT" => metadata.unit = value.into_owned(),
            "HELP" => metadata.help = value.into_owned(),
            _ => {}
        }
    }
    Ok(metadata)
}

type ReadHistogram = fn(&mut Cursor<'_>) -> Result<Value, RecordError>;

fn histograms(
    body: &mut Cursor<'_>,
    read: ReadHistogram,
) -> Result<Vec<HistogramEntry>, RecordError> {
    if body.rest.is_empty() {
        return Ok(Vec::new());
    }
    let (base_ref, base_time) = (body.be64()?, body.be64()? as i64);
    read_all(body, |body| {
        Ok(HistogramEntry {
            series_ref: base_ref.wrapping_add(body.varint()? as u64),
            timestamp: base_time.wrapping_add(body.varint()?),
            start: 0,
            value: read(body)?,
        })
    })
}

fn histograms_v2(
    body: &mut Cursor<'_>,
    read: ReadHistogram,
) -> Result<Vec<HistogramEntry>, RecordError> {
    let mut framing = FramingV2::default();
    read_all(body, |body| {
        let (series_ref, timestamp, start) = framing.next(body)?;
        Ok(HistogramEntry {
            series_ref,
            timestamp,
            start,
            value: read(body)?,
        })
    })
}

fn integer_histogram(body: &mut Cursor<'_>) -> Result<Value, RecordError> {
    let counter_reset_hint = reset_hint(body.byte()?);
    let schema = body.schema()?;
    let mut histogram = Histogram {
        counter_reset_hint,
        schema,
        zero_threshold: body.f64()?,
        zero_count: body.uvarint()?,
        count: body.uvarint()?,
        sum: body.f64()?,
        ..Histogram::default()
    };
    histogram.positive_spans = spans(body)?;
    histogram.negative_spans = spans(body)?;
    histogram.positive_buckets = items(body, 1, Cursor::varint)?;
    histogram.negative_buckets = items(body, 1, Cursor::varint)?;
    histogram.custom_values = custom_values(body, schema)?;
    Ok(Value::Histogram(Arc::new(histogram)))
}

fn float_histogram(body: &mut Cursor<'_>) -> Result<Value, RecordError> {
    let counter_reset_hint = reset_hint(body.byte()?);
    let schema = body.schema()?;
    let mut histogram = FloatHistogram {
        counter_reset_hint,
        schema,
        zero_threshold: body.f64()?,
        zero_count: body.f64()?,
        count: body.f64()?,
        sum: body.f64()?,
        ..FloatHistogram::default()
    };
    histogram.positive_spans = spans(body)?;
    histogram.negative_spans = spans(body)?;
    histogram.positive_buckets = items(body, 8, Cursor::f64)?;
    histogram.negative_buckets = items(body, 8, Cursor::f64)?;
    histogram.custom_values = custom_values(body, schema)?;
    Ok(Value::FloatHistogram(Arc::new(histogram)))
}

fn reset_hint(byte: u8) -> CounterResetHint {
    match byte {
        1 => CounterResetHint::CounterReset,
        2 => CounterResetHint::NotCounterReset,
        3 => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    }
}

fn spans(body: &mut Cursor<'_>) -> Result<Vec<Span>, RecordError> {
    items(body, 2, |body| {
        let offset =
            i32::try_from(body.varint()?).map_err(|_| RecordError::OutOfRange("span offset"))?;
        let length =
            u32::try_from(body.uvarint()?).map_err(|_| RecordError::OutOfRange("span length"))?;
        Ok(Span { offset, length })
    })
}

fn custom_values(body: &mut Cursor<'_>, schema: i32) -> Result<Option<Arc<[f64]>>, RecordError> {
    if schema != CUSTOM_BUCKETS_SCHEMA {
        return Ok(None);
    }
    Ok(Some(items(body, 8, Cursor::f64)?.into()))
}

/// A count and so many items of at least `item_bytes` each.
fn items<'a, T>(
    body: &mut Cursor<'a>,
    item_bytes: u64,
    mut item: impl FnMut(&mut Cursor<'a>) -> Result<T, RecordError>,
) -> Result<Vec<T>, RecordError> {
    let count = body.uvarint()?;
    if count > body.rest.len() as u64 / item_bytes {
        return Err(RecordError::ImpossibleCount(count));
    }
    let mut found = Vec::with_capacity(count as usize);
    for _ in 0..count {
        found.push(item(body)?);
    }
    Ok(found)
}

/// Checked reading from the front of a byte string.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// Bytes that were not read.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn integer_histogram(&mut self) -> Result<Value, RecordError> {
        integer_histogram(self)
    }

    pub(crate) fn float_histogram(&mut self) -> Result<Value, RecordError> {
        float_histogram(self)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, RecordError> {
        let (byte, rest) = self.rest.split_first().ok_or(RecordError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(*byte)
    }

    #[inline]
    pub(crate) fn be64(&mut self) -> Result<u64, RecordError> {
        let (word, rest) = self
            .rest
            .split_first_chunk::<8>()
            .ok_or(RecordError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(u64::from_be_bytes(*word))
    }

    #[inline]
    fn f64(&mut self) -> Result<f64, RecordError> {
        self.be64().map(f64::from_bits)
    }

    #[inline]
    pub(crate) fn uvarint(&mut self) -> Result<u64, RecordError> {
        // Most have up to three bytes: sizes and numbers of strings, differences of references and
        // of times.
        let (value, rest) = match self.rest {
            [one @ ..0x80, rest @ ..] => (u64::from(*one), rest),
            [one, two @ ..0x80, rest @ ..] => (u64::from(one & 0x7f) | u64::from(*two) << 7, rest),
            [one, two, three @ ..0x80, rest @ ..] => (
                u64::from(one & 0x7f) | u64::from(two & 0x7f) << 7 | u64::from(*three) << 14,
                rest,
            ),
            _ => return self.long_uvarint(),
        };
        self.rest = rest;
        Ok(value)
    }

    #[cold]
    fn long_uvarint(&mut self) -> Result<u64, RecordError> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(RecordError::VarintOverflow);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(RecordError::VarintOverflow)
    }

    #[inline]
    fn varint(&mut self) -> Result<i64, RecordError> {
        let raw = self.uvarint()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    fn schema(&mut self) -> Result<i32, RecordError> {
        i32::try_from(self.varint()?).map_err(|_| RecordError::OutOfRange("histogram schema"))
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let size = usize::try_from(self.uvarint()?).map_err(|_| RecordError::UnexpectedEnd)?;
        let (bytes, rest) = self
            .rest
            .split_at_checked(size)
            .ok_or(RecordError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<Cow<'a, str>, RecordError> {
        self.bytes().map(String::from_utf8_lossy)
    }

    /// Replaces the contents of `pairs` by those of a label set.
    pub(crate) fn pairs(&mut self, pairs: &mut Vec<Pair<'a>>) -> Result<(), RecordError> {
        pairs.clear();
        let count = self.uvarint()?;
        if count > self.rest.len() as u64 / 2 {
            return Err(RecordError::ImpossibleCount(count));
        }
        pairs.reserve(count as usize);
        for _ in 0..count {
            pairs.push((self.bytes()?, self.bytes()?));
        }
        Ok(())
    }

    fn labels(&mut self) -> Result<Labels, RecordError> {
        let mut pairs = Vec::new();
        self.pairs(&mut pairs)?;
        Ok(labels(&pairs))
    }
}

/// The label set of pairs as a record has them: in any order, with repeats and empty values.
pub(crate) fn labels(pairs: &[Pair<'_>]) -> Labels {
    let text = |bytes| String::from_utf8_lossy(bytes);
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect();
    let sorted = pairs.windows(2).all(|pair| pair[0].0 < pair[1].0)
        && pairs.iter().all(|(_, value)| !value.is_empty());
    if sorted {
        Labels::from_sorted(pairs.iter().map(|(name, value)| (&**name, &**value)))
    } else {
        Labels::from_pairs(pairs)
    }
}
