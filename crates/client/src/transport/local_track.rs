//! One track that we send: its place in the session description and the way packets take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use rtc::media_stream::MediaStreamTrack;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpRtxParameters,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use snug_rtp::{NtpTime, RtpTime};
use tokio::sync::OnceCell;
use webrtc::error::Result;
use webrtc::media_stream::track_local::TrackLocal as _;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::PeerConnection;
use webrtc::rtp_transceiver::{RtpSender, RtpTransceiver};

use super::Kind;
use super::engine::{MID_URI, OPUS_PAYLOAD_TYPE, VP8_PAYLOAD_TYPE, codec};

/// A packet to send, before the connection adds what only it knows.
pub(crate) struct MediaPacket {
    /// Last packet of its frame.
    pub(crate) marker: bool,
    /// Sequence number.
    pub(crate) sequence: u16,
    /// Capture time in ticks of the codec's clock.
    pub(crate) timestamp: RtpTime,
    /// Payload, including the codec's own payload header.
    pub(crate) payload: Bytes,
}

/// A sending section of the media connection. Clones are the same track.
#[derive(Clone)]
pub(crate) struct LocalTrack {
    kind: Kind,
    ssrc: u32,
    track: Arc<TrackLocalStaticRTP>,
    transceiver: Arc<dyn RtpTransceiver>,
    sender: Arc<dyn RtpSender>,
    mid: Arc<OnceCell<Mid>>,
    payload_type: Arc<AtomicU8>,
}

/// The section's name and the extension that carries it in each packet.
#[derive(Clone)]
struct Mid {
    extension: Option<u8>,
    value: Bytes,
}

impl LocalTrack {
    pub(super) async fn add(
        connection: &dyn PeerConnection,
        kind: Kind,
        stream: &str,
    ) -> Result<Self> {
        let ssrc = random_ssrc();
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                rtx: (kind == Kind::Video).then(|| RTCRtpRtxParameters {
                    ssrc: random_ssrc(),
                }),
                ..RTCRtpCodingParameters::default()
            },
            active: true,
            codec: codec(kind.into()),
            ..RTCRtpEncodingParameters::default()
        };
        let media = MediaStreamTrack::new(
            stream.to_owned(),
            uuid::Uuid::new_v4().to_string(),
            String::new(),
            kind.into(),
            vec![encoding],
        );
        let track = Arc::new(TrackLocalStaticRTP::new(media));
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: vec![],
            send_encodings: vec![],
        };
        let transceiver = connection
            .add_transceiver_from_track(Arc::clone(&track) as _, Some(init))
            .await?;
        let sender = transceiver
            .sender()
            .await?
            .ok_or(webrtc::error::Error::ErrRTPSenderNotExisted)?;
        let payload_type = match kind {
            Kind::Audio => OPUS_PAYLOAD_TYPE,
            Kind::Video => VP8_PAYLOAD_TYPE,
        };
        Ok(Self {
            kind,
            ssrc,
            track,
            transceiver,
            sender,
            mid: Arc::default(),
            payload_type: Arc::new(AtomicU8::new(payload_type)),
        })
    }

    /// Audio or video.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The stream's synchronisation source.
    pub(crate) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The name of its media section; there is one as soon as it was offered.
    pub(crate) async fn mid(&self) -> Option<String> {
        self.transceiver.mid().await.ok().flatten()
    }

    /// Learns what the answer settled: the payload type and how the section is named in packets.
    pub(crate) async fn settle(&self) -> Result<()> {
        let parameters = self.sender.get_parameters().await?.rtp_parameters;
        let name = codec(self.kind.into()).mime_type;
        let agreed = parameters
            .codecs
            .iter()
            .find(|codec| codec.rtp_codec.mime_type == name);
        if let Some(agreed) = agreed {
            self.payload_type
                .store(agreed.payload_type, Ordering::Relaxed);
        }
        let extension = parameters
            .header_extensions
            .iter()
            .find(|ext| ext.uri == MID_URI);
        let extension = extension.and_then(|ext| u8::try_from(ext.id).ok());
        if let Some(mid) = self.mid().await {
            let value = Bytes::from(mid);
            self.mid
                .get_or_init(async || Mid { extension, value })
                .await;
        }
        Ok(())
    }

    /// Sends a packet; waits while the connection's own lane is full.
    pub(crate) async fn send(&self, packet: MediaPacket) -> Result<()> {
        let mut header = rtp::Header {
            version: 2,
            marker: packet.marker,
            payload_type: self.payload_type.load(Ordering::Relaxed),
            sequence_number: packet.sequence,
            timestamp: packet.timestamp.0,
            ssrc: self.ssrc,
            ..rtp::Header::default()
        };
        if let Some(Mid {
            extension: Some(id),
            value,
        }) = self.mid.get()
        {
            header.set_extension(*id, value.clone())?;
        }
        self.track
            .write_rtp(rtp::Packet {
                header,
                payload: packet.payload,
            })
            .await
    }

    /// Reports that `rtp` was captured at `ntp`, and how much was sent so far.
    pub(crate) async fn report(
        &self,
        ntp: NtpTime,
        rtp: RtpTime,
        packets: u64,
        octets: u64,
    ) -> Result<()> {
        let report = SenderReport {
            ssrc: self.ssrc,
            ntp_time: ntp.0,
            rtp_time: rtp.0,
            // Both fields are 32 bits wide and wrap (RFC 3550 section 6.4.1).
            packet_count: packets as u32,
            octet_count: octets as u32,
            ..SenderReport::default()
        };
        self.track.write_rtcp(vec![Box::new(report)]).await
    }
}

/// A random source that is never zero: zero stands for "unknown" in many programs.
fn random_ssrc() -> u32 {
    rand::random_range(1..=u32::MAX)
}
