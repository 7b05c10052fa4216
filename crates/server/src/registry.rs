//! The one owner of all rooms: looks a room up or starts it, and buries it.

use std::collections::HashMap;

use snug_protocol::{ADVERT_ROOMS_MAX, AdvertRoom, HostToken, PeerId, ReasonCode, RoomName};
use snug_room::{HostRule, Lease, Registry, RoomId, RoomPolicy};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::room_task::{RoomHandle, RoomMessage, RoomTask, Surroundings};

/// Requests that wait: a thousand joiners in one instant. More wait in their sockets.
const REQUESTS_MAX: usize = 1024;

/// Reaches the registry. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Rooms {
    requests: mpsc::Sender<Request>,
}

/// A room whose host is known before anybody is in it.
#[derive(Debug, Clone)]
pub(crate) struct Hosted {
    /// What its host shows.
    pub token: HostToken,
    /// Whether this network is told of it.
    pub is_told: bool,
}

/// The way to a room, and what keeps it from ending meanwhile.
pub(crate) type Way = (RoomHandle, Lease);

#[derive(Debug)]
enum Request {
    LookUp {
        name: RoomName,
        reply: oneshot::Sender<Result<Way, ReasonCode>>,
    },
    MayEnd {
        room: RoomId,
        reply: oneshot::Sender<bool>,
    },
    List {
        name: RoomName,
        hosted: Option<Hosted>,
        reply: oneshot::Sender<Result<(), ReasonCode>>,
    },
    Unlist {
        name: RoomName,
        reply: oneshot::Sender<Option<RoomHandle>>,
    },
    Find {
        name: RoomName,
        reply: oneshot::Sender<Option<RoomHandle>>,
    },
    Count {
        reply: oneshot::Sender<usize>,
    },
    Advertise {
        reply: oneshot::Sender<Vec<AdvertRoom>>,
    },
}

impl Rooms {
    /// Finds the room of that name or starts it.
    ///
    /// # Errors
    /// The reason for which there is none: [`ReasonCode::NoSuchRoom`],
    /// [`ReasonCode::ServerFull`] or [`ReasonCode::ServerStopping`].
    pub async fn look_up_or_start(&self, name: RoomName) -> Result<Way, ReasonCode> {
        let answer = self.ask(|reply| Request::LookUp { name, reply }).await;
        answer.unwrap_or(Err(ReasonCode::ServerStopping))
    }

    /// Whether an empty room may end; after yes it must.
    pub async fn may_end(&self, room: RoomId) -> bool {
        self.ask(|reply| Request::MayEnd { room, reply })
            .await
            .unwrap_or(true)
    }

    /// Allows a room to be joined on a server that hosts listed rooms only.
    ///
    /// # Errors
    /// [`ReasonCode::ServerFull`] when there are too many, [`ReasonCode::ServerStopping`].
    pub async fn list(&self, name: RoomName, hosted: Option<Hosted>) -> Result<(), ReasonCode> {
        let answer = self
            .ask(|reply| Request::List {
                name,
                hosted,
                reply,
            })
            .await;
        answer.unwrap_or(Err(ReasonCode::ServerStopping))
    }

    /// Takes that back, and ends the room of that name for whoever is in it.
    pub async fn unlist(&self, name: RoomName) {
        let running = self.ask(|reply| Request::Unlist { name, reply }).await;
        let reason = ReasonCode::RoomClosed;
        // Sent from here, because the owner must not wait for a busy room.
        if let Some(room) = running.flatten()
            && !room.send(RoomMessage::Close { reason }).await
        {
            tracing::trace!("the room had ended by itself");
        }
    }

    /// Puts a peer out of a room. Returns false when it is not there.
    pub async fn kick(&self, name: RoomName, peer: PeerId) -> bool {
        let running = self.ask(|reply| Request::Find { name, reply }).await;
        let Some(room) = running.flatten() else {
            return false;
        };
        let (reply, answer) = oneshot::channel();
        room.send(RoomMessage::Kick { peer, reply }).await && answer.await.unwrap_or(false)
    }

    /// Makes the task of a room panic. Returns false when there is no such room.
    pub async fn crash(&self, name: RoomName) -> bool {
        self.say(name, RoomMessage::Crash).await
    }

    /// Makes a room panic over what it does for one peer. Returns false when there is no such room.
    pub async fn crash_peer(&self, name: RoomName, peer: PeerId) -> bool {
        self.say(name, RoomMessage::CrashPeer { peer }).await
    }

    /// Says something to a room if it runs, and returns whether it did.
    async fn say(&self, name: RoomName, message: RoomMessage) -> bool {
        let running = self.ask(|reply| Request::Find { name, reply }).await;
        match running.flatten() {
            Some(room) => room.send(message).await,
            None => false,
        }
    }

    /// Returns how many rooms there are.
    pub async fn count(&self) -> usize {
        self.ask(|reply| Request::Count { reply })
            .await
            .unwrap_or_default()
    }

    /// Returns the rooms to tell the network of, by name; where there are too many, the fullest.
    pub async fn advertised(&self) -> Vec<AdvertRoom> {
        self.ask(|reply| Request::Advertise { reply })
            .await
            .unwrap_or_default()
    }

    /// Leads to rooms that are dead, whatever their names. Must be called inside a runtime, unless
    /// nobody asks.
    #[cfg(test)]
    pub fn of_dead_ones() -> Self {
        let (sender, mut requests) = mpsc::channel(REQUESTS_MAX);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                while let Some(request) = requests.recv().await {
                    match request {
                        Request::LookUp { name, reply } => {
                            let mut rooms = Registry::new(RoomPolicy::Open, snug_room::ROOMS_MAX);
                            let found = rooms.look_up_or_start(&name);
                            let way = found.map(|found| (RoomHandle::dead(), found.lease));
                            assert!(reply.send(way).is_ok());
                        }
                        Request::Count { reply } => assert!(reply.send(0).is_ok()),
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
        Self { requests: sender }
    }

    /// Asks the owner; `None` when it is gone.
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.ok()?;
        answer.await.ok()
    }
}

/// The owner. Dropping it ends all rooms.
pub(crate) struct RegistryTask {
    registry: Registry,
    handles: HashMap<RoomId, RoomHandle>,
    hosted: HashMap<RoomName, Hosted>,
    tasks: JoinSet<()>,
    ids: HashMap<Id, RoomId>,
    around: Surroundings,
    rooms: Rooms,
    requests: mpsc::Receiver<Request>,
}

impl RegistryTask {
    /// Makes a registry without rooms, which holds so many at most, and what reaches it.
    pub fn new(policy: RoomPolicy, rooms_max: usize, around: Surroundings) -> (Self, Rooms) {
        let (sender, requests) = mpsc::channel(REQUESTS_MAX);
        let rooms = Rooms { requests: sender };
        let task = Self {
            registry: Registry::new(policy, rooms_max),
            handles: HashMap::new(),
            hosted: HashMap::new(),
            tasks: JoinSet::new(),
            ids: HashMap::new(),
            around,
            rooms: rooms.clone(),
            requests,
        };
        (task, rooms)
    }

    /// Serves until told to stop; then all rooms end.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                Some(request) = self.requests.recv() => self.handle(request),
                Some(ended) = self.tasks.join_next_with_id() => self.bury(ended),
                () = stop.cancelled() => return,
            }
        }
    }

    /// Answers; an asker that gave up needs no answer.
    fn handle(&mut self, request: Request) {
        let heard = match request {
            Request::LookUp { name, reply } => reply.send(self.look_up_or_start(&name)).is_ok(),
            Request::MayEnd { room, reply } => {
                let may_end = self.registry.end_if_unused(room);
                if may_end {
                    self.handles.remove(&room);
                }
                reply.send(may_end).is_ok()
            }
            Request::List {
                name,
                hosted,
                reply,
            } => reply.send(self.list(name, hosted)).is_ok(),
            Request::Unlist { name, reply } => {
                self.hosted.remove(&name);
                let room = self.registry.unlist(&name);
                let handle = room.and_then(|room| self.handles.remove(&room));
                reply.send(handle).is_ok()
            }
            Request::Find { name, reply } => {
                let room = self.registry.find(&name);
                let handle = room.and_then(|room| self.handles.get(&room)).cloned();
                reply.send(handle).is_ok()
            }
            Request::Count { reply } => reply.send(self.registry.len()).is_ok(),
            Request::Advertise { reply } => reply.send(self.advertised()).is_ok(),
        };
        if !heard {
            tracing::trace!("an asker gave up");
        }
    }

    fn advertised(&self) -> Vec<AdvertRoom> {
        let told = self.registry.names().filter_map(|(name, room)| {
            let handle = room.and_then(|room| self.handles.get(&room));
            let people = handle.map_or(0, RoomHandle::people);
            // A running room without people is about to end; no link carries a name that a
            // person could not have typed.
            let is_over = room.is_some() && people == 0 && !self.registry.is_listed(name);
            let is_usual = RoomName::parse(name.as_str()).is_ok_and(|usual| usual == *name);
            let is_told = self.hosted.get(name).is_none_or(|hosted| hosted.is_told);
            (!is_over && is_usual && is_told).then(|| AdvertRoom {
                name: name.clone(),
                people: u16::try_from(people).unwrap_or(u16::MAX),
                is_locked: handle.is_some_and(RoomHandle::is_locked),
            })
        });
        let mut told: Vec<AdvertRoom> = told.collect();
        told.sort_by(|a, b| b.people.cmp(&a.people).then_with(|| a.name.cmp(&b.name)));
        told.truncate(ADVERT_ROOMS_MAX);
        told.sort_by(|a, b| a.name.cmp(&b.name));
        told
    }

    fn list(&mut self, name: RoomName, hosted: Option<Hosted>) -> Result<(), ReasonCode> {
        self.registry.list(name.clone())?;
        if let Some(hosted) = hosted {
            self.hosted.insert(name, hosted);
        }
        Ok(())
    }

    fn look_up_or_start(&mut self, name: &RoomName) -> Result<Way, ReasonCode> {
        if self.around.transport.has_failed() {
            return Err(ReasonCode::MediaLost);
        }
        let found = self.registry.look_up_or_start(name)?;
        if found.is_new {
            let hosted = self.hosted.get(name);
            let host = hosted.map_or(HostRule::First, |hosted| {
                HostRule::Holder(hosted.token.clone())
            });
            let (task, handle) = RoomTask::new(found.room, self.rooms.clone(), &self.around, host);
            let task = self.tasks.spawn(task.run());
            self.ids.insert(task.id(), found.room);
            self.handles.insert(found.room, handle);
        }
        let handle = self
            .handles
            .get(&found.room)
            .expect("every room that runs has a handle");
        Ok((handle.clone(), found.lease))
    }

    /// Forgets a room whose task ended, and says so when it did not end well.
    fn bury(&mut self, ended: Result<(Id, ()), JoinError>) {
        let task = match &ended {
            Ok((task, ())) => *task,
            Err(error) => {
                tracing::error!(%error, "a room's task died; the others go on");
                error.id()
            }
        };
        if let Some(room) = self.ids.remove(&task) {
            self.registry.forget(room);
            self.handles.remove(&room);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use snug_room::Patience;

    use super::*;
    use crate::room_task::{Keys, Site};
    use crate::transport::TransportHandle;

    #[tokio::test]
    async fn a_room_whose_task_died_gives_its_name_free() {
        let (transport, _plane) = TransportHandle::detached();
        let site = Site {
            fingerprint: [1; 32],
            media_port: 1,
            announced: vec![],
            patience: Patience::default(),
            people_max: snug_room::PEERS_MAX,
            keys: Keys::default(),
        };
        let around = Surroundings {
            site: Arc::new(site),
            transport,
        };
        let (mut owner, _rooms) = RegistryTask::new(RoomPolicy::Open, snug_room::ROOMS_MAX, around);
        let name = RoomName::parse("a").unwrap();
        let _way = owner.look_up_or_start(&name).unwrap();
        owner.tasks.abort_all();
        let ended = owner.tasks.join_next_with_id().await.unwrap();
        assert!(ended.is_err());
        owner.bury(ended);
        assert!(owner.registry.is_empty() && owner.handles.is_empty() && owner.ids.is_empty());
        assert!(owner.look_up_or_start(&name).is_ok());
        assert_eq!(owner.registry.len(), 1);
    }
}
