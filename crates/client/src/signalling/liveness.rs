//! When the host counts as silent, and what follows from it: a state machine without IO.
//!
//! Rules, each with its why:
//! - After 3 s of silence we say "reconnecting" and dial anew each second beside the old line; TCP
//!   retransmits ever more rarely, so after an outage a new connection is back first.
//! - A line that broke is no silence to wait for: dial at once.
//! - The old line may come back by itself. Then no more lines are dialled; one that is on its way
//!   may still take over, because the room may have moved our place to it already.
//! - After 15 s without the host capture stops: nobody knows who would get it, and when.
//! - After a minute we give up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Silence after which we say so; the host's own limit, so that both sides say it together.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// Pause between two attempts.
const DIAL_INTERVAL: Duration = Duration::from_secs(1);

/// Silence after which capture stops.
const CAPTURE_STOPS_AFTER: Duration = Duration::from_secs(15);

/// Silence after which we give up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Say "reconnecting".
    TellReconnecting,
    /// Say "resumed": the same place, whether on the old line or on a new one.
    TellResumed,
    /// Dial once more.
    Dial,
    /// Stop camera and microphone.
    StopCapture,
    /// Let camera and microphone run again.
    ResumeCapture,
    /// The host is lost for good.
    GiveUp,
}

/// Whether the host is heard.
#[derive(Debug)]
pub(crate) struct Liveness {
    last_heard: Instant,
    /// When to dial next; none while all is well.
    next_dial: Option<Instant>,
    line_broken: bool,
    capture_stopped: bool,
    given_up: bool,
    outputs: VecDeque<Output>,
}

impl Liveness {
    /// Starts with a host that was just heard.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            last_heard: now,
            next_dial: None,
            line_broken: false,
            capture_stopped: false,
            given_up: false,
            outputs: VecDeque::new(),
        }
    }

    /// Notes that the current line heard the host.
    pub(crate) fn handle_heard(&mut self, now: Instant) {
        self.last_heard = now;
        if self.next_dial.is_some() && !self.line_broken {
            self.outputs.push_back(Output::TellResumed);
            self.recover();
        }
    }

    /// Notes that a new line is in the room, in the same place or in another.
    pub(crate) fn handle_admitted(&mut self, resumed: bool, now: Instant) {
        self.last_heard = now;
        self.line_broken = false;
        if resumed && self.next_dial.is_some() {
            self.outputs.push_back(Output::TellResumed);
        }
        self.recover();
    }

    /// Notes that the current line broke.
    pub(crate) fn handle_broken(&mut self, now: Instant) {
        self.line_broken = true;
        if self.next_dial.is_none() {
            self.start_dialling(now);
        }
    }

    /// Notes that the current line broke soon after the one before: the next one is dialled after
    /// a pause, so that a room that drops everybody is not hammered.
    pub(crate) fn handle_broken_again(&mut self, now: Instant) {
        self.line_broken = true;
        if self.next_dial.is_none() {
            self.outputs.push_back(Output::TellReconnecting);
            self.next_dial = Some(now + DIAL_INTERVAL);
        }
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.given_up {
            return;
        }
        let silence = now.saturating_duration_since(self.last_heard);
        if silence >= GIVE_UP_AFTER {
            self.given_up = true;
            self.outputs.push_back(Output::GiveUp);
            return;
        }
        match self.next_dial {
            None if silence >= SILENT_AFTER => self.start_dialling(now),
            Some(at) if at <= now => self.dial(now),
            _ => {}
        }
        if silence >= CAPTURE_STOPS_AFTER && !self.capture_stopped {
            self.capture_stopped = true;
            self.outputs.push_back(Output::StopCapture);
        }
    }

    /// Whether the host is silent, and we try to reach it.
    pub(crate) fn is_dialling(&self) -> bool {
        self.next_dial.is_some()
    }

    /// Whether camera and microphone are stopped until the host is heard.
    pub(crate) fn capture_is_stopped(&self) -> bool {
        self.capture_stopped
    }

    /// Returns when [`Self::handle_timeout`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.given_up {
            return None;
        }
        let dial = self.next_dial.unwrap_or(self.last_heard + SILENT_AFTER);
        let end = self.last_heard + GIVE_UP_AFTER;
        let capture = (!self.capture_stopped).then(|| self.last_heard + CAPTURE_STOPS_AFTER);
        Some(capture.map_or(end, |capture| capture.min(end)).min(dial))
    }

    /// Returns the next thing that follows.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn start_dialling(&mut self, now: Instant) {
        self.outputs.push_back(Output::TellReconnecting);
        self.dial(now);
    }

    fn dial(&mut self, now: Instant) {
        self.next_dial = Some(now + DIAL_INTERVAL);
        self.outputs.push_back(Output::Dial);
    }

    fn recover(&mut self) {
        self.next_dial = None;
        if std::mem::take(&mut self.capture_stopped) {
            self.outputs.push_back(Output::ResumeCapture);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_breaks_again_and_again_is_dialled_after_a_pause() {
        let start = Instant::now();
        let mut core = Liveness::new(start);
        core.handle_broken_again(start);
        assert_eq!(core.poll_output(), Some(Output::TellReconnecting));
        assert_eq!(core.poll_output(), None);
        assert_eq!(core.deadline(), Some(start + DIAL_INTERVAL));
        core.handle_timeout(start + DIAL_INTERVAL);
        assert_eq!(core.poll_output(), Some(Output::Dial));
    }

    struct Clock {
        start: Instant,
        core: Liveness,
    }

    impl Clock {
        fn new() -> Self {
            let start = Instant::now();
            Self {
                start,
                core: Liveness::new(start),
            }
        }

        fn at(&self, millis: u64) -> Instant {
            self.start + Duration::from_millis(millis)
        }

        fn drain(&mut self) -> Vec<Output> {
            std::iter::from_fn(|| self.core.poll_output()).collect()
        }

        /// Lets time pass to `millis`, acting at each deadline, and returns what came when.
        fn run_to(&mut self, millis: u64) -> Vec<(u64, Output)> {
            let mut seen = Vec::new();
            while let Some(deadline) = self.core.deadline().filter(|at| *at <= self.at(millis)) {
                self.core.handle_timeout(deadline);
                let at = u64::try_from((deadline - self.start).as_millis()).unwrap();
                seen.extend(self.drain().into_iter().map(|output| (at, output)));
            }
            seen
        }
    }

    #[test]
    fn silence_is_told_after_three_seconds_and_dialled_into_each_second() {
        let mut clock = Clock::new();
        let wanted = [
            (3000, Output::TellReconnecting),
            (3000, Output::Dial),
            (4000, Output::Dial),
            (5000, Output::Dial),
        ];
        assert_eq!(clock.run_to(5999), wanted);
    }

    #[test]
    fn a_host_that_is_heard_is_never_silent() {
        let mut clock = Clock::new();
        for second in 1..100 {
            assert_eq!(clock.run_to(second * 1000), []);
            clock.core.handle_heard(clock.at(second * 1000));
            assert_eq!(clock.drain(), []);
        }
    }

    #[test]
    fn the_old_line_may_come_back() {
        let mut clock = Clock::new();
        clock.run_to(4500);
        clock.core.handle_heard(clock.at(4500));
        assert_eq!(clock.drain(), [Output::TellResumed]);
        assert_eq!(clock.run_to(7499), []);
    }

    #[test]
    fn a_broken_line_is_replaced_at_once() {
        let mut clock = Clock::new();
        clock.core.handle_broken(clock.at(10));
        assert_eq!(clock.drain(), [Output::TellReconnecting, Output::Dial]);
        clock.core.handle_broken(clock.at(20));
        assert_eq!(clock.drain(), [], "told once");
        assert_eq!(clock.run_to(1010), [(1010, Output::Dial)]);
        clock.core.handle_admitted(true, clock.at(1020));
        assert_eq!(clock.drain(), [Output::TellResumed]);
        assert_eq!(clock.run_to(3000), []);
    }

    #[test]
    fn capture_stops_and_comes_back() {
        let mut clock = Clock::new();
        let seen = clock.run_to(15_000);
        assert!(seen.contains(&(15_000, Output::StopCapture)), "{seen:?}");
        clock.core.handle_admitted(false, clock.at(20_000));
        assert_eq!(clock.drain(), [Output::ResumeCapture]);
    }

    #[test]
    fn after_a_minute_it_is_over() {
        let mut clock = Clock::new();
        let seen = clock.run_to(200_000);
        assert_eq!(seen.last(), Some(&(60_000, Output::GiveUp)));
        assert_eq!(clock.core.deadline(), None);
    }
}
