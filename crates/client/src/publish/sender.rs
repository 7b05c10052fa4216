//! The task that turns encoded frames into packets, and says when they were captured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use snug_rtp::RtpTime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::counters::Numbers;
use super::epoch::Clock;
use super::packetize::{Place, cut_vp8};
use super::plan::ENCODINGS_MAX;
use super::steering::Steering;
use super::voice::says_twice;
use crate::transport::{AudioLevel, EarlierSound, LocalTrack, MediaPacket};

/// Pause between sender reports. Short: a newcomer cannot put sound and picture in step before
/// it has one of each.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// Bits per second below which reports are sent seldom.
const THIN_BPS: u32 = 100_000;

/// What may go out at once all the same: timers are no finer.
const BURST: Duration = Duration::from_millis(5);

/// Time for the last frames of a source to be sent: they are two at most.
const FINISH_WITHIN: Duration = Duration::from_millis(500);

/// An encoded frame.
pub(super) struct Encoded {
    pub(super) data: Bytes,
    pub(super) what: What,
    /// When it was captured.
    pub(super) at: Instant,
}

/// What a frame is.
#[derive(Clone, Copy)]
pub(super) enum What {
    /// A packet of sound.
    Sound(AudioLevel),
    /// A picture.
    Picture {
        /// Its encoding in a simulcast, else 0.
        encoding: usize,
        keyframe: bool,
        temporal_layer: u8,
    },
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
    (clock, numbers, steering): (Clock, Arc<Numbers>, Arc<Steering>),
    before: Option<Sending>,
) -> Sending {
    let sender = Sender {
        reported: [false; ENCODINGS_MAX],
        track,
        clock,
        numbers,
        steering,
        free_at: Instant::now(),
        ticks: 0,
        earlier: None,
        last_reported: [0; ENCODINGS_MAX],
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
    steering: Arc<Steering>,
    /// When what went out so far has passed at the pace that the network bears.
    free_at: Instant,
    ticks: u32,
    /// The packet of sound that was sent last.
    earlier: Option<EarlierSound>,
    /// Packets that were sent when the last report went out.
    last_reported: [u64; ENCODINGS_MAX],
    /// Encodings that a receiver can put in step already.
    reported: [bool; ENCODINGS_MAX],
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
                Some(None) => self.report_all().await,
            };
            if let Err(error) = sent {
                // The connection is closing; the participant knows from it.
                tracing::debug!(%error, "a track cannot be sent");
                return;
            }
        }
    }

    async fn send(&mut self, frame: Encoded) -> webrtc::error::Result<()> {
        let (encoding, keyframe, level) = match frame.what {
            What::Sound(level) => (0, false, Some(level)),
            What::Picture {
                encoding, keyframe, ..
            } => (encoding, keyframe, None),
        };
        let timestamp = self.clock.rtp(frame.at);
        let numbers = Arc::clone(&self.numbers);
        let (counters, of) = (&numbers.counters, numbers.of(encoding));
        let payloads = match frame.what {
            What::Sound(_) => vec![frame.data],
            What::Picture { temporal_layer, .. } => {
                let (picture_id, base_layer) = of.next_picture(temporal_layer);
                let place = Place {
                    picture_id,
                    base_layer,
                    temporal_layer,
                };
                cut_vp8(&frame.data, place)
            }
        };
        let last = payloads.len().saturating_sub(1);
        for (index, payload) in payloads.into_iter().enumerate() {
            let len = payload.len() as u64;
            let packet = MediaPacket {
                encoding,
                marker: level.is_none() && index == last,
                sequence: of.next_sequence(),
                timestamp,
                level,
                earlier: self.earlier_of(level, timestamp, &payload),
                payload,
            };
            if level.is_none() {
                self.wait_for_turn(len).await;
            }
            self.track.send(packet).await?;
            for (packets, bytes) in [
                (&counters.packets_sent, &counters.bytes_sent),
                (&of.packets_sent, &of.bytes_sent),
            ] {
                packets.add(1);
                bytes.add(len);
            }
        }
        counters.frames_sent.add(1);
        of.frames_sent.add(1);
        counters.keyframes.add(u64::from(keyframe));
        let reported = self.reported.get_mut(encoding);
        if reported.is_some_and(|reported| !std::mem::replace(reported, true)) {
            self.report(encoding).await?;
        }
        Ok(())
    }

    /// Keeps a packet of sound for the next, and returns the one before where there is room to say
    /// it twice.
    fn earlier_of(
        &mut self,
        level: Option<AudioLevel>,
        timestamp: RtpTime,
        payload: &Bytes,
    ) -> Option<EarlierSound> {
        level?;
        let payload = payload.clone();
        let earlier = self.earlier.replace(EarlierSound { timestamp, payload });
        earlier.filter(|_| says_twice(self.steering.budget_bps()))
    }

    /// Waits while pictures go out faster than the network bears; sound never does.
    async fn wait_for_turn(&mut self, bytes: u64) {
        let Some(pace_bps) = self.steering.pace_bps() else {
            return;
        };
        let now = Instant::now();
        if let Some(over) = self.free_at.checked_duration_since(now)
            && over > BURST
        {
            sleep(over - BURST).await;
        }
        let takes = Duration::from_nanos(bytes * 8 * 1_000_000_000 / u64::from(pace_bps));
        self.free_at = self.free_at.max(now) + takes;
    }

    /// Reports of each encoding of which something was sent since the last time; on a thin link,
    /// where reports weigh, of one in four times.
    async fn report_all(&mut self) -> webrtc::error::Result<()> {
        self.ticks = self.ticks.wrapping_add(1);
        if self.steering.budget_bps() < THIN_BPS && !self.ticks.is_multiple_of(4) {
            return Ok(());
        }
        for encoding in 0..self.track.encodings() {
            let sent = self.numbers.of(encoding).packets_sent.get();
            if std::mem::replace(&mut self.last_reported[encoding], sent) != sent {
                self.report(encoding).await?;
            }
        }
        Ok(())
    }

    async fn report(&self, encoding: usize) -> webrtc::error::Result<()> {
        let of = self.numbers.of(encoding);
        let (packets, octets) = (of.packets_sent.get(), of.bytes_sent.get());
        if packets == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let times = (self.clock.ntp(now), self.clock.rtp(now));
        self.track.report(encoding, times, packets, octets).await
    }
}
