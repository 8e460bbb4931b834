//! The order of `sort_by_label`: runs of digits compare as numbers, everything else as bytes.

use std::cmp::Ordering;

/// Whether `a` comes before `b`. As in the reference, not a strict order: of texts that differ only
/// in leading zeros, each comes before the other.
pub fn less(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a, b);
    loop {
        let (Some(left), Some(right)) = (run(a), run(b)) else {
            // An empty text comes neither before nor after another.
            return false;
        };
        (a, b) = (&a[left.len()..], &b[right.len()..]);
        // Numbers past the range of a 64-bit integer compare as text.
        let decided = match (left.parse::<i64>(), right.parse::<i64>()) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            _ => left.cmp(right),
        };
        match decided {
            Ordering::Less => return true,
            Ordering::Greater => return false,
            Ordering::Equal if a.is_empty() => return true,
            Ordering::Equal if b.is_empty() => return false,
            Ordering::Equal => {}
        }
    }
}

/// [`less`] as an order for sorting: equal texts are equal, otherwise `less` decides.
pub fn compare(a: &str, b: &str) -> Ordering {
    if a == b {
        Ordering::Equal
    } else if less(a, b) {
        Ordering::Less
    } else {
        Ordering::Greater
    }
}

/// The run of digits, or of anything else, at the start of `text`.
fn run(text: &str) -> Option<&str> {
    let digits = text.as_bytes().first()?.is_ascii_digit();
    let end = text
        .bytes()
        .position(|byte| byte.is_ascii_digit() != digits)
        .unwrap_or(text.len());
    Some(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::{compare, less};

    #[test]
    fn numbers_inside_text_compare_as_numbers() {
        let mut texts = ["a10", "a2", "b1", "a1b", "a1", "10", "9", "x"];
        texts.sort_by(|a, b| compare(a, b));
        assert_eq!(texts, ["9", "10", "a1", "a1b", "a2", "a10", "b1", "x"]);
    }

    #[test]
    fn leading_zeros_do_not_count() {
        assert!(less("a01b", "a2"));
        assert!(less("a1", "a01"));
        assert!(less("a01", "a1"));
    }

    #[test]
    fn numbers_beyond_64_bits_compare_as_text() {
        assert!(less("99999999999999999999", "999999999999999999999"));
        assert!(!less("9", "10000000000000000000000"));
    }
}
