//! The words of the command line: flags in any place, then the rest.

/// A flag that may be given.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Name without dashes.
    pub name: &'static str,
    /// Whether a value follows.
    pub takes_value: bool,
}

/// A parsed command line.
#[derive(Debug, Default)]
pub struct Args {
    flags: Vec<(&'static str, String)>,
    /// What is no flag, in order.
    pub words: Vec<String>,
}

impl Args {
    /// Parses `words`. Errors name the flag.
    pub fn parse(words: &[String], known: &[Flag]) -> Result<Self, String> {
        let mut args = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix("--") else {
                match word.strip_prefix('-') {
                    Some("h") => args.flags.push(("help", "true".to_owned())),
                    Some(short) if !short.is_empty() => {
                        let letter = short.chars().next().unwrap_or('-');
                        return Err(format!("unknown short flag '-{letter}'"));
                    }
                    _ => args.words.push(word.clone()),
                }
                continue;
            };
            if flag.is_empty() {
                args.words.extend(words.by_ref().cloned());
                break;
            }
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag, None),
            };
            let plain = known.iter().find(|flag| flag.name == name);
            let negated = name.strip_prefix("no-").and_then(|name| {
                known
                    .iter()
                    .find(|flag| flag.name == name && !flag.takes_value)
            });
            match (plain, negated, value) {
                (
                    Some(Flag {
                        name,
                        takes_value: true,
                    }),
                    _,
                    Some(value),
                ) => {
                    args.flags.push((name, value.to_owned()));
                }
                (
                    Some(Flag {
                        name,
                        takes_value: true,
                    }),
                    _,
                    None,
                ) => {
                    let value = words.next();
                    let value = value.ok_or(format!("expected argument for flag '--{name}'"))?;
                    args.flags.push((name, value.clone()));
                }
                (Some(Flag { name, .. }), _, None) => args.flags.push((name, "true".to_owned())),
                (None, Some(Flag { name, .. }), None) => {
                    args.flags.push((name, "false".to_owned()));
                }
                (Some(_), _, Some(value)) | (None, Some(_), Some(value)) => {
                    return Err(format!("unexpected argument '{value}'"));
                }
                (None, None, _) => return Err(format!("unknown long flag '--{name}'")),
            }
        }
        Ok(args)
    }

    /// Whether switch `name` is on; the last one counts.
    pub fn is_set(&self, name: &str) -> bool {
        self.values(name).last() == Some("true")
    }

    /// Values of flag `name`, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let flags = self.flags.iter();
        flags
            .filter(move |(found, _)| *found == name)
            .map(|(_, value)| value.as_str())
    }
}
