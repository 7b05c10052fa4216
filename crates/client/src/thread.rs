//! Threads with names, so that a profiler shows who is at work.

use std::thread::JoinHandle;

use crate::Error;

/// Starts a thread. Names longer than 15 bytes are cut by Linux.
///
/// # Errors
/// [`Error::Internal`] when the system gives none.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| Error::Internal(format!("the system gives no thread: {error}")))
}
