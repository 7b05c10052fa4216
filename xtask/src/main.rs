//! The doors to the repository.
fn main() {}
