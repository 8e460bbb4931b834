//! Text to a tree of nodes. Only the first document of a stream is read, as the reference does.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use libyaml_safer::{ErrorKind, EventData, Parser, ScalarStyle};

use crate::decode::Dialect;
use crate::error::Fatal;

/// Deepest nesting accepted. Real configurations stay under 20.
pub const DEPTH_MAX: usize = 200;

/// Index of a node in its [`Document`].
pub type NodeId = usize;

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A scalar; `plain` means unquoted and without a tag that quotes it.
    Scalar {
        /// The text, after unescaping.
        value: String,
        /// Whether the text may stand for something else than a string.
        plain: bool,
    },
    /// A sequence of nodes.
    Sequence(Vec<NodeId>),
    /// Pairs of key and value, in order.
    Mapping(Vec<(NodeId, NodeId)>),
    /// A reference to an anchored node.
    Alias {
        /// The anchor's name.
        name: String,
        /// The node it stands for.
        target: NodeId,
    },
}

/// A node and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The explicit tag in long form, or empty.
    pub tag: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// A parsed document. Empty text has no root.
#[derive(Debug, Clone, Default)]
pub struct Document {
    nodes: Vec<Node>,
    root: Option<NodeId>,
}

impl Document {
    /// Parses the first document of `text`.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, Fatal> {
        // The event library panics on a few malformed tags (`[!a,`, `!%ff`). Nothing it touches
        // outlives the call, so a panic is just one more syntax error.
        let build = AssertUnwindSafe(|| Self::build(text, dialect));
        catch_unwind(build).unwrap_or_else(|_| Err(Fatal::new("yaml: malformed tag")))
    }

    fn build(text: &str, dialect: Dialect) -> Result<Self, Fatal> {
        let mut input = text.as_bytes();
        let mut parser = Parser::new();
        parser.set_input_string(&mut input);
        let mut builder = Builder::default();
        loop {
            let event = parser.parse().map_err(|err| syntax_error(&err, dialect))?;
            if matches!(
                event.data,
                EventData::DocumentEnd { .. } | EventData::StreamEnd
            ) {
                break;
            }
            let line = u32::try_from(event.start_mark.line).unwrap_or(u32::MAX - 1) + 1;
            let column = u32::try_from(event.start_mark.column).unwrap_or(u32::MAX - 1) + 1;
            builder.event(event.data, line, column)?;
        }
        Ok(Self {
            nodes: builder.nodes,
            root: builder.root,
        })
    }

    /// The top node.
    pub fn root(&self) -> Option<NodeId> {
        self.root
    }

    /// The node with index `id`.
    ///
    /// # Panics
    /// If `id` is of another document.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// Follows aliases to the node that carries a value.
    pub fn resolve_alias(&self, id: NodeId) -> NodeId {
        match self.nodes[id].kind {
            Kind::Alias { target, .. } => target,
            Kind::Scalar { .. } | Kind::Sequence(_) | Kind::Mapping(_) => id,
        }
    }
}

/// Builds the tree without recursion.
#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    root: Option<NodeId>,
    /// Open collections; a mapping carries the key that waits for its value.
    open: Vec<(NodeId, Option<NodeId>)>,
    anchors: BTreeMap<String, NodeId>,
}

impl Builder {
    fn event(&mut self, data: EventData, line: u32, column: u32) -> Result<(), Fatal> {
        match data {
            EventData::Scalar {
                anchor,
                tag,
                value,
                plain_implicit,
                style,
                ..
            } => {
                let tag = tag.unwrap_or_default();
                // A `!` tag says: a string, whatever it looks like.
                let plain = plain_implicit && style == ScalarStyle::Plain && tag != "!";
                let tag = if tag == "!" { String::new() } else { tag };
                self.push(Kind::Scalar { value, plain }, tag, anchor, line, column);
            }
            EventData::SequenceStart { anchor, tag, .. } => {
                let tag = tag.unwrap_or_default();
                let id = self.push(Kind::Sequence(Vec::new()), tag, anchor, line, column);
                self.descend(id)?;
            }
            EventData::MappingStart { anchor, tag, .. } => {
                let tag = tag.unwrap_or_default();
                let id = self.push(Kind::Mapping(Vec::new()), tag, anchor, line, column);
                self.descend(id)?;
            }
            EventData::SequenceEnd | EventData::MappingEnd => {
                self.open.pop();
            }
            EventData::Alias { anchor } => {
                let Some(&target) = self.anchors.get(&anchor) else {
                    let text = format!("yaml: unknown anchor '{anchor}' referenced");
                    return Err(Fatal::new(text).at((line, column)));
                };
                let kind = Kind::Alias {
                    name: anchor,
                    target,
                };
                self.push(kind, String::new(), None, line, column);
            }
            EventData::StreamStart { .. }
            | EventData::StreamEnd
            | EventData::DocumentStart { .. }
            | EventData::DocumentEnd { .. } => {}
        }
        Ok(())
    }

    fn descend(&mut self, id: NodeId) -> Result<(), Fatal> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Fatal::new(format!(
                "yaml: exceeded max depth of {DEPTH_MAX}"
            )));
        }
        self.open.push((id, None));
        Ok(())
    }

    fn push(
        &mut self,
        kind: Kind,
        tag: String,
        anchor: Option<String>,
        line: u32,
        column: u32,
    ) -> NodeId {
        let id = self.nodes.len();
        self.nodes.push(Node {
            kind,
            tag,
            line,
            column,
        });
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        let Some((parent, waiting)) = self.open.last_mut() else {
            self.root = Some(id);
            return id;
        };
        match &mut self.nodes[*parent].kind {
            Kind::Sequence(items) => items.push(id),
            Kind::Mapping(pairs) => match waiting.take() {
                Some(key) => pairs.push((key, id)),
                None => *waiting = Some(id),
            },
            Kind::Scalar { .. } | Kind::Alias { .. } => {}
        }
        id
    }
}

/// The reference's text for a syntax error. Its two libraries choose the line differently.
fn syntax_error(err: &libyaml_safer::Error, dialect: Dialect) -> Fatal {
    let problem = err.problem_mark().map_or(0, |mark| mark.line);
    let context = err.context_mark().map_or(0, |mark| mark.line);
    let scanner = u64::from(err.kind() == ErrorKind::Scanner);
    let line = match dialect {
        Dialect::V2 if problem != 0 => problem + scanner,
        Dialect::V2 => context,
        Dialect::V3 if context != 0 => context + scanner,
        Dialect::V3 if problem != 0 => problem + scanner,
        Dialect::V3 => 0,
    };
    let place = if line == 0 {
        String::new()
    } else {
        format!("line {line}: ")
    };
    let text = match err.problem() {
        "" => "unknown problem parsing YAML content",
        text => text,
    };
    let at = err
        .problem_mark()
        .map_or((1, 1), |mark| (mark.line + 1, mark.column + 1));
    let narrow = |wide: u64| u32::try_from(wide).unwrap_or(u32::MAX);
    Fatal::new(format!("yaml: {place}{text}")).at((narrow(at.0), narrow(at.1)))
}
