//! Simulcast: each subscriber is shown the encoding that it wants, or the best that is there.

use super::*;
use crate::{LayerReason, Notice};

const RIDS: [&str; 3] = ["l", "m", "h"];
/// The sources of l, m and h.
const SSRCS: [u32; 3] = [70, 71, 72];
const FRAME: Duration = Duration::from_millis(33);

/// A camera with three encodings whose keyframes come when they are asked for.
struct Simulcast {
    bench: Bench,
    /// Which encodings are sent, by letter.
    sent: Vec<&'static str>,
    frames: u16,
    /// Sources that owe a keyframe.
    owed: Vec<u32>,
    target: Option<&'static str>,
    notices: Vec<(String, LayerReason)>,
}

impl Simulcast {
    fn new() -> Self {
        let mut one = Self {
            bench: Bench::new(vec![]),
            sent: RIDS.to_vec(),
            frames: 0,
            owed: SSRCS.to_vec(),
            target: None,
            notices: Vec::new(),
        };
        one.publish(&[]);
        one
    }

    fn publish(&mut self, disabled: &[&str]) {
        let encodings = RIDS.iter().zip(SSRCS).map(|(rid, ssrc)| Encoding {
            is_disabled: disabled.contains(rid),
            ..encoding(Some(rid), Some(ssrc))
        });
        let publish = vec![camera(encodings.collect())];
        let now = self.bench.now;
        self.bench.router.set_media(SPEAKER, publish, vec![], now);
    }

    fn want(&mut self, target: &'static str) {
        self.target = Some(target);
        let wanted = Subscribe {
            target: Some(target.parse().unwrap()),
            ..subscribe(CAMERA, 502, 100)
        };
        let now = self.bench.now;
        let subscribes = vec![wanted, subscribe(VOICE, 602, 101)];
        self.bench
            .router
            .set_media(LISTENER, vec![], subscribes, now);
    }

    /// Sends one frame of each encoding that is sent, and reads what is asked for.
    fn frame(&mut self) {
        self.frames += 1;
        self.bench.now += FRAME;
        for rid in self.sent.clone() {
            let index = RIDS.iter().position(|known| *known == rid).unwrap();
            self.packet(index, self.frames);
        }
        self.note();
    }

    fn packet(&mut self, index: usize, number: u16) {
        let ssrc = SSRCS[index];
        let is_key = self.owed.contains(&ssrc);
        self.owed.retain(|owed| *owed != ssrc);
        // Each counts from a start of its own.
        let base = (1_000 * ssrc) as u16;
        let time = ssrc * 1_000_000 + u32::from(number) * 2_970;
        let sent = Sent::video(
            ssrc,
            base.wrapping_add(number),
            time,
            is_key,
            base.wrapping_add(number),
        );
        self.bench.send(&sent);
    }

    fn note(&mut self) {
        for output in self.bench.outputs() {
            if let Output::KeyframeRequest { ssrc, .. } = output {
                self.owed.push(ssrc);
            }
        }
        while let Some(notice) = self.bench.router.poll_notice() {
            let Notice::Layer {
                to,
                track,
                rid,
                reason,
            } = notice
            else {
                panic!("{notice:?}")
            };
            assert_eq!((to, track), (LISTENER, CAMERA));
            self.notices.push((rid.to_string(), reason));
        }
    }

    /// Sends frames until the listener is told of another encoding; returns it, and after how
    /// many frames.
    fn until_told(&mut self) -> (String, LayerReason, u16) {
        let (before, told) = (self.frames, self.notices.len());
        while self.notices.len() == told {
            self.frame();
            assert!(self.frames - before < 100, "nobody was told");
        }
        let (rid, reason) = self.notices[told].clone();
        (rid, reason, self.frames - before)
    }

    fn frames(&mut self, count: usize) {
        for _ in 0..count {
            self.frame();
        }
    }
}

#[test]
fn the_best_encoding_is_shown_to_who_wants_nothing_else() {
    let mut one = Simulcast::new();
    one.frames(30);
    let last = one.notices.last().unwrap();
    assert_eq!(*last, ("h".to_owned(), LayerReason::Wanted));
}

#[test]
fn a_target_is_reached_within_frames_and_told_once() {
    let mut one = Simulcast::new();
    one.frames(30);
    for target in ["l", "m", "h", "l"] {
        one.want(target);
        let (rid, reason, frames) = one.until_told();
        assert_eq!((&*rid, reason), (target, LayerReason::Wanted));
        // The keyframe is asked for with the first frame and comes with the next, unless the
        // throttle holds it back for half a second.
        assert!(frames <= 17, "{frames}");
        let told = one.notices.len();
        one.frames(30);
        assert_eq!(one.notices.len(), told);
    }
}

#[test]
fn the_next_lower_one_stands_in_for_a_disabled_one_and_gives_way() {
    let mut one = Simulcast::new();
    one.want("h");
    one.frames(30);
    one.publish(&["h"]);
    one.sent = vec!["l", "m"];
    let (rid, reason, frames) = one.until_told();
    assert_eq!((&*rid, reason), ("m", LayerReason::Inactive));
    assert!(frames <= 5, "the picture stood still for {frames} frames");
    one.frames(30);
    one.publish(&["h", "m"]);
    one.sent = vec!["l"];
    assert_eq!(one.until_told().0, "l");
    // All of it said again and again changes nothing.
    let told = one.notices.len();
    for _ in 0..200 {
        one.publish(&["h", "m"]);
    }
    one.frames(10);
    assert_eq!(one.notices.len(), told);
    one.publish(&[]);
    one.sent = RIDS.to_vec();
    let (rid, reason, _) = one.until_told();
    assert_eq!((&*rid, reason), ("h", LayerReason::Wanted));
}

#[test]
fn an_encoding_that_falls_silent_without_a_word_is_replaced_within_a_second() {
    let mut one = Simulcast::new();
    one.frames(30);
    one.sent = vec!["l", "m"];
    let (rid, reason, frames) = one.until_told();
    assert_eq!((&*rid, reason), ("m", LayerReason::Inactive));
    assert!(FRAME * u32::from(frames) < 700 * MS, "{frames}");
    one.sent = RIDS.to_vec();
    assert_eq!(one.until_told().0, "h");
}

#[test]
fn a_resting_screen_keeps_its_encoding() {
    let mut one = Simulcast::new();
    one.frames(30);
    let told = one.notices.len();
    for _ in 0..20 {
        one.bench.now += 2_000 * MS;
        one.frame();
    }
    assert_eq!(one.notices.len(), told, "{:?}", one.notices);
}

#[test]
fn a_better_one_is_shown_when_there_is_no_lower_one() {
    let mut one = Simulcast::new();
    one.want("l");
    one.sent = vec!["h"];
    let (rid, reason, _) = one.until_told();
    assert_eq!((&*rid, reason), ("h", LayerReason::Wanted), "the first");
    one.sent = RIDS.to_vec();
    assert_eq!(one.until_told().0, "l");
}

#[test]
fn each_subscriber_gets_its_own() {
    let mut one = Simulcast::new();
    one.bench.join(OTHER);
    one.want("l");
    one.frames = 0;
    let frame = |one: &mut Simulcast| {
        one.frames += 1;
        one.bench.now += FRAME;
        for index in 0..3 {
            one.packet(index, one.frames);
        }
        for output in one.bench.outputs() {
            if let Output::KeyframeRequest { ssrc, .. } = output {
                one.owed.push(ssrc);
            }
        }
    };
    for _ in 0..40 {
        frame(&mut one);
    }
    let mut last = [None; 2];
    while let Some(Notice::Layer { to, rid, .. }) = one.bench.router.poll_notice() {
        last[usize::from(to == OTHER)] = Some(rid);
    }
    assert_eq!(last.map(|rid| rid.unwrap().to_string()), ["l", "h"]);
}

#[test]
fn padding_does_not_disturb_the_numbers_of_pictures() {
    let mut one = Simulcast::new();
    one.want("l");
    one.frames(5);
    let padding = Sent::new(96, 70, 70_000_u32 as u16 + 6, 70_000_000, &[], &[]);
    one.bench.send(&padding);
    let before = one.bench.received.len();
    one.want("h");
    one.until_told();
    let picture = |bytes: &[u8]| {
        let packet = Packet::parse(bytes).unwrap();
        let descriptor = Descriptor::parse(packet.payload()).ok()?;
        Some(descriptor.picture_id?.value)
    };
    let sent = &one.bench.received[..];
    let last = sent[..before]
        .iter()
        .rev()
        .find_map(|(_, bytes)| picture(bytes));
    let next = picture(&sent[before].1);
    assert_eq!(next.unwrap(), last.unwrap() + 1);
}
