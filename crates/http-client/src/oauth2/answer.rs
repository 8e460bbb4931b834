//! What a token server answers: a token, or why there is none (RFC 6749, 5). Error texts are the
//! reference's.

use http::StatusCode;
use http::header::HeaderValue;
use serde_json::{Map, Value};
use tokio::time::{Duration, Instant};
use url::form_urlencoded;
use yaml::Secret;

/// Most bytes of an answer.
pub(super) const BYTES_MAX: usize = 1 << 20;
/// Most characters of an answer that are shown.
const SHOWN_MAX: usize = 1000;
/// The longest time a token is taken to be good for.
const SECONDS_MAX: u64 = i32::MAX as u64;

/// A token.
#[derive(Debug)]
pub(super) struct Token {
    kind: String,
    text: Secret,
    /// `None`: it does not end.
    expires: Option<Instant>,
}

impl Token {
    /// Whether it is good for longer than `margin`.
    pub(super) fn is_fresh(&self, margin: Duration) -> bool {
        self.expires.is_none_or(|end| Instant::now() + margin < end)
    }

    /// The value of `Authorization`.
    pub(super) fn authorization(&self) -> String {
        let kind = match self.kind.to_ascii_lowercase().as_str() {
            "" | "bearer" => "Bearer",
            "mac" => "MAC",
            "basic" => "Basic",
            _ => &self.kind,
        };
        format!("{kind} {}", self.text.expose())
    }
}

/// An answer of a token server.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) status: StatusCode,
    /// Its Content-Type.
    pub(super) kind: Option<&'a HeaderValue>,
    pub(super) body: &'a [u8],
    /// Whether it is read by the reference's rules for assertions, which always want JSON and do
    /// not look at error codes.
    pub(super) asserted: bool,
    /// What is not shown, should it stand in the answer.
    pub(super) hidden: &'a [String],
}

impl Answer<'_> {
    /// The token, or why there is none.
    pub(super) fn read(&self) -> Result<Token, String> {
        let is_form = !self.asserted && self.kind.is_some_and(is_form);
        let fields = match is_form {
            true => Ok(form(self.body)),
            false => serde_json::from_slice::<Map<String, Value>>(self.body),
        };
        let empty = Map::new();
        let known = fields.as_ref().unwrap_or(&empty);
        let get = |name: &str| known.get(name).and_then(Value::as_str).unwrap_or("");
        let code = if self.asserted { "" } else { get("error") };
        if !code.is_empty() {
            let parts = [code, get("error_description"), get("error_uri")];
            let parts = parts.iter().filter(|part| !part.is_empty());
            let parts: Vec<_> = parts
                .map(|part| format!("{:?}", self.shown(part)))
                .collect();
            return Err(format!("oauth2: {}", parts.join(" ")));
        }
        if !self.status.is_success() {
            let (code, reason) = (self.status.as_u16(), self.status.canonical_reason());
            let status = format!("{code} {}", reason.unwrap_or(""));
            let text = self.shown(&String::from_utf8_lossy(self.body));
            return Err(format!(
                "oauth2: cannot fetch token: {status}\nResponse: {text}"
            ));
        }
        if fields.is_err() {
            let what = if self.asserted {
                "fetch token"
            } else {
                "parse json"
            };
            // The parser's words may hold parts of a token.
            return Err(format!("oauth2: cannot {what}: invalid JSON"));
        }
        let text = get("access_token");
        if text.is_empty() {
            return Err("oauth2: server response missing access_token".to_owned());
        }
        let seconds = known.get("expires_in").and_then(seconds);
        let seconds = seconds.filter(|seconds| *seconds > 0);
        Ok(Token {
            kind: get("token_type").to_owned(),
            text: Secret::new(text),
            expires: seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)),
        })
    }

    /// The text without what is hidden, shortened.
    fn shown(&self, text: &str) -> String {
        let hidden = self.hidden.iter().filter(|hidden| !hidden.is_empty());
        let text = hidden.fold(text.to_owned(), |text, hidden| {
            text.replace(hidden.as_str(), "<secret>")
        });
        text.chars().take(SHOWN_MAX).collect()
    }
}

fn is_form(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or("").split(';').next().unwrap_or("");
    let kind = kind.trim().to_ascii_lowercase();
    kind == "application/x-www-form-urlencoded" || kind == "text/plain"
}

fn form(body: &[u8]) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        let field = fields.entry(name.into_owned());
        field.or_insert_with(|| Value::from(value.into_owned()));
    }
    fields
}

/// A number, or a text that is one.
fn seconds(value: &Value) -> Option<u64> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    number.map(|number: u64| number.min(SECONDS_MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    const FORM: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

    fn read(
        status: StatusCode,
        kind: Option<&HeaderValue>,
        body: &[u8],
        asserted: bool,
    ) -> Result<Token, String> {
        let answer = Answer {
            status,
            kind,
            body,
            asserted,
            hidden: &["s3cret".to_owned()],
        };
        answer.read()
    }

    #[test]
    fn tokens_are_read_in_both_forms() {
        let body = br#"{"access_token":"t","token_type":"bearer","expires_in":"3600"}"#;
        let token = read(StatusCode::OK, Some(&JSON), body, false).unwrap();
        assert_eq!(token.authorization(), "Bearer t");
        assert!(token.is_fresh(Duration::from_secs(3000)));
        assert!(!token.is_fresh(Duration::from_secs(4000)));
        assert!(!format!("{token:?}").contains("\"t\""));
        let body = b"access_token=t&token_type=Custom";
        let token = read(StatusCode::OK, Some(&FORM), body, false).unwrap();
        assert_eq!(token.authorization(), "Custom t");
        assert!(token.is_fresh(Duration::MAX / 4));
    }

    #[test]
    fn refusals_speak_as_the_reference_does() {
        let check = |status: u16, body: &str, asserted, expected: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            let read = read(status, Some(&JSON), body.as_bytes(), asserted);
            assert_eq!(read.unwrap_err(), expected);
        };
        check(
            401,
            "no s3cret",
            false,
            "oauth2: cannot fetch token: 401 Unauthorized\nResponse: no <secret>",
        );
        let coded = r#"{"error":"invalid_client","error_description":"who?"}"#;
        check(400, coded, false, r#"oauth2: "invalid_client" "who?""#);
        let shown = format!("oauth2: cannot fetch token: 400 Bad Request\nResponse: {coded}");
        check(400, coded, true, &shown);
        check(
            200,
            "{}",
            false,
            "oauth2: server response missing access_token",
        );
        check(
            200,
            "secret",
            false,
            "oauth2: cannot parse json: invalid JSON",
        );
    }

    proptest! {
        /// No answer makes the reader panic, and what it shows of it is short.
        #[test]
        fn any_answer_is_read(body in proptest::collection::vec(any::<u8>(), 0..3000), status in 200_u16..600, form: bool, asserted: bool) {
            let kind = if form { FORM } else { JSON };
            let status = StatusCode::from_u16(status).unwrap();
            if let Err(text) = read(status, Some(&kind), &body, asserted) {
                prop_assert!(text.chars().count() < 10 * SHOWN_MAX);
            }
        }
    }
}
