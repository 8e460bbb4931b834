//! Where buckets end.

use std::f64::consts::SQRT_2;
use std::sync::LazyLock;

use gocompat::math::ldexp;

use super::{CUSTOM_BUCKETS_SCHEMA, EXPONENTIAL_SCHEMA_MAX};

/// Bounds of the finest schema within [0.5, 1).
const BOUND_COUNT: usize = 1 << EXPONENTIAL_SCHEMA_MAX;

/// The reference's table was made by repeated halving of the intervals, each new bound being the
/// one before it times a root of two. The products are rounded, so the bounds are not the nearest
/// floats; these are the same.
static BOUNDS: LazyLock<[f64; BOUND_COUNT]> = LazyLock::new(|| {
    let mut bounds = [0.5; BOUND_COUNT];
    bounds[BOUND_COUNT / 2] = 1.0 / SQRT_2;
    let mut factor = SQRT_2;
    let mut step = BOUND_COUNT / 4;
    while step > 0 {
        factor = factor.sqrt();
        for index in (step..BOUND_COUNT).step_by(2 * step) {
            bounds[index] = bounds[index - step] * factor;
        }
        step /= 2;
    }
    bounds
});

/// Upper bound of bucket `index`: of an exponential schema, or one of `custom_values`, around which
/// there are infinities. The lower bound of a bucket is the upper bound of the one before.
pub fn bucket_upper_bound(index: i32, schema: i32, custom_values: &[f64]) -> f64 {
    if schema == CUSTOM_BUCKETS_SCHEMA {
        return match usize::try_from(index) {
            Ok(index) => custom_values.get(index).copied().unwrap_or(f64::INFINITY),
            Err(_) => f64::NEG_INFINITY,
        };
    }
    let index = i64::from(index);
    if schema <= 0 {
        let exponent = index << schema.unsigned_abs().min(31);
        // The last bucket of finite numbers ends with the largest of them, not with 2^1024.
        return if exponent == 1024 {
            f64::MAX
        } else {
            power_of_two(1.0, exponent)
        };
    }
    let schema = schema.min(EXPONENTIAL_SCHEMA_MAX);
    let position = (index & ((1 << schema) - 1)) << (EXPONENTIAL_SCHEMA_MAX - schema);
    let fraction = BOUNDS[position as usize % BOUND_COUNT];
    let exponent = (index >> schema) + 1;
    if fraction == 0.5 && exponent == 1025 {
        f64::MAX
    } else {
        power_of_two(fraction, exponent)
    }
}

fn power_of_two(fraction: f64, exponent: i64) -> f64 {
    ldexp(fraction, exponent.clamp(-10_000, 10_000) as i32)
}

#[cfg(test)]
mod tests {
    use super::{BOUNDS, bucket_upper_bound};

    #[test]
    fn bounds_have_the_bits_of_the_reference() {
        // Sum of the bits of the 256 bounds that a running reference shows for schema 8.
        let sum = BOUNDS
            .iter()
            .fold(0_u64, |sum, bound| sum.wrapping_add(bound.to_bits()));
        assert_eq!(sum, BITS_SUM);
        let bound = |index, schema| bucket_upper_bound(index, schema, &[]);
        assert_eq!(bound(-1, 1), 0.707_106_781_186_547_5);
        assert_eq!(bound(0, 3), 1.0);
        assert_eq!(bound(5, 3), 1.542_210_825_407_940_7);
        assert_eq!(bound(2, -2), 256.0);
        assert_eq!(bound(1024, 0), f64::MAX);
        assert_eq!(bound(1025, 0), f64::INFINITY);
        assert_eq!(bound(64, -4), f64::MAX);
        assert_eq!(bound(1024 << 8, 8), f64::MAX);
        assert_eq!(bound(i32::MAX, 8), f64::INFINITY);
        assert_eq!(bound(i32::MIN, -4), 0.0);
    }

    const BITS_SUM: u64 = 0xe70d4851c3a10d23;

    #[test]
    fn listed_bounds_have_infinities_around_them() {
        let bound = |index| bucket_upper_bound(index, -53, &[1.0, 2.5]);
        assert_eq!(
            [bound(-1), bound(0), bound(1)],
            [f64::NEG_INFINITY, 1.0, 2.5]
        );
        assert_eq!([bound(2), bound(99)], [f64::INFINITY, f64::INFINITY]);
    }
}
