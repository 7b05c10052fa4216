//! The task that turns encoded frames into packets, and says when they were captured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::counters::Numbers;
use super::epoch::Clock;
use super::packetize::cut_vp8;
use crate::transport::{Kind, LocalTrack, MediaPacket};

/// Pause between sender reports. Short: a newcomer cannot put sound and picture in step before
/// it has one of each.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// Time for the last frames of a source to be sent: they are two at most.
const FINISH_WITHIN: Duration = Duration::from_millis(500);

/// An encoded frame: a picture, or a packet of sound.
pub(super) struct Encoded {
    pub(super) data: Bytes,
    pub(super) keyframe: bool,
    /// When it was captured.
    pub(super) at: Instant,
}

/// The sending of what was encoded; it ends by itself after the last of it. Dropping it ends it at
/// once.
#[derive(Debug)]
pub(crate) struct Sending(JoinHandle<()>);

impl Sending {
    /// Waits until everything is sent, but not for a connection that takes nothing.
    async fn finished(mut self) {
        if timeout(FINISH_WITHIN, &mut self.0).await.is_err() {
            tracing::debug!("the last of a source is not sent");
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends what comes out of `frames` on `track` until either ends; begins once `before` is through,
/// so that packets of one source never get between those of another.
pub(super) fn spawn(
    track: LocalTrack,
    frames: mpsc::Receiver<Encoded>,
    (clock, numbers): (Clock, Arc<Numbers>),
    before: Option<Sending>,
) -> Sending {
    let sender = Sender {
        reported: false,
        track,
        clock,
        numbers,
    };
    Sending(tokio::spawn(async move {
        if let Some(before) = before {
            before.finished().await;
        }
        sender.run(frames).await;
    }))
}

struct Sender {
    track: LocalTrack,
    clock: Clock,
    numbers: Arc<Numbers>,
    reported: bool,
}

impl Sender {
    async fn run(mut self, mut frames: mpsc::Receiver<Encoded>) {
        let mut reports = interval(REPORT_INTERVAL);
        reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let frame = tokio::select! {
                frame = frames.recv() => frame.map(Some),
                _ = reports.tick() => Some(None),
            };
            let sent = match frame {
                None => return,
                Some(Some(frame)) => self.send(frame).await,
                Some(None) => self.report().await,
            };
            if let Err(error) = sent {
                // The connection is closing; the participant knows from it.
                tracing::debug!(%error, "a track cannot be sent");
                return;
            }
        }
    }

    async fn send(&mut self, frame: Encoded) -> webrtc::error::Result<()> {
        let payloads = match self.track.kind() {
            Kind::Audio => vec![frame.data],
            Kind::Video => cut_vp8(&frame.data, self.numbers.next_picture_id()),
        };
        let timestamp = self.clock.rtp(frame.at);
        let last = payloads.len().saturating_sub(1);
        for (index, payload) in payloads.into_iter().enumerate() {
            let len = payload.len() as u64;
            let marker = self.track.kind() == Kind::Video && index == last;
            let sequence = self.numbers.next_sequence();
            self.track
                .send(MediaPacket {
                    marker,
                    sequence,
                    timestamp,
                    payload,
                })
                .await?;
            self.numbers.counters.packets_sent.add(1);
            self.numbers.counters.bytes_sent.add(len);
        }
        self.numbers.counters.frames_sent.add(1);
        self.numbers
            .counters
            .keyframes
            .add(u64::from(frame.keyframe));
        if !self.reported {
            self.reported = true;
            self.report().await?;
        }
        Ok(())
    }

    async fn report(&self) -> webrtc::error::Result<()> {
        let counters = &self.numbers.counters;
        let (packets, octets) = (counters.packets_sent.get(), counters.bytes_sent.get());
        if packets == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let (ntp, rtp) = (self.clock.ntp(now), self.clock.rtp(now));
        self.track.report(ntp, rtp, packets, octets).await
    }
}
