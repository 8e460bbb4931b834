//! Groups: `(…)`, `(?:…)`, `(?P<name>…)`, `(?flags)`.

use super::node::Frame;
use super::{Flags, Parser, Result_, before, error};

impl<'a> Parser<'a> {
    /// Opens a group; `Some` name, empty or not, makes it a capturing one.
    pub(super) fn open_group(&mut self, name: Option<&str>) {
        let capture = name.map(|name| {
            self.group_names.push(name.into());
            u32::try_from(self.group_names.len() - 1).unwrap_or(u32::MAX)
        });
        self.frames.push(Frame::new(capture, self.flags));
    }

    pub(super) fn close_group(&mut self) -> Result_<()> {
        if self.frames.len() < 2 {
            return Err(self.whole_error("unexpected )"));
        }
        if let Some(frame) = self.frames.pop() {
            self.flags = frame.flags;
            let node = self.checked(frame.finish())?;
            self.frame().push(node);
        }
        Ok(())
    }

    /// Reads what starts with `(?`.
    pub(super) fn perl_group(&mut self, rest: &'a str) -> Result_<&'a str> {
        let named = match rest.as_bytes() {
            [_, _, b'P', b'<', _, ..] => Some(4),
            [_, _, b'<', _, ..] => Some(3),
            _ => None,
        };
        match named {
            Some(name_at) => self.named_group(rest, name_at),
            None => self.flag_group(rest),
        }
    }

    fn named_group(&mut self, rest: &'a str, name_at: usize) -> Result_<&'a str> {
        let Some(end) = rest.find('>') else {
            return Err(error("invalid named capture", rest));
        };
        let name = rest.get(name_at..end).unwrap_or("");
        let in_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
        if name.is_empty() || !name.chars().all(in_name) {
            return Err(error("invalid named capture", &rest[..=end]));
        }
        self.open_group(Some(name));
        Ok(&rest[end + 1..])
    }

    /// `(?flags)` or `(?flags:…)`.
    fn flag_group(&mut self, rest: &'a str) -> Result_<&'a str> {
        let mut flags = self.flags;
        let (mut on, mut saw_flag) = (true, false);
        let mut characters = rest[2..].chars();
        while let Some(character) = characters.next() {
            match character {
                '-' if on => {
                    on = false;
                    saw_flag = false;
                }
                ':' | ')' if on || saw_flag => {
                    if character == ':' {
                        // The group remembers the flags outside it.
                        self.open_group(None);
                    }
                    self.flags = flags;
                    return Ok(characters.as_str());
                }
                letter => {
                    let Some(flag) = flag(&mut flags, letter) else {
                        break;
                    };
                    *flag = on;
                    saw_flag = true;
                }
            }
        }
        let read = before(rest, characters.as_str());
        Err(error("invalid or unsupported Perl syntax", read))
    }
}

fn flag(flags: &mut Flags, letter: char) -> Option<&mut bool> {
    match letter {
        'i' => Some(&mut flags.fold_case),
        'm' => Some(&mut flags.multi_line),
        's' => Some(&mut flags.dot_all),
        'U' => Some(&mut flags.non_greedy),
        _ => None,
    }
}
