//! A message bus of a test's own, on which nothing else lives and nothing gets started.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::{PATIENCE, Program};

/// A running dbus-daemon.
#[derive(Debug)]
pub struct Bus {
    /// What `DBUS_SESSION_BUS_ADDRESS` is to be.
    pub(super) address: String,
    _daemon: Program,
}

impl Bus {
    /// What `DBUS_SESSION_BUS_ADDRESS` is to be.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Starts a bus with its socket in this folder.
    ///
    /// # Errors
    /// When there is no dbus-daemon, or it does not start.
    pub fn start(folder: &Path) -> Result<Self> {
        let socket = folder.join("bus");
        let address = format!("unix:path={}", socket.display());
        let config = folder.join("bus.conf");
        // No folder of services: a portal or an accessibility bus that starts by itself would
        // outlive the test.
        std::fs::write(
            &config,
            format!(
                "<busconfig><type>session</type><listen>{address}</listen>\
                 <policy context=\"default\"><allow send_destination=\"*\"/>\
                 <allow receive_sender=\"*\"/><allow own=\"*\"/></policy></busconfig>"
            ),
        )?;
        let mut command = Command::new("dbus-daemon");
        command
            .args(["--nofork", "--nopidfile", "--config-file"])
            .arg(&config);
        let mut daemon = Program::start(command).context("Debian's package dbus has it")?;
        let deadline = Instant::now() + PATIENCE;
        while !socket.exists() {
            ensure!(
                daemon.is_running()? && Instant::now() < deadline,
                "no message bus:\n{daemon:?}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Self {
            address,
            _daemon: daemon,
        })
    }
}
