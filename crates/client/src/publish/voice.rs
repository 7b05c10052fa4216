//! What a voice costs, and what is left for pictures: rules without IO.

use snug_media::BLOCK_SAMPLES;

/// Samples of the longest packet that is sent: 60 ms.
pub(super) const LONGEST_SAMPLES: usize = 6 * BLOCK_SAMPLES;

/// Bits of a packet besides its sound: IP and UDP (28 bytes, or 48), RTP with its extensions (28)
/// and the tag of SRTP (16).
const OVERHEAD_BITS: u32 = 8 * 76;

/// From so many bits a second on for everything, each packet carries the one before once more.
const TWICE_BPS_MIN: u32 = 300_000;

/// Bits per second that the encoder may take at most, by what there is for everything: the thinner
/// the link, the longer the packets, because their headers weigh as much as their sound.
const STEPS: [(u32, VoicePlan); 4] = [
    (200_000, VoicePlan::new(32_000, 2)),
    (110_000, VoicePlan::new(24_000, 2)),
    (60_000, VoicePlan::new(18_000, 4)),
    (0, VoicePlan::new(12_000, 6)),
];

/// How a voice is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VoicePlan {
    /// Bits per second of the encoder.
    pub(super) bitrate_bps: u32,
    /// Blocks of 10 ms in a packet: 2, 4 or 6.
    pub(super) blocks: usize,
}

impl VoicePlan {
    const fn new(bitrate_bps: u32, blocks: usize) -> Self {
        Self {
            bitrate_bps,
            blocks,
        }
    }

    /// How to send a voice where there are `budget_bps` for everything, the voice included.
    pub(super) fn within(budget_bps: u32, bitrate_max_bps: u32) -> Self {
        let step = STEPS.iter().find(|(least, _)| *least <= budget_bps);
        let (_, plan) = step.unwrap_or(&STEPS[STEPS.len() - 1]);
        Self {
            bitrate_bps: plan.bitrate_bps.min(bitrate_max_bps),
            ..*plan
        }
    }

    /// Bits per second on the wire.
    pub(super) fn cost_bps(self) -> u32 {
        self.bitrate_bps + OVERHEAD_BITS * 100 / self.blocks as u32
    }
}

/// Tells whether there is room to say everything twice where there are `budget_bps` in all.
pub(super) fn says_twice(budget_bps: u32) -> bool {
    budget_bps >= TWICE_BPS_MIN
}

/// What pictures may take where there are `budget_bps` for everything and a voice comes first. Their
/// headers and repairs come out of it, too.
pub(crate) fn left_for_pictures(budget_bps: u32, voices: u32) -> u32 {
    let plan = VoicePlan::within(budget_bps, u32::MAX);
    let again = plan.bitrate_bps * u32::from(says_twice(budget_bps));
    let voice = plan.cost_bps() + again;
    // One part in twelve is the headers of packets as large as they may be.
    budget_bps.saturating_sub(voice.saturating_mul(voices)) / 12 * 11
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_fits_every_link_that_carries_one_at_all() {
        for budget in (23_000..400_000).step_by(1_000) {
            let plan = VoicePlan::within(budget, 32_000);
            assert!(plan.cost_bps() <= budget, "{budget}: {plan:?}");
            assert!((12_000..=32_000).contains(&plan.bitrate_bps));
            let left = left_for_pictures(budget, 1);
            let again = if says_twice(budget) {
                plan.bitrate_bps
            } else {
                0
            };
            assert!(left + plan.cost_bps() + again <= budget);
        }
        assert_eq!(VoicePlan::within(u32::MAX, 32_000).blocks, 2);
        assert_eq!(VoicePlan::within(25_000, 32_000).blocks, 6);
    }

    #[test]
    fn a_thin_link_carries_a_voice_and_no_pictures() {
        assert!(left_for_pictures(25_000, 1) < 10_000);
        assert!(left_for_pictures(50_000, 1) < 30_000);
        assert!(left_for_pictures(100_000, 1) > 30_000);
        assert_eq!(left_for_pictures(0, 1), 0);
    }
}
