//! Transport-wide feedback: which packets of a connection arrived, and when
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).

use super::{TRANSPORT_FEEDBACK, Writer};
use crate::{Error, SequenceNumber};
use std::time::Duration;

/// The format of transport-wide feedback among transport layer feedback.
pub(super) const TRANSPORT_WIDE_FORMAT: u8 = 15;

/// The most packets that one feedback may speak of. More would be seconds of a fast connection;
/// reading a run of 65535 takes a few bytes to ask for and much longer to do.
pub const STATUSES_MAX: usize = 4096;

/// One tick of arrival times.
const TICK: Duration = Duration::from_micros(250);

/// Ticks of one unit of the reference time, which is 64 ms.
const TICKS_PER_REFERENCE: i64 = 256;

/// Bytes between the two sources and the chunks.
const HEAD_LEN: usize = 8;

/// The longest run that one chunk can say.
const RUN_MAX: usize = 0x1FFF;

/// When a packet arrived, on the receiver's own clock: ticks of 250 us since some instant that
/// only the receiver knows. The clock wraps after 2^32 ticks, twelve days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ArrivalTime(pub u32);

impl ArrivalTime {
    /// Makes the time that lies so long after the receiver's instant.
    pub fn after(elapsed: Duration) -> Self {
        // Truncation is the wrap of the clock.
        Self((elapsed.as_micros() / TICK.as_micros()) as u32)
    }

    /// Returns the microseconds from `earlier` to this time; negative when it is before.
    pub fn micros_since(self, earlier: Self) -> i64 {
        i64::from(self.0.wrapping_sub(earlier.0).cast_signed()) * TICK.as_micros() as i64
    }

    fn moved(self, ticks: i64) -> Self {
        // Truncation is the wrap of the clock.
        Self(self.0.wrapping_add(ticks as u32))
    }
}

/// What a receiver says about the packets of a connection.
#[derive(Clone, Debug)]
pub struct TransportFeedback<'a> {
    /// Who says so.
    pub sender_ssrc: u32,
    /// Some source of the connection.
    pub media_ssrc: u32,
    /// Counts the feedback of this receiver, wrapping.
    pub number: u8,
    base: SequenceNumber,
    count: usize,
    reference: ArrivalTime,
    chunks: &'a [[u8; 2]],
    deltas: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    /// Reads the body of a feedback packet, which begins with the two sources.
    ///
    /// # Errors
    /// [`Error::TooShort`] when it holds less than it announces, [`Error::TooMany`] when it
    /// speaks of more than [`STATUSES_MAX`] packets.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let (sources, rest) = body.split_first_chunk::<8>().ok_or(Error::TooShort)?;
        let (head, rest) = rest
            .split_first_chunk::<HEAD_LEN>()
            .ok_or(Error::TooShort)?;
        let count = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if count > STATUSES_MAX {
            return Err(Error::TooMany);
        }
        let (chunks, deltas) = split_chunks(rest, count)?;
        // Truncation drops what the 24 bits cannot say anyway.
        let reference = u32::from_be_bytes([0, head[4], head[5], head[6]])
            .wrapping_mul(TICKS_PER_REFERENCE as u32);
        Ok(Self {
            sender_ssrc: super::word(sources, 0),
            media_ssrc: super::word(sources, 4),
            number: head[7],
            base: SequenceNumber(u16::from_be_bytes([head[0], head[1]])),
            count,
            reference: ArrivalTime(reference),
            chunks,
            deltas,
        })
    }

    /// Returns each packet's transport-wide number and when it arrived; none when it has not.
    pub fn arrivals(
        &self,
    ) -> impl Iterator<Item = (SequenceNumber, Option<ArrivalTime>)> + use<'a> {
        let (mut time, mut deltas) = (self.reference, self.deltas);
        let base = self.base;
        let statuses = symbols(self.chunks, self.count);
        statuses.enumerate().map_while(move |(step, symbol)| {
            let number = base.wrapping_add(u16::try_from(step).ok()?);
            let delta = match symbol {
                Symbol::Missing => return Some((number, None)),
                Symbol::Small => {
                    let (delta, rest) = deltas.split_first()?;
                    deltas = rest;
                    i64::from(*delta)
                }
                Symbol::Large => {
                    let (delta, rest) = deltas.split_first_chunk::<2>()?;
                    deltas = rest;
                    i64::from(i16::from_be_bytes(*delta))
                }
            };
            time = time.moved(delta);
            Some((number, Some(time)))
        })
    }
}

/// Whether a packet arrived, and how many bytes say when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Missing,
    Small,
    Large,
}

impl Symbol {
    fn from_bits(bits: u16) -> Self {
        match bits {
            1 => Self::Small,
            // 3 is reserved; libwebrtc reads it as one that did not arrive.
            2 => Self::Large,
            _ => Self::Missing,
        }
    }

    fn bits(self) -> u16 {
        match self {
            Self::Missing => 0,
            Self::Small => 1,
            Self::Large => 2,
        }
    }

    fn of(delta: Option<i16>) -> Self {
        match delta {
            None => Self::Missing,
            Some(0..=255) => Self::Small,
            Some(_) => Self::Large,
        }
    }
}

/// How many packets a chunk speaks of, and what it says about the one at `index`.
fn read_chunk(chunk: [u8; 2]) -> (usize, impl Fn(usize) -> Symbol) {
    let word = u16::from_be_bytes(chunk);
    let is_vector = word & 0x8000 != 0;
    let is_wide = word & 0x4000 != 0;
    let count = match (is_vector, is_wide) {
        (false, _) => usize::from(word) & RUN_MAX,
        (true, false) => 14,
        (true, true) => 7,
    };
    let symbol = move |index: usize| match (is_vector, is_wide) {
        (false, _) => Symbol::from_bits(word >> 13 & 3),
        (true, false) => Symbol::from_bits(word >> (13 - index) & 1),
        (true, true) => Symbol::from_bits(word >> (12 - 2 * index) & 3),
    };
    (count, symbol)
}

/// Returns what chunks say about `count` packets.
fn symbols(chunks: &[[u8; 2]], count: usize) -> impl Iterator<Item = Symbol> + '_ {
    let each = chunks.iter().flat_map(|chunk| {
        let (count, symbol) = read_chunk(*chunk);
        (0..count).map(symbol)
    });
    each.take(count)
}

/// Finds where the chunks for `count` packets end and the times begin, and makes sure that all
/// of both are there.
fn split_chunks(data: &[u8], count: usize) -> Result<(&[[u8; 2]], &[u8]), Error> {
    let (pairs, _) = data.as_chunks::<2>();
    let (mut told, mut used) = (0, 0);
    while told < count {
        let chunk = pairs.get(used).ok_or(Error::TooShort)?;
        told += read_chunk(*chunk).0;
        used += 1;
    }
    let (chunks, deltas) = (&pairs[..used], &data[2 * used..]);
    let needed: usize = symbols(chunks, count)
        .map(|symbol| usize::from(symbol.bits()))
        .sum();
    match needed <= deltas.len() {
        true => Ok((chunks, deltas)),
        false => Err(Error::TooShort),
    }
}

/// Makes a run of feedback: numbers from `base` on, each with its time if it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// The transport-wide number of the first packet.
    pub base: SequenceNumber,
    /// When each packet from there on arrived. The first that did sets the reference time.
    pub times: &'a [Option<ArrivalTime>],
}

impl Arrived<'_> {
    /// Returns the reference time in units of 64 ms, and the time that it stands for.
    fn reference(&self) -> (u32, ArrivalTime) {
        let first = self.times.iter().flatten().next();
        let units = first.map_or(0, |time| time.0 / TICKS_PER_REFERENCE as u32);
        (units, ArrivalTime(units * TICKS_PER_REFERENCE as u32))
    }

    /// Returns the steps from one arrival to the next in ticks.
    ///
    /// A step of more than eight seconds cannot be said: that packet, and what lies as far from
    /// it, counts as missing.
    fn deltas(&self) -> impl Iterator<Item = Option<i16>> + '_ {
        let (_, mut last) = self.reference();
        self.times.iter().map(move |time| {
            let step = (*time)?.0.wrapping_sub(last.0).cast_signed();
            let step = i16::try_from(step).ok()?;
            last = last.moved(step.into());
            Some(step)
        })
    }
}

impl Writer<'_> {
    /// Appends transport-wide feedback. Writes nothing when it is about no packet.
    ///
    /// # Errors
    /// [`Error::BufferFull`], or [`Error::TooMany`] packets: more than [`STATUSES_MAX`].
    pub fn transport_feedback(
        &mut self,
        sender_ssrc: u32,
        media_ssrc: u32,
        number: u8,
        arrived: &Arrived<'_>,
    ) -> Result<(), Error> {
        if arrived.times.is_empty() {
            return Ok(());
        }
        let count = u16::try_from(arrived.times.len()).map_err(|_| Error::TooMany)?;
        if arrived.times.len() > STATUSES_MAX {
            return Err(Error::TooMany);
        }
        self.packet(TRANSPORT_FEEDBACK, TRANSPORT_WIDE_FORMAT, |body| {
            body.put(&sender_ssrc.to_be_bytes())?;
            body.put(&media_ssrc.to_be_bytes())?;
            body.put(&arrived.base.0.to_be_bytes())?;
            body.put(&count.to_be_bytes())?;
            let [_, reference @ ..] = arrived.reference().0.to_be_bytes();
            body.put(&reference)?;
            body.put(&[number])?;
            write_chunks(body, arrived)?;
            for delta in arrived.deltas().flatten() {
                match u8::try_from(delta) {
                    Ok(small) => body.put(&[small])?,
                    Err(_) => body.put(&delta.to_be_bytes())?,
                }
            }
            body.pad()
        })
    }
}

fn write_chunks(body: &mut Writer<'_>, arrived: &Arrived<'_>) -> Result<(), Error> {
    let mut symbols = arrived.deltas().map(Symbol::of).peekable();
    while let Some(&first) = symbols.peek() {
        // A vector of seven is never worse than a shorter run.
        let mut vector = [Symbol::Missing; 7];
        let mut len = 0;
        while len < 7
            && let Some(symbol) = symbols.next()
        {
            vector[len] = symbol;
            len += 1;
        }
        if vector[..len].iter().any(|symbol| *symbol != first) {
            let bits = vector.iter().fold(0, |bits, it| bits << 2 | it.bits());
            body.put(&(0xC000 | bits).to_be_bytes())?;
            continue;
        }
        while len < RUN_MAX && symbols.next_if_eq(&first).is_some() {
            len += 1;
        }
        let run = u16::try_from(len).map_err(|_| Error::TooMany)?;
        body.put(&(first.bits() << 13 | run).to_be_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Packet, packets};
    use proptest::prelude::*;

    fn written(number: u8, arrived: &Arrived<'_>) -> Vec<u8> {
        let mut buffer = vec![0; 40_000];
        let mut writer = Writer::new(&mut buffer);
        writer.transport_feedback(1, 2, number, arrived).unwrap();
        let len = writer.finish();
        buffer.truncate(len);
        buffer
    }

    fn read(bytes: &[u8]) -> Vec<(u16, Option<u32>)> {
        let Packet::TransportFeedback(feedback) = packets(bytes).next().unwrap().unwrap() else {
            panic!("another packet")
        };
        let each = feedback.arrivals();
        each.map(|(number, time)| (number.0, time.map(|it| it.0)))
            .collect()
    }

    #[test]
    fn a_packet_of_another_implementation_is_read() {
        // Written by hand after the draft's figures 3.1.1 to 3.1.4.
        let bytes = [
            0x8F, 205, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, // head
            0xFF, 0xFE, 0, 9, 0, 0, 2, 7, // from 65534, nine of them, 2 x 64 ms
            0x20, 2, // two small
            0xD0, 0x80, // small, two missing, large, three missing
            1, 2, 3, 0xFF, 0xFC, 0, 0, 0,
        ];
        let found = read(&bytes);
        assert_eq!(found.len(), 9);
        assert_eq!(found[0], (65_534, Some(513)));
        assert_eq!(found[1], (65_535, Some(515)));
        assert_eq!(found[2], (0, Some(518)));
        assert_eq!(found[5], (3, Some(514)), "a negative step");
        assert!(found[6..].iter().all(|(_, time)| time.is_none()));
    }

    #[test]
    fn what_lies_is_refused() {
        let times: Vec<_> = (0..20).map(|tick| Some(ArrivalTime(tick * 9))).collect();
        let base = SequenceNumber(65_530);
        let bytes = written(
            0,
            &Arrived {
                base,
                times: &times,
            },
        );
        let body = &bytes[4..];
        let is_read = |len: &usize| TransportFeedback::parse(&body[..*len]).is_ok();
        // The head, a run and twenty times take this much.
        assert_eq!((0..16 + 2 + 20).find(is_read), None);
        let mut huge = bytes;
        huge[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
        let error = packets(&huge).next().unwrap().unwrap_err();
        assert_eq!(error, Error::TooMany);
        let times = vec![None; STATUSES_MAX + 1];
        let arrived = Arrived {
            base,
            times: &times,
        };
        let mut buffer = vec![0; 40_000];
        let refused = Writer::new(&mut buffer).transport_feedback(1, 2, 0, &arrived);
        assert_eq!(refused, Err(Error::TooMany));
    }

    #[test]
    fn a_full_buffer_leaves_nothing() {
        let times = [Some(ArrivalTime(5)); 40];
        let base = SequenceNumber(0);
        let mut buffer = [0; 50];
        let mut writer = Writer::new(&mut buffer);
        let result = writer.transport_feedback(
            1,
            2,
            0,
            &Arrived {
                base,
                times: &times,
            },
        );
        assert_eq!(result, Err(Error::BufferFull));
        assert!(writer.is_empty());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            base: u16,
            start in 0u32..0xFFFF_FFFF,
            steps in prop::collection::vec(prop::option::weighted(0.8, -300i32..2000), 1..400),
        ) {
            let mut at = start;
            let times: Vec<_> = steps
                .iter()
                .map(|step| {
                    at = at.wrapping_add_signed((*step)?);
                    Some(ArrivalTime(at))
                })
                .collect();
            let bytes = written(9, &Arrived { base: SequenceNumber(base), times: &times });
            let expected: Vec<_> = (0u16..)
                .zip(&times)
                .map(|(step, time)| (base.wrapping_add(step), time.map(|time| time.0)))
                .collect();
            prop_assert_eq!(read(&bytes), expected);
        }

        #[test]
        fn any_body_is_safe(body: Vec<u8>) {
            if let Ok(feedback) = TransportFeedback::parse(&body) {
                prop_assert!(feedback.arrivals().count() <= STATUSES_MAX);
            }
        }
    }
}
