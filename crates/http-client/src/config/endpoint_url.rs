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
        let url = gocompat::url::parse(text).map_err(|err| err.to_string())?;
        Ok(Self {
            text: text.to_owned(),
            scheme: url.scheme,
            host: url.host,
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
