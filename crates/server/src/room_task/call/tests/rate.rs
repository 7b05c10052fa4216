//! What ways carry, as the room hears and tells it.

use super::*;
use crate::room_task::Said;
use crate::transport::WantedEncodings;

impl World {
    fn report(&mut self, event: TransportEvent) {
        self.call.handle_transport(event, self.now);
        self.drain();
    }

    fn snug(&mut self, client: &Client) -> Vec<SnugEvent> {
        self.snug_heard
            .remove(&client.seat.peer)
            .unwrap_or_default()
    }

    /// Returns what comes first in what the media plane was told last of a receiver.
    pub(super) fn prioritized(&self, client: &Client) -> Vec<TrackKey> {
        let key = self.key(client);
        let last = self.plane.iter().rev().find_map(|command| match command {
            TransportCommand::SetMedia {
                peer, subscribe, ..
            } if *peer == key => Some(subscribe),
            _ => None,
        });
        let first = last.unwrap().iter().filter(|it| it.view.is_prioritized);
        first.map(|it| it.track).collect()
    }

    /// Returns the rows of each track in what the media plane was told last of a receiver.
    fn rows(&self, client: &Client) -> Vec<Option<u16>> {
        let key = self.key(client);
        let last = self.plane.iter().rev().find_map(|command| match command {
            TransportCommand::SetMedia {
                peer, subscribe, ..
            } if *peer == key => Some(subscribe),
            _ => None,
        });
        last.unwrap().iter().map(|it| it.view.rows).collect()
    }
}

#[test]
fn an_estimate_is_told_to_the_one_whose_way_it_is() {
    let mut world = World::new();
    let (ann, bob) = (world.enter(false), world.enter(true));
    world.take(&ann);
    world.take(&bob);
    let (peer, bitrate) = (world.key(&ann), 750_000);
    world.report(TransportEvent::Estimate { peer, bitrate });
    let estimation = 750_000.0;
    let expected = ServerEvent::BandwidthEstimation { estimation };
    assert_eq!(world.heard(&ann), [expected]);
    assert_eq!(world.heard(&bob), []);
}

#[test]
fn paused_pictures_are_told_to_snug_all_at_once() {
    let mut world = World::new();
    let ann = world.enter_with(&["video"]);
    let bob = world.enter_with(&["video"]);
    let carol = world.enter(true);
    world.snug(&carol);
    let id = |client: &Client| client.sends[0].1.clone();
    let mut tell = |whose: &Client, is_paused| {
        let (peer, track) = (world.key(&carol), world.call.tracks[&id(whose)].key);
        world.report(TransportEvent::Paused {
            peer,
            track,
            is_paused,
        });
        let Some(SnugEvent::PausedTracks { track_ids }) = world.snug(&carol).pop() else {
            panic!("nothing was told")
        };
        track_ids
    };
    assert_eq!(tell(&ann, true), [id(&ann)]);
    let mut both = [id(&ann), id(&bob)];
    both.sort();
    assert_eq!(tell(&bob, true), both);
    assert_eq!(tell(&ann, false), [id(&bob)]);
    assert_eq!(tell(&bob, false), []);
}

#[test]
fn a_snug_publisher_hears_what_is_wanted_of_its_own_tracks() {
    let mut world = World::new();
    let ann = world.enter_with(&["simulcast"]);
    let bob = world.enter(true);
    let track_id = ann.sends[0].1.clone();
    let track = world.call.tracks[&track_id].key;
    world.snug(&ann);
    world.snug(&bob);
    let rids = |text: &str| {
        WantedEncodings::of(text.split_terminator(',').map(|rid| rid.parse().unwrap()))
    };
    let mut alone = WantedEncodings::default();
    alone.is_any = true;
    for (wanted, encodings) in [
        (rids("l,h"), vec![Variant::Low, Variant::High]),
        (rids(""), vec![]),
        (alone, vec![Variant::High]),
    ] {
        let event = |peer| TransportEvent::Wanted {
            peer,
            track,
            encodings: wanted,
        };
        world.report(event(world.key(&ann)));
        let expected = SnugEvent::WantedEncodings {
            track_id: track_id.clone(),
            encodings,
        };
        assert_eq!(world.snug(&ann), [expected]);
        world.report(event(world.key(&bob)));
        assert_eq!(world.snug(&bob), [], "it is not his");
    }
}

#[test]
fn the_heights_of_tiles_reach_the_media_plane_when_they_change() {
    let mut world = World::new();
    let ann = world.enter_with(&["video"]);
    let bob = world.enter_with(&[]);
    assert_eq!(world.rows(&bob), [None]);
    let camera = ann.sends[0].1.clone();
    let stranger: TrackId = "p:1".parse().unwrap();
    let mut show = |heights: &[(&TrackId, u16)]| {
        let heights = heights.iter().map(|(id, rows)| ((*id).clone(), *rows));
        let said = Said::TileHeights(heights.collect());
        world.call.handle_said(&bob.seat, said, world.now);
        world.drain();
        (world.rows(&bob), world.plane.len())
    };
    let (rows, commands) = show(&[(&camera, 180), (&stranger, 90)]);
    assert_eq!(rows, [Some(180)]);
    assert_eq!(show(&[(&camera, 180)]), (rows, commands), "nothing changed");
    assert_eq!(show(&[(&camera, 0)]).0, [Some(0)]);
    assert_eq!(
        show(&[]).0,
        [None],
        "what is not named may be of any height"
    );
}
