//! The page by which browsers take part, embedded when this program was built.

use snug_server::PageFile;

/// Every file of the page, as `ui/` built it; none when it was not built before this program.
pub const PAGES: &[PageFile] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));
