//! One peer's negotiation and ICE, as the engine's endpoint does them.
//!
//! Rules, each found in the engine:
//! - The server triggers (`offerData`), the client offers. A trigger during a negotiation waits;
//!   any number of them become one.
//! - A negotiation ends when the new ICE generation is connected, not when the answer is out. If
//!   that takes five seconds, the next one starts.
//! - A generation is connected when an allocation is nominated that is *another* one than before:
//!   who restarts ICE on an old allocation never gets anything new.
//! - Receiving sections are counted for ever: a track that ended keeps its place.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::answer;
use super::offer::{Direction, Kind, MID_URI, Offer, REPAIRED_RID_URI, RID_URI, Section};
use super::packet::Packet;
use super::turn::AllocationId;

/// How long a generation may take to connect.
const RESTART_WITHIN: Duration = Duration::from_secs(5);

/// A track that the peer sends.
#[derive(Clone, Debug)]
pub(super) struct Inbound {
    pub(super) id: String,
    pub(super) section: Section,
    pub(super) metadata: Value,
    pub(super) ended: bool,
    /// Which layer of a simulcast each source turned out to be.
    layers: BTreeMap<u32, String>,
    /// The one layer that the others are shown: this little server changes to no other.
    shown: Option<u32>,
}

impl Inbound {
    /// Whether a packet belongs to it. Layers of a simulcast, and what is sent again of them, tell
    /// where they belong by extensions until their sources are known, as the engine wants it.
    pub(super) fn takes(&mut self, packet: &Packet<'_>) -> bool {
        let section = &self.section;
        if section.rids.is_empty() {
            return [section.ssrc, section.rtx_ssrc].contains(&Some(packet.ssrc));
        }
        if self.layers.contains_key(&packet.ssrc) {
            return true;
        }
        let value = |uri: &str| {
            let number = section
                .extensions
                .iter()
                .find(|(_, known)| *known == uri)?
                .0;
            let found = packet
                .extensions
                .iter()
                .find(|(known, _)| known == number)?;
            std::str::from_utf8(found.1).ok()
        };
        let rid = value(RID_URI).or(value(REPAIRED_RID_URI));
        let rid = rid.filter(|rid| section.rids.iter().any(|known| known == rid));
        let (Some(mid), Some(rid)) = (value(MID_URI), rid) else {
            return false;
        };
        let is_mine = mid == section.mid;
        if is_mine {
            self.layers.insert(packet.ssrc, rid.to_owned());
        }
        is_mine
    }

    /// Whether the others are shown this source.
    pub(super) fn shows(&mut self, ssrc: u32) -> bool {
        let is_layer = self.layers.contains_key(&ssrc);
        !is_layer || *self.shown.get_or_insert(ssrc) == ssrc
    }

    /// Returns the source that the others are shown, if there is one yet.
    pub(super) fn source(&self) -> Option<u32> {
        match self.section.rids.is_empty() {
            true => self.section.ssrc,
            false => self.shown,
        }
    }
}

/// How far a track on its way to the peer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for the next negotiation.
    Pending,
    /// Is in the negotiation under way.
    Ready,
    /// Flows.
    Linked,
    /// Came to its end and keeps its section.
    Ended,
}

/// A track that the peer receives.
#[derive(Clone, Debug)]
pub(super) struct Outbound {
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) ssrc: u32,
    pub(super) stream: String,
    pub(super) stage: Stage,
    /// The peer's section for it, once negotiated.
    pub(super) section: Option<Section>,
}

impl Outbound {
    /// A track of the peer `owner`, on its way to somebody.
    pub(super) fn new(track: &Inbound, owner: &str) -> Self {
        Self {
            id: track.id.clone(),
            kind: track.section.kind,
            ssrc: rand::random_range(1..=u32::MAX),
            stream: owner.to_owned(),
            stage: Stage::Pending,
            section: None,
        }
    }

    /// The same track for somebody else, who knows it by another ssrc.
    pub(super) fn renumber(mut self) -> Self {
        self.ssrc = rand::random_range(1..=u32::MAX);
        self
    }
}

/// What follows from an input.
#[derive(Debug)]
pub(super) enum Out {
    /// Say this media event.
    Say(Value),
    /// Others may have these tracks of the peer's.
    NewTracks(Vec<String>),
    /// These tracks of the peer's ended.
    EndedTracks(Vec<String>),
    /// These tracks flow to the peer from now on.
    Linked(Vec<String>),
}

/// The media endpoint of one peer.
pub(super) struct Endpoint {
    pub(super) inbound: Vec<Inbound>,
    pub(super) outbound: Vec<Outbound>,
    /// The allocation that everything goes through.
    pub(super) selected: Option<AllocationId>,
    /// How many ICE generations were connected.
    pub(super) generations: u64,
    ice: Ice,
    servers: Value,
    candidate: SocketAddr,
    fingerprint: String,
    simulcast: bool,
    secured: bool,
    out: Vec<Out>,
}

struct Ice {
    ufrag: String,
    password: String,
    first: bool,
    restarting: bool,
    waiting: bool,
    offered: bool,
    reported: bool,
    early: bool,
    until: Option<Instant>,
}

impl Endpoint {
    /// Makes an endpoint that announces `servers` and `candidate`, and the certificate of this
    /// fingerprint.
    pub(super) fn new(
        (servers, candidate, fingerprint): (Value, SocketAddr, String),
        simulcast: bool,
        now: Instant,
    ) -> Self {
        let (ufrag, password) = credentials();
        Self {
            inbound: Vec::new(),
            outbound: Vec::new(),
            selected: None,
            generations: 0,
            ice: Ice {
                ufrag,
                password,
                first: true,
                restarting: false,
                waiting: false,
                offered: false,
                reported: false,
                early: false,
                until: Some(now + RESTART_WITHIN),
            },
            servers,
            candidate,
            fingerprint,
            simulcast,
            secured: false,
            out: Vec::new(),
        }
    }

    /// The password that checks are answered with.
    pub(super) fn password(&self) -> &str {
        &self.ice.password
    }

    /// Takes what followed so far.
    pub(super) fn drain(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.out)
    }

    /// The peer wants to negotiate.
    pub(super) fn renegotiate(&mut self, now: Instant) {
        if std::mem::take(&mut self.ice.first) {
            self.ask_for_offer();
        } else {
            self.restart(true, now);
        }
    }

    /// There are new tracks for the peer.
    pub(super) fn add(&mut self, tracks: Vec<Outbound>, now: Instant) {
        if tracks.is_empty() {
            return;
        }
        self.outbound.extend(tracks);
        if std::mem::take(&mut self.ice.first) {
            self.make_ready();
            self.ask_for_offer();
        } else {
            self.restart(true, now);
        }
    }

    /// Tracks for the peer came to their end.
    pub(super) fn end(&mut self, tracks: &[String], now: Instant) {
        for track in self
            .outbound
            .iter_mut()
            .filter(|it| tracks.contains(&it.id))
        {
            track.stage = Stage::Ended;
        }
        self.restart(true, now);
    }

    /// Answers an offer; returns the offerer's ICE password.
    ///
    /// # Errors
    /// What the engine raises.
    pub(super) fn answer(&mut self, data: &Value) -> Result<String, String> {
        let offer = Offer::read(data, self.simulcast)?;
        self.take_sections(&offer)?;
        let ended = self.end_missing(&offer);
        let new = self.take_tracks(&offer, data);
        self.check_covered(&offer)?;
        if !new.is_empty() {
            self.out.push(Out::NewTracks(new));
        }
        let credentials = (self.ice.ufrag.as_str(), self.ice.password.as_str());
        let sdp = answer::write(
            &self.inbound,
            &self.outbound,
            credentials,
            &self.fingerprint,
        );
        let inbound = self.inbound.iter().map(|it| (&it.section.mid, &it.id));
        let outbound = self.outbound.iter();
        let outbound = outbound.filter_map(|it| Some((&it.section.as_ref()?.mid, &it.id)));
        let mids: serde_json::Map<String, Value> = inbound
            .chain(outbound)
            .map(|(mid, id)| (mid.clone(), json!(id)))
            .collect();
        self.say(
            "sdpAnswer",
            json!({"type": "answer", "sdp": sdp, "midToTrackId": mids}),
        );
        self.ice.offered = true;
        if std::mem::take(&mut self.ice.early) {
            self.connected();
        }
        self.announce_candidate();
        if !ended.is_empty() {
            self.out.push(Out::EndedTracks(ended));
        }
        Ok(offer.password)
    }

    /// Gives the tracks on their way to the peer its receiving sections, in order.
    fn take_sections(&mut self, offer: &Offer) -> Result<(), String> {
        let mut surplus = 0;
        for kind in [Kind::Audio, Kind::Video] {
            let negotiated = |it: &&mut Outbound| it.kind == kind && it.stage != Stage::Pending;
            let mut tracks: Vec<_> = self.outbound.iter_mut().filter(negotiated).collect();
            let place = |it: &&mut Outbound| it.section.as_ref().map_or(u16::MAX, number);
            tracks.sort_by_key(place);
            let mut sections: Vec<_> = offer.receiving(kind).collect();
            sections.sort_by_key(|section| number(section));
            if sections.len() < tracks.len() {
                let (have, want) = (sections.len(), tracks.len());
                let kind = kind.as_str();
                return Err(format!(
                    "{have} receiving {kind} sections, but {want} tracks"
                ));
            }
            surplus += sections.len() - tracks.len();
            for (track, section) in tracks.into_iter().zip(sections) {
                track.section = Some(section.clone());
            }
        }
        match surplus {
            0 => Ok(()),
            _ => Err("Received new outbound tracks in SDP offer which is not allowed.".to_owned()),
        }
    }

    fn end_missing(&mut self, offer: &Offer) -> Vec<String> {
        let gone = |it: &&mut Inbound| !it.ended && !offer.tracks.contains_key(&it.section.mid);
        let gone = self.inbound.iter_mut().filter(gone);
        gone.map(|track| {
            track.ended = true;
            track.id.clone()
        })
        .collect()
    }

    fn take_tracks(&mut self, offer: &Offer, data: &Value) -> Vec<String> {
        let mut new = Vec::new();
        for section in offer
            .sections
            .iter()
            .filter(|it| it.direction == Direction::Send)
        {
            let Some(id) = offer.tracks.get(&section.mid) else {
                continue;
            };
            if self.inbound.iter().any(|it| it.id == *id) {
                continue;
            }
            self.inbound.push(Inbound {
                id: id.clone(),
                section: section.clone(),
                metadata: data["trackIdToTrackMetadata"][id].clone(),
                ended: false,
                layers: BTreeMap::new(),
                shown: None,
            });
            new.push(id.clone());
        }
        new
    }

    /// The answer lists tracks, not sections: a section without one would be missing from it, and
    /// the peer could not apply it.
    fn check_covered(&self, offer: &Offer) -> Result<(), String> {
        let inbound = self.inbound.iter().map(|it| &it.section.mid);
        let outbound = self
            .outbound
            .iter()
            .filter_map(|it| Some(&it.section.as_ref()?.mid));
        let covered: Vec<&String> = inbound.chain(outbound).collect();
        let missing = offer.sections.iter().find(|it| !covered.contains(&&it.mid));
        missing.map_or(Ok(()), |it| {
            Err(format!("section {} belongs to no track", it.mid))
        })
    }

    /// A check came through `allocation`, nominating it or not.
    pub(super) fn handle_check(&mut self, allocation: AllocationId, nominates: bool) {
        if !nominates || self.selected == Some(allocation) {
            return;
        }
        self.selected = Some(allocation);
        if self.secured {
            self.connected();
        }
    }

    /// The DTLS handshake is complete.
    pub(super) fn handle_secured(&mut self) {
        self.secured = true;
        self.connected();
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.ice.until.is_none_or(|until| now < until) {
            return;
        }
        self.ice.until = None;
        self.ice.reported = true;
        self.ice.early = false;
        self.ice.restarting = false;
        self.restart(true, now);
    }

    fn connected(&mut self) {
        if self.ice.reported {
            return;
        }
        if !self.ice.offered {
            self.ice.early = true;
            return;
        }
        self.ice.reported = true;
        self.ice.until = None;
        self.generations += 1;
        if !std::mem::take(&mut self.ice.restarting) {
            return;
        }
        let ready = self
            .outbound
            .iter_mut()
            .filter(|it| it.stage == Stage::Ready);
        let linked = ready.map(|track| {
            track.stage = Stage::Linked;
            track.id.clone()
        });
        let linked = linked.collect();
        self.out.push(Out::Linked(linked));
        self.restart(false, Instant::now());
    }

    fn restart(&mut self, wanted: bool, now: Instant) {
        self.ice.waiting |= wanted;
        if self.ice.restarting || !self.ice.waiting {
            return;
        }
        self.ice.restarting = true;
        self.ice.waiting = false;
        self.make_ready();
        (self.ice.ufrag, self.ice.password) = credentials();
        self.ice.reported = false;
        self.ice.offered = false;
        self.ice.until = Some(now + RESTART_WITHIN);
        if !self.ice.first || !self.outbound.is_empty() {
            self.ice.first = false;
            self.ask_for_offer();
        }
    }

    fn make_ready(&mut self) {
        for track in self
            .outbound
            .iter_mut()
            .filter(|it| it.stage == Stage::Pending)
        {
            track.stage = Stage::Ready;
        }
    }

    fn ask_for_offer(&mut self) {
        let count = |kind| {
            let negotiated = |it: &&Outbound| it.kind == kind && it.stage != Stage::Pending;
            self.outbound.iter().filter(negotiated).count()
        };
        let types = json!({"audio": count(Kind::Audio), "video": count(Kind::Video)});
        let servers = self.servers.clone();
        self.ice.restarting = true;
        self.say(
            "offerData",
            json!({"tracksTypes": types, "integratedTurnServers": servers}),
        );
    }

    fn announce_candidate(&mut self) {
        let (ip, port) = (self.candidate.ip(), self.candidate.port());
        let candidate = format!("a=candidate:1 1 UDP 2015363327 {ip} {port} typ host");
        let data = json!({
            "candidate": candidate,
            "sdpMLineIndex": 0,
            "sdpMid": null,
            "usernameFragment": null,
        });
        self.say("candidate", data);
    }

    fn say(&mut self, kind: &str, data: Value) {
        let event = json!({"type": "custom", "data": {"type": kind, "data": data}});
        self.out.push(Out::Say(event));
    }
}

fn number(section: &Section) -> u16 {
    section.mid.parse().unwrap_or(u16::MAX)
}

/// A fragment of 4 and a password of 22 characters, as the engine makes them.
fn credentials() -> (String, String) {
    (readable(4), readable(22))
}

/// So many random letters and digits.
pub(super) fn readable(length: usize) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let letter = |_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())]);
    (0..length).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
        a=mid:0\r\na=sendonly\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=setup:actpass\r\n\
        a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=ssrc:5 cname:x\r\n";

    fn endpoint(now: Instant) -> Endpoint {
        let candidate = SocketAddr::from(([192, 0, 2, 1], 9));
        Endpoint::new((json!([]), candidate, String::new()), false, now)
    }

    fn offer(sdp: &str) -> Value {
        json!({
            "sdpOffer": {"type": "offer", "sdp": sdp},
            "midToTrackId": {"0": "p:a"},
            "trackIdToTrackMetadata": {"p:a": null},
        })
    }

    /// What it says, by type.
    fn said(endpoint: &mut Endpoint) -> Vec<String> {
        let said = endpoint.drain().into_iter().filter_map(|out| match out {
            Out::Say(event) => Some(event["data"]["type"].as_str()?.to_owned()),
            _ => None,
        });
        said.collect()
    }

    fn negotiated(now: Instant) -> Endpoint {
        let mut endpoint = endpoint(now);
        endpoint.renegotiate(now);
        assert_eq!(said(&mut endpoint), ["offerData"]);
        endpoint.answer(&offer(OFFER)).expect("a good offer");
        assert_eq!(said(&mut endpoint), ["sdpAnswer", "candidate"]);
        endpoint.handle_check(AllocationId::made_up(1), true);
        assert_eq!(endpoint.generations, 0, "the handshake is missing");
        endpoint.handle_secured();
        assert_eq!(endpoint.generations, 1);
        endpoint
    }

    #[test]
    fn a_generation_on_the_old_allocation_never_counts() {
        let now = Instant::now();
        let mut endpoint = negotiated(now);
        endpoint.renegotiate(now);
        let password = endpoint.password().to_owned();
        endpoint.answer(&offer(OFFER)).expect("a good offer");
        endpoint.handle_check(AllocationId::made_up(1), true);
        assert_eq!(endpoint.generations, 1);
        said(&mut endpoint);
        endpoint.handle_timeout(now + RESTART_WITHIN);
        assert_eq!(said(&mut endpoint), ["offerData"], "and so on for ever");
        assert_ne!(endpoint.password(), password);
        endpoint.answer(&offer(OFFER)).expect("a good offer");
        endpoint.handle_check(AllocationId::made_up(2), false);
        assert_eq!(endpoint.generations, 1, "not nominated");
        endpoint.handle_check(AllocationId::made_up(2), true);
        assert_eq!(endpoint.generations, 2);
    }

    #[test]
    fn wishes_during_a_negotiation_become_one() {
        let now = Instant::now();
        let mut endpoint = negotiated(now);
        for _ in 0..5 {
            endpoint.renegotiate(now);
        }
        assert_eq!(said(&mut endpoint), ["offerData"]);
        endpoint.answer(&offer(OFFER)).expect("a good offer");
        said(&mut endpoint);
        endpoint.handle_check(AllocationId::made_up(2), true);
        assert_eq!(said(&mut endpoint), ["offerData"]);
        endpoint.answer(&offer(OFFER)).expect("a good offer");
        said(&mut endpoint);
        endpoint.handle_check(AllocationId::made_up(3), true);
        assert_eq!(said(&mut endpoint), [""; 0]);
    }

    #[test]
    fn sections_and_tracks_have_to_match() {
        let now = Instant::now();
        let mut endpoint = endpoint(now);
        let more = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=recvonly\r\n\
            a=setup:actpass\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n";
        let sdp = OFFER.replace("BUNDLE 0", "BUNDLE 0 1") + more;
        let refused = endpoint
            .answer(&offer(&sdp))
            .expect_err("nothing to receive");
        assert!(refused.contains("new outbound tracks"), "{refused}");
        let refused = endpoint.answer(&offer(&sdp.replace("recvonly", "inactive")));
        let refused = refused.expect_err("a section of nobody's");
        assert!(refused.contains("belongs to no track"), "{refused}");
    }
}
