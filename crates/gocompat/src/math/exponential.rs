//! Powers of e and of two.

use super::polynomial;
use super::scale::ldexp;

/// Above this `exp` overflows.
const OVERFLOW: f64 = 7.097_827_128_933_84e2;
/// Powers of two below it are less than half the smallest number.
const UNDERFLOW_POWER: f64 = -1100.0;
/// ln 2 in two parts, the first with trailing zeros (N. Shibata, "Efficient evaluation methods of
/// elementary functions suitable for SIMD computation", 2010).
const LN2_UPPER: f64 = 0.693_147_180_559_662_956_511_601_805_686_950_683_593_75;
const LN2_LOWER: f64 = 0.282_352_905_630_315_771_225_884_481_750_134_360_255_254_120_68e-12;
/// 1/9! … 1/2!, 1: the series of `(e^r - 1) / r`, highest power first.
const TAYLOR: [f64; 8] = [
    2.480_158_730_158_730_158_7e-5,
    1.984_126_984_126_984_127_0e-4,
    1.388_888_888_888_888_888_9e-3,
    8.333_333_333_333_333_333_3e-3,
    4.166_666_666_666_666_666_7e-2,
    1.666_666_666_666_666_666_7e-1,
    0.5,
    1.0,
];

/// e^x.
///
/// On this architecture the reference reduces by ln 2, sums a series at a sixteenth of the rest
/// and squares four times, with fused multiply-adds where the processor has them (all of today).
pub fn exp(x: f64) -> f64 {
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x == f64::NEG_INFINITY {
        return 0.0;
    }
    if x > OVERFLOW {
        return f64::INFINITY;
    }
    let power = (x * std::f64::consts::LOG2_E).round_ties_even();
    if power < UNDERFLOW_POWER {
        return 0.0;
    }
    if power >= 1024.0 {
        // The factor alone is out of range, if by a hair the result would not be.
        return f64::INFINITY;
    }
    let rest = (-LN2_UPPER).mul_add(power, x);
    let rest = (-LN2_LOWER).mul_add(power, rest) * 0.0625;
    let mut series = TAYLOR[0];
    for coefficient in &TAYLOR[1..] {
        series = series.mul_add(rest, *coefficient);
    }
    // m = e^rest - 1; (m + 1)^2 - 1 = m (m + 2).
    let mut minus_one = rest * series;
    for _ in 0..3 {
        minus_one *= minus_one + 2.0;
    }
    ldexp(minus_one.mul_add(minus_one + 2.0, 1.0), power as i32)
}

/// 2^x.
pub fn exp2(x: f64) -> f64 {
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x == f64::NEG_INFINITY || x < -1.0740e3 {
        return 0.0;
    }
    if x > 1.023_999_999_999_999_9e3 {
        return f64::INFINITY;
    }
    let power = if x > 0.0 {
        (x + 0.5).trunc()
    } else {
        (x - 0.5).trunc()
    };
    let rest = x - power;
    let high = rest * super::logarithm::LN2_HIGH;
    let low = -rest * super::logarithm::LN2_LOW;
    exp_parts(high, low, power as i32)
}

/// `e^(high - low) × 2^power` (FreeBSD's `e_exp.c`: a rational approximation).
fn exp_parts(high: f64, low: f64, power: i32) -> f64 {
    const P: [f64; 5] = [
        4.138_136_797_057_238_460_39e-8,
        -1.653_390_220_546_525_153_90e-6,
        6.613_756_321_437_934_361_17e-5,
        -2.777_777_777_701_559_338_42e-3,
        1.666_666_666_666_666_574_15e-1,
    ];
    let rest = high - low;
    let square = rest * rest;
    let c = rest - square * polynomial(square, &P);
    ldexp(1.0 - ((low - (rest * c) / (2.0 - c)) - high), power)
}
