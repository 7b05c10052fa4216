//! A whole call without a network: sources, encoders, packets that are lost, late and out of order,
//! playout, and a recording that ffmpeg judges. Time is made up, so it takes no longer than its work.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something it relies on is not so"
)]

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use snug_media::playout::{
    AssemblerConfig, AssemblerOutput, AudioJitterBuffer, BlockPacer, JitterConfig, Mixer,
    PlayoutClock, TrackClock, VideoAssembler, Voice,
};
use snug_media::record::{RecordedTrack, TrackInfo, TrackKind, WebmRecorder};
use snug_media::source::{TestPattern, read_strip};
use snug_media::{BLOCK_SAMPLES, I420Frame, opus, vp8};
use snug_rtp::{NtpTime, RtpTime, SequenceNumber};

const SECONDS: u64 = 10;
const FPS: u64 = 25;
const WIDTH: u32 = 320;
const HEIGHT: u32 = 180;
/// What an encoder takes before its packets leave.
const ENCODING_MS: u64 = 12;

enum Packet {
    Audio {
        sequence: u16,
        timestamp: RtpTime,
        payload: Vec<u8>,
    },
    Video {
        sequence: u16,
        timestamp: RtpTime,
        marker: bool,
        payload: Bytes,
    },
    Report {
        is_video: bool,
        ntp: NtpTime,
        timestamp: RtpTime,
    },
}

/// Everything on its way, by arrival in microseconds; the second number keeps doubles apart.
type Network = BTreeMap<(u64, usize), Packet>;

fn audio_time(ms: u64) -> RtpTime {
    RtpTime(4_000_000_000).wrapping_add((ms * 48) as u32)
}

fn video_time(ms: u64) -> RtpTime {
    RtpTime(77).wrapping_add((ms * 90) as u32)
}

fn ntp(ms: u64) -> NtpTime {
    NtpTime::from_unix(Duration::from_millis(1_700_000_000_000 + ms))
}

/// Sends sound given by `sound(sample number)`; a packet in fifty is lost for good.
fn send_audio(network: &mut Network, random: &mut StdRng, sound: impl Fn(u64) -> f32) {
    let mut encoder = opus::Encoder::new(opus::EncoderConfig::default()).unwrap();
    let mut packet = [0; opus::PACKET_BYTES_MAX];
    for n in 0..SECONDS * 50 {
        let samples: [f32; opus::PACKET_SAMPLES] =
            std::array::from_fn(|i| sound(n * 960 + i as u64));
        let bytes = encoder.encode(&samples, &mut packet).unwrap();
        let sent_ms = n * 20 + 20;
        if n % 50 == 49 {
            let report = Packet::Report {
                is_video: false,
                ntp: ntp(sent_ms),
                timestamp: audio_time(n * 20),
            };
            network.insert((sent_ms * 1_000 + 2_000, network.len()), report);
        }
        if random.random_range(0..50) == 0 {
            continue;
        }
        let arrival = sent_ms * 1_000 + random.random_range(1_000..30_000);
        network.insert(
            (arrival, network.len()),
            Packet::Audio {
                sequence: 65_000u16.wrapping_add(n as u16),
                timestamp: audio_time(n * 20),
                payload: packet[..bytes].to_vec(),
            },
        );
    }
}

/// Sends the test pattern; a packet in fifty is lost and comes again 60 ms later.
fn send_video(network: &mut Network, random: &mut StdRng) {
    let config = vp8::EncoderConfig::new(WIDTH, HEIGHT, FPS as u32, 600_000);
    let mut encoder = vp8::Encoder::new(config).unwrap();
    let pattern = TestPattern::new(WIDTH, HEIGHT, FPS as u32).unwrap();
    let mut sequence = 65_400u16;
    for n in 0..SECONDS * FPS {
        let taken_ms = n * 1_000 / FPS;
        let at = Duration::from_millis(taken_ms);
        let data = encoder.encode(&pattern.draw(n), at).unwrap().unwrap().data;
        let sent_ms = taken_ms + ENCODING_MS;
        if n % FPS == FPS - 1 {
            let report = Packet::Report {
                is_video: true,
                ntp: ntp(sent_ms),
                timestamp: video_time(taken_ms),
            };
            network.insert((sent_ms * 1_000 + 2_000, network.len()), report);
        }
        let chunks = data.chunks(1_100);
        let last = chunks.len() - 1;
        for (i, chunk) in chunks.enumerate() {
            let mut payload = vec![if i == 0 { 0x10 } else { 0 }];
            payload.extend_from_slice(chunk);
            let again = if random.random_range(0..50) == 0 {
                60_000
            } else {
                0
            };
            let arrival = sent_ms * 1_000 + random.random_range(1_000..15_000) + again;
            network.insert(
                (arrival, network.len()),
                Packet::Video {
                    sequence,
                    timestamp: video_time(taken_ms),
                    marker: i == last,
                    payload: payload.into(),
                },
            );
            sequence = sequence.wrapping_add(1);
        }
    }
}

/// The receiving side, put together as a participant does it.
struct Receiver {
    start: Instant,
    jitter: AudioJitterBuffer,
    voice: Voice,
    mixer: Mixer,
    assembler: VideoAssembler,
    clock: PlayoutClock,
    audio: TrackClock,
    video: TrackClock,
    pacer: BlockPacer,
    recorder: WebmRecorder,
    recorded: RecordedTrack,
}

impl Receiver {
    fn new(path: &Path) -> Self {
        let start = Instant::now();
        let mut clock = PlayoutClock::new(start);
        let mut recorder = WebmRecorder::create(path, start).unwrap();
        let recorded = recorder.add_track(TrackInfo {
            kind: TrackKind::Video,
            track_id: "camera".into(),
            peer_id: "ada".into(),
            name: "Ada".into(),
        });
        Self {
            start,
            jitter: AudioJitterBuffer::new(JitterConfig::recording()).unwrap(),
            voice: Voice::default(),
            mixer: Mixer::new(),
            assembler: VideoAssembler::new(AssemblerConfig::default()),
            audio: clock.add_track(48_000).unwrap(),
            video: clock.add_track(90_000).unwrap(),
            clock,
            pacer: BlockPacer::new(start),
            recorder,
            recorded,
        }
    }

    fn receive(&mut self, network: Network) {
        for ((arrival, _), packet) in network {
            let now = self.start + Duration::from_micros(arrival);
            self.play(now);
            match packet {
                Packet::Audio {
                    sequence,
                    timestamp,
                    payload,
                } => {
                    self.clock.handle_packet(self.audio, timestamp, now);
                    self.jitter
                        .insert(SequenceNumber(sequence), timestamp, &payload, now);
                }
                Packet::Video {
                    sequence,
                    timestamp,
                    marker,
                    payload,
                } => {
                    self.clock.handle_packet(self.video, timestamp, now);
                    let sequence = SequenceNumber(sequence);
                    self.assembler
                        .handle_packet(sequence, timestamp, marker, payload, now);
                    self.show(now);
                }
                Packet::Report {
                    is_video,
                    ntp,
                    timestamp,
                } => {
                    let track = if is_video { self.video } else { self.audio };
                    self.clock.handle_report(track, ntp, timestamp);
                }
            }
        }
        self.play(self.start + Duration::from_secs(SECONDS));
    }

    fn play(&mut self, now: Instant) {
        while let Some(at) = self.pacer.next_due(now) {
            if let Some(timestamp) = self.jitter.playhead() {
                self.clock.handle_playout(self.audio, timestamp, at);
            }
            let mut block = [0.0; BLOCK_SAMPLES];
            if self.jitter.pull(&mut block, at) {
                self.mixer.add(&mut self.voice, &block);
            }
            self.mixer.finish(&mut block);
            self.recorder.write_mix(&block, at).unwrap();
        }
    }

    fn show(&mut self, now: Instant) {
        while let Some(output) = self.assembler.poll_output(now) {
            let AssemblerOutput::Frame(frame) = output else {
                continue;
            };
            let at = self
                .clock
                .playout_at(self.video, frame.timestamp, now)
                .unwrap();
            self.recorder
                .write_video(self.recorded, &frame, at)
                .unwrap();
        }
    }
}

fn ffmpeg(program: &str, arguments: &[&str], path: &Path) -> Vec<u8> {
    let arguments = arguments.iter().map(|a| {
        if *a == "FILE" {
            path.to_str().unwrap()
        } else {
            a
        }
    });
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect("ffmpeg is installed");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "{program}: {complaints}"
    );
    output.stdout
}

fn recorded_sound(path: &Path) -> Vec<f32> {
    let raw = ffmpeg(
        "ffmpeg",
        &[
            "-v", "error", "-i", "FILE", "-map", "0:a", "-f", "f32le", "-",
        ],
        path,
    );
    raw.chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}

/// Gives time in the file and number of each recorded picture.
fn recorded_pictures(path: &Path) -> Vec<(f64, u16)> {
    let times = ffmpeg(
        "ffprobe",
        &[
            "-v",
            "error",
            "-select_streams",
            "v",
            "-of",
            "csv=p=0",
            "-show_entries",
            "packet=pts_time",
            "FILE",
        ],
        path,
    );
    let times = String::from_utf8(times).unwrap();
    let raw = ffmpeg(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-i",
            "FILE",
            "-map",
            "0:v",
            "-fps_mode",
            "passthrough",
            "-pix_fmt",
            "yuv420p",
            "-f",
            "rawvideo",
            "-",
        ],
        path,
    );
    let pictures = raw
        .chunks_exact(I420Frame::bytes_for(WIDTH, HEIGHT))
        .map(|data| {
            let frame = I420Frame {
                width: WIDTH,
                height: HEIGHT,
                data: data.to_vec(),
            };
            read_strip(&frame).expect("every picture is readable")
        });
    let times = times
        .lines()
        .map(|line| line.trim_end_matches(',').parse().unwrap());
    times.zip(pictures).collect()
}

/// Gives the share of the energy that is a steady 1 kHz.
fn share_at_1_khz(samples: &[f32]) -> f64 {
    let (mut cosine, mut sine, mut energy) = (0.0, 0.0, 0.0);
    for (n, &s) in samples.iter().enumerate() {
        let angle = TAU * 1_000.0 * n as f64 / 48_000.0;
        cosine += f64::from(s) * angle.cos();
        sine += f64::from(s) * angle.sin();
        energy += f64::from(s).powi(2);
    }
    2.0 * (cosine * cosine + sine * sine) / samples.len() as f64 / energy
}

#[test]
fn a_recorded_call_has_every_picture_in_step_with_its_sound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.webm");
    let mut random = StdRng::seed_from_u64(7);
    let mut network = Network::new();
    // A beep of 100 ms at every full second.
    send_audio(&mut network, &mut random, |n| {
        let tone = (0.25 * (TAU * 1_000.0 * n as f64 / 48_000.0).sin()) as f32;
        if n % 48_000 < 4_800 { tone } else { 0.0 }
    });
    send_video(&mut network, &mut random);
    let mut receiver = Receiver::new(&path);
    receiver.receive(network);
    receiver.recorder.close().unwrap();

    let pictures = recorded_pictures(&path);
    assert!(
        pictures.len() as u64 >= SECONDS * FPS - 10,
        "{}",
        pictures.len()
    );
    assert!(
        pictures.windows(2).all(|w| w[1].1 == w[0].1 + 1),
        "every picture, in order"
    );
    let sound = recorded_sound(&path);
    for second in 1..SECONDS - 1 {
        let near = second as usize * 48_000..second as usize * 48_000 + 30_000;
        let onset = near
            .clone()
            .find(|&n| sound[n].abs() > 0.05)
            .expect("a beep") as f64
            / 48_000.0;
        let sound_lag = onset - second as f64;
        for (time, number) in &pictures {
            let taken = f64::from(*number) / FPS as f64;
            if (taken - second as f64).abs() < 0.5 {
                let step = time - taken - sound_lag;
                assert!(step.abs() < 0.040, "picture {number} is {step:.3} s off");
            }
        }
    }
}

#[test]
fn a_tone_crosses_a_lossy_call_level_and_pure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.webm");
    let mut random = StdRng::seed_from_u64(11);
    let mut network = Network::new();
    let sample = |n: u64| 0.25 * (TAU * 1_000.0 * n as f64 / 48_000.0).sin();
    send_audio(&mut network, &mut random, |n| sample(n) as f32);
    let mut receiver = Receiver::new(&path);
    receiver.receive(network);
    let counters = receiver.jitter.counters();
    assert!(
        counters.concealed_samples + counters.fec_samples > 0,
        "some packets were lost"
    );
    receiver.recorder.close().unwrap();

    let sound = recorded_sound(&path);
    let steady = &sound[48_000..(SECONDS as usize - 1) * 48_000];
    let power = steady.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / steady.len() as f64;
    let level_db = 10.0 * (power / (0.25 * 0.25 / 2.0)).log10();
    assert!(level_db.abs() < 1.0, "{level_db:.2} dB");
    // Pieces of 50 ms see what lies within 20 Hz.
    let pieces: Vec<f64> = steady.chunks_exact(2_400).map(share_at_1_khz).collect();
    let purity = pieces.iter().sum::<f64>() / pieces.len() as f64;
    assert!(purity > 0.95, "{purity:.3} of the energy at 1 kHz");
    let whole = share_at_1_khz(steady);
    assert!(
        whole > 0.9,
        "{whole:.3} in phase from end to end: one constant lag"
    );
    let quiet = steady
        .chunks(480)
        .filter(|b| b.iter().all(|s| s.abs() < 0.05))
        .count();
    assert_eq!(quiet, 0, "no gap of 10 ms");
}
