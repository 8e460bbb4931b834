//! Bodies for tests: a protobuf writer of a few lines.

/// A message being written.
#[derive(Debug, Default, Clone)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    fn raw_varint(&mut self, mut number: u64) {
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

    /// A `sint32` or `sint64`.
    pub(super) fn signed(self, field: u64, number: i64) -> Self {
        self.varint(field, zigzag(number))
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

    pub(super) fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub(super) fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.bytes)
    }

    pub(super) fn messages(self, field: u64, messages: impl IntoIterator<Item = Self>) -> Self {
        let add = |all: Self, one: Self| all.message(field, &one);
        messages.into_iter().fold(self, add)
    }

    pub(super) fn packed_signed(self, field: u64, numbers: impl IntoIterator<Item = i64>) -> Self {
        let mut packed = Self::default();
        for number in numbers {
            packed.raw_varint(zigzag(number));
        }
        self.message(field, &packed)
    }

    pub(super) fn packed_doubles(self, field: u64, numbers: impl IntoIterator<Item = f64>) -> Self {
        let bytes = numbers.into_iter().flat_map(f64::to_le_bytes);
        self.bytes(field, &bytes.collect::<Vec<u8>>())
    }

    /// With its length before it.
    pub(super) fn delimited(&self) -> Vec<u8> {
        let mut whole = Self::default();
        whole.raw_varint(self.bytes.len() as u64);
        whole.bytes.extend_from_slice(&self.bytes);
        whole.bytes
    }
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

pub(super) fn message() -> Writer {
    Writer::default()
}

pub(super) const COUNTER: u64 = 0;
pub(super) const GAUGE: u64 = 1;
pub(super) const SUMMARY: u64 = 2;
pub(super) const UNTYPED: u64 = 3;
pub(super) const HISTOGRAM: u64 = 4;
pub(super) const GAUGE_HISTOGRAM: u64 = 5;

/// A family with its metrics, as part of a body.
pub(super) fn family(name: &str, kind: u64, metrics: &[Writer]) -> Vec<u8> {
    let family = message().text(1, name).text(2, "Help.").varint(3, kind);
    family.messages(4, metrics.iter().cloned()).delimited()
}

/// The start of a metric: its labels.
pub(super) fn labels(pairs: &[(&str, &str)]) -> Writer {
    let pair = |(name, value): &(&str, &str)| message().text(1, name).text(2, value);
    message().messages(1, pairs.iter().map(pair))
}

/// A time of `seconds` and `nanos`.
pub(super) fn time(seconds: u64, nanos: u64) -> Writer {
    message().varint(1, seconds).varint(2, nanos)
}

/// An exemplar of trace `trace`.
pub(super) fn exemplar(trace: &str, value: f64, at: Option<(u64, u64)>) -> Writer {
    let exemplar = labels(&[("trace_id", trace)]).double(2, value);
    exemplar.messages(3, at.map(|(seconds, nanos)| time(seconds, nanos)))
}

pub(super) fn bucket(count: u64, bound: f64) -> Writer {
    message().varint(1, count).double(2, bound)
}

pub(super) fn span(offset: i64, length: u64) -> Writer {
    message().signed(1, offset).varint(2, length)
}
