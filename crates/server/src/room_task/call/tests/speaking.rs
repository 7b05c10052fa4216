//! Who hears of a voice, and whose picture comes first then.

use super::*;
use crate::room_task::call::speaking::PREFERRED_MAX;
use crate::transport::TrackKey;

impl World {
    fn voice(&mut self, client: &Client, track: &TrackId, is_speech: bool) {
        let (peer, track) = (self.key(client), self.call.tracks[track].key);
        let event = TransportEvent::Voice {
            peer,
            track,
            is_speech,
        };
        self.call.handle_transport(event, self.now);
        self.drain();
    }

    fn voices(&mut self, client: &Client) -> Vec<VadStatus> {
        let heard = self.heard.remove(&client.seat.peer).unwrap_or_default();
        let voices = heard.into_iter().filter_map(|event| match event {
            ServerEvent::VadNotification { status, .. } => Some(status),
            _ => None,
        });
        voices.collect()
    }

    fn priorities(&mut self, client: &Client) -> Vec<Vec<TrackId>> {
        let heard = self.heard.remove(&client.seat.peer).unwrap_or_default();
        let orders = heard.into_iter().filter_map(|event| match event {
            ServerEvent::TracksPriority { tracks } => Some(tracks),
            _ => None,
        });
        orders.collect()
    }
}

#[test]
fn a_voice_is_heard_by_who_knows_its_track() {
    let mut world = World::new();
    let ann = world.enter_with(&["audio"]);
    let bob = world.enter_with(&[]);
    let lurker = world.join(false);
    let voice = ann.sends[0].1.clone();
    for client in [&ann, &bob, &lurker] {
        world.take(client);
    }
    for is_speech in [true, true, false, false] {
        world.voice(&ann, &voice, is_speech);
    }
    assert_eq!(world.voices(&bob), [VadStatus::Speech, VadStatus::Silence]);
    assert_eq!(world.voices(&ann), [], "nobody hears of oneself");
    assert_eq!(world.voices(&lurker), []);
    // Somebody who comes while it is heard is told after the track.
    world.voice(&ann, &voice, true);
    let carol = world.enter(false);
    let heard = world.take(&carol);
    assert_eq!(
        heard,
        ["connected", "tracksAdded", "vadNotification", "offerData"]
    );
    // A late word about a track that is gone.
    let (peer, track) = (world.key(&ann), TrackKey(9_999));
    let is_speech = true;
    let event = TransportEvent::Voice {
        peer,
        track,
        is_speech,
    };
    world.call.handle_transport(event, world.now);
    world.drain();
    assert!(world.take(&carol).is_empty());
}

#[test]
fn who_comes_back_is_told_how_voices_stand() {
    let mut world = World::new();
    let ann = world.enter_with(&["audio"]);
    let bob = world.enter_with(&[]);
    let voice = ann.sends[0].1.clone();
    world.voice(&ann, &voice, true);
    assert_eq!(world.voices(&bob), [VadStatus::Speech]);
    world.call.handle_socket_lost(&bob.seat, world.now);
    world.voice(&ann, &voice, false);
    assert_eq!(world.voices(&bob), []);
    let bob = world.resume(&bob);
    assert_eq!(world.voices(&bob).last(), Some(&VadStatus::Silence));
}

#[test]
fn the_picture_of_who_spoke_last_comes_first() {
    let mut world = World::new();
    let ann = world.enter_with(&["audio", "video"]);
    let bob = world.enter_with(&["audio", "video"]);
    let guest = world.enter(false);
    world.connect_media(&guest);
    world.negotiate(&guest);
    let (first, second) = (ann.sends[1].1.clone(), bob.sends[1].1.clone());
    world.priorities(&guest);
    world.voice(&bob, &bob.sends[0].1, true);
    let expected = vec![second.clone(), first.clone()];
    assert_eq!(world.priorities(&guest), [expected]);
    assert!(
        world.priorities(&ann).is_empty(),
        "Snug's page knows better"
    );
    // Quick changes are told together, a second later.
    for _ in 0..5 {
        for (client, voice) in [(&ann, &ann.sends[0].1), (&bob, &bob.sends[0].1)] {
            world.voice(client, voice, false);
            world.voice(client, voice, true);
        }
    }
    world.voice(&ann, &ann.sends[0].1, false);
    world.voice(&ann, &ann.sends[0].1, true);
    assert!(world.priorities(&guest).is_empty());
    world.advance(1_100);
    assert_eq!(world.priorities(&guest), [vec![first, second]]);
}

#[test]
fn what_a_receiver_wants_first_comes_first_for_it_alone() {
    let mut world = World::new();
    let ann = world.enter_with(&["audio", "video"]);
    let bob = world.enter_with(&["audio", "video"]);
    let [guest, other] = [(), ()].map(|()| world.enter(false));
    for client in [&guest, &other] {
        world.connect_media(client);
        world.negotiate(client);
    }
    let (of_ann, of_bob) = (ann.sends[1].1.clone(), bob.sends[1].1.clone());
    world.voice(&bob, &bob.sends[0].1, true);
    for client in [&guest, &other] {
        world.priorities(client);
    }
    let wish = |id: &TrackId, is_wanted: bool| {
        let track_id = id.clone();
        match is_wanted {
            true => ClientEvent::PrioritizeTrack { track_id },
            false => ClientEvent::UnprioritizeTrack { track_id },
        }
    };
    world.say(&guest, wish(&of_ann, true));
    let ann_first = vec![of_ann.clone(), of_bob.clone()];
    assert_eq!(world.priorities(&guest), [ann_first]);
    assert!(world.priorities(&other).is_empty());
    let key = world.call.tracks[&of_ann].key;
    assert_eq!(world.prioritized(&guest), [key]);
    assert_eq!(world.prioritized(&other), []);
    // Said again it changes nothing, however often.
    for _ in 0..500 {
        world.say(&guest, wish(&of_ann, true));
    }
    assert!(world.priorities(&guest).is_empty());
    // Somebody who speaks comes after it.
    world.advance(1_100);
    world.voice(&bob, &bob.sends[0].1, false);
    world.voice(&bob, &bob.sends[0].1, true);
    world.advance(1_100);
    let first = |orders: Vec<Vec<TrackId>>| orders.last().map(|order| order[0].clone());
    assert!(first(world.priorities(&guest)).is_none_or(|id| id == of_ann));
    world.say(&guest, wish(&of_ann, false));
    let bob_first = vec![of_bob.clone(), of_ann.clone()];
    assert_eq!(world.priorities(&guest), [bob_first]);
    assert_eq!(world.prioritized(&guest), []);
    // Sound has no place in the order, nor has what is not there or is one's own.
    let strays = world.call.ignored().strays;
    let foreign: TrackId = "nobody:nothing".parse().unwrap();
    for id in [&foreign, &ann.sends[0].1] {
        world.say(&guest, wish(id, true));
    }
    world.say(&ann, wish(&of_ann, true));
    assert_eq!(world.call.ignored().strays, strays + 3);
    assert!(world.priorities(&guest).is_empty());
    // Sizes are taken without a word: everybody gets what the layers' targets say.
    let sizes = snug_protocol::PreferredVideoSizes {
        big_screens: 1,
        medium_screens: 2,
        small_screens: 3,
        all_same_size: false,
    };
    world.say(&guest, ClientEvent::PreferredVideoSizes(sizes));
    assert!(world.take(&guest).is_empty());
    assert!(world.call.members[&guest.seat.peer].preferred.len() <= PREFERRED_MAX);
}

/// It would fail on the order, and knows nothing of encodings that come and go.
#[test]
fn generation_a_hears_voices_only() {
    let mut world = World::new();
    let ann = world.enter_with(&["audio", "simulcast"]);
    let bob = world.enter_with(&["audio", "video"]);
    let guest = world.join(false);
    let metadata = Value::Null;
    world.say(&guest, ClientEvent::Join { metadata });
    world.connect_media(&guest);
    world.negotiate(&guest);
    world.take(&guest);
    world.voice(&bob, &bob.sends[0].1, true);
    world.say(
        &ann,
        ClientEvent::DisableTrackEncoding {
            track_id: ann.sends[1].1.clone(),
            encoding: Variant::High,
        },
    );
    assert_eq!(world.take(&guest), ["vadNotification"]);
}
