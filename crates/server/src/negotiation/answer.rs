//! Writing the answer to an offer.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use snug_protocol::Candidate;
use snug_sfu::Kind;

use super::attributes::{EXTENSIONS, RED_NAME, codec_name};
use super::offer::Codec;
use super::{Offer, Section};
use crate::transport::IceCredentials;

/// The highest priority of a host candidate (RFC 8445 section 5.1.2.1): type preference 126,
/// local preference 65535, component 1.
const CANDIDATE_PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;

/// Everything that an answer says.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    /// What is answered.
    pub offer: &'a Offer,
    /// What each section of the offer is used for, in the same order.
    pub uses: Vec<Use<'a>>,
    /// Our side of this ICE generation.
    pub ice: &'a IceCredentials,
    /// SHA-256 of our DTLS certificate.
    pub fingerprint: &'a [u8; 32],
    /// Names the session in `o=`: the same in all answers to one peer.
    pub session: u64,
    /// Counts the answers to one peer.
    pub version: u64,
}

/// What a section is used for.
#[derive(Debug, Clone)]
pub(crate) enum Use<'a> {
    /// Nothing that we know: port 0.
    Rejected,
    /// Nothing at present.
    Inactive,
    /// The client sends in it.
    Inbound,
    /// The client receives in it.
    Outbound(Outbound<'a>),
}

/// What a client receives in a section.
#[derive(Debug, Clone)]
pub(crate) struct Outbound<'a> {
    /// The stream that the track belongs to, shared with the tracks to be played in step with it.
    pub stream: &'a str,
    /// The track within the stream.
    pub label: &'a str,
    /// The same for all sources of one publisher (RFC 3550 section 6.5.1).
    pub cname: &'a str,
    /// The source under which the client sees the track.
    pub ssrc: u32,
    /// The source of its retransmissions.
    pub rtx_ssrc: Option<u32>,
}

impl Answer<'_> {
    /// Writes the session description (RFC 9429 section 5.3).
    pub fn to_sdp(&self) -> String {
        let mut lines = Lines(String::new());
        let used = self.offer.sections.iter().zip(&self.uses);
        let bundle: String = used
            .clone()
            .filter(|(_, used)| !matches!(used, Use::Rejected))
            .map(|(section, _)| format!(" {}", section.mid))
            .collect();
        lines.push("v=0");
        lines.push(format_args!(
            "o=- {} {} IN IP4 0.0.0.0",
            self.session, self.version
        ));
        lines.push("s=-");
        lines.push("t=0 0");
        lines.push(format_args!("a=group:BUNDLE{bundle}"));
        lines.push("a=ice-lite");
        lines.push("a=msid-semantic: WMS *");
        for (section, used) in used {
            self.write_section(&mut lines, section, used);
        }
        lines.0
    }

    fn write_section(&self, lines: &mut Lines, section: &Section, used: &Use<'_>) {
        let Section {
            media,
            protocol,
            mid,
            ..
        } = section;
        let (direction, codec) = match (used, &section.codec) {
            (Use::Inactive, Some(codec)) => ("inactive", codec),
            (Use::Inbound, Some(codec)) => ("recvonly", codec),
            (Use::Outbound(_), Some(codec)) => ("sendonly", codec),
            _ => {
                lines.push(format_args!(
                    "m={media} 0 {protocol} {}",
                    section.first_format
                ));
                lines.push("c=IN IP4 0.0.0.0");
                lines.push(format_args!("a=mid:{mid}"));
                return lines.push("a=inactive");
            }
        };
        // First is what the answerer likes best (RFC 3264 section 6.1): browsers send it.
        let all = [
            codec.red_payload_type,
            Some(codec.payload_type),
            codec.rtx_payload_type,
        ];
        let formats = all.into_iter().flatten().map(|it| it.to_string());
        let formats = formats.collect::<Vec<_>>().join(" ");
        lines.push(format_args!("m={media} 9 {protocol} {formats}"));
        lines.push("c=IN IP4 0.0.0.0");
        lines.push("a=rtcp:9 IN IP4 0.0.0.0");
        lines.push(format_args!("a=ice-ufrag:{}", self.ice.ufrag));
        lines.push(format_args!("a=ice-pwd:{}", self.ice.pwd));
        lines.push(format_args!(
            "a=fingerprint:sha-256 {}",
            colons(self.fingerprint)
        ));
        lines.push("a=setup:passive");
        lines.push(format_args!("a=mid:{mid}"));
        write_extensions(lines, section);
        lines.push(format_args!("a={direction}"));
        lines.push("a=rtcp-mux");
        if section.reduced_size {
            lines.push("a=rtcp-rsize");
        }
        write_codec(lines, codec);
        match used {
            Use::Inbound => write_layers(lines, section),
            Use::Outbound(outbound) => write_sources(lines, outbound),
            Use::Inactive | Use::Rejected => {}
        }
    }
}

fn write_extensions(lines: &mut Lines, section: &Section) {
    let mut ids = section.extensions;
    for (uri, place) in EXTENSIONS {
        if let Some(id) = *place(&mut ids) {
            lines.push(format_args!("a=extmap:{id} {uri}"));
        }
    }
}

fn write_codec(lines: &mut Lines, codec: &Codec) {
    let payload_type = codec.payload_type;
    lines.push(format_args!(
        "a=rtpmap:{payload_type} {}",
        codec_name(codec.kind)
    ));
    if let Some(parameters) = &codec.parameters {
        lines.push(format_args!("a=fmtp:{payload_type} {parameters}"));
    }
    for feedback in &codec.feedback {
        lines.push(format_args!("a=rtcp-fb:{payload_type} {feedback}"));
    }
    if let Some(red) = codec.red_payload_type {
        lines.push(format_args!("a=rtpmap:{red} {RED_NAME}"));
        lines.push(format_args!("a=fmtp:{red} {payload_type}/{payload_type}"));
    }
    if let Some(rtx) = codec.rtx_payload_type {
        debug_assert_eq!(codec.kind, Kind::Video, "only pictures are retransmitted");
        lines.push(format_args!("a=rtpmap:{rtx} rtx/90000"));
        lines.push(format_args!("a=fmtp:{rtx} apt={payload_type}"));
    }
}

/// Keeps every layer in the answer: a browser drops for good what the first answer omits.
fn write_layers(lines: &mut Lines, section: &Section) {
    let layers: Vec<&'static str> = section
        .variants()
        .into_iter()
        .map(|variant| variant.as_str())
        .collect();
    if layers.is_empty() {
        return;
    }
    for layer in &layers {
        lines.push(format_args!("a=rid:{layer} recv"));
    }
    lines.push(format_args!("a=simulcast:recv {}", layers.join(";")));
}

fn write_sources(lines: &mut Lines, outbound: &Outbound<'_>) {
    let Outbound {
        stream,
        label,
        cname,
        ssrc,
        rtx_ssrc,
    } = outbound;
    lines.push(format_args!("a=msid:{stream} {label}"));
    if let Some(rtx_ssrc) = rtx_ssrc {
        lines.push(format_args!("a=ssrc-group:FID {ssrc} {rtx_ssrc}"));
    }
    for source in std::iter::once(ssrc).chain(rtx_ssrc) {
        lines.push(format_args!("a=ssrc:{source} cname:{cname}"));
    }
}

/// Writes a digest as SDP does: `AB:CD:...`.
fn colons(digest: &[u8; 32]) -> String {
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// Lines that end as SDP wants them.
struct Lines(String);

impl Lines {
    fn push(&mut self, line: impl std::fmt::Display) {
        write!(self.0, "{line}\r\n").expect("a String takes all that is written");
    }
}

/// Where a client can reach the media port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidates<'a> {
    /// The address on which its WebSocket arrived.
    pub local: IpAddr,
    /// The media port there.
    pub port: u16,
    /// Outside addresses of a host behind a router.
    pub announced: &'a [SocketAddr],
}

impl Candidates<'_> {
    /// Lists them for one answer, the local one first (RFC 8839 section 5.1).
    pub fn list(&self) -> Vec<Candidate> {
        let local = SocketAddr::new(self.local, self.port);
        let others = self
            .announced
            .iter()
            .copied()
            .filter(|address| *address != local);
        let addresses = std::iter::once(local).chain(others);
        addresses
            .zip((0..CANDIDATE_PRIORITY).step_by(256))
            .map(candidate)
            .collect()
    }
}

fn candidate((address, lower_by): (SocketAddr, u32)) -> Candidate {
    let foundation = lower_by / 256 + 1;
    let priority = CANDIDATE_PRIORITY - lower_by;
    let (ip, port) = (address.ip(), address.port());
    Candidate {
        candidate: format!("candidate:{foundation} 1 udp {priority} {ip} {port} typ host"),
        sdp_m_line_index: Some(0),
        sdp_mid: None,
        username_fragment: None,
    }
}
