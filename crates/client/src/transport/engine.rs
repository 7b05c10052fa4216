//! Building a peer connection for a LAN: what is offered, which interceptors run, how fast ICE is.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{
    NackResponderBuilder, ReceiverReportBuilder, Registry, Slot, TwccReceiverBuilder,
};
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8, MediaEngine,
};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use webrtc::error::Result;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    SettingEngineBuilder,
};
use webrtc::runtime::Runtime;

use super::feedback::FeedbackTap;
use super::uplink::Numbering;

/// Payload type of Opus; what every browser uses.
pub(super) const OPUS_PAYLOAD_TYPE: u8 = 111;
/// Payload type of VP8; what every browser uses.
pub(super) const VP8_PAYLOAD_TYPE: u8 = 96;
const RTX_PAYLOAD_TYPE: u8 = 97;
/// The payload type of packets that repeat earlier sound (RFC 2198), as it stands in our offers.
pub(crate) const RED_PAYLOAD_TYPE: u8 = 63;
/// Their name; the library has none.
pub(super) const MIME_TYPE_RED: &str = "audio/red";

/// Header extension that names the media section of a packet (RFC 8843 section 15).
pub(super) const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
pub(super) const TRANSPORT_CC_URI: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// Header extension that says how loud a packet of sound is (RFC 6464).
pub(super) const AUDIO_LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// Header extensions that name the encoding of a packet, and of one sent again (RFC 8852).
pub(super) const RID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED_RID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";

/// The header extensions of each kind, in the order of their ids.
const AUDIO_EXTENSIONS: [&str; 3] = [MID_URI, TRANSPORT_CC_URI, AUDIO_LEVEL_URI];
const VIDEO_EXTENSIONS: [&str; 4] = [MID_URI, TRANSPORT_CC_URI, RID_URI, REPAIRED_RID_URI];

/// Pause between two connectivity checks. The library's 200 ms cost two ticks, 400 ms, in every
/// join; a LAN answers within one of these.
const ICE_CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// Checks before a candidate is given up: 1.4 s, as by default.
const ICE_CHECKS_MAX: u16 = 70;
/// Silence after which media counts as interrupted.
const ICE_DISCONNECTED_AFTER: Duration = Duration::from_secs(5);
/// Further silence after which it counts as failed: longer than a place is held (10 s), so that a
/// resumed participant never has to negotiate anew.
const ICE_FAILED_AFTER: Duration = Duration::from_secs(25);
/// Pause between two checks of a connected path; also tells the server that we are alive.
const ICE_KEEPALIVE: Duration = Duration::from_secs(1);

/// Pause between receiver reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The local address that media is bound to; changes when signalling moves to another network.
///
/// The connection looks it up each time it binds its sockets, which an ICE restart makes it do.
#[derive(Clone, Debug)]
pub(super) struct LocalAddress(Arc<Mutex<SocketAddr>>);

impl LocalAddress {
    /// Takes the local end of the signalling socket; its port does not matter.
    pub(super) fn new(signalling: SocketAddr) -> Self {
        Self(Arc::new(Mutex::new(any_port(signalling))))
    }

    /// Where media is bound now.
    pub(super) fn ip(&self) -> IpAddr {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ip()
    }

    /// Moves to another address; tells whether it is another one.
    pub(super) fn set(&self, signalling: SocketAddr) -> bool {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = any_port(signalling);
        let changed = *current != next;
        *current = next;
        changed
    }
}

impl ToSocketAddrs for LocalAddress {
    type Iter = std::option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let address = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(address).into_iter())
    }
}

/// Keeps the address and, for IPv6, the interface; lets the system choose the port.
fn any_port(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => SocketAddr::new(address.ip(), 0),
        // An IPv4 address seen through an IPv6 socket is bound as what it is.
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(IpAddr::V4(v4), 0),
            None => SocketAddr::V6(SocketAddrV6::new(*v6.ip(), 0, 0, v6.scope_id())),
        },
    }
}

/// Builds a connection bound to `address` that reports to `handler`, copies feedback to the tap, and
/// numbers what it sends.
pub(super) async fn build(
    address: LocalAddress,
    handler: Arc<dyn PeerConnectionEventHandler>,
    (tap, numbering): (FeedbackTap, Numbering),
    runtime: Arc<dyn Runtime>,
) -> Result<Arc<dyn PeerConnection>> {
    let settings = SettingEngineBuilder::new()
        // Multicast DNS needs a multicast route; an offline laptop has none and must work.
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_ice_connection_attempts(Some(ICE_CHECK_INTERVAL), Some(ICE_CHECKS_MAX))
        .with_ice_timeouts(
            Some(ICE_DISCONNECTED_AFTER),
            Some(ICE_FAILED_AFTER),
            Some(ICE_KEEPALIVE),
        )
        // By default a relayed path waits two seconds for a better one, which never comes to
        // somebody who is told to use relays only.
        .with_relay_acceptance_min_wait(Some(Duration::ZERO))
        .with_write_ssrc_attributes_for_simulcast(true)
        // Checked by us, where a mismatch gets a name: see `fingerprint`.
        .with_disable_certificate_fingerprint_verification(true)
        // A restart binds anew, to wherever signalling is now.
        .with_discard_local_candidates_during_ice_restart(true)
        .build();
    let connection = PeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().build())
        .with_setting_engine(settings)
        .with_media_engine(media_engine()?)
        .with_interceptor_registry(interceptors(tap, numbering))
        .with_handler(handler)
        .with_runtime(runtime)
        .with_udp_addrs(vec![address])
        .build()
        .await?;
    Ok(Arc::new(connection))
}

/// Reports of received media, retransmission of what we sent, transport-wide sequence numbers both
/// ways. What we miss is asked for where pictures are put together (see `subscribe`), which knows how
/// far the room is.
/// Sender reports are not the library's: ours carry the exact capture time (see `publish`).
fn interceptors(tap: FeedbackTap, numbering: Numbering) -> Registry {
    Registry::new()
        .with(Slot::NackResponder, NackResponderBuilder::new().build())
        .with(Numbering::slot(), numbering)
        .with(Slot::TwccReceiver, TwccReceiverBuilder::new().build())
        .with(
            Slot::ReceiverReport,
            ReceiverReportBuilder::new()
                .with_interval(REPORT_INTERVAL)
                .build(),
        )
        .with(FeedbackTap::slot(), tap)
}

/// Opus with redundancy and VP8 with retransmission, nothing else: a short offer that a room server
/// answers fast.
fn media_engine() -> Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    engine.register_codec(
        RTCRtpCodecParameters {
            rtp_codec: codec(RtpCodecKind::Audio),
            payload_type: OPUS_PAYLOAD_TYPE,
        },
        RtpCodecKind::Audio,
    )?;
    engine.register_codec(
        RTCRtpCodecParameters {
            rtp_codec: codec(RtpCodecKind::Video),
            payload_type: VP8_PAYLOAD_TYPE,
        },
        RtpCodecKind::Video,
    )?;
    let red = RTCRtpCodec {
        mime_type: MIME_TYPE_RED.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: format!("{OPUS_PAYLOAD_TYPE}/{OPUS_PAYLOAD_TYPE}"),
        ..RTCRtpCodec::default()
    };
    engine.register_codec(
        RTCRtpCodecParameters {
            rtp_codec: red,
            payload_type: RED_PAYLOAD_TYPE,
        },
        RtpCodecKind::Audio,
    )?;
    let rtx = RTCRtpCodec {
        mime_type: MIME_TYPE_RTX.to_owned(),
        clock_rate: 90_000,
        sdp_fmtp_line: format!("apt={VP8_PAYLOAD_TYPE}"),
        ..RTCRtpCodec::default()
    };
    engine.register_codec(
        RTCRtpCodecParameters {
            rtp_codec: rtx,
            payload_type: RTX_PAYLOAD_TYPE,
        },
        RtpCodecKind::Video,
    )?;
    let of = |kind, uris: &[&'static str]| uris.iter().map(|uri| (kind, *uri)).collect::<Vec<_>>();
    let audio = of(RtpCodecKind::Audio, &AUDIO_EXTENSIONS);
    let video = of(RtpCodecKind::Video, &VIDEO_EXTENSIONS);
    for (kind, uri) in audio.into_iter().chain(video) {
        let extension = RTCRtpHeaderExtensionCapability {
            uri: uri.to_owned(),
        };
        engine.register_header_extension(extension, kind, None)?;
    }
    Ok(engine)
}

/// The one codec of each kind, as it stands in offers.
pub(super) fn codec(kind: RtpCodecKind) -> RTCRtpCodec {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback {
        typ: typ.to_owned(),
        parameter: parameter.to_owned(),
    };
    match kind {
        RtpCodecKind::Audio => RTCRtpCodec {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
            rtcp_feedback: vec![feedback("transport-cc", "")],
        },
        _ => RTCRtpCodec {
            mime_type: MIME_TYPE_VP8.to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: String::new(),
            rtcp_feedback: vec![
                feedback("transport-cc", ""),
                feedback("ccm", "fir"),
                feedback("nack", ""),
                feedback("nack", "pli"),
            ],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_is_bound_to_the_address_of_signalling() {
        let bind = |text: &str| any_port(text.parse().unwrap()).to_string();
        assert_eq!(bind("127.0.0.1:40000"), "127.0.0.1:0");
        assert_eq!(bind("[::ffff:10.0.0.7]:40000"), "10.0.0.7:0");
        assert_eq!(bind("[fe80::1%3]:40000"), "[fe80::1%3]:0");
    }

    #[test]
    fn only_another_address_counts_as_a_move() {
        let address = LocalAddress::new("10.0.0.1:5".parse().unwrap());
        assert!(!address.set("10.0.0.1:6".parse().unwrap()));
        assert!(address.set("10.0.0.2:6".parse().unwrap()));
        let bound: Vec<_> = address.to_socket_addrs().unwrap().collect();
        assert_eq!(bound, ["10.0.0.2:0".parse::<SocketAddr>().unwrap()]);
    }
}
