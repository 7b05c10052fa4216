//! Bad networks by name: what a [`Cable`](crate::cable::Cable) does to the packets on it.
//!
//! The same name and seed lose the same packets. Every figure is that of one way; both ways are
//! alike, with seeds of their own.

use std::time::Duration;

use str0m_netem::{
    Bitrate, DataSize, GilbertElliot, LossModel, NetemConfig, Probability, RandomLoss,
};

/// How long each kind of day of [`Profile::P3`], [`Profile::P6`] and [`Profile::P8`] lasts.
const STRETCH: Duration = Duration::from_secs(10);
/// What a bottleneck holds: so much of its own rate, as home routers do.
const QUEUE: Duration = Duration::from_millis(300);
/// But at least a few whole packets.
const QUEUE_BYTES_MIN: u64 = 6_000;

/// A network, and how it changes as time passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Profile {
    /// As it is between two namespaces: nothing is lost, nothing waits.
    Clear,
    /// Nothing arrives.
    Cut,
    /// 100 ms +-25 ms, 5 % lost at random.
    P1,
    /// 250 ms +-100 ms, 10 % lost in bursts, 300 kb/s.
    P2,
    /// By turns 10 s clear, and 10 s in which 30 % are lost in bursts.
    P3,
    /// So many of 100 packets lost at random.
    P4(u8),
    /// So many of 100 packets lost, in bursts of so many packets.
    P5(u8, f32),
    /// A bottleneck of 2000 kb/s, then 1000, 500, 250 and 100, 10 s each; the last one stays.
    P6,
    /// Open; 50 kb/s from 60 s on, 25 kb/s from 120 s on, open again from 180 s on.
    P7,
    /// By turns good Wi-Fi, lossy Wi-Fi and a crowded one, 10 s each.
    P8,
    /// A bottleneck of so many kb/s.
    Bottleneck(u64),
}

impl Profile {
    /// Says what the network is like after so much time: the number of the stretch, which changes
    /// whenever the network does, and what is done to packets in it.
    pub fn at(self, elapsed: Duration) -> (u32, NetemConfig) {
        let clear = NetemConfig::new();
        let turn = u32::try_from(elapsed.as_secs() / STRETCH.as_secs()).unwrap_or(u32::MAX);
        match self {
            Self::Clear => (0, clear),
            Self::Cut => (0, clear.loss(random(100))),
            Self::P1 => (0, late(100, 25).loss(random(5))),
            Self::P2 => (0, narrow(late(250, 100).loss(bursts(10, 3.0)), 300)),
            Self::P3 if turn % 2 == 0 => (turn, clear),
            Self::P3 => (turn, clear.loss(bursts(30, 3.0))),
            Self::P4(percent) => (0, clear.loss(random(percent))),
            Self::P5(percent, burst) => (0, clear.loss(bursts(percent, burst))),
            Self::P6 => {
                let rates = [2000, 1000, 500, 250, 100];
                let turn = turn.min(4);
                (turn, narrow(clear, rates[turn as usize]))
            }
            Self::P7 => match elapsed.as_secs() / 60 {
                1 => (1, narrow(clear, 50)),
                2 => (2, narrow(clear, 25)),
                minute => (if minute == 0 { 0 } else { 3 }, clear),
            },
            Self::P8 => {
                let kinds = [
                    NetemConfig::wifi,
                    NetemConfig::wifi_lossy,
                    NetemConfig::wifi_congested,
                ];
                (turn, kinds[turn as usize % kinds.len()]())
            }
            Self::Bottleneck(rate) => (0, narrow(clear, rate)),
        }
    }
}

fn late(milliseconds: u64, jitter: u64) -> NetemConfig {
    NetemConfig::new()
        .latency(Duration::from_millis(milliseconds))
        .jitter(Duration::from_millis(jitter))
}

fn random(percent: u8) -> LossModel {
    RandomLoss::new(Probability::new(f32::from(percent) / 100.0)).into()
}

/// So many of 100 packets lost, in bursts of a mean length.
fn bursts(percent: u8, burst: f32) -> LossModel {
    let share = f32::from(percent) / 100.0;
    GilbertElliot::new()
        .bad_duration(burst)
        .good_duration(burst * (1.0 - share) / share)
        .into()
}

/// A link of so many kb/s that holds what [`QUEUE`] allows and drops the rest.
fn narrow(config: NetemConfig, kilobits: u64) -> NetemConfig {
    let queue_ms = u64::try_from(QUEUE.as_millis()).unwrap_or(u64::MAX);
    let held = (kilobits * queue_ms / 8).max(QUEUE_BYTES_MIN);
    let held = i64::try_from(held).unwrap_or(i64::MAX);
    config.link(Bitrate::kbps(kilobits), DataSize::bytes(held))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use str0m_netem::{Input, Netem, Output};

    /// Sends a packet each millisecond and says which arrive.
    fn survivors(profile: Profile, seed: u64, count: u32) -> Vec<u32> {
        let start = Instant::now();
        let mut link: Netem<Vec<u8>> = Netem::new(profile.at(Duration::ZERO).1.seed(seed));
        let mut arrived = Vec::new();
        for number in 0..count + 2000 {
            let now = start + Duration::from_millis(number.into());
            match number < count {
                true => link.handle_input(Input::Packet(now, number.to_be_bytes().to_vec())),
                false => link.handle_input(Input::Timeout(now)),
            }
            while let Some(output) = link.poll_output() {
                if let Output::Packet(bytes) = output {
                    arrived.push(u32::from_be_bytes(bytes.try_into().expect("four bytes")));
                }
            }
        }
        arrived
    }

    #[test]
    fn as_much_is_lost_as_the_name_says_and_the_same_again() {
        for (profile, lost) in [
            (Profile::Clear, 0.0),
            (Profile::Cut, 1.0),
            (Profile::P1, 0.05),
            (Profile::P4(30), 0.3),
            (Profile::P5(50, 4.0), 0.5),
            (Profile::P5(10, 1.5), 0.1),
        ] {
            let arrived = survivors(profile, 7, 20_000);
            let share = 1.0 - arrived.len() as f64 / 20_000.0;
            assert!((share - lost).abs() < 0.02, "{profile:?} lost {share}");
            assert_eq!(arrived, survivors(profile, 7, 20_000), "{profile:?}");
        }
        assert_ne!(
            survivors(Profile::P4(30), 7, 100),
            survivors(Profile::P4(30), 8, 100)
        );
    }

    #[test]
    fn bursts_are_as_long_as_asked() {
        let arrived = survivors(Profile::P5(20, 4.0), 1, 50_000);
        let gaps = arrived.windows(2).map(|pair| pair[1] - pair[0] - 1);
        let gaps: Vec<u32> = gaps.filter(|gap| *gap > 0).collect();
        let mean = gaps.iter().sum::<u32>() as f64 / gaps.len() as f64;
        assert!((3.6..4.4).contains(&mean), "{mean}");
    }

    #[test]
    fn networks_change_when_they_should() {
        let numbers = |profile: Profile, seconds: &[u64]| -> Vec<u32> {
            let at = |second: &u64| profile.at(Duration::from_secs(*second)).0;
            seconds.iter().map(at).collect()
        };
        assert_eq!(numbers(Profile::P3, &[0, 9, 10, 20]), [0, 0, 1, 2]);
        assert_eq!(numbers(Profile::P6, &[0, 10, 45, 500]), [0, 1, 4, 4]);
        assert_eq!(
            numbers(Profile::P7, &[59, 60, 120, 180, 999]),
            [0, 1, 2, 3, 3]
        );
        assert_eq!(numbers(Profile::P4(10), &[0, 999]), [0, 0]);
    }
}
