//! Nodes to values, in place over what the value held before: documented defaults stay where the
//! text says nothing.
//!
//! Two kinds of error, as in the reference: a wrong type, an unknown or a repeated key is noted and
//! decoding goes on, so that all are reported at once; a value that a rule refuses ends it.

use crate::document::{Document, Kind, Node, NodeId};
use crate::encode::Tree;
use crate::error::{Error, Fatal};
use crate::resolve::{Resolved, resolve, short_tag};

/// Which of the reference's two YAML libraries to agree with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Configuration files.
    V2,
    /// Rule files: `yes` is text, merged keys may be set again, null leaves a value as it was.
    V3,
}

/// Deepest chain of values through aliases.
const DEPTH_MAX: usize = 300;
/// Values decoded before the share of aliased ones is looked at.
const ALIAS_GRACE: usize = 1000;
/// Most values decoded from one document: bounds what aliases can multiply.
const VALUES_MAX: usize = 4_000_000;

/// A value that can be read from and written to YAML.
pub trait Yaml: Sized {
    /// Whether null clears the value in rule files too.
    const NULLABLE: bool = false;

    /// The type as the reference's error texts name it.
    fn go_type() -> String;

    /// The value that null gives: empty, not the documented default.
    fn zero() -> Self;

    /// Reads `id`, which is neither an alias nor null, over `self`.
    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal>;

    /// The value as a tree for printing. Secrets print as `<secret>`.
    fn encode(&self) -> Tree;

    /// Whether a key marked `omit` is left out when printing.
    fn is_zero(&self) -> bool;

    /// Shows every [`FilePath`](crate::FilePath) inside, to resolve it against a directory.
    fn visit_paths(&mut self, _visit: &mut dyn FnMut(&mut String)) {}
}

/// Decodes the first document of `text` over `value`. Empty text leaves `value` as it is. With
/// `strict` unset, unknown and repeated keys pass.
pub fn decode<T: Yaml>(
    text: &str,
    dialect: Dialect,
    strict: bool,
    value: &mut T,
) -> Result<(), Error> {
    let document = Document::parse(text, dialect).map_err(Error::Fatal)?;
    let Some(root) = document.root() else {
        return Ok(());
    };
    let mut decoder = Decoder::new(&document, dialect, strict);
    decoder.read(value, root).map_err(Error::Fatal)?;
    if decoder.issues.is_empty() {
        Ok(())
    } else {
        Err(Error::Types(decoder.issues))
    }
}

/// State of one decoding run.
#[derive(Debug)]
pub struct Decoder<'d> {
    document: &'d Document,
    dialect: Dialect,
    strict: bool,
    issues: Vec<Fatal>,
    depth: usize,
    alias_depth: usize,
    values: usize,
    aliased_values: usize,
    /// Anchored nodes being decoded, to refuse one that contains itself.
    entered: Vec<NodeId>,
}

impl<'d> Decoder<'d> {
    /// A run over `document`.
    pub fn new(document: &'d Document, dialect: Dialect, strict: bool) -> Self {
        Self {
            document,
            dialect,
            strict,
            issues: Vec::new(),
            depth: 0,
            alias_depth: 0,
            values: 0,
            aliased_values: 0,
            entered: Vec::new(),
        }
    }

    /// The rules in force.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Number of type errors so far: a caller that sees it grow skips its validation.
    pub fn issue_count(&self) -> usize {
        self.issues.len()
    }

    /// The node with index `id`.
    pub fn node(&self, id: NodeId) -> &'d Node {
        self.document.node(id)
    }

    /// Line and column of node `id`, from 1.
    pub fn place(&self, id: NodeId) -> (u32, u32) {
        let node = self.node(id);
        (node.line, node.column)
    }

    /// Reads node `id` over `value`, following an alias and handling null.
    pub fn read<T: Yaml>(&mut self, value: &mut T, id: NodeId) -> Result<(), Fatal> {
        let place = self.place(id);
        self.count().map_err(|fatal| fatal.at(place))?;
        if self.depth >= DEPTH_MAX {
            return Err(Fatal::new("yaml: exceeded max depth through aliases").at(place));
        }
        self.depth += 1;
        let result = match &self.node(id).kind {
            Kind::Alias { name, target } => self.read_alias(value, name, *target),
            Kind::Scalar { .. } | Kind::Sequence(_) | Kind::Mapping(_) => {
                self.read_value(value, id)
            }
        };
        self.depth -= 1;
        result.map_err(|fatal| fatal.at(place))
    }

    fn read_alias<T: Yaml>(
        &mut self,
        value: &mut T,
        name: &str,
        target: NodeId,
    ) -> Result<(), Fatal> {
        if self.entered.contains(&target) {
            return Err(Fatal::new(format!(
                "yaml: anchor '{name}' value contains itself"
            )));
        }
        self.entered.push(target);
        self.alias_depth += 1;
        let result = self.read(value, target);
        self.alias_depth -= 1;
        self.entered.pop();
        result
    }

    fn read_value<T: Yaml>(&mut self, value: &mut T, id: NodeId) -> Result<(), Fatal> {
        if self.is_null(id) {
            if self.dialect == Dialect::V2 || T::NULLABLE {
                *value = T::zero();
            }
            return Ok(());
        }
        value.decode(self, id)
    }

    /// Whether node `id` is null.
    pub fn is_null(&self, id: NodeId) -> bool {
        let node = self.node(id);
        matches!(&node.kind, Kind::Scalar { value, plain }
            if matches!(resolve(value, &node.tag, *plain, self.dialect), Ok(Resolved::Null)))
    }

    /// Text and type of a scalar; `None` (and a noted error) for a collection.
    pub fn scalar(
        &mut self,
        id: NodeId,
        go_type: &str,
    ) -> Result<Option<(&'d str, Resolved)>, Fatal> {
        let node = self.node(id);
        let Kind::Scalar { value, plain } = &node.kind else {
            self.mismatch(id, go_type);
            return Ok(None);
        };
        match resolve(value, &node.tag, *plain, self.dialect) {
            Ok(resolved) => Ok(Some((value, resolved))),
            Err(text) => Err(Fatal::new(text).at((node.line, node.column))),
        }
    }

    /// Items of a sequence; `None` (and a noted error) for anything else.
    pub fn sequence(&mut self, id: NodeId, go_type: &str) -> Option<&'d [NodeId]> {
        let node = self.node(id);
        if let Kind::Sequence(items) = &node.kind {
            return Some(items);
        }
        self.mismatch(id, go_type);
        None
    }

    /// Pairs of a mapping, those of merge keys first where the dialect says so; `None` (and a noted
    /// error) for anything else.
    pub fn mapping(
        &mut self,
        id: NodeId,
        go_type: &str,
    ) -> Result<Option<&'d [(NodeId, NodeId)]>, Fatal> {
        let node = self.node(id);
        let Kind::Mapping(pairs) = &node.kind else {
            self.mismatch(id, go_type);
            return Ok(None);
        };
        if self.dialect == Dialect::V3 && !self.keys_are_unique(pairs) {
            return Ok(None);
        }
        Ok(Some(pairs))
    }

    /// Whether the key at `id` is `<<`.
    pub fn is_merge_key(&self, id: NodeId) -> bool {
        let node = self.node(id);
        matches!(&node.kind, Kind::Scalar { value, plain }
            if value == "<<" && *plain && (node.tag.is_empty() || node.tag == "!!merge"
                || node.tag == "tag:yaml.org,2002:merge"))
    }

    /// The mappings that a merge key names, the one that wins last. Counts them as aliased.
    pub fn merged(&mut self, id: NodeId) -> Result<Vec<NodeId>, Fatal> {
        self.count()?;
        let wrong = "yaml: map merge requires map or sequence of maps as the value";
        let is_map = |id: NodeId| matches!(self.node(id).kind, Kind::Mapping(_));
        let target = self.document.resolve_alias(id);
        let is_alias = target != id;
        let maps = match &self.node(target).kind {
            Kind::Mapping(_) => vec![target],
            Kind::Sequence(items) if !is_alias => items
                .iter()
                .rev()
                .map(|&item| self.document.resolve_alias(item))
                .collect(),
            Kind::Sequence(_) | Kind::Scalar { .. } | Kind::Alias { .. } => {
                return Err(Fatal::new(wrong).at(self.place(id)));
            }
        };
        if !maps.iter().all(|&map| is_map(map)) {
            return Err(Fatal::new(wrong).at(self.place(id)));
        }
        Ok(maps)
    }

    /// Runs `read` on the mappings that the merge key at `id` names.
    pub fn with_merged(
        &mut self,
        id: NodeId,
        mut read: impl FnMut(&mut Self, NodeId) -> Result<(), Fatal>,
    ) -> Result<(), Fatal> {
        for map in self.merged(id)? {
            if self.entered.contains(&map) || self.depth >= DEPTH_MAX {
                return Err(Fatal::new("yaml: anchor value contains itself").at(self.place(id)));
            }
            self.entered.push(map);
            self.alias_depth += 1;
            self.depth += 1;
            let result = read(self, map);
            self.depth -= 1;
            self.alias_depth -= 1;
            self.entered.pop();
            result?;
        }
        Ok(())
    }

    /// Text of the key at `id`.
    pub fn key(&mut self, id: NodeId) -> Result<Option<String>, Fatal> {
        let mut key = String::new();
        let before = self.issues.len();
        self.read(&mut key, id)?;
        Ok((self.issues.len() == before).then_some(key))
    }

    /// Notes that node `id` cannot become a `go_type`.
    pub fn mismatch(&mut self, id: NodeId, go_type: &str) {
        let node = self.node(id);
        let (tag, text) = match &node.kind {
            Kind::Scalar { value, plain } => {
                let tag = match resolve(value, &node.tag, *plain, self.dialect) {
                    _ if !node.tag.is_empty() => short_tag(&node.tag),
                    Ok(resolved) => resolved.tag().to_owned(),
                    Err(_) => "!!str".to_owned(),
                };
                (tag, format!(" `{}`", shortened(value)))
            }
            Kind::Sequence(_) => ("!!seq".to_owned(), String::new()),
            Kind::Mapping(_) | Kind::Alias { .. } => ("!!map".to_owned(), String::new()),
        };
        self.note(id, &format!("cannot unmarshal {tag}{text} into {go_type}"));
    }

    /// Notes that the record named `go_type` has no key `name`, if decoding is strict.
    pub fn unknown_key(&mut self, id: NodeId, name: &str, go_type: &str) {
        if self.strict {
            self.note(id, &format!("field {name} not found in type {go_type}"));
        }
    }

    /// Notes that key `name` of the record named `go_type` came twice. Whether to skip the second.
    pub fn repeated_key(&mut self, id: NodeId, name: &str, go_type: &str) -> bool {
        if self.strict {
            self.note(id, &format!("field {name} already set in type {go_type}"));
        }
        self.strict
    }

    /// Notes that `key`, printed as the language prints it, came twice in a map. Whether to skip it.
    pub fn repeated_entry(&mut self, id: NodeId, key: &str) -> bool {
        if self.strict && self.dialect == Dialect::V2 {
            self.note(id, &format!("key {key:?} already set in map"));
            return true;
        }
        false
    }

    fn note(&mut self, id: NodeId, text: &str) {
        let (line, column) = self.place(id);
        self.issues.push(Fatal {
            text: format!("line {line}: {text}"),
            line,
            column,
        });
    }

    fn keys_are_unique(&mut self, pairs: &[(NodeId, NodeId)]) -> bool {
        let mut seen: std::collections::BTreeMap<&str, u32> = std::collections::BTreeMap::new();
        let before = self.issues.len();
        for &(key, _) in pairs {
            let node = self.node(key);
            let Kind::Scalar { value, .. } = &node.kind else {
                continue;
            };
            match seen.get(value.as_str()) {
                Some(first) => {
                    let text = format!("mapping key {value:?} already defined at line {first}");
                    self.note(key, &text);
                }
                None => {
                    seen.insert(value, node.line);
                }
            }
        }
        self.issues.len() == before
    }

    /// Counts a value; refuses documents that are mostly aliases ("billion laughs").
    fn count(&mut self) -> Result<(), Fatal> {
        self.values += 1;
        if self.alias_depth > 0 {
            self.aliased_values += 1;
        }
        let share = self.aliased_values as f64 / self.values as f64;
        let excessive = self.aliased_values > 100
            && self.values > ALIAS_GRACE
            && share > alias_share_max(self.values);
        if excessive || self.values > VALUES_MAX {
            return Err(Fatal::new("yaml: document contains excessive aliasing"));
        }
        Ok(())
    }
}

/// Small documents may consist of aliases nearly wholly; large ones hardly.
fn alias_share_max(values: usize) -> f64 {
    const LOW: usize = 400_000;
    const HIGH: usize = 4_000_000;
    match values {
        ..=LOW => 0.99,
        HIGH.. => 0.10,
        _ => 0.99 - 0.89 * ((values - LOW) as f64 / (HIGH - LOW) as f64),
    }
}

/// Long values are cut in messages.
fn shortened(value: &str) -> String {
    if value.len() <= 10 {
        return value.to_owned();
    }
    format!("{}...", &value[..value.floor_char_boundary(7)])
}

#[cfg(test)]
mod tests;
