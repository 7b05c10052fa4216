//! Which thread runs where: the server has one core, the load the others.

use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The core of the server under test.
pub const SERVER_CORE: usize = 0;

/// Keeps this thread off the server's core, where there is another.
pub fn away_from_the_server() {
    let Ok(mut cores) = sched_getaffinity(None) else {
        return;
    };
    cores.unset(SERVER_CORE);
    if cores.count() > 0 {
        confine(&cores);
    }
}

/// Keeps this thread on the server's core.
pub fn to_the_server() {
    let mut cores = CpuSet::new();
    cores.set(SERVER_CORE);
    confine(&cores);
}

fn confine(cores: &CpuSet) {
    if let Err(error) = sched_setaffinity(None, cores) {
        eprintln!("a thread could not be told where to run: {error}");
    }
}

/// Lets this thread run before the others of the load, where that is allowed.
pub fn go_first() {
    if setpriority_process(None, -10).is_err() {
        eprintln!("the senders have no precedence: delays may be too large");
    }
}
