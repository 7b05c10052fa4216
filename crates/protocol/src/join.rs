//! What a joiner says about itself, and what it hears when it is let in.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{ClientKey, Error, HostToken, PeerId, ResumeToken};

/// The version of the Snug extensions that this crate speaks.
pub const SNUG_VERSION: u32 = 1;

/// How many features of a joiner are kept: far more than will exist in one version.
const FEATURES_MAX: usize = 32;

/// The longest name of a feature that is kept, in bytes.
const FEATURE_BYTES_MAX: usize = 64;

/// The payload of a channel join. Keys that are not known are ignored, and so is a payload that
/// is no object: Phoenix accepts null and lists too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JoinParams {
    /// Present when the joiner is a Snug program; without it, it is an unmodified client.
    pub snug: Option<SnugParams>,
    /// Whether the joiner wants cameras to be sent in several layers. The seed's page says so; the
    /// first who does decides for the room.
    pub is_simulcast_on: Option<bool>,
    /// Present when the joiner is the page that Snug itself serves to browsers: it hears of roles
    /// and rules and understands chat, and is an unmodified client otherwise.
    pub page: Option<PageParams>,
}

/// What Snug's own page says when it joins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageParams {
    /// What this browser is known by to this server.
    pub key: Option<ClientKey>,
}

/// What a Snug program says when it joins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SnugParams {
    /// The version of the extensions that it speaks, [`SNUG_VERSION`] or another.
    pub version: u32,
    /// The optional things that it can do; at most 32 of at most 64 bytes each.
    pub features: Vec<String>,
    /// The token of the place that it wants back.
    pub resume: Option<ResumeToken>,
    /// The token of the room's host, where the joiner holds it.
    pub host: Option<HostToken>,
    /// What this program is known by to this server.
    pub key: Option<ClientKey>,
}

impl JoinParams {
    /// Reads a join payload leniently: what is malformed counts as not said.
    pub fn parse(payload: &str) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Outer {
            snug: Option<Value>,
            is_simulcast_on: Option<Value>,
            page: Option<Value>,
        }
        let outer: Outer = serde_json::from_str(payload).unwrap_or_default();
        let snug = outer.snug.filter(Value::is_object);
        Self {
            snug: snug.map(|value| SnugParams::from_value(&value)),
            is_simulcast_on: outer.is_simulcast_on.as_ref().and_then(Value::as_bool),
            page: outer.page.filter(Value::is_object).map(|page| PageParams {
                key: secret(&page, "key"),
            }),
        }
    }

    /// Writes the join payload.
    pub fn to_payload(&self) -> Value {
        let Some(snug) = &self.snug else {
            return json!({});
        };
        let mut params = json!({"version": snug.version, "features": snug.features});
        if let Some(token) = &snug.resume {
            params["resume"] = json!(token);
        }
        if let Some(token) = &snug.host {
            params["host"] = json!(token);
        }
        if let Some(key) = &snug.key {
            params["key"] = json!(key);
        }
        json!({"snug": params})
    }
}

impl SnugParams {
    fn from_value(value: &Value) -> Self {
        let version = value
            .get("version")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let features = value.get("features").and_then(Value::as_array);
        let features = features.into_iter().flatten().filter_map(Value::as_str);
        let features = features.filter(|feature| feature.len() <= FEATURE_BYTES_MAX);
        let resume = value.get("resume").and_then(Value::as_str);
        Self {
            version: u32::try_from(version).unwrap_or(u32::MAX),
            features: features.take(FEATURES_MAX).map(str::to_owned).collect(),
            resume: resume.and_then(|token| token.parse().ok()),
            host: secret(value, "host"),
            key: secret(value, "key"),
        }
    }
}

/// Reads a secret; a malformed one counts as not said.
fn secret<T: serde::de::DeserializeOwned>(value: &Value, name: &str) -> Option<T> {
    serde_json::from_value(value.get(name)?.clone()).ok()
}

/// The response to a join that succeeded: `{}` to an unmodified client, see [`SnugReply`] else.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JoinReply {
    /// Present when both sides are Snug programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snug: Option<SnugReply>,
}

/// What a Snug joiner learns about its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnugReply {
    /// The joiner's own id in the room.
    pub peer_id: PeerId,
    /// The secret that gets this place back within 10 s of a broken connection.
    pub resume: ResumeToken,
    /// Whether this is the place asked for by [`SnugParams::resume`]: then no `connected`
    /// follows, and tracks and media session are as they were.
    pub resumed: bool,
    /// Told to the host alone: what makes them the host again when they come back anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostToken>,
}

impl JoinReply {
    /// Writes the response.
    pub fn to_response(&self) -> Value {
        serde_json::to_value(self).expect("text keys and plain values always serialise")
    }

    /// Reads the response of a server, Snug or not.
    ///
    /// # Errors
    /// [`Error::JoinReply`] when `snug` is there but malformed, or the response is no object.
    pub fn parse(response: &str) -> Result<Self, Error> {
        serde_json::from_str(response).map_err(|cause| Error::JoinReply(cause.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unmodified_client_says_nothing_of_ours() {
        for payload in [
            "null",
            "[]",
            "{}",
            r#"{"isSimulcastOn":"yes"}"#,
            r#"{"snug":7}"#,
            r#"{"page":true}"#,
            "{",
            "",
        ] {
            assert_eq!(
                JoinParams::parse(payload),
                JoinParams::default(),
                "{payload}"
            );
        }
        for is_on in [true, false] {
            let payload = json!({"isSimulcastOn": is_on}).to_string();
            assert_eq!(JoinParams::parse(&payload).is_simulcast_on, Some(is_on));
        }
        let page = JoinParams::parse(&json!({"page": {"key": "07".repeat(16)}}).to_string()).page;
        assert_eq!(page.unwrap().key, Some(ClientKey::from_bytes([7; 16])));
        let odd = JoinParams::parse(r#"{"page":{"key":7}}"#).page;
        assert_eq!(odd, Some(PageParams::default()));
        assert_eq!(JoinReply::default().to_response(), json!({}));
        assert_eq!(JoinReply::parse("{}").unwrap(), JoinReply::default());
    }

    #[test]
    fn a_snug_join_survives_the_wire() {
        let params = JoinParams {
            snug: Some(SnugParams {
                version: SNUG_VERSION,
                features: vec!["presence".into()],
                resume: Some(ResumeToken::from_random([3; 16])),
                host: Some(HostToken::from_random([6; 16])),
                key: Some(ClientKey::from_bytes([7; 16])),
            }),
            ..JoinParams::default()
        };
        assert_eq!(JoinParams::parse(&params.to_payload().to_string()), params);
        let reply = JoinReply {
            snug: Some(SnugReply {
                peer_id: PeerId::from_random([4; 16]),
                resume: ResumeToken::from_random([5; 16]),
                resumed: true,
                host: Some(HostToken::from_random([6; 16])),
            }),
        };
        let response = reply.to_response();
        assert_eq!(response["snug"]["resume"], "05".repeat(16));
        assert_eq!(
            response["snug"]["peerId"],
            reply.snug.as_ref().unwrap().peer_id.as_str()
        );
        assert_eq!(JoinReply::parse(&response.to_string()).unwrap(), reply);
    }

    #[test]
    fn odd_values_count_as_not_said_and_are_bounded() {
        let features: Vec<String> = (0..100).map(|n| format!("f{n}")).collect();
        let payload = json!({"snug": {
            "version": -1, "features": features, "resume": "short", "later": {},
        }});
        let snug = JoinParams::parse(&payload.to_string()).snug.unwrap();
        assert_eq!((snug.version, snug.resume), (0, None));
        assert_eq!(snug.features.len(), FEATURES_MAX);
        let payload = json!({"snug": {"version": u64::MAX, "features": ["x".repeat(65), 7]}});
        let snug = JoinParams::parse(&payload.to_string()).snug.unwrap();
        assert_eq!((snug.version, snug.features.len()), (u32::MAX, 0));
    }
}
