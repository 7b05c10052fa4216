//! A host's side on real networks: hears questions, answers, says farewell.

use std::time::{Duration, Instant};

use snug_protocol::Advert;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::announcing::Announcing;
use crate::mdns;
use crate::sockets::{Pair, links};

/// How often it is seen to which networks we are: cables and radio come and go.
const LOOK_AT_LINKS_EVERY: Duration = Duration::from_secs(3);

/// Between the two times that a farewell is said: one may be lost.
const FAREWELL_AGAIN: Duration = Duration::from_millis(50);

/// Announces the rooms of one server. Dropping it ends it without a farewell; see
/// [`Announcer::finish`].
#[derive(Debug)]
pub struct Announcer {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Announcer {
    /// Announces what `adverts` holds, as it changes. Must be called inside a tokio runtime.
    #[must_use]
    pub fn start(adverts: watch::Receiver<Advert>) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(adverts, stop.clone()));
        Self { stop, task }
    }

    /// Says farewell and ends. Takes a tenth of a second or so.
    pub async fn finish(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "announcing did not end well");
        }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What woke the task.
enum Woken {
    Heard((std::net::SocketAddr, Vec<u8>)),
    Changed,
    Time,
    Stop,
}

async fn run(mut adverts: watch::Receiver<Advert>, stop: CancellationToken) {
    let (asked, answering) = (Pair::shared(), Pair::own());
    let advert = adverts.borrow_and_update().clone();
    let mut pointing = None;
    let mut core = Announcing::new(advert.clone(), Instant::now());
    let mut tick = tokio::time::interval(LOOK_AT_LINKS_EVERY);
    let mut has_source = true;
    loop {
        let has_rooms = !adverts.borrow().rooms.is_empty();
        if has_rooms != pointing.is_some() {
            // On the link too there is nothing to say while there are no rooms.
            pointing = has_rooms
                .then(|| mdns::Pointing::start(&adverts.borrow()))
                .flatten();
            if has_rooms && pointing.is_none() {
                has_source = adverts.has_changed().is_ok();
            }
        }
        let woken = tokio::select! {
            heard = asked.receive() => Woken::Heard(heard),
            heard = answering.receive() => Woken::Heard(heard),
            changed = adverts.changed(), if has_source => {
                has_source = changed.is_ok();
                Woken::Changed
            }
            _ = tick.tick() => Woken::Time,
            () = stop.cancelled() => Woken::Stop,
        };
        let now = Instant::now();
        match woken {
            Woken::Heard((from, bytes)) => core.handle_datagram(from, &bytes, now),
            Woken::Changed => core.handle_advert(adverts.borrow_and_update().clone(), now),
            Woken::Time => {
                let links = links();
                asked.join_groups(&links);
                core.handle_links(links);
            }
            Woken::Stop => break,
        }
        while let Some((to, bytes)) = core.poll_output() {
            answering.send(to, &bytes).await;
        }
    }
    core.handle_end(Instant::now());
    let farewells: Vec<_> = std::iter::from_fn(|| core.poll_output()).collect();
    for round in 0..2 {
        if round > 0 {
            tokio::time::sleep(FAREWELL_AGAIN).await;
        }
        for (to, bytes) in &farewells {
            answering.send(*to, bytes).await;
        }
    }
    if let Some(pointing) = pointing {
        pointing.finish().await;
    }
}
