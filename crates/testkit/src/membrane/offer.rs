//! Reading an offer as Membrane's engine does, and refusing what it refuses.
//!
//! Each refusal is a place where the engine raises, so that the endpoint crashes, or answers with
//! something that the offerer cannot apply (protocol.md, section 6).

use std::collections::BTreeMap;

use serde_json::Value;

/// The encodings of a simulcast track, by the only names that the engine knows.
const RIDS: [&str; 3] = ["h", "m", "l"];

pub(super) const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
pub(super) const RID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
pub(super) const REPAIRED_RID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const TWCC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// The header extensions that an answer may take over.
const EXTENSIONS: [&str; 5] = [MID_URI, RID_URI, REPAIRED_RID_URI, TWCC_URI, LEVEL_URI];

/// Sound or picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Audio,
    Video,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

/// What the offerer does in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Send,
    Receive,
    Inactive,
}

/// A codec of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) payload_type: u8,
    /// As it stands in `a=rtpmap`: name, rate and channels.
    pub(super) map: String,
    pub(super) parameters: Option<String>,
    pub(super) rtx: Option<u8>,
    pub(super) feedback: Vec<String>,
}

/// One media section of an offer.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) mid: String,
    pub(super) kind: Kind,
    pub(super) direction: Direction,
    pub(super) encoding: Encoding,
    pub(super) ssrc: Option<u32>,
    pub(super) rtx_ssrc: Option<u32>,
    pub(super) rids: Vec<String>,
    /// Number to URI, of those that may be used.
    pub(super) extensions: BTreeMap<u8, String>,
}

/// An offer that the engine can work with.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// Of the offerer's ICE.
    pub(super) password: String,
    pub(super) sections: Vec<Section>,
    /// Which section sends which track.
    pub(super) tracks: BTreeMap<String, String>,
}

impl Offer {
    /// Reads the `data` of an `sdpOffer`; a refusal says what the engine would stumble over.
    pub(super) fn read(data: &Value, simulcast: bool) -> Result<Self, String> {
        let offer = &data["sdpOffer"];
        let sdp = offer["sdp"].as_str().ok_or("an offer without a text")?;
        if offer["type"] != "offer" {
            return Err("an offer that does not call itself one".to_owned());
        }
        let (session, blocks) = split(sdp);
        if blocks.is_empty() {
            return Err("an offer without a section".to_owned());
        }
        let mut sections = Vec::new();
        for block in &blocks {
            sections.push(section(block, simulcast)?);
        }
        check_bundle(&session, &sections)?;
        let first = &blocks[0];
        let credential = |name: &str| {
            let value = value_of(first, name).map(str::to_owned);
            value.ok_or(format!("no {name} in the first section"))
        };
        let tracks = data["midToTrackId"]
            .as_object()
            .ok_or("an offer without midToTrackId")?;
        let text = |(mid, id): (&String, &Value)| Some((mid.clone(), id.as_str()?.to_owned()));
        credential("ice-ufrag")?;
        let offer = Self {
            password: credential("ice-pwd")?,
            sections,
            tracks: tracks.iter().filter_map(text).collect(),
        };
        offer.check_tracks(data)?;
        Ok(offer)
    }

    /// Whether every sending section is a track with metadata.
    fn check_tracks(&self, data: &Value) -> Result<(), String> {
        for section in self
            .sections
            .iter()
            .filter(|it| it.direction == Direction::Send)
        {
            let mid = &section.mid;
            let track = self.tracks.get(mid);
            let track = track.ok_or(format!("section {mid} sends a track without an id"))?;
            if data["trackIdToTrackMetadata"].get(track).is_none() {
                return Err(format!("nothing is said about track {track}"));
            }
        }
        Ok(())
    }

    pub(super) fn receiving(&self, kind: Kind) -> impl Iterator<Item = &Section> {
        let wanted = move |it: &&Section| it.direction == Direction::Receive && it.kind == kind;
        self.sections.iter().filter(wanted)
    }
}

/// Splits a description into the lines before the first section, and those of each section.
fn split(sdp: &str) -> (Vec<&str>, Vec<Vec<&str>>) {
    let (mut session, mut blocks) = (Vec::new(), Vec::<Vec<&str>>::new());
    for line in sdp.lines().map(str::trim_end) {
        if line.starts_with("m=") {
            blocks.push(vec![line]);
        } else if let Some(block) = blocks.last_mut() {
            block.push(line);
        } else {
            session.push(line);
        }
    }
    (session, blocks)
}

fn attributes<'a>(block: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let lines = block.iter().filter_map(|line| line.strip_prefix("a="));
    lines.map(|line| line.split_once(':').unwrap_or((line, "")))
}

fn values<'a>(block: &'a [&str], name: &'a str) -> impl Iterator<Item = &'a str> {
    attributes(block)
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| value)
}

fn value_of<'a>(block: &'a [&str], name: &'a str) -> Option<&'a str> {
    values(block, name).next()
}

fn has(block: &[&str], name: &str) -> bool {
    attributes(block).any(|(key, _)| key == name)
}

fn check_bundle(session: &[&str], sections: &[Section]) -> Result<(), String> {
    let groups = values(session, "group").filter_map(|group| group.strip_prefix("BUNDLE "));
    let bundled: Vec<&str> = groups.flat_map(|group| group.split(' ')).collect();
    match sections
        .iter()
        .find(|it| !bundled.contains(&it.mid.as_str()))
    {
        Some(section) => Err(format!("section {} is not bundled", section.mid)),
        None => Ok(()),
    }
}

fn section(block: &[&str], simulcast: bool) -> Result<Section, String> {
    let mid = value_of(block, "mid").ok_or("a section without a mid")?;
    if mid.parse::<u16>().is_err() {
        return Err(format!("the mid {mid} is no number"));
    }
    let kind = match block[0].split(' ').next() {
        Some("m=audio") => Kind::Audio,
        Some("m=video") => Kind::Video,
        _ => return Err(format!("section {mid} is neither sound nor picture")),
    };
    let rids: Vec<String> = values(block, "rid")
        .map(|rid| rid.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    let extensions = extensions(block);
    let encoding = encoding(block, kind).map_err(|why| format!("section {mid}: {why}"))?;
    let group = values(block, "ssrc-group").find_map(|group| group.strip_prefix("FID "));
    let mut pair = group.into_iter().flat_map(|group| group.split(' '));
    let mut number = || pair.next().and_then(|ssrc| ssrc.parse().ok());
    let (mut ssrc, rtx_ssrc): (Option<u32>, Option<u32>) = (number(), number());
    let alone = value_of(block, "ssrc").and_then(|ssrc| ssrc.split(' ').next()?.parse().ok());
    ssrc = ssrc.or(alone);
    let section = Section {
        mid: mid.to_owned(),
        kind,
        direction: direction(block)?,
        encoding,
        ssrc,
        rtx_ssrc,
        rids,
        extensions,
    };
    check_section(&section, block, simulcast)?;
    Ok(section)
}

fn direction(block: &[&str]) -> Result<Direction, String> {
    if has(block, "sendonly") {
        Ok(Direction::Send)
    } else if has(block, "recvonly") {
        Ok(Direction::Receive)
    } else if has(block, "inactive") {
        Ok(Direction::Inactive)
    } else {
        // Without an attribute it is sendrecv (RFC 8866 section 6.7).
        Err("Tracks with direction :sendrecv are not allowed in SDP offer.".to_owned())
    }
}

fn check_section(section: &Section, block: &[&str], simulcast: bool) -> Result<(), String> {
    let mid = &section.mid;
    if !has(block, "rtcp-mux") {
        return Err(format!("section {mid} does not multiplex RTCP"));
    }
    if !matches!(value_of(block, "setup"), Some("actpass" | "active")) {
        return Err(format!("section {mid} leaves no role to a DTLS server"));
    }
    if section.direction != Direction::Send {
        return Ok(());
    }
    if !section.rids.is_empty() {
        return check_simulcast(section, simulcast);
    }
    if section.ssrc.is_none() {
        return Err(format!(
            "section {mid} counts as simulcast: it names no ssrc"
        ));
    }
    if section.encoding.rtx.is_some() && section.rtx_ssrc.is_none() {
        return Err(format!(
            "section {mid} retransmits on an ssrc that it does not name"
        ));
    }
    Ok(())
}

fn check_simulcast(section: &Section, allowed: bool) -> Result<(), String> {
    if !allowed {
        return Err("Simulcast was offered, but it's not supported".to_owned());
    }
    if let Some(rid) = section
        .rids
        .iter()
        .find(|rid| !RIDS.contains(&rid.as_str()))
    {
        return Err(format!(
            "section {} has the unknown encoding {rid}",
            section.mid
        ));
    }
    let lacks = |uri: &str| section.extensions.values().all(|known| known != uri);
    if lacks(MID_URI) || lacks(RID_URI) {
        return Err("Simulcast without mid or rid extensions is not supported!".to_owned());
    }
    if section.encoding.rtx.is_some() && lacks(REPAIRED_RID_URI) {
        return Err("RTX simulcast requires RepairedRid extension to be enabled!".to_owned());
    }
    Ok(())
}

fn extensions(block: &[&str]) -> BTreeMap<u8, String> {
    let known = values(block, "extmap").filter_map(|value| {
        let (number, uri) = value.split_once(' ')?;
        let number = number.split('/').next()?.parse().ok()?;
        let uri = uri.split(' ').next()?;
        EXTENSIONS.contains(&uri).then(|| (number, uri.to_owned()))
    });
    known.collect()
}

/// Chooses the first codec that the engine's filter lets through: Opus and VP8.
fn encoding(block: &[&str], kind: Kind) -> Result<Encoding, String> {
    let maps = values(block, "rtpmap").filter_map(|value| value.split_once(' '));
    let mut maps: Vec<(u8, &str)> = maps
        .filter_map(|(number, map)| Some((number.parse().ok()?, map)))
        .collect();
    let listed: Vec<u8> = block[0]
        .split(' ')
        .skip(3)
        .filter_map(|it| it.parse().ok())
        .collect();
    maps.sort_by_key(|(number, _)| listed.iter().position(|it| it == number));
    let parameters: BTreeMap<u8, &str> = values(block, "fmtp")
        .filter_map(|value| value.split_once(' '))
        .filter_map(|(number, value)| Some((number.parse().ok()?, value)))
        .collect();
    let wanted = match kind {
        Kind::Audio => "opus/48000/2",
        Kind::Video => "VP8/90000",
    };
    let mut rtx = None;
    let chosen = maps
        .iter()
        .find(|(_, map)| map.eq_ignore_ascii_case(wanted));
    let (payload_type, map) = *chosen.ok_or("No supported payload types in SDP offer!")?;
    for (number, _) in maps.iter().filter(|(_, map)| map.starts_with("rtx/")) {
        let value = parameters.get(number);
        let value = value.ok_or(format!("payload type {number} retransmits without apt"))?;
        let apt = value
            .split(';')
            .find_map(|it| it.trim().strip_prefix("apt="));
        if apt.and_then(|apt| apt.parse().ok()) == Some(payload_type) {
            rtx = Some(*number);
        }
    }
    let mine = |value: &&str| {
        let number = value.split(' ').next().unwrap_or_default();
        number == "*" || number.parse() == Ok(payload_type)
    };
    let feedback = values(block, "rtcp-fb").filter(mine);
    Ok(Encoding {
        payload_type,
        map: map.to_owned(),
        parameters: parameters.get(&payload_type).map(|&value| value.to_owned()),
        rtx,
        feedback: feedback
            .filter_map(|value| Some(value.split_once(' ')?.1.to_owned()))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\n\
        a=ice-ufrag:u\r\na=ice-pwd:p\r\na=setup:actpass\r\na=rtcp-mux\r\n\
        a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\na=ssrc:5 cname:x\r\n";
    const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=sendonly\r\n\
        a=setup:actpass\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n\
        a=fmtp:97 apt=96\r\na=ssrc-group:FID 7 8\r\na=ssrc:7 cname:x\r\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=rtcp-fb:96 nack pli\r\n";

    fn read(sdp: &str, simulcast: bool) -> Result<Offer, String> {
        let data = json!({
            "sdpOffer": {"type": "offer", "sdp": sdp},
            "midToTrackId": {"0": "p:a", "1": "p:v"},
            "trackIdToTrackMetadata": {"p:a": null, "p:v": null},
        });
        Offer::read(&data, simulcast)
    }

    fn offer() -> String {
        format!("v=0\r\na=group:BUNDLE 0 1\r\n{AUDIO}{VIDEO}")
    }

    #[test]
    fn a_good_offer_is_read() {
        let offer = read(&offer(), false).expect("it is good");
        assert_eq!(offer.password, "p");
        let video = &offer.sections[1];
        assert_eq!(
            (video.ssrc, video.rtx_ssrc, video.encoding.rtx),
            (Some(7), Some(8), Some(97))
        );
        assert_eq!(video.encoding.feedback, ["nack pli"]);
    }

    #[test]
    fn each_rule_of_the_engine_refuses() {
        let rids = "a=ssrc-group:FID 7 8\r\na=ssrc:7 cname:x\r\n";
        for (from, to, why) in [
            ("a=sendonly", "a=sendrecv", "sendrecv"),
            ("a=sendonly\r\n", "", "sendrecv"),
            ("BUNDLE 0 1", "BUNDLE 0", "not bundled"),
            ("a=mid:1", "a=mid:video", "no number"),
            ("a=ice-ufrag:u\r\n", "", "ice-ufrag"),
            ("a=fmtp:97 apt=96\r\n", "", "without apt"),
            ("a=ssrc:5 cname:x\r\n", "", "counts as simulcast"),
            ("FID 7 8", "FEC-FR 7 8", "does not name"),
            ("VP8", "AV1", "No supported payload"),
            (rids, "a=rid:h send\r\n", "Simulcast was offered"),
            ("m=video", "m=application", "neither"),
            ("actpass", "passive", "DTLS"),
        ] {
            let sdp = offer().replacen(from, to, 2);
            let refused = read(&sdp, false).expect_err(why);
            assert!(refused.contains(why), "{from} -> {to}: {refused}");
        }
    }

    #[test]
    fn simulcast_needs_its_extensions_and_names() {
        let rids = "a=ssrc-group:FID 7 8\r\na=ssrc:7 cname:x\r\n";
        let plain = offer().replace(rids, "a=rid:h send\r\na=rid:x send\r\n");
        assert!(read(&plain, true).expect_err("a name").contains('x'));
        let plain = offer().replace(rids, "a=rid:h send\r\n");
        assert!(read(&plain, true).expect_err("rid").contains("mid or rid"));
        // Retransmissions need to be told apart as well.
        let plain = format!("{plain}a=extmap:2 {RID_URI}\r\n");
        assert!(read(&plain, true).expect_err("rtx").contains("RepairedRid"));
        let plain = format!("{plain}a=extmap:3 {REPAIRED_RID_URI}\r\n");
        let video = &read(&plain, true).expect("it is good").sections[1];
        assert_eq!(video.rids, ["h"]);
    }
}
