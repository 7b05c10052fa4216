//! What the app tells its page, asked for in the page's own way.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{LOOK_EVERY, Window};

/// Asks the app and hands on what it answers or why not.
const ASK: &str = "
    const [command, input, done] = arguments;
    window.__TAURI_INTERNALS__.invoke(command, input).then(
        answer => done({ answer: answer ?? null }),
        problem => done({ problem }));
";

impl Window {
    /// Asks the app something as the page does.
    ///
    /// # Errors
    /// When it answers with a problem, which is shown.
    pub fn ask(&self, command: &str, input: Value) -> Result<Value> {
        let outcome = self.script_async(ASK, json!([command, input]))?;
        match outcome.get("problem") {
            Some(problem) => bail!("`{command}` is answered with {problem}"),
            None => Ok(outcome["answer"].clone()),
        }
    }

    /// Copies everything that the app decides about the screen.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn snapshot(&self) -> Result<Value> {
        self.ask("snapshot", json!({}))
    }

    /// Waits until the app's snapshot satisfies a condition.
    ///
    /// # Errors
    /// When it does not in time; the error shows the last one.
    pub fn snapshot_when(
        &self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let deadline = Instant::now() + within;
        loop {
            let snapshot = self.snapshot()?;
            if wanted(&snapshot) {
                return Ok(snapshot);
            }
            if Instant::now() >= deadline {
                return Err(self.failure(&format!("no {what} within {within:?} in {snapshot}")));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}
