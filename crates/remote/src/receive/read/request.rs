//! The request.

use model::{MatchOp, Matcher, Timestamp};

use super::ReadError;
use crate::receive::wire::{FieldSchema, Fields, Kind, Schema, Varints, never_plain};

const fn field(number: u32, name: &'static str, kind: Kind) -> FieldSchema {
    FieldSchema { number, name, kind }
}

/// `prometheus.ReadRequest`.
pub(super) const SCHEMA: Schema = Schema {
    name: "ReadRequest",
    is_plain: never_plain,
    fields: &[
        field(1, "Queries", Kind::Message(&QUERY)),
        field(2, "AcceptedResponseTypes", Kind::Varints),
    ],
};

const QUERY: Schema = Schema {
    name: "Query",
    is_plain: never_plain,
    fields: &[
        field(1, "StartTimestampMs", Kind::Varint),
        field(2, "EndTimestampMs", Kind::Varint),
        field(3, "Matchers", Kind::Message(&LABEL_MATCHER)),
        field(4, "Hints", Kind::Message(&READ_HINTS)),
    ],
};

const LABEL_MATCHER: Schema = Schema {
    name: "LabelMatcher",
    is_plain: never_plain,
    fields: &[
        field(1, "Type", Kind::Varint),
        field(2, "Name", Kind::Bytes),
        field(3, "Value", Kind::Bytes),
    ],
};

const READ_HINTS: Schema = Schema {
    name: "ReadHints",
    is_plain: never_plain,
    fields: &[
        field(1, "StepMs", Kind::Varint),
        field(2, "Func", Kind::Bytes),
        field(3, "StartMs", Kind::Varint),
        field(4, "EndMs", Kind::Varint),
        field(5, "Grouping", Kind::Bytes),
        field(6, "By", Kind::Varint),
        field(7, "RangeMs", Kind::Varint),
    ],
};

/// How a client wants its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseKind {
    /// One message with samples.
    Samples,
    /// A stream of chunks.
    StreamedChunks,
}

/// What is selected.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// Matchers, or why they make no sense: said only when this query's turn has come.
    pub(super) matchers: Result<Vec<Matcher>, ReadError>,
}

/// A request that could be read.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    pub(super) queries: Vec<Query>,
    /// The answer's form.
    pub kind: ResponseKind,
}

impl ReadRequest {
    /// Reads a checked message.
    pub(super) fn read(message: &[u8]) -> Result<Self, ReadError> {
        let mut queries = Vec::new();
        let mut accepted = Vec::new();
        for (number, value) in Fields::new(message) {
            match number {
                1 => queries.push(query(value.bytes())),
                2 => accepted.extend(Varints::new(value)),
                _ => {}
            }
        }
        Ok(Self {
            queries,
            kind: kind(&accepted)?,
        })
    }
}

/// The first form accepted that there is; samples if the client does not say.
fn kind(accepted: &[u64]) -> Result<ResponseKind, ReadError> {
    if accepted.is_empty() {
        return Ok(ResponseKind::Samples);
    }
    let known = accepted.iter().find_map(|number| match number {
        0 => Some(ResponseKind::Samples),
        1 => Some(ResponseKind::StreamedChunks),
        _ => None,
    });
    known.ok_or_else(|| {
        let numbers: Vec<String> = accepted
            .iter()
            .take(10)
            .map(|number| (*number as i32).to_string())
            .collect();
        ReadError::bad_request(format!(
            "server does not support any of the requested response types: [{}]; supported: map[SAMPLES:{{}} STREAMED_XOR_CHUNKS:{{}}]",
            numbers.join(" ")
        ))
    })
}

fn query(message: &[u8]) -> Query {
    let mut query = Query {
        start: 0,
        end: 0,
        matchers: Ok(Vec::new()),
    };
    for (number, value) in Fields::new(message) {
        match number {
            1 => query.start = value.varint() as i64,
            2 => query.end = value.varint() as i64,
            3 => match (matcher(value.bytes()), &mut query.matchers) {
                (Ok(matcher), Ok(matchers)) => matchers.push(matcher),
                (Err(err), matchers @ Ok(_)) => *matchers = Err(err),
                (_, Err(_)) => {}
            },
            _ => {}
        }
    }
    query
}

fn matcher(message: &[u8]) -> Result<Matcher, ReadError> {
    let (mut kind, mut name, mut text) = (0, &b""[..], &b""[..]);
    for (number, value) in Fields::new(message) {
        match number {
            1 => kind = value.varint(),
            2 => name = value.bytes(),
            3 => text = value.bytes(),
            _ => {}
        }
    }
    let op = match kind {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Regex,
        3 => MatchOp::NotRegex,
        _ => return Err(ReadError::internal("invalid matcher type")),
    };
    let (name, text) = (String::from_utf8_lossy(name), String::from_utf8_lossy(text));
    Matcher::new(op, &name, &text).map_err(ReadError::internal)
}
