//! Points in time: milliseconds since the Unix epoch, UTC, as the field's formats have them.

/// Milliseconds since 1970-01-01T00:00:00Z; may be negative.
///
/// A plain alias: columns of timestamps are decoded, compared and delta-encoded in hot loops.
pub type Timestamp = i64;

/// The earliest time the API understands (about 292 million years back).
pub const MIN_TIME: Timestamp = i64::MIN / 1000 + 62_135_596_801;
/// The latest time the API understands.
pub const MAX_TIME: Timestamp = i64::MAX / 1000 - 62_135_596_801;

/// Seconds since the epoch as clients write them, rounded to the nearest millisecond.
pub fn from_seconds(seconds: f64) -> Timestamp {
    (seconds * 1000.0).round() as Timestamp
}

/// Seconds since the epoch.
pub fn to_seconds(timestamp: Timestamp) -> f64 {
    timestamp as f64 / 1000.0
}
