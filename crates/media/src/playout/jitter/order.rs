//! Where the sender's numbers stand: what is new, what is old, what is a stray.

use snug_rtp::{RtpTime, SequenceNumber, SequenceUnwrapper};

use super::SLOTS;

/// Where the sender's numbers stand.
#[derive(Debug, Default)]
pub struct Order {
    unwrapper: SequenceUnwrapper,
    pub newest_time: Option<(RtpTime, i64)>,
    /// Sequence number that would confirm a jump.
    jump: Option<SequenceNumber>,
    pub late_run: u32,
}

/// What became of a packet.
pub enum Placed {
    /// It fits nowhere, for now.
    Stray,
    /// The sender began or started over: its unwrapped sequence number and time stamp.
    Restart(u64, i64),
    At {
        sequence: u64,
        time: i64,
        newest: bool,
    },
}

impl Order {
    /// Finds the place of a packet among the others.
    pub fn place(&mut self, sequence: SequenceNumber, timestamp: RtpTime) -> Placed {
        let Some(highest) = self.unwrapper.highest() else {
            return self.start(sequence, timestamp);
        };
        let step = sequence.distance_from(SequenceNumber(highest as u16));
        if usize::from(step.unsigned_abs()) >= SLOTS {
            // RFC 3550 appendix A.1: two in a row make a new sequence, one alone is a stray.
            if self.jump == Some(sequence) {
                return self.start(sequence, timestamp);
            }
            self.jump = Some(sequence.next());
            return Placed::Stray;
        }
        self.jump = None;
        let sequence = self.unwrapper.unwrap(sequence);
        let newest = sequence > highest;
        let time = match self.newest_time {
            Some((last, unwrapped)) => unwrapped + i64::from(timestamp.distance_from(last)),
            None => i64::from(timestamp.0),
        };
        if newest {
            self.newest_time = Some((timestamp, time));
        }
        Placed::At {
            sequence,
            time,
            newest,
        }
    }

    /// Finds the place of a packet that is not the newest; none where it fits nowhere.
    pub fn behind(&mut self, sequence: SequenceNumber, timestamp: RtpTime) -> Option<(u64, i64)> {
        let highest = self.unwrapper.highest()?;
        let (last, unwrapped) = self.newest_time?;
        let step = sequence.distance_from(SequenceNumber(highest as u16));
        let is_near = step < 0 && usize::from(step.unsigned_abs()) < SLOTS;
        let time = unwrapped + i64::from(timestamp.distance_from(last));
        is_near.then(|| (self.unwrapper.unwrap(sequence), time))
    }

    fn start(&mut self, sequence: SequenceNumber, timestamp: RtpTime) -> Placed {
        self.jump = None;
        self.unwrapper = SequenceUnwrapper::default();
        let unwrapped = self.unwrapper.unwrap(sequence);
        let time = i64::from(timestamp.0);
        self.newest_time = Some((timestamp, time));
        Placed::Restart(unwrapped, time)
    }
}
