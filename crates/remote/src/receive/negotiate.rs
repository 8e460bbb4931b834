//! Which message a request says it holds, by its headers.

/// The messages that can be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// Remote write 1.0.
    V1,
    /// Remote write 2.0.
    V2,
}

impl Message {
    /// The name that content types and flags use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "prometheus.WriteRequest",
            Self::V2 => "io.prometheus.write.v2.Request",
        }
    }

    /// The message of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::V1, Self::V2]
            .into_iter()
            .find(|message| message.as_str() == name)
    }
}

fn names(messages: &[Message], separator: &str) -> String {
    let names: Vec<&str> = messages.iter().map(|message| message.as_str()).collect();
    names.join(separator)
}

/// The message a `Content-Type` names, if it is one of `accepted`; the text of the refusal
/// otherwise. No content type at all means version 1.
pub(super) fn message(content_type: &str, accepted: &[Message]) -> Result<Message, String> {
    let found = parse(content_type.trim())?;
    if accepted.contains(&found) {
        return Ok(found);
    }
    Err(format!(
        "{} protobuf message is not accepted by this server; accepted [{}]",
        found.as_str(),
        names(accepted, " ")
    ))
}

fn parse(content_type: &str) -> Result<Message, String> {
    if content_type.is_empty() {
        return Ok(Message::V1);
    }
    let mut parts = content_type.split(';');
    if parts.next() != Some("application/x-protobuf") {
        return Err(format!(
            "expected application/x-protobuf as the first (media) part, got {content_type} content-type"
        ));
    }
    for part in parts {
        let mut halves = part.split('=');
        let (Some(key), Some(value), None) = (halves.next(), halves.next(), halves.next()) else {
            return Err(format!(
                "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be key-values, got {part} in {content_type} content-type"
            ));
        };
        if key == "proto" {
            return Message::from_name(value).ok_or_else(|| {
                format!(
                    "got {content_type} content type; unknown remote write protobuf message {value}, supported: {}",
                    names(&[Message::V1, Message::V2], ", ")
                )
            });
        }
    }
    Ok(Message::V1)
}

/// Refuses encodings other than snappy, which is also what none means.
pub(super) fn encoding(content_encoding: &str) -> Result<(), String> {
    match content_encoding.trim() {
        "" => Ok(()),
        name if name.eq_ignore_ascii_case("snappy") => Ok(()),
        other => Err(format!(
            "{other} encoding (compression) is not accepted by this server; only snappy is acceptable"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[Message] = &[Message::V1, Message::V2];

    #[test]
    fn content_types_name_messages() {
        let check = |content_type: &str, expected| {
            assert_eq!(message(content_type, BOTH), Ok(expected), "{content_type}");
        };
        check("", Message::V1);
        check("application/x-protobuf", Message::V1);
        check("application/x-protobuf;charset=utf8", Message::V1);
        check(
            "application/x-protobuf;proto=prometheus.WriteRequest",
            Message::V1,
        );
        check(
            "application/x-protobuf;a=b;proto=io.prometheus.write.v2.Request",
            Message::V2,
        );
        check(
            "application/x-protobuf;proto=prometheus.WriteRequest;proto=x",
            Message::V1,
        );
    }

    #[test]
    fn other_content_types_are_refused_in_the_references_words() {
        let check = |content_type: &str, expected: &str| {
            assert_eq!(
                message(content_type, BOTH),
                Err(expected.to_owned()),
                "{content_type}"
            );
        };
        check(
            "application/json",
            "expected application/x-protobuf as the first (media) part, got application/json content-type",
        );
        check(
            "application/x-protobuf ; proto = prometheus.WriteRequest",
            "expected application/x-protobuf as the first (media) part, got application/x-protobuf ; proto = prometheus.WriteRequest content-type",
        );
        check(
            "application/x-protobuf;proto=nope",
            "got application/x-protobuf;proto=nope content type; unknown remote write protobuf message nope, supported: prometheus.WriteRequest, io.prometheus.write.v2.Request",
        );
        check(
            "application/x-protobuf;charset",
            "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be key-values, got charset in application/x-protobuf;charset content-type",
        );
        assert_eq!(
            message(
                "application/x-protobuf;proto=io.prometheus.write.v2.Request",
                &[Message::V1]
            ),
            Err("io.prometheus.write.v2.Request protobuf message is not accepted by this server; accepted [prometheus.WriteRequest]".to_owned())
        );
    }

    #[test]
    fn only_snappy_is_unpacked() {
        assert_eq!(encoding(""), Ok(()));
        assert_eq!(encoding(" SNAPPY "), Ok(()));
        assert_eq!(
            encoding("gzip"),
            Err("gzip encoding (compression) is not accepted by this server; only snappy is acceptable".to_owned())
        );
    }
}
