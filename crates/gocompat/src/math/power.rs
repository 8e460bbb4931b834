//! x to the power of y.

use super::NAN;
use super::exponential::exp;
use super::logarithm::ln;
use super::scale::{frexp, ldexp};

/// x^y: the fractional part of y by logarithm, the whole part by repeated squaring.
pub fn pow(x: f64, y: f64) -> f64 {
    if let Some(value) = special(x, y) {
        return value;
    }
    let magnitude = y.abs();
    let mut whole = magnitude.trunc();
    let mut part = magnitude - whole;
    if part != 0.0 && x < 0.0 {
        return NAN;
    }
    if whole >= (1_u64 << 63) as f64 {
        return huge(x, y > 0.0);
    }
    // The result is factor × 2^exponent.
    let mut factor = 1.0;
    let mut exponent = 0_i64;
    if part != 0.0 {
        if part > 0.5 {
            part -= 1.0;
            whole += 1.0;
        }
        factor = exp(part * ln(x));
    }
    let (mut base, base_exponent) = frexp(x);
    let mut base_exponent = i64::from(base_exponent);
    let mut left = whole as i64;
    while left != 0 {
        if !(-(1 << 12)..=1 << 12).contains(&base_exponent) {
            // Overflows or underflows whatever follows.
            exponent += base_exponent;
            break;
        }
        if left & 1 == 1 {
            factor *= base;
            exponent += base_exponent;
        }
        base *= base;
        base_exponent <<= 1;
        if base < 0.5 {
            base += base;
            base_exponent -= 1;
        }
        left >>= 1;
    }
    if y < 0.0 {
        factor = 1.0 / factor;
        exponent = -exponent;
    }
    ldexp(factor, exponent.clamp(-100_000, 100_000) as i32)
}

fn special(x: f64, y: f64) -> Option<f64> {
    if y == 0.0 || x == 1.0 {
        return Some(1.0);
    }
    if y == 1.0 {
        return Some(x);
    }
    if x.is_nan() || y.is_nan() {
        return Some(NAN);
    }
    if x == 0.0 {
        let signed = x.is_sign_negative() && is_odd(y);
        let magnitude = if y < 0.0 { f64::INFINITY } else { 0.0 };
        return Some(if signed { -magnitude } else { magnitude });
    }
    if y.is_infinite() {
        return Some(huge(x, y > 0.0));
    }
    if x.is_infinite() {
        if x < 0.0 {
            return Some(pow(1.0 / x, -y));
        }
        return Some(if y < 0.0 { 0.0 } else { f64::INFINITY });
    }
    if y == 0.5 {
        return Some(super::sqrt(x));
    }
    (y == -0.5).then(|| 1.0 / super::sqrt(x))
}

/// x to a power beyond all bounds, which is even.
fn huge(x: f64, positive: bool) -> f64 {
    if x == -1.0 {
        1.0
    } else if (x.abs() < 1.0) == positive {
        0.0
    } else {
        f64::INFINITY
    }
}

fn is_odd(y: f64) -> bool {
    // Beyond 2^53 every number is even.
    y.abs() < 9_007_199_254_740_992.0 && y.trunc() == y && (y as i64) & 1 == 1
}
