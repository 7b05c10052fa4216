//! The media connection: one peer connection to the room server.
//!
//! Rules, each with its why:
//! - Bound to the local address of the signalling socket, never to a wildcard: that way lies the
//!   server, also over loopback, link-local addresses and IPv6.
//! - We offer, the server answers; media sections are sendonly or recvonly, never both, and
//!   receiving ones are never taken away: servers of the Membrane family require it.
//! - Nothing is sent or handed out before the other side's certificate was compared with the one
//!   announced in the answer.
//! - The library's callbacks run on its driver: they never wait, they put events into a lane.

mod answer;
mod engine;
mod feedback;
mod fingerprint;
mod local_track;
mod relay;
mod runtime;
mod uplink;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use rtc::peer_connection::transport::RTCIceCandidateInit;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use snug_protocol::TurnServer;
use tokio::sync::mpsc;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionEventHandler, RTCPeerConnectionState, RTCSessionDescription,
    RTCStatsReportEntry, StatsSelector,
};

pub(crate) use answer::with_track_names;
pub(crate) use engine::RED_PAYLOAD_TYPE;
pub(crate) use feedback::Feedback;
pub(crate) use fingerprint::Announced;
pub(crate) use local_track::{AudioLevel, EarlierSound, LocalTrack, MediaPacket, RIDS};

use engine::LocalAddress;
use feedback::FeedbackTap;
use relay::Relays;
use runtime::Tasks;
use uplink::Numbering;
pub(crate) use uplink::{Estimate, Uplink};

/// Room for state changes and new tracks between two looks of the participant: a room of a
/// hundred people starts two hundred tracks at once.
const EVENT_LANE: usize = 512;

/// The most receiving sections of one kind a server may ask for: a hundred people with a camera
/// and a screen each. A server cannot make this client build an endless offer.
pub(crate) const SLOTS_MAX: usize = 256;

/// Audio or video.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Sound.
    Audio,
    /// A picture.
    Video,
}

impl From<Kind> for RtpCodecKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Audio => RtpCodecKind::Audio,
            Kind::Video => RtpCodecKind::Video,
        }
    }
}

/// What happens on a media connection.
pub(crate) enum TransportEvent {
    /// The state of the whole changed.
    State(RTCPeerConnectionState),
    /// The first packet of a remote track arrived. Look it up by [`Transport::mid_of`].
    Track(Arc<dyn TrackRemote>),
}

/// Why the media connection refused something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// The library refused.
    #[error(transparent)]
    Library(#[from] webrtc::error::Error),
    /// The certificate is not the announced one.
    #[error("the media certificate is not the announced one")]
    Fingerprint,
}

/// The lanes that a media connection fills.
pub(crate) struct TransportLanes {
    /// State changes and new tracks.
    pub(crate) events: mpsc::Receiver<TransportEvent>,
    /// Keyframe requests and sender reports.
    pub(crate) feedback: mpsc::Receiver<Feedback>,
}

/// One peer connection; dropping it ends all its tasks.
pub(crate) struct Transport {
    connection: Arc<dyn PeerConnection>,
    address: LocalAddress,
    slots: [usize; 2],
    announced: Option<Announced>,
    relays: Relays,
    feedback_dropped: Arc<AtomicU64>,
    uplink: Uplink,
    // Last, so that the tasks end after the connection is let go.
    _tasks: Tasks,
}

impl Transport {
    /// Opens a connection bound to the address of `signalling`.
    ///
    /// # Errors
    /// What the library says, when no socket can be bound there.
    pub(crate) async fn open(
        signalling: SocketAddr,
    ) -> Result<(Self, TransportLanes), TransportError> {
        let (event_lane, events) = mpsc::channel(EVENT_LANE);
        let (feedback_lane, feedback) = mpsc::channel(feedback::LANE);
        let feedback_dropped = Arc::new(AtomicU64::new(0));
        let tap = FeedbackTap::new(feedback_lane, Arc::clone(&feedback_dropped));
        let uplink = Uplink::default();
        let interceptors = (tap, Numbering::new(uplink.clone()));
        let address = LocalAddress::new(signalling);
        let tasks = Tasks::default();
        let relays = Relays::default();
        let handler = Arc::new(Handler {
            lane: event_lane,
            connected: relays.connected(),
        });
        let runtime = tasks.runtime(relays.in_use());
        let connection = engine::build(address.clone(), handler, interceptors, runtime).await?;
        let transport = Self {
            connection,
            address,
            slots: [0; 2],
            announced: None,
            relays,
            feedback_dropped,
            uplink,
            _tasks: tasks,
        };
        Ok((transport, TransportLanes { events, feedback }))
    }

    /// Adds a sending section for a track of `kind` in `stream`; it is negotiated by the next
    /// offer. With `simulcast` it offers several encodings.
    pub(crate) async fn publish(
        &self,
        kind: Kind,
        stream: &str,
        simulcast: bool,
    ) -> Result<LocalTrack, TransportError> {
        Ok(LocalTrack::add(&*self.connection, kind, stream, simulcast).await?)
    }

    /// Reaches the other side through these relays only, from the next offer on that gathers:
    /// the first one, and each that restarts ICE. What was said before is replaced.
    ///
    /// # Errors
    /// What the library says of a server that it cannot use.
    pub(crate) async fn relay_through(
        &mut self,
        servers: &[TurnServer],
    ) -> Result<(), TransportError> {
        let update = self.relays.update(servers, self.address.ip());
        match update.await {
            Some(configuration) => Ok(self.connection.set_configuration(configuration).await?),
            None => Ok(()),
        }
    }

    /// Writes an offer that can receive `audio` and `video` tracks (never fewer than before, at
    /// most [`SLOTS_MAX`] each) and makes it the local description.
    pub(crate) async fn offer(
        &mut self,
        audio: usize,
        video: usize,
        restart: bool,
    ) -> Result<String, TransportError> {
        self.grow(Kind::Audio, audio).await?;
        self.grow(Kind::Video, video).await?;
        if restart {
            if let Some(configuration) = self.relays.choose() {
                self.connection.set_configuration(configuration).await?;
            }
            self.connection.restart_ice().await?;
        }
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer.clone()).await?;
        // The server learns our candidates from the checks; none are needed in the text.
        Ok(offer.sdp)
    }

    /// Applies the answer to the last offer.
    ///
    /// # Errors
    /// [`TransportError::Fingerprint`] when the connection already stands and the answer announces
    /// another certificate; else what the library says of a malformed answer.
    pub(crate) async fn apply_answer(&mut self, sdp: &str) -> Result<(), TransportError> {
        self.announced = Some(Announced::in_sdp(sdp));
        self.check_fingerprint().await?;
        let answer = RTCSessionDescription::answer(with_track_names(sdp))?;
        Ok(self.connection.set_remote_description(answer).await?)
    }

    /// Takes back an offer that will get no answer; harmless when there is none.
    pub(crate) async fn roll_back(&self) -> Result<(), TransportError> {
        if self.connection.pending_local_description().await.is_none() {
            return Ok(());
        }
        let rollback = RTCSessionDescription::rollback(None)?;
        Ok(self.connection.set_local_description(rollback).await?)
    }

    /// Adds a candidate of the server, with or without the `a=` that Membrane writes before it.
    pub(crate) async fn add_candidate(&self, candidate: &str) -> Result<(), TransportError> {
        let candidate = RTCIceCandidateInit {
            candidate: candidate.trim().trim_start_matches("a=").to_owned(),
            sdp_mline_index: Some(0),
            ..RTCIceCandidateInit::default()
        };
        Ok(self.connection.add_ice_candidate(candidate).await?)
    }

    /// Compares the certificate of an established connection with the announced one. While there
    /// is no connection yet there is nothing to compare, and that is fine.
    ///
    /// # Errors
    /// [`TransportError::Fingerprint`] when they differ, or nothing was announced.
    pub(crate) async fn check_fingerprint(&self) -> Result<(), TransportError> {
        let Some(digest) = self.remote_digest().await? else {
            return Ok(());
        };
        match &self.announced {
            Some(announced) if announced.matches(&digest) => Ok(()),
            _ => Err(TransportError::Fingerprint),
        }
    }

    /// Whether there is anything to negotiate about.
    pub(crate) async fn has_sections(&self) -> bool {
        !self.connection.get_transceivers().await.is_empty()
    }

    /// Says whether media may flow: connected, and with the announced certificate.
    pub(crate) async fn is_verified(&self) -> Result<bool, TransportError> {
        self.check_fingerprint().await?;
        Ok(self.remote_digest().await?.is_some())
    }

    /// Returns the media section that a remote track belongs to.
    pub(crate) async fn mid_of(&self, track: &Arc<dyn TrackRemote>) -> Option<String> {
        for transceiver in self.connection.get_transceivers().await {
            if let Ok(Some(receiver)) = transceiver.receiver().await
                && Arc::ptr_eq(receiver.track(), track)
            {
                return transceiver.mid().await.ok().flatten();
            }
        }
        None
    }

    /// Moves to the local address of another signalling socket; true when it is another one, and
    /// the next offer has to restart ICE.
    pub(crate) fn move_to(&self, signalling: SocketAddr) -> bool {
        self.address.set(signalling)
    }

    /// What is known of the way to the server.
    pub(crate) fn uplink(&self) -> &Uplink {
        &self.uplink
    }

    /// How many control packets found the lane full.
    pub(crate) fn feedback_dropped(&self) -> u64 {
        self.feedback_dropped.load(Ordering::Relaxed)
    }

    /// Says goodbye to the server and ends the connection.
    pub(crate) async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "closing the media connection");
        }
    }

    async fn grow(&mut self, kind: Kind, wanted: usize) -> Result<(), TransportError> {
        let slots = &mut self.slots[kind as usize];
        while *slots < wanted.min(SLOTS_MAX) {
            let init = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Recvonly,
                streams: vec![],
                send_encodings: vec![],
            };
            self.connection
                .add_transceiver_from_kind(kind.into(), Some(init))
                .await?;
            *slots += 1;
        }
        Ok(())
    }

    /// Returns the SHA-256 of the certificate that the other side showed; none before the
    /// handshake is complete. The library keeps it among its statistics, and only there for a
    /// connection that has no track yet.
    async fn remote_digest(&self) -> Result<Option<[u8; 32]>, TransportError> {
        let report = self
            .connection
            .get_stats(Instant::now(), StatsSelector::None)
            .await;
        let id = match report.transport() {
            Some(transport) if !transport.remote_certificate_id.is_empty() => {
                &transport.remote_certificate_id
            }
            _ => return Ok(None),
        };
        match report.get(id) {
            Some(RTCStatsReportEntry::Certificate(certificate))
                if certificate.fingerprint_algorithm == "sha-256" =>
            {
                let digest = fingerprint::parse(&certificate.fingerprint);
                digest.map(Some).ok_or(TransportError::Fingerprint)
            }
            // There is a certificate, and nothing to compare it by: not the announced one.
            _ => Err(TransportError::Fingerprint),
        }
    }
}

/// Receives the library's callbacks, on its driver.
struct Handler {
    lane: mpsc::Sender<TransportEvent>,
    connected: Arc<AtomicBool>,
}

impl Handler {
    fn put(&self, event: TransportEvent) {
        if self.lane.try_send(event).is_err() {
            tracing::error!("the participant is too far behind its media connection");
        }
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        if state == RTCPeerConnectionState::Connected {
            self.connected.store(true, Ordering::Relaxed);
        }
        self.put(TransportEvent::State(state));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        self.put(TransportEvent::Track(track));
    }
}

#[cfg(test)]
pub(crate) mod tests;
