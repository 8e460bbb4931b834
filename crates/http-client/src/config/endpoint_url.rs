//! A URL as the reference reads it: laxly. What can be requested is checked when it is.

use yaml::{Decoder, Fatal, NodeId, Tree, Yaml};

/// A URL kept as written, with the parts that validation looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointUrl {
    text: String,
    scheme: String,
    host: String,
}

impl EndpointUrl {
    /// Reads `text`; errors are the reference's.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fail = |why: &str| Err(format!("parse {text:?}: {why}"));
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return fail("net/url: invalid control character in URL");
        }
        let without_fragment = text.split('#').next().unwrap_or("");
        let (scheme, rest) = match split_scheme(without_fragment) {
            Ok(split) => split,
            Err(why) => return fail(why),
        };
        let Some(after) = rest.strip_prefix("//") else {
            let first = rest.split('/').next().unwrap_or("");
            if scheme.is_empty() && first.contains(':') {
                return fail("first path segment in URL cannot contain colon");
            }
            return Ok(Self {
                text: text.to_owned(),
                scheme,
                host: String::new(),
            });
        };
        let authority = after.split(['/', '?']).next().unwrap_or("");
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let after_name = match host.rfind(']') {
            Some(end) => &host[end + 1..],
            None if host.starts_with('[') => return fail("missing ']' in host"),
            None => host.find(':').map_or("", |colon| &host[colon..]),
        };
        let port_ok = after_name.is_empty()
            || after_name
                .strip_prefix(':')
                .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        if !port_ok {
            return fail(&format!("invalid port {after_name:?} after host"));
        }
        if let Some(bad) = host.chars().find(|c| " <>\"{}|\\^`".contains(*c)) {
            return fail(&format!(
                "invalid character {:?} in host name",
                bad.to_string()
            ));
        }
        if let Some(escape) = bad_escape(rest) {
            return fail(&format!("invalid URL escape {escape:?}"));
        }
        Ok(Self {
            text: text.to_owned(),
            scheme,
            host: host.to_owned(),
        })
    }

    /// The text, password and all.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme in lower case, or empty.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Host and port, or empty.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The text with any password replaced by `xxxxx`, for printing.
    pub fn redacted(&self) -> String {
        let Some(start) = self.text.find("//").map(|at| at + 2) else {
            return self.text.clone();
        };
        let authority_len = self.text[start..].find(['/', '?', '#']);
        let end = authority_len.map_or(self.text.len(), |len| start + len);
        let authority = &self.text[start..end];
        let Some((user, host)) = authority.rsplit_once('@') else {
            return self.text.clone();
        };
        match user.split_once(':') {
            Some((name, _)) => {
                format!(
                    "{}{name}:xxxxx@{host}{}",
                    &self.text[..start],
                    &self.text[end..]
                )
            }
            None => self.text.clone(),
        }
    }
}

/// The scheme, in lower case, and what follows its colon.
fn split_scheme(text: &str) -> Result<(String, &str), &'static str> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme"),
            b':' => return Ok((text[..at].to_ascii_lowercase(), &text[at + 1..])),
            _ => break,
        }
    }
    Ok((String::new(), text))
}

/// The first `%` that does not start two hexadecimal digits.
fn bad_escape(text: &str) -> Option<&str> {
    for (at, _) in text.match_indices('%') {
        let digits = text.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Some(text.get(at..at + 3).unwrap_or(&text[at..]));
        }
    }
    None
}

impl Yaml for EndpointUrl {
    fn go_type() -> String {
        "config.URL".to_owned()
    }

    fn zero() -> Self {
        Self::default()
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        let mut text = String::new();
        let before = decoder.issue_count();
        decoder.read(&mut text, id)?;
        if decoder.issue_count() == before {
            *self = Self::parse(&text)?;
        }
        Ok(())
    }

    fn encode(&self) -> Tree {
        Tree::Text(self.redacted())
    }

    fn is_zero(&self) -> bool {
        self.text.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::EndpointUrl;

    #[test]
    fn reads_the_parts_and_hides_the_password() {
        let url = EndpointUrl::parse("http://u:p@h:80/x?y").expect("valid");
        assert_eq!((url.scheme(), url.host()), ("http", "h:80"));
        assert_eq!(url.redacted(), "http://u:xxxxx@h:80/x?y");
        let bare = EndpointUrl::parse("eureka.com").expect("valid");
        assert_eq!((bare.scheme(), bare.host()), ("", ""));
    }

    #[test]
    fn refuses_in_the_reference_words() {
        let check = |text: &str, expected: &str| {
            assert_eq!(
                EndpointUrl::parse(text).map(|_| ()),
                Err(expected.to_owned())
            );
        };
        check(
            "http://h:x/",
            r#"parse "http://h:x/": invalid port ":x" after host"#,
        );
        check(":x", r#"parse ":x": missing protocol scheme"#);
        check(
            "a%zz://",
            r#"parse "a%zz://": first path segment in URL cannot contain colon"#,
        );
        check(
            "http://h/%zz",
            r#"parse "http://h/%zz": invalid URL escape "%zz""#,
        );
    }
}
