//! Releases of npm `phoenix`, unmodified, in Node, against our server: join, push, heartbeat,
//! crash and rejoin, bytes, a topic joined twice, a broken socket, refusals, leave. What each has
//! to see stands in `clients/node/phoenix.mjs`; 1.2 speaks V1, all others V2.

use std::time::Duration;

use anyhow::{Result, ensure};
use snug_testkit::clients;
use snug_testkit::process::{Program, Server};

/// A run takes some five seconds: clients wait one before they join again, and 1.2 two more.
const RUN_MAX: Duration = Duration::from_secs(60);

const STEPS: [&str; 9] = [
    "join",
    "push",
    "heartbeat",
    "crash and rejoin",
    "refusals",
    "duplicate join",
    "reconnect",
    "leave",
    "end",
];

/// Runs a release through all steps; `binary` is for those that know bytes.
fn talks(release: &str, binary: bool) -> Result<()> {
    let server = Server::start()?;
    let mut command = clients::node("node/phoenix.mjs", None);
    let url = format!("ws://127.0.0.1:{}/socket", server.port);
    command.args([release, &url, "phoenix"]);
    let ended = Program::start(command)?.ended(RUN_MAX)?;
    let done: Vec<String> = ended.stdout.lines().map(step_of).collect::<Result<_>>()?;
    let mut expected = STEPS.map(str::to_owned).to_vec();
    if binary {
        expected.insert(4, "binary".to_owned());
    }
    ensure!(
        ended.code == Some(0) && done == expected,
        "phoenix {release} got as far as {done:?}: {}\n{server:?}",
        ended.stderr
    );
    Ok(())
}

fn step_of(line: &str) -> Result<String> {
    let line: serde_json::Value = serde_json::from_str(line)?;
    Ok(line["name"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn phoenix_1_8() -> Result<()> {
    talks("1.8", true)
}

#[test]
fn phoenix_1_6() -> Result<()> {
    talks("1.6", true)
}

#[test]
fn phoenix_1_3() -> Result<()> {
    talks("1.3", false)
}

#[test]
fn phoenix_1_2() -> Result<()> {
    talks("1.2", false)
}
