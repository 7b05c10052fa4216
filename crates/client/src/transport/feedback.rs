//! Control packets that the application acts on: keyframe requests and sender reports.
//!
//! `webrtc` lets no incoming RTCP past its interceptors. This one sits last, so all others have
//! seen the packets, and copies the two kinds that mean something to us into a bounded lane.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rtc::interceptor::{Interceptor, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::sender_report::SenderReport;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use snug_rtp::{NtpTime, RtpTime};
use tokio::sync::mpsc;

/// Behind every interceptor of the library (the last is at 14,000).
pub(super) const SLOT: usize = 20_000;

/// Room for the reports and requests of a second in a large room; more is repeated anyway.
pub(super) const LANE: usize = 256;

/// What the other side says about a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feedback {
    /// Somebody needs a keyframe of one of our streams (PLI or FIR).
    KeyframeRequest {
        /// Our stream.
        ssrc: u32,
    },
    /// Tells when a remote stream was captured (RFC 3550 section 6.4.1).
    SenderReport {
        /// The remote stream.
        ssrc: u32,
        /// Capture time by the sender's clock.
        ntp: NtpTime,
        /// The same instant in the stream's own ticks.
        rtp: RtpTime,
    },
}

/// Copies feedback into a lane; full means the receiver is far behind, and the copy is counted.
pub(super) struct FeedbackTap {
    lane: mpsc::Sender<Feedback>,
    dropped: Arc<AtomicU64>,
    reading: VecDeque<TaggedPacket>,
    writing: VecDeque<TaggedPacket>,
}

impl FeedbackTap {
    /// Makes a tap that feeds `lane` and counts what finds no room in `dropped`.
    pub(super) fn new(lane: mpsc::Sender<Feedback>, dropped: Arc<AtomicU64>) -> Self {
        Self {
            lane,
            dropped,
            reading: VecDeque::new(),
            writing: VecDeque::new(),
        }
    }

    /// Where the tap belongs in the chain.
    pub(super) fn slot() -> Slot {
        Slot::from(SLOT)
    }

    fn copy(&self, packet: &dyn rtcp::Packet) {
        let any = packet.as_any();
        if let Some(pli) = any.downcast_ref::<PictureLossIndication>() {
            self.send(Feedback::KeyframeRequest {
                ssrc: pli.media_ssrc,
            });
        } else if let Some(fir) = any.downcast_ref::<FullIntraRequest>() {
            for entry in &fir.fir {
                self.send(Feedback::KeyframeRequest { ssrc: entry.ssrc });
            }
        } else if let Some(report) = any.downcast_ref::<SenderReport>() {
            self.send(Feedback::SenderReport {
                ssrc: report.ssrc,
                ntp: NtpTime(report.ntp_time),
                rtp: RtpTime(report.rtp_time),
            });
        }
    }

    fn send(&self, feedback: Feedback) {
        if self.lane.try_send(feedback).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for FeedbackTap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &packet.message.packet {
            for packet in packets {
                self.copy(packet.as_ref());
            }
        }
        self.reading.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reading.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.writing.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writing.pop_front()
    }
}

impl Interceptor for FeedbackTap {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}
