//! What our way to the server carries: numbers every packet, hears of their arrival, estimates.
//!
//! Rules, each with its why:
//! - Nearest to the wire of all interceptors: only here every packet passes as it goes out, sent
//!   again or not, and gets the number of its transmission.
//! - The estimate is tried out with packets sent again (RFC 4588), which harm nobody: whoever gets
//!   one has it already and drops it. A burst goes out at once; it is a few packets.
//! - What it finds is a snapshot that the participant looks at ten times a second; until the way has
//!   shown what it carries there is none, and nothing is held down: a local network carries all, and a
//!   thin way pays with its first second.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use rtc::interceptor::{AttributedPacket, Interceptor, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc::rtp;
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::error::Error;
use rtc::shared::marshal::MarshalSize as _;
use snug_congestion::{Estimator, Limits};
use snug_rtp::SequenceNumber;
use snug_rtp::rtcp::{Packet as RtcpPacket, packets};

use super::engine::TRANSPORT_CC_URI;

/// Bytes that a packet takes besides itself: IPv4 and UDP, and the tag of SRTP.
const OVERHEAD: usize = 28 + 16;

/// Pictures' packets kept to try the way out with: more than a burst takes.
const KEPT: usize = 32;

/// Packets of one burst at most: 50 kB.
const BURST_MAX: usize = 42;

/// Part of the estimate that repairs may take, and how much of it may be saved up. More would fill
/// a way that is full already with what was lost because it was.
const REPAIR_SHARE: u64 = 4;
const REPAIR_SAVED: Duration = Duration::from_millis(500);
/// Bits per second that they may take in any case.
const REPAIR_BPS_MIN: u64 = 20_000;

/// Bytes of a kept packet below which it is of no use in a burst.
const KEPT_BYTES_MIN: usize = 200;

/// What is known of our way to the server. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uplink(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Zero until something is known.
    target_bps: AtomicU64,
    loss_permille: AtomicU32,
    /// Zero until a packet was reported on.
    round_trip_us: AtomicU64,
    wanted_bps: AtomicU64,
}

/// An estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// Bits per second that the way carries, headers included.
    pub(crate) target_bps: u64,
    /// Share of packets lost lately, 0 to 1.
    pub(crate) loss: f64,
}

impl Uplink {
    /// Returns what the way carries, once it has shown that.
    pub(crate) fn estimate(&self) -> Option<Estimate> {
        let target_bps = self.0.target_bps.load(Ordering::Relaxed);
        (target_bps > 0).then(|| Estimate {
            target_bps,
            loss: self.loss(),
        })
    }

    /// Returns the share of packets lost lately, 0 to 1, whether or not that holds anything down.
    pub(crate) fn loss(&self) -> f64 {
        f64::from(self.0.loss_permille.load(Ordering::Relaxed)) / 1000.0
    }

    /// Returns the time from sending a packet to the report on it, smoothed, once there was one.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        let us = self.0.round_trip_us.load(Ordering::Relaxed);
        (us > 0).then(|| Duration::from_micros(us))
    }

    /// Says how many bits a second could be made use of.
    pub(crate) fn want(&self, bps: u64) {
        self.0.wanted_bps.store(bps, Ordering::Relaxed);
    }
}

/// The interceptor.
pub(super) struct Numbering {
    uplink: Uplink,
    estimator: Estimator,
    next: SequenceNumber,
    streams: BTreeMap<u32, Stream>,
    /// Numbers of what is sent again, by its source. The library has some of its own; trying out
    /// takes more, and both have to be of one row.
    repairs: BTreeMap<u32, SequenceNumber>,
    allowance: Allowance,
    /// The latest packets of pictures, with the source and payload type of their repairs.
    kept: VecDeque<(rtp::Packet, u32, u8)>,
    reading: VecDeque<TaggedPacket>,
    writing: VecDeque<TaggedPacket>,
}

/// How packets of one source are numbered and repaired.
struct Stream {
    extension: Option<u8>,
    repair: Option<(u32, u8)>,
}

impl Numbering {
    /// Makes one that tells `uplink` what it finds.
    pub(super) fn new(uplink: Uplink) -> Self {
        Self {
            uplink,
            estimator: Estimator::new(Limits::default()),
            next: SequenceNumber(rand::random()),
            streams: BTreeMap::new(),
            repairs: BTreeMap::new(),
            allowance: Allowance::default(),
            kept: VecDeque::with_capacity(KEPT),
            reading: VecDeque::new(),
            writing: VecDeque::new(),
        }
    }

    /// Where it belongs in the chain.
    pub(super) fn slot() -> Slot {
        Slot::TwccSender
    }

    /// Whether a packet may go out: repairs only within their share of what the way carries.
    fn admit(&mut self, packet: &rtp::Packet, now: Instant) -> bool {
        if !self.estimator.is_measured() || !self.repairs.contains_key(&packet.header.ssrc) {
            return true;
        }
        let bps = (self.estimator.target() / REPAIR_SHARE).max(REPAIR_BPS_MIN);
        let bits = 8 * (packet.marshal_size() + OVERHEAD) as u64;
        self.allowance.take(bits, bps, now)
    }

    /// Numbers a packet that goes out `now`, and remembers it.
    fn number(&mut self, packet: &mut rtp::Packet, now: Instant) {
        if let Some(sequence) = self.repairs.get_mut(&packet.header.ssrc) {
            packet.header.sequence_number = sequence.0;
            *sequence = sequence.next();
        }
        let Some(stream) = self.streams.get(&packet.header.ssrc) else {
            return;
        };
        if let Some((ssrc, payload_type)) = stream.repair
            && packet.payload.len() >= KEPT_BYTES_MIN
        {
            if self.kept.len() == KEPT {
                self.kept.pop_front();
            }
            self.kept.push_back((packet.clone(), ssrc, payload_type));
        }
        let Some(extension) = stream.extension else {
            return;
        };
        let number = Bytes::copy_from_slice(&self.next.0.to_be_bytes());
        if packet.header.set_extension(extension, number).is_ok() {
            let bytes = packet.marshal_size() + OVERHEAD;
            self.estimator.handle_sent(self.next, bytes, now);
            self.next = self.next.next();
        }
    }

    fn hear(&mut self, packet: &dyn rtcp::Packet, now: Instant) {
        if !packet.as_any().is::<TransportLayerCc>() {
            return;
        }
        // The library has read it; our own reader takes bytes.
        let Ok(bytes) = packet.marshal() else {
            return;
        };
        for packet in packets(&bytes).flatten() {
            if let RtcpPacket::TransportFeedback(feedback) = packet {
                self.estimator.handle_feedback(&feedback, now);
            }
        }
        self.tell();
    }

    fn tell(&self) {
        let shared = &self.uplink.0;
        let loss = (self.estimator.loss() * 1000.0).round() as u32;
        shared.loss_permille.store(loss, Ordering::Relaxed);
        if let Some(round_trip) = self.estimator.round_trip() {
            let us = (round_trip.as_micros() as u64).max(1);
            shared.round_trip_us.store(us, Ordering::Relaxed);
        }
        if self.estimator.is_settled() {
            let target = self.estimator.allowance().max(1);
            shared.target_bps.store(target, Ordering::Relaxed);
        }
    }

    /// Sends packets again when the estimator wants to know whether there is room for more.
    fn try_out(&mut self, now: Instant) {
        let mut wanted = self.estimator.padding(now);
        let mut left = BURST_MAX.min(if self.kept.is_empty() { 0 } else { BURST_MAX });
        let mut place = 0;
        while wanted > 0 && left > 0 {
            let (packet, ssrc, payload_type) = &self.kept[place % self.kept.len()];
            let mut packet = again(packet, *ssrc, *payload_type);
            self.number(&mut packet, now);
            wanted = wanted.saturating_sub(packet.marshal_size() + OVERHEAD);
            (place, left) = (place + 1, left - 1);
            self.writing.push_back(TaggedPacket {
                now,
                transport: TransportContext::default(),
                message: AttributedPacket::new(Packet::Rtp(packet)),
            });
        }
    }
}

/// What may still be sent of something that has a share.
#[derive(Debug, Default)]
struct Allowance {
    bits: u64,
    at: Option<Instant>,
}

impl Allowance {
    /// Takes `bits` where there are `bps` of them a second; false when there are not enough.
    fn take(&mut self, bits: u64, bps: u64, now: Instant) -> bool {
        let most = bps * REPAIR_SAVED.as_millis() as u64 / 1000;
        let since = self.at.map(|at| now.saturating_duration_since(at));
        let more = since.map_or(most, |since| bps * since.as_micros() as u64 / 1_000_000);
        self.at = Some(now);
        self.bits = (self.bits + more).min(most.max(bits));
        let enough = self.bits >= bits;
        if enough {
            self.bits -= bits;
        }
        enough
    }
}

/// Makes a retransmission of a packet (RFC 4588 section 4).
fn again(packet: &rtp::Packet, ssrc: u32, payload_type: u8) -> rtp::Packet {
    let mut payload = BytesMut::with_capacity(2 + packet.payload.len());
    payload.put_u16(packet.header.sequence_number);
    payload.put_slice(&packet.payload);
    rtp::Packet {
        header: rtp::Header {
            version: 2,
            marker: packet.header.marker,
            payload_type,
            timestamp: packet.header.timestamp,
            ssrc,
            ..rtp::Header::default()
        },
        payload: payload.freeze(),
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Numbering {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(reports) = &packet.message.packet {
            for report in reports {
                self.hear(report.as_ref(), packet.now);
            }
        }
        self.reading.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reading.pop_front()
    }

    fn handle_write(&mut self, mut packet: TaggedPacket) -> Result<(), Error> {
        let now = packet.now;
        if let Packet::Rtp(rtp) = &mut packet.message.packet {
            if !self.admit(rtp, now) {
                return Ok(());
            }
            self.number(rtp, now);
        }
        self.writing.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writing.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let wanted = self.uplink.0.wanted_bps.load(Ordering::Relaxed);
        self.estimator.set_wanted(wanted, now);
        self.estimator.handle_timeout(now);
        self.try_out(now);
        self.tell();
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.estimator.deadline()
    }
}

impl Interceptor for Numbering {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        let mut extensions = info.rtp_header_extensions.iter();
        let extension = extensions.find(|it| it.uri == TRANSPORT_CC_URI);
        let extension = extension.and_then(|it| u8::try_from(it.id).ok());
        let repair = info.ssrc_rtx.zip(info.payload_type_rtx);
        if let Some((ssrc, _)) = repair {
            let first = SequenceNumber(rand::random::<u16>() / 2);
            self.repairs.entry(ssrc).or_insert(first);
            let repairs = Stream {
                extension,
                repair: None,
            };
            self.streams.insert(ssrc, repairs);
        }
        let stream = Stream { extension, repair };
        self.streams.insert(info.ssrc, stream);
    }

    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        self.streams.remove(&info.ssrc);
        if let Some(ssrc) = info.ssrc_rtx {
            self.streams.remove(&ssrc);
        }
        self.kept
            .retain(|(packet, ..)| packet.header.ssrc != info.ssrc);
    }

    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repairs_have_their_share_and_no_more() {
        let (mut allowance, start) = (Allowance::default(), Instant::now());
        let mut passed = 0;
        for millis in 0..10_000 {
            let now = start + Duration::from_millis(millis);
            passed += u64::from(allowance.take(10_000, 100_000, now));
        }
        // A second's share each second, and what was saved up at first.
        assert!((100..=105).contains(&passed), "{passed}");
        let later = start + Duration::from_secs(60);
        let burst = (0..100).filter(|_| allowance.take(10_000, 100_000, later));
        assert_eq!(burst.count(), 5);
    }

    #[test]
    fn a_packet_sent_again_names_the_first() {
        let first = rtp::Packet {
            header: rtp::Header {
                version: 2,
                marker: true,
                payload_type: 96,
                sequence_number: 0x1234,
                timestamp: 7,
                ssrc: 1,
                ..rtp::Header::default()
            },
            payload: Bytes::from_static(b"picture"),
        };
        let second = again(&first, 2, 97);
        assert_eq!((second.header.ssrc, second.header.payload_type), (2, 97));
        assert_eq!((second.header.timestamp, second.header.marker), (7, true));
        assert_eq!(&second.payload[..2], [0x12, 0x34]);
        assert_eq!(&second.payload[2..], b"picture");
    }
}
