//! The wire form of protobuf: a message is checked as a whole against a table of its fields, then read
//! in place. After the check reading needs no errors: what does not fit is left out.
//!
//! Errors are in the words of the reference's decoder.

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
    #[error("proto: wrong wireType = {form} for field {field}")]
    WrongForm {
        /// The form met.
        form: u8,
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
    #[error("proto: {0}: wiretype end group for non-group")]
    EndOfGroup(&'static str),
    /// The end of a group that was not begun, in what is skipped.
    #[error("proto: unexpected end of group")]
    UnexpectedEndOfGroup,
    /// A form that does not exist.
    #[error("proto: illegal wireType {0}")]
    IllegalForm(u8),
}

/// What a known field holds.
#[derive(Debug)]
pub(super) enum Kind {
    /// An integer or an enumeration.
    Varint,
    /// A 64-bit float.
    Double,
    /// Text, or a message that is checked when it is read.
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
pub(super) struct Known {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// The known fields of a message.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) name: &'static str,
    /// By number: where a message has all from 1 on, each is found at its place.
    pub(super) fields: &'static [Known],
}

impl Schema {
    fn field(&self, number: u32) -> Option<&Known> {
        let direct = self.fields.get((number as usize).wrapping_sub(1));
        direct
            .filter(|field| field.number == number)
            .or_else(|| self.fields.iter().find(|field| field.number == number))
    }
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const GROUP: u8 = 3;
const GROUP_END: u8 = 4;
const FIXED32: u8 = 5;

/// Most bytes of a number.
const VARINT_BYTES_MAX: usize = 10;

/// What is left of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, WireError> {
        match self.rest.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().take(VARINT_BYTES_MAX).enumerate() {
            value |= u64::from(byte & 0x7f).wrapping_shl(7 * index as u32);
            if *byte < 0x80 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(if self.rest.len() >= VARINT_BYTES_MAX {
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

    #[inline]
    fn fixed64(&mut self) -> Result<u64, WireError> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk::<8>()
            .ok_or(WireError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// Passes over a value of this form, with all that is in it if it is a group.
    fn skip(&mut self, form: u8) -> Result<(), WireError> {
        let mut depth = 0_usize;
        let mut form = form;
        loop {
            match form {
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
                other => return Err(WireError::IllegalForm(other)),
            }
            if depth == 0 {
                return Ok(());
            }
            form = (self.varint()? & 7) as u8;
        }
    }
}

/// Checks that `message` can be read as `schema` says, its parts included.
pub(super) fn check(message: &[u8], schema: &Schema) -> Result<(), WireError> {
    let mut cursor = Cursor { rest: message };
    while !cursor.rest.is_empty() {
        let tag = cursor.varint()?;
        let number = (tag >> 3) as i32;
        let form = (tag & 7) as u8;
        if form == GROUP_END {
            return Err(WireError::EndOfGroup(schema.name));
        }
        if number <= 0 {
            return Err(WireError::IllegalTag {
                message: schema.name,
                number,
                tag,
            });
        }
        match schema.field(number as u32) {
            Some(field) => check_field(&mut cursor, form, field)?,
            None => cursor.skip(form)?,
        }
    }
    Ok(())
}

fn check_field(cursor: &mut Cursor<'_>, form: u8, field: &Known) -> Result<(), WireError> {
    match (&field.kind, form) {
        (Kind::Varint | Kind::Varints, VARINT) => {
            cursor.varint()?;
        }
        (Kind::Double | Kind::Doubles, FIXED64) => {
            cursor.take(8)?;
        }
        (Kind::Bytes, BYTES) => {
            cursor.bytes()?;
        }
        (Kind::Message(schema), BYTES) => check(cursor.bytes()?, schema)?,
        (Kind::Varints, BYTES) => {
            let rest = cursor.bytes()?;
            let mut packed = Cursor { rest };
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
            let field = field.name;
            return Err(WireError::WrongForm { form, field });
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
    /// The bytes, the text or the message; empty if it is none.
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Varint(_) | Self::Double(_) | Self::Other => &[],
        }
    }

    /// The integer; 0 if it is none.
    pub(super) fn varint(self) -> u64 {
        match self {
            Self::Varint(number) => number,
            Self::Bytes(_) | Self::Double(_) | Self::Other => 0,
        }
    }

    /// The float; 0 if it is none.
    pub(super) fn double(self) -> f64 {
        match self {
            Self::Double(number) => number,
            Self::Bytes(_) | Self::Varint(_) | Self::Other => 0.0,
        }
    }

    /// Adds the integers of a repeated field: one, or a packed list.
    pub(super) fn push_signed(self, out: &mut Vec<i64>) {
        match self {
            Self::Varint(number) => out.push(zigzag(number)),
            Self::Bytes(rest) => {
                let mut packed = Cursor { rest };
                while let Ok(number) = packed.varint() {
                    out.push(zigzag(number));
                }
            }
            Self::Double(_) | Self::Other => {}
        }
    }

    /// Adds the floats of a repeated field: one, or a packed list.
    pub(super) fn push_doubles(self, out: &mut Vec<f64>) {
        match self {
            Self::Double(number) => out.push(number),
            Self::Bytes(packed) => {
                let numbers = packed.as_chunks::<8>().0.iter();
                out.extend(numbers.map(|bytes| f64::from_le_bytes(*bytes)));
            }
            Self::Varint(_) | Self::Other => {}
        }
    }
}

/// The fields of a [checked](check) message, in their order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fields<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self {
            cursor: Cursor { rest: message },
        }
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

/// The fields of a message within a message. A part that is there several times is one part, as the
/// format has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Nested<'a> {
    outer: Fields<'a>,
    number: u32,
    inner: Fields<'a>,
}

impl<'a> Nested<'a> {
    /// Of field `number` of `message`.
    pub(super) fn new(message: &'a [u8], number: u32) -> Self {
        Self {
            outer: Fields::new(message),
            number,
            inner: Fields::new(&[]),
        }
    }
}

impl<'a> Iterator for Nested<'a> {
    type Item = (u32, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(field) = self.inner.next() {
                return Some(field);
            }
            let (_, part) = self.outer.find(|(number, _)| *number == self.number)?;
            self.inner = Fields::new(part.bytes());
        }
    }
}

/// Undoes the zigzag form of signed integers.
pub(super) fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// A signed integer of 32 bits.
pub(super) fn signed_32(value: Value<'_>) -> i32 {
    zigzag(u64::from(value.varint() as u32)) as i32
}
