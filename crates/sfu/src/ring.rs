//! The last packets of a publisher's pictures, kept once for all who may ask for them again.

use snug_rtp::{Header, Packet, SequenceNumber};

/// Packets kept: two seconds of 5 Mb/s.
const PACKETS: usize = 1024;
/// Longer packets are not kept; no path of ours carries them in one piece.
const PACKET_BYTES_MAX: usize = 1500;

/// How many of the newest packets are looked at for one of a certain encoding.
const LOOK_BACK: usize = 32;

/// The ring of one track, shared by its encodings.
pub(crate) struct Ring {
    bytes: Box<[u8]>,
    slots: Box<[Option<Slot>]>,
    next: usize,
    /// Where the packet with a number stood last, by encoding and number: a hint.
    places: Vec<[u16; PACKETS]>,
}

#[derive(Clone, Copy)]
struct Slot {
    source: usize,
    header: Header,
    len: usize,
}

impl Ring {
    /// Makes a ring for so many encodings.
    pub(crate) fn new(sources: usize) -> Self {
        Self {
            bytes: vec![0; PACKETS * PACKET_BYTES_MAX].into_boxed_slice(),
            slots: vec![None; PACKETS].into_boxed_slice(),
            next: 0,
            places: vec![[0; PACKETS]; sources],
        }
    }

    /// Keeps a packet of an encoding in place of the oldest one.
    pub(crate) fn store(&mut self, source: usize, packet: &Packet<'_>) {
        let (header, bytes) = (*packet.header(), packet.bytes());
        let Some(places) = self.places.get_mut(source) else {
            return;
        };
        if bytes.len() > PACKET_BYTES_MAX {
            return;
        }
        let at = self.next * PACKET_BYTES_MAX;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.slots[self.next] = Some(Slot {
            source,
            header,
            len: bytes.len(),
        });
        places[usize::from(header.sequence.0) % PACKETS] =
            u16::try_from(self.next).expect("there are 1024");
        self.next = (self.next + 1) % PACKETS;
    }

    /// Returns the number of the newest packet of an encoding, among the last few of all.
    pub(crate) fn newest(&self, source: usize) -> Option<SequenceNumber> {
        let places = (1..=LOOK_BACK).map(|back| (self.next + PACKETS - back) % PACKETS);
        let mut slots = places.filter_map(|place| self.slots[place]);
        let slot = slots.find(|slot| slot.source == source)?;
        Some(slot.header.sequence)
    }

    /// Finds a packet of an encoding, if it is still there.
    pub(crate) fn find(&self, source: usize, sequence: SequenceNumber) -> Option<Packet<'_>> {
        let place = self.places.get(source)?[usize::from(sequence.0) % PACKETS];
        let slot = self.slots[usize::from(place)]?;
        if slot.source != source || slot.header.sequence != sequence {
            return None;
        }
        let at = usize::from(place) * PACKET_BYTES_MAX;
        Packet::from_header(slot.header, &self.bytes[at..at + slot.len]).ok()
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snug_rtp::{Fields, RtpTime, write_packet};

    fn packet(sequence: u16, payload: &[u8]) -> Vec<u8> {
        let fields = Fields {
            marker: false,
            payload_type: 96,
            sequence: SequenceNumber(sequence),
            timestamp: RtpTime(9),
            ssrc: 1,
        };
        let mut bytes = vec![0; 2000];
        let written = write_packet(&mut bytes, &fields, &[], payload).unwrap();
        bytes.truncate(written.len);
        bytes
    }

    #[test]
    fn what_was_kept_is_found_until_it_is_the_oldest() {
        let mut ring = Ring::new(2);
        for step in 0..3000u16 {
            let sequence = step.wrapping_sub(500);
            for source in [0, 1] {
                let bytes = packet(sequence, &[step as u8, source as u8]);
                ring.store(source, &Packet::parse(&bytes).unwrap());
            }
        }
        let found = |source, step: u16| {
            let packet = ring.find(source, SequenceNumber(step.wrapping_sub(500)))?;
            Some(packet.payload().to_vec())
        };
        for step in 2488..3000u16 {
            assert_eq!(found(1, step), Some(vec![step as u8, 1]), "{step}");
            assert_eq!(found(0, step), Some(vec![step as u8, 0]), "{step}");
        }
        assert_eq!(found(0, 2487), None);
        assert_eq!(found(0, 3000), None);
        assert_eq!(found(2, 2999), None);
    }

    #[test]
    fn a_giant_is_not_kept() {
        let mut ring = Ring::new(1);
        let bytes = packet(7, &[0; 1500]);
        ring.store(0, &Packet::parse(&bytes).unwrap());
        assert!(ring.find(0, SequenceNumber(7)).is_none());
    }
}
