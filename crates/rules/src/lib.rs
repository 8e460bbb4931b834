//! Rules: so far their files, read, checked and linted. Evaluation follows in a later part.
#![deny(missing_docs)]

pub mod file;
