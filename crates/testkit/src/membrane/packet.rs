//! As much of RTP and RTCP (RFC 3550, RFC 4585) as forwarding takes.

/// The fixed header of an RTP packet.
const RTP_HEAD: usize = 12;
const SENDER_REPORT: u8 = 200;
const PAYLOAD_FEEDBACK: u8 = 206;
const PICTURE_LOSS: u8 = 1;
const FULL_INTRA: u8 = 4;
/// A sender report without report blocks.
const SENDER_REPORT_BYTES: usize = 28;

/// Whether a packet between RTP's and RTCP's ranges is RTCP (RFC 5761 section 4).
pub(super) fn is_control(data: &[u8]) -> bool {
    data.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// An RTP packet, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) payload_type: u8,
    pub(super) ssrc: u32,
    /// Numbers and values of the header extensions it carries.
    pub(super) extensions: Vec<(u8, &'a [u8])>,
    flags: u8,
    marker: bool,
    counters: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet; none when it is malformed.
    pub(super) fn read(data: &'a [u8]) -> Option<Self> {
        let head = data.get(..RTP_HEAD)?;
        if head[0] >> 6 != 2 {
            return None;
        }
        let mut at = RTP_HEAD + 4 * usize::from(head[0] & 0x0F);
        let mut extensions = Vec::new();
        if head[0] & 0x10 != 0 {
            let profile = data.get(at..at + 4)?;
            let words = usize::from(u16::from_be_bytes([profile[2], profile[3]]));
            let body = data.get(at + 4..at + 4 + 4 * words)?;
            extensions = values(&profile[..2], body);
            at += 4 + 4 * words;
        }
        Some(Self {
            payload_type: head[1] & 0x7F,
            ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            extensions,
            flags: head[0] & 0xE0,
            marker: head[1] & 0x80 != 0,
            counters: &head[2..8],
            payload: data.get(at..)?,
        })
    }

    /// Writes it for somebody else: another stream and payload type, no extensions.
    pub(super) fn forward(&self, ssrc: u32, payload_type: u8) -> Vec<u8> {
        let mut out = vec![self.flags, payload_type | u8::from(self.marker) << 7];
        out.extend_from_slice(self.counters);
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(self.payload);
        out
    }
}

/// Lists the extensions of either form (RFC 8285 section 4); one that is cut off is empty.
fn values<'a>(profile: &[u8], body: &'a [u8]) -> Vec<(u8, &'a [u8])> {
    let one_byte = profile == [0xBE, 0xDE];
    let (mut at, mut found) = (0, Vec::new());
    while let Some(&head) = body.get(at) {
        if head == 0 {
            at += 1;
            continue;
        }
        let (number, head_len, length) = match one_byte {
            true => (head >> 4, 1, 1 + usize::from(head & 0x0F)),
            false => {
                let length = body.get(at + 1).copied().unwrap_or_default();
                (head, 2, usize::from(length))
            }
        };
        let (start, end) = (at + head_len, at + head_len + length);
        found.push((number, body.get(start..end).unwrap_or_default()));
        at = end;
    }
    found
}

/// What a control packet says that matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// A keyframe of this stream is wanted.
    Keyframe(u32),
    /// When a stream was captured.
    Report(u32, [u8; 20]),
}

/// Reads a compound of control packets; what does not matter is skipped.
pub(super) fn controls(mut data: &[u8]) -> Vec<Control> {
    let mut found = Vec::new();
    while let [first, kind, high, low, ..] = *data {
        let length = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        let Some(packet) = data.get(..length) else {
            break;
        };
        let word = |at: usize| {
            let bytes = packet.get(at..at + 4)?;
            Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        };
        match (kind, first & 0x1F) {
            (PAYLOAD_FEEDBACK, PICTURE_LOSS) => found.extend(word(8).map(Control::Keyframe)),
            (PAYLOAD_FEEDBACK, FULL_INTRA) => {
                let entries = (12..length).step_by(8);
                found.extend(entries.filter_map(word).map(Control::Keyframe));
            }
            (SENDER_REPORT, _) => {
                let body = packet.get(8..SENDER_REPORT_BYTES);
                let body = body.and_then(|body| body.try_into().ok());
                found.extend(
                    word(4)
                        .zip(body)
                        .map(|(ssrc, body)| Control::Report(ssrc, body)),
                );
            }
            _ => {}
        }
        data = &data[length..];
    }
    found
}

/// Writes a request for a keyframe of `ssrc`.
pub(super) fn picture_loss(ssrc: u32) -> Vec<u8> {
    let mut out = vec![0x80 | PICTURE_LOSS, PAYLOAD_FEEDBACK, 0, 2, 0, 0, 0, 1];
    out.extend_from_slice(&ssrc.to_be_bytes());
    out
}

/// Writes a sender report of `ssrc` that says `body`.
pub(super) fn sender_report(ssrc: u32, body: &[u8; 20]) -> Vec<u8> {
    let mut out = vec![0x80, SENDER_REPORT, 0, 6];
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_forwarded_without_its_extensions() {
        let mut data = vec![0x90, 0x80 | 96, 1, 2, 3, 4, 5, 6, 0, 0, 0, 9];
        data.extend_from_slice(&[0xBE, 0xDE, 0, 2, 0x10, b'0', 0x31, 7, 7, 0, 0, 0, 42]);
        let packet = Packet::read(&data).expect("a packet");
        assert_eq!((packet.ssrc, packet.payload_type), (9, 96));
        assert_eq!(packet.extensions, [(1, &b"0"[..]), (3, &[7, 7])]);
        let out = packet.forward(7, 100);
        assert_eq!(out, [0x80, 0x80 | 100, 1, 2, 3, 4, 5, 6, 0, 0, 0, 7, 42]);
    }

    #[test]
    fn requests_and_reports_are_found_in_a_compound() {
        let body = [5; 20];
        let all = [sender_report(3, &body), picture_loss(4)].concat();
        assert_eq!(
            controls(&all),
            [Control::Report(3, body), Control::Keyframe(4)]
        );
        assert!(is_control(&all) && !is_control(&[0x80, 96]));
        for end in 0..all.len() {
            controls(&all[..end]);
            Packet::read(&all[..end]);
        }
    }
}
