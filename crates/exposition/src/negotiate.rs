//! Which format a scrape asks for, and which one an answer is in.
//!
//! Header forms: `docs/compat.md`, scrape request; the reference's media types.

use crate::Format;

/// Exposition protocols as the configuration names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Delimited protobuf messages.
    PrometheusProto,
    /// Prometheus text 0.0.4.
    PrometheusText0_0_4,
    /// Prometheus text 1.0.0.
    PrometheusText1_0_0,
    /// OpenMetrics 0.0.1.
    OpenMetricsText0_0_1,
    /// OpenMetrics 1.0.0.
    OpenMetricsText1_0_0,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Self; 5] = [
        Self::PrometheusProto,
        Self::OpenMetricsText0_0_1,
        Self::OpenMetricsText1_0_0,
        Self::PrometheusText0_0_4,
        Self::PrometheusText1_0_0,
    ];

    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrometheusProto => "PrometheusProto",
            Self::PrometheusText0_0_4 => "PrometheusText0.0.4",
            Self::PrometheusText1_0_0 => "PrometheusText1.0.0",
            Self::OpenMetricsText0_0_1 => "OpenMetricsText0.0.1",
            Self::OpenMetricsText1_0_0 => "OpenMetricsText1.0.0",
        }
    }

    /// The protocol with this name in the configuration.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.as_str() == name)
    }

    /// The media type without parameters of quality or escaping.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::PrometheusProto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            Self::PrometheusText0_0_4 => "text/plain;version=0.0.4",
            Self::PrometheusText1_0_0 => "text/plain;version=1.0.0",
            Self::OpenMetricsText0_0_1 => "application/openmetrics-text;version=0.0.1",
            Self::OpenMetricsText1_0_0 => "application/openmetrics-text;version=1.0.0",
        }
    }

    /// The parser for it.
    pub fn format(self) -> Format {
        match self {
            Self::PrometheusProto => Format::Protobuf,
            Self::PrometheusText0_0_4 | Self::PrometheusText1_0_0 => Format::Text,
            Self::OpenMetricsText0_0_1 | Self::OpenMetricsText1_0_0 => Format::OpenMetrics,
        }
    }

    fn knows_escaping(self) -> bool {
        matches!(self, Self::PrometheusText1_0_0 | Self::OpenMetricsText1_0_0)
    }
}

/// The Accept header that offers `protocols` in this order; `escaping` is the scheme's name, such
/// as `allow-utf-8`.
pub fn accept_header(protocols: &[Protocol], escaping: &str) -> String {
    let mut quality = Protocol::ALL.len() + 1;
    let mut header = String::new();
    for protocol in protocols {
        header.push_str(protocol.media_type());
        if protocol.knows_escaping() {
            header.push_str(";escaping=");
            header.push_str(escaping);
        }
        header.push_str(&format!(";q=0.{quality},"));
        quality -= 1;
    }
    header.push_str(&format!("*/*;q=0.{quality}"));
    header
}

/// How to read an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The parser to use.
    pub format: Format,
    /// Set if the fallback had to be used: why.
    pub remark: Option<String>,
}

/// The format of an answer with this Content-Type; `Err` is the text of the scrape error.
pub fn content_format(
    content_type: Option<&str>,
    fallback: Option<Protocol>,
) -> Result<Choice, String> {
    let content_type = content_type.unwrap_or("");
    let problem = match media_type(content_type) {
        Ok(found) => match known_format(&found) {
            Some(format) => {
                return Ok(Choice {
                    format,
                    remark: None,
                });
            }
            None => Problem::Unsupported,
        },
        Err(Some(reason)) => Problem::Unparsable(reason),
        Err(None) => Problem::Missing,
    };
    let Some(fallback) = fallback else {
        return Err(problem.without_fallback(content_type));
    };
    Ok(Choice {
        format: fallback.format(),
        remark: Some(problem.with_fallback(content_type, fallback)),
    })
}

fn known_format(media_type: &str) -> Option<Format> {
    match media_type {
        "application/openmetrics-text" => Some(Format::OpenMetrics),
        "text/plain" => Some(Format::Text),
        "application/vnd.google.protobuf" => Some(Format::Protobuf),
        _ => None,
    }
}

enum Problem {
    Missing,
    Unparsable(&'static str),
    Unsupported,
}

impl Problem {
    fn without_fallback(&self, content_type: &str) -> String {
        match self {
            Self::Missing => {
                "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target".to_owned()
            }
            Self::Unparsable(reason) => format!(
                "cannot parse Content-Type {} and no fallback_scrape_protocol for target\n{reason}",
                crate::quoted::quoted(content_type.as_bytes())
            ),
            Self::Unsupported => format!(
                "received unsupported Content-Type {} and no fallback_scrape_protocol specified for target",
                crate::quoted::quoted(content_type.as_bytes())
            ),
        }
    }

    fn with_fallback(&self, content_type: &str, fallback: Protocol) -> String {
        let fallback = match fallback.format() {
            Format::Text => "text/plain",
            Format::OpenMetrics => "application/openmetrics-text",
            Format::Protobuf => "application/vnd.google.protobuf",
        };
        let quoted = crate::quoted::quoted(content_type.as_bytes());
        match self {
            Self::Missing => format!(
                "non-compliant scrape target sending blank Content-Type, using fallback_scrape_protocol \"{fallback}\""
            ),
            Self::Unparsable(reason) => format!(
                "could not parse received Content-Type {quoted}, using fallback_scrape_protocol \"{fallback}\": {reason}"
            ),
            Self::Unsupported => format!(
                "received unsupported Content-Type {quoted}, using fallback_scrape_protocol \"{fallback}\""
            ),
        }
    }
}

/// The media type without its parameters, in lower case. `Err(None)`: nothing there.
fn media_type(header: &str) -> Result<String, Option<&'static str>> {
    if header.is_empty() {
        return Err(None);
    }
    let (media_type, parameters) = header.split_once(';').unwrap_or((header, ""));
    let media_type = media_type.trim().to_ascii_lowercase();
    let (kind, subtype) = media_type.split_once('/').unwrap_or((&media_type, "x"));
    if media_type.is_empty() {
        return Err(Some("mime: no media type"));
    }
    if kind.is_empty() || !kind.bytes().all(is_token) {
        return Err(Some("mime: no media type"));
    }
    if subtype.is_empty() {
        return Err(Some("mime: expected token after slash"));
    }
    if !subtype.bytes().all(is_token) {
        return Err(Some("mime: unexpected content after media subtype"));
    }
    check_parameters(parameters).map_err(Some)?;
    Ok(media_type)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Checks `name=value` pairs divided by semicolons; one semicolon at the end is tolerated.
fn check_parameters(parameters: &str) -> Result<(), &'static str> {
    const INVALID: &str = "mime: invalid media parameter";
    let mut seen = Vec::new();
    let mut rest = parameters.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(INVALID)?;
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(INVALID);
        }
        if seen.contains(&name) {
            return Err("mime: duplicate parameter name");
        }
        seen.push(name);
        let end = match after.strip_prefix('"') {
            Some(inside) => inside.find('"').ok_or(INVALID)? + 2,
            None => after
                .bytes()
                .position(|byte| !is_token(byte))
                .unwrap_or(after.len()),
        };
        if end == 0 {
            return Err(INVALID);
        }
        rest = after.get(end..).unwrap_or("").trim_start();
        match rest.strip_prefix(';') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => {}
            None => return Err(INVALID),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_offer_is_the_reference_s() {
        let protocols = [
            Protocol::OpenMetricsText1_0_0,
            Protocol::OpenMetricsText0_0_1,
            Protocol::PrometheusText1_0_0,
            Protocol::PrometheusText0_0_4,
        ];
        assert_eq!(
            accept_header(&protocols, "allow-utf-8"),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        );
    }

    #[test]
    fn protobuf_is_offered_where_it_is_named() {
        let protocols = [Protocol::PrometheusProto, Protocol::PrometheusText0_0_4];
        assert_eq!(
            accept_header(&protocols, "allow-utf-8"),
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.4"
        );
    }

    #[test]
    fn answers_are_read_by_their_type() {
        let text = Choice {
            format: Format::Text,
            remark: None,
        };
        assert_eq!(
            content_format(Some("text/plain; version=0.0.4"), None),
            Ok(text.clone())
        );
        assert_eq!(content_format(Some("TEXT/PLAIN;"), None), Ok(text));
        let open = content_format(
            Some("application/openmetrics-text; charset=\"utf-8\""),
            None,
        );
        assert_eq!(open.map(|choice| choice.format), Ok(Format::OpenMetrics));
        assert!(content_format(None, None).is_err());
        assert!(content_format(Some("text/html"), None).is_err());
        assert!(content_format(Some("text/plain; x"), None).is_err());
        let refused = |content_type, reason: &str| {
            let error = content_format(Some(content_type), None).unwrap_err();
            assert!(
                error.ends_with(&format!("for target\nmime: {reason}")),
                "{error}"
            );
        };
        refused("text/plain;;", "invalid media parameter");
        refused("text/plain; charset=\"x", "invalid media parameter");
        refused("text/plain; a=b; a=c", "duplicate parameter name");
        refused(
            "text/plain garbage",
            "unexpected content after media subtype",
        );
        refused("/plain", "no media type");
        refused("text/", "expected token after slash");
        let fallback = content_format(None, Some(Protocol::PrometheusText0_0_4));
        assert_eq!(fallback.map(|choice| choice.format), Ok(Format::Text));
        let protobuf = Protocol::PrometheusProto.media_type();
        let delimited = content_format(Some(protobuf), None);
        assert_eq!(delimited.map(|choice| choice.format), Ok(Format::Protobuf));
        let fallback = content_format(Some("text/html"), Some(Protocol::PrometheusProto)).unwrap();
        assert_eq!(fallback.format, Format::Protobuf);
        assert_eq!(
            fallback.remark.as_deref(),
            Some(
                "received unsupported Content-Type \"text/html\", using fallback_scrape_protocol \"application/vnd.google.protobuf\""
            )
        );
    }
}
