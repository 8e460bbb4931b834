//! Why there is no TLS session, in the reference's words.

use std::io;
use std::time::Duration;

use rustls::{AlertDescription as Alert, CertificateError as Bad, Error};
use rustls_pki_types::{ServerName, UnixTime};

use crate::error::Failure;

/// What a failed handshake comes to.
pub(crate) fn failure(err: &io::Error) -> Failure {
    let inner = err.get_ref();
    let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match err.kind() {
            io::ErrorKind::UnexpectedEof => Failure::Closed,
            _ => Failure::Transport(err.to_string()),
        };
    };
    Failure::Tls(match tls {
        Error::InvalidCertificate(reason) => {
            let reason = certificate_text(reason);
            format!("tls: failed to verify certificate: x509: {reason}")
        }
        Error::InvalidMessage(_) => "http: server gave HTTP response to HTTPS client".to_owned(),
        Error::AlertReceived(alert) => format!("remote error: tls: {}", alert_text(*alert)),
        other => format!("tls: {other}"),
    })
}

fn certificate_text(reason: &Bad) -> String {
    let dates = "certificate has expired or is not yet valid: ";
    match reason {
        Bad::UnknownIssuer | Bad::BadSignature => unknown_authority(),
        // The verifier says so before it looks for the issuer of a certificate that is an authority's.
        Bad::Other(_) if format!("{reason:?}").contains("CaUsedAsEndEntity") => unknown_authority(),
        Bad::ExpiredContext { time, not_after } => {
            let (now, end) = (time_text(*time), time_text(*not_after));
            format!("{dates}current time {now} is after {end}")
        }
        Bad::NotValidYetContext { time, not_before } => {
            let (now, start) = (time_text(*time), time_text(*not_before));
            format!("{dates}current time {now} is before {start}")
        }
        Bad::Expired | Bad::NotValidYet => format!("{dates}{reason}"),
        Bad::NotValidForNameContext {
            expected,
            presented,
        } => name_text(expected, presented),
        other => other.to_string(),
    }
}

fn unknown_authority() -> String {
    "certificate signed by unknown authority".to_owned()
}

fn time_text(time: UnixTime) -> String {
    let since = Duration::from_secs(time.as_secs());
    let time = jiff::Timestamp::UNIX_EPOCH.checked_add(since);
    time.map_or_else(|_| "?".to_owned(), |time| time.to_string())
}

/// `presented`: names as the verifier lists them, `DnsName("a.b")` and `IpAddress(1.2.3.4)`.
fn name_text(expected: &ServerName<'_>, presented: &[String]) -> String {
    let host = expected.to_str();
    let is_address = matches!(expected, ServerName::IpAddress(_));
    let kind = if is_address { "IpAddress(" } else { "DnsName(" };
    let names = presented.iter().filter_map(|name| {
        let name = name.strip_prefix(kind)?.strip_suffix(')')?;
        Some(name.trim_matches('"'))
    });
    let names: Vec<_> = names.collect();
    match (names.is_empty(), is_address) {
        (true, true) => {
            format!("cannot validate certificate for {host} because it doesn't contain any IP SANs")
        }
        (true, false) => {
            format!("certificate is not valid for any names, but wanted to match {host}")
        }
        (false, _) => format!("certificate is valid for {}, not {host}", names.join(", ")),
    }
}

fn alert_text(alert: Alert) -> String {
    match alert {
        Alert::HandshakeFailure => "handshake failure".to_owned(),
        Alert::BadCertificate => "bad certificate".to_owned(),
        Alert::CertificateRequired => "certificate required".to_owned(),
        Alert::UnknownCA => "unknown certificate authority".to_owned(),
        Alert::ProtocolVersion => "protocol version not supported".to_owned(),
        Alert::UnrecognisedName => "unrecognized name".to_owned(),
        other => format!("{other:?}").to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_as_the_reference_does() {
        let check = |host: &str, presented: &[&str], expected: &str| {
            let host = ServerName::try_from(host.to_owned()).unwrap();
            let presented: Vec<_> = presented.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(name_text(&host, &presented), expected);
        };
        let dns = ["DnsName(\"a.b\")", "DnsName(\"*.c\")"];
        check("x", &dns, "certificate is valid for a.b, *.c, not x");
        check(
            "1.2.3.4",
            &dns,
            "cannot validate certificate for 1.2.3.4 because it doesn't contain any IP SANs",
        );
        check(
            "x",
            &[],
            "certificate is not valid for any names, but wanted to match x",
        );
        let address = ["IpAddress(5.6.7.8)"];
        check(
            "1.2.3.4",
            &address,
            "certificate is valid for 5.6.7.8, not 1.2.3.4",
        );
    }

    #[test]
    fn dates_are_told_as_the_reference_does() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let expired = Bad::ExpiredContext {
            time: at(86_400),
            not_after: at(0),
        };
        assert_eq!(
            certificate_text(&expired),
            "certificate has expired or is not yet valid: current time 1970-01-02T00:00:00Z is \
             after 1970-01-01T00:00:00Z"
        );
    }
}
