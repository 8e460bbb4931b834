//! The wire format: errors as the reference's decoder has them, and what is read of what is good.

use proptest::prelude::*;

use super::super::encode::Writer;
use super::super::schemas::{REQUEST_V2, WRITE_REQUEST};
use super::*;

#[track_caller]
fn refused(message: &[u8], expected: &str) {
    let err = check(message, &WRITE_REQUEST).expect_err("refused");
    assert_eq!(err.to_string(), expected, "{message:?}");
}

#[test]
fn errors_are_those_of_the_reference() {
    refused(b"\xff\xff\xff", "unexpected EOF");
    refused(b"\x0a\x05\x0a\x0a\x0a\x01a", "unexpected EOF");
    refused(
        b"\x08\x05",
        "proto: wrong wireType = 0 for field Timeseries",
    );
    refused(
        b"\x0b\x0c",
        "proto: wrong wireType = 3 for field Timeseries",
    );
    refused(
        b"\x02\x00",
        "proto: WriteRequest: illegal tag 0 (wire type 2)",
    );
    refused(
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        "proto: integer overflow",
    );
    refused(
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        "proto: negative length found during unmarshaling",
    );
    refused(
        b"\x0c",
        "proto: WriteRequest: wiretype end group for non-group",
    );
    refused(b"\x7e", "proto: illegal wireType 6");
}

#[test]
fn unknown_fields_of_any_form_are_passed_over() {
    // A number, eight bytes, text, a group with a group in it, four bytes.
    let message = b"\x78\x01\x79abcdefgh\x7a\x01a\x7b\x7b\x08\x01\x7c\x7c\x7dabcd";
    assert_eq!(check(message, &WRITE_REQUEST), Ok(()));
    let values: Vec<_> = Fields::new(message).map(|(_, value)| value).collect();
    let double = f64::from_le_bytes(*b"abcdefgh");
    let expected = [
        Value::Varint(1),
        Value::Double(double),
        Value::Bytes(b"a"),
        Value::Other,
        Value::Other,
    ];
    assert_eq!(values, expected);
}

#[test]
fn repeated_numbers_come_packed_or_one_by_one() {
    let one_by_one = b"\x2a\x04\x08\x01\x08\x02";
    let packed = b"\x2a\x04\x0a\x02\x01\x02";
    for message in [&one_by_one[..], packed] {
        assert_eq!(check(message, &REQUEST_V2), Ok(()));
        let (_, series) = Fields::new(message).next().expect("a series");
        let refs = Fields::new(series.bytes()).flat_map(|(_, value)| Varints::new(value));
        assert_eq!(refs.collect::<Vec<_>>(), [1, 2]);
    }
    // Half a float.
    let message = b"\x0a\x08\x22\x06\x82\x01\x03abc";
    assert_eq!(
        check(message, &WRITE_REQUEST),
        Err(WireError::UnexpectedEnd)
    );
}

#[test]
fn deep_groups_need_no_stack() {
    let mut message = vec![0x7b; 1 << 20];
    assert_eq!(
        check(&message, &WRITE_REQUEST),
        Err(WireError::UnexpectedEnd)
    );
    message.resize(2 << 20, 0x7c);
    assert_eq!(check(&message, &WRITE_REQUEST), Ok(()));
}

/// The messages below `schema` that have a usual form.
fn with_usual_form(schema: &Schema, found: &mut Vec<&'static Schema>) {
    for field in schema.fields {
        if let Kind::Message(inner) = &field.kind {
            if !std::ptr::fn_addr_eq(inner.is_plain, never_plain as fn(&[u8]) -> bool) {
                found.push(inner);
            }
            with_usual_form(inner, found);
        }
    }
}

fn looked_at_one_by_one(schema: &Schema) -> Schema {
    Schema {
        name: schema.name,
        fields: schema.fields,
        is_plain: never_plain,
    }
}

#[test]
fn what_senders_write_has_the_usual_form() {
    let label = Writer::default().bytes(1, b"name").bytes(2, b"value");
    assert!(is_two_texts(&label.bytes));
    for time in [0, 1, 1_700_000_000_000, u64::MAX] {
        let sample = Writer::default().double(1, 1.5).varint(2, time);
        assert!(is_value_and_time(&sample.bytes), "{time}");
    }
    let mut found = Vec::new();
    with_usual_form(&WRITE_REQUEST, &mut found);
    with_usual_form(&REQUEST_V2, &mut found);
    assert!(found.len() >= 3, "{found:?}");
}

proptest! {
    #[test]
    fn the_usual_form_is_in_order(
        first in prop::collection::vec(any::<u8>(), 0..140),
        second in prop::collection::vec(any::<u8>(), 0..140),
        time in any::<u64>(),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>(), any::<bool>())),
    ) {
        let label = Writer::default().bytes(1, &first).bytes(2, &second);
        let sample = Writer::default().double(1, 1.5).varint(2, time);
        let mut found = Vec::new();
        with_usual_form(&WRITE_REQUEST, &mut found);
        with_usual_form(&REQUEST_V2, &mut found);
        for mut message in [label.bytes, sample.bytes] {
            if let Some((at, byte, cut)) = &damage {
                let at = at.index(message.len());
                message[at] = *byte;
                if *cut {
                    message.truncate(at);
                }
            }
            for schema in &found {
                if (schema.is_plain)(&message) {
                    prop_assert_eq!(check(&message, &looked_at_one_by_one(schema)), Ok(()));
                }
            }
        }
    }
}
