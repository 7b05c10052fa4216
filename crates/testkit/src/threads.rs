//! Threads that live in namespaces, each with a runtime of its own, and end with their owner.

use std::thread::JoinHandle;

use anyhow::Result;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::netns::Namespace;

/// Some threads; stopped and waited for when dropped.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    stops: Vec<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts one that works in a namespace until it is done or the owner is dropped.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub(crate) fn live_in<F: Future<Output = ()>>(
        &mut self,
        namespace: &Namespace,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> Result<()> {
        let (stop, stopped) = oneshot::channel::<()>();
        self.threads.push(namespace.spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a thread can have a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = work() => {}
                    // Both ends say the same: told to stop, or the owner is gone.
                    _ = stopped => {}
                }
            });
        })?);
        self.stops.push(stop);
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stops.clear();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                eprintln!("a thread in a namespace panicked");
            }
        }
    }
}
