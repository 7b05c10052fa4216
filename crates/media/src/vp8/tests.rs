//! Encoder and decoder together, on real pictures and on damaged ones.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::error::CodecError;
use crate::frame::I420Frame;
use crate::source::{TestPattern, VideoSource, read_strip};

fn encoder(width: u32, height: u32, bitrate_bps: u32) -> Encoder {
    Encoder::new(EncoderConfig::new(width, height, 30, bitrate_bps)).unwrap()
}

fn encode_pattern(pattern: &TestPattern, encoder: &mut Encoder, count: u64) -> Vec<EncodedFrame> {
    (0..count)
        .map(|n| {
            let at = Duration::from_millis(n * 1000 / 30);
            encoder.encode(&pattern.draw(n), at).unwrap().unwrap()
        })
        .collect()
}

#[test]
fn the_test_pattern_keeps_35_db_at_1_mbit() {
    let pattern = TestPattern::new(640, 360, 30).unwrap();
    let mut encoder = encoder(640, 360, 1_000_000);
    let mut decoder = Decoder::new(1).unwrap();
    let frames = encode_pattern(&pattern, &mut encoder, 90);
    assert!(frames[0].keyframe && frames[1..].iter().all(|f| !f.keyframe));
    let mut worst = f64::INFINITY;
    for (n, encoded) in frames.iter().enumerate() {
        let decoded = decoder.decode(&encoded.data).unwrap();
        assert_eq!(read_strip(decoded), Some(n as u16));
        worst = worst.min(decoded.psnr_y(&pattern.draw(n as u64)).unwrap());
    }
    assert!(worst >= 35.0, "{worst:.2} dB");
    let bytes: usize = frames.iter().map(|f| f.data.len()).sum();
    let bitrate = bytes as f64 * 8.0 / 3.0;
    assert!(bitrate < 1_300_000.0, "{bitrate:.0} b/s");
}

/// Encodes the test pattern in two temporal layers.
fn encode_layers(pattern: &TestPattern, bitrate_bps: u32, count: u64) -> Vec<EncodedFrame> {
    let (width, height) = pattern.size();
    let config = EncoderConfig {
        temporal_layers: 2,
        ..EncoderConfig::new(width, height, 30, bitrate_bps)
    };
    encode_pattern(pattern, &mut Encoder::new(config).unwrap(), count)
}

#[test]
fn every_other_picture_of_two_temporal_layers_can_be_left_out() {
    let pattern = TestPattern::new(640, 360, 30).unwrap();
    let frames = encode_layers(&pattern, 1_000_000, 90);
    for (n, frame) in frames.iter().enumerate() {
        assert_eq!(frame.temporal_layer, n as u8 % 2, "{n}");
    }
    for leave_out in [[0, 1, 2], [1, 1, 1]] {
        let mut decoder = Decoder::new(1).unwrap();
        for (n, frame) in frames.iter().enumerate() {
            // Once every sixth picture is lost, once all that may be.
            if frame.temporal_layer == 1 && leave_out[n / 2 % 3] == 1 {
                continue;
            }
            let decoded = decoder.decode(&frame.data).unwrap();
            assert_eq!(read_strip(decoded), Some(n as u16));
            let psnr = decoded.psnr_y(&pattern.draw(n as u64)).unwrap();
            assert!(psnr >= 34.0, "picture {n}: {psnr:.2} dB");
        }
    }
    let bytes: usize = frames.iter().map(|f| f.data.len()).sum();
    assert!(bytes as f64 * 8.0 / 3.0 < 1_300_000.0, "{bytes}");
}

#[test]
fn a_keyframe_begins_the_temporal_layers_anew() {
    let pattern = TestPattern::new(320, 180, 30).unwrap();
    let config = EncoderConfig {
        temporal_layers: 2,
        ..EncoderConfig::new(320, 180, 30, 300_000)
    };
    let mut encoder = Encoder::new(config).unwrap();
    encode_pattern(&pattern, &mut encoder, 3);
    encoder.request_keyframe();
    encoder.set_bitrate(200_000).unwrap();
    let layers: Vec<_> = (3..7)
        .map(|n| {
            let at = Duration::from_millis(n * 33);
            let frame = encoder.encode(&pattern.draw(n), at).unwrap().unwrap();
            (frame.keyframe, frame.temporal_layer)
        })
        .collect();
    assert_eq!(layers, [(true, 0), (false, 1), (false, 0), (false, 1)]);
}

#[test]
fn a_keyframe_comes_when_asked_for() {
    let pattern = TestPattern::new(320, 180, 30).unwrap();
    let mut encoder = encoder(320, 180, 300_000);
    encode_pattern(&pattern, &mut encoder, 5);
    encoder.request_keyframe();
    let frame = encoder
        .encode(&pattern.draw(5), Duration::from_millis(170))
        .unwrap()
        .unwrap();
    assert!(frame.keyframe);
    assert_eq!(
        FrameHeader::parse(&frame.data).unwrap().keyframe_size,
        Some((320, 180))
    );
    let next = encoder
        .encode(&pattern.draw(6), Duration::from_millis(200))
        .unwrap()
        .unwrap();
    assert!(!next.keyframe);
    assert_eq!(FrameHeader::parse(&next.data).unwrap().keyframe_size, None);
}

#[test]
fn bitrate_follows_a_change() {
    let pattern = TestPattern::new(640, 360, 30).unwrap();
    let mut encoder = encoder(640, 360, 2_000_000);
    let high: usize = encode_pattern(&pattern, &mut encoder, 60)[30..]
        .iter()
        .map(|f| f.data.len())
        .sum();
    encoder.set_bitrate(300_000).unwrap();
    let mut sizes = Vec::new();
    for n in 60..150u64 {
        let at = Duration::from_millis(n * 1000 / 30);
        sizes.push(
            encoder
                .encode(&pattern.draw(n), at)
                .unwrap()
                .unwrap()
                .data
                .len(),
        );
    }
    let low: usize = sizes[60..].iter().sum();
    assert!(low * 2 < high, "{low} bytes a second after {high}");
    assert!(encoder.set_bitrate(1).is_err());
    assert_eq!(encoder.config().bitrate_bps, 300_000);
}

#[test]
fn another_size_restarts_with_a_keyframe_and_decodes() {
    let mut encoder = encoder(320, 180, 500_000);
    let mut decoder = Decoder::new(1).unwrap();
    for (n, (width, height)) in [(320, 180), (640, 360), (161, 91), (320, 180)]
        .iter()
        .enumerate()
    {
        let pattern = TestPattern::new(*width, *height, 30).unwrap();
        for k in 0..3u64 {
            let at = Duration::from_millis((n as u64 * 3 + k) * 33);
            let encoded = encoder.encode(&pattern.draw(k), at).unwrap().unwrap();
            assert_eq!(encoded.keyframe, k == 0);
            let decoded = decoder.decode(&encoded.data).unwrap();
            assert_eq!((decoded.width, decoded.height), (*width, *height));
            assert!(decoded.psnr_y(&pattern.draw(k)).unwrap() > 28.0);
        }
    }
}

#[test]
fn time_stamps_that_stand_still_are_survived() {
    let mut encoder = encoder(320, 180, 300_000);
    let mut pattern = TestPattern::new(320, 180, 30).unwrap();
    for _ in 0..5 {
        let captured = pattern.next_frame().unwrap().unwrap();
        assert!(
            encoder
                .encode(&captured.frame, Duration::from_secs(1))
                .unwrap()
                .is_some()
        );
    }
}

#[test]
fn a_decoder_starts_and_restarts_with_a_keyframe() {
    let pattern = TestPattern::new(320, 180, 30).unwrap();
    let mut encoder = encoder(320, 180, 300_000);
    let frames = encode_pattern(&pattern, &mut encoder, 4);
    let mut decoder = Decoder::new(1).unwrap();
    assert_eq!(
        decoder.decode(&frames[1].data).err(),
        Some(CodecError::AwaitingKeyframe)
    );
    assert!(decoder.last_frame().is_none());
    decoder.decode(&frames[0].data).unwrap();
    let good = decoder.last_frame().unwrap().clone();
    assert_eq!(decoder.decode(&[]).err(), Some(CodecError::CorruptVideo));
    assert_eq!(
        decoder.decode(&frames[1].data).err(),
        Some(CodecError::AwaitingKeyframe)
    );
    assert_eq!(decoder.last_frame(), Some(&good));
    decoder.decode(&frames[0].data).unwrap();
    decoder.decode(&frames[1].data).unwrap();
    decoder.handle_loss();
    assert!(decoder.awaits_keyframe());
}

#[test]
fn a_keyframe_that_claims_a_giant_picture_is_refused() {
    let mut forged = vec![0x10, 0, 0, 0x9D, 0x01, 0x2A, 0xFF, 0x3F, 0xFF, 0x3F];
    forged.extend([0; 64]);
    assert_eq!(
        Decoder::new(1).unwrap().decode(&forged).err(),
        Some(CodecError::CorruptVideo)
    );
}

#[test]
fn settings_out_of_range_are_named() {
    type Spoil = fn(&mut EncoderConfig);
    let spoils: [(Spoil, &str); 7] = [
        (|it| it.width = 0, "picture width"),
        (|it| it.height = 4097, "picture height"),
        (|it| it.fps = 0, "picture rate"),
        (|it| it.cpu_used = 4, "video speed"),
        (|it| it.threads = 0, "video threads"),
        (|it| it.temporal_layers = 3, "temporal layers"),
        (|it| it.bitrate_bps = 10, "video bitrate"),
    ];
    let good = EncoderConfig::new(320, 180, 30, 300_000);
    for (spoil, setting) in spoils {
        let mut bad = good.clone();
        spoil(&mut bad);
        match Encoder::new(bad).unwrap_err() {
            CodecError::Setting { setting: named, .. } => assert_eq!(named, setting),
            other => panic!("{other}"),
        }
    }
    let short = I420Frame {
        width: 320,
        height: 180,
        data: vec![0; 100],
    };
    let error = Encoder::new(good)
        .unwrap()
        .encode(&short, Duration::ZERO)
        .unwrap_err();
    assert!(matches!(
        error,
        CodecError::PictureSize {
            found_bytes: 100,
            ..
        }
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever arrives, the decoder neither crashes nor lends a picture of the wrong length.
    #[test]
    fn damaged_frames_are_survived(
        flips in prop::collection::vec((0usize..5000, any::<u8>()), 1..12),
        cut in 0usize..5000,
        junk in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let pattern = TestPattern::new(160, 96, 30).unwrap();
        let mut encoder = encoder(160, 96, 200_000);
        let frames = encode_pattern(&pattern, &mut encoder, 4);
        let mut decoder = Decoder::new(1).unwrap();
        for encoded in &frames {
            let mut data = encoded.data.to_vec();
            for (at, value) in &flips {
                let at = at % data.len();
                data[at] ^= value;
            }
            data.truncate(cut.max(1));
            for input in [&data[..], &junk[..], &encoded.data[..]] {
                if let Ok(frame) = decoder.decode(input) {
                    prop_assert!(frame.check().is_ok());
                }
            }
        }
        prop_assert!(decoder.decode(&frames[0].data).is_ok());
    }
}
