//! What a pod of a microservice shows, in protobuf (`io.prometheus.client.MetricFamily`).

use e2e::Random;

/// Series of a page, as they are stored.
pub(crate) const SERIES: usize = 1000;

const COUNTER: u64 = 0;
const GAUGE: u64 = 1;
const HISTOGRAM: u64 = 4;

/// Upper bounds of the buckets; the infinite one is left out, as client libraries do.
const BOUNDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];
const CODES: [&str; 5] = ["200", "201", "400", "404", "500"];

/// Families: name, type, metrics, whether they move.
const FAMILIES: [(&str, u64, usize, bool); 8] = [
    ("http_request_duration_seconds", HISTOGRAM, 30, true),
    ("grpc_server_handling_seconds", HISTOGRAM, 10, true),
    ("http_requests_total", COUNTER, 160, true),
    ("grpc_client_calls_total", COUNTER, 80, true),
    ("cache_operations_total", COUNTER, 50, true),
    ("runtime_memory_bytes", GAUGE, 60, true),
    ("worker_busy_ratio", GAUGE, 20, true),
    ("feature_flag_enabled", GAUGE, 70, false),
];

/// A page and its values.
pub(crate) struct Page {
    random: Random,
    /// By family, by metric: the value, or the counts of the buckets.
    values: Vec<Vec<Vec<f64>>>,
    sums: Vec<f64>,
}

impl Page {
    pub(crate) fn new(number: u64) -> Self {
        let values = FAMILIES.map(|(_, kind, len, _)| {
            let width = if kind == HISTOGRAM {
                BOUNDS.len() + 1
            } else {
                1
            };
            vec![vec![0.0; width]; len]
        });
        let mut page = Self {
            random: Random::new(2 * number),
            values: values.into(),
            sums: vec![0.0; 64],
        };
        page.step();
        page
    }

    /// Moves the values on, as those of a busy pod.
    pub(crate) fn step(&mut self) {
        for ((_, kind, _, moves), metrics) in FAMILIES.iter().zip(&mut self.values) {
            for (number, values) in metrics.iter_mut().enumerate() {
                // A third of the metrics hardly ever moves.
                if !moves || (number % 3 == 2 && self.random.below(20) > 0) {
                    continue;
                }
                for value in values.iter_mut() {
                    let change = self.random.below(1000) as f64;
                    match *kind {
                        GAUGE => *value = (*value * 0.9 + change * 4096.0) / 7.0,
                        _ => *value += (change / 40.0).floor(),
                    }
                }
                if let Some(sum) = self.sums.get_mut(number).filter(|_| *kind == HISTOGRAM) {
                    *sum += self.random.below(1_000_000) as f64 / 12345.0;
                }
            }
        }
    }

    /// The page: families, each with its length before it.
    pub(crate) fn protobuf(&self) -> Vec<u8> {
        let mut page = Vec::new();
        for ((name, kind, _, _), metrics) in FAMILIES.iter().zip(&self.values) {
            let mut family = Vec::new();
            bytes(&mut family, 1, name.as_bytes());
            bytes(&mut family, 2, b"What it says.");
            varint(&mut family, 3, *kind);
            for (number, values) in metrics.iter().enumerate() {
                let sum = self.sums.get(number).copied().unwrap_or(0.0);
                bytes(&mut family, 4, &metric(*kind, number, values, sum));
            }
            raw_varint(&mut page, family.len() as u64);
            page.extend_from_slice(&family);
        }
        page
    }
}

fn metric(kind: u64, number: usize, values: &[f64], sum: f64) -> Vec<u8> {
    let mut metric = Vec::new();
    let route = format!("/api/v1/orders/{}", number / 20);
    let of = |texts: &'static [&'static str], number: usize| texts[number % texts.len()];
    for (name, value) in [
        ("code", of(&CODES, number / METHODS.len())),
        ("method", of(&METHODS, number)),
        ("route", &*route),
    ] {
        let mut pair = Vec::new();
        bytes(&mut pair, 1, name.as_bytes());
        bytes(&mut pair, 2, value.as_bytes());
        bytes(&mut metric, 1, &pair);
    }
    let mut content = Vec::new();
    if kind == HISTOGRAM {
        varint(&mut content, 1, values.iter().sum::<f64>() as u64);
        double(&mut content, 2, sum);
        let mut count = 0.0;
        for (bound, value) in BOUNDS.iter().zip(values) {
            count += value;
            let mut bucket = Vec::new();
            varint(&mut bucket, 1, count as u64);
            double(&mut bucket, 2, *bound);
            bytes(&mut content, 3, &bucket);
        }
        bytes(&mut metric, 7, &content);
    } else {
        double(&mut content, 1, values.first().copied().unwrap_or(0.0));
        bytes(&mut metric, if kind == COUNTER { 3 } else { 2 }, &content);
    }
    metric
}

fn raw_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn varint(out: &mut Vec<u8>, field: u64, number: u64) {
    raw_varint(out, field << 3);
    raw_varint(out, number);
}

fn double(out: &mut Vec<u8>, field: u64, number: f64) {
    raw_varint(out, field << 3 | 1);
    out.extend_from_slice(&number.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, content: &[u8]) {
    raw_varint(out, field << 3 | 2);
    raw_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}
