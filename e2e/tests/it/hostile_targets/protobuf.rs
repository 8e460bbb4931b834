//! Messages of the protobuf format, as much of it as harm needs.

/// Field numbers of `io.prometheus.client.MetricFamily`, `Metric`, `Histogram`.
const FAMILY_NAME: u64 = 1;
const FAMILY_TYPE: u64 = 3;
const FAMILY_METRIC: u64 = 4;
const METRIC_LABEL: u64 = 1;
const METRIC_GAUGE: u64 = 2;
const METRIC_HISTOGRAM: u64 = 7;
const HISTOGRAM_COUNT: u64 = 1;
const HISTOGRAM_SCHEMA: u64 = 5;
const HISTOGRAM_SPAN: u64 = 12;
const HISTOGRAM_DELTA: u64 = 13;
const GAUGE: u64 = 1;
const HISTOGRAM: u64 = 4;

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [
        &varint(field << 3 | 2),
        &varint(content.len() as u64),
        content,
    ]
    .concat()
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn family(name: &str, kind: u64, metric: &[u8]) -> Vec<u8> {
    [
        bytes(FAMILY_NAME, name.as_bytes()),
        number(FAMILY_TYPE, kind),
        bytes(FAMILY_METRIC, metric),
    ]
    .concat()
}

/// The value 0.
fn gauge_value() -> Vec<u8> {
    bytes(METRIC_GAUGE, &[])
}

/// A body of families.
pub(super) fn families(families: &[Vec<u8>]) -> Vec<u8> {
    let delimited = |family: &Vec<u8>| [varint(family.len() as u64), family.clone()].concat();
    families.iter().flat_map(delimited).collect()
}

/// A family with one gauge.
pub(super) fn gauge(name: &str) -> Vec<u8> {
    family(name, GAUGE, &gauge_value())
}

/// A family with one gauge with many labels.
pub(super) fn labelled_gauge(name: &str, labels: usize) -> Vec<u8> {
    let mut metric = Vec::new();
    for index in 0..labels {
        let pair = [
            bytes(1, format!("label_{index}").as_bytes()),
            bytes(2, b"v"),
        ];
        metric.extend(bytes(METRIC_LABEL, &pair.concat()));
    }
    metric.extend(gauge_value());
    family(name, GAUGE, &metric)
}

/// A native histogram of the coarsest schema with spans of these lengths and as many buckets, each with
/// one observation.
pub(super) fn long_histogram(spans: &[u32], buckets: usize) -> Vec<u8> {
    let mut histogram = number(HISTOGRAM_COUNT, buckets as u64);
    histogram.extend(number(HISTOGRAM_SCHEMA, zigzag(-4)));
    for length in spans {
        let span = number(2, u64::from(*length));
        histogram.extend(bytes(HISTOGRAM_SPAN, &span));
    }
    for index in 0..buckets {
        let delta = if index == 0 { 1 } else { 0 };
        histogram.extend(number(HISTOGRAM_DELTA, zigzag(delta)));
    }
    family("long", HISTOGRAM, &bytes(METRIC_HISTOGRAM, &histogram))
}
