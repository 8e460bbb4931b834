//! The protobuf wire format: messages are checked as a whole against a table of their fields, then
//! read without copies.
//!
//! A check comes first because a request that cannot be read must leave no trace; errors are in the
//! words of the reference's decoder. After it, reading needs no errors: what does not fit is left
//! out.

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    /// It ends too early.
    #[error("unexpected EOF")]
    UnexpectedEnd,
    /// A number of more than 64 bits.
    #[error("proto: integer overflow")]
    Overflow,
    /// A length beyond what an address can be.
    #[error("proto: negative length found during unmarshaling")]
    NegativeLength,
    /// A known field in a form it does not have.
    #[error("proto: wrong wireType = {wire_type} for field {field}")]
    WrongType {
        /// The form met.
        wire_type: u8,
        /// Name of the field.
        field: &'static str,
    },
    /// A field number of 0 or less.
    #[error("proto: {message}: illegal tag {number} (wire type {tag})")]
    IllegalTag {
        /// Name of the message.
        message: &'static str,
        /// The field number.
        number: i32,
        /// Number and form together.
        tag: u64,
    },
    /// The end of a group that was not begun, where a field belongs.
    #[error("proto: {message}: wiretype end group for non-group")]
    EndOfGroup {
        /// Name of the message.
        message: &'static str,
    },
    /// The end of a group that was not begun, in what is skipped.
    #[error("proto: unexpected end of group")]
    UnexpectedEndOfGroup,
    /// A form that does not exist.
    #[error("proto: illegal wireType {0}")]
    IllegalType(u8),
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Kind {
    /// An integer or an enumeration.
    Varint,
    /// A 64-bit float.
    Double,
    /// Text or bytes.
    Bytes,
    /// Integers, one by one or packed.
    Varints,
    /// Floats, one by one or packed.
    Doubles,
    /// A message.
    Message(&'static Schema),
}

/// A known field.
#[derive(Debug)]
pub(super) struct FieldSchema {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// The known fields of a message.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) name: &'static str,
    pub(super) fields: &'static [FieldSchema],
    /// Says `true` only of messages that are in order: those as senders write them, found out
    /// without looking at their fields one by one.
    pub(super) is_plain: fn(&[u8]) -> bool,
}

/// For messages without a usual form.
pub(super) fn never_plain(_: &[u8]) -> bool {
    false
}

/// Fields 1 and 2 as short texts: a label.
#[inline]
pub(super) fn is_two_texts(message: &[u8]) -> bool {
    let [0x0a, first_len, rest @ ..] = message else {
        return false;
    };
    let Some((_, [0x12, second_len, second @ ..])) = rest.split_at_checked(usize::from(*first_len))
    else {
        return false;
    };
    // Longer ones have lengths of several bytes.
    (*first_len | *second_len) < 0x80 && second.len() == usize::from(*second_len)
}

/// Field 1 as a float and field 2 as a number: a sample.
#[inline]
pub(super) fn is_value_and_time(message: &[u8]) -> bool {
    let [0x09, rest @ ..] = message else {
        return false;
    };
    let Some((_, [0x10, time @ ..])) = rest.split_first_chunk::<8>() else {
        return false;
    };
    let Some((last, before)) = time.split_last() else {
        return false;
    };
    time.len() <= 10 && *last < 0x80 && before.iter().all(|byte| *byte >= 0x80)
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const GROUP: u8 = 3;
const GROUP_END: u8 = 4;
const FIXED32: u8 = 5;

/// What is left of a message.
#[derive(Debug, Clone, Copy)]
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        if let Some((&byte, rest)) = self.rest.split_first()
            && byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().enumerate() {
            if index == 10 {
                return Err(WireError::Overflow);
            }
            value |= u64::from(byte & 0x7f).wrapping_shl(7 * index as u32);
            if *byte < 0x80 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(if self.rest.len() >= 10 {
            WireError::Overflow
        } else {
            WireError::UnexpectedEnd
        })
    }

    #[inline]
    fn take(&mut self, len: u64) -> Result<&'a [u8], WireError> {
        if len > i64::MAX as u64 {
            return Err(WireError::NegativeLength);
        }
        let len = usize::try_from(len).map_err(|_| WireError::UnexpectedEnd)?;
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(WireError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let len = self.varint()?;
        self.take(len)
    }

    fn fixed64(&mut self) -> Result<u64, WireError> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk::<8>()
            .ok_or(WireError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// Passes over a value of the given form, with all that is in it if it is a group.
    fn skip(&mut self, wire_type: u8) -> Result<(), WireError> {
        let mut depth = 0_usize;
        let mut wire_type = wire_type;
        loop {
            match wire_type {
                VARINT => {
                    self.varint()?;
                }
                FIXED64 => {
                    self.take(8)?;
                }
                BYTES => {
                    self.bytes()?;
                }
                GROUP => depth += 1,
                GROUP_END => {
                    depth = depth
                        .checked_sub(1)
                        .ok_or(WireError::UnexpectedEndOfGroup)?;
                }
                FIXED32 => {
                    self.take(4)?;
                }
                other => return Err(WireError::IllegalType(other)),
            }
            if depth == 0 {
                return Ok(());
            }
            wire_type = (self.varint()? & 7) as u8;
        }
    }
}

/// Checks that `message` can be read as `schema` says, all its parts included.
pub(super) fn check(message: &[u8], schema: &Schema) -> Result<(), WireError> {
    let mut cursor = Cursor { rest: message };
    while !cursor.rest.is_empty() {
        let tag = cursor.varint()?;
        let number = (tag >> 3) as i32;
        let wire_type = (tag & 7) as u8;
        if wire_type == GROUP_END {
            let message = schema.name;
            return Err(WireError::EndOfGroup { message });
        }
        if number <= 0 {
            return Err(WireError::IllegalTag {
                message: schema.name,
                number,
                tag,
            });
        }
        // Fields are listed by number, most messages have all from 1 on.
        let at = (number as usize).wrapping_sub(1);
        let direct = schema.fields.get(at);
        let known = match direct.filter(|field| field.number == number as u32) {
            Some(field) => Some(field),
            None => schema
                .fields
                .iter()
                .find(|field| field.number == number as u32),
        };
        let Some(field) = known else {
            cursor.skip(wire_type)?;
            continue;
        };
        match (&field.kind, wire_type) {
            (Kind::Varint | Kind::Varints, VARINT) => {
                cursor.varint()?;
            }
            (Kind::Double | Kind::Doubles, FIXED64) => {
                cursor.take(8)?;
            }
            (Kind::Bytes, BYTES) => {
                cursor.bytes()?;
            }
            (Kind::Message(schema), BYTES) => {
                let message = cursor.bytes()?;
                if !(schema.is_plain)(message) {
                    check(message, schema)?;
                }
            }
            (Kind::Varints, BYTES) => {
                let mut packed = Cursor {
                    rest: cursor.bytes()?,
                };
                while !packed.rest.is_empty() {
                    packed.varint()?;
                }
            }
            (Kind::Doubles, BYTES) => {
                if cursor.bytes()?.len() % 8 != 0 {
                    return Err(WireError::UnexpectedEnd);
                }
            }
            _ => {
                return Err(WireError::WrongType {
                    wire_type,
                    field: field.name,
                });
            }
        }
    }
    Ok(())
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Double(f64),
    Bytes(&'a [u8]),
    /// A form that none of our fields has.
    Other,
}

impl<'a> Value<'a> {
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Varint(_) | Self::Double(_) | Self::Other => &[],
        }
    }

    pub(super) fn varint(self) -> u64 {
        match self {
            Self::Varint(number) => number,
            Self::Bytes(_) | Self::Double(_) | Self::Other => 0,
        }
    }

    pub(super) fn double(self) -> f64 {
        match self {
            Self::Double(number) => number,
            Self::Bytes(_) | Self::Varint(_) | Self::Other => 0.0,
        }
    }
}

/// The fields of a message that was [checked](check), in their order.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self {
            cursor: Cursor { rest: message },
        }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.cursor.rest
    }

    #[inline]
    fn read(&mut self) -> Result<(u32, Value<'a>), WireError> {
        let cursor = &mut self.cursor;
        let tag = cursor.varint()?;
        let value = match (tag & 7) as u8 {
            VARINT => Value::Varint(cursor.varint()?),
            FIXED64 => Value::Double(f64::from_bits(cursor.fixed64()?)),
            BYTES => Value::Bytes(cursor.bytes()?),
            other => {
                cursor.skip(other)?;
                Value::Other
            }
        };
        Ok(((tag >> 3) as u32, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.rest.is_empty() {
            return None;
        }
        self.read().ok()
    }
}

/// Integers of a repeated field: one, or a packed list.
#[derive(Debug)]
pub(super) enum Varints<'a> {
    One(Option<u64>),
    Packed(Fields<'a>),
}

impl<'a> Varints<'a> {
    pub(super) fn new(value: Value<'a>) -> Self {
        match value {
            Value::Varint(number) => Self::One(Some(number)),
            Value::Bytes(packed) => Self::Packed(Fields::new(packed)),
            Value::Double(_) | Value::Other => Self::One(None),
        }
    }
}

impl Iterator for Varints<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        match self {
            Self::One(number) => number.take(),
            Self::Packed(fields) => fields.cursor.varint().ok(),
        }
    }
}

/// Adds the floats of a repeated field: one, or a packed list.
pub(super) fn push_doubles(out: &mut Vec<f64>, value: Value<'_>) {
    match value {
        Value::Double(number) => out.push(number),
        Value::Bytes(packed) => {
            let numbers = packed.as_chunks::<8>().0.iter();
            out.extend(numbers.map(|bytes| f64::from_le_bytes(*bytes)));
        }
        Value::Varint(_) | Value::Other => {}
    }
}

/// Undoes the zigzag form of signed integers.
pub(super) fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests;
