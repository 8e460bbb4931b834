//! Memory that is not simply allocated, and the allocator of what is. The only crate in which `unsafe`
//! code may live.

pub mod allocator;
pub mod budget;
pub mod file_map;
pub mod growing_map;
pub mod room;

pub use allocator::Allocator;
pub use file_map::FileMap;
pub use growing_map::GrowingMap;
pub use room::Room;
