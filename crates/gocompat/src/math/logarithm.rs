//! Logarithms (FreeBSD's `e_log.c` and `s_log1p.c`).

use std::f64::consts::{FRAC_1_SQRT_2, LOG2_E, LOG10_E};

use super::scale::frexp;
use super::{NAN, polynomial};

/// ln 2 in two parts, the first with trailing zeros.
pub(super) const LN2_HIGH: f64 = 6.931_471_803_691_238_164_90e-1;
pub(super) const LN2_LOW: f64 = 1.908_214_929_270_587_700_02e-10;
/// Coefficients of the odd series of the logarithm, from L1 to L7.
const L: [f64; 7] = [
    6.666_666_666_666_735_130e-1,
    3.999_999_999_940_941_908e-1,
    2.857_142_874_366_239_149e-1,
    2.222_219_843_214_978_396e-1,
    1.818_357_216_161_805_012e-1,
    1.531_383_769_920_937_332e-1,
    1.479_819_860_511_658_591e-1,
];
/// Bits of the mantissa of √2.
const SQRT_2_MANTISSA: u64 = 0x0006_a09e_667f_3bcd;

/// Natural logarithm.
pub fn ln(x: f64) -> f64 {
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x < 0.0 {
        return NAN;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    // On this architecture the reference takes the bits as they are, subnormal or not, so that its
    // logarithm of a subnormal is that of another number. So is this one.
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i32 - 1022;
    let mut fraction = f64::from_bits(bits & ((1 << 52) - 1) | 1022 << 52);
    if fraction < FRAC_1_SQRT_2 {
        fraction *= 2.0;
        exponent -= 1;
    }
    let f = fraction - 1.0;
    let k = f64::from(exponent);
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let t1 = s2 * polynomial(s4, &[L[6], L[4], L[2], L[0]]);
    let t2 = s4 * polynomial(s4, &[L[5], L[3], L[1]]);
    let r = t1 + t2;
    let half_square = 0.5 * f * f;
    k * LN2_HIGH - ((half_square - (s * (half_square + r) + k * LN2_LOW)) - f)
}

/// Logarithm to base 2; exact for powers of two.
pub fn log2(x: f64) -> f64 {
    let (fraction, exponent) = frexp(x);
    if fraction == 0.5 {
        return f64::from(exponent - 1);
    }
    ln(fraction) * LOG2_E + f64::from(exponent)
}

/// Logarithm to base 10.
pub fn log10(x: f64) -> f64 {
    ln(x) * LOG10_E
}

/// Natural logarithm of `1 + x`, exact for small `x`.
pub fn log1p(x: f64) -> f64 {
    if x < -1.0 || x.is_nan() {
        return NAN;
    }
    if x == -1.0 {
        return f64::NEG_INFINITY;
    }
    if x == f64::INFINITY {
        return x;
    }
    let magnitude = x.abs();
    if magnitude < 1.0 / (1 << 29) as f64 {
        let tiny = 1.0 / (1_u64 << 54) as f64;
        return if magnitude < tiny { x } else { x - x * x * 0.5 };
    }
    let near_one =
        magnitude < 4.142_135_623_730_950_488_017e-1 && x > -2.928_932_188_134_524_755_992e-1;
    let parts = if near_one {
        Parts {
            f: x,
            k: 0,
            c: 0.0,
            tiny: false,
        }
    } else {
        reduce(x)
    };
    parts.ln()
}

/// `1 + x = 2^k × (1 + f)`, with the rounding error of the sum.
struct Parts {
    f: f64,
    k: i64,
    /// Correction for what the sum `1 + x` lost.
    c: f64,
    /// Whether f is below 2^-20, as far as its leading bits tell.
    tiny: bool,
}

fn reduce(x: f64) -> Parts {
    let exponent = |value: f64| (value.to_bits() >> 52) as i64 - 1023;
    let (sum, mut k, c) = if x.abs() < (1_u64 << 53) as f64 {
        let sum = 1.0 + x;
        let k = exponent(sum);
        let lost = if k > 0 {
            1.0 - (sum - x)
        } else {
            x - (sum - 1.0)
        };
        (sum, k, lost / sum)
    } else {
        (x, exponent(x), 0.0)
    };
    let mantissa = sum.to_bits() & ((1 << 52) - 1);
    let (fraction, rest) = if mantissa < SQRT_2_MANTISSA {
        (f64::from_bits(mantissa | 0x3ff0_0000_0000_0000), mantissa)
    } else {
        k += 1;
        (
            f64::from_bits(mantissa | 0x3fe0_0000_0000_0000),
            ((1 << 52) - mantissa) >> 2,
        )
    };
    Parts {
        f: fraction - 1.0,
        k,
        c,
        tiny: rest == 0,
    }
}

impl Parts {
    fn ln(&self) -> f64 {
        let (f, k, c) = (self.f, self.k as f64, self.c);
        let half_square = 0.5 * f * f;
        if self.tiny {
            if f == 0.0 {
                return if self.k == 0 {
                    0.0
                } else {
                    k * LN2_HIGH + (c + k * LN2_LOW)
                };
            }
            let r = half_square * (1.0 - 0.666_666_666_666_666_66 * f);
            return if self.k == 0 {
                f - r
            } else {
                k * LN2_HIGH - ((r - (k * LN2_LOW + c)) - f)
            };
        }
        let s = f / (2.0 + f);
        let z = s * s;
        let r = z * polynomial(z, &[L[6], L[5], L[4], L[3], L[2], L[1], L[0]]);
        if self.k == 0 {
            return f - (half_square - s * (half_square + r));
        }
        k * LN2_HIGH - ((half_square - (s * (half_square + r) + (k * LN2_LOW + c))) - f)
    }
}
