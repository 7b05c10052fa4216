//! One remote picture: packets to frames, and when each belongs on screen.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use snug_media::playout::{AssemblerConfig, AssemblerOutput, VideoAssembler, VideoFrame};
use snug_rtp::{Missing, RtpTime, SequenceNumber, Sequences};

use super::Packet;
use super::count::PacketCount;
use super::decode::Decode;
use super::view::View;
use super::worker::VIDEO_RATE;
use crate::stats::ReceivedStats;

/// Frames that wait for their time: two seconds at 60 a second, more than any playout delay.
const WAITING_MAX: usize = 128;

/// How long frames wait for the sound of the same sender to start, so that both can be put in
/// step from the first frame on.
const WAIT_FOR_SOUND: Duration = Duration::from_secs(1);

/// Pictures since the last keyframe that are kept for whoever begins to look: a second and a half
/// at 30 a second. A window hears of a track, finds a place for it and then looks; so long that
/// takes, and a keyframe need not be asked for.
const RECENT_MAX: usize = 45;

/// Bytes of such pictures: a keyframe of 1080p and what follows it.
const RECENT_BYTES_MAX: usize = 1 << 20;

/// Shortest pause between two keyframes asked for on behalf of a recording or a view.
const KEYFRAME_PAUSE: Duration = Duration::from_millis(500);

/// What a packet, or the time, brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The first whole frame.
    FirstFrame,
    /// Nothing can be shown before a keyframe comes.
    KeyframeWanted,
    /// These packets should be sent again.
    Missing(Sequences),
}

/// What becomes of frames besides being decoded.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Keep {
    /// They wait to be placed on the timeline of a recording.
    pub(super) to_place: bool,
    /// The last few are kept for somebody who may begin to look.
    pub(super) recent: bool,
}

/// A picture.
pub(super) struct Video {
    assembler: VideoAssembler,
    missing: Missing,
    decode: Option<Decode>,
    view: Option<View>,
    /// Pictures decoded by views that are over.
    decoded_before: u64,
    /// The last keyframe and all that came after it, while that is little; else nothing.
    recent: Vec<VideoFrame>,
    count: PacketCount,
    size: Option<(u32, u32)>,
    seen: bool,
    /// Whole frames that are not due yet, when somebody wants to know when they are.
    waiting: VecDeque<(VideoFrame, Instant)>,
    keep: Keep,
    ssrc: Option<u32>,
    asked_at: Option<Instant>,
    wanted: bool,
}

impl Video {
    /// Makes a picture; with `decode` it is decoded. `keep` says what else becomes of its frames.
    pub(super) fn new(decode: Option<Decode>, keep: Keep) -> Self {
        Self {
            assembler: VideoAssembler::new(AssemblerConfig::default()),
            missing: Missing::default(),
            decode,
            view: None,
            decoded_before: 0,
            recent: Vec::new(),
            count: PacketCount::default(),
            size: None,
            seen: false,
            waiting: VecDeque::new(),
            keep,
            ssrc: None,
            asked_at: None,
            wanted: false,
        }
    }

    /// Takes a packet.
    pub(super) fn take(&mut self, packet: &Packet) -> Vec<Found> {
        self.count
            .take(packet.ssrc, packet.sequence, packet.payload.len());
        self.count.time(packet.at, packet.timestamp, VIDEO_RATE);
        let sequence = SequenceNumber(packet.sequence);
        if self.ssrc.replace(packet.ssrc) != Some(packet.ssrc) {
            self.missing = Missing::default();
        }
        if self.missing.handle_packet(sequence, packet.at) {
            self.assembler.expect_repairs_within(self.missing.slowest());
        }
        self.assembler.handle_packet(
            sequence,
            RtpTime(packet.timestamp),
            packet.marker,
            packet.payload.clone(),
            packet.at,
        );
        self.drain(packet.at)
    }

    /// Stops decoding what nobody looks at.
    pub(super) fn stop_decoding(&mut self) {
        if let Some(decode) = self.decode.take() {
            self.decoded_before += decode.decoded();
        }
    }

    /// Who looks, if anybody.
    pub(super) fn view(&mut self) -> Option<&mut View> {
        self.view.as_mut()
    }

    /// Looks by `view` from now on, or not at all. Begins with the last keyframe when that was just
    /// now, else asks for one.
    pub(super) fn look(&mut self, view: Option<View>, now: Instant) {
        if let Some(over) = std::mem::replace(&mut self.view, view) {
            self.decoded_before += over.decoded();
        }
        let Some(view) = &mut self.view else {
            return;
        };
        let mut begun = false;
        for frame in &self.recent {
            begun = !view.put(frame.clone(), now);
        }
        if !begun {
            self.want_keyframe(now);
        }
    }

    /// Asks for a keyframe although the picture is whole: a recording or a view begins with one.
    /// What is shown goes on; asked again too soon, nothing happens.
    pub(super) fn want_keyframe(&mut self, now: Instant) {
        let soon = |last| now.saturating_duration_since(last) < KEYFRAME_PAUSE;
        if self.ssrc.is_some() && !self.asked_at.is_some_and(soon) {
            self.asked_at = Some(now);
            self.wanted = true;
        }
    }

    /// Lets time pass.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<Found> {
        if std::mem::take(&mut self.wanted) {
            let mut found = self.pass(now);
            found.push(Found::KeyframeWanted);
            return found;
        }
        self.pass(now)
    }

    fn pass(&mut self, now: Instant) -> Vec<Found> {
        let mut found = Vec::new();
        if self.assembler.deadline().is_some_and(|at| at <= now) {
            self.assembler.handle_timeout(now);
            found = self.drain(now);
        }
        if self.missing.deadline().is_some_and(|at| at <= now) {
            found.extend(self.missing.poll(now).map(Found::Missing));
        }
        found
    }

    /// The stream that a keyframe has to be asked for.
    pub(super) fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// Takes the next frame that `place` puts into the past, with its time. While `place` cannot
    /// say, frames wait for it a little.
    pub(super) fn next_due(
        &mut self,
        now: Instant,
        place: impl Fn(RtpTime, bool) -> Option<Instant>,
    ) -> Option<(VideoFrame, Instant)> {
        let (frame, since) = self.waiting.front()?;
        let patient = now.saturating_duration_since(*since) < WAIT_FOR_SOUND;
        let at = place(frame.timestamp, patient)?;
        if at > now {
            return None;
        }
        self.waiting.pop_front().map(|(frame, _)| (frame, at))
    }

    /// What was received so far.
    pub(super) fn stats(&self) -> ReceivedStats {
        let counters = self.assembler.counters();
        let (width, height) = self.size.unwrap_or_default();
        ReceivedStats {
            packets_received: self.count.received,
            packets_lost: self.count.lost(),
            bytes_received: self.count.bytes,
            frames_received: counters.frames,
            frames_decoded: self.decoded_before
                + self.decode.as_ref().map_or(0, Decode::decoded)
                + self.view.as_ref().map_or(0, View::decoded),
            keyframes: counters.keyframes,
            keyframe_requests: counters.requests,
            samples_concealed: 0,
            long_gaps: 0,
            packets_recovered: 0,
            jitter_us: self.count.jitter().as_micros() as u64,
            width,
            height,
        }
    }

    fn drain(&mut self, now: Instant) -> Vec<Found> {
        let mut found = Vec::new();
        while let Some(output) = self.assembler.poll_output(now) {
            match output {
                AssemblerOutput::KeyframeWanted => found.push(Found::KeyframeWanted),
                AssemblerOutput::Frame(frame) => {
                    if !std::mem::replace(&mut self.seen, true) {
                        found.push(Found::FirstFrame);
                    }
                    self.show(frame, now);
                }
            }
        }
        found
    }

    fn show(&mut self, frame: VideoFrame, now: Instant) {
        self.size = frame.size.or(self.size);
        if let Some(decode) = &mut self.decode
            && decode.put(&frame.data, frame.keyframe)
        {
            self.assembler.handle_decode_error(now);
        }
        if self.keep.recent {
            self.remember(&frame);
        }
        let view = self.view.as_mut();
        if view.is_some_and(|view| view.put(frame.clone(), now)) {
            self.want_keyframe(now);
        }
        if self.keep.to_place {
            if self.waiting.len() == WAITING_MAX {
                self.waiting.pop_front();
            }
            self.waiting.push_back((frame, now));
        }
    }

    fn remember(&mut self, frame: &VideoFrame) {
        let bytes: usize = self.recent.iter().map(|kept| kept.data.len()).sum();
        let room = self.recent.len() < RECENT_MAX && bytes + frame.data.len() <= RECENT_BYTES_MAX;
        if frame.keyframe || !room {
            self.recent.clear();
        }
        if frame.keyframe || !self.recent.is_empty() {
            self.recent.push(frame.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;

    fn keyframe_packet(sequence: u16, at: Instant) -> Packet {
        // One packet: descriptor, then the tag and start code of a 16x8 keyframe.
        let payload = [0x10, 0x10, 0, 0, 0x9D, 0x01, 0x2A, 16, 0, 8, 0, 1, 2, 3];
        Packet {
            mid: Arc::from("0"),
            at,
            marker: true,
            sequence,
            timestamp: 9000 * u32::from(sequence),
            ssrc: 7,
            payload: Bytes::copy_from_slice(&payload),
            earlier: None,
        }
    }

    #[test]
    fn the_first_whole_frame_is_told_once() {
        let now = Instant::now();
        let mut video = Video::new(None, Keep::default());
        assert_eq!(video.take(&keyframe_packet(1, now)), [Found::FirstFrame]);
        assert_eq!(video.take(&keyframe_packet(2, now)), []);
        let stats = video.stats();
        assert_eq!((stats.frames_received, stats.keyframes), (2, 2));
        assert_eq!((stats.width, stats.height, stats.packets_lost), (16, 8, 0));
    }

    #[test]
    fn a_picture_that_starts_in_the_middle_asks_for_a_keyframe() {
        let now = Instant::now();
        let mut video = Video::new(None, Keep::default());
        let mut packet = keyframe_packet(1, now);
        packet.payload = Bytes::from_static(&[0x10, 1, 2, 3, 4, 5, 6]);
        assert_eq!(video.take(&packet), [Found::KeyframeWanted]);
    }

    #[test]
    fn kept_frames_come_out_at_their_time() {
        let now = Instant::now();
        let keep = Keep {
            to_place: true,
            recent: false,
        };
        let mut video = Video::new(None, keep);
        video.take(&keyframe_packet(1, now));
        let due = now + Duration::from_millis(50);
        let place = |_, _| Some(due);
        assert!(video.next_due(now, place).is_none());
        assert!(
            video
                .next_due(due, |_, patient| (!patient).then_some(due))
                .is_none()
        );
        assert_eq!(video.next_due(due, place).map(|(_, at)| at), Some(due));
        assert!(video.next_due(due, place).is_none());
    }
}
