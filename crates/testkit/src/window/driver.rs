//! WebKitWebDriver and one session of it. The driver starts the app; both, and whatever the web
//! view starts, are one process group, which is killed with the handle.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fantoccini::error::NewSessionError;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::Surroundings;
use crate::netns::Namespace;
use crate::process::{PATIENCE, Program};

/// How long any one request to the page may take, starting the app included.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);

/// A session with the app's page.
#[derive(Debug)]
pub(super) struct Driver {
    client: Client,
    group: Pid,
    inside: Inside,
    /// The driver's process, whose output is also the app's.
    pub(super) program: Program,
}

impl Driver {
    /// Starts the driver in these surroundings and lets it start the app. A driver that goes away
    /// before it has answered says nothing of the app, and is started once more: the port that was
    /// free for it may have been taken meanwhile.
    pub(super) fn start(
        surroundings: &Surroundings,
        namespace: Option<&Namespace>,
        capabilities: &Value,
    ) -> Result<Self> {
        Self::start_once(surroundings, namespace, capabilities).or_else(|error| {
            ensure!(is_of_driver(&error), error);
            eprintln!("the driver is started once more: {error:#}");
            Self::start_once(surroundings, namespace, capabilities)
        })
    }

    fn start_once(
        surroundings: &Surroundings,
        namespace: Option<&Namespace>,
        capabilities: &Value,
    ) -> Result<Self> {
        let inside = Inside::start(namespace)?;
        let port = inside.run(async {
            let free = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            Ok(free.local_addr()?.port())
        })?;
        let mut command: Command = surroundings.command("WebKitWebDriver".as_ref());
        command.arg(format!("--port={port}")).process_group(0);
        let mut program = Program::start(command)
            .context("Debian's package webkit2gtk-driver has WebKitWebDriver")?;
        let group = Pid::from_raw(i32::try_from(program.id())?).context("process id 0")?;
        let outcome = inside.run(listening(port)).and_then(|()| {
            ensure!(program.is_running()?, "WebKitWebDriver has ended");
            inside.run(session(port, capabilities.clone()))
        });
        match outcome {
            Ok(client) => Ok(Self {
                client,
                group,
                inside,
                program,
            }),
            Err(error) => {
                kill_group(group);
                Err(error.context(format!("open the window\n{program:?}")))
            }
        }
    }

    /// Does something with the session and waits for the outcome.
    pub(super) fn run<T, F>(&self, work: impl FnOnce(Client) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.inside.run(work(self.client.clone()))
    }

    /// Lists the processes of the group except the driver.
    pub(super) fn group_members(&self) -> Vec<u32> {
        let group = self.group.as_raw_nonzero().get();
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .filter(|process| *process != self.program.id())
            .filter(|process| group_of(*process) == Some(group))
            .collect()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Not by closing the session: a test that failed must end too, whatever the page does.
        kill_group(self.group);
    }
}

fn kill_group(group: Pid) {
    if let Err(error) = kill_process_group(group, Signal::KILL) {
        eprintln!("the window's processes were gone already: {error}");
    }
}

/// Reads a running process's group; a zombie has ended.
fn group_of(process: u32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything; after it: state, parent, group.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(group)
}

async fn listening(port: u16) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .is_err()
    {
        ensure!(
            Instant::now() < deadline,
            "nobody listens on the driver's port {port}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Says whether the driver itself went away, rather than that it could not open the app.
fn is_of_driver(error: &anyhow::Error) -> bool {
    use NewSessionError::{Failed, FailedC, Lost};
    let cause = error.downcast_ref::<NewSessionError>();
    matches!(cause, Some(Failed(_) | FailedC(_) | Lost(_)))
}

async fn session(port: u16, capabilities: Value) -> Result<Client> {
    let Value::Object(capabilities) = capabilities else {
        anyhow::bail!("capabilities are an object");
    };
    let client = ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .context("WebKitWebDriver does not open the app")?;
    Ok(client)
}

/// A thread that lives in the window's network namespace and does what is sent to it: a socket
/// belongs to the namespace of the thread that made it.
#[derive(Debug)]
struct Inside {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Inside {
    fn start(namespace: Option<&Namespace>) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let live = move || {
            // Both ends say the same: an owner that stops, and one that is gone.
            runtime.block_on(async { stopped.await.ok() });
            // Requests of a page that no longer answers must not hold up the end.
            runtime.shutdown_background();
        };
        let thread = match namespace {
            Some(namespace) => namespace.spawn(live)?,
            None => std::thread::spawn(live),
        };
        Ok(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (done, outcome) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // Nobody waits any more when the deadline passed.
            done.send(work.await).ok();
        });
        outcome
            .recv_timeout(ANSWER_WITHIN)
            .with_context(|| format!("no answer from the window within {ANSWER_WITHIN:?}"))?
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            eprintln!("the window's thread panicked");
        }
    }
}
