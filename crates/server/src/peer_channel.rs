//! The channel `room:*`: stands between one socket and its room.
//!
//! It reads what the client says, where a slow or broken client costs only its own socket, and
//! passes it on; what the room says it pushes. It knows no other peer.

mod speech;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use rand::Rng as _;
use serde::Deserialize;
use serde_json::json;
use snug_phoenix::Payload;
use snug_phoenix::server::{Channel, Flow, JoinOutcome, Outbox, Terminate};
use snug_protocol::{
    ClientEvent, JoinParams, JoinReply, MEDIA_EVENT, PeerId, ROOM_TOPIC_PREFIX, ReasonCode,
    ResumeToken, RoomName, SnugReply,
};
use snug_room::{Admission, Joiner, Seat};
use tokio::sync::oneshot;

use crate::negotiation::Offer;
use crate::registry::Rooms;
use crate::room_task::{
    HangUp, Letter, Newcomer, OfferedTracks, RoomHandle, RoomMessage, Said, SaidOffer,
};
use crate::socket::{Application, Connect, Join, Refused};
use crate::transport::IceCredentials;
use crate::turn_servers::TurnServers;
use speech::Speech;

/// How often a joiner is sent to a room that turns out to be dead before it is refused. A room
/// dies only by a defect, so once more is generous.
const TRIES: usize = 3;

/// Serves the topics `room:*` on a socket.
#[derive(Debug, Clone)]
pub(crate) struct RoomApplication {
    rooms: Rooms,
    turn_servers: Arc<TurnServers>,
}

/// What a room sends to a channel.
#[derive(Debug)]
pub(crate) enum PeerInfo {
    /// Push this to the client.
    Letter(Letter),
    /// The channel ends.
    HangUp(HangUp),
}

/// What a channel wants done.
#[derive(Debug)]
pub(crate) enum PeerCommand {
    /// Tell the room that the channel belongs to.
    Tell(RoomHandle, RoomMessage),
    /// Read nothing more of this peer until then: it says too much.
    Rest(Instant),
}

/// One peer's channel.
#[derive(Debug)]
pub(crate) struct PeerChannel {
    room: RoomHandle,
    seat: Seat,
    speech: Speech,
}

/// The payload of a `mediaEvent`; without `data` the channel crashes, as the engine's does.
#[derive(Deserialize)]
struct MediaEvent<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
}

impl RoomApplication {
    /// Serves these rooms; unmodified clients send media by these TURN servers.
    pub fn new(rooms: Rooms, turn_servers: Arc<TurnServers>) -> Self {
        Self {
            rooms,
            turn_servers,
        }
    }

    /// Gets the joiner a seat and tells where it is.
    async fn seat(
        &self,
        join: &Join<PeerChannel>,
        name: &RoomName,
        params: &JoinParams,
    ) -> Result<(RoomHandle, Admission), ReasonCode> {
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

    fn newcomer(&self, join: &Join<PeerChannel>, params: &JoinParams) -> Newcomer {
        let mut rng = rand::rng();
        let snug = params.snug.as_ref();
        let fresh_id = PeerId::from_random(rng.random());
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
            },
            is_snug: snug.is_some(),
            local,
            ice: IceCredentials::random(&mut rng),
            first_ssrc: rng.random(),
            turn_servers,
            relay,
        }
    }
}

impl Application for RoomApplication {
    type Channel = PeerChannel;

    fn topic_matches(&self, topic: &str) -> bool {
        topic.starts_with(ROOM_TOPIC_PREFIX)
    }

    fn connect(&self, _request: &Connect) -> Result<(), Refused> {
        Ok(())
    }

    async fn join(&self, join: Join<PeerChannel>) -> JoinOutcome<PeerChannel> {
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
                let response = JoinReply {
                    snug: snug_reply(&admission),
                }
                .to_response();
                let channel = PeerChannel {
                    room,
                    seat: admission.seat,
                    speech: Speech::default(),
                };
                JoinOutcome::Joined { channel, response }
            }
            Err(reason) => JoinOutcome::Refused {
                response: json!({"reason": reason.code()}),
            },
        }
    }

    async fn perform(&self, command: PeerCommand) {
        match command {
            // A room that is gone has closed this channel already, or is about to.
            PeerCommand::Tell(room, message) => {
                if !room.send(message).await {
                    tracing::trace!("a word to a room that is gone");
                }
            }
            PeerCommand::Rest(until) => tokio::time::sleep_until(until.into()).await,
        }
    }
}

impl Channel for PeerChannel {
    type Command = PeerCommand;
    type Info = PeerInfo;

    fn handle_in(&mut self, event: &str, payload: Payload, out: &mut Outbox<PeerCommand>) -> Flow {
        let media_event = payload.as_json().filter(|_| event == MEDIA_EVENT);
        let Some(Ok(MediaEvent { data })) = media_event.map(serde_json::from_str) else {
            return Flow::Crash;
        };
        // The engine ignores what it cannot read, and clients rely on it. What the reader says
        // may quote a name, so it stays out of the log.
        let event = ClientEvent::parse(&data).ok();
        let now = Instant::now();
        let heard = self.speech.handle_word(event.as_ref(), data.len(), now);
        if let Some(until) = heard.rest_until {
            out.command(PeerCommand::Rest(until));
        }
        match event {
            Some(event) if heard.counts => {
                let (seat, said) = (self.seat.clone(), said(event));
                self.command(RoomMessage::Said { seat, said }, out);
            }
            Some(_) => {}
            None => tracing::debug!("a media event that cannot be read is ignored"),
        }
        Flow::Continue
    }

    fn handle_info(&mut self, info: PeerInfo, out: &mut Outbox<PeerCommand>) -> Flow {
        match info {
            PeerInfo::Letter(Letter { event, payload }) => {
                out.push(event, Payload::Json((*payload).to_owned()));
                Flow::Continue
            }
            PeerInfo::HangUp(HangUp::Close) => Flow::Stop,
            PeerInfo::HangUp(HangUp::Crash) => Flow::Crash,
        }
    }

    fn terminate(&mut self, why: Terminate, out: &mut Outbox<PeerCommand>) {
        let seat = self.seat.clone();
        match why {
            Terminate::Left => self.command(RoomMessage::Leave { seat }, out),
            // Whoever holds a token may come back after any of these.
            Terminate::SocketClosed | Terminate::Replaced | Terminate::Crashed => {
                self.command(RoomMessage::SocketLost { seat }, out);
            }
            // The room said so itself.
            Terminate::Stopped => {}
        }
    }

    fn weight(info: &PeerInfo) -> usize {
        match info {
            PeerInfo::Letter(letter) => letter.payload.get().len(),
            PeerInfo::HangUp(_) => size_of_val(info),
        }
    }
}

impl PeerChannel {
    fn command(&self, message: RoomMessage, out: &mut Outbox<PeerCommand>) {
        out.command(PeerCommand::Tell(self.room.clone(), message));
    }
}

/// Reads the session description of an offer here, not in the room.
fn said(event: ClientEvent) -> Said {
    match event {
        ClientEvent::SdpOffer(offer) => Said::Offer(Box::new(SaidOffer {
            offer: Offer::parse(&offer.sdp),
            about: OfferedTracks {
                own: offer.mid_to_track_id,
                metadata: offer.track_id_to_track_metadata,
                bitrates: offer.track_id_to_track_bitrates,
            },
            fresh_ice: IceCredentials::random(&mut rand::rng()),
        })),
        event => Said::Event(event),
    }
}

fn snug_reply(admission: &Admission) -> Option<SnugReply> {
    let resume = admission.token.clone()?;
    let (peer_id, resumed) = (admission.seat.peer.clone(), admission.resumed);
    Some(SnugReply {
        peer_id,
        resume,
        resumed,
    })
}
