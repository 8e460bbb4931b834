//! Hexadecimal floating-point numbers, `0x1.8p-3`, rounded to the nearest, ties to even.

/// Value of `text`, whose form is checked: sign, `0x`, digits with underscores and at most one
/// point, `p`, a decimal exponent. Infinite if no float is as large.
pub(super) fn value(text: &[u8]) -> f64 {
    let negative = text.first() == Some(&b'-');
    let digits_at = text
        .iter()
        .position(|byte| matches!(byte, b'x' | b'X'))
        .map_or(0, |at| at + 1);
    let mut mantissa = 0_u64;
    let mut exponent = 0_i64;
    let (mut seen_point, mut lost) = (false, false);
    let mut rest = &text[digits_at..];
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'.' => seen_point = true,
            b'_' => {}
            b'p' | b'P' => break,
            digit => {
                let digit = char::from(*digit).to_digit(16).unwrap_or(0);
                // Sixty bits are more than enough; what follows only says "a little above".
                if mantissa < 1 << 56 {
                    mantissa = mantissa << 4 | u64::from(digit);
                    exponent -= if seen_point { 4 } else { 0 };
                } else {
                    lost |= digit != 0;
                    exponent += if seen_point { 0 } else { 4 };
                }
            }
        }
    }
    exponent += decimal_exponent(rest);
    let magnitude = scale(mantissa, exponent, lost);
    if negative { -magnitude } else { magnitude }
}

/// `mantissa × 2^exponent`; `lost` says that the true mantissa is a little greater.
fn scale(mantissa: u64, exponent: i64, lost: bool) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let shift = i64::from(mantissa.leading_zeros());
    let mantissa = mantissa << shift;
    // The value is mantissa/2^63 × 2^binary.
    let binary = exponent - shift + 63;
    if binary > 1023 {
        return f64::INFINITY;
    }
    if binary < -1076 {
        return 0.0;
    }
    // Bits to keep: 53, fewer where the number is subnormal.
    let drop = if binary >= -1022 {
        11
    } else {
        11 + (-1022 - binary)
    };
    let (kept, dropped, half) = if drop >= 64 {
        (0, u128::from(mantissa), 1_u128 << (drop - 1))
    } else {
        (
            mantissa >> drop,
            u128::from(mantissa & ((1 << drop) - 1)),
            1_u128 << (drop - 1),
        )
    };
    let up = dropped > half || (dropped == half && (lost || kept & 1 == 1));
    let kept = kept + u64::from(up);
    // Adding to the exponent's bits lets a carry do the right thing, up to infinity.
    let biased = if binary >= -1022 {
        ((binary + 1022) as u64) << 52
    } else {
        0
    };
    f64::from_bits(biased + kept)
}

/// A decimal number with an optional sign; large ones stop growing.
fn decimal_exponent(text: &[u8]) -> i64 {
    let mut value = 0_i64;
    for byte in text.iter().filter(|byte| byte.is_ascii_digit()) {
        if value < 1_000_000_000 {
            value = value * 10 + i64::from(byte - b'0');
        }
    }
    if text.first() == Some(&b'-') {
        -value
    } else {
        value
    }
}
