//! Memory that is not simply allocated. The only crate in which `unsafe` code may live.

pub mod budget;
pub mod file_map;
