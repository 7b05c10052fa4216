//! What is said inside a channel: ids, media events, metadata, links, names and reasons.
//!
//! Everything that two programs must agree on about a *room* lives here, once, as types that
//! cannot be wrong after parsing. The crate knows neither sockets nor Phoenix frames nor media
//! packets, and it holds no state: text and JSON come in, values come out.
//!
//! Start from [`ClientEvent`] and [`ServerEvent`] (the media events of generation B, the JSON
//! string inside a `mediaEvent` frame) and from [`Link`] (how a person names a room).
//!
//! ```
//! use snug_protocol::{ClientEvent, Link};
//!
//! let event = ClientEvent::parse(r#"{"type":"connect","data":{"metadata":{"displayName":"Ada"}}}"#)?;
//! assert!(matches!(event, ClientEvent::Connect { .. }));
//!
//! let link: Link = "snug://192.168.1.20/Stand%20up".parse()?;
//! assert_eq!(link.room.as_str(), "Stand up");
//! assert_eq!(link.port, snug_protocol::DEFAULT_PORT);
//! # Ok::<(), snug_protocol::Error>(())
//! ```
#![forbid(unsafe_code)]

mod advert;
mod chat;
mod error;
mod fingerprint;
mod gesture;
mod id;
mod join;
mod link;
mod media_event;
mod metadata;
mod moderation;
mod name;
mod passcode;
mod pin;
mod reason;
mod snug_event;

pub use advert::{
    ADVERT_ADDRESSES_MAX, ADVERT_BYTES_MAX, ADVERT_PATH, ADVERT_ROOMS_MAX, Advert, AdvertRoom,
};
pub use chat::{
    CHAT_FEATURE, CHAT_TEXT_BYTES_MAX, Chat, ChatMessage, ChatRefusal, clean_chat_name,
    clean_chat_text,
};
pub use error::Error;
pub use fingerprint::FINGERPRINT_WORDS;
pub use gesture::{Gesture, Reaction};
pub use id::{PeerId, ResumeToken, TrackId};
pub use join::{JoinParams, JoinReply, PageParams, SNUG_VERSION, SnugParams, SnugReply};
pub use link::{Host, Link, Scheme, Trust};
pub use media_event::{
    Bitrates, Candidate, ClientEvent, EncodingSwitched, Endpoint, OfferData, PreferredVideoSizes,
    SdpAnswer, SdpOffer, ServerEvent, SimulcastConfig, SwitchReason, Track, TracksTypes,
    TurnServer, TurnTransport, VadStatus, Variant,
};
pub use metadata::{EndpointMetadata, TrackMetadata, TrackSource};
pub use moderation::{
    Ask, ClientKey, HostToken, Medium, Moderation, Removed, Role, RoomState, Silence, Waiting,
};
pub use name::{DisplayName, RoomName};
pub use passcode::{
    Binding, PASSCODE_EXPORTER, Passcode, PasscodeAnswer, PasscodeProof, PasscodeQuestion,
};
pub use pin::Pin;
pub use reason::ReasonCode;
pub use snug_event::{PresenceState, SnugEvent};

/// The port of a Snug server, TCP and UDP alike: SNUG on a telephone keypad.
pub const DEFAULT_PORT: u16 = 7684;

/// The channel event that carries media events, both ways; its payload is `{"data": "<JSON>"}`.
pub const MEDIA_EVENT: &str = "mediaEvent";

/// The channel event that carries [`SnugEvent`]s, only to those who joined with `snug` params.
pub const SNUG_EVENT: &str = "snug";

/// What the topic of a room channel starts with; the rest is the room's name.
pub const ROOM_TOPIC_PREFIX: &str = "room:";
