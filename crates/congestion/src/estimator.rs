//! The sender's side: a target in bits a second, from what the receiver reports.
//!
//! Rules, each with its why:
//! - A queue that grows lowers the target to a little less than what arrives: the queue drains.
//! - Otherwise it rises by some percent a second, but never far beyond what flows: a way that
//!   nothing was sent on is not known to carry anything. Bursts of padding find out more.
//! - One step down is small at first, and never below half: a sender that says little is not to be
//!   cut to that little by some jitter.
//! - Silence is no loss: what is cut off for a moment comes back as it was.

use crate::delay::{Delay, STANDING_US, Standing, Usage};
use crate::drain::Drain;
use crate::history::{Fate, History, Sent};
use crate::limits::Limits;
use crate::loss::{Loss, Verdict};
use crate::probe::{Belief, Found, Probe};
use crate::throughput::Throughput;
use crate::told::Told;
use snug_rtp::SequenceNumber;
use snug_rtp::rtcp::{ArrivalTime, TransportFeedback};
use std::time::{Duration, Instant};

/// What is left of what arrives when a queue grows (draft-ietf-rmcat-gcc-02 section 5.5 has 0.85).
const BETA: f64 = 0.87;
/// What one step leaves at least; less may go with the first one, since a single jolt of the way
/// looks like the beginning of a queue.
const STEP_DOWN_MAX: f64 = 0.5;
const STEP_DOWN_FIRST: f64 = 0.85;
/// How fast the target rises where nothing is known of a limit, a second.
const RISE: f64 = 1.08;
/// How fast close to where a queue grew last, a second.
const RISE_CLOSE: f64 = 1.05;
/// Close means within this share of it.
const CLOSE: f64 = 0.15;
/// The target stays below so many times what arrives, while it rises.
const AHEAD_MAX: f64 = 1.5;
/// For so long what was sent after a step down must have been seen before the next.
const DOWN_INTERVAL: Duration = Duration::from_millis(150);
/// A step down so soon after another one shows that the first was not enough.
const AGAIN: Duration = Duration::from_millis(2000);
/// How long a way counts as congested after a step down.
const CONGESTED_FOR: Duration = Duration::from_millis(1500);
/// How long after a step down, and after a burst that found a limit, the next burst is sent.
const PROBE_INTERVAL: Duration = Duration::from_secs(4);
/// For so long a limit that was found is one.
const LIMIT_FOR: Duration = Duration::from_secs(15);
/// Bursts that may correct what was only assumed.
const STARTS: u8 = 3;
/// A target so many times the limit that bursts found is not that of this way.
const FAR_OFF: f64 = 1.3;
/// How long after one that found none, or a limit that is to be found once more.
const PROBE_NEXT: Duration = Duration::from_millis(150);
/// How many times the target a burst tries out; at first more, to be done with it soon.
const TIMES: f64 = 2.0;
const TIMES_FIRST: f64 = 3.0;
/// How long a missing report, with packets under way, lets the target be.
const SILENCE: Duration = Duration::from_millis(2500);
/// How often it is halved after that.
const SILENCE_STEP: Duration = Duration::from_secs(1);
/// After a pause of so long a sender begins to speak again.
const IDLE: Duration = Duration::from_millis(1000);
const IDLE_US: i64 = 1_000_000;
/// A run of lost packets that took so long to send is an outage and says nothing of a rate.
const OUTAGE_US: i64 = 400_000;
/// Buckets of throughput, 50 ms each: for steps down, and for the limit of steps up.
const BUCKETS_DOWN: usize = 6;
const BUCKETS_UP: usize = 19;
/// While a queue stands everything comes at what the way carries: a shorter time tells it.
const BUCKETS_DRAIN: usize = 3;
/// The recent past, for [`Estimator::target_lowest`].
const LOWS: usize = 6;
const LOW_INTERVAL: Duration = Duration::from_millis(500);
/// In the first seconds what was believed before is of no interest.
const STARTUP: Duration = Duration::from_secs(2);

/// Estimates what one way carries. See the module for its rules and the crate for an example.
#[derive(Clone, Debug)]
pub struct Estimator {
    limits: Limits,
    epoch: Option<Instant>,
    history: History,
    last_sent_us: i64,
    /// The receiver's clock, unwrapped.
    arrival: Option<(ArrivalTime, i64)>,
    delay: Delay,
    standing: Standing,
    throughput: Throughput,
    loss: Loss,
    /// Sent times of the run of packets that are being found lost.
    lost_run: Option<(i64, i64, u32)>,
    target: f64,
    /// What the receiver itself says, where it does.
    told: Told,
    wanted: u64,
    measured_at: Option<Instant>,
    is_settled: bool,
    may_rise: bool,
    limited_at: Option<Instant>,
    raised_at: Option<Instant>,
    lowered_at: Option<Instant>,
    /// What arrived when a queue grew last.
    knee: Option<f64>,
    drain: Drain,
    heard_at: Option<Instant>,
    round_trip: Option<Duration>,
    probe: Option<Probe>,
    /// What bursts have found so far.
    found: Found,
    probe_count: u8,
    next_probe: Option<Instant>,
    padded_at: Option<Instant>,
    lows: [f64; LOWS],
    low_at: Option<Instant>,
}

impl Estimator {
    /// Starts with nothing known.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            epoch: None,
            history: History::default(),
            last_sent_us: 0,
            arrival: None,
            delay: Delay::default(),
            standing: Standing::default(),
            throughput: Throughput::default(),
            loss: Loss::default(),
            lost_run: None,
            target: limits.start as f64,
            told: Told::default(),
            wanted: 0,
            measured_at: None,
            is_settled: false,
            may_rise: true,
            limited_at: None,
            raised_at: None,
            lowered_at: None,
            knee: None,
            drain: Drain::default(),
            heard_at: None,
            round_trip: None,
            probe: None,
            found: Found::default(),
            probe_count: 0,
            next_probe: None,
            padded_at: None,
            lows: [limits.start as f64; LOWS],
            low_at: None,
        }
    }

    /// Returns how many bits a second the way is believed to carry, headers included.
    pub fn target(&self) -> u64 {
        let target = self.target as u64;
        self.told.cap().map_or(target, |cap| target.min(cap))
    }

    /// Returns how many bits a second to send at this moment: the target, and less while a long
    /// queue drains. For a sender that can follow; what is shown to whom goes by the target, since
    /// it is not to be changed for a second or two.
    pub fn allowance(&self) -> u64 {
        let most = self.drain.most().unwrap_or(f64::INFINITY) as u64;
        most.max(self.limits.least).min(self.target())
    }

    /// Returns the lowest target of the last three seconds: what is to be trusted with something
    /// new.
    pub fn target_lowest(&self) -> u64 {
        let lowest = self.lows.iter().copied().fold(self.target, f64::min) as u64;
        lowest.min(self.target())
    }

    /// Tells whether a receiver has reported anything yet. Before, the target is only assumed.
    pub fn is_measured(&self) -> bool {
        self.measured_at.is_some() || self.told.cap().is_some()
    }

    /// Tells whether the way has ever shown what it carries, by a queue, by loss or by bursts
    /// that agree: before, the target is only how far bursts have come.
    pub fn is_settled(&self) -> bool {
        self.is_settled || self.told.cap().is_some()
    }

    /// Tells whether a queue grows on the way, or did a moment ago.
    pub fn is_congested(&self, now: Instant) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < CONGESTED_FOR;
        self.delay.usage() == Usage::Over || self.lowered_at.is_some_and(is_recent)
    }

    /// Tells whether it was found lately how much the way carries, and not only that it carries as
    /// much as was sent.
    pub fn has_limit(&self, now: Instant) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < LIMIT_FOR;
        self.told.cap().is_some() || self.limited_at.is_some_and(is_recent)
    }

    /// Returns the time from sending a packet to the report on it, smoothed.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Returns the share of packets lost lately, 0 to 1.
    pub fn loss(&self) -> f64 {
        self.loss.share()
    }

    /// Returns how many bits a second arrived in the last second, once anything did.
    pub fn throughput(&self) -> Option<u64> {
        self.throughput.over(BUCKETS_UP)
    }

    /// Says how many bits a second could be made use of. While the target is below, bursts of
    /// padding find out whether there is more; see [`padding`](Self::padding).
    pub fn set_wanted(&mut self, bitrate: u64, now: Instant) {
        self.wanted = bitrate;
        self.consider_probe(now);
    }

    /// Notes that a packet with this transport-wide number goes out `now`. `bytes` is what it
    /// takes on the way, headers of IP and UDP included. The first one allocates what is
    /// remembered; no other does.
    pub fn handle_sent(&mut self, number: SequenceNumber, bytes: usize, now: Instant) {
        let at_us = self.micros(now);
        self.told.handle_sent(at_us, bytes);
        let probe = self.probe.as_mut().filter(|probe| probe.is_open());
        let id = probe.map_or(0, |probe| {
            probe.handle_sent(bytes, now);
            probe.id
        });
        // Truncation is the wrap that `sent_us` undoes.
        self.history.push(number, at_us as u32, bytes, id);
        // Who begins to speak again cannot have been answered yet.
        if at_us - self.last_sent_us >= IDLE_US || self.heard_at.is_none() {
            self.heard_at = Some(now);
        }
        self.last_sent_us = at_us;
    }

    /// Notes that a packet without a number goes out `now`, to a receiver that reports none.
    /// `bytes` are those of [`handle_sent`](Self::handle_sent).
    pub fn handle_unnumbered(&mut self, bytes: usize, now: Instant) {
        let at_us = self.micros(now);
        self.told.handle_sent(at_us, bytes);
    }

    /// Takes a receiver's feedback.
    pub fn handle_feedback(&mut self, feedback: &TransportFeedback<'_>, now: Instant) {
        let now_us = self.micros(now);
        let (mut arrived, mut lost, mut newest_us) = (0, 0, None);
        for (number, time) in feedback.arrivals() {
            match (self.history.settle(number, time.is_some()), time) {
                (Some(Fate::Arrived(sent)), Some(time)) => {
                    let sent_us = self.handle_arrival(&sent, time, now_us);
                    newest_us = newest_us.max(Some(sent_us));
                    lost += self.end_lost_run();
                    arrived += 1;
                }
                (Some(Fate::ArrivedLate(sent)), Some(time)) => {
                    self.handle_arrival(&sent, time, now_us);
                    arrived += 1;
                    lost = u32::saturating_sub(lost, 1);
                }
                (Some(Fate::Lost(sent)), _) => self.extend_lost_run(&sent, now_us),
                _ => {}
            }
        }
        let Some(newest_us) = newest_us else {
            return;
        };
        self.heard_at = Some(now);
        if self.measured_at.is_none() {
            self.measured_at = Some(now);
            self.next_probe.get_or_insert(now);
        }
        self.note_round_trip(now_us - newest_us);
        let waits_us = self.standing.look();
        let is_queued = || waits_us > STANDING_US;
        let verdict = self.loss.handle_feedback(arrived, lost, is_queued, now);
        self.decide(verdict, newest_us, now);
        self.drain(waits_us, now);
        self.finish_probe(now);
        self.note_low(now);
        self.consider_probe(now);
    }

    /// Takes the receiver's own estimate (REMB), which holds until the next. Where nothing else
    /// tells, it is the target as long as the receiver has found a limit.
    pub fn handle_estimate(&mut self, bitrate: u64, now: Instant) {
        let bitrate = bitrate.max(self.limits.least);
        match self.measured_at {
            Some(_) => self.told.handle_cap(bitrate),
            None => {
                let target = self.told.handle_estimate(bitrate, self.wanted);
                self.target = (target as f64).min(self.limits.most as f64);
            }
        }
        self.note_low(now);
    }

    /// Returns how many bytes of padding to send now, as packets of any size that
    /// [`handle_sent`](Self::handle_sent) is told of; zero most of the time.
    pub fn padding(&mut self, now: Instant) -> usize {
        let bytes = self.probe.as_ref().map_or(0, |probe| probe.padding(now));
        if bytes > 0 {
            self.padded_at = Some(now);
        }
        bytes
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due, and then
    /// [`padding`](Self::padding).
    pub fn deadline(&self) -> Option<Instant> {
        let last = |probe: &Probe| self.padded_at.map(|at| probe.deadline(at));
        let probe = self.probe.as_ref();
        let probe = probe.map(|probe| last(probe).or(self.next_probe));
        let next = match probe {
            Some(at) => at,
            None => self.next_probe.filter(|_| self.wants_more()),
        };
        [next, self.silent_at()].into_iter().flatten().min()
    }

    /// Does what is due by the clock.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.probe.is_some_and(|probe| probe.is_stale(now)) {
            self.probe = None;
            self.delay.forget();
            self.next_probe = Some(now + PROBE_INTERVAL);
        }
        if self.silent_at().is_some_and(|at| now >= at) {
            self.set_target(self.target * STEP_DOWN_MAX);
            self.lowered_at = Some(now);
            self.heard_at = Some((now + SILENCE_STEP).checked_sub(SILENCE).unwrap_or(now));
            self.note_low(now);
        }
        self.consider_probe(now);
    }

    /// Returns when it has been silent for too long while packets went out.
    fn silent_at(&self) -> Option<Instant> {
        let (heard_at, epoch) = (self.heard_at?, self.epoch?);
        let heard = heard_at.saturating_duration_since(epoch) + IDLE;
        let is_waiting = self.last_sent_us >= i64::try_from(heard.as_micros()).unwrap_or(i64::MAX);
        let is_least = self.target <= self.limits.least as f64;
        (is_waiting && self.measured_at.is_some() && !is_least).then(|| heard_at + SILENCE)
    }

    fn micros(&mut self, now: Instant) -> i64 {
        // One turn up, so that nothing was ever sent at zero.
        let epoch = *self.epoch.get_or_insert(now);
        let elapsed = now.saturating_duration_since(epoch).as_micros();
        i64::try_from(elapsed).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// Notes a packet that arrived; returns when it was sent.
    fn handle_arrival(&mut self, sent: &Sent, time: ArrivalTime, now_us: i64) -> i64 {
        let sent_us = sent_us(sent, now_us);
        let (last, last_us) = self.arrival.unwrap_or((time, 0));
        let arrived_us = last_us + time.micros_since(last);
        if arrived_us >= last_us {
            self.arrival = Some((time, arrived_us));
        }
        self.throughput
            .handle_arrival(arrived_us, sent.bytes.into());
        self.delay.handle_packet(sent_us, arrived_us);
        self.standing.handle_packet(sent_us, arrived_us);
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.id == sent.probe) {
            probe.handle_arrival(sent_us, arrived_us, sent.bytes);
        }
        sent_us
    }

    fn extend_lost_run(&mut self, sent: &Sent, now_us: i64) {
        let sent_us = sent_us(sent, now_us);
        let (first, _, count) = self.lost_run.unwrap_or((sent_us, sent_us, 0));
        self.lost_run = Some((first, sent_us, count + 1));
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.id == sent.probe) {
            probe.handle_loss();
        }
    }

    /// Returns how many packets the run counts for.
    fn end_lost_run(&mut self) -> u32 {
        let Some((first, last, count)) = self.lost_run.take() else {
            return 0;
        };
        match last - first >= OUTAGE_US {
            true => 0,
            false => count,
        }
    }

    fn note_round_trip(&mut self, us: i64) {
        let sample = Duration::from_micros(us.max(0).unsigned_abs());
        let smoothed = self.round_trip.map_or(sample, |old| (old * 7 + sample) / 8);
        self.round_trip = Some(smoothed);
    }

    fn decide(&mut self, verdict: Option<Verdict>, newest_us: i64, now: Instant) {
        if let Some(verdict) = verdict {
            self.may_rise = verdict == Verdict::Increase;
        }
        if let Some(Verdict::Decrease(by)) = verdict {
            self.lower(self.target * by.max(STEP_DOWN_MAX), now);
        }
        match self.delay.usage() {
            _ if verdict == Some(Verdict::Overflow) => self.handle_overflow(newest_us, now),
            // A burst makes a queue of its own, which says nothing of what flows beside it.
            Usage::Over if self.probe.is_some() => {}
            Usage::Over => self.handle_overuse(newest_us, now),
            Usage::Under => self.raised_at = Some(now),
            Usage::Normal if self.may_rise => self.rise(now),
            Usage::Normal => self.raised_at = Some(now),
        }
    }

    /// Goes to what gets through as long as a long queue stands.
    fn drain(&mut self, waits_us: i64, now: Instant) {
        let carries = self.throughput.over(BUCKETS_DRAIN);
        if let Some(carries) = self.drain.handle_queue(waits_us, carries)
            && BETA * carries < self.target
        {
            self.knee = Some(carries);
            self.lower(BETA * carries, now);
        }
    }

    fn handle_overuse(&mut self, newest_us: i64, now: Instant) {
        let lowered_us = self.lowered_at.map(|at| self.micros(at));
        let is_answered = lowered_us.is_none_or(|at| {
            let pause = i64::try_from(DOWN_INTERVAL.as_micros()).unwrap_or(i64::MAX);
            newest_us >= at + pause || self.micros(now) - at >= pause * 4
        });
        let is_rested = self
            .lowered_at
            .is_none_or(|at| now.saturating_duration_since(at) >= DOWN_INTERVAL);
        if !is_answered || !is_rested {
            return;
        }
        // What does not fill the way arrives in bursts: the busiest moment tells what it carries.
        // If that was not enough, all of it counts.
        let is_again = self
            .lowered_at
            .is_some_and(|at| now.saturating_duration_since(at) < AGAIN);
        let arrives = match is_again {
            true => self.throughput.over(BUCKETS_DOWN),
            false => self.throughput.peak(BUCKETS_DOWN),
        };
        let arrives = arrives.map_or(self.target, |bits| bits as f64);
        self.knee = Some(arrives);
        let step = if is_again {
            STEP_DOWN_MAX
        } else {
            STEP_DOWN_FIRST
        };
        let target = (BETA * arrives).min(self.target);
        self.lower(target.max(self.target * step), now);
    }

    /// Lowers the target to what gets through a queue that is full.
    fn handle_overflow(&mut self, newest_us: i64, now: Instant) {
        let Some(arrives) = self.throughput.over(BUCKETS_DOWN) else {
            return self.handle_overuse(newest_us, now);
        };
        let arrives = arrives as f64;
        self.knee = Some(arrives);
        self.is_settled = true;
        if BETA * arrives < self.target {
            self.lower(BETA * arrives, now);
        }
    }

    fn lower(&mut self, target: f64, now: Instant) {
        self.set_target(target);
        self.is_settled = true;
        self.lowered_at = Some(now);
        self.limited_at = Some(now);
        self.raised_at = Some(now);
        self.next_probe = Some(now + PROBE_INTERVAL);
        // What it was measuring is not there any more, nor what those before it found.
        self.probe = None;
        self.found = Found::default();
    }

    fn rise(&mut self, now: Instant) {
        let since = self.raised_at.replace(now).unwrap_or(now);
        let elapsed = now.saturating_duration_since(since).as_secs_f64().min(1.0);
        let is_close = self
            .knee
            .is_some_and(|knee| (self.target / knee - 1.0).abs() < CLOSE);
        let speed = if is_close { RISE_CLOSE } else { RISE };
        let arrives = self.throughput.over(BUCKETS_UP).map(|bits| bits as f64);
        let limit = arrives.map_or(self.target, |bits| bits * AHEAD_MAX + 10_000.0);
        // Nothing that flows shows what is beyond a limit that a burst found.
        let found = self.found.most();
        let limit = found.map_or(limit, |found| limit.min(found.max(arrives.unwrap_or(0.0))));
        let target = (self.target * speed.powf(elapsed) + 1000.0 * elapsed).min(limit);
        if target > self.target {
            self.set_target(target);
        }
    }

    fn finish_probe(&mut self, now: Instant) {
        let Some(probe) = self.probe else { return };
        let Some(result) = probe.result() else { return };
        self.probe = None;
        self.delay.forget();
        self.next_probe = Some(now + PROBE_INTERVAL);
        let Some(result) = result else { return };
        let bitrate = result.bitrate as f64;
        let belief = self.found.handle_burst(result.is_limit.then_some(bitrate));
        let is_sure = belief == Belief::Limit;
        if is_sure {
            self.limited_at = Some(now);
            self.is_settled = true;
        } else if belief == Belief::Doubt {
            self.next_probe = Some(now + PROBE_NEXT);
        }
        // Bursts find the truth where the start was only assumed, and where too little flows to show
        // that the way has become narrower.
        let is_start = self.probe_count <= STARTS && self.lowered_at.is_none();
        let arrives = self.throughput.over(BUCKETS_UP).unwrap_or(0) as f64;
        let is_narrower = bitrate * FAR_OFF < self.target && arrives < bitrate;
        if bitrate > self.target || (is_sure && (is_start || is_narrower)) {
            self.set_target(bitrate);
            self.raised_at = Some(now);
        }
    }

    fn is_startup(&self, now: Instant) -> bool {
        let measured_at = self.measured_at;
        measured_at.is_some_and(|at| now.saturating_duration_since(at) < STARTUP)
    }

    fn wants_more(&self) -> bool {
        self.measured_at.is_some()
            && (self.target() as f64) < self.wanted as f64 * 1.05
            && self.target < self.limits.most as f64
            && self.told.cap().is_none_or(|cap| cap as f64 > self.target)
    }

    fn consider_probe(&mut self, now: Instant) {
        let is_due = self.next_probe.is_some_and(|at| now >= at);
        let may = is_due && self.probe.is_none() && self.may_rise;
        if !may || !self.wants_more() || self.delay.usage() == Usage::Over {
            return;
        }
        let most = (self.wanted as f64 * 1.3).min(self.limits.most as f64);
        let times = if self.is_settled { TIMES } else { TIMES_FIRST };
        let bitrate = (self.target * times).min(most).max(self.target * 1.2);
        let bitrate = self.found.next_bitrate().unwrap_or(bitrate);
        self.probe_count = if self.probe_count >= 200 {
            2
        } else {
            self.probe_count + 1
        };
        self.probe = Some(Probe::new(self.probe_count, bitrate as u64, now));
        self.padded_at = Some(now);
    }

    fn set_target(&mut self, target: f64) {
        let (least, most) = (self.limits.least as f64, self.limits.most as f64);
        self.target = target.clamp(least, most.max(least));
    }

    /// Keeps the lowest target of each half second.
    fn note_low(&mut self, now: Instant) {
        if self.is_startup(now) && self.lowered_at.is_none() {
            self.lows = [self.target; LOWS];
            self.low_at = Some(now);
            return;
        }
        let low_at = *self.low_at.get_or_insert(now);
        if now.saturating_duration_since(low_at) >= LOW_INTERVAL {
            self.lows.copy_within(1.., 0);
            self.lows[LOWS - 1] = self.target;
            self.low_at = Some(now);
        } else {
            self.lows[LOWS - 1] = self.lows[LOWS - 1].min(self.target);
        }
    }
}

/// Undoes the wrap of a packet's time.
fn sent_us(sent: &Sent, now_us: i64) -> i64 {
    // Truncation is the wrap.
    let age = (now_us as u32).wrapping_sub(sent.at_us);
    now_us - i64::from(age)
}

#[cfg(test)]
mod tests;
