//! What is served on every socket: the rooms, and the statistics.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use futures_util::future::BoxFuture;
use rand::Rng as _;
use serde_json::json;
use snug_phoenix::Payload;
use snug_phoenix::server::{Channel, Flow, JoinOutcome, Outbox, Terminate};
use snug_protocol::{
    CHAT_FEATURE, HostToken, JoinParams, JoinReply, PeerId, ROOM_TOPIC_PREFIX, ReasonCode,
    ResumeToken, RoomName, SnugParams, SnugReply,
};
use snug_room::{Admission, Credentials, Joiner};
use tokio::sync::oneshot;

use crate::Counters;
use crate::joins::Joins;
use crate::peer_channel::{PeerChannel, PeerCommand, PeerInfo};
use crate::registry::Rooms;
use crate::room_task::{Newcomer, RoomHandle, RoomMessage};
use crate::socket::{Application, Connect, Join, Refused};
use crate::stats::{STATS_TOPIC, Stats, StatsChannel};
use crate::transport::IceCredentials;
use crate::turn_servers::TurnServers;

/// How often a joiner is sent to a room that turns out to be dead before it is refused. A room
/// dies only by a defect, so once more is generous.
const TRIES: usize = 3;

/// Serves the topics `room:*` and `stats` on a socket.
#[derive(Debug, Clone)]
pub(crate) struct RoomApplication {
    rooms: Rooms,
    turn_servers: Arc<TurnServers>,
    stats: Stats,
    joins: Arc<Joins>,
    counters: Arc<Counters>,
}

/// One joined topic.
#[derive(Debug)]
pub(crate) enum SocketChannel {
    /// A room.
    Peer(PeerChannel),
    /// The statistics.
    Stats(StatsChannel),
}

impl RoomApplication {
    /// Serves these rooms and these statistics, and counts joins; unmodified clients send media by
    /// these TURN servers.
    pub fn new(
        rooms: Rooms,
        turn_servers: Arc<TurnServers>,
        stats: Stats,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            rooms,
            turn_servers,
            stats,
            joins: Arc::default(),
            counters,
        }
    }

    /// Makes the joiner a listener of the statistics.
    async fn listen(&self, join: &Join<SocketChannel>) -> JoinOutcome<SocketChannel> {
        match self.stats.listen(join.mailbox.clone()).await {
            Some(listener) => JoinOutcome::Joined {
                channel: SocketChannel::Stats(StatsChannel::new(listener)),
                response: json!({}),
            },
            None => JoinOutcome::Refused {
                response: json!({"reason": "too many listeners"}),
            },
        }
    }

    /// Gets the joiner a seat and tells where it is.
    async fn seat(
        &self,
        join: &Join<SocketChannel>,
        name: &RoomName,
        params: &JoinParams,
    ) -> Result<(RoomHandle, Admission), ReasonCode> {
        let ip = join.connection.remote.ip();
        if !self.joins.admit(ip, Instant::now()) {
            return Err(ReasonCode::TooManyJoins);
        }
        for _ in 0..TRIES {
            let (room, lease) = self.rooms.look_up_or_start(name.clone()).await?;
            let (reply, answer) = oneshot::channel();
            let newcomer = Box::new(self.newcomer(join, params));
            let mailbox = join.mailbox.clone();
            let message = RoomMessage::Join {
                newcomer,
                mailbox,
                lease,
                reply,
            };
            if !room.send(message).await {
                continue;
            }
            if let Ok(admitted) = answer.await {
                return admitted.map(|admission| (room, admission));
            }
        }
        Err(ReasonCode::FailedToStartRoom)
    }

    fn newcomer(&self, join: &Join<SocketChannel>, params: &JoinParams) -> Newcomer {
        let mut rng = rand::rng();
        let snug = params.snug.as_ref();
        let fresh_id = PeerId::from_random(rng.random());
        let page = params.page.as_ref();
        let key = snug.map_or(page.and_then(|page| page.key.as_ref()), |snug| {
            snug.key.as_ref()
        });
        let local = join.connection.local.ip();
        // Snug programs reach the media port directly.
        let (turn_servers, relay) = match snug {
            Some(_) => (Vec::new(), None),
            None => {
                let now = SystemTime::now();
                let (servers, access) = self.turn_servers.admit(&fresh_id, local, now);
                (servers, Some(access))
            }
        };
        Newcomer {
            joiner: Joiner {
                fresh_id,
                fresh_token: snug.map(|_| ResumeToken::from_random(rng.random())),
                resume: snug.and_then(|snug| snug.resume.clone()),
                credentials: Credentials {
                    is_snug: snug.is_some(),
                    host: snug.and_then(|snug| snug.host.clone()),
                    fresh_host: Some(HostToken::from_random(rng.random())),
                    key: key.cloned(),
                    address: Some(join.connection.remote.ip()),
                },
            },
            is_snug: snug.is_some(),
            is_page: params.page.is_some(),
            listens: params.page.is_some() || snug.is_some_and(knows_chat),
            simulcast: params.is_simulcast_on,
            local,
            ice: IceCredentials::random(&mut rng),
            first_ssrc: rng.random(),
            turn_servers,
            relay,
        }
    }
}

impl Application for RoomApplication {
    type Channel = SocketChannel;

    fn topic_matches(&self, topic: &str) -> bool {
        topic.starts_with(ROOM_TOPIC_PREFIX) || topic == STATS_TOPIC
    }

    fn connect(&self, _request: &Connect) -> Result<(), Refused> {
        Ok(())
    }

    async fn join(&self, join: Join<SocketChannel>) -> JoinOutcome<SocketChannel> {
        if join.topic == STATS_TOPIC {
            return self.listen(&join).await;
        }
        let Some(name) = RoomName::from_topic(&join.topic) else {
            return JoinOutcome::Unmatched;
        };
        let params = join
            .payload
            .as_json()
            .map(JoinParams::parse)
            .unwrap_or_default();
        match self.seat(&join, &name, &params).await {
            Ok((room, admission)) => {
                self.counters.joins.add();
                let response = JoinReply {
                    snug: snug_reply(&admission),
                }
                .to_response();
                let channel = SocketChannel::Peer(PeerChannel::new(room, admission.seat));
                JoinOutcome::Joined { channel, response }
            }
            Err(reason) => JoinOutcome::Refused {
                response: json!({"reason": reason.code()}),
            },
        }
    }

    fn perform(&self, command: PeerCommand) -> impl Future<Output = ()> + Send {
        // What has to wait is boxed: it rarely does, and each socket would hold the space for it.
        let later: Option<BoxFuture<'static, ()>> = match command {
            PeerCommand::Tell(room, message) => room.tell(message),
            PeerCommand::Unlisten(listener) => {
                let stats = self.stats.clone();
                Some(Box::pin(async move { stats.unlisten(listener).await }))
            }
            PeerCommand::Rest(until) => Some(Box::pin(tokio::time::sleep_until(until.into()))),
        };
        async {
            if let Some(later) = later {
                later.await;
            }
        }
    }
}

impl Channel for SocketChannel {
    type Command = PeerCommand;
    type Info = PeerInfo;

    fn handle_in(&mut self, event: &str, payload: Payload, out: &mut Outbox<PeerCommand>) -> Flow {
        match self {
            Self::Peer(channel) => channel.handle_in(event, payload, out),
            Self::Stats(channel) => channel.handle_in(event, payload, out),
        }
    }

    fn handle_info(&mut self, info: PeerInfo, out: &mut Outbox<PeerCommand>) -> Flow {
        match self {
            Self::Peer(channel) => channel.handle_info(info, out),
            Self::Stats(channel) => channel.handle_info(info, out),
        }
    }

    fn terminate(&mut self, why: Terminate, out: &mut Outbox<PeerCommand>) {
        match self {
            Self::Peer(channel) => channel.terminate(why, out),
            Self::Stats(channel) => channel.terminate(why, out),
        }
    }

    fn message_bytes_extra(&self) -> usize {
        match self {
            Self::Peer(channel) => channel.message_bytes_extra(),
            Self::Stats(_) => 0,
        }
    }

    fn weight(info: &PeerInfo) -> usize {
        PeerChannel::weight(info)
    }
}

fn knows_chat(snug: &SnugParams) -> bool {
    snug.features.iter().any(|feature| feature == CHAT_FEATURE)
}

fn snug_reply(admission: &Admission) -> Option<SnugReply> {
    let resume = admission.token.clone()?;
    let (peer_id, resumed) = (admission.seat.peer.clone(), admission.resumed);
    Some(SnugReply {
        peer_id,
        resume,
        resumed,
        host: admission.host.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use serde_json::value::to_raw_value;

    use super::*;
    use crate::listener::OPEN_PER_ADDRESS_MAX;
    use crate::socket::{ConnectionInfo, Mailbox};

    fn application() -> RoomApplication {
        let turn_servers = Arc::new(TurnServers::new(1, vec![], None));
        let stats = Stats::detached();
        RoomApplication::new(Rooms::of_dead_ones(), turn_servers, stats, Arc::default())
    }

    /// Joins a room that is dead, from this address; returns what the refusal says.
    async fn refusal(application: &RoomApplication, remote: [u8; 4]) -> serde_json::Value {
        let (mailbox, _inbox) = Mailbox::detached::<SocketChannel>(Instant::now());
        let join = Join {
            topic: "room:a".to_owned(),
            payload: Payload::Json(to_raw_value(&json!({})).unwrap()),
            connection: ConnectionInfo {
                local: SocketAddr::from(([10, 0, 0, 1], 1)),
                remote: SocketAddr::from((remote, 1)),
                secure: false,
            },
            mailbox,
        };
        let outcome = application.join(join).await;
        let JoinOutcome::Refused { response } = outcome else {
            panic!("{outcome:?}")
        };
        response
    }

    #[tokio::test]
    async fn an_address_that_joins_too_often_is_told_so_and_others_are_not() {
        let application = application();
        let started = Instant::now();
        let (mut let_in, too_many) = (0, json!({"reason": "too_many_joins"}));
        while refusal(&application, [10, 0, 0, 9]).await != too_many {
            let_in += 1;
            assert!(let_in < 4 * OPEN_PER_ADDRESS_MAX, "nobody is ever refused");
        }
        // Twenty a second are paid back while this counts.
        let most = OPEN_PER_ADDRESS_MAX + 1 + started.elapsed().as_millis() as usize / 50;
        assert!((OPEN_PER_ADDRESS_MAX..=most).contains(&let_in), "{let_in}");
        let other = refusal(&application, [10, 0, 0, 8]).await;
        assert_eq!(other, json!({"reason": "failed to start room"}));
    }

    #[tokio::test]
    async fn a_joiner_whose_room_is_dead_time_and_again_is_told_so() {
        let response = refusal(&application(), [127, 0, 0, 1]).await;
        assert_eq!(response, json!({"reason": "failed to start room"}));
    }
}
