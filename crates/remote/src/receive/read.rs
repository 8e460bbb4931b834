//! `read`: the samples of series that another server asks for, as samples in one answer or as
//! chunks in a stream of frames.
//!
//! Matchers on external labels are satisfied by the server itself: its own series carry none, but
//! every series sent gets them.

mod chunks;
mod request;
mod respond;

use std::sync::Arc;

use model::{Labels, LabelsBuilder, MatchOp, Matcher};
use stdx::cancel::CancelToken;
use storage::{Queryable, SelectHints, SeriesSet, StorageError};

use super::{snappy, wire};
pub use request::{ReadRequest, ResponseKind};

/// What an operator chooses.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions {
    /// Most samples of an answer that is not streamed; 0 for no limit.
    pub samples_max: u64,
    /// Bytes of chunks aimed at in a frame of a stream.
    pub frame_bytes: usize,
}

/// Why a request is not answered, with the HTTP status that says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ReadError {
    /// HTTP status.
    pub status: u16,
    /// For the client.
    pub text: String,
}

impl ReadError {
    fn bad_request(text: impl ToString) -> Self {
        Self {
            status: 400,
            text: text.to_string(),
        }
    }

    fn internal(text: impl ToString) -> Self {
        Self {
            status: 500,
            text: text.to_string(),
        }
    }
}

impl From<StorageError> for ReadError {
    fn from(err: StorageError) -> Self {
        Self::internal(err)
    }
}

/// Takes frames of a stream; `false` if nobody wants more.
pub type FrameSink<'s> = dyn FnMut(Vec<u8>) -> bool + 's;

/// Answers remote reads. Shared by all connections; synchronous, for a pool.
pub struct Reader {
    queryable: Arc<dyn Queryable>,
    external_labels: Box<dyn Fn() -> Labels + Send + Sync>,
    options: ReadOptions,
}

impl Reader {
    /// A reader of `queryable`; `external_labels` tells those of the configuration in use.
    pub fn new(
        queryable: Arc<dyn Queryable>,
        external_labels: Box<dyn Fn() -> Labels + Send + Sync>,
        options: ReadOptions,
    ) -> Self {
        Self {
            queryable,
            external_labels,
            options,
        }
    }

    /// Reads a request's body.
    pub fn request(&self, body: &[u8]) -> Result<ReadRequest, ReadError> {
        let message = snappy::unpack(body).map_err(ReadError::bad_request)?;
        wire::check(&message, &request::SCHEMA).map_err(ReadError::bad_request)?;
        ReadRequest::read(&message)
    }

    /// The whole answer: a snappy block.
    pub fn sampled(
        &self,
        request: &ReadRequest,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ReadError> {
        let external = (self.external_labels)();
        let mut response = respond::Writer::default();
        for query in &request.queries {
            let mut result = respond::Writer::default();
            let mut room = respond::Room::new(self.options.samples_max);
            self.each_series(query, &external, cancel, |set, index, labels| {
                let series = respond::samples(set, index, query, labels, &mut room)?;
                if let Some(series) = series {
                    result.message(1, &series);
                }
                Ok(true)
            })?;
            response.message(1, &result);
        }
        let mut encoder = snap::raw::Encoder::new();
        encoder
            .compress_vec(response.bytes())
            .map_err(ReadError::internal)
    }

    /// Sends the answer as frames.
    pub fn streamed(
        &self,
        request: &ReadRequest,
        cancel: &CancelToken,
        sink: &mut FrameSink<'_>,
    ) -> Result<(), ReadError> {
        let external = (self.external_labels)();
        for (number, query) in request.queries.iter().enumerate() {
            self.each_series(query, &external, cancel, |set, index, labels| {
                let bytes = self.options.frame_bytes;
                chunks::frames(set, index, query, labels, number as u64, bytes, sink)
            })?;
        }
        Ok(())
    }

    /// Hands out the series of a query with the labels they are sent with, in label order, until
    /// `each` says `false`.
    fn each_series(
        &self,
        query: &request::Query,
        external: &Labels,
        cancel: &CancelToken,
        mut each: impl FnMut(&dyn SeriesSet, usize, &Labels) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        let matchers = query.matchers.clone()?;
        let matchers: Vec<Matcher> = matchers
            .into_iter()
            .map(|matcher| without_external(matcher, external))
            .collect();
        // As in the reference, nothing asked for is nothing found.
        if matchers.is_empty() || query.start > query.end {
            return Ok(());
        }
        let querier = self.queryable.querier(query.start, query.end)?;
        let hints = SelectHints {
            start: query.start,
            end: query.end,
            ..SelectHints::default()
        };
        let set = querier.select(true, &hints, &matchers, cancel)?;
        for index in 0..set.len() {
            cancel.check().map_err(StorageError::from)?;
            let labels = merged(&set.labels(index), external);
            if !each(&*set, index, &labels)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A matcher that an external label satisfies asks for its absence instead.
fn without_external(matcher: Matcher, external: &Labels) -> Matcher {
    let satisfied =
        matcher.op == MatchOp::Equal && external.value(&matcher.name) == Some(&*matcher.value);
    if satisfied {
        Matcher::equal(&matcher.name, "")
    } else {
        matcher
    }
}

/// A series' labels with the external ones that it does not have itself.
fn merged(labels: &Labels, external: &Labels) -> Labels {
    if external.is_empty() {
        return labels.clone();
    }
    let mut builder = LabelsBuilder::from_labels(external);
    for (name, value) in labels {
        builder.set(name, value);
    }
    builder.labels()
}

#[cfg(test)]
mod tests;
