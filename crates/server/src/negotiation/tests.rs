//! Offers as Chromium 156 and `webrtc` 0.21 write them, shortened where lines repeat.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use proptest::prelude::*;
use snug_protocol::{PeerId, TrackId, TracksTypes};
use snug_sfu::{Kind, TrackKey};

use super::*;
use crate::transport::IceCredentials;

const FINGERPRINT: [u8; 32] = [0xAB; 32];

const CHROMIUM_HEAD: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
a=group:BUNDLE 0 1 2\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n";

const CHROMIUM_TRANSPORT: &str = "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
a=ice-ufrag:zQhY\r\na=ice-pwd:YH75Fviy6338Vbrhrlp8Yh9k\r\na=ice-options:trickle\r\n\
a=fingerprint:sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0:3E:FD:34:8E:\
5E:EA:6F:AF:52:CE:E6:0F\r\na=setup:actpass\r\n";

const CHROMIUM_AUDIO: &str = "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n";

const CHROMIUM_VIDEO: &str = "a=extmap:14 urn:ietf:params:rtp-hdrext:toffset\r\n\
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n\
a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\n\
a=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:103 H264/90000\r\na=rtcp-fb:103 nack\r\n\
a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n\
a=rtpmap:104 rtx/90000\r\na=fmtp:104 apt=103\r\na=rtpmap:116 red/90000\r\n";

const AUDIO_LINE: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0\r\n";
const VIDEO_LINE: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 116\r\n";
const SIMULCAST: &str =
    "a=rid:l send\r\na=rid:m send\r\na=rid:h send\r\na=simulcast:send l;m;h\r\n";

/// Writes an offer as Chromium does; `sections` are kind, mid, direction and further lines.
fn chromium(sections: &[(Kind, &str, &str, &str)]) -> String {
    let mut sdp = CHROMIUM_HEAD.to_owned();
    for (kind, mid, direction, more) in sections {
        let (line, codecs) = match kind {
            Kind::Audio => (AUDIO_LINE, CHROMIUM_AUDIO),
            Kind::Video => (VIDEO_LINE, CHROMIUM_VIDEO),
        };
        let head = format!("{line}{CHROMIUM_TRANSPORT}a=mid:{mid}\r\na={direction}\r\n");
        write!(sdp, "{head}{codecs}{more}").unwrap();
    }
    sdp
}

fn full_chromium() -> String {
    let audio = "a=msid:- 4c5a\r\na=ssrc:1001 cname:c\r\na=ssrc:1001 msid:- 4c5a\r\n";
    chromium(&[
        (Kind::Audio, "0", "sendonly", audio),
        (Kind::Video, "1", "sendonly", SIMULCAST),
        (Kind::Video, "2", "recvonly", ""),
    ])
}

/// An offer of `webrtc` 0.21: the fingerprint stands in the session, sources in the section.
const WEBRTC: &str = "v=0\r\no=- 7 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
a=fingerprint:sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0:3E:FD:34:8E:\
5E:EA:6F:AF:52:CE:E6:0F\r\na=extmap-allow-mixed\r\na=msid-semantic:WMS *\r\na=group:BUNDLE 0 1\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=mid:0\r\n\
a=ice-ufrag:AbCdEfGhIjKlMnOp\r\na=ice-pwd:AbCdEfGhIjKlMnOpAbCdEfGhIjKlMnOp\r\na=rtcp-mux\r\n\
a=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 transport-cc \r\na=rtcp-fb:96 ccm fir\r\n\
a=rtcp-fb:96 nack \r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
a=extmap:2 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
a=msid:stream track\r\na=ssrc-group:FID 5001 5002\r\na=ssrc:5001 cname:stream\r\n\
a=ssrc:5001 msid:stream track\r\na=ssrc:5002 cname:stream\r\na=ssrc:5002 msid:stream track\r\n\
a=sendonly\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=mid:1\r\n\
a=ice-ufrag:AbCdEfGhIjKlMnOp\r\na=ice-pwd:AbCdEfGhIjKlMnOpAbCdEfGhIjKlMnOp\r\na=rtcp-mux\r\n\
a=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
a=rtcp-fb:111 transport-cc \r\na=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=recvonly\r\n";

fn ice(name: &str) -> IceCredentials {
    IceCredentials {
        ufrag: name.repeat(4),
        pwd: name.repeat(24),
    }
}

fn peer(number: u8) -> PeerId {
    PeerId::from_random([number; 16])
}

fn track(owner: &PeerId, number: u8) -> TrackId {
    TrackId::from_random(owner, [number; 16])
}

fn wanted(key: u32, owner: &PeerId, kind: Kind) -> Wanted {
    let (stream, label) = (owner.to_string(), format!("label-{key}"));
    Wanted {
        key: TrackKey(key),
        owner: owner.clone(),
        kind,
        stream,
        label,
    }
}

/// The talks with peer 1, whose media already flows.
struct Talks {
    negotiation: Negotiation,
    now: Instant,
}

impl Talks {
    fn new() -> Self {
        let mut negotiation = Negotiation::new(peer(1), ice("A"), 70_000);
        negotiation.handle_connected();
        Self {
            negotiation,
            now: Instant::now(),
        }
    }

    fn poll(&mut self) -> Option<(u32, u32)> {
        let counts = self.negotiation.poll(self.now);
        counts.map(|TracksTypes { audio, video }| (audio, video))
    }

    fn offer(&mut self, sdp: &str, own: &[(&str, TrackId)]) -> Agreed {
        let offer = Offer::parse(sdp).unwrap();
        let own = own
            .iter()
            .map(|(mid, id)| ((*mid).to_owned(), id.clone()))
            .collect();
        self.negotiation
            .handle_offer(&offer, &own, &FINGERPRINT, ice("B"), self.now)
    }

    /// An offer that only receives.
    fn receive(&mut self, sections: &[(Kind, &str)]) -> Agreed {
        let sections: Vec<_> = sections
            .iter()
            .map(|(kind, mid)| (*kind, *mid, "recvonly", ""))
            .collect();
        self.offer(&chromium(&sections), &[])
    }
}

/// Splits an answer into the part of each section.
fn parts(sdp: &str) -> Vec<&str> {
    let starts: Vec<usize> = sdp.match_indices("m=").map(|(at, _)| at).collect();
    let ends = starts.iter().copied().skip(1).chain([sdp.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| &sdp[*start..end])
        .collect()
}

#[test]
fn a_chromium_offer_is_answered_section_by_section() {
    let mut talks = Talks::new();
    let bob = peer(2);
    talks
        .negotiation
        .want(track(&bob, 1), wanted(7, &bob, Kind::Video));
    assert_eq!(talks.poll(), Some((0, 1)));
    let (audio, video) = (track(&peer(1), 1), track(&peer(1), 2));
    let own = [("0", audio.clone()), ("1", video.clone())];
    let agreed = talks.offer(&full_chromium(), &own);

    let sdp = &agreed.answer.sdp;
    assert!(sdp.starts_with("v=0\r\no=- ") && sdp.contains("\r\na=ice-lite\r\n"));
    assert!(sdp.contains("a=group:BUNDLE 0 1 2\r\n"));
    for absent in ["actpass", "toffset", "H264", "red/90000", "abs-send"] {
        assert!(!sdp.contains(absent), "{absent}");
    }
    assert!(sdp.contains("a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"));
    let sections = parts(sdp);
    assert_eq!(sections.len(), 3);
    for section in &sections {
        for line in [
            "a=setup:passive",
            "a=ice-ufrag:AAAA",
            "a=rtcp-mux",
            "a=fingerprint:sha-256 AB:AB",
        ] {
            assert!(section.contains(line), "{line} in {section}");
        }
    }
    // First what the server likes best: so browsers send it.
    assert!(sections[0].starts_with("m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n"));
    assert!(sections[0].contains("a=recvonly") && sections[0].contains("useinbandfec=1"));
    assert!(sections[0].contains("a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"));
    assert!(sections[1].starts_with("m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n"));
    assert!(sections[1].contains("a=rid:l recv\r\na=rid:m recv\r\na=rid:h recv\r\n"));
    assert!(sections[1].contains("a=simulcast:recv l;m;h\r\n"));
    assert!(sections[1].contains("a=fmtp:97 apt=96\r\n"));
    assert!(sections[1].contains("a=rtcp-fb:96 goog-remb\r\n"));
    for (section, format) in sections.iter().zip([111, 96, 96]) {
        assert!(section.contains(&format!("a=rtcp-fb:{format} transport-cc\r\n")));
    }
    assert!(
        !sections[2].contains("goog-remb"),
        "it tells more than that"
    );
    assert!(sections[2].contains("a=sendonly") && !sections[2].contains("rid:"));
    assert!(sections[2].contains(&format!("a=msid:{bob} label-7\r\n")));
    assert!(sections[2].contains("a=ssrc-group:FID 70000 70001\r\n"));
    assert!(sections[2].contains(&format!("a=ssrc:70000 cname:{bob}\r\n")));

    let expected = BTreeMap::from(
        [("0", &audio), ("1", &video), ("2", &track(&bob, 1))]
            .map(|(m, t)| (m.to_owned(), t.clone())),
    );
    assert_eq!(agreed.answer.mid_to_track_id, expected);
    assert_eq!(agreed.own.len(), 2);
    assert_eq!(agreed.own[0].encodings[0].ssrc, Some(1001));
    let rids: Vec<_> = agreed.own[1]
        .encodings
        .iter()
        .map(|encoding| encoding.rid.unwrap().to_string())
        .collect();
    assert_eq!(rids, ["l", "m", "h"]);
    let subscriptions = talks.negotiation.subscriptions();
    assert_eq!(subscriptions.len(), 1);
    assert_eq!(
        (subscriptions[0].ssrc, subscriptions[0].rtx_ssrc),
        (70_000, Some(70_001))
    );
    assert_eq!(subscriptions[0].mid, "2");
    assert_eq!(talks.poll(), None, "nothing is left to agree upon");
}

/// What a receiver is asked to tell of its way, by what it offers to.
#[test]
fn a_receiver_is_asked_for_its_own_estimate_only_where_packets_cannot_be_numbered() {
    let without = |lines: &[&str]| {
        let mut offer = chromium(&[(Kind::Video, "0", "recvonly", "")]);
        for line in lines {
            assert!(offer.contains(line));
            offer = offer.replace(line, "");
        }
        let mut talks = Talks::new();
        let bob = peer(2);
        let want = wanted(7, &bob, Kind::Video);
        talks.negotiation.want(track(&bob, 1), want);
        let answer = talks.offer(&offer, &[]).answer.sdp;
        ["goog-remb", "transport-cc"].map(|what| answer.contains(&format!("a=rtcp-fb:96 {what}")))
    };
    let (remb, report) = (
        "a=rtcp-fb:96 goog-remb\r\n",
        "a=rtcp-fb:96 transport-cc\r\n",
    );
    let number = "a=extmap:3 http://www.ietf.org/id/\
        draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n";
    assert_eq!(without(&[]), [false, true]);
    assert_eq!(without(&[report]), [true, false]);
    assert_eq!(without(&[number]), [true, false]);
    assert_eq!(without(&[remb, report]), [false, false]);
}

#[test]
fn a_track_that_replaces_another_meanwhile_gets_the_section_that_is_freed() {
    let mut talks = Talks::new();
    let bob = peer(2);
    let (old, new) = (track(&bob, 1), track(&bob, 2));
    talks
        .negotiation
        .want(old.clone(), wanted(7, &bob, Kind::Audio));
    assert_eq!(talks.poll(), Some((1, 0)));
    talks.receive(&[(Kind::Audio, "0")]);
    talks.receive(&[(Kind::Audio, "0")]);
    assert!(talks.negotiation.unwant(&old));
    assert_eq!(talks.poll(), Some((1, 0)));
    talks
        .negotiation
        .want(new.clone(), wanted(8, &bob, Kind::Audio));
    talks.receive(&[(Kind::Audio, "0")]);
    assert!(
        talks.negotiation.subscriptions().is_empty(),
        "still cooling"
    );
    assert_eq!(talks.poll(), Some((1, 0)));
    let agreed = talks.receive(&[(Kind::Audio, "0")]);
    assert_eq!(agreed.answer.mid_to_track_id.get("0"), Some(&new));
}

#[test]
fn an_offer_of_the_webrtc_crate_is_answered() {
    let mut talks = Talks::new();
    let id = track(&peer(1), 1);
    let agreed = talks.offer(WEBRTC, &[("0", id.clone())]);
    let own = &agreed.own[0];
    assert_eq!(
        (own.id.clone(), own.payload_type, own.rtx_payload_type),
        (id, 96, Some(97))
    );
    assert_eq!(
        (own.encodings[0].ssrc, own.encodings[0].rtx_ssrc),
        (Some(5001), Some(5002))
    );
    assert_eq!(
        (own.extensions.mid, own.extensions.transport_cc),
        (Some(1), Some(2))
    );
    let sections = parts(&agreed.answer.sdp);
    assert!(
        sections[0].contains("a=rtcp-fb:96 nack pli\r\n") && sections[0].contains("a=recvonly")
    );
    assert!(sections[1].contains("a=inactive"), "no track waits for it");
}

#[test]
fn the_stream_of_a_track_is_read_where_it_is_in_one() {
    let longest = "s".repeat(MSID_BYTES_MAX);
    let too_long = format!("{longest}s");
    for (line, expected) in [
        ("a=msid:{4f2a-9c} {e1}\r\n".to_owned(), Some("{4f2a-9c}")),
        ("a=msid:home\r\n".to_owned(), Some("home")),
        (
            "a=msid:home a\r\na=msid:garden a\r\n".to_owned(),
            Some("home"),
        ),
        (format!("a=msid:{longest} a\r\n"), Some(&*longest)),
        (format!("a=msid:{too_long} a\r\n"), None),
        ("a=msid:- 4c5a\r\n".to_owned(), None),
        ("a=msid:\r\n".to_owned(), None),
        ("a=msid\r\n".to_owned(), None),
        (String::new(), None),
    ] {
        let sdp = chromium(&[(Kind::Video, "0", "sendonly", &line)]);
        let mut talks = Talks::new();
        let agreed = talks.offer(&sdp, &[("0", track(&peer(1), 1))]);
        assert_eq!(agreed.own[0].stream.as_deref(), expected, "{line}");
    }
}

#[test]
fn simulcast_sources_belong_to_rids_in_order() {
    let sources = "a=ssrc-group:FID 11 12\r\na=ssrc:11 cname:c\r\na=ssrc:12 cname:c\r\n\
                   a=ssrc-group:FID 21 22\r\na=ssrc:21 cname:c\r\na=ssrc:22 cname:c\r\n";
    let rids = "a=rid:h send\r\na=rid:l send\r\na=simulcast:send h;l\r\n";
    let sdp = chromium(&[(Kind::Video, "0", "sendonly", &format!("{rids}{sources}"))]);
    let section = &Offer::parse(&sdp).unwrap().sections[0];
    let known: Vec<_> = section
        .encodings
        .iter()
        .map(|e| {
            (
                e.rid.unwrap().to_string(),
                e.ssrc.unwrap(),
                e.rtx_ssrc.unwrap(),
            )
        })
        .collect();
    assert_eq!(known, [("l".to_owned(), 21, 22), ("h".to_owned(), 11, 12)]);
}

#[test]
fn triggers_collapse_into_one_negotiation_at_a_time() {
    let mut talks = Talks::new();
    assert_eq!(talks.poll(), None);
    talks.negotiation.request();
    talks.negotiation.request();
    assert_eq!(talks.poll(), Some((0, 0)));
    assert_eq!(talks.poll(), None);
    talks.negotiation.request();
    talks.negotiation.request();
    assert_eq!(talks.poll(), None, "one at a time");
    talks.receive(&[]);
    assert_eq!(
        talks.poll(),
        Some((0, 0)),
        "asked again while the first was under way"
    );
    talks.receive(&[]);
    assert_eq!(talks.poll(), None);
}

#[test]
fn a_track_that_came_before_the_offer_needs_no_second_negotiation() {
    let mut talks = Talks::new();
    let bob = peer(2);
    talks
        .negotiation
        .want(track(&bob, 1), wanted(1, &bob, Kind::Audio));
    assert_eq!(talks.poll(), Some((1, 0)));
    talks
        .negotiation
        .want(track(&bob, 2), wanted(2, &bob, Kind::Audio));
    talks.receive(&[(Kind::Audio, "0"), (Kind::Audio, "1")]);
    assert_eq!(talks.negotiation.subscriptions().len(), 2);
    assert_eq!(talks.poll(), None);
}

#[test]
fn a_track_without_a_section_gets_one_in_the_next_negotiation() {
    let mut talks = Talks::new();
    let bob = peer(2);
    talks
        .negotiation
        .want(track(&bob, 1), wanted(1, &bob, Kind::Audio));
    talks.poll();
    talks
        .negotiation
        .want(track(&bob, 2), wanted(2, &bob, Kind::Video));
    talks.receive(&[(Kind::Audio, "0")]);
    assert_eq!(talks.poll(), Some((1, 1)));
    talks.receive(&[(Kind::Audio, "0"), (Kind::Video, "1")]);
    assert_eq!(talks.negotiation.subscriptions().len(), 2);
}

#[test]
fn a_track_that_came_between_question_and_offer_is_asked_about_again() {
    let mut talks = Talks::new();
    talks.negotiation.request();
    assert_eq!(talks.poll(), Some((0, 0)));
    let (owner, id) = (peer(2), track(&peer(2), 1));
    talks.negotiation.want(id, wanted(1, &owner, Kind::Video));
    let own = chromium(&[(Kind::Video, "0", "sendonly", "a=ssrc:5 cname:c\r\n")]);
    talks.offer(&own, &[("0", track(&peer(1), 1))]);
    assert_eq!(
        talks.poll(),
        Some((0, 1)),
        "the offer could not know of the track"
    );
}

#[test]
fn a_client_that_never_makes_room_is_not_asked_forever() {
    let mut talks = Talks::new();
    let bob = peer(2);
    talks
        .negotiation
        .want(track(&bob, 1), wanted(1, &bob, Kind::Audio));
    assert!(talks.poll().is_some());
    talks.receive(&[]);
    assert_eq!(talks.poll(), None);
    talks.negotiation.request();
    assert!(talks.poll().is_some());
}

#[test]
fn counts_never_fall_and_sections_are_used_again_after_they_were_inactive() {
    let mut talks = Talks::new();
    let bob = peer(2);
    let (first, second) = (track(&bob, 1), track(&bob, 2));
    talks
        .negotiation
        .want(first.clone(), wanted(1, &bob, Kind::Video));
    talks.poll();
    let agreed = talks.receive(&[(Kind::Video, "0")]);
    assert!(agreed.answer.sdp.contains("a=sendonly"));
    talks.receive(&[(Kind::Video, "0")]);

    assert!(
        talks.negotiation.unwant(&first),
        "it stood in an answer that is applied: the peer may be told"
    );
    talks
        .negotiation
        .want(second.clone(), wanted(2, &bob, Kind::Video));
    assert_eq!(
        talks.poll(),
        Some((0, 2)),
        "the old section has to be heard inactive first"
    );
    let agreed = talks.receive(&[(Kind::Video, "0"), (Kind::Video, "1")]);
    let sections = parts(&agreed.answer.sdp);
    assert!(sections[0].contains("a=inactive") && sections[1].contains("a=sendonly"));
    assert_eq!(
        agreed.answer.mid_to_track_id,
        BTreeMap::from([("1".to_owned(), second)])
    );

    let third = track(&bob, 3);
    talks
        .negotiation
        .want(third.clone(), wanted(3, &bob, Kind::Video));
    assert_eq!(talks.poll(), Some((0, 2)), "the old section is free now");
    let agreed = talks.receive(&[(Kind::Video, "0"), (Kind::Video, "1")]);
    assert_eq!(agreed.answer.mid_to_track_id["0"], third);
    assert!(!talks.negotiation.unwant(&third));
    assert_eq!(talks.poll(), Some((0, 2)));
}

#[test]
fn a_track_that_stood_in_no_answer_is_taken_back_after_the_next_one() {
    let mut talks = Talks::new();
    let bob = peer(2);
    let id = track(&bob, 1);
    talks
        .negotiation
        .want(id.clone(), wanted(1, &bob, Kind::Video));
    talks.poll();
    assert!(!talks.negotiation.unwant(&id));
    assert!(!talks.negotiation.knows(&id));
    let agreed = talks.receive(&[(Kind::Video, "0")]);
    assert_eq!(
        agreed.answer.mid_to_track_id["0"], id,
        "the client learns its section"
    );
    assert!(
        agreed.answer.sdp.contains("a=inactive"),
        "but its browser announces nothing that is taken back at once"
    );
    assert_eq!(agreed.released, [(id, bob.clone())]);
    assert!(talks.negotiation.subscriptions().is_empty());
    assert_eq!(
        talks.poll(),
        Some((0, 1)),
        "the client waits for an answer after it was told"
    );
    let next = track(&bob, 2);
    talks
        .negotiation
        .want(next.clone(), wanted(2, &bob, Kind::Video));
    let agreed = talks.receive(&[(Kind::Video, "0")]);
    assert_eq!(agreed.answer.mid_to_track_id["0"], next, "it is free again");
    assert!(agreed.answer.sdp.contains("a=sendonly") && agreed.released.is_empty());
    assert_eq!(talks.poll(), None);
}

#[test]
fn a_track_whose_answer_may_not_be_applied_yet_is_taken_back_after_the_next_one() {
    let mut talks = Talks::new();
    let bob = peer(2);
    let id = track(&bob, 1);
    talks
        .negotiation
        .want(id.clone(), wanted(1, &bob, Kind::Video));
    talks.poll();
    talks.receive(&[(Kind::Video, "0")]);
    assert!(!talks.negotiation.unwant(&id));
    assert!(
        talks.negotiation.subscriptions().is_empty(),
        "nothing more of it is sent"
    );
    assert_eq!(talks.poll(), Some((0, 1)));
    let agreed = talks.receive(&[(Kind::Video, "0")]);
    assert_eq!(agreed.answer.mid_to_track_id["0"], id);
    assert!(agreed.answer.sdp.contains("a=inactive"));
    assert_eq!(agreed.released, [(id, bob)]);
}

#[test]
fn who_was_told_of_tracks_is_owed_an_answer_even_when_they_are_gone_again() {
    let mut talks = Talks::new();
    let bob = peer(2);
    talks
        .negotiation
        .want(track(&bob, 1), wanted(1, &bob, Kind::Video));
    assert!(!talks.negotiation.forget(&track(&bob, 1)));
    assert!(talks.poll().is_some());
    talks.receive(&[]);
    assert_eq!(talks.poll(), None);
}

#[test]
fn our_credentials_change_with_the_clients_and_only_then() {
    let mut talks = Talks::new();
    let sdp = chromium(&[(Kind::Audio, "0", "recvonly", "")]);
    assert_eq!(talks.offer(&sdp, &[]).local_ice, ice("A"));
    assert_eq!(talks.offer(&sdp, &[]).local_ice, ice("A"));
    let restarted = sdp.replace("zQhY", "Yhqz");
    assert_eq!(talks.offer(&restarted, &[]).local_ice, ice("B"));
    assert!(
        talks
            .offer(&restarted, &[])
            .answer
            .sdp
            .contains("a=ice-ufrag:BBBB")
    );
}

#[test]
fn the_first_answer_may_settle_before_the_next_negotiation() {
    let mut negotiation = Negotiation::new(peer(1), ice("A"), 1);
    let mut talks = Talks {
        negotiation,
        now: Instant::now(),
    };
    talks.receive(&[]);
    talks.negotiation.request();
    assert_eq!(talks.poll(), None);
    let deadline = talks.negotiation.deadline().unwrap();
    talks.now = deadline;
    assert!(talks.poll().is_some());
    assert_eq!(talks.negotiation.deadline(), None);

    negotiation = Negotiation::new(peer(1), ice("A"), 1);
    talks = Talks {
        negotiation,
        now: Instant::now(),
    };
    talks.receive(&[]);
    talks.negotiation.request();
    talks.negotiation.handle_connected();
    assert!(talks.poll().is_some());
}

#[test]
fn a_resumed_peer_is_asked_again() {
    let mut talks = Talks::new();
    talks.negotiation.request();
    assert!(talks.poll().is_some());
    talks.negotiation.handle_resume();
    assert!(talks.poll().is_some());
    talks.receive(&[]);
    talks.negotiation.handle_resume();
    assert_eq!(talks.poll(), None, "nothing was under way");
}

#[test]
fn foreign_and_surplus_tracks_are_refused() {
    let mut talks = Talks::new();
    let sections: Vec<(Kind, String)> = (0..12).map(|n| (Kind::Audio, n.to_string())).collect();
    let described: Vec<_> = sections
        .iter()
        .map(|(kind, mid)| (*kind, mid.as_str(), "sendonly", ""))
        .collect();
    let sdp = chromium(&described);
    let mut own: Vec<(&str, TrackId)> = Vec::new();
    for (number, (_, mid)) in sections.iter().enumerate() {
        let owner = if number == 0 { peer(9) } else { peer(1) };
        own.push((mid, track(&owner, number as u8)));
    }
    let agreed = talks.offer(&sdp, &own);
    assert_eq!(agreed.own.len(), TRACKS_PER_PEER_MAX);
    assert_eq!(agreed.refused, 12 - TRACKS_PER_PEER_MAX);
    assert!(agreed.own.iter().all(|track| track.id.belongs_to(&peer(1))));
    assert!(parts(&agreed.answer.sdp)[0].contains("a=inactive"));
    let twice = [("0", track(&peer(1), 1)), ("1", track(&peer(1), 1))];
    assert_eq!(talks.offer(&sdp, &twice).own.len(), 1);
}

#[test]
fn sections_that_cannot_be_used_are_rejected_in_place() {
    let data =
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:x\r\n";
    let stopped =
        "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:y\r\na=inactive\r\na=rtpmap:96 VP8/90000\r\n";
    let waiting = stopped
        .replace("mid:y", "mid:z")
        .replace("inactive", "bundle-only");
    let foreign = "m=video 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:w\r\na=rtpmap:98 VP9/90000\r\n";
    let sdp = chromium(&[(Kind::Audio, "0", "recvonly", "")]);
    let sdp = format!("{sdp}{data}{stopped}{waiting}{foreign}");
    let agreed = Talks::new().offer(&sdp, &[]);
    let sections = parts(&agreed.answer.sdp);
    assert!(agreed.answer.sdp.contains("a=group:BUNDLE 0 z\r\n"));
    assert!(sections[1].starts_with("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert!(sections[2].starts_with("m=video 0 ") && sections[4].starts_with("m=video 0 "));
    assert!(sections[3].starts_with("m=video 9 "));
}

#[test]
fn a_client_may_change_its_numbers() {
    let mut talks = Talks::new();
    let bob = peer(2);
    talks
        .negotiation
        .want(track(&bob, 1), wanted(1, &bob, Kind::Video));
    talks.receive(&[(Kind::Video, "0")]);
    let before = talks.negotiation.subscriptions();
    let sdp = chromium(&[(Kind::Video, "0", "recvonly", "")]);
    let sdp = sdp
        .replace("96", "120")
        .replace("97", "121")
        .replace("extmap:4 ", "extmap:9 ");
    talks.offer(&sdp, &[]);
    let after = talks.negotiation.subscriptions();
    assert_eq!(
        (after[0].payload_type, after[0].rtx_payload_type),
        (120, Some(121))
    );
    assert_eq!(
        (before[0].extensions.mid, after[0].extensions.mid),
        (Some(4), Some(9))
    );
    assert_eq!(before[0].ssrc, after[0].ssrc);
}

#[test]
fn a_source_of_the_client_is_not_used_for_what_it_receives() {
    let mut talks = Talks::new();
    let bob = peer(2);
    talks
        .negotiation
        .want(track(&bob, 1), wanted(1, &bob, Kind::Audio));
    let own = "a=ssrc:70000 cname:c\r\n";
    let sdp = chromium(&[
        (Kind::Audio, "0", "sendonly", own),
        (Kind::Audio, "1", "recvonly", ""),
    ]);
    talks.offer(&sdp, &[("0", track(&peer(1), 1))]);
    assert_eq!(talks.negotiation.subscriptions()[0].ssrc, 70_001);
}

#[test]
fn a_section_that_the_client_gave_up_frees_its_track() {
    let mut talks = Talks::new();
    let bob = peer(2);
    talks
        .negotiation
        .want(track(&bob, 1), wanted(1, &bob, Kind::Audio));
    talks.receive(&[(Kind::Audio, "0")]);
    talks.offer(&chromium(&[(Kind::Audio, "0", "inactive", "")]), &[]);
    assert!(talks.negotiation.subscriptions().is_empty());
}

#[test]
fn bad_offers_are_refused() {
    let good = full_chromium();
    assert!(Offer::parse(&good).is_ok());
    let many = format!("{CHROMIUM_HEAD}{}", AUDIO_LINE.repeat(SECTIONS_MAX + 1));
    let bad = [
        String::new(),
        "v=0".to_owned(),
        good.replace("a=ice-ufrag:zQhY\r\n", ""),
        good.replace("zQhY", "a b"),
        good.replace("YH75Fviy6338Vbrhrlp8Yh9k", "short"),
        good.replace("sha-256", "sha-1"),
        good.replace("D2:FA", "D2:F"),
        good.replace("5E:EA:", ""),
        good.replace("a=mid:1\r\n", ""),
        good.replace("a=mid:1\r\n", "a=mid:0\r\n"),
        good.replace("a=mid:1\r\n", "a=mid:much-too-long-a-tag\r\n"),
        good.replace("WMS", "Wм"),
        " ".repeat(SDP_BYTES_MAX + 1),
        many,
    ];
    for sdp in bad {
        assert!(Offer::parse(&sdp).is_err(), "{sdp:.200}");
    }
}

#[test]
fn candidates_are_local_first_and_never_twice() {
    let announced = [
        "203.0.113.9:7684".parse().unwrap(),
        "10.0.0.1:7684".parse().unwrap(),
    ];
    let local = "10.0.0.1".parse().unwrap();
    let list = Candidates {
        local,
        port: 7684,
        announced: &announced,
    }
    .list();
    let lines: Vec<&str> = list
        .iter()
        .map(|candidate| candidate.candidate.as_str())
        .collect();
    assert_eq!(
        lines,
        [
            "candidate:1 1 udp 2130706431 10.0.0.1 7684 typ host",
            "candidate:2 1 udp 2130706175 203.0.113.9 7684 typ host",
        ]
    );
    let local = "fe80::1".parse().unwrap();
    let list = Candidates {
        local,
        port: 9,
        announced: &[],
    }
    .list();
    assert!(list[0].candidate.contains(" fe80::1 9 typ host"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Bytes of real offers are replaced, dropped and repeated; reading and answering them must
    /// neither panic nor answer with another number of sections.
    #[test]
    fn mutated_offers_do_no_harm(
        chrome: bool,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..3, 32u8..127), 1..12),
    ) {
        let mut bytes = if chrome { full_chromium() } else { WEBRTC.to_owned() }.into_bytes();
        for (at, what, with) in edits {
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = with,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, with),
            }
        }
        let sdp = String::from_utf8(bytes).unwrap();
        if let Ok(offer) = Offer::parse(&sdp) {
            let mut negotiation = Negotiation::new(peer(1), ice("A"), 1);
            let bob = peer(2);
            negotiation.want(track(&bob, 1), wanted(1, &bob, Kind::Video));
            let own = BTreeMap::from([("0".to_owned(), track(&peer(1), 1))]);
            let now = Instant::now();
            let agreed = negotiation.handle_offer(&offer, &own, &FINGERPRINT, ice("B"), now);
            let answered = agreed.answer.sdp.lines().filter(|line| line.starts_with("m=")).count();
            prop_assert_eq!(answered, offer.sections.len());
        }
    }
}
