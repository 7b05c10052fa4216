//! Reading a client's offer into what an answer depends on.

use std::collections::{BTreeMap, HashSet};
use std::io::Cursor;

use rtc_sdp::description::media::MediaDescription;
use rtc_sdp::description::session::SessionDescription;
use snug_protocol::Variant;
use snug_rtp::{Mid, Rid};
use snug_sfu::{Encoding, ExtensionIds, Kind};

use super::attributes::{
    ESTIMATE, EXTENSIONS, NACK, RED_NAME, TRANSPORT_WIDE, codec_name, feedback,
};
use super::{MSID_BYTES_MAX, SECTIONS_MAX, TRACKS_PER_PEER_MAX};
use crate::transport::IceCredentials;

/// The longest session description that is read, in bytes: a browser writes about 5 kB for each
/// video section, and a full room asks for some two hundred.
pub(crate) const SDP_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How many `a=ssrc` names of one section are looked at: three encodings with retransmission
/// need six.
const SSRCS_MAX: usize = 16;

/// A client's offer, as far as it matters here.
#[derive(Debug)]
pub(crate) struct Offer {
    /// How the client will connect; absent only while it has no media section at all.
    pub remote: Option<Remote>,
    /// All media sections, in order.
    pub sections: Vec<Section>,
}

/// The client's side of the media connection.
#[derive(Debug)]
pub(crate) struct Remote {
    /// Its side of this ICE generation.
    pub ice: IceCredentials,
    /// SHA-256 of the certificate that its DTLS will show.
    pub fingerprint: [u8; 32],
}

/// One media section of an offer.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// Its identification tag, unique in the offer.
    pub mid: String,
    /// The first word of its `m=` line.
    pub media: String,
    /// The transport protocol of its `m=` line.
    pub protocol: String,
    /// The first format of its `m=` line, for rejections.
    pub first_format: String,
    /// Sound or pictures with a codec that is forwarded; `None` is to be rejected.
    pub codec: Option<Codec>,
    /// Which way media would flow, as the client sees it.
    pub direction: Direction,
    /// The ids of the header extensions that may be agreed upon.
    pub extensions: ExtensionIds,
    /// The stream that the client has the track in; none where it is in none.
    pub stream: Option<String>,
    /// What the client would send: one, or one a layer.
    pub encodings: Vec<Encoding>,
    /// Every source named in the section.
    pub ssrcs: Vec<u32>,
    /// Whether reduced-size RTCP is offered.
    pub reduced_size: bool,
}

/// The codec chosen for a section.
#[derive(Debug, Clone)]
pub(crate) struct Codec {
    /// Sound or pictures.
    pub kind: Kind,
    /// Its payload type.
    pub payload_type: u8,
    /// Its parameters, as the client wrote them.
    pub parameters: Option<String>,
    /// The feedback agreed upon.
    pub feedback: Vec<&'static str>,
    /// The payload type of its retransmissions.
    pub rtx_payload_type: Option<u8>,
    /// The payload type of packets that repeat earlier sound (RFC 2198).
    pub red_payload_type: Option<u8>,
}

/// Which way media flows in a section, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client.
    Send,
    /// To the client.
    Receive,
    /// Nowhere.
    Inactive,
}

/// Why an offer cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the offer cannot be answered: {0}")]
pub(crate) struct OfferError(pub &'static str);

impl Offer {
    /// Reads a session description (RFC 8866, RFC 9429).
    ///
    /// # Errors
    /// [`OfferError`] when it is too long, no session description, or lacks ICE credentials, a
    /// SHA-256 fingerprint or identification tags.
    pub fn parse(sdp: &str) -> Result<Self, OfferError> {
        if sdp.len() > SDP_BYTES_MAX {
            return Err(OfferError("it is too long"));
        }
        // The reader slices by byte, which only ASCII bears; real programs write nothing else.
        if !sdp.is_ascii() {
            return Err(OfferError("it is not ASCII"));
        }
        if sdp.lines().filter(|line| line.starts_with("m=")).count() > SECTIONS_MAX {
            return Err(OfferError("it has too many media sections"));
        }
        let description = SessionDescription::unmarshal(&mut Cursor::new(sdp.as_bytes()))
            .map_err(|_| OfferError("it is no session description"))?;
        let mut mids = HashSet::new();
        let mut sections = Vec::new();
        for media in &description.media_descriptions {
            let section = Section::read(media)?;
            if !mids.insert(section.mid.clone()) {
                return Err(OfferError("two media sections have one identification tag"));
            }
            sections.push(section);
        }
        let remote = Remote::read(&description);
        match (remote, sections.is_empty()) {
            (Ok(remote), _) => Ok(Self {
                remote: Some(remote),
                sections,
            }),
            (Err(_), true) => Ok(Self {
                remote: None,
                sections,
            }),
            (Err(error), false) => Err(error),
        }
    }
}

impl Remote {
    fn read(description: &SessionDescription) -> Result<Self, OfferError> {
        let ice = ice_credentials(description).ok_or(OfferError("it has no ICE credentials"))?;
        let fingerprint =
            fingerprint(description).ok_or(OfferError("it has no SHA-256 fingerprint"))?;
        Ok(Self { ice, fingerprint })
    }
}

impl Section {
    fn read(media: &MediaDescription) -> Result<Self, OfferError> {
        let mid = value(media, "mid").unwrap_or_default();
        if mid.parse::<Mid>().is_err() {
            return Err(OfferError("a media section has no identification tag"));
        }
        let name = &media.media_name;
        let kind = match name.media.as_str() {
            "audio" => Some(Kind::Audio),
            "video" => Some(Kind::Video),
            _ => None,
        };
        // Port 0 means a section that is no longer used, unless it only waits for its bundle
        // (RFC 9143 section 6).
        let in_use = name.port.value != 0 || media.has_attribute("bundle-only");
        let direction = direction(media);
        let mut codec = kind
            .filter(|_| in_use)
            .and_then(|kind| choose_codec(media, kind, direction));
        let (ssrcs, extensions) = (ssrcs(media), extensions(media));
        if let Some(codec) = codec.as_mut().filter(|_| direction == Direction::Receive) {
            choose_reports(&mut codec.feedback, extensions);
        }
        Ok(Self {
            mid: mid.to_owned(),
            media: name.media.clone(),
            protocol: name.protos.join("/"),
            first_format: name
                .formats
                .first()
                .cloned()
                .unwrap_or_else(|| "0".to_owned()),
            codec,
            direction,
            extensions,
            stream: stream(media),
            encodings: encodings(media, &ssrcs),
            ssrcs,
            reduced_size: media.has_attribute("rtcp-rsize"),
        })
    }

    /// Sound or pictures, when the section can be used at all.
    pub fn kind(&self) -> Option<Kind> {
        self.codec.as_ref().map(|codec| codec.kind)
    }

    /// Whether the client asks to be told how much it may send.
    pub fn wants_estimate(&self) -> bool {
        let codec = self.codec.as_ref();
        codec.is_some_and(|codec| codec.feedback.contains(&ESTIMATE))
    }

    /// The layers that the section sends, lowest first; empty without simulcast.
    pub fn variants(&self) -> Vec<Variant> {
        let rids = self.encodings.iter().filter_map(|encoding| encoding.rid);
        rids.filter_map(|rid| Variant::from_letter(rid.as_str()))
            .collect()
    }
}

/// Returns the first value of an attribute of a section.
fn value<'a>(media: &'a MediaDescription, key: &str) -> Option<&'a str> {
    media.attribute(key).flatten()
}

/// Returns all values of an attribute of a section.
fn values<'a>(media: &'a MediaDescription, key: &'a str) -> impl Iterator<Item = &'a str> {
    let all = media
        .attributes
        .iter()
        .filter(move |attribute| attribute.key == key);
    all.filter_map(|attribute| attribute.value.as_deref())
}

/// Looks for an attribute in the first section that has it, then in the session.
fn anywhere<'a>(description: &'a SessionDescription, key: &str) -> Option<&'a str> {
    let in_media = description
        .media_descriptions
        .iter()
        .find_map(|media| value(media, key));
    in_media.or_else(|| description.attribute(key).map(String::as_str))
}

/// Reads `a=ice-ufrag` and `a=ice-pwd` (RFC 8839 section 5.4); in a bundle the first ones count.
fn ice_credentials(description: &SessionDescription) -> Option<IceCredentials> {
    let legal = |text: &str, shortest: usize| {
        let is_ice_char = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
        (shortest..=256).contains(&text.len()) && text.bytes().all(is_ice_char)
    };
    let ufrag = anywhere(description, "ice-ufrag").filter(|text| legal(text, 4))?;
    let pwd = anywhere(description, "ice-pwd").filter(|text| legal(text, 22))?;
    Some(IceCredentials {
        ufrag: ufrag.to_owned(),
        pwd: pwd.to_owned(),
    })
}

/// Reads `a=fingerprint:sha-256 AB:CD:...` (RFC 8122 section 5).
fn fingerprint(description: &SessionDescription) -> Option<[u8; 32]> {
    let line = anywhere(description, "fingerprint")?;
    let (algorithm, digits) = line.split_once(' ')?;
    if !algorithm.eq_ignore_ascii_case("sha-256") {
        return None;
    }
    let bytes: Option<Vec<u8>> = digits
        .trim()
        .split(':')
        .map(|pair| {
            u8::from_str_radix(pair, 16)
                .ok()
                .filter(|_| pair.len() == 2)
        })
        .collect();
    bytes?.try_into().ok()
}

fn direction(media: &MediaDescription) -> Direction {
    if media.has_attribute("inactive") {
        Direction::Inactive
    } else if media.has_attribute("recvonly") {
        Direction::Receive
    } else {
        // Both ways, stated or implied, is answered as if the client only sent: what it receives
        // has sections of its own.
        Direction::Send
    }
}

/// Finds the first payload type of the codec that is forwarded, and of its retransmissions.
fn choose_codec(media: &MediaDescription, kind: Kind, direction: Direction) -> Option<Codec> {
    let numbered = |line: &'_ str| -> Option<(u8, String)> {
        let (payload_type, rest) = line.split_once(' ')?;
        Some((payload_type.parse().ok()?, rest.trim().to_owned()))
    };
    let names: BTreeMap<u8, String> = values(media, "rtpmap").filter_map(numbered).collect();
    let parameters: BTreeMap<u8, String> = values(media, "fmtp").filter_map(numbered).collect();
    // The order of the `m=` line is the client's preference (RFC 3264 section 5.1).
    let formats: Vec<u8> = media
        .media_name
        .formats
        .iter()
        .filter_map(|format| format.parse().ok())
        .collect();
    let is_wanted = |format: &u8| {
        names
            .get(format)
            .is_some_and(|name| name.eq_ignore_ascii_case(codec_name(kind)))
    };
    let payload_type = formats.iter().copied().find(is_wanted)?;
    let repairs = |format: &u8| {
        let is_rtx = names
            .get(format)
            .is_some_and(|name| name.eq_ignore_ascii_case("rtx/90000"));
        let apt = parameters
            .get(format)
            .and_then(|line| parameter(line, "apt"));
        is_rtx && apt == Some(&payload_type.to_string())
    };
    let rtx_payload_type = formats
        .iter()
        .copied()
        .find(repairs)
        .filter(|_| kind == Kind::Video);
    let repeats = |format: &u8| {
        let name = names.get(format).filter(|_| kind == Kind::Audio);
        let blocks = parameters.get(format).map_or("", String::as_str);
        name.is_some_and(|name| name.eq_ignore_ascii_case(RED_NAME))
            && blocks.split('/').all(|it| it.parse() == Ok(payload_type))
    };
    let red_payload_type = formats.iter().copied().find(repeats);
    let offered: HashSet<&str> = values(media, "rtcp-fb")
        .filter_map(|line| line.split_once(' '))
        .filter(|(format, _)| *format == "*" || format.parse() == Ok(payload_type))
        .map(|(_, what)| what.trim())
        .collect();
    let feedback = feedback(kind, direction)
        .iter()
        .copied()
        .filter(|what| offered.contains(what))
        .filter(|what| *what != NACK || rtx_payload_type.is_some());
    Some(Codec {
        kind,
        payload_type,
        parameters: parameters.get(&payload_type).cloned(),
        feedback: feedback.collect(),
        rtx_payload_type,
        red_payload_type,
    })
}

/// Leaves a receiver one way of telling what its way carries: how packets arrive, for which they
/// must be numbered, or else its own estimate.
fn choose_reports(feedback: &mut Vec<&'static str>, extensions: ExtensionIds) {
    let is_numbered = feedback.contains(&TRANSPORT_WIDE) && extensions.transport_cc.is_some();
    let other = if is_numbered {
        ESTIMATE
    } else {
        TRANSPORT_WIDE
    };
    feedback.retain(|what| *what != other);
}

/// Finds one parameter of an `a=fmtp` line.
fn parameter<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = line
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// Reads `a=extmap:<id>[/direction] <uri>` (RFC 8285 section 5).
fn extensions(media: &MediaDescription) -> ExtensionIds {
    let mut ids = ExtensionIds::default();
    for line in values(media, "extmap") {
        let mut words = line.split_ascii_whitespace();
        let id = words
            .next()
            .and_then(|word| word.split('/').next()?.parse().ok());
        let Some((id @ 1..=255, uri)) = id.zip(words.next()) else {
            continue;
        };
        if let Some((_, place)) = EXTENSIONS.iter().find(|(known, _)| *known == uri) {
            place(&mut ids).get_or_insert(id);
        }
    }
    ids
}

/// Reads the first `a=msid:<stream> <track>` (RFC 8830 section 2); `-` stands for no stream at all
/// (RFC 8829 section 5.2.1).
fn stream(media: &MediaDescription) -> Option<String> {
    let name = value(media, "msid")?.split_ascii_whitespace().next()?;
    let is_name = name != "-" && name.len() <= MSID_BYTES_MAX;
    is_name.then(|| name.to_owned())
}

/// Lists the sources named by `a=ssrc` (RFC 5576 section 4.1), each once, in order.
fn ssrcs(media: &MediaDescription) -> Vec<u32> {
    let mut ssrcs = Vec::new();
    for line in values(media, "ssrc") {
        let ssrc = line
            .split_ascii_whitespace()
            .next()
            .and_then(|word| word.parse().ok());
        if let Some(ssrc) = ssrc.filter(|ssrc| !ssrcs.contains(ssrc)) {
            ssrcs.push(ssrc);
        }
        if ssrcs.len() == SSRCS_MAX {
            break;
        }
    }
    ssrcs
}

/// Works out what a section sends: rids of `a=simulcast` with the sources that belong to them,
/// or the one source with its retransmissions.
fn encodings(media: &MediaDescription, ssrcs: &[u32]) -> Vec<Encoding> {
    // `a=ssrc-group:FID <media> <retransmissions>` (RFC 5576 section 4.2).
    let groups: BTreeMap<u32, u32> = values(media, "ssrc-group")
        .filter_map(|line| line.strip_prefix("FID "))
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        })
        .collect();
    let is_repair = |ssrc: &u32| groups.values().any(|repair| repair == ssrc);
    let primaries: Vec<u32> = ssrcs
        .iter()
        .copied()
        .filter(|ssrc| !is_repair(ssrc))
        .collect();
    let encoding = |rid, ssrc: Option<u32>| Encoding {
        rid,
        ssrc,
        rtx_ssrc: ssrc.and_then(|ssrc| groups.get(&ssrc).copied()),
        is_disabled: false,
    };
    let rids = simulcast_rids(media);
    if rids.is_empty() {
        return vec![encoding(None, primaries.first().copied())];
    }
    // Sources stand in the order of the rids; where their numbers differ, rids are learnt from
    // the packets instead.
    let named = (primaries.len() == rids.len()).then_some(primaries);
    let source = |index: usize| named.as_ref().map(|primaries| primaries[index]);
    let mut encodings: Vec<Encoding> = rids
        .iter()
        .enumerate()
        .map(|(index, rid)| encoding(Some(*rid), source(index)))
        .collect();
    encodings.sort_by_key(|encoding| rank(encoding.rid));
    encodings
}

/// Lists the rids that the client sends (RFC 8853 section 5.1, RFC 8851), at most one a layer.
fn simulcast_rids(media: &MediaDescription) -> Vec<Rid> {
    if !values(media, "simulcast").any(|line| line.contains("send")) {
        return Vec::new();
    }
    let mut rids = Vec::new();
    for line in values(media, "rid") {
        let mut words = line.split_ascii_whitespace();
        let rid = words
            .next()
            .filter(|rid| Variant::from_letter(rid).is_some());
        if let (Some(rid), Some("send")) = (rid.and_then(|rid| rid.parse().ok()), words.next())
            && !rids.contains(&rid)
        {
            rids.push(rid);
        }
    }
    rids.truncate(TRACKS_PER_PEER_MAX);
    rids
}

/// Orders layers from the lowest to the best.
fn rank(rid: Option<Rid>) -> Option<Variant> {
    rid.and_then(|rid| Variant::from_letter(rid.as_str()))
}
