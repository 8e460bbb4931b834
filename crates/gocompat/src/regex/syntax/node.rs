//! Parts of the expression under construction.

use regex_syntax::hir::{Capture, Hir};

use super::Flags;

/// A parsed part and the measures that bound it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) hir: Hir,
    /// Height of its tree.
    pub(super) height: u32,
    /// Instructions that Go's compiler would emit, about.
    pub(super) size: u64,
    /// Most copies that counted repetitions make of anything inside.
    pub(super) copies: u64,
}

impl Node {
    pub(super) fn leaf(hir: Hir) -> Self {
        Self {
            hir,
            height: 1,
            size: 1,
            copies: 1,
        }
    }

    /// Joins `nodes` by `join`, which adds `extra` instructions.
    fn join(nodes: Vec<Self>, join: fn(Vec<Hir>) -> Hir, extra: u64) -> Self {
        let mut joined = Self {
            height: 0,
            size: extra,
            ..Self::leaf(Hir::empty())
        };
        let mut hirs = Vec::with_capacity(nodes.len());
        for node in nodes {
            joined.height = joined.height.max(node.height);
            joined.size = joined.size.saturating_add(node.size);
            joined.copies = joined.copies.max(node.copies);
            hirs.push(node.hir);
        }
        joined.height += 1;
        joined.hir = join(hirs);
        joined
    }
}

/// An open group.
#[derive(Debug)]
pub(super) struct Frame {
    /// Index of a capturing group.
    pub(super) capture: Option<u32>,
    /// Flags to restore where the group ends.
    pub(super) flags: Flags,
    alternatives: Vec<Node>,
    /// Parts of the current alternative.
    parts: Vec<Node>,
    /// Characters that follow them.
    literal: String,
}

impl Frame {
    pub(super) fn new(capture: Option<u32>, flags: Flags) -> Self {
        Self {
            capture,
            flags,
            alternatives: Vec::new(),
            parts: Vec::new(),
            literal: String::new(),
        }
    }

    pub(super) fn push_literal(&mut self, character: char) {
        self.literal.push(character);
    }

    pub(super) fn push(&mut self, node: Node) {
        self.flush_literal();
        self.parts.push(node);
    }

    /// Takes back the last part, for a repetition operator to apply to.
    pub(super) fn pop(&mut self) -> Option<Node> {
        match self.literal.pop() {
            Some(last) => {
                self.flush_literal();
                Some(literal_node(last.encode_utf8(&mut [0; 4])))
            }
            None => self.parts.pop(),
        }
    }

    pub(super) fn end_alternative(&mut self) {
        self.flush_literal();
        let mut parts = std::mem::take(&mut self.parts);
        let alternative = match (parts.pop(), parts.is_empty()) {
            (None, _) => Node::leaf(Hir::empty()),
            (Some(only), true) => only,
            (Some(last), false) => {
                parts.push(last);
                Node::join(parts, Hir::concat, 0)
            }
        };
        self.alternatives.push(alternative);
    }

    /// The group's content; a capturing group captures it.
    pub(super) fn finish(mut self) -> Node {
        self.end_alternative();
        let node = if self.alternatives.len() == 1 {
            self.alternatives
                .pop()
                .unwrap_or_else(|| Node::leaf(Hir::empty()))
        } else {
            let branches = self.alternatives.len() as u64 - 1;
            Node::join(self.alternatives, Hir::alternation, branches)
        };
        match self.capture {
            Some(index) => Node {
                hir: Hir::capture(Capture {
                    index,
                    name: None,
                    sub: Box::new(node.hir),
                }),
                height: node.height + 1,
                size: node.size.saturating_add(2),
                copies: node.copies,
            },
            None => node,
        }
    }

    fn flush_literal(&mut self) {
        if !self.literal.is_empty() {
            self.parts.push(literal_node(&self.literal));
            self.literal.clear();
        }
    }
}

fn literal_node(literal: &str) -> Node {
    let size = literal.chars().count() as u64;
    Node {
        size,
        ..Node::leaf(Hir::literal(literal.as_bytes()))
    }
}
