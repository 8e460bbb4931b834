//! The mathematical functions of the query language, equal in every bit to those of the reference.
//!
//! The reference's language computes them by its own algorithms (from FreeBSD's libm, from Cephes
//! and from Hart & Cheney's tables), not by the system's: `sin(1)` may differ in its last bit from
//! what the C library says. Each function here takes the same steps in the same order; constants
//! are the published ones. Golden values in `testdata/math.txt` come from a running reference.
//! Nothing here uses a fused multiply-add except [`exp`], which does so on purpose.

#[expect(
    clippy::excessive_precision,
    reason = "constants as they are published"
)]
mod exponential;
#[expect(
    clippy::excessive_precision,
    reason = "constants as they are published"
)]
mod hyperbolic;
#[expect(
    clippy::excessive_precision,
    reason = "constants as they are published"
)]
mod logarithm;
mod power;
mod scale;
#[expect(
    clippy::excessive_precision,
    reason = "constants as they are published"
)]
mod trigonometric;

pub use exponential::{exp, exp2};
pub use hyperbolic::{acosh, asinh, atanh, cosh, sinh, tanh};
pub use logarithm::{ln, log1p, log2, log10};
pub use power::pow;
pub use scale::{frexp, ldexp};
pub use trigonometric::{acos, asin, atan, atan2, cos, sin, tan};

/// NaN as the reference's language makes it.
pub const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// Remainder of `x / y` with the sign of `x`; exact.
pub fn fmod(x: f64, y: f64) -> f64 {
    if y == 0.0 || !x.is_finite() || y.is_nan() {
        NAN
    } else {
        x % y
    }
}

/// Square root, correctly rounded: the processor's, with its NaN.
pub fn sqrt(x: f64) -> f64 {
    x.sqrt()
}

/// Horner's rule: `coefficients` from the highest power to the lowest.
fn polynomial(x: f64, coefficients: &[f64]) -> f64 {
    let mut value = 0.0;
    for (index, coefficient) in coefficients.iter().enumerate() {
        value = if index == 0 {
            *coefficient
        } else {
            value * x + coefficient
        };
    }
    value
}

#[cfg(test)]
mod tests;
