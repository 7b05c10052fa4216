//! Where it all happens: a network of the bench's own, for Janus wants an address besides loopback.

use std::net::Ipv4Addr;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use snug_testkit::netns::{Lan, has_rights};

/// The one address of that network.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 1);
/// Says to the program that it is inside.
const INSIDE: &str = "SNUG_BENCH_INSIDE";

/// Whether this process runs in that network.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this program once more, in such a network.
pub fn run_inside() -> Result<ExitCode> {
    ensure!(has_rights(), "only root can make a network: run it as root");
    let mut lan = Lan::new()?;
    let host = lan.host(&[&format!("{ADDRESS}/24")])?;
    let program = std::env::current_exe()?;
    let mut command = host.namespace.command(program.as_os_str());
    command.args(std::env::args_os().skip(1)).env(INSIDE, "1");
    let status = command.status().context("start the bench inside")?;
    Ok(match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
