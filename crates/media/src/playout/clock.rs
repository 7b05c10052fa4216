//! One timeline for the tracks of one sender, so that lips and voice stay together.
//!
//! Rules. Sender reports (RFC 3550 section 6.4.1) tie each track's RTP clock to the sender's wall
//! clock; through that, a moment of one track is found in another. Until both tracks have a report,
//! arrival times stand in: the packets that were fastest tell where each clock stands. Sound is the
//! master: it says what it is playing, and pictures are placed next to it. Without sound, pictures get
//! a fixed delay after their fastest arrival.

use std::time::{Duration, Instant};

use snug_rtp::{NtpTime, RtpTime};

/// Delay of pictures of a sender without sound: evens out most arrival jitter.
const VIDEO_DELAY: Duration = Duration::from_millis(60);
/// Tracks of one sender: a camera, a microphone, a screen with sound, and room for growth.
const TRACKS_MAX: usize = 16;
/// Sound that has not played for this long is no master any more.
const MASTER_AGE_MAX: Duration = Duration::from_secs(1);
/// How long the fastest arrival counts; after that a drifting clock would make it a lie.
const FASTEST_WINDOW: Duration = Duration::from_secs(5);
/// A report that contradicts the ones before it by more is a new clock, not noise.
const REPORT_JUMP_NANOS: u64 = 100_000_000;
/// Share of a report's news that is taken at once; reports jitter by some milliseconds.
const REPORT_SMOOTHING: i64 = 4;

/// Names one track of a [`PlayoutClock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackClock(usize);

/// Places the samples and pictures of one sender on the local clock.
///
/// ```
/// use std::time::{Duration, Instant};
/// use snug_media::playout::PlayoutClock;
/// use snug_rtp::RtpTime;
/// let now = Instant::now();
/// let mut clock = PlayoutClock::new(now);
/// let camera = clock.add_track(90_000).expect("there is room");
/// clock.handle_packet(camera, RtpTime(9_000), now);
/// let shown = clock.playout_at(camera, RtpTime(9_000), now).expect("it has arrived");
/// assert!(shown > now && shown < now + Duration::from_millis(100));
/// ```
#[derive(Debug)]
pub struct PlayoutClock {
    start: Instant,
    ntp_start: Option<NtpTime>,
    tracks: Vec<Option<Track>>,
    master: Option<Master>,
}

#[derive(Debug)]
struct Track {
    rate: i64,
    /// The last time stamp seen and its unwrapped value.
    newest: Option<(RtpTime, i64)>,
    /// Sender's wall clock less RTP clock, in nanoseconds.
    ntp_offset: Option<i64>,
    fastest: Fastest,
}

/// The least of arrival time less RTP clock, in nanoseconds, over the last two windows.
#[derive(Debug, Default)]
struct Fastest {
    window_start: Option<Instant>,
    now: Option<i64>,
    before: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Master {
    track: TrackClock,
    timestamp: RtpTime,
    at: Instant,
}

impl PlayoutClock {
    /// Makes a clock; `start` is any instant before the first packet.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            ntp_start: None,
            tracks: Vec::new(),
            master: None,
        }
    }

    /// Adds a track whose RTP clock runs at `rate_hz` (90 000 for video, 48 000 for Opus); `None`
    /// when there are sixteen already or the rate is 0.
    pub fn add_track(&mut self, rate_hz: u32) -> Option<TrackClock> {
        if rate_hz == 0 {
            return None;
        }
        let track = Track {
            rate: rate_hz.into(),
            newest: None,
            ntp_offset: None,
            fastest: Fastest::default(),
        };
        if let Some(free) = self.tracks.iter().position(Option::is_none) {
            self.tracks[free] = Some(track);
            return Some(TrackClock(free));
        }
        if self.tracks.len() == TRACKS_MAX {
            return None;
        }
        self.tracks.push(Some(track));
        Some(TrackClock(self.tracks.len() - 1))
    }

    /// Forgets a track.
    pub fn remove_track(&mut self, track: TrackClock) {
        if let Some(slot) = self.tracks.get_mut(track.0) {
            *slot = None;
        }
        self.master = self.master.filter(|master| master.track != track);
    }

    /// Notes when a packet arrived.
    pub fn handle_packet(&mut self, track: TrackClock, timestamp: RtpTime, now: Instant) {
        let local = self.local_nanos(now);
        if let Some(track) = self.track_mut(track) {
            let media = track.unwrap(timestamp);
            track.fastest.record(local.saturating_sub(media), now);
        }
    }

    /// Notes a sender report: the sender's wall clock `ntp` when its RTP clock showed `timestamp`.
    pub fn handle_report(&mut self, track: TrackClock, ntp: NtpTime, timestamp: RtpTime) {
        let start = *self.ntp_start.get_or_insert(ntp);
        let wall = nanos_between(start, ntp);
        let Some(track) = self.track_mut(track) else {
            return;
        };
        let found = wall.saturating_sub(track.unwrap(timestamp));
        track.ntp_offset = Some(match track.ntp_offset {
            Some(known) if found.abs_diff(known) <= REPORT_JUMP_NANOS => {
                known + (found - known) / REPORT_SMOOTHING
            }
            _ => found,
        });
    }

    /// Notes that sound plays its sample `timestamp` at the instant `at`: others follow it.
    pub fn handle_playout(&mut self, track: TrackClock, timestamp: RtpTime, at: Instant) {
        self.master = Some(Master {
            track,
            timestamp,
            at,
        });
    }

    /// Gives the instant at which the moment `timestamp` of `track` should be seen or heard.
    ///
    /// `None` before anything has arrived on the track.
    #[must_use]
    pub fn playout_at(
        &self,
        track: TrackClock,
        timestamp: RtpTime,
        now: Instant,
    ) -> Option<Instant> {
        let ours = self.track(track)?;
        let master = self
            .master
            .filter(|master| now.saturating_duration_since(master.at) <= MASTER_AGE_MAX);
        if let Some(master) = master
            && let Some(theirs) = self.track(master.track)
            && let Some(ahead) = ours.ahead_of(timestamp, theirs, master.timestamp)
        {
            return shift(master.at, ahead);
        }
        let arrival = ours.peek(timestamp)?.saturating_add(ours.fastest.best()?);
        shift(self.start, arrival).map(|instant| instant + VIDEO_DELAY)
    }

    /// Tells whether sender reports tie this track to the others.
    #[must_use]
    pub fn is_synchronised(&self, track: TrackClock) -> bool {
        self.track(track)
            .is_some_and(|track| track.ntp_offset.is_some())
    }

    fn track(&self, track: TrackClock) -> Option<&Track> {
        self.tracks.get(track.0)?.as_ref()
    }

    fn track_mut(&mut self, track: TrackClock) -> Option<&mut Track> {
        self.tracks.get_mut(track.0)?.as_mut()
    }

    fn local_nanos(&self, now: Instant) -> i64 {
        now.saturating_duration_since(self.start).as_nanos() as i64
    }
}

impl Track {
    /// Turns a time stamp into nanoseconds of the RTP clock, following its wraps.
    fn unwrap(&mut self, timestamp: RtpTime) -> i64 {
        let ticks = self.ticks(timestamp);
        if self.newest.is_none_or(|(_, newest)| ticks > newest) {
            self.newest = Some((timestamp, ticks));
        }
        self.nanos(ticks)
    }

    fn peek(&self, timestamp: RtpTime) -> Option<i64> {
        self.newest.map(|_| self.nanos(self.ticks(timestamp)))
    }

    fn ticks(&self, timestamp: RtpTime) -> i64 {
        match self.newest {
            Some((last, ticks)) => ticks + i64::from(timestamp.distance_from(last)),
            None => i64::from(timestamp.0),
        }
    }

    fn nanos(&self, ticks: i64) -> i64 {
        // Forged time stamps can lead past three centuries; there time stands still.
        let nanos = i128::from(ticks) * 1_000_000_000 / i128::from(self.rate);
        nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// Gives how much later our moment was than theirs, in nanoseconds: by reports when both have
    /// them, else by their fastest arrivals.
    fn ahead_of(&self, ours: RtpTime, other: &Self, theirs: RtpTime) -> Option<i64> {
        let (ours, theirs) = (self.peek(ours)?, other.peek(theirs)?);
        let (our_offset, their_offset) = match (self.ntp_offset, other.ntp_offset) {
            (Some(ours), Some(theirs)) => (ours, theirs),
            _ => (self.fastest.best()?, other.fastest.best()?),
        };
        let (ours, theirs) = (
            ours.saturating_add(our_offset),
            theirs.saturating_add(their_offset),
        );
        Some(ours.saturating_sub(theirs))
    }
}

impl Fastest {
    fn record(&mut self, offset: i64, now: Instant) {
        let start = *self.window_start.get_or_insert(now);
        if now.saturating_duration_since(start) >= FASTEST_WINDOW {
            self.window_start = Some(now);
            self.before = self.now.take();
        }
        self.now = Some(self.now.map_or(offset, |least| least.min(offset)));
    }

    fn best(&self) -> Option<i64> {
        match (self.now, self.before) {
            (Some(now), Some(before)) => Some(now.min(before)),
            (now, before) => now.or(before),
        }
    }
}

/// Gives the signed distance of two wall clock times in nanoseconds (RFC 3550 section 4: 32.32 bits).
fn nanos_between(start: NtpTime, end: NtpTime) -> i64 {
    let fraction = end.0.wrapping_sub(start.0).cast_signed();
    ((i128::from(fraction) * 1_000_000_000) >> 32) as i64
}

fn shift(instant: Instant, nanos: i64) -> Option<Instant> {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    if nanos >= 0 {
        instant.checked_add(distance)
    } else {
        instant.checked_sub(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A sender whose tracks start at odd numbers; gives the RTP time of a moment.
    fn video_time(ms: u32) -> RtpTime {
        RtpTime(u32::MAX - 45_000).wrapping_add(ms * 90)
    }

    fn audio_time(ms: u32) -> RtpTime {
        RtpTime(123_456).wrapping_add(ms * 48)
    }

    fn ntp(ms: u32) -> NtpTime {
        NtpTime::from_unix(Duration::from_millis(1_700_000_000_000 + u64::from(ms)))
    }

    #[test]
    fn time_stamps_that_rush_ahead_break_nothing() {
        let start = Instant::now();
        let mut clock = PlayoutClock::new(start);
        let (audio, video) = (
            clock.add_track(48_000).unwrap(),
            clock.add_track(90_000).unwrap(),
        );
        let mut timestamp = RtpTime(0);
        for _ in 0..500_000 {
            timestamp = timestamp.wrapping_add(i32::MAX as u32);
            clock.handle_packet(video, timestamp, start);
        }
        // Where, if anywhere, such a picture belongs does not matter.
        std::hint::black_box(clock.playout_at(video, timestamp, start));
        clock.handle_packet(audio, audio_time(0), start);
        clock.handle_report(video, NtpTime(u64::MAX), timestamp);
        clock.handle_report(video, NtpTime(u64::MAX / 2), timestamp);
        clock.handle_report(audio, NtpTime(0), audio_time(0));
        clock.handle_playout(audio, audio_time(0), start);
        std::hint::black_box(clock.playout_at(video, timestamp, start));
    }

    struct Call {
        clock: PlayoutClock,
        audio: TrackClock,
        video: TrackClock,
        start: Instant,
    }

    /// Audio arrives 5 ms after it was taken, video 30 ms after.
    fn call() -> Call {
        let start = Instant::now();
        let mut clock = PlayoutClock::new(start);
        let audio = clock.add_track(48_000).unwrap();
        let video = clock.add_track(90_000).unwrap();
        for ms in (0..2_000).step_by(20) {
            clock.handle_packet(audio, audio_time(ms), start + (ms + 5) * MS);
            clock.handle_packet(video, video_time(ms), start + (ms + 30) * MS);
        }
        Call {
            clock,
            audio,
            video,
            start,
        }
    }

    fn distance(a: Instant, b: Instant) -> Duration {
        a.saturating_duration_since(b) + b.saturating_duration_since(a)
    }

    #[test]
    fn with_reports_a_picture_plays_with_its_sound_exactly() {
        let Call {
            mut clock,
            audio,
            video,
            start,
        } = call();
        clock.handle_report(audio, ntp(1_000), audio_time(1_000));
        clock.handle_report(video, ntp(1_500), video_time(1_500));
        assert!(clock.is_synchronised(audio) && clock.is_synchronised(video));
        // Sound of moment 1.9 s plays now, so the picture of 1.94 s is due in 40 ms.
        let now = start + 2_000 * MS;
        clock.handle_playout(audio, audio_time(1_900), now);
        let shown = clock.playout_at(video, video_time(1_940), now).unwrap();
        assert!(distance(shown, now + 40 * MS) < MS);
        let past = clock.playout_at(video, video_time(1_880), now).unwrap();
        assert!(distance(past, now - 20 * MS) < MS);
    }

    #[test]
    fn without_reports_arrivals_keep_them_within_the_difference_of_their_ways() {
        let Call {
            mut clock,
            audio,
            video,
            start,
        } = call();
        let now = start + 2_000 * MS;
        clock.handle_playout(audio, audio_time(1_900), now);
        let shown = clock.playout_at(video, video_time(1_940), now).unwrap();
        assert!(distance(shown, now + 40 * MS) <= 26 * MS);
    }

    #[test]
    fn without_sound_pictures_get_a_fixed_delay_after_the_fastest() {
        let Call {
            mut clock,
            audio,
            video,
            start,
        } = call();
        let now = start + 2_000 * MS;
        let due = start + (1_940 + 30) * MS + VIDEO_DELAY;
        assert!(
            distance(
                clock.playout_at(video, video_time(1_940), now).unwrap(),
                due
            ) < MS
        );
        // Sound that stopped long ago counts as none, and so does sound that was removed.
        clock.handle_playout(audio, audio_time(0), start);
        assert!(
            distance(
                clock.playout_at(video, video_time(1_940), now).unwrap(),
                due
            ) < MS
        );
        clock.handle_playout(audio, audio_time(1_900), now);
        clock.remove_track(audio);
        assert!(
            distance(
                clock.playout_at(video, video_time(1_940), now).unwrap(),
                due
            ) < MS
        );
    }

    #[test]
    fn noise_in_reports_is_smoothed_and_a_new_clock_is_taken_at_once() {
        let Call {
            mut clock,
            audio,
            video,
            start,
        } = call();
        let now = start + 2_000 * MS;
        clock.handle_report(audio, ntp(1_000), audio_time(1_000));
        clock.handle_report(video, ntp(1_000), video_time(1_000));
        clock.handle_report(video, ntp(1_220), video_time(1_200));
        clock.handle_playout(audio, audio_time(1_900), now);
        let shown = clock.playout_at(video, video_time(1_900), now).unwrap();
        assert!(distance(shown, now + 5 * MS) < MS, "a quarter of 20 ms");
        clock.handle_report(video, ntp(9_000), video_time(1_500));
        let shown = clock.playout_at(video, video_time(1_500), now).unwrap();
        assert!(distance(shown, now + 7_100 * MS) < MS);
    }

    #[test]
    fn a_drifting_sender_is_followed() {
        let start = Instant::now();
        let mut clock = PlayoutClock::new(start);
        let video = clock.add_track(90_000).unwrap();
        // The sender's clock is 200 ppm slow: after 100 s its time stamps lag by 20 ms.
        for ms in (0..100_000u32).step_by(40) {
            let lag = Duration::from_micros(u64::from(ms) / 5);
            clock.handle_packet(video, video_time(ms), start + ms * MS + lag);
        }
        let now = start + 100_020 * MS;
        let shown = clock.playout_at(video, video_time(99_960), now).unwrap();
        let ideal = start + (99_960 + 20) * MS + VIDEO_DELAY;
        assert!(
            distance(shown, ideal) <= 3 * MS,
            "{:?}",
            distance(shown, ideal)
        );
    }

    #[test]
    fn tracks_are_bounded_and_their_places_used_again() {
        let mut clock = PlayoutClock::new(Instant::now());
        assert_eq!(clock.add_track(0), None);
        let tracks: Vec<_> = (0..TRACKS_MAX)
            .map(|_| clock.add_track(90_000).unwrap())
            .collect();
        assert_eq!(clock.add_track(90_000), None);
        clock.remove_track(tracks[3]);
        assert_eq!(clock.add_track(48_000), Some(tracks[3]));
        assert_eq!(
            clock.playout_at(tracks[3], RtpTime(0), Instant::now()),
            None
        );
    }
}
