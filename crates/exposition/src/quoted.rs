//! Bytes in quotation marks as error texts show them.

pub(crate) use gocompat::quote::quote_bytes as quoted;
