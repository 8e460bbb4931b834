//! Times, durations and limits as the API's parameters write them, with the reference's errors.
//!
//! Times go through Go's `time.Time` there, and clients can see its arithmetic: seconds and
//! nanoseconds are kept apart here as there, and overflow wraps as there.

use std::str::FromStr;

use gocompat::quote::quote;
use model::Timestamp;

const NANOS: i64 = 1_000_000_000;

/// Earliest time the API can name, and the way it is written.
const MIN_TIME: (Instant, &str) = (
    Instant {
        seconds: i64::MIN / 1000 + 62_135_596_801,
        nanos: 0,
    },
    "-292273086-05-16T16:47:06Z",
);
/// Latest time the API can name, and the way it is written.
const MAX_TIME: (Instant, &str) = (
    Instant {
        seconds: i64::MAX / 1000 - 62_135_596_801,
        nanos: 999_999_999,
    },
    "292277025-08-18T07:12:54.999999999Z",
);

/// A moment, to the nanosecond, far beyond what i64 nanoseconds hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant {
    /// Since the epoch.
    pub(crate) seconds: i64,
    /// 0 up to a second.
    pub(crate) nanos: i64,
}

impl Instant {
    pub(crate) const MIN: Self = MIN_TIME.0;
    pub(crate) const MAX: Self = MAX_TIME.0;

    fn new(seconds: i64, nanos: i64) -> Self {
        let seconds = seconds.wrapping_add(nanos.div_euclid(NANOS));
        Self {
            seconds,
            nanos: nanos.rem_euclid(NANOS),
        }
    }

    /// Milliseconds as the query engine counts them: through 64-bit nanoseconds, which wrap.
    pub(crate) fn engine_millis(self) -> Timestamp {
        self.seconds.wrapping_mul(NANOS).wrapping_add(self.nanos) / 1_000_000
    }

    /// Milliseconds as storage counts them.
    pub(crate) fn millis(self) -> Timestamp {
        self.seconds
            .wrapping_mul(1000)
            .wrapping_add(self.nanos / 1_000_000)
    }

    /// Nanoseconds from `earlier` to here, at most what i64 holds.
    pub(crate) fn nanos_since(self, earlier: Self) -> i64 {
        let seconds = i128::from(self.seconds) - i128::from(earlier.seconds);
        let nanos = seconds * i128::from(NANOS) + i128::from(self.nanos - earlier.nanos);
        nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}

/// Reads a time: seconds with a fraction, RFC 3339, or one of the two extremes.
pub(crate) fn time(text: &str) -> Result<Instant, String> {
    if let Ok(seconds) = gocompat::float::parse(text) {
        let whole = seconds.trunc();
        let fraction = ((seconds - whole) * 1000.0).round() / 1000.0;
        return Ok(Instant::new(go_i64(whole), go_i64(fraction * NANOS as f64)));
    }
    for (instant, written) in [MIN_TIME, MAX_TIME] {
        if text == written {
            return Ok(instant);
        }
    }
    rfc3339(text).ok_or_else(|| format!("cannot parse {} to a valid timestamp", quote(text)))
}

/// Conversion of a float to an integer as amd64 does it: what does not fit is the minimum.
fn go_i64(value: f64) -> i64 {
    const BEYOND: f64 = (1_u64 << 63) as f64;
    if (-BEYOND..BEYOND).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

/// `2006-01-02T15:04:05[.fraction](Z|±hh:mm)`, nothing else that other readers of the format take.
fn rfc3339(text: &str) -> Option<Instant> {
    let bytes = text.as_bytes();
    let digits = |from: usize, len: usize| -> Option<i64> {
        let part = bytes.get(from..from + len)?;
        part.iter()
            .all(u8::is_ascii_digit)
            .then(|| i64::from_str(text.get(from..from + len)?).ok())?
    };
    for (at, separator) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        if bytes.get(at) != Some(&separator) {
            return None;
        }
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    let (hour, minute, second) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?);
    let mut rest = text.get(19..)?;
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let len = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if len == 0 {
            return None;
        }
        let padded = format!("{:0<9}", fraction.get(..len.min(9))?);
        nanos = i64::from_str(&padded).ok()?;
        rest = fraction.get(len..)?;
    }
    let offset_seconds = match rest.as_bytes() {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let pair = |a: u8, b: u8| -> Option<i64> {
                (a.is_ascii_digit() && b.is_ascii_digit())
                    .then(|| i64::from(a - b'0') * 10 + i64::from(b - b'0'))
            };
            let (hours, minutes) = (pair(*h1, *h2)?, pair(*m1, *m2)?);
            if hours > 24 || minutes > 60 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    if !(0..24).contains(&hour) || minute > 59 || second > 59 {
        return None;
    }
    let date = jiff::civil::Date::new(year as i16, month as i8, day as i8).ok()?;
    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    let days = i64::from(date.since(epoch).ok()?.get_days());
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset_seconds;
    Some(Instant::new(seconds, nanos))
}

/// Reads an optional time parameter.
pub(crate) fn optional_time(name: &str, text: &str, default: Instant) -> Result<Instant, String> {
    if text.is_empty() {
        return Ok(default);
    }
    time(text).map_err(|err| format!("invalid time value for '{name}': {err}"))
}

/// Reads a duration, seconds with a fraction or `5m30s`, in nanoseconds.
pub(crate) fn duration_ns(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = gocompat::float::parse(text) {
        let nanos = seconds * NANOS as f64;
        if nanos > i64::MAX as f64 || nanos < i64::MIN as f64 {
            let text = quote(text);
            return Err(format!(
                "cannot parse {text} to a valid duration. It overflows int64"
            ));
        }
        return Ok(go_i64(nanos));
    }
    match model::duration::parse(text) {
        Ok(millis) => Ok(millis.saturating_mul(1_000_000)),
        Err(_) => Err(format!("cannot parse {} to a valid duration", quote(text))),
    }
}

/// Reads a limit; none and 0 mean no limit.
pub(crate) fn limit(text: &str) -> Result<usize, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let value = go_atoi(text)?;
    usize::try_from(value).map_err(|_| "limit must be non-negative".to_owned())
}

/// Reads a decimal integer with Go's errors.
pub(crate) fn go_atoi(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let reason = if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        "invalid syntax"
    } else {
        match text.parse() {
            Ok(value) => return Ok(value),
            Err(_) => "value out of range",
        }
    };
    Err(format!("strconv.Atoi: parsing {}: {reason}", quote(text)))
}

#[cfg(test)]
mod tests;
