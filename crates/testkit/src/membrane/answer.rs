//! Writing the answer as the engine does: one codec a section, sections in the order of their
//! mids, nothing that belongs to no track.

use std::fmt::Write as _;

use super::endpoint::{Inbound, Outbound, Stage};
use super::offer::{Kind, Section};

/// The feedback that the engine understands.
const FEEDBACK: [&str; 3] = ["ccm fir", "nack", "nack pli"];

/// Writes the answer for the tracks of both directions.
pub(super) fn write(
    inbound: &[Inbound],
    outbound: &[Outbound],
    (ufrag, password): (&str, &str),
    fingerprint: &str,
) -> String {
    let mut sections: Vec<(u16, String)> = Vec::new();
    let common = Common {
        ufrag,
        password,
        fingerprint,
    };
    for track in inbound {
        let direction = if track.ended { "inactive" } else { "recvonly" };
        let text = common.section(&track.section, direction, "membrane", None);
        sections.push((number(&track.section), text));
    }
    for track in outbound {
        let Some(section) = &track.section else {
            continue;
        };
        let direction = match track.stage {
            Stage::Ended => "inactive",
            _ => "sendonly",
        };
        let text = common.section(section, direction, &track.stream, Some(track.ssrc));
        sections.push((number(section), text));
    }
    sections.sort_by_key(|(mid, _)| *mid);
    let mids: Vec<String> = sections.iter().map(|(mid, _)| mid.to_string()).collect();
    let bodies: String = sections.into_iter().map(|(_, text)| text).collect();
    format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
         a=extmap-allow-mixed\r\na=ice-lite\r\n{bodies}",
        mids.join(" ")
    )
}

struct Common<'a> {
    ufrag: &'a str,
    password: &'a str,
    fingerprint: &'a str,
}

impl Common<'_> {
    fn section(
        &self,
        section: &Section,
        direction: &str,
        stream: &str,
        ssrc: Option<u32>,
    ) -> String {
        let encoding = &section.encoding;
        let (kind, pt) = (section.kind.as_str(), encoding.payload_type);
        let rtx = encoding
            .rtx
            .map(|rtx| format!(" {rtx}"))
            .unwrap_or_default();
        let mut text = format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF {pt}{rtx}\r\nc=IN IP4 0.0.0.0\r\na={direction}\r\n\
             a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=ice-options:trickle\r\n\
             a=fingerprint:sha-256 {}\r\na=setup:passive\r\na=mid:{}\r\na=msid:{stream}\r\n\
             a=rtcp-mux\r\na=rtpmap:{pt} {}\r\n",
            self.ufrag, self.password, self.fingerprint, section.mid, encoding.map
        );
        let mut line = |line: String| {
            // Writing to a string cannot fail.
            write!(text, "a={line}\r\n").ok();
        };
        if let Some(parameters) = &encoding.parameters {
            line(format!("fmtp:{pt} {parameters}"));
        }
        if let Some(rtx) = encoding.rtx {
            line(format!("rtpmap:{rtx} rtx/90000"));
            line(format!("fmtp:{rtx} apt={pt}"));
        }
        for (number, uri) in &section.extensions {
            line(format!("extmap:{number} {uri}"));
        }
        if section.kind == Kind::Video {
            for feedback in FEEDBACK
                .iter()
                .filter(|it| encoding.feedback.iter().any(|f| f == *it))
            {
                line(format!("rtcp-fb:{pt} {feedback}"));
            }
            line("rtcp-rsize".to_owned());
        }
        match ssrc {
            Some(ssrc) => line(format!("ssrc:{ssrc} cname:membrane")),
            None => {
                for rid in &section.rids {
                    line(format!("rid:{rid} recv"));
                }
                if !section.rids.is_empty() {
                    line(format!("simulcast:recv {}", section.rids.join(";")));
                }
            }
        }
        text
    }
}

fn number(section: &Section) -> u16 {
    section.mid.parse().unwrap_or(u16::MAX)
}
