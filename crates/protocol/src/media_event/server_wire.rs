//! How the events of [`ServerEvent`] stand on the wire.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Endpoint, Envelope, SdpAnswer, ServerEvent, Track, VadStatus, Variant, write_bare, write_custom,
};
use crate::{Error, PeerId, TrackId};

/// How deep a server may nest an event; the npm client unwraps any number, the engine uses one.
const NESTING_MAX: usize = 4;

impl ServerEvent {
    /// Reads the `data` string of a `mediaEvent` frame, bare or nested, as the npm client does.
    ///
    /// # Errors
    /// [`Error::MediaEvent`] when it is no JSON object with a `type`, or an event of a known
    /// type lacks what it must have. An event of an unknown type is [`ServerEvent::Unknown`].
    pub fn parse(data: &str) -> Result<Self, Error> {
        let mut event = Envelope::parse(data)?;
        for _ in 0..NESTING_MAX {
            match event.inner()? {
                Some(inner) => event = inner,
                None => break,
            }
        }
        if let Some(people) = Self::parse_people(&event)? {
            return Ok(people);
        }
        if let Some(tracks) = Self::parse_tracks(&event)? {
            return Ok(tracks);
        }
        Self::parse_session(&event)
    }

    /// Reads the events about who is here.
    fn parse_people(event: &Envelope<'_>) -> Result<Option<Self>, Error> {
        Ok(Some(match event.kind.as_ref() {
            "connected" => {
                let ConnectedWire {
                    id,
                    other_endpoints,
                } = event.data()?;
                let other_endpoints = other_endpoints.into_iter().map(Endpoint::from).collect();
                Self::Connected {
                    id,
                    other_endpoints,
                }
            }
            "endpointAdded" => {
                let Endpoint {
                    id, kind, metadata, ..
                } = event.data::<EndpointWire>()?.into();
                Self::EndpointAdded { id, kind, metadata }
            }
            "endpointRemoved" => Self::EndpointRemoved {
                id: event.data::<EndpointWire>()?.id,
            },
            "endpointUpdated" => {
                let EndpointWire { id, metadata, .. } = event.data()?;
                Self::EndpointUpdated { id, metadata }
            }
            _ => return Ok(None),
        }))
    }

    /// Reads the events about the tracks of others.
    fn parse_tracks(event: &Envelope<'_>) -> Result<Option<Self>, Error> {
        Ok(Some(match event.kind.as_ref() {
            "tracksAdded" => {
                let TracksAddedWire {
                    endpoint_id,
                    tracks,
                } = event.data()?;
                Self::TracksAdded {
                    endpoint_id,
                    tracks: tracks.merge(),
                }
            }
            "tracksRemoved" => {
                let TracksRemovedWire {
                    endpoint_id,
                    track_ids,
                } = event.data()?;
                Self::TracksRemoved {
                    endpoint_id,
                    track_ids,
                }
            }
            "trackUpdated" => {
                let TrackUpdatedWire {
                    endpoint_id,
                    track_id,
                    metadata,
                } = event.data()?;
                Self::TrackUpdated {
                    endpoint_id,
                    track_id,
                    metadata,
                }
            }
            "trackEncodingDisabled" => {
                let TrackEncodingWire {
                    endpoint_id,
                    track_id,
                    encoding,
                } = event.data()?;
                Self::TrackEncodingDisabled {
                    endpoint_id,
                    track_id,
                    encoding,
                }
            }
            "trackEncodingEnabled" => {
                let TrackEncodingWire {
                    endpoint_id,
                    track_id,
                    encoding,
                } = event.data()?;
                Self::TrackEncodingEnabled {
                    endpoint_id,
                    track_id,
                    encoding,
                }
            }
            _ => return Ok(None),
        }))
    }

    /// Reads the events about the client's own session.
    fn parse_session(event: &Envelope<'_>) -> Result<Self, Error> {
        Ok(match event.kind.as_ref() {
            "tracksPriority" => Self::TracksPriority {
                tracks: event.data::<TracksPriorityWire>()?.tracks,
            },
            "error" => {
                let ErrorWire { message, code } = event.data()?;
                Self::Error { message, code }
            }
            "offerData" => Self::OfferData(event.data()?),
            "sdpAnswer" => {
                let SdpAnswerWire {
                    sdp,
                    mid_to_track_id,
                } = event.data()?;
                Self::SdpAnswer(SdpAnswer {
                    sdp,
                    mid_to_track_id,
                })
            }
            "candidate" => Self::Candidate(event.data()?),
            "encodingSwitched" => Self::EncodingSwitched(event.data()?),
            "vadNotification" => {
                let VadWire { track_id, status } = event.data()?;
                Self::VadNotification { track_id, status }
            }
            "bandwidthEstimation" => {
                let BandwidthWire { estimation } = event.data()?;
                Self::BandwidthEstimation { estimation }
            }
            kind => Self::Unknown {
                kind: kind.to_owned(),
            },
        })
    }

    /// Writes the `data` string of a `mediaEvent` frame in the event's own form.
    pub fn to_json(&self) -> String {
        match self {
            Self::OfferData(data) => write_custom("offerData", data),
            Self::SdpAnswer(answer) => write_custom("sdpAnswer", answer.to_value()),
            Self::Candidate(candidate) => write_custom("candidate", candidate),
            Self::EncodingSwitched(switched) => write_custom("encodingSwitched", switched),
            Self::VadNotification { track_id, status } => write_custom(
                "vadNotification",
                json!({"trackId": track_id, "status": status}),
            ),
            Self::BandwidthEstimation { estimation } => {
                write_custom("bandwidthEstimation", json!({"estimation": estimation}))
            }
            bare => {
                let (kind, data) = bare.to_bare();
                write_bare(kind, data)
            }
        }
    }

    /// Returns type and data of an event that stands bare.
    fn to_bare(&self) -> (&str, Value) {
        match self {
            Self::Connected {
                id,
                other_endpoints,
            } => {
                let others: Vec<Value> = other_endpoints.iter().map(Endpoint::to_value).collect();
                ("connected", json!({"id": id, "otherEndpoints": others}))
            }
            Self::EndpointAdded { id, kind, metadata } => (
                "endpointAdded",
                json!({"id": id, "type": kind, "metadata": metadata}),
            ),
            Self::EndpointRemoved { id } => ("endpointRemoved", json!({"id": id})),
            Self::EndpointUpdated { id, metadata } => {
                ("endpointUpdated", json!({"id": id, "metadata": metadata}))
            }
            Self::TracksAdded {
                endpoint_id,
                tracks,
            } => {
                let mut data = tracks_to_value(tracks);
                data["endpointId"] = json!(endpoint_id);
                ("tracksAdded", data)
            }
            Self::TracksRemoved {
                endpoint_id,
                track_ids,
            } => (
                "tracksRemoved",
                json!({"endpointId": endpoint_id, "trackIds": track_ids}),
            ),
            Self::TrackUpdated {
                endpoint_id,
                track_id,
                metadata,
            } => (
                "trackUpdated",
                json!({"endpointId": endpoint_id, "trackId": track_id, "metadata": metadata}),
            ),
            Self::TrackEncodingDisabled {
                endpoint_id,
                track_id,
                encoding,
            } => (
                "trackEncodingDisabled",
                json!({"endpointId": endpoint_id, "trackId": track_id, "encoding": encoding}),
            ),
            Self::TrackEncodingEnabled {
                endpoint_id,
                track_id,
                encoding,
            } => (
                "trackEncodingEnabled",
                json!({"endpointId": endpoint_id, "trackId": track_id, "encoding": encoding}),
            ),
            Self::TracksPriority { tracks } => ("tracksPriority", json!({"tracks": tracks})),
            Self::Error {
                message,
                code: None,
            } => ("error", json!({"message": message})),
            Self::Error { message, code } => ("error", json!({"message": message, "code": code})),
            Self::Unknown { kind } => (kind, json!({})),
            nested => unreachable!("to_json writes {nested:?} itself"),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConnectedWire {
    id: PeerId,
    #[serde(default)]
    other_endpoints: Vec<EndpointWire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndpointWire {
    id: PeerId,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    metadata: Value,
    #[serde(flatten)]
    tracks: TracksWire,
}

/// Tracks in both spellings: servers before 0.6 send `trackIdToMetadata` alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TracksWire {
    #[serde(default)]
    track_id_to_metadata: BTreeMap<TrackId, Value>,
    #[serde(default)]
    tracks: BTreeMap<TrackId, Track>,
}

impl TracksWire {
    fn merge(self) -> BTreeMap<TrackId, Track> {
        let mut tracks = self.tracks;
        for (id, metadata) in self.track_id_to_metadata {
            tracks.entry(id).or_insert(Track {
                metadata,
                ..Track::default()
            });
        }
        tracks
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TracksAddedWire {
    endpoint_id: PeerId,
    #[serde(flatten)]
    tracks: TracksWire,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TracksRemovedWire {
    endpoint_id: PeerId,
    track_ids: Vec<TrackId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrackUpdatedWire {
    endpoint_id: PeerId,
    track_id: TrackId,
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrackEncodingWire {
    endpoint_id: PeerId,
    track_id: TrackId,
    encoding: Variant,
}

#[derive(Deserialize)]
struct TracksPriorityWire {
    tracks: Vec<TrackId>,
}

#[derive(Deserialize)]
struct ErrorWire {
    #[serde(default)]
    message: String,
    #[serde(default)]
    code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SdpAnswerWire {
    sdp: String,
    #[serde(default)]
    mid_to_track_id: BTreeMap<String, TrackId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VadWire {
    track_id: TrackId,
    status: VadStatus,
}

#[derive(Deserialize)]
struct BandwidthWire {
    estimation: f64,
}

impl From<EndpointWire> for Endpoint {
    fn from(wire: EndpointWire) -> Self {
        let EndpointWire {
            id,
            kind,
            metadata,
            tracks,
        } = wire;
        Self {
            id,
            kind,
            metadata,
            tracks: tracks.merge(),
        }
    }
}

impl Endpoint {
    /// Writes all keys: the npm client reads each without asking whether it is there.
    fn to_value(&self) -> Value {
        let mut value = tracks_to_value(&self.tracks);
        value["id"] = json!(self.id);
        value["type"] = json!(self.kind);
        value["metadata"] = self.metadata.clone();
        value
    }
}

impl SdpAnswer {
    fn to_value(&self) -> Value {
        json!({"type": "answer", "sdp": self.sdp, "midToTrackId": self.mid_to_track_id})
    }
}

/// Writes tracks in both spellings, for clients of every version.
fn tracks_to_value(tracks: &BTreeMap<TrackId, Track>) -> Value {
    let metadata: BTreeMap<&TrackId, &Value> = tracks
        .iter()
        .map(|(id, track)| (id, &track.metadata))
        .collect();
    json!({"trackIdToMetadata": metadata, "tracks": tracks})
}
