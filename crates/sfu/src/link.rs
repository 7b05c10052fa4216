//! The way between a room and one of its peers: what it carries, and what waits for it.
//!
//! Nothing waits as long as the way is free. While it is congested, pictures wait for their turn
//! at its rate and sound does not; they wait in order and name packets of the publisher's ring, so
//! that nothing is copied. What has waited for [`WAIT_MAX`] is told by [`Link::is_full`]: its
//! picture is finished, and no other one begun before the queue is empty.

use crate::PeerKey;
use crate::meter::WIRE_OVERHEAD;
use crate::rewrite::Numbers;
use crate::router::Arrival;
use snug_congestion::{Arrivals, Estimator, Limits};
use snug_rtp::rtcp::TransportFeedback;
use snug_rtp::{Packet, SequenceNumber};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long pictures may wait before no further one is begun.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// Packets that may wait: a keyframe of 1080 rows and what came meanwhile.
const WAITING_MAX: usize = 512;
/// What would take so long to be sent is not worth it any more, in seconds.
const HOPELESS_S: f64 = 0.6;
/// How often the queue is looked at.
const STEP: Duration = Duration::from_millis(5);
/// How much faster than the target the queue is emptied: the target is below what the way
/// carries, so that its own queue can drain.
const DRAIN: f64 = 1.15;
/// What may be sent at once after a pause, in seconds of the rate.
const BURST_S: f64 = 0.02;
/// What sound and repairs may run ahead of the rate, in seconds of it.
const DEBT_S: f64 = 0.1;
/// How long nothing rises after something fell, at first and at most: each time that something
/// rises and falls again soon, it doubles.
const HOLD: Duration = Duration::from_secs(5);
const HOLD_MAX: Duration = Duration::from_secs(60);
/// What falls so soon after it rose should not have risen.
const SOON: Duration = Duration::from_secs(20);
/// Below so many bits a second sound is not said twice: a voice takes a tenth of it.
const THIN: u64 = 300_000;
/// The least time between two words on the estimate, and the least change worth one, in percent.
const TELL_INTERVAL: Duration = Duration::from_secs(1);
const TELL_CHANGE_PERCENT: u64 = 5;

/// The way to and from one peer.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: PeerKey,
    /// What came from the peer.
    pub(crate) arrivals: Arrivals,
    /// The id under which the peer sends transport-wide numbers.
    pub(crate) number_id: Option<u8>,
    /// The source of the peer's that feedback names.
    pub(crate) media_ssrc: u32,
    /// Where padding goes out: the track and source of a subscription.
    pub(crate) padding_place: Option<(usize, u32)>,
    /// What sound takes of it, in bits a second.
    pub(crate) sound: u64,
    /// What everything would take at its best.
    pub(crate) wanted: u64,
    estimator: Option<Box<Estimator>>,
    next_number: SequenceNumber,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Bytes that may be sent now.
    budget: f64,
    refilled_at: Option<Instant>,
    hold: Duration,
    held_until: Option<Instant>,
    raised_at: Option<Instant>,
    told: Option<(u64, Instant)>,
}

/// A packet that waits, by its place in the ring of its track.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) track: usize,
    pub(crate) ssrc: u32,
    pub(crate) source: usize,
    pub(crate) sequence: SequenceNumber,
    pub(crate) numbers: Numbers,
    pub(crate) bytes: usize,
    pub(crate) since: Instant,
}

impl Waiting {
    /// Lets a packet wait that goes out under these numbers, from this source.
    pub(crate) fn new(
        arrival: &Arrival,
        numbers: Numbers,
        ssrc: u32,
        packet: &Packet<'_>,
        since: Instant,
    ) -> Self {
        Self {
            track: arrival.track,
            ssrc,
            source: arrival.source,
            sequence: arrival.numbers.sequence,
            numbers,
            bytes: packet.bytes().len(),
            since,
        }
    }
}

impl Link {
    pub(crate) fn new(peer: PeerKey) -> Self {
        Self {
            peer,
            arrivals: Arrivals::default(),
            number_id: None,
            media_ssrc: 0,
            padding_place: None,
            sound: 0,
            wanted: 0,
            estimator: None,
            next_number: SequenceNumber(0),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            budget: 0.0,
            refilled_at: None,
            hold: HOLD,
            held_until: None,
            raised_at: None,
            told: None,
        }
    }

    /// Begins to estimate, since the peer reports arrivals or says itself what it can take.
    pub(crate) fn estimate(&mut self) -> &mut Estimator {
        self.estimator
            .get_or_insert_with(|| Box::new(Estimator::new(Limits::default())))
    }

    pub(crate) fn estimator(&self) -> Option<&Estimator> {
        self.estimator.as_deref()
    }

    /// Forgets what is known of a way that is not there any more.
    pub(crate) fn handle_disconnected(&mut self) {
        if let Some(estimator) = self.estimator.as_deref_mut() {
            *estimator = Estimator::new(Limits::default());
        }
        self.arrivals = Arrivals::default();
        self.drop_waiting();
        (self.hold, self.held_until, self.raised_at) = (HOLD, None, None);
        self.refilled_at = None;
    }

    /// Returns the transport-wide number of the next packet, where one is negotiated for it and
    /// the peer reports on them.
    pub(crate) fn number(&self, is_negotiated: bool) -> Option<SequenceNumber> {
        let estimator = self.estimator.as_ref().filter(|_| is_negotiated);
        estimator.map(|_| self.next_number)
    }

    /// Notes that a packet of so many bytes goes out, under this number.
    pub(crate) fn handle_sent(
        &mut self,
        number: Option<SequenceNumber>,
        bytes: usize,
        now: Instant,
    ) {
        let Some(estimator) = self.estimator.as_deref_mut() else {
            return;
        };
        let bytes = bytes + WIRE_OVERHEAD;
        if let Some(number) = number {
            estimator.handle_sent(number, bytes, now);
            self.next_number = number.next();
        } else {
            estimator.handle_unnumbered(bytes, now);
        }
        if self.refilled_at.is_some() {
            self.budget -= bytes as f64;
        }
    }

    /// Takes the peer's feedback; returns whether the estimate fell.
    pub(crate) fn handle_feedback(
        &mut self,
        feedback: &TransportFeedback<'_>,
        now: Instant,
    ) -> bool {
        let Some(estimator) = self.estimator.as_deref_mut() else {
            return false;
        };
        let before = estimator.target();
        estimator.handle_feedback(feedback, now);
        estimator.target() < before
    }

    /// Tells whether pictures have to fit an estimate.
    pub(crate) fn is_limited(&self) -> bool {
        self.estimator().is_some_and(Estimator::is_settled)
    }

    /// Tells whether there is no room for sound to be said twice.
    pub(crate) fn is_thin(&self) -> bool {
        let target = self.estimator().map_or(u64::MAX, Estimator::target);
        self.is_limited() && target < THIN
    }

    /// Tells whether pictures wait for their turn.
    pub(crate) fn is_pacing(&self, now: Instant) -> bool {
        let is_congested =
            |estimator: &Estimator| estimator.is_settled() && estimator.is_congested(now);
        !self.waiting.is_empty() || self.estimator().is_some_and(is_congested)
    }

    /// Tells whether so much waits that no further picture should.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        let oldest = self.waiting.front();
        oldest.is_some_and(|it| now.saturating_duration_since(it.since) > WAIT_MAX)
            || self.waiting.len() >= WAITING_MAX
    }

    /// Tells whether what waits would take too long, since the way became much narrower.
    pub(crate) fn is_hopeless(&self) -> bool {
        let target = self.estimator().map_or(0, Estimator::target) as f64;
        self.waiting_bytes as f64 * 8.0 > target * DRAIN * HOPELESS_S
    }

    /// Lets go of everything that waits.
    pub(crate) fn drop_waiting(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
    }

    /// Tells whether nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Lets a packet wait; returns whether there was room.
    pub(crate) fn push(&mut self, waiting: Waiting) -> bool {
        let has_room = self.waiting.len() < WAITING_MAX * 2;
        if has_room {
            self.refilled_at.get_or_insert(waiting.since);
            self.waiting_bytes += waiting.bytes + WIRE_OVERHEAD;
            self.waiting.push_back(waiting);
        }
        has_room
    }

    /// Returns the next packet whose turn it is.
    pub(crate) fn poll_waiting(&mut self, now: Instant) -> Option<Waiting> {
        if self.waiting.is_empty() {
            (self.refilled_at, self.budget) = (None, 0.0);
            return None;
        }
        self.refill(now);
        match self.budget > 0.0 {
            true => {
                let next = self.waiting.pop_front()?;
                self.waiting_bytes -= next.bytes + WIRE_OVERHEAD;
                Some(next)
            }
            false => None,
        }
    }

    fn refill(&mut self, now: Instant) {
        let target = self.estimator().map_or(0, Estimator::target);
        let bytes_a_second = target as f64 * DRAIN / 8.0;
        let since = self.refilled_at.replace(now).unwrap_or(now);
        let elapsed = now.saturating_duration_since(since).as_secs_f64();
        let most = (bytes_a_second * BURST_S).max(1500.0);
        let debt = self.budget.max(-bytes_a_second * DEBT_S);
        self.budget = (debt + bytes_a_second * elapsed).min(most);
    }

    /// Tells whether something may be sent again: while pictures wait, repairs must fit as well.
    pub(crate) fn may_repair(&mut self, now: Instant) -> bool {
        if self.waiting.is_empty() {
            return true;
        }
        self.refill(now);
        self.budget > 0.0
    }

    /// Returns how many bytes of padding are due.
    pub(crate) fn padding(&mut self, now: Instant) -> usize {
        match (&mut self.estimator, self.padding_place) {
            (Some(estimator), Some(_)) => estimator.padding(now),
            _ => 0,
        }
    }

    /// Returns when there is something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let waits = self.refilled_at.map(|at| at + STEP);
        let estimator = self.estimator();
        let next = estimator.and_then(Estimator::deadline);
        [waits, next, self.arrivals.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due by the clock.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(estimator) = self.estimator.as_deref_mut() {
            estimator.handle_timeout(now);
        }
    }

    /// Tells whether something may be shown better than it is.
    pub(crate) fn may_rise(&self, now: Instant) -> bool {
        let is_free = self
            .estimator()
            .is_none_or(|estimator| !estimator.is_congested(now));
        is_free && self.held_until.is_none_or(|until| now >= until)
    }

    /// Notes that something is shown better than before.
    pub(crate) fn handle_rise(&mut self, now: Instant) {
        self.raised_at = Some(now);
        // One step at a time: what it does to the way has to show first.
        self.held_until = Some(now + self.hold);
    }

    /// Notes that something had to be shown worse than before.
    pub(crate) fn handle_fall(&mut self, now: Instant) {
        let is_soon = self
            .raised_at
            .take()
            .is_some_and(|at| now.saturating_duration_since(at) < SOON);
        self.hold = match is_soon {
            true => (self.hold * 2).min(HOLD_MAX),
            false => HOLD,
        };
        self.held_until = Some(now + self.hold);
    }

    /// Returns the estimate when it is worth telling.
    pub(crate) fn estimate_to_tell(&mut self, now: Instant) -> Option<u64> {
        let estimator = self
            .estimator()
            .filter(|estimator| estimator.is_measured())?;
        let target = estimator.target();
        if let Some((told, at)) = self.told {
            let is_much = target.abs_diff(told) * 100 > told * TELL_CHANGE_PERCENT;
            if !is_much || now.saturating_duration_since(at) < TELL_INTERVAL {
                return None;
            }
        }
        self.told = Some((target, now));
        Some(target)
    }
}
