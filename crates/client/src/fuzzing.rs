//! Doors for the fuzzer (`cargo xtask fuzz`), and for the test that says its seeds again, into what is
//! private. No program calls them.

use snug_protocol::{Bitrates, TrackId, TrackSource};
use webrtc::peer_connection::RTCSessionDescription;

use crate::session::answer::sections;
use crate::session::{Output, Session};
use crate::transport::{Announced, with_track_names};

/// What one word of a server may make a session say: each of its tracks is told about once.
const OUTPUTS_PER_BYTE: usize = 2;

/// Reads `sdp` as the answer of a server.
///
/// # Panics
/// When what is read of it does not stand there, or its tracks get other names the second time.
pub fn answer(sdp: &str) {
    let found = sections(sdp);
    let lines = sdp.lines().filter(|line| line.starts_with("m="));
    assert!(found.len() <= lines.count());
    assert!(found.iter().all(|section| sdp.contains(section.mid)));
    let named = with_track_names(sdp);
    assert_eq!(with_track_names(&named), named);
    assert_eq!(sections(&named), found);
    assert_eq!(Announced::in_sdp(&named), Announced::in_sdp(sdp));
    // Only that it ends: what cannot be read is refused.
    drop(RTCSessionDescription::answer(named));
}

/// Lets a server say these words to somebody who is in a room with a microphone; whatever the
/// session wants done is done at once.
///
/// # Panics
/// When a word makes the session want more than it has bytes for.
pub fn session<'a>(words: impl Iterator<Item = &'a str>) {
    let mut session = Session::new("Ada".to_owned());
    session.connect();
    let own: TrackId = "own".parse().expect("a legal name");
    let bitrates = Bitrates::Total(64_000);
    session.publish(own.clone(), TrackSource::Microphone, bitrates, true);
    for word in words {
        session.handle_data(word);
        let mut count = 0;
        while let Some(output) = session.poll_output() {
            count += 1;
            match output {
                Output::Offer { number, .. } => {
                    let sections = [(own.clone(), "0".to_owned())];
                    session.handle_offer(number, String::new(), &sections);
                }
                Output::Answer { number, sdp } if sdp.len() % 7 == 0 => {
                    session.handle_failed(number);
                }
                Output::Answer { number, .. } => session.handle_answered(number),
                _ => {}
            }
            let most = OUTPUTS_PER_BYTE * word.len() + 16;
            assert!(count <= most, "{count} of {} bytes", word.len());
        }
    }
}
