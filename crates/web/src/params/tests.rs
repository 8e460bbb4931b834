//! Parameters as the real reference (3.5.3) reads them.

use super::*;

#[track_caller]
fn engine_time(text: &str, expected: i64) {
    assert_eq!(
        time(text).map(Instant::engine_millis),
        Ok(expected),
        "{text}"
    );
}

#[test]
fn times_are_seconds_or_rfc3339() {
    engine_time("-1", -1000);
    engine_time("1_000", 1_000_000);
    engine_time("1435781451.7819999", 1_435_781_451_782);
    engine_time("1435781451.0005", 1_435_781_451_000);
    engine_time("-1.5", -1500);
    engine_time("2026-01-01T00:00:00Z", 1_767_225_600_000);
    engine_time("2026-01-01T00:00:00.123456789+05:30", 1_767_205_800_123);
}

#[test]
fn extreme_times_wrap_as_in_the_reference() {
    engine_time("NaN", -9_223_372_036_854);
    engine_time("Inf", -9_223_372_036_854);
    engine_time("1e10", -8_446_744_073_709);
    engine_time("1e15", 2_003_764_205_206);
    engine_time("1e18", -6_930_898_827_444);
    engine_time("-292273086-05-16T16:47:06Z", 6_795_364_580_679);
    engine_time("9223372036854775807", 0);
}

#[test]
fn other_times_are_refused() {
    for text in [
        "",
        "abc",
        "1e400",
        "0x10",
        " 1",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01t00:00:00z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00+5:30",
        "+292277025-08-18T07:12:54.999999999Z",
        "é026-01-01T00:00:00Z",
    ] {
        assert_eq!(
            time(text),
            Err(format!("cannot parse {} to a valid timestamp", quote(text))),
            "{text}"
        );
    }
    assert_eq!(
        optional_time("start", "x", Instant::MIN),
        Err("invalid time value for 'start': cannot parse \"x\" to a valid timestamp".to_owned())
    );
    assert_eq!(optional_time("start", "", Instant::MIN), Ok(Instant::MIN));
}

#[test]
fn durations_are_seconds_or_the_configurations() {
    assert_eq!(duration_ns("5"), Ok(5 * NANOS));
    assert_eq!(duration_ns("0.5"), Ok(NANOS / 2));
    assert_eq!(duration_ns("5m30s"), Ok(330 * NANOS));
    assert_eq!(duration_ns("NaN"), Ok(i64::MIN));
    assert_eq!(
        duration_ns("-1s"),
        Err("cannot parse \"-1s\" to a valid duration".to_owned())
    );
    assert_eq!(
        duration_ns("1e30"),
        Err("cannot parse \"1e30\" to a valid duration. It overflows int64".to_owned())
    );
}

#[test]
fn limits_are_whole_and_not_negative() {
    let check = |text: &str, expected: Result<usize, &str>| {
        assert_eq!(limit(text), expected.map_err(str::to_owned), "{text}");
    };
    check("", Ok(0));
    check("+3", Ok(3));
    check("-1", Err("limit must be non-negative"));
    check("x", Err("strconv.Atoi: parsing \"x\": invalid syntax"));
    check("0x3", Err("strconv.Atoi: parsing \"0x3\": invalid syntax"));
    check(
        "99999999999999999999",
        Err("strconv.Atoi: parsing \"99999999999999999999\": value out of range"),
    );
}

#[test]
fn differences_saturate() {
    let (early, late) = (Instant::new(-2, NANOS / 2), Instant::new(2, 0));
    assert_eq!(late.nanos_since(early), 3_500_000_000);
    assert_eq!(Instant::MAX.nanos_since(Instant::MIN), i64::MAX);
    assert_eq!(Instant::MIN.nanos_since(Instant::MAX), i64::MIN);
}
