//! A participant that sends and receives sound through a TURN server, or not at all: signalling
//! by a scripted peer, checks, handshake and encryption by library parts, TURN by our own client.
//!
//! It changes its way into the server as a browser does at every negotiation: a new allocation, a
//! new ICE generation, the same DTLS session.

mod attendee;
mod talk;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rtc_srtp::context::Context;
use serde_json::{Value, json};

pub use attendee::{Attendee, Received};
pub use talk::{Listener, Speaker};

use crate::handshake::{self, Carrier, Contexts, Identity};
use crate::scripted::Peer;
use crate::turn::{Announced, CHANNEL, Message, PATIENCE, Turn};

/// The payload type of sound in every offer of ours.
const OPUS: u8 = 111;
/// The payload type of pictures in every offer of ours.
const VP8: u8 = 96;
/// The length of an RTP header without extensions.
const HEADER_LEN: usize = 12;
/// The sources named in every offer of ours.
const MICROPHONE_SSRC: u32 = 7;
const CAMERA_SSRC: u32 = 8;

/// What a guest does in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It has a microphone.
    Speaks,
    /// It has a loudspeaker.
    Listens,
    /// It has a microphone and a camera, and listens to and looks at everybody.
    Attends,
}

/// A media section of an offer: the kind, the direction and the source.
type Section = (&'static str, &'static str, Option<u32>);

impl Part {
    /// Lists the sections in which it sends.
    fn sending(self) -> &'static [Section] {
        const MICROPHONE: Section = ("audio", "sendonly", Some(MICROPHONE_SSRC));
        match self {
            Self::Speaks => &[MICROPHONE],
            Self::Listens => &[],
            Self::Attends => &[MICROPHONE, ("video", "sendonly", Some(CAMERA_SSRC))],
        }
    }

    /// Counts the sections in which it receives sound and pictures, when it was asked for so many.
    fn receiving(self, asked: (usize, usize)) -> (usize, usize) {
        match self {
            Self::Speaks => (0, 0),
            Self::Listens => (1, 0),
            Self::Attends => asked,
        }
    }
}

/// A participant that has joined, and is not connected for media yet.
pub struct Guest {
    /// Its signalling.
    pub peer: Peer,
    /// Its name on the wire.
    pub id: String,
    /// The TURN servers that it was told.
    pub servers: Vec<Announced>,
    part: Part,
    /// How many sections for sound and for pictures the server asked for.
    asked: (usize, usize),
    identity: Identity,
    generation: u32,
}

/// Both sides of one ICE generation.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The server's user name fragment and the guest's.
    pub names: (String, String),
    /// The server's password.
    pub password: String,
    /// Where the server says it is.
    pub candidates: Vec<SocketAddr>,
    /// Which track of somebody else each source carries.
    pub tracks: BTreeMap<u32, String>,
}

/// One way to the server: an allocation bound to one of its addresses.
#[derive(Debug)]
pub struct Way {
    /// The TURN connection.
    pub turn: Turn,
    /// The server's address.
    pub server: SocketAddr,
}

/// What seals and opens a guest's media.
pub struct Keys {
    seal: Context,
    open: Context,
}

impl Guest {
    /// Joins and gets as far as being told the TURN servers.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn join(server: SocketAddr, room: &str, part: Part) -> Result<Self> {
        let mut peer = Peer::join(server, room)?;
        let connected = peer.connect("guest")?;
        Self::welcomed(peer, &connected, part)
    }

    /// The same as a client of generation A.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn join_as_generation_a(server: SocketAddr, room: &str, part: Part) -> Result<Self> {
        let mut peer = Peer::join(server, room)?;
        let accepted = peer.connect_as_generation_a("guest")?;
        Self::welcomed(peer, &accepted, part)
    }

    fn welcomed(mut peer: Peer, welcome: &Value, part: Part) -> Result<Self> {
        let id = welcome["id"].as_str().context("no id")?.to_owned();
        if part != Part::Listens {
            renegotiate(&mut peer)?;
        }
        let data = peer.hears("offerData", PATIENCE)?;
        Ok(Self {
            peer,
            id,
            servers: Announced::all(&data)?,
            part,
            asked: asked(&data)?,
            identity: Identity::generate()?,
            generation: 0,
        })
    }

    /// Returns the first server of a transport.
    ///
    /// # Errors
    /// When there is none.
    pub fn server(&self, transport: &str) -> Result<&Announced> {
        let found = self
            .servers
            .iter()
            .find(|server| server.transport == transport);
        found.with_context(|| format!("no TURN server over {transport}"))
    }

    /// Asks to negotiate once more, and waits until the server wants the offer.
    ///
    /// # Errors
    /// When it does not.
    pub fn renegotiate(&mut self) -> Result<()> {
        renegotiate(&mut self.peer)?;
        let data = self.peer.hears("offerData", PATIENCE)?;
        self.asked = asked(&data)?;
        Ok(())
    }

    /// Offers, with fresh ICE credentials, and takes the answer.
    ///
    /// # Errors
    /// When there is none.
    pub fn negotiate(&mut self) -> Result<Generation> {
        self.generation += 1;
        let ours = format!("gen{:05}", self.generation);
        let (mut mids, mut metadata) = (json!({}), json!({}));
        for (mid, (kind, ..)) in self.part.sending().iter().enumerate() {
            let track = format!("{}:00000000-0000-4000-8000-00000000000{mid}", self.id);
            metadata[&track] = json!({"active": true, "type": match *kind {
                "audio" => "microphone",
                _ => "camera",
            }});
            mids[mid.to_string()] = json!(track);
        }
        let data = json!({
            "sdpOffer": {"type": "offer", "sdp": self.offer(&ours)},
            "trackIdToTrackMetadata": metadata,
            "midToTrackId": mids,
        });
        let event = json!({"type": "custom", "data": {"type": "sdpOffer", "data": data}});
        self.peer.say(&event)?;
        let answer = self.hears("sdpAnswer")?;
        let sdp = answer["sdp"].as_str().context("no SDP")?;
        let value = |name: &str| -> Result<String> {
            let line = sdp.lines().find_map(|line| line.strip_prefix(name));
            Ok(line.with_context(|| format!("no {name}"))?.to_owned())
        };
        let names = (value("a=ice-ufrag:")?, ours);
        let password = value("a=ice-pwd:")?;
        let candidate = self.hears("candidate")?;
        let mut candidates = vec![address_of(&candidate)?];
        while let Ok(more) = self.peer.hears("candidate", Duration::from_millis(100)) {
            candidates.push(address_of(&more)?);
        }
        let tracks = tracks_of(sdp, &answer["midToTrackId"]);
        Ok(Generation {
            names,
            password,
            candidates,
            tracks,
        })
    }

    fn hears(&mut self, kind: &str) -> Result<Value> {
        self.peer.hears(kind, PATIENCE)
    }

    fn offer(&self, ufrag: &str) -> String {
        let (sounds, pictures) = self.part.receiving(self.asked);
        let receiving = |kind, count| std::iter::repeat_n((kind, "recvonly", None), count);
        let sending = self.part.sending().iter().copied();
        let sections: Vec<Section> = sending
            .chain(receiving("audio", sounds))
            .chain(receiving("video", pictures))
            .collect();
        let mids: Vec<String> = (0..sections.len()).map(|mid| mid.to_string()).collect();
        let mut sdp = format!(
            "v=0\r\no=- 1 {} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n",
            self.generation,
            mids.join(" "),
        );
        for (mid, (kind, direction, ssrc)) in mids.iter().zip(&sections) {
            let (payload_type, codec) = match *kind {
                "audio" => (OPUS, "opus/48000/2"),
                _ => (VP8, "VP8/90000"),
            };
            sdp.push_str(&format!(
                "m={kind} 9 UDP/TLS/RTP/SAVPF {payload_type}\r\nc=IN IP4 0.0.0.0\r\n\
                 a=ice-ufrag:{ufrag}\r\na=ice-pwd:thepasswordoftheguestitself\r\n\
                 a=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=mid:{mid}\r\n\
                 a={direction}\r\na=rtcp-mux\r\na=rtpmap:{payload_type} {codec}\r\n",
                self.identity.fingerprint(),
            ));
            if let Some(ssrc) = ssrc {
                sdp.push_str(&format!("a=ssrc:{ssrc} cname:guest\r\n"));
            }
        }
        sdp
    }

    /// Shakes hands over a way that was checked.
    ///
    /// # Errors
    /// When the server does not.
    pub fn shake(&self, way: &mut Way) -> Result<Keys> {
        let contexts = self.identity.shake(way, PATIENCE, PATIENCE)?;
        let Contexts { seal, open } = contexts;
        Ok(Keys { seal, open })
    }
}

impl Carrier for Way {
    fn send(&mut self, data: &[u8]) -> Result<()> {
        self.turn.send(self.server, data)
    }

    fn receive(&mut self, within: Duration) -> Result<Option<Vec<u8>>> {
        let received = self.turn.receive(within)?;
        Ok(received
            .map(|(_, data)| data)
            .filter(|data| handshake::is_dtls(data)))
    }
}

impl Way {
    /// Allocates, binds a channel to the server's first address, and checks the pair.
    ///
    /// # Errors
    /// When any of that is refused.
    pub fn open(mut turn: Turn, generation: &Generation) -> Result<Self> {
        turn.allocate()?;
        let server = *generation.candidates.first().context("no candidate")?;
        let code = turn.permit(server)?;
        ensure!(code == 0, "the permission was refused: {code}");
        let code = turn.bind(CHANNEL, server)?;
        ensure!(code == 0, "the channel was refused: {code}");
        Ok(Self { turn, server })
    }

    /// Checks the pair and nominates it.
    ///
    /// # Errors
    /// When the check is not answered.
    pub fn nominate(&mut self, generation: &Generation) -> Result<()> {
        let (theirs, ours) = &generation.names;
        let check = Message::check((theirs, ours), &generation.password, true);
        self.turn.send(self.server, &check.bytes)?;
        let deadline = Instant::now() + PATIENCE;
        // What comes meanwhile is given back: media does not stop for a check.
        let mut others = Vec::new();
        let answered = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some((at, data)) = self.turn.receive(left)? else {
                break false;
            };
            match Message::read(&data) {
                Some(answer) if answer.transaction() == check.transaction() => {
                    break answer.is_success();
                }
                _ => others.push((at, data)),
            }
        };
        self.turn.give_back(others);
        ensure!(answered, "the check was not answered");
        Ok(())
    }
}

impl Keys {
    /// Makes a packet of sound.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn seal(&mut self, sequence: u16) -> Result<Vec<u8>> {
        let mut packet = vec![0x80, OPUS];
        packet.extend(sequence.to_be_bytes());
        packet.extend((u32::from(sequence) * 960).to_be_bytes());
        packet.extend(7u32.to_be_bytes());
        packet.extend([0x5A; 80]);
        self.seal_packet(&packet)
    }

    /// Encrypts any packet.
    fn seal_packet(&mut self, packet: &[u8]) -> Result<Vec<u8>> {
        Ok(self.seal.encrypt_rtp(packet)?.to_vec())
    }

    /// Decrypts any packet of this payload type; none for anything else.
    fn open_packet(&mut self, data: &[u8], payload_type: u8) -> Option<Vec<u8>> {
        let fits = matches!(data, [128..=191, kind, ..] if kind & 0x7F == payload_type);
        let opened = fits.then(|| self.open.decrypt_rtp(data).ok())?;
        opened.map(|opened| opened.to_vec())
    }

    /// Opens a packet of sound and returns its number; none for anything else.
    pub fn open(&mut self, data: &[u8]) -> Option<u16> {
        let is_sound = matches!(data, [128..=191, kind, ..] if kind & 0x7F == OPUS);
        if !is_sound || data.len() < HEADER_LEN {
            return None;
        }
        self.open.decrypt_rtp(data).ok()?;
        Some(u16::from_be_bytes([data[2], data[3]]))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Keys(..)")
    }
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Guest")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn renegotiate(peer: &mut Peer) -> Result<()> {
    peer.say(&json!({"type": "custom", "data": {"type": "renegotiateTracks"}}))
}

/// Reads how many sections for sound and for pictures an `offerData` asks for.
fn asked(data: &Value) -> Result<(usize, usize)> {
    let count = |kind: &str| {
        let count = data["tracksTypes"][kind].as_u64().unwrap_or_default();
        usize::try_from(count)
    };
    Ok((count("audio")?, count("video")?))
}

/// Reads from an answer which track each source of the server's carries.
fn tracks_of(sdp: &str, mid_to_track: &Value) -> BTreeMap<u32, String> {
    let sections = sdp.split("\r\nm=").skip(1);
    let track = |section: &str| {
        let value = |name: &str| section.lines().find_map(|line| line.strip_prefix(name));
        let source = value("a=ssrc:")?.split(' ').next()?.parse().ok()?;
        let track = mid_to_track[value("a=mid:")?].as_str()?;
        Some((source, track.to_owned()))
    };
    sections.filter_map(track).collect()
}

/// Reads the address of a candidate line.
fn address_of(event: &Value) -> Result<SocketAddr> {
    let line = event["candidate"].as_str().context("no candidate")?;
    let words: Vec<&str> = line.split(' ').collect();
    ensure!(words.len() > 5, "a short candidate: {line}");
    Ok(SocketAddr::new(words[4].parse()?, words[5].parse()?))
}
