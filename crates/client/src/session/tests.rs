//! The session against a scripted room: no sockets, no clock.

use serde_json::{Value, json};
use snug_protocol::{
    Bitrates, ClientEvent, PeerId, PresenceState, SdpAnswer, TrackId, TrackSource,
};

use super::{Ending, Output, Session};
use crate::Kind;
use crate::event::Happening;

fn peer(text: &str) -> PeerId {
    text.parse().unwrap()
}

fn track(text: &str) -> TrackId {
    text.parse().unwrap()
}

fn drain(session: &mut Session) -> Vec<Output> {
    std::iter::from_fn(|| session.poll_output()).collect()
}

fn say(session: &mut Session, event: Value) -> Vec<Output> {
    session.handle_data(&event.to_string());
    drain(session)
}

fn offer_data(audio: u32, video: u32) -> Value {
    let types = json!({"audio": audio, "video": video});
    json!({"type": "custom", "data": {"type": "offerData", "data": {"tracksTypes": types}}})
}

fn answer(mids: Value, sdp: &str) -> Value {
    let data = json!({"type": "answer", "sdp": sdp, "midToTrackId": mids});
    json!({"type": "custom", "data": {"type": "sdpAnswer", "data": data}})
}

fn connected(others: Value) -> Value {
    json!({"type": "connected", "data": {"id": "me", "otherEndpoints": others}})
}

/// A session that is in the room, alone.
fn joined() -> Session {
    let mut session = Session::new("Ada".to_owned());
    session.connect();
    assert!(matches!(
        session.poll_output(),
        Some(Output::Send(ClientEvent::Connect { metadata })) if metadata["displayName"] == "Ada"
    ));
    let outputs = say(&mut session, connected(json!([])));
    assert_eq!(outputs, [Output::Ready(peer("me"))]);
    session
}

fn number_of(outputs: &[Output]) -> u64 {
    match outputs {
        [Output::Offer { number, .. }] => *number,
        other => panic!("no offer wanted: {other:?}"),
    }
}

/// Drives one whole negotiation and returns what followed the answer.
fn negotiate(session: &mut Session, data: Value, mids: &[(TrackId, String)]) -> Vec<Output> {
    let number = number_of(&say(session, data));
    session.handle_offer(number, "offer".to_owned(), mids);
    assert!(matches!(
        &drain(session)[..],
        [Output::Send(ClientEvent::SdpOffer(_))]
    ));
    let map: serde_json::Map<_, _> = mids
        .iter()
        .map(|(id, mid)| (mid.clone(), json!(id)))
        .collect();
    let sdp: String = mids
        .iter()
        .map(|(_, mid)| format!("m=audio 9 X\na=mid:{mid}\n"))
        .collect();
    let outputs = say(session, answer(Value::Object(map), &sdp));
    assert!(matches!(&outputs[..], [Output::Answer { number: n, .. }] if *n == number));
    session.handle_answered(number);
    drain(session)
}

#[test]
fn a_track_is_asked_for_once_offered_with_its_metadata_and_started() {
    let mut session = joined();
    let (a, b) = (track("me:a"), track("me:b"));
    session.publish(
        a.clone(),
        TrackSource::Microphone,
        Bitrates::Total(32_000),
        true,
    );
    session.publish(
        b.clone(),
        TrackSource::Camera,
        Bitrates::Total(1_500_000),
        true,
    );
    assert_eq!(
        drain(&mut session),
        [Output::Send(ClientEvent::RenegotiateTracks)]
    );
    let number = number_of(&say(&mut session, offer_data(0, 0)));
    session.handle_offer(
        number,
        "sdp".into(),
        &[(a.clone(), "0".into()), (b.clone(), "1".into())],
    );
    let outputs = drain(&mut session);
    let [Output::Send(ClientEvent::SdpOffer(offer))] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    assert_eq!(offer.mid_to_track_id["1"], b);
    assert_eq!(
        offer.track_id_to_track_metadata[&b],
        json!({"type": "camera", "active": true})
    );
    let sdp = "m=audio 9 X\r\na=mid:0\r\nm=video 0 X\r\na=mid:1\r\n";
    say(&mut session, answer(json!({"0": a, "1": b}), sdp));
    session.handle_answered(number);
    let wanted = [
        Output::Tell(Happening::Negotiated { count: 1 }),
        Output::Start {
            track: a,
            simulcast: false,
        },
    ];
    assert_eq!(
        drain(&mut session),
        wanted,
        "the rejected section is not started"
    );
}

#[test]
fn a_change_during_a_negotiation_asks_for_another() {
    let mut session = joined();
    session.publish(
        track("me:a"),
        TrackSource::Microphone,
        Bitrates::Total(32_000),
        true,
    );
    drain(&mut session);
    let number = number_of(&say(&mut session, offer_data(0, 0)));
    session.publish(track("me:b"), TrackSource::Camera, Bitrates::Total(1), true);
    session.handle_offer(number, "sdp".into(), &[]);
    drain(&mut session);
    say(&mut session, answer(json!({}), ""));
    session.handle_answered(number);
    let outputs = drain(&mut session);
    assert_eq!(
        outputs.last(),
        Some(&Output::Send(ClientEvent::RenegotiateTracks))
    );
}

#[test]
fn the_count_of_receiving_sections_never_falls_and_is_bounded() {
    let mut session = joined();
    negotiate(&mut session, offer_data(2, 3), &[]);
    let outputs = say(&mut session, offer_data(1, u32::MAX));
    let bound = crate::transport::SLOTS_MAX;
    assert!(
        matches!(outputs[..], [Output::Offer { audio: 2, video, .. }] if video == bound),
        "{outputs:?}"
    );
}

#[test]
fn relays_come_before_the_offer_that_needs_them() {
    let mut session = joined();
    let server = json!({"serverAddr": "192.0.2.1", "serverPort": 3478, "transport": "tcp",
        "username": "1:me", "password": "hush"});
    let data = json!({"tracksTypes": {"audio": 1, "video": 0}, "integratedTurnServers": [server]});
    let event = json!({"type": "custom", "data": {"type": "offerData", "data": data}});
    let outputs = say(&mut session, event);
    assert!(
        matches!(&outputs[..], [Output::Relay(servers), Output::Offer { audio: 1, .. }]
            if servers[0].server_addr == "192.0.2.1"),
        "{outputs:?}"
    );
}

#[test]
fn others_and_their_tracks_come_and_go() {
    let mut session = joined();
    let added = json!({"type": "endpointAdded",
        "data": {"id": "bo", "type": "webrtc", "metadata": {"displayName": "Bo"}}});
    let name = "Bo".to_owned();
    let wanted = [Output::Tell(Happening::PeerJoined {
        peer_id: peer("bo"),
        name,
    })];
    assert_eq!(say(&mut session, added.clone()), wanted);
    assert_eq!(say(&mut session, added), [], "known already");
    let tracks = json!({"type": "tracksAdded", "data": {"endpointId": "bo",
        "tracks": {"bo:v": {"metadata": {"type": "camera"}}, "bo:x": {"metadata": null}}}});
    let (peer_id, track_id, kind) = (peer("bo"), track("bo:v"), Kind::Video);
    let wanted = [Output::Tell(Happening::TrackAdded {
        peer_id,
        track_id,
        kind,
    })];
    assert_eq!(
        say(&mut session, tracks),
        wanted,
        "the kind of the other is not known yet"
    );

    let number = number_of(&say(&mut session, offer_data(1, 1)));
    session.handle_offer(number, "sdp".into(), &[]);
    drain(&mut session);
    let sdp = "m=video 9 X\na=mid:4\nm=audio 9 X\na=mid:5\n";
    say(
        &mut session,
        answer(json!({"4": "bo:v", "5": "bo:x", "6": "no:body"}), sdp),
    );
    session.handle_answered(number);
    let outputs = drain(&mut session);
    let receives = |mid: &str, id: &str, kind| Output::Receive {
        mid: mid.into(),
        track: super::RemoteTrack {
            peer: peer("bo"),
            name: "Bo".to_owned(),
            id: track(id),
            kind,
        },
    };
    assert!(
        outputs.contains(&receives("4", "bo:v", Kind::Video)),
        "{outputs:?}"
    );
    assert!(
        outputs.contains(&receives("5", "bo:x", Kind::Audio)),
        "{outputs:?}"
    );

    let gone = json!({"type": "endpointRemoved", "data": {"id": "bo"}});
    let outputs = say(&mut session, gone);
    assert!(outputs.contains(&Output::Forget(track("bo:v"))));
    assert_eq!(
        outputs.last(),
        Some(&Output::Tell(Happening::PeerLeft {
            peer_id: peer("bo")
        }))
    );
}

fn said_of(id: &TrackId, source: &str, active: bool) -> Output {
    Output::Send(ClientEvent::UpdateTrackMetadata {
        track_id: id.clone(),
        metadata: json!({"type": source, "active": active}),
    })
}

#[test]
fn a_track_that_goes_off_is_said_so_and_needs_no_negotiation() {
    let mut session = joined();
    let camera = track("me:v");
    session.publish(
        camera.clone(),
        TrackSource::Camera,
        Bitrates::Total(1),
        true,
    );
    session.set_active(&camera, false);
    assert_eq!(
        drain(&mut session),
        [Output::Send(ClientEvent::RenegotiateTracks)],
        "the offer will say it"
    );
    let number = number_of(&say(&mut session, offer_data(0, 0)));
    session.handle_offer(number, "sdp".into(), &[(camera.clone(), "0".into())]);
    let outputs = drain(&mut session);
    let [Output::Send(ClientEvent::SdpOffer(offer))] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    assert_eq!(offer.track_id_to_track_metadata[&camera]["active"], false);
    session.set_active(&camera, true);
    session.set_active(&camera, true);
    assert_eq!(drain(&mut session), [said_of(&camera, "camera", true)]);
    say(
        &mut session,
        answer(json!({"0": camera}), "m=video 9 X\na=mid:0\n"),
    );
    session.handle_answered(number);
    drain(&mut session);
    session.set_active(&camera, false);
    assert_eq!(drain(&mut session), [said_of(&camera, "camera", false)]);
    session.resume();
    assert_eq!(
        drain(&mut session),
        [said_of(&camera, "camera", false)],
        "the first word may be lost with the line"
    );
}

#[test]
fn others_that_go_off_and_on_are_told_once() {
    let mut session = joined();
    say(
        &mut session,
        json!({"type": "endpointAdded", "data": {"id": "bo", "metadata": null}}),
    );
    let tracks = |active: bool| {
        json!({"type": "tracksAdded", "data": {"endpointId": "bo", "tracks":
            {"bo:v": {"metadata": {"type": "camera", "active": active}}}}})
    };
    let update = |active: bool| {
        json!({"type": "trackUpdated", "data": {"endpointId": "bo", "trackId": "bo:v",
            "metadata": {"type": "camera", "active": active}}})
    };
    let changed = |active| {
        Output::Tell(Happening::TrackChanged {
            peer_id: peer("bo"),
            track_id: track("bo:v"),
            kind: Kind::Video,
            active,
        })
    };
    let outputs = say(&mut session, tracks(false));
    assert!(
        matches!(outputs[0], Output::Tell(Happening::TrackAdded { .. })),
        "{outputs:?}"
    );
    assert_eq!(outputs[1..], [changed(false)]);
    assert_eq!(say(&mut session, update(true)), [changed(true)]);
    assert_eq!(say(&mut session, update(true)), []);
    assert_eq!(say(&mut session, tracks(false)), [changed(false)]);
    let (_, bo) = session.roster().peers().next().unwrap();
    let known: Vec<_> = bo.tracks().collect();
    assert_eq!(known, [(&track("bo:v"), Kind::Video, false)]);
}

#[test]
fn an_offer_that_fails_is_tried_again_but_not_for_ever() {
    let mut session = joined();
    session.publish(
        track("me:a"),
        TrackSource::Microphone,
        Bitrates::Total(1),
        true,
    );
    drain(&mut session);
    for attempt in 0..10 {
        let number = number_of(&say(&mut session, offer_data(0, 0)));
        session.handle_failed(number);
        let outputs = drain(&mut session);
        let again = [Output::Send(ClientEvent::RenegotiateTracks)];
        assert_eq!(outputs == again, attempt < 3, "{attempt}: {outputs:?}");
    }
}

#[test]
fn a_removed_peer_is_told_and_so_is_an_error() {
    let mut session = joined();
    let outputs = say(
        &mut session,
        json!({"type": "endpointRemoved", "data": {"id": "me"}}),
    );
    assert_eq!(outputs, [Output::End(Ending::Removed)]);
    let error = json!({"type": "error", "data": {"message": "No.", "code": "room_full"}});
    let ending = Ending::Refused {
        code: "room_full".into(),
        message: "No.".into(),
    };
    assert_eq!(say(&mut session, error), [Output::End(ending)]);
}

#[test]
fn presence_is_told_once_per_change() {
    let mut session = joined();
    say(
        &mut session,
        json!({"type": "endpointAdded", "data": {"id": "bo", "metadata": null}}),
    );
    let bo = peer("bo");
    session.handle_presence(&bo, PresenceState::Live);
    assert_eq!(drain(&mut session), []);
    session.handle_presence(&bo, PresenceState::Reconnecting);
    session.handle_presence(&bo, PresenceState::Reconnecting);
    assert_eq!(
        drain(&mut session),
        [Output::Tell(Happening::PeerReconnecting { peer_id: bo })]
    );
    session.handle_presence(&peer("nobody"), PresenceState::Live);
    assert_eq!(session.nonsense(), 1);
}

#[test]
fn a_resumed_session_drops_its_half_done_negotiation() {
    let mut session = joined();
    session.publish(
        track("me:a"),
        TrackSource::Microphone,
        Bitrates::Total(1),
        true,
    );
    drain(&mut session);
    let old = number_of(&say(&mut session, offer_data(0, 0)));
    session.handle_offer(old, "sdp".into(), &[]);
    drain(&mut session);
    session.resume();
    assert_eq!(
        drain(&mut session),
        [Output::Send(ClientEvent::RenegotiateTracks)]
    );
    session.handle_answered(old);
    session.handle_offer(old, "late".into(), &[]);
    assert_eq!(
        drain(&mut session),
        [],
        "late reports about the old one change nothing"
    );
    let outputs = say(&mut session, offer_data(0, 0));
    assert!(
        matches!(
            outputs[..],
            [Output::Offer {
                roll_back: true,
                ..
            }]
        ),
        "{outputs:?}"
    );
}

#[test]
fn a_quiet_session_resumes_without_a_word() {
    let mut session = joined();
    negotiate(&mut session, offer_data(1, 1), &[]);
    session.resume();
    assert_eq!(drain(&mut session), []);
}

#[test]
fn a_new_place_starts_over_and_reconciles_who_is_here() {
    let mut session = joined();
    for id in ["bo", "cy"] {
        let data = json!({"id": id, "metadata": {"displayName": id}});
        say(&mut session, json!({"type": "endpointAdded", "data": data}));
    }
    session.publish(
        track("me:a"),
        TrackSource::Microphone,
        Bitrates::Total(1),
        true,
    );
    drain(&mut session);
    session.connect();
    assert!(matches!(
        &drain(&mut session)[..],
        [Output::Send(ClientEvent::Connect { .. })]
    ));
    let others = json!([{"id": "cy", "type": "webrtc", "metadata": {"displayName": "cy"}},
        {"id": "di", "type": "webrtc", "metadata": {"displayName": "Di"}}]);
    let outputs = say(&mut session, connected(others));
    let told: Vec<_> = outputs.into_iter().skip(1).collect();
    let name = "Di".to_owned();
    let wanted = [
        Output::Tell(Happening::PeerLeft {
            peer_id: peer("bo"),
        }),
        Output::Tell(Happening::PeerJoined {
            peer_id: peer("di"),
            name,
        }),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn an_unanswered_offer_is_void_when_the_server_asks_again() {
    let mut session = joined();
    let first = number_of(&say(&mut session, offer_data(0, 1)));
    session.handle_offer(first, "sdp".into(), &[]);
    drain(&mut session);
    let second = number_of(&say(&mut session, offer_data(0, 2)));
    assert!(second > first);
    session.handle_event(snug_protocol::ServerEvent::SdpAnswer(SdpAnswer::default()));
    assert_eq!(
        drain(&mut session),
        [],
        "an answer to the void offer is not applied"
    );
}

#[test]
fn junk_changes_nothing() {
    let mut session = joined();
    for junk in [
        "",
        "null",
        "[]",
        "{}",
        "{\"type\":7}",
        "{\"type\":\"later\",\"data\":{}}",
    ] {
        session.handle_data(junk);
    }
    for event in [
        json!({"type": "connected"}),
        json!({"type": "tracksAdded", "data": {"endpointId": "nobody", "tracks": {"t": {}}}}),
        json!({"type": "tracksRemoved", "data": {"endpointId": "me", "trackIds": ["x"]}}),
        json!({"type": "trackUpdated", "data": {"endpointId": "q", "trackId": "x"}}),
        answer(json!({"0": "me:a"}), "m=audio 9\na=mid:0\n"),
        json!({"type": "custom", "data": {"type": "custom", "data": {"type": "custom"}}}),
    ] {
        assert_eq!(say(&mut session, event.clone()), [], "{event}");
    }
    assert!(session.nonsense() > 0);
}
