//! How plain Rust values, lists, maps, secrets and paths read and print.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::decode::{Decoder, Yaml};
use crate::document::NodeId;
use crate::encode::Tree;
use crate::error::Fatal;
use crate::resolve::Resolved;

/// Bytes as text, or the error that a string of invalid UTF-8 gives.
fn text_of(bytes: Vec<u8>) -> Result<String, Fatal> {
    String::from_utf8(bytes).map_err(|err| {
        let shown = err.as_bytes().escape_ascii().to_string();
        // What the reference says where it checks; there it checks label names first of all.
        Fatal::new(format!("\"{shown}\" is not a valid label name"))
    })
}

impl Yaml for String {
    fn go_type() -> String {
        "string".to_owned()
    }

    fn zero() -> Self {
        Self::new()
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        match decoder.scalar(id, "string")? {
            Some((_, Resolved::Binary(bytes))) => *self = text_of(bytes)?,
            Some((text, _)) => text.clone_into(self),
            None => {}
        }
        Ok(())
    }

    fn encode(&self) -> Tree {
        Tree::Text(self.clone())
    }

    fn is_zero(&self) -> bool {
        self.is_empty()
    }
}

impl Yaml for bool {
    fn go_type() -> String {
        "bool".to_owned()
    }

    fn zero() -> Self {
        false
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        match decoder.scalar(id, "bool")? {
            Some((_, Resolved::Bool(value))) => *self = value,
            Some((text, Resolved::Text)) if decoder.dialect() == crate::Dialect::V3 => match text {
                "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => *self = true,
                "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => *self = false,
                _ => decoder.mismatch(id, "bool"),
            },
            Some(_) => decoder.mismatch(id, "bool"),
            None => {}
        }
        Ok(())
    }

    fn encode(&self) -> Tree {
        Tree::Bool(*self)
    }

    fn is_zero(&self) -> bool {
        !*self
    }
}

impl Yaml for i64 {
    fn go_type() -> String {
        "int".to_owned()
    }

    fn zero() -> Self {
        0
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        match decoder.scalar(id, "int")? {
            Some((_, Resolved::Int(value))) => *self = value,
            // The reference cuts the fraction off; the bound keeps the cast exact.
            Some((_, Resolved::Float(value))) if value.abs() < 9.2e18 => *self = value as Self,
            Some(_) => decoder.mismatch(id, "int"),
            None => {}
        }
        Ok(())
    }

    fn encode(&self) -> Tree {
        Tree::Int(*self)
    }

    fn is_zero(&self) -> bool {
        *self == 0
    }
}

impl Yaml for u64 {
    fn go_type() -> String {
        "uint".to_owned()
    }

    fn zero() -> Self {
        0
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        match decoder.scalar(id, "uint")? {
            Some((_, Resolved::Int(value))) if value >= 0 => *self = value.unsigned_abs(),
            Some((_, Resolved::Uint(value))) => *self = value,
            Some((_, Resolved::Float(value))) if (0.0..1.8e19).contains(&value) => {
                *self = value as Self;
            }
            Some(_) => decoder.mismatch(id, "uint"),
            None => {}
        }
        Ok(())
    }

    fn encode(&self) -> Tree {
        Tree::Uint(*self)
    }

    fn is_zero(&self) -> bool {
        *self == 0
    }
}

impl Yaml for f64 {
    fn go_type() -> String {
        "float64".to_owned()
    }

    fn zero() -> Self {
        0.0
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        match decoder.scalar(id, "float64")? {
            Some((_, Resolved::Int(value))) => *self = value as Self,
            Some((_, Resolved::Uint(value))) => *self = value as Self,
            Some((_, Resolved::Float(value))) => *self = value,
            Some(_) => decoder.mismatch(id, "float64"),
            None => {}
        }
        Ok(())
    }

    fn encode(&self) -> Tree {
        Tree::Float(*self)
    }

    fn is_zero(&self) -> bool {
        *self == 0.0
    }
}

/// Present or null.
impl<T: Yaml + Default> Yaml for Option<T> {
    const NULLABLE: bool = true;

    fn go_type() -> String {
        format!("*{}", T::go_type())
    }

    fn zero() -> Self {
        None
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        self.get_or_insert_with(T::zero).decode(decoder, id)
    }

    fn encode(&self) -> Tree {
        self.as_ref().map_or(Tree::Null, Yaml::encode)
    }

    fn is_zero(&self) -> bool {
        self.is_none()
    }

    fn visit_paths(&mut self, visit: &mut dyn FnMut(&mut String)) {
        if let Some(value) = self {
            value.visit_paths(visit);
        }
    }
}

impl<T: Yaml> Yaml for Vec<T> {
    const NULLABLE: bool = true;

    fn go_type() -> String {
        format!("[]{}", T::go_type())
    }

    fn zero() -> Self {
        Self::new()
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        let Some(items) = decoder.sequence(id, &Self::go_type()) else {
            return Ok(());
        };
        self.clear();
        for &item in items {
            let mut value = T::zero();
            let before = decoder.issue_count();
            decoder.read(&mut value, item)?;
            if decoder.issue_count() == before {
                self.push(value);
            }
        }
        Ok(())
    }

    fn encode(&self) -> Tree {
        Tree::Sequence(self.iter().map(Yaml::encode).collect())
    }

    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn visit_paths(&mut self, visit: &mut dyn FnMut(&mut String)) {
        for item in self {
            item.visit_paths(visit);
        }
    }
}

impl<T: Yaml> Yaml for BTreeMap<String, T> {
    const NULLABLE: bool = true;

    fn go_type() -> String {
        format!("map[string]{}", T::go_type())
    }

    fn zero() -> Self {
        Self::new()
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        let go_type = Self::go_type();
        let Some(pairs) = decoder.mapping(id, &go_type)? else {
            return Ok(());
        };
        let v3 = decoder.dialect() == crate::Dialect::V3;
        let mut merges = Vec::new();
        for &(key, value) in pairs {
            if decoder.is_merge_key(key) {
                if v3 {
                    merges.push(value);
                } else {
                    decoder.with_merged(value, |decoder, map| self.decode(decoder, map))?;
                }
                continue;
            }
            let Some(name) = decoder.key(key)? else {
                continue;
            };
            let before = decoder.issue_count();
            let mut item = T::zero();
            decoder.read(&mut item, value)?;
            if decoder.issue_count() != before {
                continue;
            }
            if self.contains_key(&name) && decoder.repeated_entry(value, &name) {
                continue;
            }
            self.insert(name, item);
        }
        for value in merges {
            decoder.with_merged(value, |decoder, map| {
                let mut merged = Self::new();
                merged.decode(decoder, map)?;
                for (name, item) in merged {
                    self.entry(name).or_insert(item);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn encode(&self) -> Tree {
        Tree::Map(
            self.iter()
                .map(|(name, value)| (name.clone(), value.encode()))
                .collect(),
        )
    }

    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn visit_paths(&mut self, visit: &mut dyn FnMut(&mut String)) {
        for item in self.values_mut() {
            item.visit_paths(visit);
        }
    }
}

/// A list whose null entries are remembered, because the owner's validation refuses them with a
/// text of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Entries<T> {
    items: Vec<T>,
    has_null: bool,
}

impl<T> Entries<T> {
    /// Whether an entry was null.
    pub fn has_null(&self) -> bool {
        self.has_null
    }
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            has_null: false,
        }
    }
}

impl<T> From<Vec<T>> for Entries<T> {
    fn from(items: Vec<T>) -> Self {
        Self {
            items,
            has_null: false,
        }
    }
}

impl<T> Deref for Entries<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.items
    }
}

impl<T> DerefMut for Entries<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.items
    }
}

impl<'a, T> IntoIterator for &'a Entries<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl<T> IntoIterator for Entries<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<T: Yaml> Yaml for Entries<T> {
    const NULLABLE: bool = true;

    fn go_type() -> String {
        format!("[]*{}", T::go_type())
    }

    fn zero() -> Self {
        Self::default()
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        let Some(items) = decoder.sequence(id, &Self::go_type()) else {
            return Ok(());
        };
        let has_null = items.iter().any(|&item| decoder.is_null(item));
        let before = decoder.issue_count();
        self.items.clear();
        for &item in items {
            let mut value = T::zero();
            decoder.read(&mut value, item)?;
            self.items.push(value);
        }
        self.has_null = has_null && decoder.issue_count() == before;
        Ok(())
    }

    fn encode(&self) -> Tree {
        self.items.encode()
    }

    fn is_zero(&self) -> bool {
        self.items.is_empty()
    }

    fn visit_paths(&mut self, visit: &mut dyn FnMut(&mut String)) {
        self.items.visit_paths(visit);
    }
}

/// A text that never prints: neither in YAML nor in debug output.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() {
            "\"\""
        } else {
            "<secret>"
        })
    }
}

impl Yaml for Secret {
    fn go_type() -> String {
        "config.Secret".to_owned()
    }

    fn zero() -> Self {
        Self::default()
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        match decoder.scalar(id, "config.plain")? {
            Some((_, Resolved::Binary(bytes))) => {
                let text = String::from_utf8(bytes);
                self.0 = text.map_err(|_| Fatal::new("secret is not valid UTF-8"))?;
            }
            Some((text, _)) => text.clone_into(&mut self.0),
            None => {}
        }
        Ok(())
    }

    fn encode(&self) -> Tree {
        if self.0.is_empty() {
            Tree::Null
        } else {
            Tree::Text("<secret>".to_owned())
        }
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }
}

/// A file name or pattern; relative ones belong to the directory of the file that holds them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePath(String);

impl FilePath {
    /// Wraps `path`.
    pub fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }
}

impl Deref for FilePath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Yaml for FilePath {
    fn go_type() -> String {
        "string".to_owned()
    }

    fn zero() -> Self {
        Self::default()
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        self.0.decode(decoder, id)
    }

    fn encode(&self) -> Tree {
        Tree::Text(self.0.clone())
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn visit_paths(&mut self, visit: &mut dyn FnMut(&mut String)) {
        if !self.0.is_empty() {
            visit(&mut self.0);
        }
    }
}

/// A value with the place it was read from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Line, from 1; 0 when the text did not hold it.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl<T: Yaml> Yaml for Spanned<T> {
    const NULLABLE: bool = T::NULLABLE;

    fn go_type() -> String {
        T::go_type()
    }

    fn zero() -> Self {
        Self {
            value: T::zero(),
            line: 0,
            column: 0,
        }
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        (self.line, self.column) = decoder.place(id);
        self.value.decode(decoder, id)
    }

    fn encode(&self) -> Tree {
        self.value.encode()
    }

    fn is_zero(&self) -> bool {
        self.value.is_zero()
    }

    fn visit_paths(&mut self, visit: &mut dyn FnMut(&mut String)) {
        self.value.visit_paths(visit);
    }
}

/// Anything, kept as a tree.
impl Yaml for Tree {
    const NULLABLE: bool = true;

    fn go_type() -> String {
        "interface {}".to_owned()
    }

    fn zero() -> Self {
        Self::Null
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        use crate::document::Kind;
        *self = match &decoder.node(id).kind {
            Kind::Sequence(_) => {
                let mut items: Vec<Self> = Vec::new();
                items.decode(decoder, id)?;
                Self::Sequence(items)
            }
            Kind::Mapping(_) => {
                let mut pairs: BTreeMap<String, Self> = BTreeMap::new();
                pairs.decode(decoder, id)?;
                Self::Map(pairs.into_iter().collect())
            }
            Kind::Scalar { .. } | Kind::Alias { .. } => match decoder.scalar(id, "interface {}")? {
                Some((_, Resolved::Bool(value))) => Self::Bool(value),
                Some((_, Resolved::Int(value))) => Self::Int(value),
                Some((_, Resolved::Uint(value))) => Self::Uint(value),
                Some((_, Resolved::Float(value))) => Self::Float(value),
                Some((_, Resolved::Binary(bytes))) => Self::Text(text_of(bytes)?),
                Some((text, _)) => Self::Text(text.to_owned()),
                None => Self::Null,
            },
        };
        Ok(())
    }

    fn encode(&self) -> Tree {
        self.clone()
    }

    fn is_zero(&self) -> bool {
        matches!(self, Self::Null)
    }
}
