//! The field's values as configuration files write them: durations, sizes, label sets, name schemes.

use std::collections::BTreeMap;
use std::ops::Deref;

use gocompat::quote::{quote, quote_bytes};
use yaml::document::Kind;
use yaml::resolve::Resolved;
use yaml::{Decoder, Fatal, NodeId, Tree, Yaml};

use crate::duration;
use crate::label_name::NameScheme;

/// A duration such as `1h30m`, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(i64);

impl Duration {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// A duration of `ms` milliseconds.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// A duration of `seconds` seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds * 1000)
    }

    /// In milliseconds.
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// As the standard library has it; negative ones become nothing.
    pub fn as_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }
}

impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&duration::format(self.0))
    }
}

impl Yaml for Duration {
    fn go_type() -> String {
        "model.Duration".to_owned()
    }

    fn zero() -> Self {
        Self(0)
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        let Some(text) = text(decoder, id)? else {
            return Ok(());
        };
        self.0 = duration::parse(&text).map_err(|err| Fatal::new(err.to_string()))?;
        Ok(())
    }

    fn encode(&self) -> Tree {
        Tree::Text(self.to_string())
    }

    fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

/// A size such as `15MB`, in bytes; `KB` and `KiB` both mean 1024.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(i64);

impl ByteSize {
    /// A size of `bytes`.
    pub const fn from_bytes(bytes: i64) -> Self {
        Self(bytes)
    }

    /// In bytes; 0 where none was given.
    pub const fn as_bytes(self) -> i64 {
        self.0
    }

    /// Reads a size such as `1GB512MB`; errors in the reference's words.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_units(text, "iB").or_else(|_| Self::parse_units(text, "B"))
    }

    fn parse_units(text: &str, suffix: &str) -> Result<Self, String> {
        let invalid = || format!("units: invalid {text}");
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total = 0.0;
        while !rest.is_empty() {
            let digits_end = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(rest.len());
            let (digits, after) = rest.split_at(digits_end);
            let amount: f64 = digits.parse().map_err(|_| invalid())?;
            let unit_end = after
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(after.len());
            let (unit, after) = after.split_at(unit_end);
            let factor = unit_factor(unit, suffix)
                .ok_or_else(|| format!("units: unknown unit {unit} in {text}"))?;
            total += amount * factor;
            rest = after;
        }
        if total >= 9.3e18 {
            return Err("units: overflow parsing unit".to_owned());
        }
        let bytes = total as i64;
        Ok(Self(if negative { -bytes } else { bytes }))
    }
}

fn unit_factor(unit: &str, suffix: &str) -> Option<f64> {
    if unit == "B" {
        return Some(1.0);
    }
    let letter = unit.strip_suffix(suffix)?;
    let power = ["K", "M", "G", "T", "P", "E"]
        .iter()
        .position(|known| *known == letter)?;
    Some(1024f64.powi(i32::try_from(power).ok()? + 1))
}

impl std::fmt::Display for ByteSize {
    /// Units from the largest, each with its whole amount: `1MiB512KiB`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut left = self.0.unsigned_abs();
        if left == 0 {
            return f.write_str("0B");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        for (power, unit) in ["EiB", "PiB", "TiB", "GiB", "MiB", "KiB", "B"]
            .iter()
            .enumerate()
        {
            let size = 1u64 << (10 * (6 - power));
            let amount = left / size;
            if amount > 0 {
                write!(f, "{amount}{unit}")?;
                left -= amount * size;
            }
        }
        Ok(())
    }
}

impl Yaml for ByteSize {
    fn go_type() -> String {
        "units.Base2Bytes".to_owned()
    }

    fn zero() -> Self {
        Self(0)
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        if let Some((text, _)) = decoder.scalar(id, "units.Base2Bytes")? {
            *self = Self::parse(text)?;
        }
        Ok(())
    }

    fn encode(&self) -> Tree {
        Tree::Text(self.to_string())
    }

    fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

/// Labels as a file writes them: names checked, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSet(pub BTreeMap<String, String>);

impl Deref for LabelSet {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl LabelSet {
    /// As a packed label set.
    pub fn to_labels(&self) -> crate::Labels {
        crate::Labels::from_pairs(&self.0)
    }
}

impl Yaml for LabelSet {
    const NULLABLE: bool = true;

    fn go_type() -> String {
        "model.LabelSet".to_owned()
    }

    fn zero() -> Self {
        Self::default()
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        let Some(pairs) = decoder.mapping(id, "model.LabelSet")? else {
            return Ok(());
        };
        for &(key, _) in pairs {
            check_utf8(decoder, key)?;
        }
        self.0.decode(decoder, id)?;
        match self.0.keys().find(|name| name.is_empty()) {
            Some(name) => Err(Fatal::new(format!(
                "{} is not a valid label name",
                quote(name)
            ))),
            None => Ok(()),
        }
    }

    fn encode(&self) -> Tree {
        self.0.encode()
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }
}

/// Refuses a `!!binary` label name that is no text.
fn check_utf8(decoder: &Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
    let node = decoder.node(id);
    if let Kind::Scalar { value, plain } = &node.kind
        && let Ok(Resolved::Binary(bytes)) =
            yaml::resolve::resolve(value, &node.tag, *plain, decoder.dialect())
        && std::str::from_utf8(&bytes).is_err()
    {
        let text = format!("{} is not a valid label name", quote_bytes(&bytes));
        return Err(Fatal::new(text).at((node.line, node.column)));
    }
    Ok(())
}

/// Reads a scalar as text; `None` after a noted type error.
fn text(decoder: &mut Decoder<'_>, id: NodeId) -> Result<Option<String>, Fatal> {
    let mut text = String::new();
    let before = decoder.issue_count();
    decoder.read(&mut text, id)?;
    Ok((decoder.issue_count() == before).then_some(text))
}

/// `utf8` or `legacy`; nothing where the value is inherited.
impl Yaml for NameScheme {
    fn go_type() -> String {
        "model.ValidationScheme".to_owned()
    }

    fn zero() -> Self {
        Self::Utf8
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        let Some(text) = text(decoder, id)? else {
            return Ok(());
        };
        *self = match text.as_str() {
            "" | "utf8" => Self::Utf8,
            "legacy" => Self::Legacy,
            _ => {
                let text = format!("unrecognized ValidationScheme: {}", quote(&text));
                return Err(Fatal::new(text));
            }
        };
        Ok(())
    }

    fn encode(&self) -> Tree {
        Tree::Text(match self {
            Self::Utf8 => "utf8".to_owned(),
            Self::Legacy => "legacy".to_owned(),
        })
    }

    fn is_zero(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_print() {
        let check = |text: &str, printed: &str| {
            assert_eq!(
                ByteSize::parse(text).map(|size| size.to_string()),
                Ok(printed.to_owned())
            );
        };
        check("15MB", "15MiB");
        check("1.5GiB", "1GiB512MiB");
        check("0", "0B");
        check("100B", "100B");
        assert_eq!(
            ByteSize::parse("100"),
            Err("units: unknown unit  in 100".to_owned())
        );
        assert_eq!(ByteSize::parse("x"), Err("units: invalid x".to_owned()));
    }
}
