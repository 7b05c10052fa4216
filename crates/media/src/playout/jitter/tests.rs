//! The buffer against a made-up network: every packet has an arrival time, nothing sleeps.

use std::f64::consts::TAU;

use proptest::prelude::*;

use snug_rtp::NtpTime;

use super::*;
use crate::opus::{EncoderConfig, PACKET_SAMPLES};
use crate::playout::{PlayoutClock, TrackClock};

const PACKET: i64 = PACKET_SAMPLES as i64;

/// A slow sweep: no two pieces of it are alike, so a wrong lag cannot hide.
fn sweep(n: i64) -> f32 {
    let t = n as f64 / 48_000.0;
    (0.25 * (TAU * (200.0 * t + 30.0 * t * t)).sin()) as f32
}

fn packets(count: usize) -> Vec<Vec<u8>> {
    let mut encoder = opus::Encoder::new(EncoderConfig::default()).unwrap();
    let mut out = [0; PACKET_BYTES_MAX];
    (0..count as i64)
        .map(|p| {
            let samples: [f32; PACKET_SAMPLES] =
                std::array::from_fn(|i| sweep(p * PACKET + i as i64));
            let bytes = encoder.encode(&samples, &mut out).unwrap();
            out[..bytes].to_vec()
        })
        .collect()
}

fn decoded(packets: &[Vec<u8>]) -> Vec<f32> {
    let mut decoder = opus::Decoder::new().unwrap();
    let mut out = [0.0; PACKET_SAMPLES_MAX];
    let mut all = Vec::new();
    for packet in packets {
        let samples = decoder.decode(packet, &mut out).unwrap();
        all.extend_from_slice(&out[..samples]);
    }
    all
}

struct Arrival {
    at_ms: i64,
    packet: usize,
}

/// Sends packets numbered from `first_sequence`, pulls every 10 ms, gives what came out.
struct Run {
    buffer: AudioJitterBuffer,
    first_sequence: u16,
    first_timestamp: u32,
    out: Vec<f32>,
    now: Instant,
}

impl Run {
    fn new(config: JitterConfig) -> Self {
        let buffer = AudioJitterBuffer::new(config).unwrap();
        Self {
            buffer,
            first_sequence: 65_500,
            first_timestamp: u32::MAX - 5_000,
            out: Vec::new(),
            now: Instant::now(),
        }
    }

    fn insert(&mut self, packets: &[Vec<u8>], n: usize) {
        let sequence = SequenceNumber(self.first_sequence).wrapping_add(n as u16);
        let timestamp = RtpTime(self.first_timestamp).wrapping_add((n * PACKET_SAMPLES) as u32);
        self.buffer
            .insert(sequence, timestamp, &packets[n], self.now);
    }

    fn insert_copy(&mut self, packets: &[Vec<u8>], n: usize) {
        let sequence = SequenceNumber(self.first_sequence).wrapping_add(n as u16);
        let timestamp = RtpTime(self.first_timestamp).wrapping_add((n * PACKET_SAMPLES) as u32);
        self.buffer.insert_earlier(sequence, timestamp, &packets[n]);
    }

    fn pull(&mut self) {
        let mut block = [9.0; BLOCK_SAMPLES];
        self.buffer.pull(&mut block, self.now);
        self.now += crate::frame::BLOCK_DURATION;
        self.out.extend_from_slice(&block);
    }

    fn play(mut self, packets: &[Vec<u8>], arrivals: &[Arrival], end_ms: i64) -> Self {
        let mut arrivals: Vec<&Arrival> = arrivals.iter().collect();
        arrivals.sort_by_key(|a| a.at_ms);
        let mut arrivals = arrivals.into_iter().peekable();
        for now in (0..end_ms).step_by(10) {
            while let Some(arrival) = arrivals.next_if(|a| a.at_ms <= now) {
                self.insert(packets, arrival.packet);
            }
            self.pull();
        }
        self
    }
}

fn on_time(count: usize) -> Vec<Arrival> {
    (0..count)
        .map(|packet| Arrival {
            at_ms: packet as i64 * 20,
            packet,
        })
        .collect()
}

fn fixed(delay_ms: u64) -> JitterConfig {
    JitterConfig::from_millis(delay_ms, delay_ms, 1000)
}

#[test]
fn a_clean_stream_comes_out_bit_exact_at_the_initial_delay_across_both_wraps() {
    let packets = packets(150);
    let run = Run::new(fixed(60)).play(&packets, &on_time(150), 3_060);
    let lag = 60 * 48;
    assert!(run.out[..lag].iter().all(|&s| s == 0.0));
    assert_eq!(&run.out[lag..], &decoded(&packets)[..run.out.len() - lag]);
    let counters = run.buffer.counters();
    assert_eq!((counters.received, counters.played), (150, 150));
    assert_eq!(
        counters.concealed_samples + counters.late + counters.dropped,
        0
    );
}

#[test]
fn the_playhead_names_the_sample_that_comes_next() {
    let packets = packets(20);
    let mut run = Run::new(fixed(60));
    assert_eq!(run.buffer.playhead(), None);
    run.insert(&packets, 0);
    let start = RtpTime(run.first_timestamp);
    for pulled in 0..20i32 {
        let ahead = run.buffer.playhead().unwrap().distance_from(start);
        assert_eq!(ahead, (pulled - 6) * 480);
        run.pull();
    }
}

#[test]
fn a_single_loss_is_repaired_from_the_next_packet() {
    let packets = packets(100);
    let whole = decoded(&packets);
    // libopus adds copies only where it hears a voice.
    let lost = (10..99)
        .find(|&n| opus::has_fec(&packets[n + 1]))
        .expect("some packet has a copy");
    let mut arrivals = on_time(100);
    arrivals.remove(lost);
    let run = Run::new(fixed(60)).play(&packets, &arrivals, 2_000);
    let counters = run.buffer.counters();
    assert_eq!(counters.fec_samples, 960);
    assert_eq!(counters.concealed_samples, 0);
    let lag = 60 * 48;
    let gap = lost * 960..(lost + 1) * 960;
    assert_eq!(run.out[lag..lag + gap.start], whole[..gap.start]);
    let found = &run.out[lag + gap.start..lag + gap.end];
    let error: f32 = found
        .iter()
        .zip(&whole[gap.clone()])
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    let power: f32 = whole[gap].iter().map(|s| s * s).sum();
    assert!(
        error < power / 2.0,
        "the copy sounds like the original: {error} of {power}"
    );
}

#[test]
fn what_comes_only_as_a_copy_is_played_bit_by_bit() {
    let packets = packets(100);
    let mut run = Run::new(fixed(60));
    for n in 0..packets.len() {
        // Every third is lost, as is one pair, of which the copy saves the second.
        if n % 3 != 1 && n != 51 {
            run.insert(&packets, n);
            if n > 0 {
                run.insert_copy(&packets, n - 1);
            }
        }
        run.pull();
        run.pull();
    }
    let counters = run.buffer.counters();
    let saved = (1..99).filter(|n| n % 3 == 1).count() as u64;
    assert_eq!(counters.from_copies, saved, "{counters:?}");
    assert_eq!((counters.duplicate, counters.late), (0, 0));
    assert_eq!(counters.concealed_samples + counters.fec_samples, 960);
    assert_eq!((counters.long_gaps, counters.restarts), (0, 1));
    let (lag, until) = (60 * 48, 51 * 960);
    assert_eq!(run.out[lag..lag + until], decoded(&packets)[..until]);
}

#[test]
fn a_copy_changes_nothing_where_its_own_packet_came_or_its_time_has_passed() {
    let packets = packets(50);
    let mut run = Run::new(fixed(20));
    run.insert_copy(&packets, 0);
    assert_eq!(run.buffer.playhead(), None, "a copy alone begins nothing");
    for n in 0..40 {
        run.insert(&packets, n);
        run.insert_copy(&packets, n.saturating_sub(1));
        run.insert_copy(&packets, n.saturating_sub(9));
        run.pull();
        run.pull();
    }
    run.insert_copy(&packets, 45);
    let counters = run.buffer.counters();
    assert_eq!(
        (counters.from_copies, counters.played),
        (0, 39),
        "{counters:?}"
    );
}

#[test]
fn long_gaps_are_counted_once_each() {
    let packets = packets(400);
    let lost = |n: usize| (100..103).contains(&n) || (200..210).contains(&n) || n >= 300;
    let arrivals: Vec<_> = on_time(400)
        .into_iter()
        .filter(|a| !lost(a.packet))
        .collect();
    let run = Run::new(fixed(60)).play(&packets, &arrivals, 10_000);
    // Three in a row are sixty milliseconds; ten are more; and the end lasts.
    assert_eq!(
        run.buffer.counters().long_gaps,
        2,
        "{:?}",
        run.buffer.counters()
    );
}

#[test]
fn a_longer_loss_is_concealed_and_the_lag_stays() {
    let packets = packets(100);
    let arrivals: Vec<_> = on_time(100)
        .into_iter()
        .filter(|a| !(40..45).contains(&a.packet))
        .collect();
    let run = Run::new(fixed(60)).play(&packets, &arrivals, 2_060);
    let counters = run.buffer.counters();
    assert_eq!(counters.concealed_samples + counters.fec_samples, 5 * 960);
    assert_eq!(counters.played, 95);
    let lag = 60 * 48;
    let whole = decoded(&packets);
    // Half a second later the decoder has forgotten the loss.
    let (tail, ideal) = (&run.out[lag + 70 * 960..], &whole[70 * 960..]);
    let error: f32 = tail.iter().zip(ideal).map(|(a, b)| (a - b).powi(2)).sum();
    let power: f32 = ideal.iter().map(|s| s * s).sum();
    assert!(error < power / 100.0, "{error} of {power}");
}

#[test]
fn too_little_delay_grows_until_nothing_is_late() {
    let packets = packets(500);
    // Every tenth packet takes 80 ms longer.
    let arrivals: Vec<_> = (0..500)
        .map(|packet| Arrival {
            at_ms: packet as i64 * 20 + if packet % 10 == 3 { 80 } else { 0 },
            packet,
        })
        .collect();
    let mut run = Run::new(JitterConfig::interactive()).play(&packets, &arrivals, 10_000);
    let counters = run.buffer.counters();
    assert!(counters.late >= 5 && counters.late < 25, "{counters:?}");
    assert!(counters.lengthened_samples >= 30 * 48, "{counters:?}");
    assert_eq!(counters.restarts, 1);
    let delay = run.buffer.delay();
    assert!((75..=120).contains(&delay.as_millis()), "{delay:?}");
}

#[test]
fn too_much_delay_shrinks_after_ten_calm_seconds() {
    let packets = packets(1000);
    let config = JitterConfig::from_millis(200, 20, 500);
    let mut run = Run::new(config).play(&packets, &on_time(1000), 20_000);
    let counters = run.buffer.counters();
    assert!(counters.shortened_samples > 100 * 48, "{counters:?}");
    assert_eq!(counters.concealed_samples, 0);
    let delay = run.buffer.delay();
    assert!((20..=60).contains(&delay.as_millis()), "{delay:?}");
}

#[test]
fn a_recording_keeps_one_lag() {
    let packets = packets(1500);
    let arrivals: Vec<_> = (0..1500)
        .map(|packet| Arrival {
            at_ms: packet as i64 * 20 + (packet as i64 * 7_919) % 150,
            packet,
        })
        .collect();
    let run = Run::new(JitterConfig::recording()).play(&packets, &arrivals, 30_000);
    let counters = run.buffer.counters();
    assert_eq!(counters.lengthened_samples + counters.shortened_samples, 0);
    assert_eq!(counters.concealed_samples + counters.late, 0);
    let start = run.out.iter().position(|&s| s != 0.0).unwrap();
    let lag = 200 * 48;
    assert!(start >= lag && start < lag + 960);
    let whole = decoded(&packets);
    assert_eq!(run.out[lag..lag + 1_000 * 960], whole[..1_000 * 960]);
}

#[test]
fn duplicates_strays_and_junk_are_counted_and_change_nothing() {
    let packets = packets(50);
    let mut run = Run::new(fixed(60));
    for n in 0..50 {
        run.insert(&packets, n);
        run.insert(&packets, n);
        run.buffer.insert(
            SequenceNumber(30_000 + 203 * n as u16),
            RtpTime(5),
            &packets[0],
            run.now,
        );
        run.buffer
            .insert(SequenceNumber(n as u16), RtpTime(5), &[], run.now);
        run.buffer
            .insert(SequenceNumber(n as u16), RtpTime(5), &[0xFF; 2000], run.now);
        run.pull();
        run.pull();
    }
    let lag = 60 * 48;
    assert_eq!(run.out[lag..], decoded(&packets)[..run.out.len() - lag]);
    let counters = run.buffer.counters();
    assert_eq!(counters.duplicate, 50);
    assert_eq!(counters.dropped, 150);
    assert_eq!(counters.restarts, 1);
}

#[test]
fn a_sender_that_starts_over_is_followed() {
    let packets = packets(60);
    let mut run = Run::new(fixed(40)).play(&packets, &on_time(60), 1_200);
    for (first_sequence, first_timestamp) in [(20_000, 77), (20_061, 4_000_000_000)] {
        (run.first_sequence, run.first_timestamp) = (first_sequence, first_timestamp);
        run.out.clear();
        run = run.play(&packets, &on_time(60), 1_200);
        let loud = run.out[10_000..].iter().filter(|s| s.abs() > 0.01).count();
        assert!(loud > 40_000, "{loud}");
    }
    assert_eq!(run.buffer.counters().restarts, 3);
}

#[test]
fn a_clock_that_was_paused_is_followed_after_a_few_packets() {
    let packets = packets(200);
    // One second of nothing, after which time stamps go on as if there had been none.
    let arrivals: Vec<_> = (0..200)
        .map(|packet| Arrival {
            at_ms: packet as i64 * 20 + if packet >= 100 { 1_000 } else { 0 },
            packet,
        })
        .collect();
    let run = Run::new(fixed(60)).play(&packets, &arrivals, 5_000);
    let counters = run.buffer.counters();
    assert_eq!(counters.restarts, 2);
    assert!(counters.late <= 6 && counters.played >= 190, "{counters:?}");
}

#[test]
fn a_silent_sender_costs_a_second_of_concealment_and_no_more() {
    let packets = packets(20);
    let mut run = Run::new(fixed(40)).play(&packets, &on_time(20), 10_000);
    let counters = run.buffer.counters();
    assert!((CONCEAL_MAX..CONCEAL_MAX + 960).contains(&counters.concealed_samples));
    assert!(run.out[100_000..].iter().all(|&s| s == 0.0));
    assert_eq!(run.buffer.playhead(), None);
    assert!(!run.buffer.pull(&mut [0.0; BLOCK_SAMPLES], run.now));
}

#[test]
fn a_first_packet_that_was_overtaken_still_plays() {
    let packets = packets(30);
    let mut run = Run::new(fixed(60));
    run.insert(&packets, 1);
    run.insert(&packets, 0);
    for n in 2..30 {
        run.insert(&packets, n);
        run.pull();
        run.pull();
    }
    assert_eq!(run.buffer.counters().late, 0);
    assert_eq!(run.buffer.counters().concealed_samples, 0);
}

#[test]
fn pulling_never_grows_its_memory() {
    let packets = packets(200);
    let mut run = Run::new(JitterConfig::interactive());
    let capacity = run.buffer.ready.capacity();
    for n in 0..200 {
        if n % 7 != 0 {
            run.insert(&packets, n);
        }
        run.buffer.delay.wanted = if n % 2 == 0 { 2_000 } else { -2_000 };
        run.pull();
        run.pull();
        assert_eq!(run.buffer.ready.capacity(), capacity);
    }
}

/// Ten minutes of a sender whose sound card is fast by so many parts in a million, and whose camera
/// and wall clock are not. Its packets take 30 ms and up to 4 ms more.
struct Drift {
    run: Run,
    packets: Vec<Vec<u8>>,
    skew_ppm: i64,
    clock: PlayoutClock,
    tracks: [TrackClock; 2],
    sent: i64,
    /// What the buffer held after each second, in milliseconds.
    delays_ms: Vec<u128>,
    /// How far sound and pictures of one moment were apart, at most.
    apart_ms_max: u128,
}

const DRIFT_MS: i64 = 600_000;

impl Drift {
    fn new(skew_ppm: i64) -> Self {
        let run = Run::new(JitterConfig::interactive());
        let mut clock = PlayoutClock::new(run.now);
        let tracks = [48_000, 90_000].map(|rate| clock.add_track(rate).unwrap());
        Self {
            run,
            packets: packets(100),
            skew_ppm,
            clock,
            tracks,
            sent: 0,
            delays_ms: Vec::new(),
            apart_ms_max: 0,
        }
    }

    /// Says what the sound card shows at a moment, in samples since the beginning.
    fn samples(&self, us: i64) -> i64 {
        (us + us * self.skew_ppm / 1_000_000) * 48 / 1000
    }

    /// Says when it showed so many.
    fn shown_us(&self, samples: i64) -> i64 {
        let us = samples * 1000 / 48;
        us - us * self.skew_ppm / 1_000_000
    }

    fn ntp(us: i64) -> NtpTime {
        let us = u64::try_from(us).unwrap();
        NtpTime::from_unix(Duration::from_secs(1_700_000_000) + Duration::from_micros(us))
    }

    fn sound_time(&self, samples: i64) -> RtpTime {
        RtpTime(self.run.first_timestamp).wrapping_add(samples as u32)
    }

    fn picture_time(us: i64) -> RtpTime {
        RtpTime((us * 9 / 100) as u32)
    }

    fn play(mut self) -> Self {
        let start = self.run.now;
        for now_ms in (0..DRIFT_MS).step_by(10) {
            let now_us = now_ms * 1000;
            loop {
                let jitter_us = self.sent * 7_919 % 4_000;
                if self.shown_us(self.sent * PACKET) + 30_000 + jitter_us > now_us {
                    break;
                }
                let n = self.sent as usize;
                let sequence = SequenceNumber(self.run.first_sequence).wrapping_add(n as u16);
                let timestamp = self.sound_time(self.sent * PACKET);
                let payload = &self.packets[n % self.packets.len()];
                self.run
                    .buffer
                    .insert(sequence, timestamp, payload, self.run.now);
                self.clock
                    .handle_packet(self.tracks[0], timestamp, self.run.now);
                self.sent += 1;
            }
            self.see(now_us);
            self.run.pull();
            self.run.out.clear();
            if now_ms % 1000 == 990 {
                self.delays_ms.push(self.run.buffer.delay().as_millis());
            }
        }
        assert_eq!(self.run.now, start + Duration::from_millis(DRIFT_MS as u64));
        self
    }

    /// Lets a picture and reports come, and compares what is heard and seen now.
    fn see(&mut self, now_us: i64) {
        let [sound, pictures] = self.tracks;
        let taken_us = (now_us - 50_000).max(0);
        let now = self.run.now;
        self.clock
            .handle_packet(pictures, Self::picture_time(taken_us), now);
        if now_us % 5_000_000 == 0 {
            let samples = self.sound_time(self.samples(now_us));
            self.clock.handle_report(sound, Self::ntp(now_us), samples);
            self.clock
                .handle_report(pictures, Self::ntp(now_us), Self::picture_time(now_us));
        }
        let Some(playhead) = self.run.buffer.playhead() else {
            return;
        };
        self.clock.handle_playout(sound, playhead, now);
        // Up to the wrap, which the playhead is never half way from.
        let ahead = self.sound_time(self.sent * PACKET).distance_from(playhead);
        let heard_us = self.shown_us(self.sent * PACKET - i64::from(ahead));
        let of_it = Self::picture_time(heard_us.max(0));
        let seen_at = self.clock.playout_at(pictures, of_it, now).unwrap();
        let apart = seen_at.max(now).duration_since(seen_at.min(now));
        if now_us > 1_000_000 {
            self.apart_ms_max = self.apart_ms_max.max(apart.as_millis());
        }
    }
}

#[test]
fn sound_cards_that_drift_apart_are_followed_for_ten_minutes() {
    for skew_ppm in [-100, 100] {
        let drift = Drift::new(skew_ppm).play();
        let counters = drift.run.buffer.counters();
        let (least, most) = (drift.delays_ms.iter().min(), drift.delays_ms.iter().max());
        println!("{skew_ppm} ppm: {least:?} to {most:?} ms, {counters:?}");
        println!("sound and pictures: {} ms", drift.apart_ms_max);
        // Without following, 60 ms would come on top of the 40 of the beginning, or be missing.
        assert!(
            drift.delays_ms.iter().all(|ms| *ms <= 75),
            "{skew_ppm}: {most:?}"
        );
        let made_up = counters.concealed_samples + counters.late * PACKET as u64;
        let all = DRIFT_MS as u64 * 48;
        assert!(made_up * 1000 < all, "{skew_ppm}: {made_up} of {all}");
        assert_eq!(counters.restarts, 1, "{skew_ppm}");
        assert!(
            drift.apart_ms_max <= 40,
            "{skew_ppm}: {} ms",
            drift.apart_ms_max
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Loss, doubling, reordering and jitter in any mix: every packet is accounted for, sound keeps
    /// its range, and what is within the delay is played exactly.
    #[test]
    fn any_network_is_survived_and_accounted_for(
        fates in prop::collection::vec((0u8..20, 0i64..160), 80..160),
        delay_ms in 20u64..200,
    ) {
        let packets = packets(fates.len());
        let mut arrivals = Vec::new();
        for (packet, (fate, jitter_ms)) in fates.iter().enumerate() {
            let at_ms = packet as i64 * 20 + jitter_ms;
            match fate {
                0 | 1 => {}
                2 => {
                    arrivals.push(Arrival { at_ms, packet });
                    arrivals.push(Arrival { at_ms: at_ms + 35, packet });
                }
                _ => arrivals.push(Arrival { at_ms, packet }),
            }
        }
        let sent = arrivals.len() as u64;
        let end_ms = fates.len() as i64 * 20 + 400;
        let run = Run::new(fixed(delay_ms)).play(&packets, &arrivals, end_ms);
        let counters = run.buffer.counters();
        let waiting = run.buffer.slots.iter().filter(|slot| slot.waiting).count() as u64;
        prop_assert_eq!(counters.received, sent);
        let JitterCounters { late, duplicate, dropped, played, .. } = counters;
        prop_assert_eq!(late + duplicate + dropped + played + waiting, sent);
        prop_assert_eq!(run.out.len(), end_ms as usize * 48);
        prop_assert!(run.out.iter().all(|s| s.abs() <= 1.5));
    }

    /// Jitter, doubling and reordering below the delay leave no trace at all.
    #[test]
    fn what_fits_into_the_delay_leaves_no_trace(
        fates in prop::collection::vec((any::<bool>(), 0i64..100), 60..120),
    ) {
        let packets = packets(fates.len());
        let mut arrivals = Vec::new();
        for (packet, (double, jitter_ms)) in fates.iter().enumerate() {
            let at_ms = packet as i64 * 20 + if packet == 0 { 0 } else { *jitter_ms };
            arrivals.push(Arrival { at_ms, packet });
            if *double {
                arrivals.push(Arrival { at_ms: at_ms + 60, packet });
            }
        }
        let end_ms = fates.len() as i64 * 20;
        let run = Run::new(fixed(120)).play(&packets, &arrivals, end_ms);
        let lag = 120 * 48;
        prop_assert_eq!(&run.out[lag..], &decoded(&packets)[..run.out.len() - lag]);
        prop_assert_eq!(run.buffer.counters().late, 0);
    }

    /// Whatever the numbers and payloads, nothing panics and memory stays bounded.
    #[test]
    fn hostile_packets_are_survived(
        inputs in prop::collection::vec(
            (any::<u16>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..40)), 1..200),
    ) {
        let mut buffer = AudioJitterBuffer::new(JitterConfig::interactive()).unwrap();
        let mut block = [0.0; BLOCK_SAMPLES];
        let now = Instant::now();
        for (sequence, timestamp, payload) in inputs {
            buffer.insert(SequenceNumber(sequence), RtpTime(timestamp), &payload, now);
            buffer.pull(&mut block, now);
            prop_assert!(block.iter().all(|s| s.is_finite()));
        }
    }
}
