//! The Tauri-free program for servers and bots.
fn main() {}
