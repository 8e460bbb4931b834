//! One main, four names.

fn main() {}
