//! Tests of `math`.

use super::{
    NAN, acos, acosh, asin, asinh, atan, atan2, atanh, cos, cosh, exp, exp2, fmod, frexp, ldexp,
    ln, log2, log10, pow, sin, sinh, sqrt, tan, tanh,
};
use crate::float;

/// Function, arguments and result as a running reference printed them, separated by blanks.
const GOLDEN: &str = include_str!("../../testdata/math.txt");

fn evaluate(function: &str, x: f64, y: f64) -> f64 {
    match function {
        "exp" => exp(x),
        // Read off quantiles of a histogram whose one bucket is (1, 2].
        "exp2" => exp2(x),
        "ln" => ln(x),
        "log2" => log2(x),
        "log10" => log10(x),
        "sqrt" => sqrt(x),
        "sin" => sin(x),
        "cos" => cos(x),
        "tan" => tan(x),
        "asin" => asin(x),
        "acos" => acos(x),
        "atan" => atan(x),
        "sinh" => sinh(x),
        "cosh" => cosh(x),
        "tanh" => tanh(x),
        "asinh" => asinh(x),
        "acosh" => acosh(x),
        "atanh" => atanh(x),
        "pow" => pow(x, y),
        "atan2" => atan2(x, y),
        "fmod" => fmod(x, y),
        other => panic!("no such function: {other}"),
    }
}

/// Number of lines and those that differ.
fn differences(golden: &str) -> (usize, Vec<String>) {
    let mut count = 0;
    let mut different = Vec::new();
    for line in golden.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split(' ');
        let function = fields.next().unwrap();
        let numbers: Vec<f64> = fields.map(|field| float::parse(field).unwrap()).collect();
        let (arguments, expected) = numbers.split_at(numbers.len() - 1);
        let value = evaluate(
            function,
            arguments[0],
            arguments.get(1).copied().unwrap_or(0.0),
        );
        count += 1;
        let same_nan = value.is_nan() && expected[0].is_nan();
        if value.to_bits() != expected[0].to_bits() && !same_nan {
            different.push(format!("{line}: {}", float::format_g(value)));
        }
    }
    (count, different)
}

#[test]
fn equals_the_reference_in_every_bit() {
    let (count, different) = differences(GOLDEN);
    assert!(count > 1000, "{count}");
    assert_eq!(different, Vec::<String>::new());
}

#[test]
fn powers_of_two_come_apart_and_together() {
    for (x, fraction, exponent) in [
        (1.0, 0.5, 1),
        (-6.0, -0.75, 3),
        (5e-324, 0.5, -1073),
        (f64::MAX, 1.0 - f64::EPSILON / 2.0, 1024),
    ] {
        assert_eq!(frexp(x), (fraction, exponent));
        assert_eq!(ldexp(fraction, exponent), x);
    }
    assert_eq!(ldexp(1.0, 2000), f64::INFINITY);
    assert_eq!(ldexp(-1.0, -2000).to_bits(), (-0.0_f64).to_bits());
    assert_eq!(ldexp(0.75, -1074), 5e-324);
    assert_eq!(exp2(-1074.0), 5e-324);
    assert_eq!(exp2(10.0), 1024.0);
}

#[test]
fn outside_the_domain_there_is_no_number() {
    for value in [
        ln(-1.0),
        asin(2.0),
        pow(-1.0, 0.3),
        fmod(1.0, 0.0),
        sin(f64::INFINITY),
    ] {
        assert!(value.is_nan());
    }
    assert!(NAN.is_nan());
}

#[test]
fn exp_of_numbers_far_below_zero_is_zero() {
    for x in [-746.0, -762.0, -763.0, -1e3, -1e4, -1e9, -1e300, f64::MIN] {
        assert_eq!(super::exp(x).to_bits(), 0, "exp({x})");
    }
}
