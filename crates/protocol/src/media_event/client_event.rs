//! What a client says to a room.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Bitrates, Candidate, Envelope, Variant, Written, is_too_deep, to_text, write_bare, write_custom,
};
use crate::{Error, TrackId};

/// A media event from a client.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// Asks to be let in; the first event of a session.
    Connect {
        /// What the others are told about this peer; null when not given.
        metadata: Value,
    },
    /// Asks to be let in as clients of generation A do: it is told everything in that dialect,
    /// see [`ServerEvent::to_generation_a`](super::ServerEvent::to_generation_a).
    Join {
        /// What the others are told about this peer; null when not given.
        metadata: Value,
    },
    /// Leaves the room.
    Disconnect,
    /// Replaces what the others know about this peer.
    UpdateEndpointMetadata {
        /// The new metadata.
        metadata: Value,
    },
    /// Replaces what the others know about one of this peer's tracks.
    UpdateTrackMetadata {
        /// Which track.
        track_id: TrackId,
        /// The new metadata.
        metadata: Value,
    },
    /// Sends an encoding again that was disabled.
    EnableTrackEncoding {
        /// Which track.
        track_id: TrackId,
        /// Which encoding.
        encoding: Variant,
    },
    /// Stops sending an encoding.
    DisableTrackEncoding {
        /// Which track.
        track_id: TrackId,
        /// Which encoding.
        encoding: Variant,
    },
    /// Asks for an `offerData`, because a track was added or removed. Come in runs: coalesce.
    RenegotiateTracks,
    /// Offers a media session.
    SdpOffer(SdpOffer),
    /// Tells an address of the client.
    Candidate(Candidate),
    /// Wishes to receive another encoding of a track. Generation A calls it `selectEncoding`.
    SetTargetTrackVariant {
        /// Which track.
        track_id: TrackId,
        /// Which encoding.
        variant: Variant,
    },
    /// Tells how much a track means to send from now on.
    TrackVariantBitrates {
        /// Which track.
        track_id: TrackId,
        /// Bits a second.
        bitrates: Bitrates,
    },
    /// Wants a track whatever the bandwidth (clients up to 0.6).
    PrioritizeTrack {
        /// Which track.
        track_id: TrackId,
    },
    /// Takes that back (clients up to 0.6).
    UnprioritizeTrack {
        /// Which track.
        track_id: TrackId,
    },
    /// Tells how large the tiles are (clients up to 0.6).
    PreferredVideoSizes(PreferredVideoSizes),
    /// An event of another generation or none of any: ignore it and count it.
    Unknown {
        /// The type it gives itself.
        kind: String,
    },
}

/// The offer of a media session, with what the client says about its own tracks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SdpOffer {
    /// The session description (RFC 8866).
    pub sdp: String,
    /// Metadata of the client's own tracks.
    pub track_id_to_track_metadata: BTreeMap<TrackId, Value>,
    /// What its tracks mean to send; empty from clients before 0.4.
    pub track_id_to_track_bitrates: BTreeMap<TrackId, Bitrates>,
    /// Which media section sends which of the client's own tracks.
    pub mid_to_track_id: BTreeMap<String, TrackId>,
}

/// How many tiles of each size the client shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PreferredVideoSizes {
    /// Large tiles.
    pub big_screens: u32,
    /// Medium tiles.
    pub medium_screens: u32,
    /// Small tiles.
    pub small_screens: u32,
    /// Whether all tiles have one size.
    pub all_same_size: bool,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    #[serde(default)]
    metadata: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrackMetadataWire {
    track_id: TrackId,
    #[serde(default)]
    track_metadata: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrackEncoding {
    track_id: TrackId,
    encoding: Variant,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrackVariant {
    track_id: TrackId,
    variant: Variant,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VariantBitrates {
    track_id: TrackId,
    variant_bitrates: Bitrates,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrackOnly {
    track_id: TrackId,
}

#[derive(Serialize, Deserialize)]
struct Description {
    #[serde(rename = "type")]
    kind: OfferKind,
    sdp: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OfferKind {
    Offer,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SdpOfferWire {
    sdp_offer: Description,
    #[serde(default)]
    track_id_to_track_metadata: BTreeMap<TrackId, Value>,
    #[serde(default)]
    track_id_to_track_bitrates: BTreeMap<TrackId, Bitrates>,
    #[serde(default)]
    mid_to_track_id: BTreeMap<String, TrackId>,
}

impl ClientEvent {
    /// Reads the `data` string of a `mediaEvent` frame, as strictly as the engine does.
    ///
    /// # Errors
    /// [`Error::MediaEvent`] when it is no JSON object with a `type`, an event of a known type
    /// lacks what it must have, or it nests deeper than 64 brackets. An event of an unknown type
    /// is [`ClientEvent::Unknown`].
    pub fn parse(data: &str) -> Result<Self, Error> {
        if is_too_deep(data) {
            return Err(Error::MediaEvent {
                kind: String::new(),
                cause: "it nests too deep".to_owned(),
            });
        }
        let envelope = Envelope::parse(data)?;
        match envelope.inner()? {
            Some(inner) => Self::parse_custom(&inner),
            None => match Self::parse_generation_a(&envelope)? {
                Some(event) => Ok(event),
                None => Self::parse_bare(&envelope),
            },
        }
    }

    /// Reads the events that generation A names otherwise.
    fn parse_generation_a(event: &Envelope<'_>) -> Result<Option<Self>, Error> {
        Ok(Some(match event.kind.as_ref() {
            "join" => Self::Join {
                metadata: event.data::<Metadata>()?.metadata,
            },
            "leave" => Self::Disconnect,
            "updatePeerMetadata" => Self::UpdateEndpointMetadata {
                metadata: event.data::<Metadata>()?.metadata,
            },
            // Whose track it is, it says as well; the track alone tells.
            "selectEncoding" => {
                let TrackEncoding { track_id, encoding } = event.data()?;
                Self::SetTargetTrackVariant {
                    track_id,
                    variant: encoding,
                }
            }
            _ => return Ok(None),
        }))
    }

    fn parse_bare(event: &Envelope<'_>) -> Result<Self, Error> {
        Ok(match event.kind.as_ref() {
            "connect" => Self::Connect {
                metadata: event.data::<Metadata>()?.metadata,
            },
            "disconnect" => Self::Disconnect,
            "updateEndpointMetadata" => Self::UpdateEndpointMetadata {
                metadata: event.data::<Metadata>()?.metadata,
            },
            "updateTrackMetadata" => {
                let TrackMetadataWire {
                    track_id,
                    track_metadata,
                } = event.data()?;
                Self::UpdateTrackMetadata {
                    track_id,
                    metadata: track_metadata,
                }
            }
            "enableTrackEncoding" => {
                let TrackEncoding { track_id, encoding } = event.data()?;
                Self::EnableTrackEncoding { track_id, encoding }
            }
            "disableTrackEncoding" => {
                let TrackEncoding { track_id, encoding } = event.data()?;
                Self::DisableTrackEncoding { track_id, encoding }
            }
            kind => Self::Unknown {
                kind: kind.to_owned(),
            },
        })
    }

    fn parse_custom(event: &Envelope<'_>) -> Result<Self, Error> {
        Ok(match event.kind.as_ref() {
            "renegotiateTracks" => Self::RenegotiateTracks,
            "sdpOffer" => {
                let wire: SdpOfferWire = event.data()?;
                Self::SdpOffer(SdpOffer {
                    sdp: wire.sdp_offer.sdp,
                    track_id_to_track_metadata: wire.track_id_to_track_metadata,
                    track_id_to_track_bitrates: wire.track_id_to_track_bitrates,
                    mid_to_track_id: wire.mid_to_track_id,
                })
            }
            "candidate" => Self::Candidate(event.data()?),
            "setTargetTrackVariant" => {
                let TrackVariant { track_id, variant } = event.data()?;
                Self::SetTargetTrackVariant { track_id, variant }
            }
            "trackVariantBitrates" => {
                let VariantBitrates {
                    track_id,
                    variant_bitrates,
                } = event.data()?;
                Self::TrackVariantBitrates {
                    track_id,
                    bitrates: variant_bitrates,
                }
            }
            "prioritizeTrack" => Self::PrioritizeTrack {
                track_id: event.data::<TrackOnly>()?.track_id,
            },
            "unprioritizeTrack" => Self::UnprioritizeTrack {
                track_id: event.data::<TrackOnly>()?.track_id,
            },
            // Spelled so on the wire.
            "preferedVideoSizes" => Self::PreferredVideoSizes(event.data()?),
            kind => Self::Unknown {
                kind: kind.to_owned(),
            },
        })
    }

    /// Writes the `data` string of a `mediaEvent` frame.
    pub fn to_json(&self) -> String {
        match self {
            Self::Connect { metadata } => write_bare("connect", json!({"metadata": metadata})),
            Self::Join { metadata } => write_bare("join", json!({"metadata": metadata})),
            Self::Disconnect => bare_without_data("disconnect"),
            Self::UpdateEndpointMetadata { metadata } => {
                write_bare("updateEndpointMetadata", json!({"metadata": metadata}))
            }
            Self::UpdateTrackMetadata { track_id, metadata } => {
                let data = json!({"trackId": track_id, "trackMetadata": metadata});
                write_bare("updateTrackMetadata", data)
            }
            Self::EnableTrackEncoding { track_id, encoding } => {
                let data = json!({"trackId": track_id, "encoding": encoding});
                write_bare("enableTrackEncoding", data)
            }
            Self::DisableTrackEncoding { track_id, encoding } => {
                let data = json!({"trackId": track_id, "encoding": encoding});
                write_bare("disableTrackEncoding", data)
            }
            Self::RenegotiateTracks => {
                write_bare(super::CUSTOM, json!({"type": "renegotiateTracks"}))
            }
            Self::SdpOffer(offer) => write_custom("sdpOffer", offer.to_wire()),
            Self::Candidate(candidate) => write_custom("candidate", candidate),
            Self::SetTargetTrackVariant { track_id, variant } => {
                let data = json!({"trackId": track_id, "variant": variant});
                write_custom("setTargetTrackVariant", data)
            }
            Self::TrackVariantBitrates { track_id, bitrates } => {
                let data = json!({"trackId": track_id, "variantBitrates": bitrates});
                write_custom("trackVariantBitrates", data)
            }
            Self::PrioritizeTrack { track_id } => {
                write_custom("prioritizeTrack", json!({"trackId": track_id}))
            }
            Self::UnprioritizeTrack { track_id } => {
                write_custom("unprioritizeTrack", json!({"trackId": track_id}))
            }
            Self::PreferredVideoSizes(sizes) => write_custom("preferedVideoSizes", sizes),
            Self::Unknown { kind } => bare_without_data(kind),
        }
    }
}

impl SdpOffer {
    fn to_wire(&self) -> SdpOfferWire {
        SdpOfferWire {
            sdp_offer: Description {
                kind: OfferKind::Offer,
                sdp: self.sdp.clone(),
            },
            track_id_to_track_metadata: self.track_id_to_track_metadata.clone(),
            track_id_to_track_bitrates: self.track_id_to_track_bitrates.clone(),
            mid_to_track_id: self.mid_to_track_id.clone(),
        }
    }
}

fn bare_without_data(kind: &str) -> String {
    to_text(&Written {
        kind,
        data: None::<()>,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACK: &str = "a:1";

    fn track() -> TrackId {
        TRACK.parse().unwrap()
    }

    /// Every event as the real clients write it.
    fn samples() -> Vec<(ClientEvent, &'static str)> {
        let mut samples = bare_samples();
        samples.extend(negotiation_samples());
        samples.extend(wish_samples());
        samples
    }

    fn bare_samples() -> Vec<(ClientEvent, &'static str)> {
        use ClientEvent::*;
        vec![
            (
                Connect {
                    metadata: json!({"displayName": "Ada"}),
                },
                r#"{"type":"connect","data":{"metadata":{"displayName":"Ada"}}}"#,
            ),
            (
                Connect {
                    metadata: Value::Null,
                },
                r#"{"type":"connect","data":{}}"#,
            ),
            (Disconnect, r#"{"type":"disconnect"}"#),
            (
                UpdateEndpointMetadata { metadata: json!(1) },
                r#"{"type":"updateEndpointMetadata","data":{"metadata":1}}"#,
            ),
            (
                UpdateTrackMetadata {
                    track_id: track(),
                    metadata: json!({"active": false}),
                },
                r#"{"type":"updateTrackMetadata",
                    "data":{"trackId":"a:1","trackMetadata":{"active":false}}}"#,
            ),
            (
                DisableTrackEncoding {
                    track_id: track(),
                    encoding: Variant::Medium,
                },
                r#"{"type":"disableTrackEncoding","data":{"trackId":"a:1","encoding":"m"}}"#,
            ),
            (
                EnableTrackEncoding {
                    track_id: track(),
                    encoding: Variant::Low,
                },
                r#"{"type":"enableTrackEncoding","data":{"trackId":"a:1","encoding":"l"}}"#,
            ),
        ]
    }

    fn negotiation_samples() -> Vec<(ClientEvent, &'static str)> {
        use ClientEvent::*;
        let offer = super::SdpOffer {
            sdp: "v=0\r\n".into(),
            track_id_to_track_metadata: [(track(), json!({"type": "camera"}))].into(),
            track_id_to_track_bitrates: [(
                track(),
                Bitrates::PerVariant([(Variant::High, 2_500_000)].into()),
            )]
            .into(),
            mid_to_track_id: [("0".to_owned(), track())].into(),
        };
        let candidate = super::super::Candidate {
            candidate: "candidate:1 1 UDP 1 10.0.0.1 5 typ host".into(),
            sdp_m_line_index: Some(0),
            sdp_mid: None,
            username_fragment: None,
        };
        vec![
            (
                RenegotiateTracks,
                r#"{"type":"custom","data":{"type":"renegotiateTracks"}}"#,
            ),
            (
                SdpOffer(offer),
                r#"{"type":"custom","data":{"type":"sdpOffer","data":{
                    "sdpOffer":{"type":"offer","sdp":"v=0\r\n"},
                    "trackIdToTrackMetadata":{"a:1":{"type":"camera"}},
                    "trackIdToTrackBitrates":{"a:1":{"h":2500000}},
                    "midToTrackId":{"0":"a:1"}}}}"#,
            ),
            (
                Candidate(candidate),
                r#"{"type":"custom","data":{"type":"candidate","data":{
                    "candidate":"candidate:1 1 UDP 1 10.0.0.1 5 typ host","sdpMLineIndex":0}}}"#,
            ),
        ]
    }

    fn wish_samples() -> Vec<(ClientEvent, &'static str)> {
        use ClientEvent::*;
        vec![
            (
                SetTargetTrackVariant {
                    track_id: track(),
                    variant: Variant::High,
                },
                r#"{"type":"custom","data":{"type":"setTargetTrackVariant",
                    "data":{"trackId":"a:1","variant":"h"}}}"#,
            ),
            (
                TrackVariantBitrates {
                    track_id: track(),
                    bitrates: Bitrates::Total(32768),
                },
                r#"{"type":"custom","data":{"type":"trackVariantBitrates",
                    "data":{"trackId":"a:1","variantBitrates":32768}}}"#,
            ),
            (
                PrioritizeTrack { track_id: track() },
                r#"{"type":"custom","data":{"type":"prioritizeTrack","data":{"trackId":"a:1"}}}"#,
            ),
            (
                UnprioritizeTrack { track_id: track() },
                r#"{"type":"custom","data":{"type":"unprioritizeTrack","data":{"trackId":"a:1"}}}"#,
            ),
            (
                PreferredVideoSizes(super::PreferredVideoSizes {
                    big_screens: 1,
                    medium_screens: 0,
                    small_screens: 4,
                    all_same_size: false,
                }),
                r#"{"type":"custom","data":{"type":"preferedVideoSizes","data":{"bigScreens":1,
                    "mediumScreens":0,"smallScreens":4,"allSameSize":false}}}"#,
            ),
        ]
    }

    #[test]
    fn every_event_of_the_real_clients_is_read_and_written() {
        for (event, text) in samples() {
            assert_eq!(ClientEvent::parse(text).unwrap(), event, "{text}");
            assert_eq!(ClientEvent::parse(&event.to_json()).unwrap(), event);
        }
    }

    #[test]
    fn generation_a_says_the_same_by_other_names() {
        use ClientEvent::*;
        let ada = || json!({"displayName": "Ada"});
        for (text, expected) in [
            (
                r#"{"type":"join","data":{"metadata":{"displayName":"Ada"}}}"#,
                Join { metadata: ada() },
            ),
            (
                r#"{"type":"join","data":{}}"#,
                Join {
                    metadata: Value::Null,
                },
            ),
            (r#"{"type":"leave"}"#, Disconnect),
            (
                r#"{"type":"updatePeerMetadata","data":{"metadata":{"displayName":"Ada"}}}"#,
                UpdateEndpointMetadata { metadata: ada() },
            ),
            (
                r#"{"type":"selectEncoding","data":{"peerId":"a","trackId":"a:1","encoding":"l"}}"#,
                SetTargetTrackVariant {
                    track_id: track(),
                    variant: Variant::Low,
                },
            ),
        ] {
            assert_eq!(ClientEvent::parse(text).unwrap(), expected, "{text}");
            assert_eq!(ClientEvent::parse(&expected.to_json()).unwrap(), expected);
        }
        for broken in [
            r#"{"type":"join","data":7}"#,
            r#"{"type":"selectEncoding","data":{"peerId":"a","encoding":"l"}}"#,
        ] {
            assert!(ClientEvent::parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn unknown_events_do_no_harm() {
        for text in [
            r#"{"type":"later","data":{"x":[1]}}"#,
            r#"{"type":"custom","data":{"type":"later"}}"#,
            r#"{"type":"custom"}"#,
            r#"{"type":"custom","data":{"type":"join","data":{}}}"#,
        ] {
            assert!(
                matches!(ClientEvent::parse(text), Ok(ClientEvent::Unknown { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn the_form_must_be_the_events_own() {
        let bare = r#"{"type":"renegotiateTracks"}"#;
        assert!(matches!(
            ClientEvent::parse(bare),
            Ok(ClientEvent::Unknown { .. })
        ));
        let nested = r#"{"type":"custom","data":{"type":"connect","data":{"metadata":{}}}}"#;
        assert!(matches!(
            ClientEvent::parse(nested),
            Ok(ClientEvent::Unknown { .. })
        ));
    }

    #[test]
    fn broken_events_are_refused() {
        let deep = format!("{}{}", "[".repeat(40_000), "]".repeat(40_000));
        let deep = format!(r#"{{"type":"connect","data":{{"metadata":{deep}}}}}"#);
        let broken = [
            "",
            "null",
            "[]",
            "{}",
            "{",
            r#"{"type":7}"#,
            r#"{"type":"connect","data":7}"#,
            r#"{"type":"updateTrackMetadata","data":{}}"#,
            r#"{"type":"disableTrackEncoding","data":{"trackId":"a:1","encoding":"x"}}"#,
            r#"{"type":"custom","data":7}"#,
            r#"{"type":"custom","data":{"type":"sdpOffer","data":{"sdpOffer":{"type":"answer","sdp":""}}}}"#,
            r#"{"type":"custom","data":{"type":"candidate","data":{"candidate":"c","sdpMLineIndex":-1}}}"#,
            &deep,
        ];
        for text in broken {
            assert!(ClientEvent::parse(text).is_err(), "{text:.80}");
        }
    }

    #[test]
    fn an_event_may_nest_64_deep_and_no_deeper() {
        let nested = |depth: usize| {
            // Two brackets are the event's own.
            let (open, close) = ("[".repeat(depth - 2), "]".repeat(depth - 2));
            let quoted = r#""in words: [[[[ \" {{{{""#;
            let inner = format!("{open}{quoted}{close}");
            format!(r#"{{"type":"connect","data":{{"metadata":{inner}}}}}"#)
        };
        assert!(ClientEvent::parse(&nested(64)).is_ok());
        assert!(ClientEvent::parse(&nested(65)).is_err());
        let beside = format!("[{}1]", "[1],".repeat(1000));
        let wide = format!(r#"{{"type":"connect","data":{{"metadata":{beside}}}}}"#);
        assert!(ClientEvent::parse(&wide).is_ok(), "width is no depth");
    }

    #[test]
    fn bitrates_of_any_shape_leave_the_offer_readable() {
        let read = |bitrates: &str| -> Bitrates { serde_json::from_str(bitrates).unwrap() };
        assert_eq!(read("1500.7"), Bitrates::Total(1500));
        assert_eq!(read("-5.0"), Bitrates::Total(0));
        let partial = Bitrates::PerVariant([(Variant::Low, 150_000)].into());
        assert_eq!(read(r#"{"l":150000,"x":1,"m":null}"#), partial);
        for odd in ["null", "\"many\"", "[1]", "{}"] {
            assert_eq!(read(odd), Bitrates::PerVariant(BTreeMap::new()), "{odd}");
        }
    }
}
