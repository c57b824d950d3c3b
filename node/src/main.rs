//! The gridbook binary.
fn main() {}
