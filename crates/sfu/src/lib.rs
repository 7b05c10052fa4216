//! Forwarding decisions of the media plane: which packet goes to whom, rewritten how.
//!
//! A [`Router`] is one room. It is told what each peer sends and receives ([`Publish`],
//! [`Subscribe`]), is shown every decrypted packet, writes each subscriber's version of it into
//! the caller's buffer, and says which RTCP to send as [`Output`]s. It refuses to know names,
//! sockets, encryption and the clock: peers and tracks are dense keys, the time is an argument.
//! The packet path allocates nothing and is linear in the number of subscribers.
//!
//! Which encoding of a track each subscriber is shown is decided in `selector`; what people have
//! to know of that comes out as [`Notice`]s.
//!
//! Pictures are mended on both ways: what a publisher's packets lack is asked for, and
//! what a subscriber lacks is sent again from the last packets, kept once for all (`ring`).
//!
//! What the way to each receiver carries is estimated (`link`, on `snug_congestion`), and shared
//! among the pictures that it is shown (`allocator`). Publishers hear how their packets arrive, and
//! which encodings nobody needs.
//!
//! ```
//! use snug_rtp::{Fields, Packet, RtpTime, SequenceNumber, write_packet};
//! use snug_sfu::{
//!     Encoding, ExtensionIds, Kind, PeerKey, Publish, Router, Subscribe, TrackKey, View,
//! };
//! use std::time::Instant;
//!
//! let (speaker, listener, track) = (PeerKey(1), PeerKey(2), TrackKey(1));
//! let now = Instant::now();
//! let mut router = Router::default();
//! let publish = Publish {
//!     track,
//!     kind: Kind::Audio,
//!     mid: "0".into(),
//!     encodings: vec![Encoding { ssrc: Some(7), ..Encoding::default() }],
//!     payload_type: 111,
//!     rtx_payload_type: None,
//!     red_payload_type: None,
//!     extensions: ExtensionIds::default(),
//!     bitrate_max: None,
//! };
//! let subscribe = Subscribe {
//!     track,
//!     mid: "1".into(),
//!     ssrc: 9,
//!     rtx_ssrc: None,
//!     payload_type: 100,
//!     rtx_payload_type: None,
//!     red_payload_type: None,
//!     extensions: ExtensionIds::default(),
//!     target: None,
//!     view: View::default(),
//! };
//! router.set_media(speaker, vec![publish], vec![], now);
//! router.set_media(listener, vec![], vec![subscribe], now);
//! router.handle_connected(listener, now);
//!
//! let mut sent = [0; 64];
//! let fields = Fields {
//!     marker: false,
//!     payload_type: 111,
//!     sequence: SequenceNumber(5),
//!     timestamp: RtpTime(960),
//!     ssrc: 7,
//! };
//! let len = write_packet(&mut sent, &fields, &[], b"opus").unwrap().len;
//! let packet = Packet::parse(&sent[..len]).unwrap();
//! let arrival = router.handle_rtp(speaker, &packet, now).unwrap();
//! assert_eq!(router.subscriber_count(&arrival), 1);
//! let mut out = [0; 64];
//! let forwarded = router.forward(&arrival, 0, &packet, now, &mut out).unwrap();
//! assert_eq!(forwarded.to, listener);
//! assert_eq!(Packet::parse(&out[..forwarded.len]).unwrap().header().ssrc, 9);
//! ```

mod allocator;
mod counters;
mod key;
mod keyframe;
mod link;
mod media;
mod meter;
mod notice;
mod output;
mod reception;
mod rewrite;
mod ring;
mod router;
mod selector;
mod subscription;
mod track;
mod voice;

pub use counters::Counters;
pub use key::{PeerKey, RoomKey, TrackKey};
pub use media::{Encoding, ExtensionIds, Kind, Publish, Subscribe, View};
pub use notice::{LayerReason, Notice, WantedEncodings};
pub use output::Output;
pub use router::{Arrival, Forwarded, Router};
pub use snug_rtp::Sequences;
