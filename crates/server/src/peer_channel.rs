//! The channel `room:*`: stands between one socket and its room.
//!
//! It reads what the client says, where a slow or broken client costs only its own socket, and
//! passes it on; what the room says it pushes. It knows no other peer.

mod speech;

use std::borrow::Cow;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use snug_phoenix::Payload;
use snug_phoenix::server::{Channel, Flow, Outbox, Terminate};
use snug_protocol::{ClientEvent, MEDIA_EVENT, Moderation, SNUG_EVENT, SnugEvent};
use snug_room::Seat;

use crate::negotiation::Offer;
use crate::room_task::{HangUp, Letter, OfferedTracks, RoomHandle, RoomMessage, Said, SaidOffer};
use crate::stats::ListenerId;
use crate::transport::IceCredentials;
use speech::Speech;

/// What a browser may write about one section of an offer, in bytes: Chromium takes about 5 kB for
/// one that receives pictures, quoted twice.
const BYTES_A_SECTION: usize = 8 * 1024;

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
    /// Tell this listener no more statistics.
    Unlisten(ListenerId),
}

/// One peer's channel.
#[derive(Debug)]
pub(crate) struct PeerChannel {
    room: RoomHandle,
    seat: Seat,
    speech: Speech,
    /// How many receiving sections the client was last asked for.
    sections_asked: usize,
}

/// The payload of a `mediaEvent`; without `data` the channel crashes, as the engine's does.
#[derive(Deserialize)]
struct MediaEvent<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
}

impl Channel for PeerChannel {
    type Command = PeerCommand;
    type Info = PeerInfo;

    fn handle_in(&mut self, event: &str, payload: Payload, out: &mut Outbox<PeerCommand>) -> Flow {
        if event == SNUG_EVENT {
            self.handle_snug(&payload, out);
            return Flow::Continue;
        }
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
            PeerInfo::Letter(Letter {
                event,
                payload,
                sections_asked,
            }) => {
                self.sections_asked = self.sections_asked.max(sections_asked);
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

    fn message_bytes_extra(&self) -> usize {
        self.sections_asked.saturating_mul(BYTES_A_SECTION)
    }

    fn weight(info: &PeerInfo) -> usize {
        match info {
            PeerInfo::Letter(letter) => letter.payload.get().len(),
            PeerInfo::HangUp(_) => size_of_val(info),
        }
    }
}

impl PeerChannel {
    /// Stands between a socket and this seat of a room.
    pub fn new(room: RoomHandle, seat: Seat) -> Self {
        Self {
            room,
            seat,
            speech: Speech::default(),
            sections_asked: 0,
        }
    }

    /// Takes what only Snug programs say; what is not known is ignored.
    fn handle_snug(&mut self, payload: &Payload, out: &mut Outbox<PeerCommand>) {
        let text = payload.as_json().unwrap_or_default();
        let heard = self.speech.handle_snug_word(text.len(), Instant::now());
        if let Some(until) = heard.rest_until {
            out.command(PeerCommand::Rest(until));
        }
        let said = match SnugEvent::from_payload(text) {
            SnugEvent::TileHeights { heights } => Said::TileHeights(heights),
            SnugEvent::Moderation(Moderation::Ask(ask)) => Said::Ask(ask),
            SnugEvent::Chat(chat) => Said::Chat(chat, unix_ms()),
            SnugEvent::Gesture(gesture) => Said::Gesture(gesture),
            _ => return,
        };
        let seat = self.seat.clone();
        self.command(RoomMessage::Said { seat, said }, out);
    }

    fn command(&self, message: RoomMessage, out: &mut Outbox<PeerCommand>) {
        out.command(PeerCommand::Tell(self.room.clone(), message));
    }
}

/// The time of day, in milliseconds since the Unix epoch.
fn unix_ms() -> u64 {
    // A clock before 1970 is no reason to fail.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
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
