//! What was sent, until its receiver says what became of it.

use snug_rtp::SequenceNumber;

/// Packets that are remembered: two seconds of 10 Mb/s. A power of two.
const REMEMBERED: usize = 2048;

/// A packet that was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// Microseconds on the estimator's clock, wrapping after 71 minutes.
    pub(crate) at_us: u32,
    pub(crate) bytes: u16,
    /// The probe that it belongs to; zero means none.
    pub(crate) probe: u8,
    number_high: u8,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Free,
    UnderWay,
    Lost,
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
            number_high,
            state: State::UnderWay,
        };
    }

    /// Takes a receiver's word; none when it says nothing new.
    pub(crate) fn settle(&mut self, number: SequenceNumber, has_arrived: bool) -> Option<Fate> {
        let (index, number_high) = place(number);
        let sent = self.places.get_mut(index)?;
        if sent.number_high != number_high {
            return None;
        }
        match (sent.state, has_arrived) {
            (State::UnderWay, true) => {
                sent.state = State::Free;
                Some(Fate::Arrived(*sent))
            }
            (State::UnderWay, false) => {
                sent.state = State::Lost;
                Some(Fate::Lost(*sent))
            }
            (State::Lost, true) => {
                sent.state = State::Free;
                Some(Fate::ArrivedLate(*sent))
            }
            _ => None,
        }
    }
}

/// Returns where a packet is remembered, and what tells it from others there.
fn place(number: SequenceNumber) -> (usize, u8) {
    let number = usize::from(number.0);
    // 65536 / 2048 turns fit one byte.
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
            history.settle(SequenceNumber(5 + 2048), true).is_none(),
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
        assert!(size_of::<Sent>() <= 12, "{}", size_of::<Sent>());
    }
}
