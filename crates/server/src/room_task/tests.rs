//! The shell of a room: what happens to channels, sockets and the media plane when things break.

use std::sync::mpsc::Receiver;

use snug_protocol::{ClientEvent, PeerId, ResumeToken, RoomName};
use snug_room::{Credentials, HostRule, Joiner, Patience, RoomPolicy};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::peer_channel::PeerChannel;
use crate::registry::{RegistryTask, Way};
use crate::socket::Inbox;
use crate::transport::IceCredentials;

/// A registry at work, with a media plane that only collects.
struct World {
    rooms: Rooms,
    around: Surroundings,
    plane: Receiver<TransportCommand>,
    stop: CancellationToken,
    registry: JoinHandle<()>,
}

impl World {
    fn start() -> Self {
        let (transport, plane) = TransportHandle::detached();
        let site = Site {
            fingerprint: [1; 32],
            media_port: 7684,
            announced: vec![],
            patience: Patience::default(),
            people_max: snug_room::PEERS_MAX,
            keys: Keys::default(),
        };
        let around = Surroundings {
            site: Arc::new(site),
            transport,
        };
        let (task, rooms) =
            RegistryTask::new(RoomPolicy::Open, snug_room::ROOMS_MAX, around.clone());
        let stop = CancellationToken::new();
        let registry = tokio::spawn(task.run(stop.clone()));
        Self {
            rooms,
            around,
            plane,
            stop,
            registry,
        }
    }

    async fn way(&self, room: &str) -> Way {
        self.rooms
            .look_up_or_start(RoomName::parse(room).unwrap())
            .await
            .unwrap()
    }

    async fn no_room_is_left(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.rooms.count().await > 0 {
            assert!(Instant::now() < deadline, "a room leaked");
            tokio::task::yield_now().await;
        }
    }
}

fn newcomer(number: u8, is_snug: bool) -> Box<Newcomer> {
    Box::new(Newcomer {
        joiner: Joiner {
            fresh_id: PeerId::from_random([number; 16]),
            fresh_token: is_snug.then(|| ResumeToken::from_random([number; 16])),
            resume: None,
            credentials: Credentials {
                is_snug,
                ..Credentials::default()
            },
        },
        is_snug,
        is_page: false,
        listens: false,
        local: "127.0.0.1".parse().unwrap(),
        ice: IceCredentials {
            ufrag: "ufrag".into(),
            pwd: "password".repeat(3),
        },
        first_ssrc: 1,
        turn_servers: vec![],
        relay: None,
        simulcast: None,
    })
}

/// Joins over a mailbox of its own; the inbox is the socket's end of it.
async fn join(way: Way, number: u8) -> (RoomHandle, Seat, Inbox<PeerInfo>) {
    join_as(way, number, true).await
}

async fn join_as(
    (room, lease): Way,
    number: u8,
    is_snug: bool,
) -> (RoomHandle, Seat, Inbox<PeerInfo>) {
    let (mailbox, inbox) = Mailbox::detached::<PeerChannel>(Instant::now());
    let (reply, answer) = oneshot::channel();
    let newcomer = newcomer(number, is_snug);
    assert!(
        room.send(RoomMessage::Join {
            newcomer,
            mailbox,
            lease,
            reply
        })
        .await
    );
    let admission = answer.await.unwrap().unwrap();
    (room, admission.seat, inbox)
}

async fn connect(room: &RoomHandle, seat: &Seat) {
    let said = Said::Event(ClientEvent::Connect {
        metadata: serde_json::Value::Null,
    });
    assert!(
        room.send(RoomMessage::Said {
            seat: seat.clone(),
            said
        })
        .await
    );
}

/// What waits in a socket's inbox, as short words.
fn words(inbox: &mut Inbox<PeerInfo>) -> Vec<String> {
    let infos = std::iter::from_fn(|| inbox.try_recv());
    infos
        .map(|(_, info)| match info {
            PeerInfo::Letter(letter) => letter.payload.get().to_owned(),
            PeerInfo::HangUp(how) => format!("{how:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_room_that_dies_closes_its_channels_and_no_others() {
    let World { rooms, around, .. } = World::start();
    let name = RoomName::parse("a").unwrap();
    let found = rooms.look_up_or_start(name).await.unwrap();
    let (_room, _seat, mut inbox) = join(found, 1).await;
    // A second room outside the registry dies by a panic of its task.
    let mut registry = snug_room::Registry::new(RoomPolicy::Open, 1);
    let id = registry
        .look_up_or_start(&RoomName::parse("b").unwrap())
        .unwrap()
        .room;
    let (mut task, _handle) = RoomTask::new(id, rooms.clone(), &around, HostRule::First);
    let (mailbox, mut doomed) = Mailbox::detached::<PeerChannel>(Instant::now());
    let seat = Seat {
        peer: PeerId::from_random([9; 16]),
        epoch: 0,
    };
    task.links.open(seat, mailbox);
    let died = tokio::spawn(async move {
        let _task = task;
        panic!("as a defect would");
    });
    assert!(died.await.unwrap_err().is_panic());
    assert_eq!(words(&mut doomed), ["Crash"]);
    assert_eq!(words(&mut inbox), [""; 0], "the other room goes on");
}

#[tokio::test]
async fn a_stopped_registry_ends_all_rooms_and_their_channels() {
    let world = World::start();
    let (_room, _seat, mut inbox) = join(world.way("a").await, 1).await;
    world.stop.cancel();
    world.registry.await.unwrap();
    while words(&mut inbox) != ["Close"] {
        tokio::task::yield_now().await;
    }
    let refused = world
        .rooms
        .look_up_or_start(RoomName::parse("a").unwrap())
        .await;
    assert_eq!(refused.err(), Some(ReasonCode::ServerStopping));
}

#[tokio::test]
async fn a_lost_media_plane_ends_all_rooms_with_a_reason() {
    let World {
        rooms,
        around,
        plane,
        ..
    } = World::start();
    let way = |room| rooms.look_up_or_start(RoomName::parse(room).unwrap());
    let (room, seat, mut inbox) = join(way("a").await.unwrap(), 1).await;
    connect(&room, &seat).await;
    // As when the thread panics: its end of the queue goes first.
    drop(plane);
    around.transport.fail();
    let mut heard = Vec::new();
    while heard.last().is_none_or(|word| word != "Close") {
        heard.extend(words(&mut inbox));
        tokio::task::yield_now().await;
    }
    let last = &heard[heard.len() - 2];
    assert!(last.contains(ReasonCode::MediaLost.code()), "{heard:?}");
    let refused = way("b").await.err();
    assert_eq!(refused, Some(ReasonCode::MediaLost));
}

#[tokio::test]
async fn who_gives_up_while_being_let_in_leaves_no_trace() {
    let world = World::start();
    let (room, lease) = world.way("a").await;
    let (mailbox, _inbox) = Mailbox::detached::<PeerChannel>(Instant::now());
    let (reply, answer) = oneshot::channel();
    drop(answer);
    let newcomer = newcomer(1, true);
    assert!(
        room.send(RoomMessage::Join {
            newcomer,
            mailbox,
            lease,
            reply
        })
        .await
    );
    world.no_room_is_left().await;
}

#[tokio::test]
async fn who_never_arrives_leaves_no_room_behind() {
    let world = World::start();
    drop(world.way("a").await);
    world.no_room_is_left().await;
}

#[tokio::test]
async fn a_former_channel_is_closed_when_its_peer_comes_back_elsewhere() {
    let world = World::start();
    let (room, seat, mut former) = join(world.way("a").await, 1).await;
    let (mailbox, mut inbox) = Mailbox::detached::<PeerChannel>(Instant::now());
    let (reply, answer) = oneshot::channel();
    let mut again = newcomer(2, true);
    again.joiner.resume = Some(ResumeToken::from_random([1; 16]));
    let (_, lease) = world.way("a").await;
    let message = RoomMessage::Join {
        newcomer: again,
        mailbox,
        lease,
        reply,
    };
    assert!(room.send(message).await);
    let admission = answer.await.unwrap().unwrap();
    assert!(admission.resumed);
    assert_eq!(admission.seat.peer, seat.peer);
    assert_eq!(words(&mut former), ["Close"]);
    // The former socket's last word must not hurt.
    assert!(room.send(RoomMessage::SocketLost { seat }).await);
    connect(&room, &admission.seat).await;
    let (_, info) = inbox.recv().await.unwrap();
    assert!(matches!(info, PeerInfo::Letter(_)));
}

#[tokio::test]
async fn a_socket_that_does_not_take_its_letters_is_lost_not_waited_for() {
    let world = World::start();
    let (room, slow, inbox) = join(world.way("a").await, 1).await;
    let (_, other, mut heard) = join(world.way("a").await, 2).await;
    connect(&room, &slow).await;
    connect(&room, &other).await;
    for number in 0..400 {
        let metadata = serde_json::json!(number);
        let said = Said::Event(ClientEvent::UpdateEndpointMetadata { metadata });
        assert!(
            room.send(RoomMessage::Said {
                seat: other.clone(),
                said
            })
            .await
        );
    }
    let mut told = Vec::new();
    while !told
        .iter()
        .any(|word: &String| word.contains("reconnecting"))
    {
        told.extend(words(&mut heard));
        tokio::task::yield_now().await;
    }
    drop(inbox);
}

#[tokio::test]
async fn what_the_media_plane_cannot_take_is_kept_in_order() {
    let world = World::start();
    let mut registry = snug_room::Registry::new(RoomPolicy::Open, 1);
    let id = registry
        .look_up_or_start(&RoomName::parse("b").unwrap())
        .unwrap()
        .room;
    let (mut task, _handle) =
        RoomTask::new(id, world.rooms.clone(), &world.around, HostRule::First);
    let remove = |number| TransportCommand::RemovePeer {
        peer: crate::transport::PeerKey(number),
    };
    for number in 0..2000 {
        task.pending.push_back(remove(number));
    }
    let mut taken = Vec::new();
    while !task.pending.is_empty() {
        assert!(task.flush());
        assert!(task.pending.is_empty() || task.wake_at() <= Instant::now() + TRANSPORT_REST);
        taken.extend(world.plane.try_iter().map(|command| match command {
            TransportCommand::RemovePeer { peer } => peer.0,
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(taken, (0..2000).collect::<Vec<u32>>());
    drop(world.plane);
    task.pending.push_back(remove(1));
    assert!(!task.flush(), "a room without a media plane ends");
}

#[tokio::test]
async fn a_panic_over_one_peer_puts_that_one_out_alone() {
    let world = World::start();
    let (room, ann, mut of_ann) = join(world.way("a").await, 1).await;
    let (_, bob, mut of_bob) = join_as(world.way("a").await, 2, false).await;
    let (_, carol, mut of_carol) = join(world.way("a").await, 3).await;
    for seat in [&ann, &bob, &carol] {
        connect(&room, seat).await;
    }
    for seat in [&bob, &carol] {
        let (seat, said) = (seat.clone(), Said::Fault);
        assert!(room.send(RoomMessage::Said { seat, said }).await);
    }
    // Whatever is said next is handled: the room lives.
    let metadata = serde_json::json!("still here");
    let said = Said::Event(ClientEvent::UpdateEndpointMetadata { metadata });
    let seat = ann.clone();
    assert!(room.send(RoomMessage::Said { seat, said }).await);
    let mut of_dave = join(world.way("a").await, 4).await.2;
    assert!(words(&mut of_dave).is_empty(), "it has not connected");
    let [heard, of_bob, of_carol] = [&mut of_ann, &mut of_bob, &mut of_carol].map(words);
    let removed = heard.iter().filter(|word| word.contains("endpointRemoved"));
    assert_eq!(removed.count(), 2, "{heard:?}");
    // The seed's page shows the sentence; a Snug program joins again.
    let [.., last, end] = &of_bob[..] else {
        panic!("{of_bob:?}")
    };
    assert!(
        last.starts_with(r#"{"message":"The server failed"#),
        "{last}"
    );
    assert_eq!(end, "Close");
    assert_eq!(of_carol.last().unwrap(), "Crash");
}
