//! The topic `stats`: once a second, everybody who joined it hears `metrics`.
//!
//! The seed's page of charts lives on it. Its numbers are sums over the whole server, because who
//! joins this topic need not be in any room: no name, no room and no person comes into them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use snug_phoenix::Payload;
use snug_phoenix::server::{Flow, Outbox, Terminate};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::peer_channel::{PeerCommand, PeerInfo};
use crate::registry::Rooms;
use crate::room_task::Letter;
use crate::socket::Mailbox;
use crate::transport::Counters;

/// The topic.
pub(crate) const STATS_TOPIC: &str = "stats";

/// The event that carries the numbers.
const METRICS: &str = "metrics";

/// How often they are told, as the seed does.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many may listen: pages of charts are for the few who look after a server.
const LISTENERS_MAX: usize = 64;

/// Requests that wait; more wait in their sockets.
const REQUESTS_MAX: usize = 64;

/// Names one listener. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListenerId(u64);

/// Reaches the task that tells the statistics. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Stats {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
enum Request {
    Listen {
        mailbox: Mailbox<PeerInfo>,
        reply: oneshot::Sender<Option<ListenerId>>,
    },
    Unlisten(ListenerId),
}

impl Stats {
    /// Makes somebody a listener; `None` when there are too many.
    pub async fn listen(&self, mailbox: Mailbox<PeerInfo>) -> Option<ListenerId> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Listen { mailbox, reply };
        self.requests.send(request).await.ok()?;
        answer.await.ok()?
    }

    /// Takes that back.
    pub async fn unlisten(&self, listener: ListenerId) {
        if self
            .requests
            .send(Request::Unlisten(listener))
            .await
            .is_err()
        {
            tracing::trace!("nobody tells statistics any more");
        }
    }

    /// Reaches nobody.
    #[cfg(test)]
    pub fn detached() -> Self {
        let (requests, _) = mpsc::channel(1);
        Self { requests }
    }
}

/// Collects the numbers and tells them.
pub(crate) struct StatsTask {
    requests: mpsc::Receiver<Request>,
    listeners: Vec<(ListenerId, Mailbox<PeerInfo>)>,
    next_id: u64,
    rooms: Rooms,
    counters: Arc<Counters>,
    /// What was counted when it was last told.
    before: Option<(Instant, BTreeMap<&'static str, u64>)>,
}

impl StatsTask {
    /// Makes the task, and what reaches it.
    pub fn new(rooms: Rooms, counters: Arc<Counters>) -> (Self, Stats) {
        let (sender, requests) = mpsc::channel(REQUESTS_MAX);
        let task = Self {
            requests,
            listeners: Vec::new(),
            next_id: 0,
            rooms,
            counters,
            before: None,
        };
        (task, Stats { requests: sender })
    }

    /// Tells the statistics until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(request) = self.requests.recv() => self.handle(request),
                _ = tick.tick(), if !self.listeners.is_empty() => self.tell().await,
                () = stop.cancelled() => return,
            }
        }
    }

    fn handle(&mut self, request: Request) {
        match request {
            Request::Listen { mailbox, reply } => {
                self.listeners.retain(|(_, mailbox)| !mailbox.is_closed());
                let id = ListenerId(self.next_id);
                let has_room = self.listeners.len() < LISTENERS_MAX;
                if reply.send(has_room.then_some(id)).is_ok() && has_room {
                    self.next_id += 1;
                    self.listeners.push((id, mailbox));
                }
            }
            Request::Unlisten(id) => self.listeners.retain(|(listener, _)| *listener != id),
        }
    }

    async fn tell(&mut self) {
        let stats = self.collect(self.rooms.count().await, Instant::now());
        let letter = Letter::plain(METRICS, &json!({"stats": stats}));
        self.listeners.retain(|(_, mailbox)| {
            let told = mailbox.try_send(PeerInfo::Letter(letter.clone()));
            told.is_ok()
        });
    }

    /// Returns the numbers: totals since the start, and what was added in a second.
    fn collect(&mut self, rooms: usize, now: Instant) -> Value {
        let totals = totals(&self.counters);
        let before = self.before.replace((now, totals.clone()));
        let rates: BTreeMap<&str, f64> = before.map_or_else(BTreeMap::new, |(at, before)| {
            let seconds = now.saturating_duration_since(at).as_secs_f64().max(0.001);
            let of = |(name, total): (&&'static str, &u64)| {
                let added = total.saturating_sub(before.get(name).copied().unwrap_or_default());
                (*name, added as f64 / seconds)
            };
            totals.iter().map(of).collect()
        });
        json!({"rooms": rooms, "media": totals, "mediaPerSecond": rates})
    }
}

fn totals(counters: &Counters) -> BTreeMap<&'static str, u64> {
    let Counters {
        datagrams_received,
        datagrams_sent,
        media_received,
        media_forwarded,
        media_unusable,
        keyframe_requests,
        unreachable,
        srtp_forged,
        ..
    } = counters;
    let totals = [
        ("datagramsReceived", datagrams_received),
        ("datagramsSent", datagrams_sent),
        ("packetsReceived", media_received),
        ("packetsForwarded", media_forwarded),
        ("packetsUnusable", media_unusable),
        ("keyframeRequests", keyframe_requests),
        ("packetsUnreachable", unreachable),
        ("packetsForged", srtp_forged),
    ];
    let totals = totals.into_iter();
    totals
        .map(|(name, counter)| (name, counter.get()))
        .collect()
}

/// The channel of one listener.
#[derive(Debug)]
pub(crate) struct StatsChannel {
    listener: ListenerId,
}

impl StatsChannel {
    /// Stands for this listener.
    pub fn new(listener: ListenerId) -> Self {
        Self { listener }
    }

    /// There is nothing to be said to it.
    pub fn handle_in(&mut self, _: &str, _: Payload, _: &mut Outbox<PeerCommand>) -> Flow {
        Flow::Crash
    }

    /// Passes on what it is told.
    pub fn handle_info(&mut self, info: PeerInfo, out: &mut Outbox<PeerCommand>) -> Flow {
        match info {
            PeerInfo::Letter(Letter { event, payload, .. }) => {
                out.push(event, Payload::Json((*payload).to_owned()));
                Flow::Continue
            }
            PeerInfo::HangUp(_) => Flow::Stop,
        }
    }

    /// Ends, however it does.
    pub fn terminate(&mut self, _: Terminate, out: &mut Outbox<PeerCommand>) {
        out.command(PeerCommand::Unlisten(self.listener));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer_channel::PeerChannel;

    #[tokio::test]
    async fn listeners_are_bounded_and_make_room_when_they_go() {
        let (task, stats) = StatsTask::new(Rooms::of_dead_ones(), Arc::default());
        let stop = CancellationToken::new();
        let running = tokio::spawn(task.run(stop.clone()));
        let mailbox = || Mailbox::detached::<PeerChannel>(Instant::now());
        let mut listening = Vec::new();
        for _ in 0..LISTENERS_MAX {
            let (mailbox, inbox) = mailbox();
            listening.push((stats.listen(mailbox).await.unwrap(), inbox));
        }
        let (one_more, _inbox) = mailbox();
        assert_eq!(stats.listen(one_more.clone()).await, None);
        let (_, mut first) = listening.swap_remove(0);
        let told = tokio::time::timeout(10 * INTERVAL, first.recv()).await;
        assert!(matches!(told, Ok(Some((_, PeerInfo::Letter(_))))));
        drop(first);
        assert!(
            stats.listen(one_more.clone()).await.is_some(),
            "its socket is gone"
        );
        stats.unlisten(listening[0].0).await;
        assert!(stats.listen(one_more).await.is_some(), "it left");
        stop.cancel();
        running.await.unwrap();
    }

    #[test]
    fn what_was_added_is_told_for_a_second() {
        let (mut task, _stats) = StatsTask::new(Rooms::of_dead_ones(), Arc::default());
        let now = Instant::now();
        let first = task.collect(2, now);
        assert_eq!(
            (&first["rooms"], &first["mediaPerSecond"]),
            (&json!(2), &json!({}))
        );
        let earlier = task.before.as_mut().unwrap();
        task.counters = Arc::default();
        earlier.1.insert("packetsReceived", 0);
        let second = task.collect(2, now + 2 * INTERVAL);
        assert_eq!(second["media"]["packetsReceived"], 0);
        assert_eq!(second["mediaPerSecond"]["packetsReceived"], 0.0);
    }
}
