//! One subscriber of one track: what it is sent, and under which numbers.

use crate::reception::ClockPoint;
use crate::rewrite::{Numbers, Rewriter};
use crate::router::Arrival;
use crate::track::{Published, Source};
use crate::{ExtensionIds, Kind, LayerReason, Notice, PeerKey, Subscribe, View};
use snug_rtp::red::{Red, set_payload_types};
use snug_rtp::rtcp::SenderReport;
use snug_rtp::{Fields, Mid, Packet, Rid, RtpTime, SequenceNumber, Written, write_packet};
use std::time::Instant;

/// A subscriber of a track.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) peer: PeerKey,
    pub(crate) ssrc: u32,
    /// Whether the peer can be sent media yet. Before, a keyframe would be lost on it.
    pub(crate) is_connected: bool,
    mid: Mid,
    payload_type: u8,
    extensions: ExtensionIds,
    /// The place of the way to the peer.
    pub(crate) link: usize,
    /// The best encoding that the subscriber wants.
    target: Option<Rid>,
    view: View,
    /// What the way to the subscriber has room for.
    allowed: Allowed,
    /// Since when the only encoding takes more than the way has room for.
    pub(crate) over_since: Option<Instant>,
    /// Whether no picture is begun until nothing waits any more.
    is_stopped: bool,
    /// The encoding being forwarded.
    current: Option<usize>,
    /// The encoding that the control side was last told.
    told: Option<Rid>,
    /// The source and payload type of what is sent again.
    rtx: Option<(u32, u8)>,
    red_payload_type: Option<u8>,
    /// Whether its way has no room for sound to be said twice.
    is_red_spared: bool,
    /// What was forwarded before the last switch, and how.
    earlier: Option<(usize, Rewriter)>,
    /// Packets that may still be sent again until the next refill.
    repairs_left: u32,
    outgoing: Outgoing,
}

/// Packets that a subscriber is sent again at most between two refills, a quarter of a second: as
/// much as a link that loses every third packet of 4 Mb/s needs.
const REPAIRS_MAX: u32 = 128;

/// What the way to a subscriber has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Nothing is known of a limit.
    #[default]
    All,
    /// The encodings up to this one.
    UpTo(usize),
    /// None.
    Nothing,
}

/// What an outgoing source has to remember when it leaves one track and later carries another:
/// receivers and SRTP know it by its ssrc.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outgoing {
    rewriter: Rewriter,
    packet_count: u32,
    octet_count: u32,
    /// The number of the next packet that is sent again.
    rtx_sequence: SequenceNumber,
}

/// What to do with a packet for one subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is of the encoding being forwarded.
    Forward,
    /// It is the keyframe with which the wanted encoding starts.
    Switch,
    /// The subscriber has no picture and needs a keyframe of the wanted encoding.
    AwaitPicture,
    /// The subscriber should change to this packet's encoding, and needs a keyframe for it.
    AwaitSwitch,
    /// It is of an encoding that nobody wants here.
    NotWanted,
}

impl Subscription {
    pub(crate) fn new(
        (peer, link): (PeerKey, usize),
        mid: Mid,
        subscribe: &Subscribe,
        outgoing: Outgoing,
    ) -> Self {
        Self {
            peer,
            ssrc: subscribe.ssrc,
            is_connected: false,
            mid,
            payload_type: subscribe.payload_type,
            extensions: subscribe.extensions,
            link,
            target: subscribe.target,
            view: subscribe.view,
            allowed: Allowed::All,
            over_since: None,
            is_stopped: false,
            current: None,
            told: None,
            red_payload_type: subscribe.red_payload_type,
            is_red_spared: false,
            rtx: subscribe.rtx_ssrc.zip(subscribe.rtx_payload_type),
            earlier: None,
            repairs_left: REPAIRS_MAX,
            outgoing,
        }
    }

    /// Takes over what a new negotiation may have changed, without disturbing the flow.
    pub(crate) fn update(&mut self, mid: Mid, subscribe: &Subscribe) {
        self.mid = mid;
        self.payload_type = subscribe.payload_type;
        self.red_payload_type = subscribe.red_payload_type;
        self.extensions = subscribe.extensions;
        self.target = subscribe.target;
        self.view = subscribe.view;
        if self.view.rows == Some(0) {
            // Shown again, it begins with a keyframe.
            self.leave_source();
        }
        self.rtx = subscribe.rtx_ssrc.zip(subscribe.rtx_payload_type);
    }

    /// Returns how the subscriber shows it.
    pub(crate) fn view(&self) -> View {
        self.view
    }

    /// Says whether the way to the subscriber has no room for sound to be said twice.
    pub(crate) fn spare_red(&mut self, is_spared: bool) {
        self.is_red_spared = is_spared;
    }

    /// Returns what the way to the subscriber has room for.
    pub(crate) fn allowed(&self) -> Allowed {
        self.allowed
    }

    /// Sets what the way to the subscriber has room for.
    pub(crate) fn allow(&mut self, allowed: Allowed) {
        self.allowed = allowed;
    }

    /// Returns the index of the best encoding that is of any use to the subscriber.
    pub(crate) fn use_limit(&self, published: &Published) -> usize {
        let rows = published.limit_of_rows(self.view.rows);
        published.limit(self.target).min(rows)
    }

    /// Returns the index of the best encoding that the subscriber may be shown; none when it is
    /// to be shown nothing.
    pub(crate) fn limit(&self, published: &Published) -> Option<usize> {
        if published.kind == Kind::Video && self.view.rows == Some(0) {
            return None;
        }
        let limit = self.use_limit(published);
        match self.allowed {
            Allowed::All => Some(limit),
            Allowed::UpTo(allowed) => Some(limit.min(allowed)),
            Allowed::Nothing => None,
        }
    }

    /// Waits for the next source, whatever it will be.
    pub(crate) fn leave_source(&mut self) {
        self.current = None;
        self.earlier = None;
        self.is_stopped = false;
    }

    /// Begins no further picture until nothing waits any more; what was begun goes on to its end.
    pub(crate) fn stop(&mut self) {
        self.current = None;
        self.is_stopped = true;
    }

    /// Tells whether no picture is begun because others wait, of which there are none any more
    /// when `is_idle`.
    pub(crate) fn is_stopped(&mut self, is_idle: bool) -> bool {
        self.is_stopped &= !is_idle;
        self.is_stopped
    }

    /// Tells whether its packets carry transport-wide numbers.
    pub(crate) fn is_numbered(&self) -> bool {
        self.extensions.transport_cc.is_some()
    }

    /// Tells whether padding can be sent for it.
    pub(crate) fn can_pad(&self) -> bool {
        self.is_connected && self.rtx.is_some() && self.extensions.transport_cc.is_some()
    }

    /// Ends the subscription, leaving what its source must remember.
    pub(crate) fn into_outgoing(self) -> Outgoing {
        self.outgoing
    }

    /// Returns the index of the encoding being forwarded.
    pub(crate) fn current(&self) -> Option<usize> {
        self.current
    }

    /// Decides about a packet.
    pub(crate) fn admit(&self, arrival: &Arrival, published: &Published) -> Admission {
        let Some(limit) = self.limit(published) else {
            return Admission::NotWanted;
        };
        if self.current == Some(arrival.source) {
            return Admission::Forward;
        }
        if published.wanted(limit) != Some(arrival.source) {
            return Admission::NotWanted;
        }
        match self.current {
            _ if arrival.can_start => Admission::Switch,
            // A picture that stands still is as bad as none.
            Some(current) if published.is_alive(current) => Admission::AwaitSwitch,
            _ => Admission::AwaitPicture,
        }
    }

    /// Returns what the control side should know after a switch; nothing without simulcast, or
    /// when it knows already.
    pub(crate) fn layer_to_tell(&mut self, published: &Published) -> Option<Notice> {
        let current = self.current?;
        let rid = published.sources.get(current)?.encoding.rid?;
        if self.told == Some(rid) {
            return None;
        }
        let is_first = self.told.replace(rid).is_none();
        let best = self.use_limit(published);
        let reason = match self.limit(published) {
            Some(limit) if limit < best && current <= limit => LayerReason::LowBandwidth,
            _ if current != best && !is_first => LayerReason::Inactive,
            _ => LayerReason::Wanted,
        };
        Some(Notice::Layer {
            to: self.peer,
            track: published.track,
            rid,
            reason,
        })
    }

    /// Starts forwarding the encoding of a packet.
    pub(crate) fn switch(&mut self, published: &Published, arrival: &Arrival, now: Instant) {
        let clock_rate = published.kind.clock_rate();
        let aligned = self.current.and_then(|current| {
            let old = published.sources.get(current)?;
            let new = published.sources.get(arrival.source)?;
            self.align(old, new, arrival.numbers.timestamp, clock_rate)
        });
        self.earlier = self
            .current
            .map(|current| (current, self.outgoing.rewriter));
        self.outgoing
            .rewriter
            .switch(&arrival.numbers, aligned, clock_rate, now);
        self.current = Some(arrival.source);
    }

    /// Maps a timestamp of the encoding `new` to the outgoing timeline, by the wall clock that
    /// the sender reports of both encodings share.
    fn align(&self, old: &Source, new: &Source, time: RtpTime, clock_rate: u32) -> Option<RtpTime> {
        let (old, new) = (old.reception.clock()?, new.reception.clock()?);
        let between = new.ntp.0.wrapping_sub(old.ntp.0).cast_signed();
        // To the nearest tick.
        let ticks = (i128::from(between) * i128::from(clock_rate) + (1 << 31)) >> 32;
        // Truncation is the wrap of the RTP clock.
        let offset = (ticks as u32)
            .wrapping_sub(new.rtp.0)
            .wrapping_add(old.rtp.0)
            .wrapping_add(self.outgoing.rewriter.timestamp_offset());
        Some(time.wrapping_add(offset))
    }

    /// Returns the numbers under which a packet of the current encoding goes out; none for one
    /// that was overtaken by the start of the encoding.
    pub(crate) fn rewrite(&mut self, arrival: &Arrival, now: Instant) -> Option<Numbers> {
        self.outgoing.rewriter.rewrite(&arrival.numbers, now)
    }

    /// Writes this subscriber's version of a packet and counts it; none when it does not fit.
    /// `number` is its transport-wide one.
    pub(crate) fn write(
        &mut self,
        numbers: &Numbers,
        number: Option<SequenceNumber>,
        (arrival, published): (&Arrival, &Published),
        packet: &Packet<'_>,
        out: &mut [u8],
    ) -> Option<usize> {
        let is_red = published.is_red(packet);
        let red = self
            .red_payload_type
            .filter(|_| is_red && !self.is_red_spared);
        let fields = Fields {
            marker: packet.header().marker,
            payload_type: red.unwrap_or(self.payload_type),
            sequence: numbers.sequence,
            timestamp: numbers.timestamp,
            ssrc: self.ssrc,
        };
        let payload = match is_red && red.is_none() {
            true => Red::parse(packet.payload()).ok()?.payload(),
            false => packet.payload(),
        };
        let of = (arrival, published);
        let written = self.compose(&fields, numbers, number, of, (packet, payload), out)?;
        if red.is_some() {
            // The receiver may know the sound within by another number than its sender.
            set_payload_types(&mut out[written.header_len..written.len], self.payload_type);
        }
        self.outgoing.packet_count = self.outgoing.packet_count.wrapping_add(1);
        // Truncation is the wrap of the counter; a payload is below 64 KiB.
        self.outgoing.octet_count = self.outgoing.octet_count.wrapping_add(payload.len() as u32);
        Some(written.len)
    }

    /// Returns the encoding and the number of a packet that went out under `sequence`, as far back
    /// as the encoding before the present one.
    pub(crate) fn origin(&self, sequence: SequenceNumber) -> Option<(usize, SequenceNumber)> {
        let (source, rewriter) = self.sender_of(sequence)?;
        Some((source, rewriter.origin(sequence)?))
    }

    fn sender_of(&self, sequence: SequenceNumber) -> Option<(usize, &Rewriter)> {
        let current = self.current.map(|it| (it, &self.outgoing.rewriter));
        let earlier = self.earlier.as_ref().map(|(it, rewriter)| (*it, rewriter));
        let mut senders = current.into_iter().chain(earlier);
        senders.find(|(_, rewriter)| rewriter.origin(sequence).is_some())
    }

    /// Takes one of the repairs that the subscriber may have until the next refill.
    pub(crate) fn take_repair(&mut self) -> Option<()> {
        self.repairs_left = self.repairs_left.checked_sub(1)?;
        Some(())
    }

    /// Returns the number under which the newest packets of the present encoding went out.
    pub(crate) fn sent_as(&self, sequence: SequenceNumber) -> Option<SequenceNumber> {
        let sent = self.outgoing.rewriter.sent_as(sequence);
        self.outgoing.rewriter.origin(sent).map(|_| sent)
    }

    /// Writes a packet again that went out under `sequence` (RFC 4588 section 4); none when the
    /// subscriber knows no such packets, or it does not fit.
    pub(crate) fn write_repair(
        &mut self,
        sequence: SequenceNumber,
        number: Option<SequenceNumber>,
        (arrival, published): (&Arrival, &Published),
        packet: &Packet<'_>,
        out: &mut [u8],
    ) -> Option<usize> {
        let (ssrc, payload_type) = self.rtx.filter(|_| self.is_connected)?;
        let (_, rewriter) = self.sender_of(sequence)?;
        let numbers = rewriter.moved(&arrival.numbers);
        let fields = Fields {
            marker: packet.header().marker,
            payload_type,
            sequence: self.outgoing.rtx_sequence,
            timestamp: numbers.timestamp,
            ssrc,
        };
        let (of, whole) = ((arrival, published), (packet, packet.payload()));
        let written = self.compose(&fields, &numbers, number, of, whole, out)?;
        let (start, end) = (written.header_len, written.len);
        let number = sequence.0.to_be_bytes();
        let payload = out.get_mut(start..end + number.len())?;
        payload.copy_within(..end - start, number.len());
        payload[..number.len()].copy_from_slice(&number);
        self.outgoing.rtx_sequence = self.outgoing.rtx_sequence.next();
        Some(end + number.len())
    }

    /// Writes `len` bytes of padding, 1 to 255, in the stream of what is sent again: nobody misses
    /// its numbers.
    pub(crate) fn write_padding(
        &mut self,
        number: SequenceNumber,
        len: u8,
        out: &mut [u8],
    ) -> Option<usize> {
        let (ssrc, payload_type) = self.rtx?;
        let fields = Fields {
            marker: false,
            payload_type,
            sequence: self.outgoing.rtx_sequence,
            timestamp: self.outgoing.rewriter.newest_timestamp(),
            ssrc,
        };
        let number = number.0.to_be_bytes();
        let mut extensions: [(u8, &[u8]); 2] = [(self.extensions.transport_cc?, &number); 2];
        let mut count = 1;
        if let Some(id) = self.extensions.mid {
            extensions[count] = (id, self.mid.as_bytes());
            count += 1;
        }
        let header = write_packet(out, &fields, &extensions[..count], &[]).ok()?;
        let end = header.len + usize::from(len);
        let padding = out.get_mut(header.len..end)?;
        padding.fill(0);
        // The last byte counts all of them (RFC 3550 section 5.1).
        *padding.last_mut()? = len;
        out[0] |= 0x20;
        self.outgoing.rtx_sequence = self.outgoing.rtx_sequence.next();
        Some(end)
    }

    /// Lets the subscriber ask again.
    pub(crate) fn refill_repairs(&mut self) {
        self.repairs_left = REPAIRS_MAX;
    }

    /// Writes a packet under other fields and numbers.
    fn compose(
        &self,
        fields: &Fields,
        numbers: &Numbers,
        number: Option<SequenceNumber>,
        (arrival, published): (&Arrival, &Published),
        (packet, payload): (&Packet<'_>, &[u8]),
        out: &mut [u8],
    ) -> Option<Written> {
        let mut extensions: [(u8, &[u8]); 3] = [(0, &[]); 3];
        let mut count = 0;
        let number = number.map(|number| number.0.to_be_bytes());
        if let (Some(id), Some(number)) = (self.extensions.transport_cc, &number) {
            extensions[count] = (id, number);
            count += 1;
        }
        if let Some(id) = self.extensions.mid {
            extensions[count] = (id, self.mid.as_bytes());
            count += 1;
        }
        if published.kind == Kind::Audio
            && let (Some(from), Some(to)) = (
                published.extensions.audio_level,
                self.extensions.audio_level,
            )
            && let Some(level) = packet.extension(from)
        {
            extensions[count] = (to, level);
            count += 1;
        }
        let written = write_packet(out, fields, &extensions[..count], payload).ok()?;
        let is_moved = numbers.picture_id != arrival.numbers.picture_id
            || numbers.tl0_picture_index != arrival.numbers.tl0_picture_index;
        if let Some(descriptor) = arrival.descriptor.filter(|_| is_moved) {
            let payload = &mut out[written.header_len..written.len];
            descriptor.rewrite(payload, numbers.picture_id, numbers.tl0_picture_index);
        }
        Some(written)
    }

    /// Makes the sender report for a point of the publisher's clocks. The wall clock stays the
    /// publisher's, which its sound and pictures share, so what was in step stays in step.
    pub(crate) fn report(&self, point: &ClockPoint) -> SenderReport {
        SenderReport {
            ssrc: self.ssrc,
            ntp: point.ntp,
            rtp: point
                .rtp
                .wrapping_add(self.outgoing.rewriter.timestamp_offset()),
            packet_count: self.outgoing.packet_count,
            octet_count: self.outgoing.octet_count,
        }
    }
}
