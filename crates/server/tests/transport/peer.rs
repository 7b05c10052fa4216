//! A participant made of `webrtc`, and the answers that a room task would write for it.

use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{
    Interceptor, Packet as Tagged, ReceiverReportBuilder, Registry, SenderReportBuilder, Slot,
    StreamInfo, TaggedPacket,
};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine,
};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use snug_server::transport::{
    Encoding, ExtensionIds, IceCredentials, Kind, PeerKey, Publish, RelayAccess, RoomKey,
    Subscribe, TrackKey, Transport, TransportCommand, TransportEvent, View,
};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;
use webrtc::media_stream::track_local::TrackLocal as _;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfiguration,
    RTCConfigurationBuilder, RTCIceServer, RTCIceTransportPolicy, RTCSessionDescription,
    SettingEngineBuilder,
};
use webrtc::runtime::default_runtime;

pub const PATIENCE: Duration = Duration::from_secs(15);
pub const ROOM: RoomKey = RoomKey(1);
const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// What comes back from the server besides media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    KeyframeRequest { ssrc: u32 },
    SenderReport { ssrc: u32, ntp: u64, rtp: u32 },
}

/// One media section of the peer: a track it sends, or one it would like to receive.
pub enum Section {
    Send {
        track: TrackKey,
        kind: Kind,
        ssrc: u32,
        local: Arc<TrackLocalStaticRTP>,
    },
    Receive {
        track: TrackKey,
        kind: Kind,
        ssrc: u32,
    },
}

/// A participant.
pub struct Peer {
    pub key: PeerKey,
    pub connection: Arc<dyn PeerConnection>,
    pub sections: Vec<Section>,
    pub tracks: mpsc::Receiver<Arc<dyn TrackRemote>>,
    pub control: mpsc::Receiver<Control>,
    pub events: mpsc::Receiver<TransportEvent>,
    events_sender: mpsc::Sender<TransportEvent>,
}

/// What a peer lies about, or lacks.
#[derive(Clone, Copy, Default)]
pub struct Quirks {
    /// It announces another certificate than it has.
    pub wrong_fingerprint: bool,
    /// It knows only this SRTP profile.
    pub only_profile: Option<SrtpProtectionProfile>,
    /// It sends by way of the TURN server on this port of loopback, or not at all.
    pub turn_port: Option<u16>,
}

struct Handler(mpsc::Sender<Arc<dyn TrackRemote>>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        self.0.try_send(track).expect("room for a few tracks");
    }
}

impl Peer {
    /// Makes a participant bound to loopback that sends and wants to receive these tracks.
    pub async fn new(
        key: u32,
        sends: &[(u32, Kind)],
        receives: &[(u32, Kind)],
        quirks: Quirks,
    ) -> Self {
        let (track_sender, tracks) = mpsc::channel(16);
        let (control_sender, control) = mpsc::channel(1024);
        let (events_sender, events) = mpsc::channel(64);
        let mut settings = SettingEngineBuilder::new()
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_ice_connection_attempts(Some(Duration::from_millis(20)), Some(70));
        if let Some(profile) = quirks.only_profile {
            settings = settings.with_srtp_protection_profiles(vec![profile]);
        }
        let registry = Registry::new()
            .with(Slot::SenderReport, SenderReportBuilder::new().build())
            .with(Slot::ReceiverReport, ReceiverReportBuilder::new().build())
            .with(Slot::from(20_000), Tap::new(control_sender));
        let connection = PeerConnectionBuilder::new()
            .with_configuration(configuration(PeerKey(key), quirks))
            .with_setting_engine(settings.build())
            .with_media_engine(media_engine())
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Handler(track_sender)))
            .with_runtime(default_runtime().unwrap())
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build()
            .await
            .unwrap();
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);
        let mut sections = Vec::new();
        for (track, kind) in sends {
            let ssrc = key * 1_000 + track;
            let local = add_sender(&*connection, *kind, ssrc).await;
            sections.push(Section::Send {
                track: TrackKey(*track),
                kind: *kind,
                ssrc,
                local,
            });
        }
        for (track, kind) in receives {
            let init = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Recvonly,
                streams: vec![],
                send_encodings: vec![],
            };
            connection
                .add_transceiver_from_kind(codec_kind(*kind), Some(init))
                .await
                .unwrap();
            let ssrc = 500_000 + key * 1_000 + track;
            sections.push(Section::Receive {
                track: TrackKey(*track),
                kind: *kind,
                ssrc,
            });
        }
        let key = PeerKey(key);
        Self {
            key,
            connection,
            sections,
            tracks,
            control,
            events,
            events_sender,
        }
    }

    /// Joins as a room task would have it: offer, commands to the transport, answer.
    pub async fn join(&mut self, transport: &Transport, quirks: Quirks) {
        let ice = IceCredentials::random(&mut rand::rng());
        let (peer, events) = (self.key, self.events_sender.clone());
        let add = TransportCommand::AddPeer {
            peer,
            room: ROOM,
            ice: ice.clone(),
            relay: quirks.turn_port.map(|_| access(peer, transport.port())),
            events,
        };
        transport.handle().send(add).unwrap();
        self.negotiate(transport, ice, quirks).await;
    }

    /// Negotiates once more, with fresh ICE credentials on both sides.
    pub async fn restart(&mut self, transport: &Transport) {
        self.connection.restart_ice().await.unwrap();
        let ice = IceCredentials::random(&mut rand::rng());
        self.negotiate(transport, ice, Quirks::default()).await;
    }

    async fn negotiate(&mut self, transport: &Transport, ours: IceCredentials, quirks: Quirks) {
        let offer = self.connection.create_offer(None).await.unwrap();
        self.connection
            .set_local_description(offer.clone())
            .await
            .unwrap();
        let offer = Offer::read(&offer.sdp);
        let mut fingerprint = offer.fingerprint;
        if quirks.wrong_fingerprint {
            fingerprint[0] ^= 1;
        }
        let handle = transport.handle();
        let (peer, ice, local_ice) = (self.key, offer.ice, ours.clone());
        handle
            .send(TransportCommand::SetRemote {
                peer,
                ice,
                fingerprint,
                local_ice,
            })
            .unwrap();
        handle.send(self.media(offer.mid_id)).unwrap();
        let answer = self.answer(transport, &ours, offer.mid_id);
        let answer = RTCSessionDescription::answer(answer).unwrap();
        self.connection
            .set_remote_description(answer)
            .await
            .unwrap();
    }

    fn media(&self, mid_id: Option<u8>) -> TransportCommand {
        let extensions = ExtensionIds {
            mid: mid_id,
            ..ExtensionIds::default()
        };
        let (mut publish, mut subscribe) = (Vec::new(), Vec::new());
        for (mid, section) in self.sections.iter().enumerate() {
            match section {
                Section::Send {
                    track, kind, ssrc, ..
                } => publish.push(Publish {
                    track: *track,
                    kind: *kind,
                    mid: mid.to_string(),
                    encodings: vec![Encoding {
                        ssrc: Some(*ssrc),
                        ..Encoding::default()
                    }],
                    payload_type: payload_type(*kind),
                    rtx_payload_type: None,
                    red_payload_type: None,
                    extensions,
                    bitrate_max: None,
                }),
                Section::Receive { track, kind, ssrc } => subscribe.push(Subscribe {
                    track: *track,
                    mid: mid.to_string(),
                    ssrc: *ssrc,
                    rtx_ssrc: None,
                    payload_type: payload_type(*kind),
                    rtx_payload_type: None,
                    red_payload_type: None,
                    extensions,
                    target: None,
                    view: View::default(),
                }),
            }
        }
        TransportCommand::SetMedia {
            peer: self.key,
            publish,
            subscribe,
        }
    }

    fn answer(&self, transport: &Transport, ice: &IceCredentials, mid_id: Option<u8>) -> String {
        let bytes = transport.fingerprint().map(|byte| format!("{byte:02X}"));
        let mids: Vec<String> = (0..self.sections.len())
            .map(|mid| mid.to_string())
            .collect();
        let mut sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n\
             a=fingerprint:sha-256 {}\r\na=group:BUNDLE {}\r\n",
            bytes.join(":"),
            mids.join(" "),
        );
        for (mid, section) in self.sections.iter().enumerate() {
            let (Section::Send { kind, .. } | Section::Receive { kind, .. }) = section;
            let (kind_name, codec) = match kind {
                Kind::Audio => ("audio", "opus/48000/2"),
                Kind::Video => ("video", "VP8/90000"),
            };
            let number = payload_type(*kind);
            sdp += &format!(
                "m={kind_name} 9 UDP/TLS/RTP/SAVPF {number}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n\
                 a=rtpmap:{number} {codec}\r\na=rtcp-mux\r\na=setup:passive\r\n\
                 a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n\
                 a=candidate:1 1 UDP 2015363327 127.0.0.1 {} typ host\r\na=end-of-candidates\r\n",
                ice.ufrag,
                ice.pwd,
                transport.port(),
            );
            if let Some(id) = mid_id {
                sdp += &format!("a=extmap:{id} {MID_URI}\r\n");
            }
            sdp += &match section {
                Section::Send { .. } => "a=recvonly\r\n".to_owned(),
                Section::Receive { track, ssrc, .. } => format!(
                    "a=sendonly\r\na=msid:stream{0} track{0}\r\na=ssrc:{ssrc} cname:room\r\n",
                    track.0
                ),
            };
        }
        sdp
    }

    /// Waits for an event that is not merely a sign of life.
    pub async fn event(&mut self) -> TransportEvent {
        loop {
            let event = timeout(PATIENCE, self.events.recv())
                .await
                .expect("an event")
                .unwrap();
            if !matches!(event, TransportEvent::Heard { .. }) {
                return event;
            }
        }
    }

    /// Returns what a section sends with.
    pub fn sender(&self, wanted: Kind) -> (Arc<TrackLocalStaticRTP>, u32) {
        let found = self.sections.iter().find_map(|section| match section {
            Section::Send {
                kind, ssrc, local, ..
            } if *kind == wanted => Some((Arc::clone(local), *ssrc)),
            _ => None,
        });
        found.expect("the peer sends such a track")
    }
}

/// The one password of all peers; the names differ.
const TURN_PASSWORD: &str = "the password of TURN";

fn username(peer: PeerKey) -> String {
    format!("1:{}", peer.0)
}

/// What the peer may use the TURN server with.
fn access(peer: PeerKey, port: u16) -> RelayAccess {
    let candidate = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    RelayAccess::new(username(peer), TURN_PASSWORD, &[candidate])
}

fn configuration(peer: PeerKey, quirks: Quirks) -> RTCConfiguration {
    let Some(port) = quirks.turn_port else {
        return RTCConfigurationBuilder::new().build();
    };
    let server = RTCIceServer {
        urls: vec![format!("turn:127.0.0.1:{port}?transport=udp")],
        username: username(peer),
        credential: TURN_PASSWORD.to_owned(),
    };
    RTCConfigurationBuilder::new()
        .with_ice_servers(vec![server])
        .with_ice_transport_policy(RTCIceTransportPolicy::Relay)
        .build()
}

/// Sends one packet.
pub async fn send(
    local: &TrackLocalStaticRTP,
    kind: Kind,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    payload: Vec<u8>,
) {
    let header = rtp::Header {
        version: 2,
        marker: true,
        payload_type: payload_type(kind),
        sequence_number: sequence,
        timestamp,
        ssrc,
        ..rtp::Header::default()
    };
    // Before the connection stands there is nowhere to send to.
    drop(
        local
            .write_rtp(rtp::Packet {
                header,
                payload: payload.into(),
            })
            .await,
    );
}

/// Waits for the next packet of a track.
pub async fn receive(track: &Arc<dyn TrackRemote>) -> rtp::Packet {
    loop {
        let event = timeout(PATIENCE, track.poll())
            .await
            .expect("a packet")
            .expect("a live track");
        if let TrackRemoteEvent::OnRtpPacket(packet) = event {
            return packet;
        }
    }
}

/// What the answers need of an offer.
struct Offer {
    ice: IceCredentials,
    fingerprint: [u8; 32],
    mid_id: Option<u8>,
}

impl Offer {
    fn read(sdp: &str) -> Self {
        let value = |name: &str| {
            let line = sdp.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name} in {sdp}")).to_owned()
        };
        let mut fingerprint = [0; 32];
        let hex = value("a=fingerprint:sha-256 ");
        for (byte, digits) in fingerprint.iter_mut().zip(hex.split(':')) {
            *byte = u8::from_str_radix(digits, 16).unwrap();
        }
        let mid_line = sdp
            .lines()
            .find(|line| line.starts_with("a=extmap:") && line.ends_with(MID_URI));
        let mid_id = mid_line.map(|line| {
            let id = line
                .trim_start_matches("a=extmap:")
                .split([' ', '/'])
                .next();
            id.unwrap().parse().unwrap()
        });
        let ice = IceCredentials {
            ufrag: value("a=ice-ufrag:"),
            pwd: value("a=ice-pwd:"),
        };
        Self {
            ice,
            fingerprint,
            mid_id,
        }
    }
}

async fn add_sender(
    connection: &dyn PeerConnection,
    kind: Kind,
    ssrc: u32,
) -> Arc<TrackLocalStaticRTP> {
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            ..RTCRtpCodingParameters::default()
        },
        active: true,
        codec: codec(kind),
        ..RTCRtpEncodingParameters::default()
    };
    let media = MediaStreamTrack::new(
        "stream".to_owned(),
        format!("track{ssrc}"),
        String::new(),
        codec_kind(kind),
        vec![encoding],
    );
    let local = Arc::new(TrackLocalStaticRTP::new(media));
    let init = RTCRtpTransceiverInit {
        direction: RTCRtpTransceiverDirection::Sendonly,
        streams: vec![],
        send_encodings: vec![],
    };
    connection
        .add_transceiver_from_track(Arc::clone(&local) as _, Some(init))
        .await
        .unwrap();
    local
}

fn media_engine() -> MediaEngine {
    let mut engine = MediaEngine::default();
    for kind in [Kind::Audio, Kind::Video] {
        let parameters = RTCRtpCodecParameters {
            rtp_codec: codec(kind),
            payload_type: payload_type(kind),
        };
        engine.register_codec(parameters, codec_kind(kind)).unwrap();
        let extension = RTCRtpHeaderExtensionCapability {
            uri: MID_URI.to_owned(),
        };
        engine
            .register_header_extension(extension, codec_kind(kind), None)
            .unwrap();
    }
    engine
}

fn codec(kind: Kind) -> RTCRtpCodec {
    let (mime_type, clock_rate, channels) = match kind {
        Kind::Audio => (MIME_TYPE_OPUS, 48_000, 2),
        Kind::Video => (MIME_TYPE_VP8, 90_000, 0),
    };
    RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate,
        channels,
        ..RTCRtpCodec::default()
    }
}

fn codec_kind(kind: Kind) -> RtpCodecKind {
    match kind {
        Kind::Audio => RtpCodecKind::Audio,
        Kind::Video => RtpCodecKind::Video,
    }
}

fn payload_type(kind: Kind) -> u8 {
    match kind {
        Kind::Audio => 111,
        Kind::Video => 96,
    }
}

/// Copies keyframe requests and sender reports out of the interceptor chain.
struct Tap {
    lane: mpsc::Sender<Control>,
    reading: VecDeque<TaggedPacket>,
    writing: VecDeque<TaggedPacket>,
}

impl Tap {
    fn new(lane: mpsc::Sender<Control>) -> Self {
        Self {
            lane,
            reading: VecDeque::new(),
            writing: VecDeque::new(),
        }
    }

    fn copy(&self, packet: &dyn rtcp::Packet) {
        let any = packet.as_any();
        let pli = any.downcast_ref::<PictureLossIndication>();
        let report = any.downcast_ref::<SenderReport>();
        let control = pli
            .map(|pli| Control::KeyframeRequest {
                ssrc: pli.media_ssrc,
            })
            .or_else(|| {
                report.map(|report| Control::SenderReport {
                    ssrc: report.ssrc,
                    ntp: report.ntp_time,
                    rtp: report.rtp_time,
                })
            });
        if let Some(control) = control {
            self.lane.try_send(control).expect("the test reads on");
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Tap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        if let Tagged::Rtcp(packets) = &packet.message.packet {
            packets.iter().for_each(|packet| self.copy(packet.as_ref()));
        }
        self.reading.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reading.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        self.writing.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writing.pop_front()
    }
}

impl Interceptor for Tap {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}
