//! What leaves first.

use super::allocations::{Clients, camera_and_voice, let_in, tile_and_voice};
use super::*;

const SUBSCRIBERS: u32 = 3;

/// Pictures that came before sound in the same turn leave after it, to everybody.
#[test]
fn sound_leaves_before_the_pictures_of_its_turn() {
    let mut bench = Bench::new();
    for key in 0..=SUBSCRIBERS {
        bench.add(key);
        assert!(bench.check(key, address(5_000 + key as u16)) > 0);
        match key {
            0 => let_in(&mut bench, key, camera_and_voice(), vec![]),
            _ => let_in(&mut bench, key, vec![], tile_and_voice()),
        }
    }
    let mut clients = Clients::new(SUBSCRIBERS);
    let path = Path::direct(address(5_000), None);
    bench.sent.lock().unwrap().clear();
    bench.shard.inbox.clear();
    for part in 0..5 {
        assert!(bench.shard.inbox.put(path, &clients.picture(0, part)));
    }
    for _ in 0..2 {
        assert!(bench.shard.inbox.put(path, &clients.sound()));
    }
    bench.shard.handle_inbox(bench.now);
    bench.shard.forward_pending(bench.now);
    bench.shard.port.flush();
    let sent = bench.sent.lock().unwrap();
    // The payload type is not sealed.
    let kinds: Vec<u8> = sent.iter().map(|(_, data)| data[1] & 0x7F).collect();
    let media: Vec<u8> = kinds
        .into_iter()
        .filter(|kind| [96, 111].contains(kind))
        .collect();
    let (sound, pictures) = media.split_at(2 * SUBSCRIBERS as usize);
    assert!(sound.iter().all(|kind| *kind == 111), "{media:?}");
    assert_eq!(pictures, [96; 5 * SUBSCRIBERS as usize]);
}
