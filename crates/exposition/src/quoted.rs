//! Bytes in quotation marks as error texts show them.

use gocompat::quote::quote_bytes;

/// Bytes shown. A body of one endless line must not become an error text of its size.
const SHOWN_BYTES_MAX: usize = 4096;

/// `bytes` quoted, cut and with their number where they are too many to show.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    match bytes.split_at_checked(SHOWN_BYTES_MAX) {
        Some((shown, rest)) if !rest.is_empty() => {
            format!("{}... ({} bytes)", quote_bytes(shown), bytes.len())
        }
        _ => quote_bytes(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_bytes_are_cut() {
        assert_eq!(quoted(b"a\n"), r#""a\n""#);
        let short = quoted(&[b'a'; SHOWN_BYTES_MAX]);
        assert_eq!(short.len(), SHOWN_BYTES_MAX + 2);
        let long = quoted(&[b'a'; SHOWN_BYTES_MAX + 1]);
        assert!(long.ends_with("a\"... (4097 bytes)"), "{long}");
    }
}
