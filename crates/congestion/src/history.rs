//! What was sent, until its receiver says what became of it.

use snug_rtp::SequenceNumber;

/// Packets that are remembered: a second of 10 Mb/s, and one for each subscriber. A power of two.
const REMEMBERED: usize = 1024;
/// The number's upper bits and the state share a byte.
const STATE_BITS: u8 = 2;

/// A packet that was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// Microseconds on the estimator's clock, wrapping after 71 minutes.
    pub(crate) at_us: u32,
    pub(crate) bytes: u16,
    /// The probe that it belongs to; zero means none.
    pub(crate) probe: u8,
    /// What tells the number from others of the same place, and the state.
    standing: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Free,
    UnderWay,
    Lost,
}

impl State {
    /// Says in one byte that the packet of this number is so.
    fn of(self, number_high: u8) -> u8 {
        number_high << STATE_BITS | self as u8
    }
}

/// What became of a packet, told for the first time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Arrived(Sent),
    /// It counted as lost before, and was only late.
    ArrivedLate(Sent),
    Lost(Sent),
}

/// The packets that were sent last. Nothing is allocated before the first.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    places: Vec<Sent>,
}

impl History {
    pub(crate) fn push(&mut self, number: SequenceNumber, at_us: u32, bytes: usize, probe: u8) {
        if self.places.is_empty() {
            self.places.resize(REMEMBERED, Sent::default());
        }
        let (index, number_high) = place(number);
        self.places[index] = Sent {
            at_us,
            bytes: u16::try_from(bytes).unwrap_or(u16::MAX),
            probe,
            standing: State::UnderWay.of(number_high),
        };
    }

    /// Takes a receiver's word; none when it says nothing new.
    pub(crate) fn settle(&mut self, number: SequenceNumber, has_arrived: bool) -> Option<Fate> {
        let (index, number_high) = place(number);
        let sent = self.places.get_mut(index)?;
        let is = |state: State| sent.standing == state.of(number_high);
        let (under_way, lost) = (is(State::UnderWay), is(State::Lost));
        match (under_way, lost, has_arrived) {
            (true, _, true) => {
                sent.standing = State::Free.of(number_high);
                Some(Fate::Arrived(*sent))
            }
            (true, _, false) => {
                sent.standing = State::Lost.of(number_high);
                Some(Fate::Lost(*sent))
            }
            (_, true, true) => {
                sent.standing = State::Free.of(number_high);
                Some(Fate::ArrivedLate(*sent))
            }
            _ => None,
        }
    }
}

/// Returns where a packet is remembered, and what tells it from others there.
fn place(number: SequenceNumber) -> (usize, u8) {
    let number = usize::from(number.0);
    // 65536 / 1024 turns leave two bits of a byte for the state.
    (number % REMEMBERED, (number / REMEMBERED) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fate_is_told_once() {
        let mut history = History::default();
        assert!(history.settle(SequenceNumber(5), true).is_none());
        history.push(SequenceNumber(5), 7, 1200, 0);
        assert!(
            history.settle(SequenceNumber(5 + 1024), true).is_none(),
            "another turn"
        );
        assert!(matches!(
            history.settle(SequenceNumber(5), false),
            Some(Fate::Lost(_))
        ));
        assert!(history.settle(SequenceNumber(5), false).is_none());
        let late = history.settle(SequenceNumber(5), true);
        assert!(matches!(late, Some(Fate::ArrivedLate(sent)) if sent.at_us == 7));
        assert!(history.settle(SequenceNumber(5), true).is_none());
    }

    #[test]
    fn it_stays_small() {
        assert!(size_of::<Sent>() <= 8, "{}", size_of::<Sent>());
    }
}
