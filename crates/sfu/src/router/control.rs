//! RTCP in, RTCP out, and what happens by the clock.

use super::{Router, note};
use crate::keyframe::Reason;
use crate::track::Claim;
use crate::{Output, PeerKey};
use snug_rtp::rtcp::{self, Packet, SenderReport};
use std::time::{Duration, Instant};

/// How often the clock is looked at: the interval at which an unanswered keyframe request is
/// repeated.
const TICK: Duration = Duration::from_millis(250);
/// So many ticks are a second.
const TICKS_PER_SECOND: u64 = 4;
/// Publishers are told how their packets arrive once a second, which is how often rate control
/// that lives on receiver reports can use it.
const TICKS_PER_REPORT: u64 = 4;

impl Router {
    /// Takes in a decrypted compound RTCP datagram.
    pub fn handle_rtcp(&mut self, from: PeerKey, data: &[u8], now: Instant) {
        for packet in rtcp::packets(data) {
            let Ok(packet) = packet else {
                self.counters.malformed_rtcp += 1;
                return;
            };
            match packet {
                Packet::SenderReport(report, _) => self.handle_sender_report(from, &report, now),
                Packet::PictureLoss { media_ssrc, .. } => {
                    self.handle_keyframe_request(from, media_ssrc, now);
                }
                Packet::FullIntraRequest(request) => {
                    for (media_ssrc, _) in request.entries() {
                        self.handle_keyframe_request(from, media_ssrc, now);
                    }
                }
                Packet::Nack(nack) => self.handle_nack(from, &nack),
                Packet::TransportFeedback(feedback) => self.handle_feedback(from, &feedback, now),
                Packet::Estimate { bitrate, .. } => self.handle_estimate(from, bitrate, now),
                // Receiver reports end here: the room server is their receiver. A goodbye says
                // nothing that signalling does not.
                Packet::ReceiverReport(..)
                | Packet::SourceDescription(_)
                | Packet::Bye(_)
                | Packet::Other { .. } => {}
            }
        }
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is next due.
    pub fn deadline(&self) -> Option<Instant> {
        self.next_tick
            .into_iter()
            .chain(self.missing_deadline())
            .chain(self.share_at)
            .chain(self.link_deadline())
            .min()
    }

    /// Does what is due by the clock.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ask_for_missing(now);
        self.handle_link_timeouts(now);
        if self.next_tick.is_none_or(|at| now < at) {
            return;
        }
        self.refill_repairs();
        self.next_tick = None;
        self.schedule_tick(now);
        self.ticks += 1;
        let is_report_due = self.ticks.is_multiple_of(TICKS_PER_REPORT);
        let tracks = self.tracks.iter_mut().flatten();
        for published in tracks.filter_map(|track| track.published.as_mut()) {
            let to = published.by;
            if let Some(notice) = published.handle_timeout(now) {
                note(&mut self.notices, notice, &mut self.counters);
            }
            for source in &mut published.sources {
                source.meter.handle_tick(TICKS_PER_SECOND);
                let Some(ssrc) = source.ssrc else { continue };
                if source.keyframes.handle_timeout(now) {
                    self.counters.keyframe_requests += 1;
                    self.outputs.push_back(Output::KeyframeRequest { to, ssrc });
                }
                if is_report_due && let Some(block) = source.reception.next_report(ssrc, now) {
                    self.outputs.push_back(Output::ReceiverReport { to, block });
                }
            }
        }
        self.share(now);
        self.tell_estimates();
    }

    /// Tells publishers who asked for it how much they may send in all.
    ///
    /// It is told several times a second, because browsers believe it at once only in their
    /// first two seconds, and climb by some percent a second after that.
    fn tell_estimates(&mut self) {
        for (&to, peer) in &self.peers {
            let mut bitrate = 0_u64;
            let mut known = None;
            for &index in &peer.published {
                let track = self.tracks.get(index).and_then(Option::as_ref);
                let Some(published) = track.and_then(|track| track.published.as_ref()) else {
                    continue;
                };
                bitrate = bitrate.saturating_add(published.allowance());
                let asks = published.bitrate_max.is_some();
                let source = published.sources.iter().find_map(|source| source.ssrc);
                known = known.or(source.filter(|_| asks));
            }
            if let Some(ssrc) = known {
                self.outputs
                    .push_back(Output::Estimate { to, ssrc, bitrate });
            }
        }
    }

    /// Starts the clock while anybody publishes anything.
    pub(super) fn schedule_tick(&mut self, now: Instant) {
        let is_needed = self
            .tracks
            .iter()
            .flatten()
            .any(|track| track.published.is_some());
        self.next_tick = is_needed.then(|| self.next_tick.unwrap_or(now + TICK));
    }

    /// Notes how a source's clocks map and passes it on in each subscriber's numbers.
    fn handle_sender_report(&mut self, from: PeerKey, report: &SenderReport, now: Instant) {
        let routes = self.peers.get(&from).map_or(&[][..], |peer| &peer.routes);
        let Some((_, route)) = routes.iter().find(|(ssrc, _)| *ssrc == report.ssrc) else {
            return;
        };
        let Claim::Media(index) = route.claim else {
            return;
        };
        let Some(track) = self.tracks.get_mut(route.track).and_then(Option::as_mut) else {
            return;
        };
        let Some(published) = track.published.as_mut() else {
            return;
        };
        let Some(source) = published.sources.get_mut(index) else {
            return;
        };
        source.reception.handle_report(report, now);
        let Some(point) = source.reception.clock() else {
            return;
        };
        for subscription in &track.subscriptions {
            if subscription.is_connected && subscription.current() == Some(index) {
                self.outputs.push_back(Output::SenderReport {
                    to: subscription.peer,
                    publisher: from,
                    report: subscription.report(&point),
                });
            }
        }
    }

    /// Passes a subscriber's request on to the source behind what it is shown.
    fn handle_keyframe_request(&mut self, from: PeerKey, media_ssrc: u32, now: Instant) {
        let subscribed = self
            .peers
            .get(&from)
            .map_or(&[][..], |peer| &peer.subscribed);
        let Some(&(_, index)) = subscribed.iter().find(|(ssrc, _)| *ssrc == media_ssrc) else {
            return;
        };
        self.counters.keyframe_requests_received += 1;
        let Some(track) = self.tracks.get(index).and_then(Option::as_ref) else {
            return;
        };
        let subscription = track
            .subscriptions
            .iter()
            .find(|subscription| subscription.peer == from && subscription.ssrc == media_ssrc);
        let Some(subscription) = subscription else {
            return;
        };
        match subscription.current() {
            Some(source) => self.want_keyframe(index, source, Reason::Repair, now),
            None => self.want_picture(index, from, media_ssrc, now),
        }
    }
}
