//! The participant and its media connection: offers, answers, verification, tracks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use snug_protocol::{PeerId, TurnServer};
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::RTCPeerConnectionState;

use super::remote::Readers;
use super::room::Room;
use crate::event::Happening;
use crate::publish::{End, SourceEnded};
use crate::transport::{Feedback, Transport, TransportError, TransportEvent, TransportLanes};
use crate::{Error, Kind};

/// What a media connection reports.
pub(super) enum MediaInput {
    Event(TransportEvent),
    Feedback(Feedback),
}

/// What an offer is to hold, and the number of its negotiation.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) number: u64,
    pub(super) audio: usize,
    pub(super) video: usize,
    pub(super) roll_back: bool,
}

/// An offer that is not made yet.
pub(super) struct HeldOffer {
    wanted: Wanted,
    /// When it is made in any case.
    pub(super) until: Instant,
}

/// How long an offer that restarts ICE waits for the handshake of the connection. The restart
/// would throw away what is on its way of it, and the library repeats nothing for a second. A
/// server of the Membrane family waits five for the offer.
const HOLD_MAX: Duration = Duration::from_secs(2);

/// One media connection and what hangs on it.
pub(super) struct Media {
    pub(super) transport: Transport,
    lanes: TransportLanes,
    pub(super) readers: Readers,
    /// Tracks that began before the other side's certificate was compared.
    waiting: Vec<Arc<dyn TrackRemote>>,
    verified: bool,
    /// Until when it has to stand; set by the first answer.
    pub(super) connect_by: Option<Instant>,
    /// The next offer restarts ICE.
    pub(super) restart: bool,
    /// A server of the Membrane family waits for a new ICE generation after each offer, and takes
    /// a relayed path only when it is another one than before; a Snug server wants neither.
    restarts_always: bool,
    /// An offer was answered on this connection.
    answered: bool,
    /// An offer that waits for the handshake under way.
    pub(super) held: Option<HeldOffer>,
    /// All our tracks are in one stream, so that browsers play them in step.
    stream: String,
    /// The room takes several encodings of a picture.
    pub(super) simulcast: bool,
}

/// Where tracks can be published.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// Who we are there.
    pub(super) me: &'a PeerId,
    pub(super) stream: &'a str,
    pub(super) transport: &'a Transport,
    /// Whether pictures are offered in several encodings.
    pub(super) simulcast: bool,
}

impl Media {
    async fn open(local: SocketAddr, is_snug: bool) -> Result<Self, TransportError> {
        let (transport, lanes) = Transport::open(local).await?;
        Ok(Self {
            transport,
            lanes,
            readers: Readers::default(),
            waiting: Vec::new(),
            verified: false,
            connect_by: None,
            restart: false,
            restarts_always: !is_snug,
            answered: false,
            held: None,
            stream: uuid::Uuid::new_v4().to_string(),
            // Others have to say so first: their engine fails on an offer of what it has not.
            simulcast: is_snug,
        })
    }

    /// Waits for what the connection reports; for ever when there is none.
    pub(super) async fn next(media: &mut Option<Self>) -> MediaInput {
        let Some(Self { lanes, .. }) = media else {
            return std::future::pending().await;
        };
        tokio::select! {
            Some(event) = lanes.events.recv() => MediaInput::Event(event),
            Some(feedback) = lanes.feedback.recv() => MediaInput::Feedback(feedback),
            else => std::future::pending().await,
        }
    }

    /// Where tracks can be published now, if we are in.
    pub(super) fn place<'a>(media: &'a Option<Self>, me: Option<&'a PeerId>) -> Option<Place<'a>> {
        let media = media.as_ref()?;
        Some(Place {
            me: me?,
            stream: &media.stream,
            transport: &media.transport,
            simulcast: media.simulcast,
        })
    }

    /// Whether the server is Snug's own.
    pub(super) fn is_snug(&self) -> bool {
        !self.restarts_always
    }

    /// Whether media may flow.
    pub(super) fn is_verified(&self) -> bool {
        self.verified
    }

    /// Ends the connection in good order.
    pub(super) async fn close(self) {
        drop(self.readers);
        self.transport.close().await;
    }
}

impl Room {
    /// Begins anew in the room, on a new media connection; what that does depends on whether
    /// the server `is_snug`.
    pub(super) async fn start_over(
        &mut self,
        local: SocketAddr,
        is_snug: bool,
    ) -> Result<(), Error> {
        self.local.withdraw();
        if let Some(media) = self.media.take() {
            media.close().await;
        }
        let opened = Media::open(local, is_snug).await;
        let media = opened.map_err(|error| self.name(error))?;
        self.media = Some(media);
        self.session.connect();
        Ok(())
    }

    /// Gives every source a section and announces it.
    pub(super) async fn announce(&mut self, me: &PeerId) -> Result<(), Error> {
        let Some(place) = Media::place(&self.media, Some(me)) else {
            return Ok(());
        };
        let announced = self.local.announce_all(place, &mut self.session).await;
        announced.map_err(|error| self.name(error))
    }

    pub(super) async fn handle_media(&mut self, input: MediaInput) -> Result<(), Error> {
        match input {
            MediaInput::Event(TransportEvent::State(state)) => self.handle_state(state).await,
            MediaInput::Event(TransportEvent::Track(track)) => {
                self.receive(track).await;
                Ok(())
            }
            MediaInput::Feedback(Feedback::KeyframeRequest { ssrc }) => {
                self.local.request_keyframe(ssrc);
                Ok(())
            }
            MediaInput::Feedback(Feedback::SenderReport { ssrc, ntp, rtp }) => {
                self.subscriber.report(ssrc, ntp, rtp);
                Ok(())
            }
        }
    }

    async fn handle_state(&mut self, state: RTCPeerConnectionState) -> Result<(), Error> {
        tracing::debug!(%state, "media");
        match state {
            RTCPeerConnectionState::Connected => self.verify().await,
            RTCPeerConnectionState::Failed => {
                // The path is gone; the keys are not. Another path may exist.
                if let Some(media) = self.media.as_mut().filter(|media| media.verified) {
                    media.restart = true;
                    self.session.ask();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Compares certificates; only then anything is sent or looked at.
    async fn verify(&mut self) -> Result<(), Error> {
        let Some(media) = self.media.as_mut().filter(|media| !media.verified) else {
            return Ok(());
        };
        match media.transport.is_verified().await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err(self.name(error)),
        }
        media.verified = true;
        media.connect_by = None;
        let waiting = std::mem::take(&mut media.waiting);
        self.tell(Happening::MediaConnected);
        self.start_due = true;
        for track in waiting {
            self.receive(track).await;
        }
        self.make_held_offer().await;
        Ok(())
    }

    async fn receive(&mut self, track: Arc<dyn TrackRemote>) {
        let Some(media) = &mut self.media else {
            return;
        };
        if !media.verified {
            media.waiting.push(track);
            return;
        }
        match media.transport.mid_of(&track).await {
            Some(mid) => media.readers.read(&mid, track, self.subscriber.packets()),
            None => tracing::warn!("a remote track belongs to no section"),
        }
    }

    /// Reaches the room through these relays from the next offer on.
    pub(super) async fn relay_through(&mut self, servers: &[TurnServer]) {
        let Some(media) = &mut self.media else {
            return;
        };
        if let Err(error) = media.transport.relay_through(servers).await {
            tracing::warn!(%error, "the relays of the server are of no use");
        }
    }

    /// Makes an offer, now or when the handshake under way is complete.
    pub(super) async fn make_offer(&mut self, wanted: Wanted) {
        let now = Instant::now();
        if let Some(media) = &mut self.media
            && media.restarts_always
            && media.answered
            && !media.verified
            && media.held.as_ref().is_none_or(|held| now < held.until)
        {
            let until = media
                .held
                .as_ref()
                .map_or(now + HOLD_MAX, |held| held.until);
            media.held = Some(HeldOffer { wanted, until });
            return;
        }
        let made = self.try_offer(wanted).await;
        match made {
            Ok(Some(sdp)) => {
                let sections = self.local.sections().await;
                self.session.handle_offer(wanted.number, sdp, &sections);
            }
            Ok(None) => self.session.handle_failed(wanted.number),
            Err(error) => {
                tracing::warn!(%error, "no offer can be made");
                self.session.handle_failed(wanted.number);
            }
        }
    }

    /// Makes the offer that waited, if any.
    pub(super) async fn make_held_offer(&mut self) {
        let held = self.media.as_mut().and_then(|media| media.held.as_ref());
        if let Some(wanted) = held.map(|held| held.wanted) {
            self.make_offer(wanted).await;
        }
    }

    /// Makes an offer; `None` when there is nothing at all to offer.
    async fn try_offer(&mut self, wanted: Wanted) -> Result<Option<String>, TransportError> {
        let Some(media) = &mut self.media else {
            return Ok(None);
        };
        let Wanted {
            audio,
            video,
            roll_back,
            ..
        } = wanted;
        media.held = None;
        if roll_back {
            media.transport.roll_back().await?;
        }
        if audio + video == 0 && !media.transport.has_sections().await {
            return Ok(None);
        }
        let moved = std::mem::take(&mut media.restart) && media.verified;
        let restart = moved || (media.restarts_always && media.answered);
        media.transport.offer(audio, video, restart).await.map(Some)
    }

    pub(super) async fn apply_answer(&mut self, number: u64, sdp: &str) -> Result<(), Error> {
        let Some(media) = &mut self.media else {
            return Ok(());
        };
        match media.transport.apply_answer(sdp).await {
            Ok(()) => {
                media.answered = true;
                if !media.verified {
                    let by = Instant::now() + self.timeouts.media;
                    media.connect_by.get_or_insert(by);
                }
                self.local.settle().await;
                self.session.handle_answered(number);
                Ok(())
            }
            Err(TransportError::Fingerprint) => Err(self.name(TransportError::Fingerprint)),
            Err(error) => {
                tracing::warn!(%error, "an answer cannot be applied");
                self.session.handle_failed(number);
                Ok(())
            }
        }
    }

    pub(super) async fn add_candidate(&mut self, candidate: &str) {
        let Some(media) = &self.media else {
            return;
        };
        if let Err(error) = media.transport.add_candidate(candidate).await {
            tracing::warn!(%error, "a candidate of the server is of no use");
        }
    }

    /// Starts every source that may be sent by now.
    pub(super) fn start_sources(&mut self) {
        if !self.media.as_ref().is_some_and(|media| media.verified) {
            return;
        }
        for (kind, error) in self.local.start(&mut self.session) {
            self.tell(source_stopped(kind, Some(&error)));
        }
    }

    /// Takes a source that nothing is taken from any more.
    pub(super) fn handle_source_end(&mut self, ended: SourceEnded) {
        let kind = ended.kind;
        self.start_due = true;
        self.stats_stale = true;
        match self.local.take_back(ended, &mut self.session) {
            None | Some(End::Asked) => {}
            Some(End::Over) => self.tell(source_stopped(kind, None)),
            Some(End::Failed(error)) => self.tell(source_stopped(kind, Some(&error))),
        }
    }

    fn name(&self, error: TransportError) -> Error {
        match error {
            TransportError::Fingerprint => Error::MediaKey {
                target: self.target.clone(),
            },
            TransportError::Library(error) => Error::Internal(error.to_string()),
        }
    }
}

/// Tells that a track is off now because of its source; without an error it came to its end.
fn source_stopped(kind: Kind, error: Option<&Error>) -> Happening {
    Happening::SourceStopped {
        kind,
        code: error.map_or("source_ended", Error::code).to_owned(),
        message: error.map_or("It came to its end.".to_owned(), Error::to_string),
        hint: error.map(Error::hint),
    }
}
