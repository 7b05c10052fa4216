//! The order of events, with made-up instants: what each peer hears when others do something.

mod chat;
mod layers;
mod rate;
mod speaking;
mod streams;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use snug_protocol::{
    Candidate, ClientEvent, HostToken, ResumeToken, SdpAnswer, SnugEvent, TracksTypes, Variant,
};
use snug_room::{Credentials, HostRule, Joiner, Patience};

use super::super::site::Keys;
use super::*;
use crate::negotiation::Offer;
use crate::transport::{RejectReason, TransportEvent};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";
const TRANSPORT: &str = "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
a=ice-pwd:abcdabcdabcdabcdabcdabcd\r\na=fingerprint:sha-256 \
00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F\
\r\na=setup:actpass\r\na=rtcp-mux\r\n";

const SIMULCAST: &str = "a=rtcp-fb:96 goog-remb\r\na=rid:l send\r\na=rid:m send\r\n\
a=rid:h send\r\na=simulcast:send l;m;h\r\n";

/// A call, and everything that anybody was told so far.
struct World {
    call: Call,
    now: Instant,
    joined: u8,
    heard: BTreeMap<PeerId, Vec<ServerEvent>>,
    snug_heard: BTreeMap<PeerId, Vec<SnugEvent>>,
    plane: Vec<TransportCommand>,
    added: Vec<PeerKey>,
    ended: Vec<(PeerId, Option<HangUp>)>,
}

/// A scripted client: what it offers grows as real ones' does.
#[derive(Clone)]
struct Client {
    seat: Seat,
    token: Option<ResumeToken>,
    /// Kind and track of each sending section; the sections stand before the receiving ones.
    sends: Vec<(&'static str, TrackId)>,
    /// In which stream of its own each track is, where it is in one.
    streams: BTreeMap<TrackId, &'static str>,
    /// How much each track means to send, where it says so.
    bitrates: BTreeMap<TrackId, Bitrates>,
}

impl World {
    fn new() -> Self {
        let site = Site {
            fingerprint: [0xCD; 32],
            media_port: 7684,
            announced: vec![],
            patience: Patience::default(),
            people_max: snug_room::PEERS_MAX,
            keys: Keys::default(),
        };
        Self {
            call: Call::new(Arc::new(site), HostRule::First),
            now: Instant::now(),
            joined: 0,
            heard: BTreeMap::new(),
            snug_heard: BTreeMap::new(),
            plane: Vec::new(),
            added: Vec::new(),
            ended: Vec::new(),
        }
    }

    fn newcomer(&mut self, is_snug: bool, resume: Option<ResumeToken>) -> Newcomer {
        self.joined += 1;
        let joiner = Joiner {
            fresh_id: PeerId::from_random([self.joined; 16]),
            fresh_token: is_snug.then(|| ResumeToken::from_random([self.joined; 16])),
            resume,
            credentials: Credentials {
                is_snug,
                fresh_host: Some(HostToken::from_random([self.joined; 16])),
                ..Credentials::default()
            },
        };
        Newcomer {
            joiner,
            is_snug,
            is_page: false,
            listens: false,
            local: "10.0.0.1".parse().unwrap(),
            ice: ice("ours"),
            first_ssrc: 1000 * u32::from(self.joined),
            turn_servers: vec![],
            relay: None,
            simulcast: None,
        }
    }

    fn join(&mut self, is_snug: bool) -> Client {
        let newcomer = self.newcomer(is_snug, None);
        let admission = self.call.handle_join(newcomer, self.now).unwrap();
        self.drain();
        Client {
            seat: admission.seat,
            token: admission.token,
            sends: vec![],
            streams: BTreeMap::new(),
            bitrates: BTreeMap::new(),
        }
    }

    fn resume(&mut self, client: &Client) -> Client {
        let newcomer = self.newcomer(true, client.token.clone());
        let admission = self.call.handle_join(newcomer, self.now).unwrap();
        assert!(admission.resumed);
        self.drain();
        Client {
            seat: admission.seat,
            ..client.clone()
        }
    }

    fn enter(&mut self, is_snug: bool) -> Client {
        let client = self.join(is_snug);
        self.say(
            &client,
            ClientEvent::Connect {
                metadata: json!({"displayName": "x"}),
            },
        );
        client
    }

    /// Enters, connects media and publishes one track of each kind named.
    fn enter_with(&mut self, kinds: &[&'static str]) -> Client {
        let mut client = self.enter(true);
        self.connect_media(&client);
        if !kinds.is_empty() {
            self.publish(&mut client, kinds);
        } else if self.last_counts(&client).is_some() {
            self.negotiate(&client);
        }
        client
    }

    fn publish(&mut self, client: &mut Client, kinds: &[&'static str]) {
        for kind in kinds {
            let number = client.sends.len() as u8;
            client
                .sends
                .push((kind, TrackId::from_random(&client.seat.peer, [number; 16])));
        }
        self.say(client, ClientEvent::RenegotiateTracks);
        self.negotiate(client);
    }

    fn connect_media(&mut self, client: &Client) {
        let peer = self.key(client);
        self.call
            .handle_transport(TransportEvent::Connected { peer }, self.now);
        self.drain();
    }

    fn key(&self, client: &Client) -> PeerKey {
        self.call.members[&client.seat.peer].key
    }

    fn say(&mut self, client: &Client, event: ClientEvent) {
        self.call
            .handle_said(&client.seat, Said::Event(event), self.now);
        self.drain();
    }

    /// Answers the latest `offerData`.
    fn negotiate(&mut self, client: &Client) -> SdpAnswer {
        let counts = self.last_counts(client).expect("an offer was asked for");
        self.offer(client, counts);
        let heard = self.heard(client).into_iter().rev();
        let mut answers = heard.filter_map(|event| match event {
            ServerEvent::SdpAnswer(answer) => Some(answer),
            _ => None,
        });
        answers.next().expect("an answer")
    }

    fn offer(&mut self, client: &Client, counts: TracksTypes) {
        let sends = client.sends.iter().map(|(kind, _)| (*kind, "sendonly"));
        let audio = (0..counts.audio).map(|_| ("audio", "recvonly"));
        let video = (0..counts.video).map(|_| ("video", "recvonly"));
        let mut sdp = HEAD.to_owned();
        for (mid, (kind, direction)) in sends.chain(audio).chain(video).enumerate() {
            let (format, name) = if kind == "audio" {
                (111, "opus/48000/2")
            } else {
                (96, "VP8/90000")
            };
            let (media, layers) = match kind {
                "simulcast" => ("video", SIMULCAST),
                "screen" => ("video", ""),
                kind => (kind, ""),
            };
            write!(
                sdp,
                "m={media} 9 UDP/TLS/RTP/SAVPF {format}\r\n{TRANSPORT}a=mid:{mid}\r\n\
                 a={direction}\r\na=rtpmap:{format} {name}\r\n{layers}"
            )
            .unwrap();
            let id = client.sends.get(mid).map(|(_, id)| id);
            if let Some(stream) = id.and_then(|id| client.streams.get(id)) {
                write!(sdp, "a=msid:{stream} track-{mid}\r\n").unwrap();
            }
        }
        let tracks = client.sends.iter().enumerate();
        let own = tracks
            .map(|(mid, (_, id))| (mid.to_string(), id.clone()))
            .collect();
        let described = |kind: &str| {
            json!({"type": match kind {
                "audio" => "microphone",
                "screen" => "screensharing",
                _ => "camera",
            }})
        };
        let metadata = client
            .sends
            .iter()
            .map(|(kind, id)| (id.clone(), described(kind)))
            .collect();
        let offer = Offer::parse(&sdp);
        let about = OfferedTracks {
            own,
            metadata,
            bitrates: client.bitrates.clone(),
        };
        let said = SaidOffer {
            offer,
            about,
            fresh_ice: ice("next"),
        };
        self.call
            .handle_said(&client.seat, Said::Offer(Box::new(said)), self.now);
        self.drain();
    }

    fn last_counts(&self, client: &Client) -> Option<TracksTypes> {
        let heard = self.heard(client).into_iter().rev();
        let mut counts = heard.filter_map(|event| match event {
            ServerEvent::OfferData(data) => Some(data.tracks_types),
            _ => None,
        });
        counts.next()
    }

    fn advance(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(deadline) = self.call.deadline().filter(|deadline| *deadline <= until) {
            self.call.handle_timeout(deadline);
            self.drain();
            assert_ne!(
                self.call.deadline(),
                Some(deadline),
                "the same deadline twice"
            );
        }
        self.now = until;
    }

    fn drain(&mut self) {
        while let Some(action) = self.call.poll_action() {
            match action {
                Action::Tell { peer, letter } if letter.event == "snug" => {
                    let event = SnugEvent::from_payload(letter.payload.get());
                    // Roles and rules are told to everybody with Snug; the room's own tests, and
                    // those with whole programs, are about them.
                    if !matches!(event, SnugEvent::Moderation(_)) {
                        self.snug_heard.entry(peer).or_default().push(event);
                    }
                }
                Action::Tell { peer, letter } => {
                    let payload: Value = serde_json::from_str(letter.payload.get()).unwrap();
                    let said = payload["data"].as_str().unwrap();
                    // Generation A's forms are not read back.
                    let kind = said.to_owned();
                    let unreadable = ServerEvent::Unknown { kind };
                    let event = ServerEvent::parse(said).unwrap_or(unreadable);
                    self.heard.entry(peer).or_default().push(event);
                }
                Action::AddPeer { peer, .. } => self.added.push(peer),
                Action::Transport(command) => self.plane.push(command),
                Action::End { peer, hang_up } => self.ended.push((peer, hang_up)),
            }
        }
    }

    fn heard(&self, client: &Client) -> Vec<ServerEvent> {
        self.heard
            .get(&client.seat.peer)
            .cloned()
            .unwrap_or_default()
    }

    /// Takes what a client heard since the last time, as short words.
    fn take(&mut self, client: &Client) -> Vec<String> {
        let events = self.heard.remove(&client.seat.peer).unwrap_or_default();
        events.iter().map(|event| word(event).to_owned()).collect()
    }

    /// The latest state of the media plane for a client.
    fn media(&self, client: &Client) -> (usize, usize) {
        let key = self.key(client);
        let states = self.plane.iter().rev().filter_map(|command| match command {
            TransportCommand::SetMedia {
                peer,
                publish,
                subscribe,
            } if *peer == key => Some((publish.len(), subscribe.len())),
            _ => None,
        });
        { states }.next().unwrap_or_default()
    }
}

fn ice(name: &str) -> IceCredentials {
    IceCredentials {
        ufrag: name.to_owned(),
        pwd: name.repeat(8),
    }
}

fn word(event: &ServerEvent) -> &'static str {
    match event {
        ServerEvent::Connected { .. } => "connected",
        ServerEvent::EndpointAdded { .. } => "endpointAdded",
        ServerEvent::EndpointRemoved { .. } => "endpointRemoved",
        ServerEvent::EndpointUpdated { .. } => "endpointUpdated",
        ServerEvent::TracksAdded { .. } => "tracksAdded",
        ServerEvent::TracksRemoved { .. } => "tracksRemoved",
        ServerEvent::TrackUpdated { .. } => "trackUpdated",
        ServerEvent::TrackEncodingDisabled { .. } => "trackEncodingDisabled",
        ServerEvent::TrackEncodingEnabled { .. } => "trackEncodingEnabled",
        ServerEvent::Error { .. } => "error",
        ServerEvent::OfferData(_) => "offerData",
        ServerEvent::SdpAnswer(_) => "sdpAnswer",
        ServerEvent::Candidate(_) => "candidate",
        ServerEvent::EncodingSwitched(_) => "encodingSwitched",
        ServerEvent::VadNotification { .. } => "vadNotification",
        ServerEvent::TracksPriority { .. } => "tracksPriority",
        _ => "another",
    }
}

#[test]
fn a_newcomer_hears_connected_then_tracks_then_an_offer_request() {
    let mut world = World::new();
    let ann = world.enter_with(&["audio", "video"]);
    assert_eq!(
        world.take(&ann),
        ["connected", "offerData", "sdpAnswer", "candidate"]
    );
    let bob = world.enter(false);
    let heard = world.heard(&bob);
    let ServerEvent::Connected {
        id,
        other_endpoints,
    } = &heard[0]
    else {
        panic!("{heard:?}")
    };
    assert_eq!(*id, bob.seat.peer);
    assert_eq!(other_endpoints[0].tracks.len(), 2);
    assert_eq!(other_endpoints[0].metadata, json!({"displayName": "x"}));
    assert_eq!(
        world.last_counts(&bob),
        Some(TracksTypes { audio: 1, video: 1 })
    );
    assert_eq!(world.take(&bob), ["connected", "tracksAdded", "offerData"]);
    assert_eq!(
        world.take(&ann),
        ["endpointAdded"],
        "and ann does not negotiate"
    );
    assert_eq!(world.media(&ann), (2, 0));
    world.offer(&bob, TracksTypes { audio: 1, video: 1 });
    assert_eq!(world.take(&bob), ["sdpAnswer", "candidate"]);
    assert_eq!(world.media(&bob), (0, 2));
    assert_eq!(world.take(&ann), [""; 0]);
}

#[test]
fn a_published_track_reaches_the_others_before_their_offer_request() {
    let mut world = World::new();
    let mut ann = world.enter(true);
    let bob = world.enter(true);
    world.connect_media(&ann);
    world.take(&ann);
    world.take(&bob);
    world.publish(&mut ann, &["video"]);
    assert_eq!(world.take(&ann), ["offerData", "sdpAnswer", "candidate"]);
    assert_eq!(world.take(&bob), ["tracksAdded", "offerData"]);
    ann.sends.clear();
    world.say(&ann, ClientEvent::RenegotiateTracks);
    world.negotiate(&ann);
    assert!(world.call.tracks.is_empty());
    assert_eq!(
        world.take(&bob),
        [""; 0],
        "bob has not negotiated the track: it is held back"
    );
    world.offer(&bob, TracksTypes { audio: 0, video: 1 });
    assert_eq!(
        world.take(&bob),
        ["sdpAnswer", "candidate", "tracksRemoved"]
    );
    world.connect_media(&bob);
    assert_eq!(
        world.take(&bob),
        ["offerData"],
        "once the first answer became a connection"
    );
}

#[test]
fn who_leaves_takes_its_tracks_first() {
    let mut world = World::new();
    let ann = world.enter_with(&["audio"]);
    let bob = world.enter(true);
    world.negotiate(&bob);
    world.connect_media(&bob);
    let carol = world.enter(true);
    for client in [&ann, &bob, &carol] {
        world.take(client);
    }
    world.call.handle_leave(&ann.seat, world.now);
    world.drain();
    assert_eq!(
        world.take(&bob),
        ["tracksRemoved", "endpointRemoved", "offerData"]
    );
    assert_eq!(
        world.take(&carol),
        ["endpointRemoved"],
        "she never negotiated the track"
    );
    assert_eq!(world.ended, [(ann.seat.peer.clone(), None)]);
    assert_eq!(world.media(&bob), (0, 0));
    assert!(matches!(
        world.plane.last(),
        Some(TransportCommand::SetMedia { .. })
    ));
    let removed = world
        .plane
        .iter()
        .any(|command| matches!(command, TransportCommand::RemovePeer { .. }));
    assert!(removed);
    world.offer(&carol, TracksTypes { audio: 1, video: 0 });
    assert_eq!(world.take(&carol), ["sdpAnswer", "candidate"]);
}

#[test]
fn disconnect_counts_as_leaving() {
    let mut world = World::new();
    let ann = world.enter(false);
    let bob = world.enter(false);
    world.take(&bob);
    world.say(&ann, ClientEvent::Disconnect);
    assert_eq!(world.take(&bob), ["endpointRemoved"]);
    world.say(&ann, ClientEvent::RenegotiateTracks);
    assert_eq!(world.call.ignored().stale, 1);
}

#[test]
fn who_never_connects_is_never_seen() {
    let mut world = World::new();
    let ann = world.enter(true);
    world.take(&ann);
    let ghost = world.join(false);
    world.say(&ghost, ClientEvent::RenegotiateTracks);
    world.offer(&ghost, TracksTypes::default());
    assert_eq!(world.take(&ghost), [""; 0]);
    assert_eq!(world.call.ignored().stale, 2);
    world.call.handle_socket_lost(&ghost.seat, world.now);
    world.drain();
    assert_eq!(world.take(&ann), [""; 0]);
    assert_eq!(
        world.added.len(),
        1,
        "the media plane does not know it either"
    );
}

#[test]
fn silence_is_told_to_snug_peers_alone_and_ends_in_removal() {
    let mut world = World::new();
    let (ann, bob, carol) = (world.enter(true), world.enter(true), world.enter(false));
    for client in [&ann, &bob, &carol] {
        world.take(client);
    }
    let keep = |world: &mut World, ms: u64| {
        for _ in 0..ms / 500 {
            world.advance(500);
            for client in [&bob, &carol] {
                world
                    .call
                    .handle_socket_heard(&client.seat.peer, world.now, world.now);
            }
        }
    };
    keep(&mut world, 3000);
    let in_browser = SnugEvent::InBrowser {
        endpoint_ids: vec![carol.seat.peer.clone()],
    };
    let missed = SnugEvent::Presence {
        endpoint_id: ann.seat.peer.clone(),
        state: PresenceState::Reconnecting,
    };
    assert_eq!(
        world.snug_heard[&bob.seat.peer],
        [in_browser.clone(), missed.clone()]
    );
    assert!(!world.snug_heard.contains_key(&carol.seat.peer));
    let dave = world.enter(true);
    assert_eq!(
        world.snug_heard[&dave.seat.peer],
        [missed, in_browser],
        "a newcomer learns who is missed, and who is in a browser"
    );
    world.take(&bob);
    keep(&mut world, 11_000);
    assert_eq!(
        world.take(&bob),
        ["endpointRemoved", "endpointRemoved"],
        "ann, and silent dave"
    );
    assert_eq!(world.ended[0], (ann.seat.peer, Some(HangUp::Crash)));
    assert!(
        world
            .ended
            .iter()
            .all(|(_, how)| *how == Some(HangUp::Crash))
    );
}

#[test]
fn who_came_without_snug_is_told_to_those_with_it_and_to_nobody_else() {
    let mut world = World::new();
    let carol = world.enter(false);
    let ann = world.enter(true);
    let dave = world.enter(false);
    let told = |client: &Client| SnugEvent::InBrowser {
        endpoint_ids: vec![client.seat.peer.clone()],
    };
    assert_eq!(
        world.snug_heard[&ann.seat.peer],
        [told(&carol), told(&dave)]
    );
    let bob = world.enter(true);
    let mut both = vec![carol.seat.peer.clone(), dave.seat.peer.clone()];
    both.sort();
    let heard = &world.snug_heard[&bob.seat.peer];
    let [SnugEvent::InBrowser { endpoint_ids }] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    let mut named = endpoint_ids.clone();
    named.sort();
    assert_eq!(named, both, "one event for all that were here before");
    assert_eq!(world.snug_heard.len(), 2, "{:?}", world.snug_heard);
}

#[test]
fn a_silent_unmodified_client_is_told_that_it_is_out() {
    let mut world = World::new();
    let ann = world.enter(false);
    world.take(&ann);
    world.advance(5500);
    assert_eq!(world.take(&ann), ["endpointRemoved"]);
    assert_eq!(world.ended, [(ann.seat.peer, Some(HangUp::Close))]);
    assert!(world.call.is_empty());
}

#[test]
fn who_resumes_hears_what_it_missed_and_nobody_negotiates() {
    let mut world = World::new();
    let ann = world.enter_with(&["audio"]);
    let bob = world.enter_with(&[]);
    world.call.handle_socket_lost(&bob.seat, world.now);
    world.drain();
    world.take(&ann);
    world.take(&bob);
    let carol = world.enter(true);
    assert_eq!(
        world.take(&bob),
        [""; 0],
        "nothing is said to a lost socket"
    );
    world.advance(1000);
    let bob = world.resume(&bob);
    let heard = world.heard(&bob);
    let about_carol = |event: &ServerEvent| matches!(event, ServerEvent::EndpointAdded { id, .. } if *id == carol.seat.peer);
    assert!(heard.iter().any(about_carol), "{heard:?}");
    assert!(
        heard
            .iter()
            .all(|event| word(event) != "connected" && word(event) != "offerData")
    );
    assert_eq!(world.take(&ann), ["endpointAdded"], "carol alone");
    let said: Vec<_> = world.snug_heard[&ann.seat.peer].iter().collect();
    assert_eq!(said.len(), 2, "missed at once, then live: {said:?}");
    assert_eq!(world.media(&bob), (0, 1), "its media session is as it was");
}

#[test]
fn what_was_swallowed_by_a_half_dead_socket_is_said_again() {
    let mut world = World::new();
    let bob = world.enter_with(&[]);
    world.advance(2000);
    let carol = world.enter(true);
    assert!(
        world.take(&bob).contains(&"endpointAdded".to_owned()),
        "into a dead wire"
    );
    world.advance(500);
    let bob = world.resume(&bob);
    assert_eq!(world.take(&bob), ["endpointAdded"]);
    world.advance(1);
    let bob = world.resume(&bob);
    assert_eq!(world.take(&bob), ["endpointAdded"], "bearable twice");
    drop(carol);
}

#[test]
fn a_socket_that_choked_swallowed_everything() {
    let mut world = World::new();
    let bob = world.enter_with(&[]);
    let carol = world.enter(true);
    for _ in 0..10 {
        world.advance(500);
        for client in [&bob, &carol] {
            world
                .call
                .handle_socket_heard(&client.seat.peer, world.now, world.now);
        }
    }
    world.take(&bob);
    world.call.handle_socket_choked(&bob.seat, world.now);
    world.drain();
    let bob = world.resume(&bob);
    assert_eq!(
        world.take(&bob),
        ["endpointAdded"],
        "it may have waited in vain for seconds"
    );
}

#[test]
fn a_negotiation_under_way_starts_over_on_resume() {
    let mut world = World::new();
    let ann = world.enter(true);
    world.connect_media(&ann);
    world.say(&ann, ClientEvent::RenegotiateTracks);
    assert_eq!(world.take(&ann), ["connected", "offerData"]);
    let back = world.resume(&ann);
    assert_eq!(world.take(&back), ["offerData"]);
    world.say(&ann, ClientEvent::RenegotiateTracks);
    assert_eq!(
        world.call.ignored().stale,
        1,
        "the former socket has no say"
    );
    world.say(
        &back,
        ClientEvent::Connect {
            metadata: Value::Null,
        },
    );
    assert_eq!(
        world.take(&back),
        ["connected"],
        "its first one may have been swallowed"
    );
}

#[test]
fn a_closed_call_tells_everybody_once_and_takes_nobody_in() {
    let mut world = World::new();
    let (ann, bob) = (world.enter_with(&["video"]), world.enter(false));
    let unseen = world.join(true);
    for client in [&ann, &bob] {
        world.take(client);
    }
    world.call.handle_close(ReasonCode::RoomClosed, world.now);
    world.drain();
    for client in [&ann, &bob, &unseen] {
        assert_eq!(world.take(client), ["error"], "and nothing of the others");
        let how = (client.seat.peer.clone(), Some(HangUp::Close));
        assert!(world.ended.contains(&how));
    }
    let forgotten =
        |command: &&TransportCommand| matches!(command, TransportCommand::RemovePeer { .. });
    assert_eq!(world.plane.iter().filter(forgotten).count(), 2);
    assert!(world.call.is_empty() && world.call.tracks.is_empty());
    let late = world.newcomer(true, None);
    let refused = world.call.handle_join(late, world.now).err();
    assert_eq!(refused, Some(ReasonCode::RoomClosed));
}

#[test]
fn too_much_news_for_an_absent_peer_costs_it_its_place() {
    let mut world = World::new();
    let (ann, bob) = (world.enter(true), world.enter(true));
    world.call.handle_socket_lost(&bob.seat, world.now);
    for number in 0..300 {
        let metadata = json!({"displayName": number});
        world.say(&ann, ClientEvent::UpdateEndpointMetadata { metadata });
    }
    assert_eq!(world.ended, [(bob.seat.peer.clone(), Some(HangUp::Close))]);
    assert!(world.call.members.len() == 1);
}

#[test]
fn metadata_is_relayed_to_those_who_know_the_track() {
    let mut world = World::new();
    let ann = world.enter_with(&["video"]);
    let bob = world.enter(true);
    world.take(&bob);
    let track_id = ann.sends[0].1.clone();
    let update = |active: bool| ClientEvent::UpdateTrackMetadata {
        track_id: track_id.clone(),
        metadata: json!({"type": "camera", "active": active}),
    };
    world.say(&ann, update(false));
    world.say(&ann, update(false));
    assert_eq!(world.take(&bob), ["trackUpdated"]);
    world.say(&bob, update(true));
    assert_eq!(world.call.ignored().strays, 1, "it is not bob's");
    assert_eq!(world.take(&ann).last().unwrap(), "endpointAdded");
    let metadata = json!({"displayName": "y".repeat(20_000)});
    world.say(&ann, ClientEvent::UpdateEndpointMetadata { metadata });
    let heard = world.heard(&bob);
    assert!(matches!(
        &heard[0],
        ServerEvent::EndpointUpdated {
            metadata: Value::Null,
            ..
        }
    ));
}

#[test]
fn encodings_are_switched_once_however_often_it_is_said() {
    let mut world = World::new();
    let ann = world.enter_with(&["video"]);
    let bob = world.enter(true);
    world.take(&bob);
    let track_id = ann.sends[0].1.clone();
    let off = ClientEvent::DisableTrackEncoding {
        track_id: track_id.clone(),
        encoding: Variant::High,
    };
    world.say(&ann, off.clone());
    assert_eq!(world.take(&bob), [""; 0], "the track has no such layer");
    let track = world.call.tracks.get_mut(&track_id).unwrap();
    track.simulcast.active_encodings = vec![Variant::Low, Variant::High];
    world.say(&ann, off.clone());
    world.say(&ann, off);
    world.say(
        &ann,
        ClientEvent::EnableTrackEncoding {
            track_id,
            encoding: Variant::High,
        },
    );
    assert_eq!(
        world.take(&bob),
        ["trackEncodingDisabled", "trackEncodingEnabled"]
    );
}

#[test]
fn a_wrong_fingerprint_is_named_and_ends_the_peer() {
    let mut world = World::new();
    let (ann, bob) = (world.enter(true), world.enter(true));
    world.take(&bob);
    let rejected = TransportEvent::Rejected {
        peer: world.key(&ann),
        reason: RejectReason::FingerprintMismatch,
    };
    world.call.handle_transport(rejected, world.now);
    world.drain();
    let heard = world.heard(&ann);
    let Some(ServerEvent::Error { message, code }) = heard.last() else {
        panic!("{heard:?}")
    };
    assert!(message.contains("fingerprint"));
    assert_eq!(code.as_deref(), Some("fingerprint_mismatch"));
    assert_eq!(world.ended, [(ann.seat.peer.clone(), Some(HangUp::Close))]);
    assert_eq!(world.take(&bob), ["endpointRemoved"]);
    world.call.handle_transport(rejected, world.now);
    world.drain();
}

#[test]
fn an_offer_that_cannot_be_answered_ends_the_peer() {
    let mut world = World::new();
    let ann = world.enter(true);
    world.take(&ann);
    let said = SaidOffer {
        offer: Offer::parse("nonsense"),
        about: OfferedTracks::default(),
        fresh_ice: ice("next"),
    };
    world
        .call
        .handle_said(&ann.seat, Said::Offer(Box::new(said)), world.now);
    world.drain();
    assert_eq!(world.take(&ann), ["error"]);
    assert!(world.call.is_empty());
}

#[test]
fn what_makes_no_sense_is_counted() {
    let mut world = World::new();
    let ann = world.enter(true);
    world.take(&ann);
    world.say(
        &ann,
        ClientEvent::Unknown {
            kind: "later".into(),
        },
    );
    world.say(
        &ann,
        ClientEvent::Candidate(Candidate {
            candidate: String::new(),
            sdp_m_line_index: None,
            sdp_mid: None,
            username_fragment: None,
        }),
    );
    let mut thief = ann.clone();
    thief.sends = vec![(
        "audio",
        TrackId::from_random(&PeerId::from_random([99; 16]), [1; 16]),
    )];
    world.offer(&thief, TracksTypes::default());
    assert_eq!(world.take(&ann), ["sdpAnswer", "candidate"]);
    let ignored = world.call.ignored();
    assert_eq!((ignored.unknown, ignored.tracks), (1, 1));
    assert!(world.call.tracks.is_empty());
}
