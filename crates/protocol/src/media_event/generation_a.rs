//! What clients of generation A (0.1 to 0.4) are told: the same events under older names.
//!
//! An endpoint is a "peer" there, and a track has metadata alone. What that generation cannot
//! bear or does not know is left out; what is nested in "custom" stays as it is.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Endpoint, ServerEvent, Track, write_bare};
use crate::{PeerId, TrackId};

impl ServerEvent {
    /// Writes the `data` string of a `mediaEvent` frame for a client of generation A; `None`
    /// for an event that such a client must not hear. Its own removal is told by
    /// [`ServerEvent::peer_removed`] instead.
    pub fn to_generation_a(&self) -> Option<String> {
        let (kind, data) = match self {
            Self::Connected {
                id,
                other_endpoints,
            } => {
                let peers: Vec<Value> = other_endpoints.iter().map(peer_in_room).collect();
                ("peerAccepted", json!({"id": id, "peersInRoom": peers}))
            }
            Self::EndpointAdded { id, metadata, .. } => {
                let peer = json!({"id": id, "metadata": metadata});
                ("peerJoined", json!({"peer": peer}))
            }
            Self::EndpointRemoved { id } => ("peerLeft", json!({"peerId": id})),
            Self::EndpointUpdated { id, metadata } => {
                ("peerUpdated", json!({"peerId": id, "metadata": metadata}))
            }
            Self::TracksAdded {
                endpoint_id,
                tracks,
            } => (
                "tracksAdded",
                json!({"peerId": endpoint_id, "trackIdToMetadata": metadata_of(tracks)}),
            ),
            Self::TracksRemoved {
                endpoint_id,
                track_ids,
            } => (
                "tracksRemoved",
                json!({"peerId": endpoint_id, "trackIds": track_ids}),
            ),
            Self::TrackUpdated {
                endpoint_id,
                track_id,
                metadata,
            } => (
                "trackUpdated",
                json!({"peerId": endpoint_id, "trackId": track_id, "metadata": metadata}),
            ),
            Self::EncodingSwitched(switched) => (
                "encodingSwitched",
                json!({
                    "peerId": switched.endpoint_id,
                    "trackId": switched.track_id,
                    "encoding": switched.encoding,
                    "reason": switched.reason,
                }),
            ),
            // In 0.1 to 0.4 it falls through into `encodingSwitched`, which fails on it.
            Self::TracksPriority { .. }
            // Not known before 0.7.
            | Self::TrackEncodingDisabled { .. }
            | Self::TrackEncodingEnabled { .. }
            | Self::Unknown { .. } => return None,
            Self::Error { .. }
            | Self::OfferData(_)
            | Self::SdpAnswer(_)
            | Self::Candidate(_)
            | Self::VadNotification { .. }
            | Self::BandwidthEstimation { .. } => return Some(self.to_json()),
        };
        Some(write_bare(kind, data))
    }

    /// Writes what tells a client of generation A that it was removed itself, and why.
    pub fn peer_removed(id: &PeerId, reason: &str) -> String {
        write_bare("peerRemoved", json!({"peerId": id, "reason": reason}))
    }
}

fn peer_in_room(endpoint: &Endpoint) -> Value {
    let Endpoint {
        id,
        metadata,
        tracks,
        ..
    } = endpoint;
    json!({"id": id, "metadata": metadata, "trackIdToMetadata": metadata_of(tracks)})
}

fn metadata_of(tracks: &BTreeMap<TrackId, Track>) -> BTreeMap<&TrackId, &Value> {
    let metadata = tracks.iter().map(|(id, track)| (id, &track.metadata));
    metadata.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SdpAnswer, SwitchReason, VadStatus, Variant};

    fn peer() -> PeerId {
        "p".parse().unwrap()
    }

    fn track_id() -> TrackId {
        "p:1".parse().unwrap()
    }

    fn tracks() -> BTreeMap<TrackId, Track> {
        let track = Track {
            metadata: json!({"type": "camera"}),
            ..Track::default()
        };
        [(track_id(), track)].into()
    }

    /// Every event that generation A names otherwise, with its form there.
    fn samples() -> Vec<(ServerEvent, &'static str)> {
        use ServerEvent::*;
        let endpoint = Endpoint {
            id: peer(),
            kind: "webrtc".into(),
            metadata: json!({"displayName": "Ada"}),
            tracks: tracks(),
        };
        let id = peer();
        let mut samples = vec![
            (
                Connected {
                    id: "me".parse().unwrap(),
                    other_endpoints: vec![endpoint],
                },
                r#"{"type":"peerAccepted","data":{"id":"me","peersInRoom":[{"id":"p",
                    "metadata":{"displayName":"Ada"},
                    "trackIdToMetadata":{"p:1":{"type":"camera"}}}]}}"#,
            ),
            (
                EndpointAdded {
                    id: id.clone(),
                    kind: "webrtc".into(),
                    metadata: json!(1),
                },
                r#"{"type":"peerJoined","data":{"peer":{"id":"p","metadata":1}}}"#,
            ),
            (
                EndpointRemoved { id: id.clone() },
                r#"{"type":"peerLeft","data":{"peerId":"p"}}"#,
            ),
            (
                EndpointUpdated {
                    id,
                    metadata: json!(1),
                },
                r#"{"type":"peerUpdated","data":{"peerId":"p","metadata":1}}"#,
            ),
        ];
        samples.extend(track_samples());
        samples
    }

    fn track_samples() -> Vec<(ServerEvent, &'static str)> {
        use ServerEvent::*;
        let (endpoint_id, track_id) = (peer(), track_id());
        vec![
            (
                TracksAdded {
                    endpoint_id: endpoint_id.clone(),
                    tracks: tracks(),
                },
                r#"{"type":"tracksAdded","data":{"peerId":"p",
                    "trackIdToMetadata":{"p:1":{"type":"camera"}}}}"#,
            ),
            (
                TracksRemoved {
                    endpoint_id: endpoint_id.clone(),
                    track_ids: vec![track_id.clone()],
                },
                r#"{"type":"tracksRemoved","data":{"peerId":"p","trackIds":["p:1"]}}"#,
            ),
            (
                TrackUpdated {
                    endpoint_id: endpoint_id.clone(),
                    track_id: track_id.clone(),
                    metadata: json!(1),
                },
                r#"{"type":"trackUpdated","data":{"peerId":"p","trackId":"p:1","metadata":1}}"#,
            ),
            (
                EncodingSwitched(crate::EncodingSwitched {
                    endpoint_id,
                    track_id,
                    encoding: Variant::Low,
                    reason: SwitchReason::EncodingInactive,
                }),
                r#"{"type":"encodingSwitched","data":{"peerId":"p","trackId":"p:1",
                    "encoding":"l","reason":"encoding_inactive"}}"#,
            ),
        ]
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn endpoints_are_peers() {
        for (event, expected) in samples() {
            let written = event.to_generation_a().unwrap();
            assert_eq!(value(&written), value(expected), "{written}");
        }
        let removed = ServerEvent::peer_removed(&peer(), "You were removed.");
        let expected =
            r#"{"type":"peerRemoved","data":{"peerId":"p","reason":"You were removed."}}"#;
        assert_eq!(value(&removed), value(expected));
    }

    #[test]
    fn what_is_nested_stays_and_what_it_cannot_bear_is_left_out() {
        let (endpoint_id, track_id) = (peer(), track_id());
        for event in [
            ServerEvent::SdpAnswer(SdpAnswer::default()),
            ServerEvent::VadNotification {
                track_id: track_id.clone(),
                status: VadStatus::Speech,
            },
            ServerEvent::Error {
                message: "Gone.".into(),
                code: None,
            },
        ] {
            assert_eq!(event.to_generation_a(), Some(event.to_json()));
        }
        let tracks = vec![track_id.clone()];
        assert_eq!(
            ServerEvent::TracksPriority { tracks }.to_generation_a(),
            None
        );
        let disabled = ServerEvent::TrackEncodingDisabled {
            endpoint_id,
            track_id,
            encoding: Variant::Low,
        };
        assert_eq!(disabled.to_generation_a(), None);
    }
}
