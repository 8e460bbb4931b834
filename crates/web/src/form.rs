//! Form values of a request: the query string, and for POST a urlencoded body, read as Go's
//! `net/url` and `net/http` do.

use gocompat::url::{self, Part};

/// Parameters by name, body values before those of the query string.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    pairs: Vec<(String, String)>,
    /// The first thing that could not be read; most endpoints ignore it and use the rest.
    error: Option<String>,
}

impl Form {
    /// Reads a query string and, if there is one, the body of a form.
    pub(crate) fn parse(query: &str, body: Option<&[u8]>) -> Self {
        let mut form = Self::default();
        if let Some(body) = body {
            form.read(&String::from_utf8_lossy(body));
        }
        form.read(query);
        form
    }

    fn read(&mut self, text: &str) {
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pair.contains(';') {
                let error = "invalid semicolon separator in query".to_owned();
                self.error.get_or_insert(error);
                continue;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (unescape(name), unescape(value)) {
                (Ok(name), Ok(value)) => self.pairs.push((name, value)),
                (Err(error), _) | (_, Err(error)) => {
                    self.error.get_or_insert(error);
                }
            }
        }
    }

    /// The first value of a parameter; empty if it is not there.
    pub(crate) fn value(&self, name: &str) -> &str {
        let first = self.pairs.iter().find(|(found, _)| found == name);
        first.map_or("", |(_, value)| value)
    }

    /// All values of a parameter.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.pairs
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// What could not be read, for the endpoints that insist.
    pub(crate) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

/// Undoes query escaping; bytes that are no UTF-8 become replacement characters.
fn unescape(text: &str) -> Result<String, String> {
    url::unescape(text, Part::Query).map(|bytes| match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(err) => String::from_utf8_lossy(err.as_bytes()).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_values_come_before_the_query_string() {
        let form = Form::parse("a=1&b=2", Some(b"a=3&c=%41+b"));
        assert_eq!(form.value("a"), "3");
        assert_eq!(form.values("a").collect::<Vec<_>>(), ["3", "1"]);
        assert_eq!(
            (form.value("b"), form.value("c"), form.value("d")),
            ("2", "A b", "")
        );
        assert_eq!(form.error(), None);
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_remembered() {
        let form = Form::parse("a=%zz&b=1;c=2&d=4&e=%4", None);
        assert_eq!(
            (form.value("a"), form.value("b"), form.value("d")),
            ("", "", "4")
        );
        assert_eq!(form.error(), Some("invalid URL escape \"%zz\""));
        assert_eq!(
            Form::parse("x=1;y", None).error(),
            Some("invalid semicolon separator in query")
        );
        assert_eq!(
            Form::parse("x=%4", None).error(),
            Some("invalid URL escape \"%4\"")
        );
    }

    #[test]
    fn bytes_that_are_no_text_become_replacement_characters() {
        assert_eq!(Form::parse("q=%ff", None).value("q"), "\u{fffd}");
    }
}
