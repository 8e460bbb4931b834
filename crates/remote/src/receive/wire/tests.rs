//! The wire format: errors as the reference's decoder has them, and what is read of what is good.

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
