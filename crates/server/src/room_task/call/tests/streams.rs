//! Which tracks of a person the others find in one stream.

use super::*;

impl World {
    /// Publishes one more track in this stream of the client's own, and returns the stream that the
    /// others are told, without the owner's id.
    fn add(&mut self, client: &mut Client, kind: &'static str, given: &'static str) -> String {
        let number = client.sends.len() as u8;
        let id = TrackId::from_random(&client.seat.peer, [100 + number; 16]);
        if !given.is_empty() {
            client.streams.insert(id.clone(), given);
        }
        client.sends.push((kind, id.clone()));
        self.publish(client, &[]);
        self.stream(&id)
    }

    fn stream(&self, id: &TrackId) -> String {
        let track = &self.call.tracks[id];
        track.stream.replace(track.owner.as_str(), "")
    }

    /// Stops sending a track, as a client does: its section stays, and says nothing.
    fn stop(&mut self, client: &mut Client, index: usize) {
        client.sends[index].1 = TrackId::from_random(&PeerId::from_random([99; 16]), [1; 16]);
        self.publish(client, &[]);
    }
}

#[test]
fn sound_and_picture_share_a_stream_and_a_screen_has_its_own() {
    for given in [
        // No stream at all, as releases before 0.6 and simulcast have it.
        ["", "", ""],
        ["-", "-", "-"],
        // Sound is in the application's stream, and a simulcast camera in none.
        ["home", "-", "-"],
        // Everything is in one, or each in one that the browser or the application made for it.
        ["home", "home", "home"],
        ["a", "b", "c"],
    ] {
        for order in [[0, 1, 2], [2, 1, 0]] {
            let mut world = World::new();
            let mut ann = world.enter_with(&[]);
            let mut told = [const { String::new() }; 3];
            for index in order {
                let kind = ["audio", "video", "screen"][index];
                told[index] = world.add(&mut ann, kind, given[index]);
            }
            assert_eq!(
                told,
                ["", "", "-screen"],
                "{given:?} in the order {order:?}"
            );
        }
    }
}

#[test]
fn further_tracks_are_where_their_owner_puts_them() {
    let mut world = World::new();
    let mut ann = world.enter_with(&[]);
    let mut add = |kind, given| world.add(&mut ann, kind, given);
    assert_eq!(add("audio", "home"), "");
    assert_eq!(add("video", "home"), "");
    assert_eq!(add("video", "garden"), "-2");
    assert_eq!(add("audio", "garden"), "-2");
    assert_eq!(add("video", "home"), "", "with the others of its stream");
    assert_eq!(add("video", "street"), "-3");
    assert_eq!(add("screen", "window"), "-screen");
    assert_eq!(add("screen", "desktop"), "-screen-2");
    let names: Vec<String> = ann.sends.iter().map(|(_, id)| world.stream(id)).collect();
    // Whatever the client calls them later, and whatever they show, they stay where they are.
    for id in ann.streams.values_mut() {
        *id = "elsewhere";
    }
    world.publish(&mut ann, &[]);
    for (_, id) in &ann.sends {
        let metadata = json!({"type": "screensharing"});
        let track_id = id.clone();
        world.say(
            &ann,
            ClientEvent::UpdateTrackMetadata { track_id, metadata },
        );
    }
    let after: Vec<String> = ann.sends.iter().map(|(_, id)| world.stream(id)).collect();
    assert_eq!(after, names);
}

#[test]
fn a_camera_that_comes_back_in_another_stream_is_with_its_sound_again() {
    let mut world = World::new();
    let mut ann = world.enter_with(&[]);
    world.add(&mut ann, "audio", "home");
    for given in ["home", "second", "third", "home"] {
        let told = world.add(&mut ann, "video", given);
        assert_eq!(told, "", "{given}");
        let index = ann.sends.len() - 1;
        world.stop(&mut ann, index);
    }
}

#[test]
fn labels_are_what_a_description_can_say() {
    let mut world = World::new();
    let ann = world.enter_with(&["audio"]);
    let mut own = world.call.tracks.values().next().unwrap().own.clone();
    own.id = "p:with space".parse().unwrap();
    let (owner, stream) = (&ann.seat.peer, String::new());
    let odd = Published::new(TrackKey(99), owner, &own, stream, Value::Null, None);
    assert_eq!(odd.label, "track-99");
}
