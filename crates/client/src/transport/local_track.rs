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
use snug_rtp::red::{Earlier, write_red};
use snug_rtp::{NtpTime, RtpTime};
use tokio::sync::OnceCell;
use webrtc::error::Result;
use webrtc::media_stream::track_local::TrackLocal as _;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::PeerConnection;
use webrtc::rtp_transceiver::{RtpSender, RtpTransceiver};

use super::Kind;
use super::engine::{
    AUDIO_LEVEL_URI, MID_URI, MIME_TYPE_RED, OPUS_PAYLOAD_TYPE, RID_URI, VP8_PAYLOAD_TYPE, codec,
};

/// Bytes that one earlier payload takes besides itself (RFC 2198 section 3).
const RED_HEADER_LEN: usize = 5;

/// No payload type: they have seven bits.
const NO_TYPE: u8 = 0x80;

/// The encodings of a simulcast, from the least to the best: the only names that servers of the
/// Membrane family know.
pub(crate) const RIDS: [&str; 3] = ["l", "m", "h"];

/// A packet to send, before the connection adds what only it knows.
pub(crate) struct MediaPacket {
    /// Its encoding: the place in [`RIDS`] in a simulcast, else 0.
    pub(crate) encoding: usize,
    /// Last packet of its frame.
    pub(crate) marker: bool,
    /// Sequence number.
    pub(crate) sequence: u16,
    /// Capture time in ticks of the codec's clock.
    pub(crate) timestamp: RtpTime,
    /// How loud it is, if it is sound.
    pub(crate) level: Option<AudioLevel>,
    /// Payload, including the codec's own payload header.
    pub(crate) payload: Bytes,
    /// The packet of sound before this one, to be sent along once more.
    pub(crate) earlier: Option<EarlierSound>,
}

/// A packet of sound that was sent.
#[derive(Clone, Debug)]
pub(crate) struct EarlierSound {
    /// Its time stamp.
    pub(crate) timestamp: RtpTime,
    /// Its payload.
    pub(crate) payload: Bytes,
}

/// How loud a packet of sound is (RFC 6464 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AudioLevel {
    /// Decibels below full scale, from 0 to 127 (silence).
    pub(crate) below_full_scale_db: u8,
    /// Whether it seems to be a voice.
    pub(crate) voice: bool,
}

impl AudioLevel {
    fn to_byte(self) -> u8 {
        u8::from(self.voice) << 7 | self.below_full_scale_db.min(127)
    }
}

/// A sending section of the media connection. Clones are the same track.
#[derive(Clone)]
pub(crate) struct LocalTrack {
    kind: Kind,
    /// The source of each encoding.
    ssrcs: Arc<[u32]>,
    track: Arc<TrackLocalStaticRTP>,
    transceiver: Arc<dyn RtpTransceiver>,
    sender: Arc<dyn RtpSender>,
    names: Arc<OnceCell<Names>>,
    payload_type: Arc<AtomicU8>,
    /// Of packets that repeat earlier sound; [`NO_TYPE`] where the other side knows none.
    red_payload_type: Arc<AtomicU8>,
}

/// The section's name, and the extensions that carry it and the rest in each packet.
#[derive(Clone)]
struct Names {
    mid: Bytes,
    mid_extension: Option<u8>,
    rid_extension: Option<u8>,
    level_extension: Option<u8>,
}

impl LocalTrack {
    /// Adds a sending section; with `simulcast` it offers an encoding for each of [`RIDS`].
    pub(super) async fn add(
        connection: &dyn PeerConnection,
        kind: Kind,
        stream: &str,
        simulcast: bool,
    ) -> Result<Self> {
        let rids: &[&str] = if simulcast { &RIDS } else { &[""] };
        let ssrcs: Arc<[u32]> = rids.iter().map(|_| random_ssrc()).collect();
        let encodings = rids
            .iter()
            .zip(&*ssrcs)
            .map(|(rid, ssrc)| encoding(kind, rid, *ssrc))
            .collect();
        let media = MediaStreamTrack::new(
            stream.to_owned(),
            uuid::Uuid::new_v4().to_string(),
            String::new(),
            kind.into(),
            encodings,
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
            ssrcs,
            track,
            transceiver,
            sender,
            names: Arc::default(),
            payload_type: Arc::new(AtomicU8::new(payload_type)),
            red_payload_type: Arc::new(AtomicU8::new(NO_TYPE)),
        })
    }

    /// How many encodings were offered: one, or as many as there are [`RIDS`].
    pub(crate) fn encodings(&self) -> usize {
        self.ssrcs.len()
    }

    /// Says which encoding is sent as `ssrc`, if any is.
    pub(crate) fn encoding_of(&self, ssrc: u32) -> Option<usize> {
        self.ssrcs.iter().position(|own| *own == ssrc)
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
        let mut codecs = parameters.codecs.iter();
        let red = codecs.find(|codec| codec.rtp_codec.mime_type == MIME_TYPE_RED);
        let red = red.map_or(NO_TYPE, |red| red.payload_type);
        self.red_payload_type.store(red, Ordering::Relaxed);
        let extension = |uri: &str| {
            let mut all = parameters.header_extensions.iter();
            let found = all.find(|ext| ext.uri == uri)?;
            u8::try_from(found.id).ok()
        };
        if let Some(mid) = self.mid().await {
            let names = Names {
                mid: Bytes::from(mid),
                mid_extension: extension(MID_URI),
                rid_extension: extension(RID_URI).filter(|_| self.encodings() > 1),
                level_extension: extension(AUDIO_LEVEL_URI),
            };
            self.names.get_or_init(async || names).await;
        }
        Ok(())
    }

    /// Sends a packet; waits while the connection's own lane is full.
    pub(crate) async fn send(&self, packet: MediaPacket) -> Result<()> {
        let ssrc = self.ssrcs.get(packet.encoding).copied();
        let payload_type = self.payload_type.load(Ordering::Relaxed);
        let red = self.with_earlier(&packet, payload_type);
        let (payload_type, payload) = match red {
            Some(red) => red,
            None => (payload_type, packet.payload.clone()),
        };
        let mut header = rtp::Header {
            version: 2,
            marker: packet.marker,
            payload_type,
            sequence_number: packet.sequence,
            timestamp: packet.timestamp.0,
            ssrc: ssrc.ok_or(webrtc::error::Error::ErrRTPSenderNoBaseEncoding)?,
            ..rtp::Header::default()
        };
        if let Some(names) = self.names.get() {
            names.write(&packet, &mut header)?;
        }
        self.track.write_rtp(rtp::Packet { header, payload }).await
    }

    /// Puts the sound before a packet into it, if there is any, the other side knows how to read
    /// it, and it fits; returns the payload type too.
    fn with_earlier(&self, packet: &MediaPacket, payload_type: u8) -> Option<(u8, Bytes)> {
        let red = self.red_payload_type.load(Ordering::Relaxed);
        let earlier = packet.earlier.as_ref().filter(|_| red != NO_TYPE)?;
        let age = packet.timestamp.distance_from(earlier.timestamp);
        let block = Earlier {
            payload_type,
            age: u32::try_from(age).ok()?,
            payload: &earlier.payload,
        };
        let mut bytes = vec![0; RED_HEADER_LEN + earlier.payload.len() + packet.payload.len()];
        let len = write_red(&mut bytes, Some(&block), payload_type, &packet.payload).ok()?;
        bytes.truncate(len);
        Some((red, Bytes::from(bytes)))
    }

    /// Reports of an encoding that `rtp` was captured at `ntp`, and how much was sent so far.
    pub(crate) async fn report(
        &self,
        encoding: usize,
        (ntp, rtp): (NtpTime, RtpTime),
        packets: u64,
        octets: u64,
    ) -> Result<()> {
        let ssrc = self.ssrcs.get(encoding).copied();
        let report = SenderReport {
            ssrc: ssrc.ok_or(webrtc::error::Error::ErrRTPSenderNoBaseEncoding)?,
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

impl Names {
    fn write(&self, packet: &MediaPacket, header: &mut rtp::Header) -> Result<()> {
        if let Some(id) = self.mid_extension {
            header.set_extension(id, self.mid.clone())?;
        }
        let rid = RIDS.get(packet.encoding).zip(self.rid_extension);
        if let Some((rid, id)) = rid {
            header.set_extension(id, Bytes::from_static(rid.as_bytes()))?;
        }
        if let Some((level, id)) = packet.level.zip(self.level_extension) {
            header.set_extension(id, Bytes::copy_from_slice(&[level.to_byte()]))?;
        }
        Ok(())
    }
}

/// One encoding of a track as the library wants it described.
fn encoding(kind: Kind, rid: &str, ssrc: u32) -> RTCRtpEncodingParameters {
    RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            rid: rid.to_owned(),
            ssrc: Some(ssrc),
            rtx: (kind == Kind::Video).then(|| RTCRtpRtxParameters {
                ssrc: random_ssrc(),
            }),
            ..RTCRtpCodingParameters::default()
        },
        active: true,
        codec: codec(kind.into()),
        ..RTCRtpEncodingParameters::default()
    }
}

/// A random source that is never zero: zero stands for "unknown" in many programs.
fn random_ssrc() -> u32 {
    rand::random_range(1..=u32::MAX)
}
