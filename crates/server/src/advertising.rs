//! What is told about the rooms of this server to whoever looks for rooms on its network.

use std::time::Duration;

use snug_protocol::{Advert, DisplayName, Pin};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::machine_name;
use crate::registry::Rooms;

/// How old what is told may be: a room that ended is told within a second, the way there included.
const RENEW_EVERY: Duration = Duration::from_millis(400);

/// What the host is called when its computer has no name that can be shown.
const NAMELESS: &str = "Snug";

/// Keeps what is told up to date.
pub(crate) struct Advertising {
    rooms: Rooms,
    adverts: watch::Sender<Advert>,
}

impl Advertising {
    /// Starts with no rooms; returns where the rooms are followed.
    pub fn new(rooms: Rooms, pin: Pin, port: u16) -> (Self, watch::Receiver<Advert>) {
        let host = DisplayName::parse(&machine_name())
            .or_else(|_| DisplayName::parse(NAMELESS))
            .expect("this name is a name");
        let (adverts, follow) = watch::channel(Advert {
            host,
            port,
            pin,
            addresses: Vec::new(),
            rooms: Vec::new(),
        });
        (Self { rooms, adverts }, follow)
    }

    /// Works until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut tick = interval(RENEW_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = stop.cancelled() => return,
            }
            let rooms = self.rooms.advertised().await;
            self.adverts.send_if_modified(|advert| {
                let is_new = advert.rooms != rooms;
                advert.rooms = rooms;
                is_new
            });
        }
    }
}
