//! Classes of bytes that the lexers ask for, as one table.

const LABEL_START: u8 = 1;
const NAME_START: u8 = 2;
const DIGIT: u8 = 4;

static CLASSES: [u8; 256] = {
    let mut classes = [0_u8; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphabetic() || b == b'_' {
            classes[byte] = LABEL_START | NAME_START;
        } else if b == b':' {
            classes[byte] = NAME_START;
        } else if b.is_ascii_digit() {
            classes[byte] = DIGIT;
        }
        byte += 1;
    }
    classes
};

/// `[a-zA-Z_:]`.
#[inline]
pub(crate) fn starts_name(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & NAME_START != 0
}

/// `[a-zA-Z_:0-9]`.
#[inline]
pub(crate) fn in_name(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & (NAME_START | DIGIT) != 0
}

/// `[a-zA-Z_]`.
#[inline]
pub(crate) fn starts_label(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & LABEL_START != 0
}

/// `[a-zA-Z_0-9]`.
#[inline]
pub(crate) fn in_label(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & (LABEL_START | DIGIT) != 0
}

/// Space or tab.
#[inline]
pub(crate) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}
