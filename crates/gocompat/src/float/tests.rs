//! Tests of `float`.

use proptest::prelude::*;

use super::{
    ParseFloatError, format_e, format_e_precision, format_f, format_f_precision, format_g,
    format_g_precision, format_json, parse, write_json,
};

#[test]
fn lays_out_the_shortest_digits() {
    let check = |value: f64, g: &str, f: &str, e: &str, json: &str| {
        let texts = [
            format_g(value),
            format_f(value),
            format_e(value),
            format_json(value),
        ];
        assert_eq!(texts, [g, f, e, json], "{value:?}");
    };
    check(0.0, "0", "0", "0e+00", "0");
    check(-0.0, "-0", "-0", "-0e+00", "-0");
    check(1.0, "1", "1", "1e+00", "1");
    check(100_000.0, "100000", "100000", "1e+05", "100000");
    check(1_000_000.0, "1e+06", "1000000", "1e+06", "1000000");
    check(
        1_234_567.0,
        "1.234567e+06",
        "1234567",
        "1.234567e+06",
        "1234567",
    );
    check(0.0001, "0.0001", "0.0001", "1e-04", "0.0001");
    check(
        0.000_012_5,
        "1.25e-05",
        "0.0000125",
        "1.25e-05",
        "0.0000125",
    );
    check(1e-7, "1e-07", "0.0000001", "1e-07", "1e-07");
    check(1e21, "1e+21", "1000000000000000000000", "1e+21", "1e+21");
    check(-12.75, "-12.75", "-12.75", "-1.275e+01", "-12.75");
    check(
        5e-324,
        "5e-324",
        &format!("0.{}5", "0".repeat(323)),
        "5e-324",
        "5e-324",
    );
    check(f64::INFINITY, "+Inf", "+Inf", "+Inf", "+Inf");
    check(f64::NEG_INFINITY, "-Inf", "-Inf", "-Inf", "-Inf");
    check(f64::NAN, "NaN", "NaN", "NaN", "NaN");
}

#[test]
fn lays_out_a_given_precision() {
    assert_eq!(format_f_precision(1.005, 2), "1.00");
    assert_eq!(format_e_precision(123_456.0, 3), "1.235e+05");
    let check = |value: f64, precision: usize, text: &str| {
        assert_eq!(format_g_precision(value, precision), text, "{value:?}");
    };
    check(1.0, 4, "1");
    check(1234.5, 4, "1234");
    check(12_345.0, 4, "1.234e+04");
    check(999.96, 4, "1000");
    check(100_000.0, 6, "100000");
    check(1e6, 6, "1e+06");
    check(0.000_01, 4, "1e-05");
    check(-0.0, 4, "-0");
    check(20.0, 1, "2e+01");
    check(100.0, 10, "100");
}

#[test]
fn reads_what_the_reference_reads() {
    let check = |text: &str, value: f64| assert_eq!(parse(text), Ok(value), "{text:?}");
    check("0", 0.0);
    check("123", 123.0);
    check("+1.5e3", 1500.0);
    check(".5", 0.5);
    check("5.", 5.0);
    check("0x1p-2", 0.25);
    check("0X1.8P3", 12.0);
    check("-0x1p4", -16.0);
    check("0x.8p0", 0.5);
    check("0x_1_2p0", 18.0);
    check("1_23.50_0_0e+1_2", 1.235e14);
    check("inf", f64::INFINITY);
    check("-Infinity", f64::NEG_INFINITY);
    check("+INF", f64::INFINITY);
    check("1e-400", 0.0);
    check("0x1p-1074", 5e-324);
    check("0x1p-1075", 0.0);
    check("0x1.8p-1075", 5e-324);
    check("0x1.fffffffffffffp1023", f64::MAX);
    check("0x1.fffffffffffff7ffp1023", f64::MAX);
    check("0x1.00000000000008p0", 1.0);
    check(
        "0x1.000000000000080000000000000000001p0",
        1.0 + f64::EPSILON,
    );
    check("0x1.fffffffffffffp-1023", f64::MIN_POSITIVE);
    assert_eq!(parse("NaN").map(f64::to_bits), Ok(0x7ff8_0000_0000_0001));
    assert_eq!(parse("-0").map(f64::to_bits), Ok((-0.0_f64).to_bits()));
}

#[test]
fn refuses_what_the_reference_refuses() {
    let bad = [
        "", " 1", "1 ", "+", "-nan", "+NaN", "infin", "1e", "1e+", "e5", ".", "0x", "0x1", "0x1.8",
        "0xp3", "1__2", "_1", "1_", "1_.5", "1._5", "1.5_e3", "1.5e_3", "1.5e3_", "1.2.3", "1p3",
        "--1", "0b1", "١",
    ];
    for text in bad {
        assert_eq!(
            parse(text),
            Err(ParseFloatError::Syntax {
                text: text.to_owned()
            }),
            "{text}"
        );
    }
    for (text, value) in [
        ("1e400", f64::INFINITY),
        ("-0x1p1024", f64::NEG_INFINITY),
        ("0x1.fffffffffffff8p1023", f64::INFINITY),
    ] {
        assert_eq!(
            parse(text),
            Err(ParseFloatError::Range {
                text: text.to_owned(),
                value
            })
        );
    }
    let text = parse("a\"b").map_err(|err| err.to_string());
    assert_eq!(
        text,
        Err(r#"strconv.ParseFloat: parsing "a\"b": invalid syntax"#.to_owned())
    );
    let text = parse("1e400").map_err(|err| err.to_string());
    assert_eq!(
        text,
        Err(r#"strconv.ParseFloat: parsing "1e400": value out of range"#.to_owned())
    );
}

proptest! {
    #[test]
    fn the_quick_way_writes_the_same(bits in any::<u64>(), whole in -(1_i64 << 55)..1 << 55, places in 0..12_i32) {
        let whole = whole as f64;
        for value in [f64::from_bits(bits), whole, whole / 10_f64.powi(places), 1.0 / whole, -0.0, 0.0] {
            let mut out = Vec::new();
            write_json(&mut out, value);
            prop_assert_eq!(String::from_utf8(out), Ok(format_json(value)));
        }
    }

    #[test]
    fn every_form_reads_back(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        for text in [format_g(value), format_f(value), format_e(value), format_json(value)] {
            prop_assert_eq!(parse(&text).map(f64::to_bits), Ok(bits), "{}", text);
        }
    }

    #[test]
    fn hexadecimal_agrees_with_decimal(mantissa in any::<u64>(), exponent in -1100_i32..1000) {
        let parsed = match parse(&format!("0x{mantissa:x}p{exponent}")) {
            Ok(value) => value,
            Err(ParseFloatError::Range { value, .. }) => value,
            Err(err) => return Err(TestCaseError::fail(err.to_string())),
        };
        // One rounding: to 53 bits by the conversion, where scaling by a power of two is exact.
        let scaled = mantissa as f64 * 2_f64.powi(exponent / 2) * 2_f64.powi(exponent - exponent / 2);
        if scaled.is_normal() || scaled.is_infinite() {
            prop_assert_eq!(parsed, scaled);
        }
    }

    #[test]
    fn never_panics(text in "[-+_0-9a-fA-FxXpPiInN.]{0,24}|.{0,12}") {
        let _ = parse(&text);
    }
}
