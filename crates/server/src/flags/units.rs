//! Sizes as the reference's flags write them: `512MB`, `1GiB`, always powers of 1024.

/// Unit letters by power of 1024.
const LETTERS: &[&str] = &["", "K", "M", "G", "T", "P", "E"];

/// Bytes of a size; texts of the errors are the reference's.
pub fn parse_bytes(text: &str) -> Result<i64, String> {
    let invalid = || format!("units: invalid {text}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let number_len = rest
            .find(|c: char| c != '.' && !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_len);
        if number.is_empty() || number == "." {
            return Err(invalid());
        }
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let unit_len = tail
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let factor =
            unit_bytes(unit).ok_or_else(|| format!("units: unknown unit {unit} in {text}"))?;
        total += number * factor;
        rest = tail;
    }
    let total = if negative { -total } else { total };
    if total.abs() >= i64::MAX as f64 {
        return Err(format!("units: overflow parsing unit {text}"));
    }
    Ok(total as i64)
}

fn unit_bytes(unit: &str) -> Option<f64> {
    let letters = unit.strip_suffix("iB").or_else(|| unit.strip_suffix('B'))?;
    if unit == "iB" {
        return None;
    }
    let power = LETTERS.iter().position(|letter| *letter == letters)?;
    Some(1024_f64.powi(power as i32))
}

/// A size in the largest units that leave no rest: `1GiB512MiB`, `0B`.
pub fn format_bytes(bytes: i64) -> String {
    let mut rest = bytes.unsigned_abs();
    if rest == 0 {
        return "0B".to_owned();
    }
    let mut parts = Vec::new();
    for (power, letter) in LETTERS.iter().enumerate() {
        let part = rest % 1024;
        if part != 0 {
            let suffix = if power == 0 { "B" } else { "iB" };
            parts.push(format!("{part}{letter}{suffix}"));
        }
        rest /= 1024;
    }
    parts.reverse();
    format!("{}{}", if bytes < 0 { "-" } else { "" }, parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes() {
        let check = |text: &str, expected: Result<i64, &str>| {
            assert_eq!(parse_bytes(text), expected.map_err(str::to_owned), "{text}");
        };
        check("512MB", Ok(512 << 20));
        check("1GiB", Ok(1 << 30));
        check("1KB512B", Ok(1536));
        check("1.5KB", Ok(1536));
        check("0", Ok(0));
        check("12", Err("units: unknown unit  in 12"));
        check("abc", Err("units: invalid abc"));
        check("", Err("units: invalid "));
        check("3XB", Err("units: unknown unit XB in 3XB"));
        check("99999999EB", Err("units: overflow parsing unit 99999999EB"));
    }

    #[test]
    fn writes_sizes() {
        let check = |bytes: i64, expected: &str| assert_eq!(format_bytes(bytes), expected);
        check(0, "0B");
        check(512 << 20, "512MiB");
        check((1 << 30) + 1536, "1GiB1KiB512B");
        check(-1024, "-1KiB");
        check(i64::MAX, "7EiB1023PiB1023TiB1023GiB1023MiB1023KiB1023B");
    }
}
