//! Requests for tests: a protobuf writer of a few lines, and both messages made with it.

use model::Histogram;

/// A message being written.
#[derive(Debug, Default, Clone)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn raw_varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub(super) fn varint(mut self, field: u64, number: u64) -> Self {
        self.raw_varint(field << 3);
        self.raw_varint(number);
        self
    }

    pub(super) fn double(mut self, field: u64, number: f64) -> Self {
        self.raw_varint(field << 3 | 1);
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.raw_varint(field << 3 | 2);
        self.raw_varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(super) fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.bytes)
    }

    pub(super) fn packed(self, field: u64, numbers: impl IntoIterator<Item = u64>) -> Self {
        let mut packed = Self::default();
        for number in numbers {
            packed.raw_varint(number);
        }
        self.message(field, &packed)
    }
}

pub(super) fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

pub(super) fn packed(message: &Writer) -> Vec<u8> {
    super::pack(&message.bytes)
}

/// A series of a request.
#[derive(Debug, Default, Clone)]
pub(super) struct Series<'a> {
    pub(super) labels: &'a [(&'a str, &'a str)],
    /// Value, time.
    pub(super) samples: &'a [(f64, i64)],
    pub(super) histograms: &'a [(Histogram, i64)],
    /// Trace, time.
    pub(super) exemplars: &'a [(&'a str, i64)],
}

fn sample(value: f64, time: i64) -> Writer {
    Writer::default().double(1, value).varint(2, time as u64)
}

pub(super) fn histogram(histogram: &Histogram, time: i64) -> Writer {
    let mut message = Writer::default()
        .varint(1, histogram.count)
        .double(3, histogram.sum)
        .varint(4, zigzag(histogram.schema.into()))
        .double(5, histogram.zero_threshold)
        .varint(6, histogram.zero_count);
    for span in &histogram.positive_spans {
        let span = Writer::default()
            .varint(1, zigzag(span.offset.into()))
            .varint(2, span.length.into());
        message = message.message(11, &span);
    }
    let deltas = histogram
        .positive_buckets
        .iter()
        .map(|delta| zigzag(*delta));
    message = message.packed(12, deltas);
    for bound in histogram
        .custom_values
        .iter()
        .flat_map(|bounds| bounds.iter())
    {
        message = message.double(16, *bound);
    }
    message.varint(15, time as u64)
}

/// A request of version 1.
pub(super) fn v1(series: &[Series<'_>]) -> Writer {
    let label = |name: &str, value: &str| {
        Writer::default()
            .bytes(1, name.as_bytes())
            .bytes(2, value.as_bytes())
    };
    let mut request = Writer::default();
    for series in series {
        let mut message = Writer::default();
        for (name, value) in series.labels {
            message = message.message(1, &label(name, value));
        }
        for (value, time) in series.samples {
            message = message.message(2, &sample(*value, *time));
        }
        for (trace, time) in series.exemplars {
            let exemplar = Writer::default()
                .message(1, &label("trace_id", trace))
                .double(2, 1.0)
                .varint(3, *time as u64);
            message = message.message(3, &exemplar);
        }
        for (value, time) in series.histograms {
            message = message.message(4, &histogram(value, *time));
        }
        request = request.message(1, &message);
    }
    request
}

/// A request of version 2.
pub(super) fn v2(series: &[Series<'_>]) -> Writer {
    let mut symbols: Vec<String> = vec![String::new()];
    let mut symbol = |text: &str| -> u64 {
        let found = symbols.iter().position(|known| known == text);
        found.unwrap_or_else(|| {
            symbols.push(text.to_owned());
            symbols.len() - 1
        }) as u64
    };
    let mut messages = Vec::new();
    for series in series {
        let refs = series.labels.iter();
        let refs: Vec<u64> = refs.flat_map(|(n, v)| [symbol(n), symbol(v)]).collect();
        let mut message = Writer::default().packed(1, refs);
        for (value, time) in series.samples {
            message = message.message(2, &sample(*value, *time));
        }
        for (value, time) in series.histograms {
            message = message.message(3, &histogram(value, *time));
        }
        for (trace, time) in series.exemplars {
            let exemplar = Writer::default()
                .packed(1, [symbol("trace_id"), symbol(trace)])
                .double(2, 1.0)
                .varint(3, *time as u64);
            message = message.message(4, &exemplar);
        }
        messages.push(message);
    }
    let mut request = Writer::default();
    for text in &symbols {
        request = request.bytes(4, text.as_bytes());
    }
    for message in &messages {
        request = request.message(5, message);
    }
    request
}
