//! The desktop around the window: keeps the screen on during a call, and shows news while another
//! program is in front.
//!
//! Knows: the session's message bus, by the names that freedesktop.org gives. Refuses to know:
//! words (the page has them) and when something is news (the page knows that too).
//!
//! Rules: nothing here is ever in the way of a call. A desktop without a bus, or one that does not
//! answer, lets the screen go dark and shows no news; the log says so. One piece of news takes the
//! place of the one before, so that many are no pile.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::timeout;
use zbus::zvariant::Value;
use zbus::{Connection, connection};

use crate::ipc::{Snapshot, Stage};

/// How long the desktop may take for an answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Letters of a piece of news that are shown: a desktop shows a line or two.
const LETTERS_MAX: usize = 200;

/// How long a piece of news is shown, in milliseconds: as the desktop likes.
const AS_USUAL: i32 = -1;

const SCREEN: (&str, &str) = (
    "org.freedesktop.ScreenSaver",
    "/org/freedesktop/ScreenSaver",
);
const NEWS: (&str, &str) = (
    "org.freedesktop.Notifications",
    "/org/freedesktop/Notifications",
);

/// The desktop of this session.
#[derive(Default)]
pub(crate) struct Desktop {
    /// Where its bus is; nothing means where the session says.
    address: Option<String>,
    /// The bus, once it was needed, and the last piece of news on it.
    news: Mutex<(Option<Connection>, u32)>,
}

/// Why the desktop did not do it.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    Bus(#[from] zbus::Error),
    #[error("no answer")]
    Silent(#[from] tokio::time::error::Elapsed),
}

impl Desktop {
    /// Shows a piece of news in place of the one before.
    pub(crate) async fn show(&self, title: &str, body: &str) {
        let (connection, last) = &mut *self.news.lock().await;
        match timeout(ANSWERS_WITHIN, self.put(connection, *last, title, body)).await {
            Ok(Ok(number)) => *last = number,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the desktop shows no news");
                *connection = None;
            }
            Err(_) => tracing::debug!("the desktop does not answer"),
        }
    }

    async fn put(
        &self,
        connection: &mut Option<Connection>,
        last: u32,
        title: &str,
        body: &str,
    ) -> zbus::Result<u32> {
        let bus = match connection {
            Some(bus) => bus,
            None => connection.insert(self.connect().await?),
        };
        let hints: HashMap<&str, Value<'_>> = HashMap::new();
        let (title, body) = (shortened(title), plain(&shortened(body)));
        let actions: [&str; 0] = [];
        let news = (
            "Snug",
            last,
            "snug",
            &title,
            &body,
            &actions[..],
            hints,
            AS_USUAL,
        );
        let (name, path) = NEWS;
        let reply = bus.call_method(Some(name), path, Some(name), "Notify", &news);
        reply.await?.body().deserialize()
    }

    /// Keeps the screen on for as long as the person is in a room; ends with the bridge.
    pub(crate) async fn keep_awake(&self, mut snapshots: watch::Receiver<Snapshot>) {
        let mut held = None;
        let mut was_in_call = false;
        loop {
            let is_in_call = matches!(snapshots.borrow_and_update().stage, Stage::Room(_));
            if is_in_call != was_in_call {
                was_in_call = is_in_call;
                if is_in_call {
                    held = self.hold().await;
                } else if let Some(hold) = held.take() {
                    release(hold).await;
                }
            }
            if snapshots.changed().await.is_err() {
                // With our connection the desktop drops the hold by itself, too.
                if let Some(hold) = held.take() {
                    release(hold).await;
                }
                return;
            }
        }
    }

    async fn hold(&self) -> Option<Hold> {
        let held = timeout(ANSWERS_WITHIN, self.inhibit()).await;
        let held = held
            .map_err(Error::from)
            .and_then(|held| held.map_err(Error::from));
        held.inspect_err(|error| tracing::info!(%error, "the screen may go dark during the call"))
            .ok()
    }

    async fn inhibit(&self) -> zbus::Result<Hold> {
        let bus = self.connect().await?;
        let (name, path) = SCREEN;
        let why = ("Snug", "A call is under way");
        let reply = bus.call_method(Some(name), path, Some(name), "Inhibit", &why);
        let cookie = reply.await?.body().deserialize()?;
        Ok(Hold { bus, cookie })
    }

    async fn connect(&self) -> zbus::Result<Connection> {
        match &self.address {
            Some(address) => {
                connection::Builder::address(address.as_str())?
                    .build()
                    .await
            }
            None => Connection::session().await,
        }
    }
}

/// The screen stays on.
struct Hold {
    bus: Connection,
    cookie: u32,
}

async fn release(hold: Hold) {
    let (name, path) = SCREEN;
    let asked = hold
        .bus
        .call_method(Some(name), path, Some(name), "UnInhibit", &hold.cookie);
    match timeout(ANSWERS_WITHIN, asked).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the screen is let go with the connection"),
        Err(_) => tracing::debug!("the screen is let go with the connection"),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(LETTERS_MAX).collect()
}

/// Some desktops read markup in a body (Desktop Notifications Specification, section "Markup"): what
/// people wrote is text.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
