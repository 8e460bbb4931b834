//! Sines and their inverses (Cephes: `sin.c`, `tan.c`, `atan.c`; large arguments after Payne and
//! Hanek).

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use super::{NAN, polynomial};

/// π/4 in three parts, the first two with trailing zeros.
const PI4_A: f64 = 7.853_981_256_484_985_351_56e-1;
const PI4_B: f64 = 3.774_894_707_930_798_176_68e-8;
const PI4_C: f64 = 2.695_151_429_079_059_526_45e-15;
/// From here on the three parts are too few.
const REDUCE_FROM: f64 = (1_u64 << 29) as f64;
/// Bits of 4/π.
const FOUR_OVER_PI: [u64; 20] = [
    0x0000_0000_0000_0001,
    0x45f3_06dc_9c88_2a53,
    0xf84e_afa3_ea69_bb81,
    0xb6c5_2b32_7887_2083,
    0xfca2_c757_bd77_8ac3,
    0x6e48_dc74_849b_a5c0,
    0x0c92_5dd4_13a3_2439,
    0xfc3b_d639_6253_4e7d,
    0xd104_6bea_5d76_8909,
    0xd338_e04d_68be_fc82,
    0x7323_ac73_06a6_73e9,
    0x3908_bf17_7bf2_5076,
    0x3ff1_2fff_bc0b_301f,
    0xde5e_2316_b414_da3e,
    0xda6c_fd9e_4f96_136e,
    0x9e8c_7ecd_3cbf_d45a,
    0xea4f_758f_d7cb_e2f6,
    0x7a0e_73ef_14a5_25d4,
    0xd7f6_bf62_3f1a_ba10,
    0xac06_608d_f8f6_d757,
];
const SIN: [f64; 6] = [
    1.589_623_015_765_465_680_60e-10,
    -2.505_074_776_285_780_728_66e-8,
    2.755_731_362_138_572_452_13e-6,
    -1.984_126_982_958_953_859_96e-4,
    8.333_333_333_322_118_588_78e-3,
    -1.666_666_666_666_663_072_95e-1,
];
const COS: [f64; 6] = [
    -1.135_853_652_138_768_173_00e-11,
    2.087_570_084_197_473_167_78e-9,
    -2.755_731_417_929_673_881_12e-7,
    2.480_158_728_885_170_453_48e-5,
    -1.388_888_888_887_305_641_16e-3,
    4.166_666_666_666_659_292_18e-2,
];
const TAN_P: [f64; 3] = [
    -1.309_369_391_813_837_342_05e4,
    1.153_516_648_385_874_161_40e6,
    -1.795_652_519_764_848_779_88e7,
];
const TAN_Q: [f64; 5] = [
    1.0,
    1.368_129_634_706_929_546_78e4,
    -1.320_892_344_402_109_674_47e6,
    2.500_838_018_233_579_158_39e7,
    -5.386_957_559_294_546_298_81e7,
];
const ATAN_P: [f64; 5] = [
    -8.750_608_600_031_904_122_785e-1,
    -1.615_753_718_733_365_076_637e1,
    -7.500_855_792_314_704_667_340e1,
    -1.228_866_684_490_136_173_410e2,
    -6.485_021_904_942_025_371_773e1,
];
const ATAN_Q: [f64; 6] = [
    1.0,
    2.485_846_490_142_306_297_962e1,
    1.650_270_098_316_988_542_046e2,
    4.328_810_604_912_902_668_951e2,
    4.853_903_996_359_136_964_868e2,
    1.945_506_571_482_613_964_425e2,
];
/// What π/2 has beyond its nearest float.
const MORE_BITS: f64 = 6.123_233_995_736_765_886_130e-17;

/// Sine.
pub fn sin(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() {
        return x;
    }
    if x.is_infinite() {
        return NAN;
    }
    let (octant, z) = reduce(x.abs());
    let negative = (x < 0.0) != (octant > 3);
    let value = if matches!(octant & 3, 1 | 2) {
        cos_part(z)
    } else {
        sin_part(z)
    };
    if negative { -value } else { value }
}

/// Cosine.
pub fn cos(x: f64) -> f64 {
    if !x.is_finite() {
        return NAN;
    }
    let (octant, z) = reduce(x.abs());
    let negative = (octant > 3) != (octant & 3 > 1);
    let value = if matches!(octant & 3, 1 | 2) {
        sin_part(z)
    } else {
        cos_part(z)
    };
    if negative { -value } else { value }
}

/// Tangent.
pub fn tan(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() {
        return x;
    }
    if x.is_infinite() {
        return NAN;
    }
    let (octant, z) = reduce(x.abs());
    let square = z * z;
    let mut value = z;
    if square > 1e-14 {
        value = z + z * (square * polynomial(square, &TAN_P) / polynomial(square, &TAN_Q));
    }
    if octant & 2 == 2 {
        value = -1.0 / value;
    }
    if x < 0.0 { -value } else { value }
}

fn sin_part(z: f64) -> f64 {
    let square = z * z;
    z + z * square * polynomial(square, &SIN)
}

fn cos_part(z: f64) -> f64 {
    let square = z * z;
    1.0 - 0.5 * square + square * square * polynomial(square, &COS)
}

/// Octant (even ones only, modulo 8) and distance to its start, for a positive `x`.
fn reduce(x: f64) -> (u64, f64) {
    if x >= REDUCE_FROM {
        return reduce_large(x);
    }
    let mut octant = (x * (4.0 / PI)) as u64;
    octant += octant & 1;
    let y = octant as f64;
    (octant & 7, ((x - y * PI4_A) - y * PI4_B) - y * PI4_C)
}

/// Multiplies the mantissa with the bits of 4/π that matter for the result.
fn reduce_large(x: f64) -> (u64, f64) {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i64 - 1023 - 52;
    let mantissa = bits & ((1 << 52) - 1) | 1 << 52;
    let first_bit = (exponent + 61) as usize;
    let (word, shift) = (first_bit / 64, first_bit % 64);
    let digits = |index: usize| {
        let pair = u128::from(FOUR_OVER_PI[word + index]) << 64
            | u128::from(FOUR_OVER_PI[word + index + 1]);
        ((pair << shift) >> 64) as u64
    };
    let wide = |a: u64, b: u64| u128::from(a) * u128::from(b);
    let lowest = wide(digits(2), mantissa) >> 64;
    let product = wide(digits(1), mantissa)
        .wrapping_add(u128::from(digits(0).wrapping_mul(mantissa)) << 64)
        .wrapping_add(lowest);
    let mut octant = (product >> 125) as u64;
    // The fraction, as a float by hand: leading one dropped, 52 bits kept.
    let fraction = product << 3;
    let zeros = u64::from(((fraction >> 64) as u64).leading_zeros());
    let kept = ((fraction << (zeros + 1)) >> 64) as u64 >> 12;
    let mut z = f64::from_bits((1022 - zeros) << 52 | kept);
    if octant & 1 == 1 {
        octant = (octant + 1) & 7;
        z -= 1.0;
    }
    (octant, z * FRAC_PI_4)
}

/// Arc sine.
pub fn asin(x: f64) -> f64 {
    if x == 0.0 {
        return x;
    }
    let magnitude = x.abs();
    if magnitude > 1.0 || x.is_nan() {
        return NAN;
    }
    let other = (1.0 - magnitude * magnitude).sqrt();
    let value = if magnitude > 0.7 {
        FRAC_PI_2 - atan_positive(other / magnitude)
    } else {
        atan_positive(magnitude / other)
    };
    if x < 0.0 { -value } else { value }
}

/// Arc cosine.
pub fn acos(x: f64) -> f64 {
    FRAC_PI_2 - asin(x)
}

/// Arc tangent.
pub fn atan(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() {
        x
    } else if x > 0.0 {
        atan_positive(x)
    } else {
        -atan_positive(-x)
    }
}

fn atan_positive(x: f64) -> f64 {
    if x <= 0.66 {
        atan_small(x)
    } else if x > 2.414_213_562_373_095_048_80 {
        FRAC_PI_2 - atan_small(1.0 / x) + MORE_BITS
    } else {
        FRAC_PI_4 + atan_small((x - 1.0) / (x + 1.0)) + 0.5 * MORE_BITS
    }
}

fn atan_small(x: f64) -> f64 {
    let square = x * x;
    let value = square * polynomial(square, &ATAN_P) / polynomial(square, &ATAN_Q);
    x * value + x
}

/// Angle of the point (x, y).
pub fn atan2(y: f64, x: f64) -> f64 {
    if x.is_nan() || y.is_nan() {
        return NAN;
    }
    let magnitude = if y == 0.0 {
        Some(if x.is_sign_negative() { PI } else { 0.0 })
    } else if x == 0.0 {
        Some(FRAC_PI_2)
    } else {
        match (x.is_infinite(), y.is_infinite(), x > 0.0) {
            (true, true, true) => Some(FRAC_PI_4),
            (true, true, false) => Some(3.0 * FRAC_PI_4),
            (true, false, true) => Some(0.0),
            (true, false, false) => Some(PI),
            (false, true, _) => Some(FRAC_PI_2),
            (false, false, _) => None,
        }
    };
    if let Some(magnitude) = magnitude {
        return magnitude.copysign(y);
    }
    let angle = atan(y / x);
    if x > 0.0 {
        angle
    } else if angle <= 0.0 {
        angle + PI
    } else {
        angle - PI
    }
}
