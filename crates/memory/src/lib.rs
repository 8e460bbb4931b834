//! Memory that is not simply allocated. The only crate in which `unsafe` code may live.

pub mod budget;
pub mod file_map;
pub mod growing_map;

pub use file_map::FileMap;
pub use growing_map::GrowingMap;
