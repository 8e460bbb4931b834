//! Taking numbers apart into fraction and power of two, and putting them together.

const EXPONENT_BITS: u64 = 0x7ff << 52;

/// Fraction in [0.5, 1) and exponent with `x = fraction × 2^exponent`. Zero, infinities and NaN are
/// their own fraction.
pub fn frexp(x: f64) -> (f64, i32) {
    if x == 0.0 || !x.is_finite() {
        return (x, 0);
    }
    let (x, shift) = normal(x);
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1022 + shift;
    (f64::from_bits(bits & !EXPONENT_BITS | 1022 << 52), exponent)
}

/// `fraction × 2^exponent`, rounded once.
pub fn ldexp(fraction: f64, exponent: i32) -> f64 {
    if fraction == 0.0 || !fraction.is_finite() {
        return fraction;
    }
    let (fraction, shift) = normal(fraction);
    let bits = fraction.to_bits();
    let exponent = i64::from(exponent) + i64::from(shift) + ((bits >> 52) & 0x7ff) as i64 - 1023;
    if exponent < -1075 {
        return 0.0_f64.copysign(fraction);
    }
    if exponent > 1023 {
        return f64::INFINITY.copysign(fraction);
    }
    let subnormal = exponent < -1022;
    let biased = (exponent + 1023 + if subnormal { 53 } else { 0 }) as u64;
    let scaled = f64::from_bits(bits & !EXPONENT_BITS | biased << 52);
    if subnormal {
        scaled / (1_u64 << 53) as f64
    } else {
        scaled
    }
}

/// `x` as a normal number, and the exponent that makes up for it.
fn normal(x: f64) -> (f64, i32) {
    if x.abs() < f64::MIN_POSITIVE {
        (x * (1_u64 << 52) as f64, -52)
    } else {
        (x, 0)
    }
}
