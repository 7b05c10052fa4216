//! A door for the fuzzer (`cargo xtask fuzz`) into what is private.

use super::answer::{Answer, Outbound, Use};
use super::offer::{Direction, Offer, Section};
use crate::transport::IceCredentials;

/// Reads an offer, and answers it if it can be answered.
///
/// # Panics
/// When the answer does not have the offer's sections in their order, or cannot be read.
pub fn offer(sdp: &str) {
    let Ok(offer) = Offer::parse(sdp) else {
        return;
    };
    let answer = Answer {
        offer: &offer,
        uses: offer.sections.iter().map(used).collect(),
        ice: &IceCredentials {
            ufrag: "ufrag".to_owned(),
            pwd: "apasswordof22characters".to_owned(),
        },
        fingerprint: &[7; 32],
        session: 1,
        version: 1,
    };
    let answer = answer.to_sdp();
    // Where nothing is wanted nothing is connected.
    if offer.sections.iter().all(|section| section.codec.is_none()) {
        return;
    }
    let read = Offer::parse(&answer).expect("what we write can be read");
    let mids = |offer: &Offer| -> Vec<String> {
        let sections = offer.sections.iter();
        sections.map(|section| section.mid.clone()).collect()
    };
    assert_eq!(mids(&read), mids(&offer));
}

/// Uses a section for what the client offers it for.
fn used(section: &Section) -> Use<'static> {
    match (section.kind(), section.direction) {
        (None, _) => Use::Rejected,
        (_, Direction::Inactive) => Use::Inactive,
        (_, Direction::Receive) => Use::Outbound(Outbound {
            stream: "stream",
            label: "label",
            cname: "cname",
            ssrc: 9,
            rtx_ssrc: Some(10),
        }),
        _ => Use::Inbound,
    }
}
