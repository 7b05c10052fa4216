use super::*;
use crate::Arrivals;
use crate::test::start;
use proptest::prelude::*;
use snug_rtp::rtcp::{Packet, Writer, packets};
use std::collections::VecDeque;

const STEP_US: u64 = 1000;
const PACKET: usize = 1000;
/// What a bottleneck holds, as home routers and base stations do.
const QUEUE_US: u64 = 2_000_000;
const WAY_US: u64 = 20_000;

/// A sender, a way with a bottleneck, and a receiver, in virtual time.
struct World {
    start: Instant,
    now_us: u64,
    estimator: Estimator,
    arrivals: Arrivals,
    number: u16,
    owed: f64,
    /// When the bottleneck has sent all that it holds.
    free_us: u64,
    under_way: VecDeque<(u64, u16)>,
    back: VecDeque<(u64, Vec<u8>)>,
    /// Parts in a million by which the receiver's clock is fast.
    skew_ppm: i64,
    loss_percent: u64,
    is_cut: bool,
    chance: u64,
    queue_us_max: u64,
}

impl World {
    fn new(limits: Limits) -> Self {
        Self {
            start: start(),
            now_us: 0,
            estimator: Estimator::new(limits),
            arrivals: Arrivals::default(),
            number: 65_000,
            owed: 0.0,
            free_us: 0,
            under_way: VecDeque::new(),
            back: VecDeque::new(),
            skew_ppm: 0,
            loss_percent: 0,
            is_cut: false,
            chance: 0x9E37_79B9_7F4A_7C15,
            queue_us_max: 0,
        }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_micros(self.now_us)
    }

    fn is_lost(&mut self) -> bool {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.is_cut || (self.chance >> 32) % 100 < self.loss_percent
    }

    fn send(&mut self, bytes: usize, carries: u64) {
        let number = SequenceNumber(self.number);
        self.number = self.number.wrapping_add(1);
        self.estimator.handle_sent(number, bytes, self.now());
        let waits = self.free_us.saturating_sub(self.now_us);
        self.queue_us_max = self.queue_us_max.max(waits);
        if waits > QUEUE_US || self.is_lost() {
            return;
        }
        self.free_us = self.free_us.max(self.now_us) + bytes as u64 * 8_000_000 / carries;
        self.under_way.push_back((self.free_us + WAY_US, number.0));
    }

    /// Runs for so long; `media` says how many bits a second are sent at a target.
    fn run(&mut self, seconds: f64, carries: u64, media: impl Fn(u64) -> u64) {
        let end_us = self.now_us + (seconds * 1e6) as u64;
        while self.now_us < end_us {
            self.now_us += STEP_US;
            let now = self.now();
            while self.back.front().is_some_and(|(at, _)| *at <= self.now_us) {
                let (_, bytes) = self.back.pop_front().unwrap();
                for packet in packets(&bytes) {
                    if let Packet::TransportFeedback(feedback) = packet.unwrap() {
                        self.estimator.handle_feedback(&feedback, now);
                    }
                }
            }
            self.estimator.handle_timeout(now);
            let mut padding = self.estimator.padding(now);
            while padding > 0 {
                let bytes = padding.clamp(60, 280);
                self.send(bytes, carries);
                padding = padding.saturating_sub(bytes);
            }
            self.owed += media(self.estimator.allowance()) as f64 * STEP_US as f64 / 8e6;
            while self.owed >= PACKET as f64 {
                self.owed -= PACKET as f64;
                self.send(PACKET, carries);
            }
            self.receive();
        }
    }

    fn receive(&mut self) {
        let skewed = self.now_us as i64 + self.now_us as i64 * self.skew_ppm / 1_000_000;
        let clock = self.start + Duration::from_micros(skewed.unsigned_abs());
        while self
            .under_way
            .front()
            .is_some_and(|(at, _)| *at <= self.now_us)
        {
            let (_, number) = self.under_way.pop_front().unwrap();
            self.arrivals.handle_packet(SequenceNumber(number), clock);
        }
        let mut buffer = [0; 700];
        let mut writer = Writer::new(&mut buffer);
        while self
            .arrivals
            .write_feedback(clock, 1, 2, &mut writer)
            .unwrap()
        {
            let len = writer.finish();
            if !self.is_cut {
                self.back
                    .push_back((self.now_us + WAY_US, buffer[..len].to_vec()));
            }
            writer = Writer::new(&mut buffer);
        }
    }
}

/// A camera in three layers, as a room server forwards it: the best that fits.
fn layered(target: u64) -> u64 {
    let best = [1_500_000, 500_000, 150_000]
        .into_iter()
        .find(|rate| *rate + 50_000 <= target);
    best.unwrap_or(0) + 40_000
}

/// A sender that fills what it may.
fn greedy(most: u64) -> impl Fn(u64) -> u64 {
    move |target| target.min(most)
}

fn is_near(target: u64, carries: u64) -> bool {
    (carries * 8 / 10..=carries * 12 / 10).contains(&target)
}

#[test]
fn a_bottleneck_is_found_in_ten_seconds_from_below_and_above() {
    for carries in [200_000, 500_000, 1_000_000, 2_500_000, 4_000_000] {
        let mut world = World::new(Limits::default());
        world.estimator.set_wanted(8_000_000, world.now());
        world.run(10.0, carries, greedy(8_000_000));
        let target = world.estimator.target();
        println!("{carries}: {target}");
        assert!(is_near(target, carries), "{carries}: {target}");
    }
}

#[test]
fn what_a_sender_of_layers_does_not_fill_is_found_by_bursts() {
    for carries in [300_000, 1_000_000, 1_400_000] {
        let mut world = World::new(Limits::default());
        world.estimator.set_wanted(1_700_000, world.now());
        world.run(10.0, carries, layered);
        let target = world.estimator.target();
        println!("{carries}: {target}");
        assert!(is_near(target, carries), "{carries}: {target}");
        world.queue_us_max = 0;
        world.run(60.0, carries, layered);
        assert!(
            world.queue_us_max < 250_000,
            "{carries}: {}",
            world.queue_us_max
        );
    }
}

#[test]
fn that_a_way_narrowed_is_found_by_bursts_that_a_voice_beside_them_outlives() {
    let voice = greedy(40_000);
    let mut world = World::new(Limits::default());
    world.estimator.set_wanted(1_700_000, world.now());
    world.run(20.0, 1_400_000, &voice);
    world.run(20.0, 100_000, &voice);
    let target = world.estimator.target();
    assert!(is_near(target, 100_000), "{target}");
    world.queue_us_max = 0;
    world.run(60.0, 100_000, &voice);
    // A packet of the voice itself takes 80 ms there.
    assert!(world.queue_us_max < 115_000, "{}", world.queue_us_max);
}

#[test]
fn a_way_that_narrows_drains_and_one_that_widens_is_used() {
    let mut world = World::new(Limits::default());
    world.estimator.set_wanted(3_500_000, world.now());
    world.run(15.0, 4_000_000, greedy(3_500_000));
    assert!(
        world.estimator.target() > 3_000_000,
        "{}",
        world.estimator.target()
    );
    world.run(2.0, 1_000_000, greedy(3_500_000));
    let peak_us = world.queue_us_max;
    assert!(peak_us > 300_000, "{peak_us}: nothing had to be mended");
    world.queue_us_max = 0;
    world.run(10.0, 1_000_000, greedy(3_500_000));
    assert!(world.queue_us_max < 300_000, "{}", world.queue_us_max);
    assert!(is_near(world.estimator.target(), 1_000_000));
    world.run(15.0, 4_000_000, greedy(3_500_000));
    assert!(
        world.estimator.target() > 3_000_000,
        "{}",
        world.estimator.target()
    );
}

#[test]
fn loss_of_a_radio_leaves_most_of_the_rate() {
    for loss_percent in [10, 20, 30] {
        let mut world = World::new(Limits::default());
        world.loss_percent = loss_percent;
        world.estimator.set_wanted(2_000_000, world.now());
        world.run(30.0, 20_000_000, greedy(2_000_000));
        let target = world.estimator.target();
        println!("{loss_percent} %: {target}");
        assert!(target > 1_000_000, "{loss_percent} %: {target}");
        let loss = world.estimator.loss() * 100.0;
        assert!((loss - loss_percent as f64).abs() < 8.0, "{loss}");
    }
}

#[test]
fn an_outage_of_two_seconds_changes_little() {
    let mut world = World::new(Limits::default());
    world.estimator.set_wanted(2_000_000, world.now());
    world.run(10.0, 4_000_000, greedy(2_000_000));
    let before = world.estimator.target();
    world.is_cut = true;
    world.run(2.0, 4_000_000, greedy(2_000_000));
    world.is_cut = false;
    world.run(3.0, 4_000_000, greedy(2_000_000));
    assert!(world.estimator.target() * 10 >= before * 9, "{before}");
    world.is_cut = true;
    world.run(60.0, 4_000_000, greedy(2_000_000));
    assert_eq!(
        world.estimator.target(),
        Limits::default().least,
        "it is gone"
    );
    world.is_cut = false;
    world.run(15.0, 4_000_000, greedy(2_000_000));
    assert!(
        world.estimator.target() > 1_800_000,
        "{}",
        world.estimator.target()
    );
}

#[test]
fn a_sender_that_falls_silent_keeps_its_target() {
    let mut world = World::new(Limits::default());
    world.estimator.set_wanted(2_000_000, world.now());
    world.run(10.0, 4_000_000, greedy(2_000_000));
    let before = world.estimator.target();
    world.run(60.0, 4_000_000, |_| 0);
    world.run(1.0, 4_000_000, greedy(2_000_000));
    assert!(world.estimator.target() * 10 >= before * 9);
}

#[test]
fn clocks_that_drift_apart_change_nothing_in_ten_minutes() {
    for skew_ppm in [-100, 100] {
        let mut world = World::new(Limits::default());
        world.skew_ppm = skew_ppm;
        world.estimator.set_wanted(1_500_000, world.now());
        world.run(20.0, 4_000_000, greedy(1_500_000));
        for _ in 0..58 {
            world.run(10.0, 4_000_000, greedy(1_500_000));
            assert!(
                world.estimator.target() > 1_400_000,
                "{}",
                world.estimator.target()
            );
        }
    }
}

#[test]
fn a_receivers_own_word_is_a_cap() {
    let (mut estimator, now) = (Estimator::new(Limits::default()), start());
    assert!(!estimator.is_measured());
    estimator.handle_estimate(300_000, now);
    assert_eq!(estimator.target(), 300_000);
    estimator.handle_estimate(2_000_000, now);
    assert_eq!(estimator.target(), 2_000_000);
    assert!(estimator.is_measured());
}

#[test]
fn a_receivers_word_is_a_limit_from_when_it_falls_until_it_is_far_above_what_is_sent() {
    let (mut estimator, mut now) = (Estimator::new(Limits::default()), start());
    estimator.set_wanted(2_000_000, now);
    let mut send = |estimator: &mut Estimator| {
        // A second of 400 kb/s.
        for _ in 0..50 {
            now += Duration::from_millis(20);
            estimator.handle_unnumbered(1000, now);
        }
        now
    };
    for (word, target) in [
        // It begins low and has found no limit.
        (300_000, 2_500_000),
        (450_000, 2_500_000),
        (340_000, 340_000),
        (450_000, 450_000),
        // It cannot have seen more.
        (600_000, 2_500_000),
        (340_000, 340_000),
    ] {
        let now = send(&mut estimator);
        estimator.handle_estimate(word, now);
        assert_eq!(estimator.target(), target);
        assert!(estimator.is_settled(), "what rises is still held back");
    }
}

proptest! {
    /// Whatever a receiver says, in whatever order: the target stays within its limits.
    #[test]
    fn nothing_leaves_the_limits(
        bodies in prop::collection::vec((prop::collection::vec(any::<u8>(), 16..60), 0u64..3000), 1..60),
    ) {
        let limits = Limits { start: 100_000, least: 50_000, most: 900_000 };
        let (mut estimator, start) = (Estimator::new(limits), start());
        estimator.set_wanted(u64::MAX, start);
        let (mut now, mut number) = (start, 0u16);
        for (mut body, pause) in bodies {
            for _ in 0..20 {
                estimator.handle_sent(SequenceNumber(number), 1200, now);
                number = number.wrapping_add(1);
            }
            now += Duration::from_millis(pause);
            // About packets that were really sent, and not too many of them.
            body[8..10].copy_from_slice(&number.wrapping_sub(20).to_be_bytes());
            body[10] = 0;
            if let Ok(feedback) = TransportFeedback::parse(&body) {
                estimator.handle_feedback(&feedback, now);
            }
            estimator.handle_timeout(now);
            prop_assert!((50_000..=900_000).contains(&estimator.target()));
            prop_assert!(estimator.target_lowest() <= estimator.target());
            prop_assert!((50_000..=estimator.target()).contains(&estimator.allowance()));
            prop_assert!(estimator.padding(now) <= 100_000);
        }
    }
}
