//! The dates of a certificate, read out of its DER (RFC 5280, 4.1.2.5): needed where the chain
//! verifier, which otherwise looks at them, is not asked.

use rustls::CertificateError;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

/// Whether `now` (seconds since 1970) is between the dates of the certificate.
pub(super) fn check(certificate: &[u8], now: u64) -> Result<(), CertificateError> {
    let (not_before, not_after) = dates(certificate).ok_or(CertificateError::BadEncoding)?;
    if now < not_before {
        Err(CertificateError::NotValidYet)
    } else if now > not_after {
        Err(CertificateError::Expired)
    } else {
        Ok(())
    }
}

fn dates(certificate: &[u8]) -> Option<(u64, u64)> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut fields, _) = element(certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        fields = any(fields)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        fields = any(fields)?.2;
    }
    let (validity, _) = element(fields, SEQUENCE)?;
    let (tag, from, rest) = any(validity)?;
    let not_before = time(tag, from)?;
    let (tag, to, _) = any(rest)?;
    Some((not_before, time(tag, to)?))
}

/// The content of the first element, which has tag `tag`, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any(der)?;
    (found == tag).then_some((content, rest))
}

/// Tag and content of the first element, and what follows it.
fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut size = usize::from(first);
    if first >= 0x80 {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (bytes, after) = rest.split_at_checked(count)?;
        size = bytes
            .iter()
            .fold(0, |size, byte| size << 8 | usize::from(*byte));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(size)?;
    Some((tag, content, rest))
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ` as seconds since 1970; dates before it count as 1970.
fn time(tag: u8, text: &[u8]) -> Option<u64> {
    let digits = text.strip_suffix(b"Z")?;
    let number = |from: usize, to: usize| -> Option<u64> {
        let mut number = 0;
        for byte in digits.get(from..to)? {
            if !byte.is_ascii_digit() {
                return None;
            }
            number = number * 10 + u64::from(byte - b'0');
        }
        Some(number)
    };
    let (year, at) = match tag {
        UTC_TIME => {
            let short = number(0, 2)?;
            (
                if short < 50 {
                    2000 + short
                } else {
                    1900 + short
                },
                2,
            )
        }
        GENERALIZED_TIME => (number(0, 4)?, 4),
        _ => return None,
    };
    let days = days_since_1970(year, number(at, at + 2)?, number(at + 2, at + 4)?);
    let seconds =
        number(at + 4, at + 6)? * 3600 + number(at + 6, at + 8)? * 60 + number(at + 8, at + 10)?;
    Some(days * 86_400 + seconds)
}

fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    if year < 1970 {
        return 0;
    }
    // Years that begin in March: the leap day comes last.
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 306 + 5) / 10 + day;
    days.saturating_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_seconds() {
        assert_eq!(time(UTC_TIME, b"700101000000Z"), Some(0));
        assert_eq!(
            time(GENERALIZED_TIME, b"20240229123456Z"),
            Some(1_709_210_096)
        );
        assert_eq!(time(UTC_TIME, b"241231235959Z"), Some(1_735_689_599));
        assert_eq!(time(UTC_TIME, b"24123123595Z"), None);
        assert_eq!(time(UTC_TIME, b"x"), None);
    }

    #[test]
    fn damaged_certificates_are_refused() {
        let key = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
        let der = key.cert.der();
        assert_eq!(check(der, 1_700_000_000), Ok(()));
        assert_eq!(check(der, 0), Err(CertificateError::NotValidYet));
        assert_eq!(check(der, u64::MAX), Err(CertificateError::Expired));
        for cut in 0..der.len().min(300) {
            assert!(check(&der[..cut], 1_700_000_000).is_err());
        }
    }
}
