//! The processes that a process started, and theirs.

use rustix::process::{Pid, Signal, kill_process};

/// Lists a process and everything below it.
pub(super) fn of(root: u32) -> Vec<u32> {
    let mut family = vec![root];
    let mut index = 0;
    while let Some(parent) = family.get(index) {
        family.extend(children(*parent));
        index += 1;
    }
    family
}

/// Sends a signal to each, the eldest first, so that none is started again.
pub(super) fn signal(family: &[u32], signal: Signal) {
    for process in family {
        let process = i32::try_from(*process).ok().and_then(Pid::from_raw);
        if let Some(process) = process {
            // Who has ended in the meantime needs no signal.
            kill_process(process, signal).ok();
        }
    }
}

fn children(parent: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{parent}/task")) else {
        return Vec::new();
    };
    let lists = threads.filter_map(|thread| {
        let path = thread.ok()?.path().join("children");
        std::fs::read_to_string(path).ok()
    });
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    fn until(what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !holds() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Says whether a process has ended, whoever still has to note that.
    fn is_gone(process: u32) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{process}/stat"));
        state.map_or(true, |state| state.contains(") Z "))
    }

    #[test]
    fn children_and_their_children_are_found_and_ended() {
        let mut shell = Command::new("sh")
            .args(["-c", "sh -c 'sleep 60; true'; true"])
            .stdin(Stdio::null())
            .spawn()
            .expect("a shell");
        until("a family of three", || of(shell.id()).len() == 3);
        let family = of(shell.id());
        signal(&family, Signal::KILL);
        shell.wait().expect("it ends");
        until("nobody left", || family.iter().all(|id| is_gone(*id)));
    }
}
