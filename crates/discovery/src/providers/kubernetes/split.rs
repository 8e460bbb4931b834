//! Cuts a stream of JSON into objects as it comes, so that neither a list nor a watch is ever held whole.
//!
//! A list is one object whose `items` are handed out one by one; what is left around them (the
//! envelope, with the list's version) is handed out at its end. A watch is one object after the
//! other. The splitter knows texts, escapes and nesting; whether what it cuts out is good JSON is for
//! its reader to say.

/// Most bytes of one object. The API's store takes objects of up to 1.5 MiB, some settings more.
pub(super) const OBJECT_BYTES_MAX: usize = 16 << 20;
/// Most bytes of a list around its items.
const ENVELOPE_BYTES_MAX: usize = 1 << 20;

/// More of a key is not looked at.
const KEY_BYTES_MAX: usize = 16;

/// What is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One object with `items`.
    List,
    /// Objects.
    Watch,
}

/// A piece of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// An item of a list or an event of a watch.
    Object(&'a [u8]),
    /// A list without its items.
    Envelope(&'a [u8]),
}

/// Why a stream cannot be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SplitError {
    #[error("an object of the API server is larger than {OBJECT_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the API server's answer is no JSON list or sequence of objects")]
    Malformed,
}

/// Cuts one stream.
#[derive(Debug)]
pub(super) struct Splitter {
    form: Form,
    /// The object or envelope so far. Objects of a list are collected apart from its envelope.
    object: Vec<u8>,
    envelope: Vec<u8>,
    depth: usize,
    in_text: bool,
    escaped: bool,
    in_items: bool,
    /// The last text at the depth of the list's keys, while it may be one.
    key: Vec<u8>,
    /// The list is over: only blanks may follow.
    ended: bool,
    /// A piece was handed out: its memory is free at the next call.
    handed_out: bool,
}

impl Splitter {
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            object: Vec::new(),
            envelope: Vec::new(),
            depth: 0,
            in_text: false,
            escaped: false,
            in_items: false,
            key: Vec::new(),
            ended: false,
            handed_out: false,
        }
    }

    /// The next piece that ends in `chunk`, of which is cut off what was looked at; `None` when
    /// `chunk` is used up.
    pub(super) fn next<'a>(
        &'a mut self,
        chunk: &mut &[u8],
    ) -> Result<Option<Piece<'a>>, SplitError> {
        if std::mem::take(&mut self.handed_out) {
            self.object.clear();
        }
        while let Some((&byte, rest)) = chunk.split_first() {
            if self.in_text {
                self.text(chunk)?;
                continue;
            }
            *chunk = rest;
            if self.structure(byte)? {
                self.handed_out = true;
                return Ok(Some(match (self.form, self.ended) {
                    (Form::List, true) => Piece::Envelope(&self.envelope),
                    _ => Piece::Object(&self.object),
                }));
            }
        }
        Ok(None)
    }

    /// Whether the stream may end here.
    pub(super) fn is_at_end(&self) -> bool {
        match self.form {
            Form::List => self.ended,
            Form::Watch => self.depth == 0,
        }
    }

    /// The depth between objects, where the stream is at objects.
    fn base(&self) -> Option<usize> {
        match self.form {
            Form::Watch => Some(0),
            Form::List => self.in_items.then_some(2),
        }
    }

    fn is_in_object(&self) -> bool {
        self.base().is_some_and(|base| self.depth > base)
    }

    /// Takes over the rest of a text, or as much as there is of it.
    fn text(&mut self, chunk: &mut &[u8]) -> Result<(), SplitError> {
        let end = if self.escaped {
            self.escaped = false;
            1
        } else {
            match memchr::memchr2(b'"', b'\\', chunk) {
                None => chunk.len(),
                Some(at) => {
                    match chunk.get(at) {
                        Some(b'"') => self.in_text = false,
                        _ => self.escaped = true,
                    }
                    at + 1
                }
            }
        };
        let (text, rest) = chunk.split_at_checked(end).unwrap_or((chunk, &[]));
        *chunk = rest;
        if self.depth == 1 && self.key.len() < KEY_BYTES_MAX {
            let part = text.get(..KEY_BYTES_MAX).unwrap_or(text);
            self.key.extend_from_slice(part);
        }
        self.keep(text)
    }

    /// Takes a byte outside texts. Whether a piece ends with it.
    fn structure(&mut self, byte: u8) -> Result<bool, SplitError> {
        if byte.is_ascii_whitespace() {
            return Ok(false);
        }
        if self.ended {
            return Err(SplitError::Malformed);
        }
        if self.depth == 0 || self.base() == Some(self.depth) {
            return self.between(byte);
        }
        match byte {
            b'"' => {
                if self.depth == 1 {
                    self.key.clear();
                }
                self.in_text = true;
            }
            b'[' if self.form == Form::List && self.depth == 1 && self.key == b"items\"" => {
                self.in_items = true;
                self.depth += 1;
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => return self.close(byte),
            _ => {}
        }
        self.keep(&[byte])?;
        Ok(false)
    }

    /// As [`structure`](Self::structure), where an object may begin and little else may be.
    fn between(&mut self, byte: u8) -> Result<bool, SplitError> {
        match byte {
            b'{' => {
                self.depth += 1;
                self.keep(b"{")?;
                Ok(false)
            }
            b',' if self.in_items => Ok(false),
            b']' if self.in_items => {
                self.in_items = false;
                self.depth -= 1;
                self.key.clear();
                self.keep(b"]")?;
                Ok(false)
            }
            _ => Err(SplitError::Malformed),
        }
    }

    fn close(&mut self, byte: u8) -> Result<bool, SplitError> {
        self.keep(&[byte])?;
        let was_in_object = self.is_in_object();
        self.depth -= 1;
        self.ended = self.depth == 0 && !was_in_object;
        Ok(self.ended || (was_in_object && !self.is_in_object()))
    }

    /// Keeps bytes of the object, or of the envelope.
    fn keep(&mut self, bytes: &[u8]) -> Result<(), SplitError> {
        let (buffer, max) = if self.is_in_object() {
            (&mut self.object, OBJECT_BYTES_MAX)
        } else {
            (&mut self.envelope, ENVELOPE_BYTES_MAX)
        };
        if bytes.len() > max.saturating_sub(buffer.len()) {
            return Err(SplitError::TooLarge);
        }
        buffer.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pieces of `text`, given in chunks of `len` bytes.
    fn cut(form: Form, text: &str, len: usize) -> Result<Vec<String>, SplitError> {
        let mut splitter = Splitter::new(form);
        let mut pieces = Vec::new();
        for mut chunk in text.as_bytes().chunks(len) {
            while let Some(piece) = splitter.next(&mut chunk)? {
                let (kind, bytes) = match piece {
                    Piece::Object(bytes) => ("o", bytes),
                    Piece::Envelope(bytes) => ("e", bytes),
                };
                pieces.push(format!("{kind} {}", String::from_utf8_lossy(bytes)));
            }
            assert!(chunk.is_empty());
        }
        assert!(splitter.is_at_end(), "{text}");
        Ok(pieces)
    }

    #[test]
    fn a_list_is_cut_into_items_wherever_its_chunks_end() {
        let text = r#" {"kind": "items", "items": [ {"a": "}\\\"]", "items": [1]} , {} ],
            "metadata": {"items": [2], "x": "items"}} "#;
        let expected = [
            r#"o {"a":"}\\\"]","items":[1]}"#,
            "o {}",
            r#"e {"kind":"items","items":[],"metadata":{"items":[2],"x":"items"}}"#,
        ];
        for len in 1..text.len() {
            assert_eq!(cut(Form::List, text, len).unwrap(), expected, "{len}");
        }
        let empty = r#"{"items":null,"metadata":{}}"#;
        assert_eq!(cut(Form::List, empty, 3).unwrap(), [format!("e {empty}")]);
    }

    #[test]
    fn a_watch_is_cut_into_events() {
        let text = "{\"a\":[{}]}\n\n{\"b\":\"{\"}{}";
        let expected = ["o {\"a\":[{}]}", "o {\"b\":\"{\"}", "o {}"];
        for len in 1..text.len() {
            assert_eq!(cut(Form::Watch, text, len).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "[]",
            "1",
            "\"a\"",
            "{\"items\":[1]}",
            "{\"items\":[\"a\"]}",
            "{} {}",
            "}",
        ] {
            assert_eq!(
                cut(Form::List, text, 7),
                Err(SplitError::Malformed),
                "{text}"
            );
        }
        for text in ["[]", "a", "{}1", "{},{}", "]"] {
            assert_eq!(
                cut(Form::Watch, text, 7),
                Err(SplitError::Malformed),
                "{text}"
            );
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let mut splitter = Splitter::new(Form::Watch);
        let endless = vec![b'a'; 1 << 20];
        let mut refused = splitter.next(&mut &b"{\"a"[..]).err();
        for _ in 0..17 {
            refused = refused.or(splitter.next(&mut &endless[..]).err());
        }
        assert_eq!(refused, Some(SplitError::TooLarge));
        let mut splitter = Splitter::new(Form::List);
        let mut refused = splitter.next(&mut &b"{\"a"[..]).err();
        refused = refused.or(splitter.next(&mut &endless[..]).err());
        assert_eq!(refused, Some(SplitError::TooLarge));
    }
}
