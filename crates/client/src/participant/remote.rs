//! Fetching packets of remote tracks from the media connection.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};
use rtc::rtp;
use snug_rtp::Sequences;
use snug_rtp::red::Red;
use tokio::task::{AbortHandle, JoinSet};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use crate::subscribe::{Earlier, Packet, PacketLane};
use crate::transport::{RED_PAYLOAD_TYPE, SLOTS_MAX};

/// The readers of one connection. Dropping it ends them.
#[derive(Default)]
pub(super) struct Readers {
    tasks: JoinSet<()>,
    by_mid: BTreeMap<Arc<str>, Reader>,
}

struct Reader {
    track: Arc<dyn TrackRemote>,
    task: AbortHandle,
}

impl Readers {
    /// Reads `track`, which is section `mid`, into `lane`; it takes the place of an earlier reader
    /// of that section.
    pub(super) fn read(&mut self, mid: &str, track: Arc<dyn TrackRemote>, lane: PacketLane) {
        while self.tasks.try_join_next().is_some() {}
        if self.by_mid.len() >= 2 * SLOTS_MAX && !self.by_mid.contains_key(mid) {
            tracing::warn!(mid, "the server starts more sections than were offered");
            return;
        }
        let mid: Arc<str> = mid.into();
        let task = self
            .tasks
            .spawn(read(Arc::clone(&mid), Arc::clone(&track), lane));
        if let Some(earlier) = self.by_mid.insert(mid, Reader { track, task }) {
            earlier.task.abort();
        }
    }

    /// Asks the sender of section `mid` for a keyframe of `ssrc` (RFC 4585 section 6.3.1).
    pub(super) async fn request_keyframe(&self, mid: &str, ssrc: u32) {
        let pli = PictureLossIndication {
            sender_ssrc: 0,
            media_ssrc: ssrc,
        };
        self.ask(mid, Box::new(pli)).await;
    }

    /// Asks the sender of section `mid` for packets of `ssrc` again (RFC 4585 section 6.2.1).
    pub(super) async fn request_again(&self, mid: &str, ssrc: u32, sequences: &Sequences) {
        let numbers: Vec<u16> = sequences.iter().map(|sequence| sequence.0).collect();
        let nack = TransportLayerNack {
            sender_ssrc: 0,
            media_ssrc: ssrc,
            nacks: nack_pairs_from_sequence_numbers(&numbers),
        };
        self.ask(mid, Box::new(nack)).await;
    }

    async fn ask(&self, mid: &str, packet: Box<dyn rtc::rtcp::Packet>) {
        let Some(reader) = self.by_mid.get(mid) else {
            return;
        };
        if let Err(error) = reader.track.write_rtcp(vec![packet]).await {
            tracing::debug!(%error, "a sender cannot be asked");
        }
    }
}

async fn read(mid: Arc<str>, track: Arc<dyn TrackRemote>, lane: PacketLane) {
    while let Some(event) = track.poll().await {
        match event {
            TrackRemoteEvent::OnRtpPacket(packet) => {
                let Some((payload, earlier)) = split(&packet) else {
                    tracing::trace!("a packet of repeated sound cannot be read");
                    continue;
                };
                lane.put(Packet {
                    mid: Arc::clone(&mid),
                    at: Instant::now(),
                    marker: packet.header.marker,
                    sequence: packet.header.sequence_number,
                    timestamp: packet.header.timestamp,
                    ssrc: packet.header.ssrc,
                    payload,
                    earlier,
                });
            }
            TrackRemoteEvent::OnEnded => return,
            _ => {}
        }
    }
}

/// Takes a packet's own payload out of it, and the sound before if it carries that too; none when
/// it does not parse.
fn split(packet: &rtp::Packet) -> Option<(Bytes, Option<Earlier>)> {
    let whole = &packet.payload;
    if packet.header.payload_type != RED_PAYLOAD_TYPE || whole.is_empty() {
        return Some((whole.clone(), None));
    }
    let red = Red::parse(whole).ok()?;
    // The last one is the packet right before; older ones came with that already.
    let earlier = red.earlier().last().map(|block| Earlier {
        sequence: packet.header.sequence_number.wrapping_sub(1),
        timestamp: packet.header.timestamp.wrapping_sub(block.age),
        payload: whole.slice_ref(block.payload),
    });
    Some((whole.slice_ref(red.payload()), earlier))
}
