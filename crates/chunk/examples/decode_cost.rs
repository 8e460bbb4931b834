//! What decoding costs: `cargo run --release -p chunk --example decode_cost`.
//!
//! Prints nanoseconds a sample for kinds of series that scrapes bring, in chunks of 120 samples at
//! 15 seconds that jitter by a millisecond now and then.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::time::Instant;

use model::sample::SampleColumns;

const SAMPLES: usize = 120;
const ROUNDS: usize = 20_000;

fn main() {
    let mut random = 1_u64;
    let mut next = move || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        random >> 33
    };
    let mut kinds: Vec<(&str, Vec<f64>)> = Vec::new();
    kinds.push(("constant", vec![17.0; SAMPLES]));
    let mut counter = 1_000_000.0;
    kinds.push(("slow counter", {
        let mut step = || {
            counter += f64::from(u8::from(next() % 10 == 0));
            counter
        };
        (0..SAMPLES).map(|_| step()).collect()
    }));
    let mut busy = 5_000_000.0;
    kinds.push((
        "busy counter",
        (0..SAMPLES)
            .map(|_| {
                busy += (next() % 1000) as f64;
                busy
            })
            .collect(),
    ));
    kinds.push((
        "gauge",
        (0..SAMPLES)
            .map(|_| (next() % 100_000) as f64 / 1e5)
            .collect(),
    ));
    for jitter in [false, true] {
        for (name, values) in &kinds {
            let mut bytes = Vec::new();
            let mut appender = chunk::xor::Appender::new();
            let mut time = 1_700_000_000_000;
            for value in values {
                let late = if jitter { (next() % 4 == 0) as i64 } else { 0 };
                appender.append(&mut bytes, time + late, *value);
                time += 15_000;
            }
            let mut columns = SampleColumns::default();
            let mut best = f64::MAX;
            for _ in 0..5 {
                let begun = Instant::now();
                for _ in 0..ROUNDS {
                    columns.clear();
                    chunk::xor::decode(
                        std::hint::black_box(&bytes),
                        i64::MIN,
                        i64::MAX,
                        &mut columns,
                    )
                    .expect("what was encoded decodes");
                    std::hint::black_box(&columns);
                }
                let spent = begun.elapsed().as_nanos() as f64;
                best = best.min(spent / (ROUNDS * SAMPLES) as f64);
            }
            println!(
                "{name:12} jitter {jitter:5}: {best:5.1} ns a sample, {} bytes",
                bytes.len()
            );
        }
    }
}
