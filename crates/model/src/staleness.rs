//! Special NaN values. Compare bits, never values: NaN is unequal to itself.

/// Bits of the NaN that ends a series until its next sample (a *staleness marker*).
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;
/// Bits of an ordinary "not a number" as the formats write it.
pub const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;
/// The staleness marker as a value.
pub const STALE_NAN: f64 = f64::from_bits(STALE_NAN_BITS);
/// The ordinary NaN as a value.
pub const NORMAL_NAN: f64 = f64::from_bits(NORMAL_NAN_BITS);

/// Whether `value` is the staleness marker.
#[inline]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}
