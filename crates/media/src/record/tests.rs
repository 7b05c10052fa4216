//! Recordings of a made-up call, judged by ffmpeg.

use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::frame::{BLOCK_DURATION, SAMPLE_RATE};
use crate::opus;
use crate::source::{AudioSource, TestPattern, Tone};
use crate::vp8;

const MS: Duration = Duration::from_millis(1);

/// Runs a program of ffmpeg's and gives what it printed; it must not complain.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect("ffmpeg is installed");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "{program}: {complaints}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn probe(path: &Path, what: &str, stream: &str) -> Vec<String> {
    let mut arguments = vec!["-v", "error", "-of", "csv=p=0", "-show_entries", what];
    if !stream.is_empty() {
        arguments.extend(["-select_streams", stream]);
    }
    arguments.push(path.to_str().unwrap());
    run("ffprobe", &arguments)
        .lines()
        .map(|l| l.trim_end_matches(',').to_owned())
        .collect()
}

/// Decodes everything and gives the sound's samples.
fn sound(path: &Path) -> Vec<f32> {
    let path = path.to_str().unwrap();
    let raw = Command::new("ffmpeg")
        .args(["-v", "error", "-i", path, "-map", "0:a", "-f", "f32le", "-"])
        .output()
        .unwrap();
    assert!(raw.status.success() && raw.stderr.is_empty());
    raw.stdout
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}

struct Camera {
    pattern: TestPattern,
    encoder: vp8::Encoder,
    shown: u64,
}

impl Camera {
    fn new(width: u32, height: u32) -> Self {
        let config = vp8::EncoderConfig::new(width, height, 25, 400_000);
        Self {
            pattern: TestPattern::new(width, height, 25).unwrap(),
            encoder: vp8::Encoder::new(config).unwrap(),
            shown: 0,
        }
    }

    fn next(&mut self, keyframe: bool) -> VideoFrame {
        if keyframe {
            self.encoder.request_keyframe();
        }
        let at = Duration::from_millis(self.shown * 40);
        let encoded = self
            .encoder
            .encode(&self.pattern.draw(self.shown), at)
            .unwrap()
            .unwrap();
        self.shown += 1;
        let size = vp8::FrameHeader::parse(&encoded.data)
            .unwrap()
            .keyframe_size;
        VideoFrame {
            data: encoded.data,
            keyframe: encoded.keyframe,
            size,
            timestamp: RtpTime(0),
        }
    }
}

fn info(kind: TrackKind, name: &str) -> TrackInfo {
    TrackInfo {
        kind,
        track_id: format!("t-{name}"),
        peer_id: format!("p-{name}"),
        name: name.into(),
    }
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.webm");
    (folder, path)
}

/// Records `seconds` of a tone that beeps at every full second, and a picture from 500 ms on.
fn record_call(recorder: &mut WebmRecorder, start: Instant, seconds: u32) -> RecordedTrack {
    let track = recorder.add_track(info(TrackKind::Video, "Ada"));
    let mut camera = Camera::new(320, 180);
    let mut tone = Tone::default();
    for block in 0..seconds * 100 {
        let at = start + block * BLOCK_DURATION;
        let mut samples = [0.0; BLOCK_SAMPLES];
        if block % 100 < 10 {
            tone.read(&mut samples).unwrap();
        }
        recorder.write_mix(&samples, at).unwrap();
        if block >= 50 && block % 4 == 0 {
            // Pictures come before or after the sound of their moment.
            let frame = camera.next(false);
            recorder.write_video(track, &frame, at).unwrap();
        }
    }
    track
}

#[test]
fn a_file_holds_sound_and_picture_at_their_times_with_an_index() {
    let (_folder, path) = folder();
    let start = Instant::now();
    let mut recorder = WebmRecorder::create(&path, start).unwrap();
    assert!(recorder.wants_mix());
    let track = record_call(&mut recorder, start, 12);
    assert_eq!(recorder.take_keyframe_request(), None, "it came by itself");
    recorder.remove_track(track).unwrap();
    let summary = recorder.close().unwrap();
    assert_eq!((summary.files, summary.frames), (1, 287));

    assert_eq!(
        probe(
            &path,
            "stream=codec_name,width,height,sample_rate,channels",
            ""
        ),
        ["opus,48000,1", "vp8,320,180"]
    );
    let duration: f64 = probe(&path, "format=duration", "")[0].parse().unwrap();
    assert!((duration - 12.0).abs() < 0.03, "{duration}");
    let times: Vec<f64> = probe(&path, "packet=pts_time", "v")
        .iter()
        .map(|t| t.parse().unwrap())
        .collect();
    assert_eq!(times.len(), 287);
    assert!((times[0] - 0.52).abs() < 0.0015 && times.windows(2).all(|w| w[1] > w[0]));
    // Beeps stand where they were heard: at every full second, to the sample but for the codec.
    let sound = sound(&path);
    for second in 1..12 {
        let onset = (second * 48_000 - 2_400..second * 48_000 + 2_400)
            .find(|&n| sound[n].abs() > 0.05)
            .unwrap();
        assert!(onset.abs_diff(second * 48_000) < 240, "{second} s: {onset}");
    }
    // The index leads to a keyframe or a cluster of the middle.
    let seek = run(
        "ffprobe",
        &[
            "-v",
            "error",
            "-of",
            "csv=p=0",
            "-read_intervals",
            "8%+#1",
            "-select_streams",
            "a",
            "-show_entries",
            "packet=pts_time",
            path.to_str().unwrap(),
        ],
    );
    assert!(!seek.trim().is_empty());
    run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-i",
            path.to_str().unwrap(),
            "-f",
            "null",
            "-",
        ],
    );
}

#[test]
fn a_file_can_be_played_while_it_is_written() {
    let (_folder, path) = folder();
    let start = Instant::now();
    let mut recorder = WebmRecorder::create(&path, start).unwrap();
    record_call(&mut recorder, start, 4);
    let copy = path.with_file_name("copy.webm");
    std::fs::copy(&path, &copy).unwrap();
    assert!(sound(&copy).len() > 3 * 48_000);
    assert!(probe(&copy, "packet=pts_time", "v").len() > 60);
    recorder.close().unwrap();
}

#[test]
fn sound_alone_and_nothing_at_all_are_valid_files() {
    let (_folder, path) = folder();
    let start = Instant::now();
    let mut recorder = WebmRecorder::create(&path, start).unwrap();
    for block in 0..700 {
        recorder
            .write_mix(&[0.1; BLOCK_SAMPLES], start + block * BLOCK_DURATION)
            .unwrap();
    }
    drop(recorder);
    assert_eq!(sound(&path).len().abs_diff(7 * 48_000 - 312) / 960, 0);
    assert_eq!(probe(&path, "stream=codec_name", ""), ["opus"]);

    let empty = path.with_file_name("empty.webm");
    WebmRecorder::create(&empty, start)
        .unwrap()
        .close()
        .unwrap();
    assert_eq!(probe(&empty, "stream=codec_name", ""), ["opus"]);
}

#[test]
fn a_gap_in_the_mix_becomes_silence() {
    let (_folder, path) = folder();
    let start = Instant::now();
    let mut recorder = WebmRecorder::create(&path, start).unwrap();
    for block in (0..100).chain(250..300) {
        recorder
            .write_mix(&[0.1; BLOCK_SAMPLES], start + block * BLOCK_DURATION)
            .unwrap();
    }
    recorder.close().unwrap();
    assert_eq!(sound(&path).len().abs_diff(3 * 48_000 - 312) / 960, 0);
}

#[test]
fn the_picture_changes_over_at_keyframes_and_may_change_its_size() {
    let (_folder, path) = folder();
    let start = Instant::now();
    let mut recorder = WebmRecorder::create(&path, start).unwrap();
    let tracks = ["Ada", "Bob"].map(|name| recorder.add_track(info(TrackKind::Video, name)));
    let mut cameras = [Camera::new(320, 180), Camera::new(640, 360)];
    for n in 0..100u32 {
        for block in n * 4..n * 4 + 4 {
            recorder
                .write_mix(&[0.0; BLOCK_SAMPLES], start + block * BLOCK_DURATION)
                .unwrap();
        }
        if n == 40 {
            recorder.prefer(tracks[1]);
            assert_eq!(recorder.take_keyframe_request(), Some(tracks[1]));
            assert_eq!(recorder.take_keyframe_request(), None);
        }
        if n == 80 {
            recorder.remove_track(tracks[1]).unwrap();
            assert_eq!(recorder.take_keyframe_request(), Some(tracks[0]));
        }
        for (who, camera) in cameras.iter_mut().enumerate() {
            let frame = camera.next(who == 1 && n == 50 || who == 0 && n == 85);
            if who == 0 || n < 80 {
                recorder
                    .write_video(tracks[who], &frame, start + n * 40 * MS)
                    .unwrap();
            }
        }
    }
    let summary = recorder.close().unwrap();
    // Of the moment of each change, only the new picture is kept.
    assert_eq!(summary.frames, 50 + 30 + 15);
    let sizes = probe(&path, "frame=width,height", "v");
    assert_eq!(sizes.len(), 95);
    assert_eq!(sizes.iter().filter(|size| *size == "640,360").count(), 30);
    run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-i",
            path.to_str().unwrap(),
            "-f",
            "null",
            "-",
        ],
    );
}

#[test]
fn pictures_out_of_order_in_time_are_written_in_order() {
    let (_folder, path) = folder();
    let start = Instant::now();
    let mut recorder = WebmRecorder::create(&path, start).unwrap();
    let track = recorder.add_track(info(TrackKind::Video, "Ada"));
    let mut camera = Camera::new(320, 180);
    for n in 0..50u32 {
        for block in n * 4..n * 4 + 4 {
            recorder
                .write_mix(&[0.0; BLOCK_SAMPLES], start + block * BLOCK_DURATION)
                .unwrap();
        }
        let early_or_late = if n % 2 == 0 { 100 } else { 20 };
        let at = start + (n * 40 + early_or_late) * MS;
        recorder
            .write_video(track, &camera.next(false), at - 60 * MS.min(at - start))
            .unwrap();
    }
    recorder.close().unwrap();
    let times: Vec<f64> = probe(&path, "packet=dts_time", "")
        .iter()
        .map(|t| t.parse().unwrap())
        .collect();
    let video: Vec<f64> = probe(&path, "packet=dts_time", "v")
        .iter()
        .map(|t| t.parse().unwrap())
        .collect();
    assert!(video.windows(2).all(|w| w[1] > w[0]), "{video:?}");
    let back = times.windows(2).map(|w| w[0] - w[1]).fold(0.0, f64::max);
    assert!(back < 0.01, "stepped back by {back} s");
}

#[test]
fn a_folder_holds_a_file_for_each_track_and_says_when_each_began() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call");
    let start = Instant::now();
    let mut recorder = WebmRecorder::create(&path, start).unwrap();
    assert!(!recorder.wants_mix());
    let video = recorder.add_track(info(TrackKind::Video, "Ada/../Ärger"));
    let audio = recorder.add_track(info(TrackKind::Audio, "Ada/../Ärger"));
    let unheard = recorder.add_track(info(TrackKind::Audio, "Bob"));
    assert_eq!(recorder.take_keyframe_request(), Some(video));
    let mut camera = Camera::new(320, 180);
    let mut encoder = opus::Encoder::new(opus::EncoderConfig::default()).unwrap();
    let mut packet = [0; opus::PACKET_BYTES_MAX];
    camera.next(false);
    for n in 0..150u16 {
        let at = start + 1_000 * MS + u32::from(n) * 20 * MS;
        let bytes = encoder
            .encode(&[0.1; opus::PACKET_SAMPLES], &mut packet)
            .unwrap();
        let payload = Bytes::copy_from_slice(&packet[..bytes]);
        let timestamp = RtpTime(u32::from(n) * (SAMPLE_RATE / 50));
        if n != 70 {
            recorder
                .write_audio(audio, SequenceNumber(n), timestamp, payload, at)
                .unwrap();
        }
        if n % 2 == 0 {
            recorder
                .write_video(video, &camera.next(n == 20), at)
                .unwrap();
        }
    }
    recorder.remove_track(unheard).unwrap();
    let summary = recorder.close().unwrap();
    assert_eq!((summary.files, summary.frames), (2, 65));

    let session: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path.join("session.json")).unwrap()).unwrap();
    let tracks = session["tracks"].as_array().unwrap();
    let began = |n: usize| {
        (
            tracks[n]["file"].as_str().unwrap(),
            tracks[n]["offset_ms"].as_u64().unwrap(),
        )
    };
    assert_eq!(began(0), ("01-Ada----Ärger-audio.webm", 1_000));
    assert_eq!(began(1), ("02-Ada----Ärger-video.webm", 1_400));
    assert_eq!(tracks[1]["track_id"], "t-Ada/../Ärger");
    assert_eq!(
        probe(&path.join(began(1).0), "packet=pts_time", "v").len(),
        65
    );
    assert_eq!(
        probe(&path.join(began(0).0), "packet=pts_time", "a").len(),
        149
    );
}

#[test]
fn nothing_is_overwritten_and_bad_places_are_plain_errors() {
    let (folder, path) = folder();
    std::fs::write(&path, b"precious").unwrap();
    let now = Instant::now();
    let codes = |path: &Path| WebmRecorder::create(path, now).unwrap_err().code();
    assert_eq!(codes(&path), "recording_exists");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    assert_eq!(
        codes(Path::new("/nowhere/call.webm")),
        "recording_unwritable"
    );
    assert_eq!(
        codes(&folder.path().join("call.webm/folder")),
        "recording_unwritable"
    );
    let error = WebmRecorder::create("/proc/call", now).unwrap_err();
    assert_eq!(error.code(), "recording_unwritable");
    assert!(
        error
            .to_string()
            .starts_with("the recording /proc/call cannot be created")
    );

    let full = folder.path().join("full.webm");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    assert_eq!(codes(&full), "recording_disk_full");

    let call = folder.path().join("call");
    WebmRecorder::create(&call, now).unwrap().close().unwrap();
    assert_eq!(codes(&call), "recording_exists");
}

#[test]
fn an_unknown_track_is_named() {
    let (_folder, path) = folder();
    let start = Instant::now();
    let mut recorder = WebmRecorder::create(&path, start).unwrap();
    let sound = recorder.add_track(info(TrackKind::Audio, "Ada"));
    let frame = Camera::new(320, 180).next(true);
    for track in [sound, RecordedTrack(99)] {
        let error = recorder.write_video(track, &frame, start).unwrap_err();
        assert_eq!(error.code(), "recording_unknown_track");
    }
}
