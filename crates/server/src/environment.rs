//! Variables of the environment that the reference's runtime obeys.

/// Their values, where they are set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `GOMAXPROCS`: threads worth running.
    pub gomaxprocs: Option<String>,
    /// `GOMEMLIMIT`: bytes the process should stay below.
    pub gomemlimit: Option<String>,
}

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Self {
        let value = |name| {
            let value = std::env::var_os(name)?;
            Some(value.to_string_lossy().into_owned())
        };
        Self {
            gomaxprocs: value("GOMAXPROCS"),
            gomemlimit: value("GOMEMLIMIT"),
        }
    }
}

/// Reads a memory limit: a number with or without `B`, `KiB`, `MiB`, `GiB`, `TiB`; no limit for
/// nothing and `off`. `Err` for anything else.
pub(crate) fn memory_limit(text: &str) -> Result<Option<u64>, ()> {
    if text.is_empty() || text == "off" {
        return Ok(None);
    }
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(end) => text.split_at(end),
        None => (text, ""),
    };
    let factor: i64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(()),
    };
    let number: i64 = digits.parse().map_err(|_| ())?;
    let bytes = number.checked_mul(factor).ok_or(())?;
    u64::try_from(bytes).map(Some).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_limits_are_read_as_the_references_runtime_reads_them() {
        for (text, bytes) in [
            ("100MiB", Some(100 << 20)),
            ("1000000000", Some(1_000_000_000)),
            ("0", Some(0)),
            ("7B", Some(7)),
            ("off", None),
            ("", None),
        ] {
            assert_eq!(memory_limit(text), Ok(bytes), "{text}");
        }
        for text in ["12x", "1e9", "-1", "10MB", "99999999999GiB", "MiB", " 1"] {
            assert_eq!(memory_limit(text), Err(()), "{text}");
        }
    }
}
