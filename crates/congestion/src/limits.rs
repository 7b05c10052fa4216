//! What bounds an estimate.

/// What an estimate may be, in bits a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What is assumed before anything is known.
    pub start: u64,
    /// The least; above zero.
    pub least: u64,
    /// The most.
    pub most: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start: 1_000_000,
            least: 20_000,
            most: 50_000_000,
        }
    }
}
