//! One `snug-server join`: started by a plan, read to its end.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build::snug_server;
use crate::process::program;
use crate::received::Received;
use crate::room_server::RoomServer;

/// What a participant does in the call.
pub struct Plan {
    /// The name that others see.
    pub name: &'static str,
    /// A Y4M file, `test` or `none`.
    pub camera: String,
    /// A WAV file, `test` or `none`.
    pub microphone: String,
    /// Where it records what it receives.
    pub record: Option<PathBuf>,
    /// How long it stays.
    pub stays: Duration,
}

/// A participant in the call.
pub struct Participant {
    name: &'static str,
    recorded: Option<PathBuf>,
    child: Child,
    /// Reads what it prints while it runs: a full pipe would hold it up.
    printed: JoinHandle<std::io::Result<String>>,
}

impl Participant {
    /// Lets it join.
    pub fn start(plan: &Plan, server: &RoomServer) -> Result<Participant> {
        let mut command = program(snug_server());
        command.args(["join", &server.link(), "--stats", "--name", plan.name]);
        command.args(["--camera", &plan.camera, "--microphone", &plan.microphone]);
        command.args(["--for", &format!("{}s", plan.stays.as_secs())]);
        command.args(["--data", &format!("reports/participants/{}", plan.name)]);
        if let Some(file) = &plan.record {
            command.arg("--record").arg(file);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a join")?;
        let mut output = child.stdout.take().expect("asked to be piped");
        let printed = std::thread::spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).map(|_| text)
        });
        Ok(Participant {
            name: plan.name,
            recorded: plan.record.clone(),
            child,
            printed,
        })
    }

    /// Waits until it has left and reads what it received.
    pub fn wait(mut self) -> Result<Received> {
        let status = self.child.wait()?;
        let printed = self
            .printed
            .join()
            .expect("reading a pipe does not panic")?;
        if !status.success() {
            bail!("{} ended with {status}; why stands above", self.name);
        }
        Received::read(self.name, self.recorded, &printed)
    }
}
