//! Remote write requests of version 1.0, received: of known series, and of new ones.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use remote::receive::{Message, pack};
use remote::{Receiver, ReceiverOptions};
use telemetry::Registry;
use tsdb::{Db, Options};

/// Series of a request, as senders' default.
const SERIES: u64 = 2000;
/// When the samples begin, milliseconds.
const START: i64 = 1_700_000_000_000;

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A packed request with one sample of each series at `time`; other `generation`s are other series.
fn request(time: i64, generation: u64) -> Vec<u8> {
    let mut message = Vec::new();
    for number in 0..SERIES {
        let mut series = Vec::new();
        for (name, value) in [
            ("__name__", "http_requests_total".to_owned()),
            ("code", (200 + number % 5).to_string()),
            ("generation", generation.to_string()),
            ("handler", format!("/api/v1/{}", number / 5)),
            ("instance", "host-17.example.org:9100".to_owned()),
            ("job", "node".to_owned()),
        ] {
            let mut label = Vec::new();
            field(&mut label, 1, name.as_bytes());
            field(&mut label, 2, value.as_bytes());
            field(&mut series, 1, &label);
        }
        let mut sample = vec![0x09];
        sample.extend_from_slice(&(number as f64).to_le_bytes());
        sample.push(0x10);
        varint(&mut sample, time as u64);
        field(&mut series, 2, &sample);
        field(&mut message, 1, &series);
    }
    pack(&message)
}

fn receive(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let registry = Registry::new();
    let db = Db::open(dir.path(), Options::default(), &registry).expect("opened");
    let options = ReceiverOptions {
        accepted: vec![Message::V1],
        keep_metadata: false,
    };
    let receiver = Receiver::new(Arc::new(db), options, &registry);
    let mut group = criterion.benchmark_group("receive");
    group.throughput(Throughput::Elements(SERIES));
    let mut time = START;
    group.bench_function("known series", |bencher| {
        bencher.iter_batched(
            || {
                time += 15_000;
                (request(time, 0), time)
            },
            |(body, now)| black_box(receiver.receive(Message::V1, &body, now)),
            BatchSize::SmallInput,
        );
    });
    let mut generation = 0;
    group.bench_function("new series", |bencher| {
        bencher.iter_batched(
            || {
                generation += 1;
                request(time, generation)
            },
            |body| black_box(receiver.receive(Message::V1, &body, time)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, receive);
criterion_main!(benches);
