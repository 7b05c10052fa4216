//! What a room says to a client.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Candidate, Track, TracksTypes, Variant};
use crate::{PeerId, TrackId};

/// A media event from a server.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// Lets the client in: its own id, and who else is here. Comes before anything else.
    Connected {
        /// The client's own id.
        id: PeerId,
        /// Everybody else in the room.
        other_endpoints: Vec<Endpoint>,
    },
    /// Somebody came in.
    EndpointAdded {
        /// Who.
        id: PeerId,
        /// What kind of endpoint it is: "webrtc", or a recorder, a file, a stream.
        kind: String,
        /// What it says about itself.
        metadata: Value,
    },
    /// Somebody is gone. The client's own id means that it was removed itself.
    EndpointRemoved {
        /// Who.
        id: PeerId,
    },
    /// Somebody changed what they say about themselves.
    EndpointUpdated {
        /// Who.
        id: PeerId,
        /// What they say now.
        metadata: Value,
    },
    /// Somebody publishes tracks. An `offerData` follows.
    TracksAdded {
        /// Who.
        endpoint_id: PeerId,
        /// Their new tracks.
        tracks: BTreeMap<TrackId, Track>,
    },
    /// Somebody stopped publishing tracks. An `offerData` follows.
    TracksRemoved {
        /// Who.
        endpoint_id: PeerId,
        /// Their former tracks.
        track_ids: Vec<TrackId>,
    },
    /// Somebody changed what they say about a track.
    TrackUpdated {
        /// Who.
        endpoint_id: PeerId,
        /// Which track.
        track_id: TrackId,
        /// What they say now.
        metadata: Value,
    },
    /// Somebody stopped sending an encoding of a track.
    TrackEncodingDisabled {
        /// Who.
        endpoint_id: PeerId,
        /// Which track.
        track_id: TrackId,
        /// Which encoding.
        encoding: Variant,
    },
    /// Somebody sends an encoding of a track again.
    TrackEncodingEnabled {
        /// Who.
        endpoint_id: PeerId,
        /// Which track.
        track_id: TrackId,
        /// Which encoding.
        encoding: Variant,
    },
    /// Which tracks the server forwards first.
    TracksPriority {
        /// In order of importance.
        tracks: Vec<TrackId>,
    },
    /// Something ended this client's session.
    Error {
        /// A plain sentence.
        message: String,
        /// The stable code of a Snug server, see [`crate::ReasonCode`].
        code: Option<String>,
    },
    /// Asks the client for an offer.
    OfferData(OfferData),
    /// Answers the client's offer.
    SdpAnswer(SdpAnswer),
    /// Tells an address of the server; follows every answer.
    Candidate(Candidate),
    /// Another encoding of a track is forwarded from now on.
    EncodingSwitched(EncodingSwitched),
    /// Somebody began or stopped speaking.
    VadNotification {
        /// The track that is heard.
        track_id: TrackId,
        /// What happened.
        status: VadStatus,
    },
    /// How much the server believes that it can send to this client, in bits a second.
    BandwidthEstimation {
        /// Bits a second.
        estimation: f64,
    },
    /// An event of another generation or none of any: ignore it.
    Unknown {
        /// The type it gives itself.
        kind: String,
    },
}

/// A participant as a newcomer learns of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// Its id.
    pub id: PeerId,
    /// What kind of endpoint it is, "webrtc" for people.
    pub kind: String,
    /// What it says about itself.
    pub metadata: Value,
    /// The tracks it publishes.
    pub tracks: BTreeMap<TrackId, Track>,
}

/// What a client needs to make its offer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferData {
    /// How many receive transceivers of each kind the offer shall hold.
    #[serde(default)]
    pub tracks_types: TracksTypes,
    /// TURN servers; unmodified clients connect through these alone.
    #[serde(default)]
    pub integrated_turn_servers: Vec<TurnServer>,
}

/// A TURN server and the credentials for it. They are secret: its `Debug` leaves them out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnServer {
    /// Its address or name.
    pub server_addr: String,
    /// Its port.
    pub server_port: u16,
    /// How to reach it.
    pub transport: TurnTransport,
    /// The long-term credential's password (RFC 8489 section 9.2).
    pub password: String,
    /// The long-term credential's user name.
    pub username: String,
}

impl fmt::Debug for TurnServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnServer")
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// How a TURN server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TurnTransport {
    /// Over UDP.
    Udp,
    /// Over TCP.
    Tcp,
    /// Over TLS on TCP.
    Tls,
}

/// The answer to a client's offer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SdpAnswer {
    /// The session description (RFC 8866).
    pub sdp: String,
    /// Which media section carries which track, in both directions.
    pub mid_to_track_id: BTreeMap<String, TrackId>,
}

/// Which encoding of a track is forwarded, and why it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncodingSwitched {
    /// Whose track.
    pub endpoint_id: PeerId,
    /// Which track.
    pub track_id: TrackId,
    /// The encoding forwarded from now on.
    pub encoding: Variant,
    /// Why.
    #[serde(default)]
    pub reason: SwitchReason,
}

/// Why another encoding is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchReason {
    /// The receiver's network does not carry the better one.
    LowBandwidth,
    /// The sender stopped sending it.
    EncodingInactive,
    /// Anything else.
    #[default]
    #[serde(other)]
    Other,
}

/// Whether a voice is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VadStatus {
    /// A voice is heard.
    Speech,
    /// No voice is heard.
    Silence,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::SimulcastConfig;

    fn peer() -> PeerId {
        "p".parse().unwrap()
    }

    #[test]
    fn turn_credentials_hide_from_logs() {
        let server = TurnServer {
            server_addr: "192.0.2.1".to_owned(),
            server_port: 7684,
            transport: TurnTransport::Udp,
            password: "hush".to_owned(),
            username: "1:p".to_owned(),
        };
        let text = format!("{server:?}");
        assert!(!text.contains("hush") && !text.contains("1:p") && !text.contains("192"));
    }

    fn track_id() -> TrackId {
        "p:1".parse().unwrap()
    }

    fn camera() -> Track {
        Track {
            metadata: json!({"type": "camera"}),
            simulcast_config: SimulcastConfig {
                enabled: true,
                active_encodings: vec![Variant::Low, Variant::High],
                disabled_encodings: vec![Variant::Medium],
            },
        }
    }

    const CAMERA: &str = r#"{"metadata":{"type":"camera"},"simulcastConfig":
        {"enabled":true,"activeEncodings":["l","h"],"disabledEncodings":["m"]}}"#;

    /// Every event as the real engine writes it.
    fn samples() -> Vec<(ServerEvent, String)> {
        use ServerEvent::*;
        let endpoint = Endpoint {
            id: peer(),
            kind: "webrtc".into(),
            metadata: json!({"displayName": "Ada"}),
            tracks: [(track_id(), camera())].into(),
        };
        let both = format!(
            r#""trackIdToMetadata":{{"p:1":{{"type":"camera"}}}},"tracks":{{"p:1":{CAMERA}}}"#
        );
        let mut samples = vec![
            (
                Connected {
                    id: "me".parse().unwrap(),
                    other_endpoints: vec![endpoint],
                },
                format!(
                    r#"{{"type":"connected","data":{{"id":"me","otherEndpoints":[{{"id":"p",
                    "type":"webrtc","metadata":{{"displayName":"Ada"}},{both}}}]}}}}"#
                ),
            ),
            (
                TracksAdded {
                    endpoint_id: peer(),
                    tracks: [(track_id(), camera())].into(),
                },
                format!(r#"{{"type":"tracksAdded","data":{{"endpointId":"p",{both}}}}}"#),
            ),
        ];
        samples.extend(session_samples());
        samples.extend(people_samples());
        samples.extend(track_samples());
        samples
    }

    fn session_samples() -> Vec<(ServerEvent, String)> {
        use ServerEvent::*;
        let turn = super::TurnServer {
            server_addr: "10.0.0.1".into(),
            server_port: 7684,
            transport: TurnTransport::Udp,
            password: "secret".into(),
            username: "1:p".into(),
        };
        vec![
            (
                SdpAnswer(super::SdpAnswer {
                    sdp: "v=0\r\n".into(),
                    mid_to_track_id: [("0".to_owned(), track_id())].into(),
                }),
                r#"{"type":"custom","data":{"type":"sdpAnswer","data":{"type":"answer",
                    "sdp":"v=0\r\n","midToTrackId":{"0":"p:1"}}}}"#
                    .into(),
            ),
            (
                OfferData(super::OfferData {
                    tracks_types: TracksTypes { audio: 1, video: 2 },
                    integrated_turn_servers: vec![turn],
                }),
                r#"{"type":"custom","data":{"type":"offerData","data":{"tracksTypes":{"audio":1,
                    "video":2},"integratedTurnServers":[{"serverAddr":"10.0.0.1",
                    "serverPort":7684,"transport":"udp","password":"secret","username":"1:p"}]}}}"#
                    .into(),
            ),
            (
                Candidate(super::Candidate {
                    candidate: "a=candidate:1 1 UDP 1 10.0.0.1 5 typ host".into(),
                    sdp_m_line_index: Some(0),
                    sdp_mid: None,
                    username_fragment: None,
                }),
                r#"{"type":"custom","data":{"type":"candidate","data":{
                    "candidate":"a=candidate:1 1 UDP 1 10.0.0.1 5 typ host","sdpMLineIndex":0,
                    "sdpMid":null,"usernameFragment":null}}}"#
                    .into(),
            ),
        ]
    }

    fn people_samples() -> Vec<(ServerEvent, String)> {
        use ServerEvent::*;
        let samples = vec![
            (
                EndpointAdded {
                    id: peer(),
                    kind: "webrtc".into(),
                    metadata: Value::Null,
                },
                r#"{"type":"endpointAdded","data":{"id":"p","type":"webrtc","metadata":null}}"#,
            ),
            (
                EndpointRemoved { id: peer() },
                r#"{"type":"endpointRemoved","data":{"id":"p"}}"#,
            ),
            (
                EndpointUpdated {
                    id: peer(),
                    metadata: json!({"a": 1}),
                },
                r#"{"type":"endpointUpdated","data":{"id":"p","metadata":{"a":1}}}"#,
            ),
            (
                TracksRemoved {
                    endpoint_id: peer(),
                    track_ids: vec![track_id()],
                },
                r#"{"type":"tracksRemoved","data":{"endpointId":"p","trackIds":["p:1"]}}"#,
            ),
            (
                Error {
                    message: "Gone.".into(),
                    code: None,
                },
                r#"{"type":"error","data":{"message":"Gone."}}"#,
            ),
            (
                Error {
                    message: "Full.".into(),
                    code: Some("room_full".into()),
                },
                r#"{"type":"error","data":{"message":"Full.","code":"room_full"}}"#,
            ),
        ];
        samples
            .into_iter()
            .map(|(event, text)| (event, text.to_owned()))
            .collect()
    }

    fn track_samples() -> Vec<(ServerEvent, String)> {
        use ServerEvent::*;
        let (endpoint_id, track_id) = (peer(), track_id());
        let samples = vec![
            (
                TrackUpdated {
                    endpoint_id: peer(),
                    track_id: track_id.clone(),
                    metadata: json!({"active": false}),
                },
                r#"{"type":"trackUpdated","data":{"endpointId":"p","trackId":"p:1",
                    "metadata":{"active":false}}}"#,
            ),
            (
                TrackEncodingDisabled {
                    endpoint_id: peer(),
                    track_id: track_id.clone(),
                    encoding: Variant::High,
                },
                r#"{"type":"trackEncodingDisabled",
                    "data":{"endpointId":"p","trackId":"p:1","encoding":"h"}}"#,
            ),
            (
                TrackEncodingEnabled {
                    endpoint_id: peer(),
                    track_id: track_id.clone(),
                    encoding: Variant::Low,
                },
                r#"{"type":"trackEncodingEnabled",
                    "data":{"endpointId":"p","trackId":"p:1","encoding":"l"}}"#,
            ),
            (
                TracksPriority {
                    tracks: vec![track_id.clone()],
                },
                r#"{"type":"tracksPriority","data":{"tracks":["p:1"]}}"#,
            ),
            (
                EncodingSwitched(super::EncodingSwitched {
                    endpoint_id,
                    track_id: track_id.clone(),
                    encoding: Variant::Medium,
                    reason: SwitchReason::LowBandwidth,
                }),
                r#"{"type":"custom","data":{"type":"encodingSwitched","data":{"endpointId":"p",
                    "trackId":"p:1","encoding":"m","reason":"low_bandwidth"}}}"#,
            ),
            (
                VadNotification {
                    track_id,
                    status: VadStatus::Speech,
                },
                r#"{"type":"custom","data":{"type":"vadNotification",
                    "data":{"trackId":"p:1","status":"speech"}}}"#,
            ),
            (
                BandwidthEstimation { estimation: 1.5e6 },
                r#"{"type":"custom","data":{"type":"bandwidthEstimation",
                    "data":{"estimation":1500000.0}}}"#,
            ),
        ];
        samples
            .into_iter()
            .map(|(event, text)| (event, text.to_owned()))
            .collect()
    }

    #[test]
    fn every_event_is_written_as_the_real_engine_does_and_read_back() {
        for (event, text) in samples() {
            let written: Value = serde_json::from_str(&event.to_json()).unwrap();
            let expected: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(written, expected);
            assert_eq!(ServerEvent::parse(&text).unwrap(), event, "{text}");
        }
    }

    #[test]
    fn an_event_is_read_bare_or_nested() {
        let bare = r#"{"type":"offerData","data":{"tracksTypes":{"audio":1,"video":0}}}"#;
        let nested = r#"{"type":"custom","data":{"type":"endpointRemoved","data":{"id":"p"}}}"#;
        assert!(matches!(
            ServerEvent::parse(bare),
            Ok(ServerEvent::OfferData(_))
        ));
        let removed = ServerEvent::EndpointRemoved { id: peer() };
        assert_eq!(ServerEvent::parse(nested).unwrap(), removed);
    }

    #[test]
    fn older_servers_send_less() {
        let text = r#"{"type":"connected","data":{"id":"me","otherEndpoints":[
            {"id":"hls_output","type":"hls","metadata":null,"trackIdToMetadata":{"p:1":7}}]}}"#;
        let Ok(ServerEvent::Connected {
            other_endpoints, ..
        }) = ServerEvent::parse(text)
        else {
            panic!("{text}");
        };
        assert_eq!(other_endpoints[0].tracks[&track_id()].metadata, json!(7));
        let odd = r#"{"type":"tracksAdded","data":{"endpointId":"p","tracks":{"p:1":{
            "simulcastConfig":{"enabled":true,"activeEncodings":["l","xl"]}}}}}"#;
        let Ok(ServerEvent::TracksAdded { tracks, .. }) = ServerEvent::parse(odd) else {
            panic!("{odd}");
        };
        assert_eq!(
            tracks[&track_id()].simulcast_config.active_encodings,
            [Variant::Low]
        );
    }

    #[test]
    fn unknown_and_broken_events_do_no_harm() {
        for text in [
            r#"{"type":"snug:later","data":1}"#,
            r#"{"type":"custom","data":{"type":"sdpOffer"}}"#,
            r#"{"type":"custom"}"#,
        ] {
            assert!(
                matches!(ServerEvent::parse(text), Ok(ServerEvent::Unknown { .. })),
                "{text}"
            );
        }
        let deep = format!(
            r#"{}{}{}"#,
            r#"{"type":"custom","data":"#.repeat(60),
            "1",
            "}".repeat(60)
        );
        for text in [
            "",
            "[]",
            r#"{"type":"connected"}"#,
            r#"{"type":"sdpAnswer"}"#,
            "{\"type\":1}",
        ] {
            assert!(ServerEvent::parse(text).is_err(), "{text}");
        }
        assert!(matches!(
            ServerEvent::parse(&deep),
            Ok(ServerEvent::Unknown { .. })
        ));
    }
}
