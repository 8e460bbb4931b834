//! Reads any bytes as answers of an API server, for tests and fuzzing.

use super::api::{Envelope, Event, Kind};
use super::objects;
use super::split::{Form, Piece, Splitter};

const KINDS: [Kind; 12] = [
    Kind::PodGroup,
    Kind::ServiceGroup,
    Kind::NodeGroup,
    Kind::IngressGroup,
    Kind::Pod,
    Kind::Service,
    Kind::Endpoints,
    Kind::EndpointSlice,
    Kind::NodeMeta,
    Kind::Namespace,
    Kind::ReplicaSet,
    Kind::Job,
];

/// Reads `bytes` as a list and as a watch of every kind, in chunks of `chunk_len` bytes, and forgets
/// what was read; a fuzz target's body. Must return whatever the bytes are. How many objects, events
/// and envelopes could be read.
pub fn check_stream(bytes: &[u8], chunk_len: usize) -> usize {
    let mut read = 0;
    for form in [Form::List, Form::Watch] {
        let mut splitter = Splitter::new(form);
        'chunks: for mut chunk in bytes.chunks(chunk_len.max(1)) {
            loop {
                match splitter.next(&mut chunk) {
                    Err(_) => break 'chunks,
                    Ok(None) => break,
                    Ok(Some(Piece::Envelope(json))) => {
                        read += usize::from(Envelope::parse(json).is_ok());
                    }
                    Ok(Some(Piece::Object(json))) => read += check_object(form, json),
                }
            }
        }
    }
    read
}

fn check_object(form: Form, json: &[u8]) -> usize {
    let is_read = |kind: &&Kind| match form {
        Form::List => objects::parse(**kind, json).is_ok(),
        Form::Watch => matches!(Event::parse(**kind, json), Ok(Some(_))),
    };
    KINDS.iter().filter(is_read).count()
}
