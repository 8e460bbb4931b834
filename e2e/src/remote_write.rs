//! A sender of remote write 1.0: the few fields of `prometheus.WriteRequest` that the tests need.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::http;

/// A sample to be sent.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Label names and values, sorted by name.
    pub labels: Vec<(String, String)>,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Its value.
    pub value: f64,
}

/// Sends `samples`, each as a series of its own. The status code of the answer; no answer is an
/// error, and nobody knows then what was taken.
pub fn send(address: SocketAddr, samples: &[Sample]) -> Result<u16> {
    let mut message = Vec::new();
    for sample in samples {
        let mut series = Vec::new();
        for (name, value) in &sample.labels {
            let mut label = Vec::new();
            bytes_field(&mut label, 1, name.as_bytes());
            bytes_field(&mut label, 2, value.as_bytes());
            bytes_field(&mut series, 1, &label);
        }
        let mut point = vec![1 << 3 | 1];
        point.extend_from_slice(&sample.value.to_le_bytes());
        point.push(2 << 3);
        varint(&mut point, sample.timestamp.cast_unsigned());
        bytes_field(&mut series, 2, &point);
        bytes_field(&mut message, 1, &series);
    }
    let body = snap::raw::Encoder::new().compress_vec(&message)?;
    let headers = [
        ("Content-Type", "application/x-protobuf"),
        ("Content-Encoding", "snappy"),
        ("X-Prometheus-Remote-Write-Version", "0.1.0"),
    ];
    let answer = http::request(address, "POST", "/api/v1/write", &headers, &body)?;
    ensure!(
        answer.status < 500 || answer.status == 503,
        "remote write: {} {}",
        answer.status,
        answer.text()
    );
    Ok(answer.status)
}

fn bytes_field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}
