//! What a running publication is told while it runs, and what it tells of itself.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use super::plan::ENCODINGS_MAX;

/// How many times the budget the packets of a picture may go out at: a keyframe must not take the
/// time of ten pictures.
const PACE: u32 = 3;
/// But at least so many bits a second: a picture of the thinnest link is a packet or two.
const PACE_BPS_MIN: u32 = 200_000;

const ALL: u8 = (1 << ENCODINGS_MAX) - 1;

/// The reins of one track. They outlive a pause of its source; the newest word counts.
#[derive(Debug)]
pub(crate) struct Steering {
    /// Encodings of which a keyframe is asked for, one bit each.
    keyframes: AtomicU8,
    /// Encodings that somebody wants.
    wanted: AtomicU8,
    /// Encodings that are wanted and cannot be sent now.
    withheld: AtomicU8,
    /// Some are wanted, and none can be sent.
    held_back: AtomicBool,
    budget_bps: AtomicU32,
    loss_percent: AtomicU8,
    /// Bits per second that packets go out at, at most; zero when they need not wait.
    pace_bps: AtomicU32,
}

impl Default for Steering {
    /// Everything is wanted, and nothing in the way.
    fn default() -> Self {
        Self {
            keyframes: AtomicU8::new(0),
            wanted: AtomicU8::new(ALL),
            withheld: AtomicU8::new(0),
            held_back: AtomicBool::new(false),
            budget_bps: AtomicU32::new(u32::MAX),
            loss_percent: AtomicU8::new(0),
            pace_bps: AtomicU32::new(0),
        }
    }
}

impl Steering {
    /// Bits per second of each encoding where nothing is in the way, `bitrate_bps` being those of
    /// the picture in full size.
    pub(crate) fn bitrates(bitrate_bps: u32) -> [u32; ENCODINGS_MAX] {
        [10, 3, 1].map(|share| bitrate_bps / share)
    }

    /// Bits per second that all wanted encodings would take, with their headers and some air.
    pub(crate) fn wanted_bps(&self, encodings: usize, bitrate_bps: u32) -> u64 {
        let wanted = self.wanted();
        let each = Self::bitrates(bitrate_bps).map(u64::from);
        let sum = match encodings {
            1 => u64::from(bitrate_bps) * u64::from(wanted.contains(&true)),
            _ => each
                .into_iter()
                .zip(wanted)
                .map(|(bps, is_wanted)| bps * u64::from(is_wanted))
                .sum(),
        };
        sum / 2 * 3
    }

    /// Asks for a keyframe of an encoding.
    pub(crate) fn request_keyframe(&self, encoding: usize) {
        let bit = bit(encoding);
        self.keyframes.fetch_or(bit, Ordering::Relaxed);
    }

    /// Says which encodings somebody wants.
    pub(crate) fn want(&self, wanted: [bool; ENCODINGS_MAX]) {
        self.wanted.store(to_bits(wanted), Ordering::Relaxed);
    }

    /// Says how many bits a second there are, and how many packets of a hundred get lost. Where
    /// that is less than could be used, the packets of a picture go out one after the other.
    pub(crate) fn limit(&self, budget_bps: u32, loss_percent: u8, scarce: bool) {
        self.budget_bps.store(budget_bps, Ordering::Relaxed);
        self.loss_percent.store(loss_percent, Ordering::Relaxed);
        let pace_bps = match scarce {
            true => budget_bps.saturating_mul(PACE).max(PACE_BPS_MIN),
            false => 0,
        };
        self.pace_bps.store(pace_bps, Ordering::Relaxed);
    }

    /// Bits per second that packets go out at, at most.
    pub(super) fn pace_bps(&self) -> Option<u32> {
        Some(self.pace_bps.load(Ordering::Relaxed)).filter(|bps| *bps > 0)
    }

    /// Which encodings are wanted and cannot be sent now, for the network or the machine.
    pub(crate) fn withheld(&self) -> [bool; ENCODINGS_MAX] {
        from_bits(self.withheld.load(Ordering::Relaxed))
    }

    /// Whether some encoding is wanted, and none can be sent.
    pub(crate) fn is_held_back(&self) -> bool {
        self.held_back.load(Ordering::Relaxed)
    }

    pub(super) fn take_keyframes(&self) -> [bool; ENCODINGS_MAX] {
        from_bits(self.keyframes.swap(0, Ordering::Relaxed))
    }

    pub(super) fn wanted(&self) -> [bool; ENCODINGS_MAX] {
        from_bits(self.wanted.load(Ordering::Relaxed))
    }

    /// Says what cannot be sent, and whether nothing can.
    pub(super) fn withhold(&self, withheld: [bool; ENCODINGS_MAX], all: bool) {
        self.withheld.store(to_bits(withheld), Ordering::Relaxed);
        self.held_back.store(all, Ordering::Relaxed);
    }

    pub(super) fn budget_bps(&self) -> u32 {
        self.budget_bps.load(Ordering::Relaxed)
    }

    pub(super) fn loss_percent(&self) -> u8 {
        self.loss_percent.load(Ordering::Relaxed)
    }
}

fn bit(encoding: usize) -> u8 {
    1 << encoding.min(ENCODINGS_MAX - 1)
}

fn to_bits(which: [bool; ENCODINGS_MAX]) -> u8 {
    let places = which.iter().enumerate().filter(|(_, is_set)| **is_set);
    places.fold(0, |bits, (place, _)| bits | bit(place))
}

fn from_bits(bits: u8) -> [bool; ENCODINGS_MAX] {
    std::array::from_fn(|place| bits & bit(place) != 0)
}
