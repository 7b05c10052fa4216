//! What a process costs: processor time and memory, as Linux counts them.

use std::time::Duration;

use anyhow::{Context, Result};

/// Says how much processor time all threads of a running process have used so far, to the
/// nanosecond; threads that ended are not in it.
///
/// # Errors
/// When the process is gone or this is not Linux.
pub fn processor_time(process: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    let folder = format!("/proc/{process}/task");
    for thread in std::fs::read_dir(&folder).with_context(|| format!("read {folder}"))? {
        // A thread may end between the listing and the look.
        let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) else {
            continue;
        };
        let first = text
            .split_whitespace()
            .next()
            .context("an empty schedstat")?;
        nanoseconds += first.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Says how much memory a running process holds, in KiB.
///
/// # Errors
/// When the process is gone or this is not Linux.
pub fn resident_kib(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .context("no VmRSS")?;
    Ok(line
        .split_whitespace()
        .nth(1)
        .context("no figure")?
        .parse()?)
}

/// Sums how much memory these processes hold, in KiB; what several of them share is counted once.
///
/// # Errors
/// When one is gone or this is not Linux.
pub fn proportional_kib(processes: &[u32]) -> Result<u64> {
    let mut sum = 0;
    for process in processes {
        let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:"));
        let figure = line.context("no Pss")?.split_whitespace().nth(1);
        sum += figure.context("no figure")?.parse::<u64>()?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted() -> Result<()> {
        let own = std::process::id();
        let before = processor_time(own)?;
        let mut value = 1_u64;
        while processor_time(own)? < before + Duration::from_millis(20) {
            for n in 0..100_000 {
                value = std::hint::black_box(value.wrapping_mul(31).wrapping_add(n));
            }
        }
        Ok(())
    }

    #[test]
    fn memory_is_counted() -> Result<()> {
        let own = std::process::id();
        let before = resident_kib(own)?;
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(resident_kib(own)? > before + (32 << 10));
        drop(block);
        Ok(())
    }
}
