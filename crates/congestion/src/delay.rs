//! Whether a queue grows on the way: the trend of how long packets take
//! (draft-ietf-rmcat-gcc-02 section 4, with the trendline of libwebrtc instead of its filter).
//!
//! Packets that leave together are one group, since senders write whole pictures at once. Between
//! groups, what arrives further apart than it left has met a growing queue. The slope of that over
//! the last groups is compared with a threshold that follows the noise of the way, so that a
//! jittery network is no congested one.

/// Packets that leave within so many microseconds are one group.
const GROUP_US: i64 = 5_000;
/// Groups that make a trend.
const WINDOW: usize = 20;
/// How much the older delay counts when the newest is smoothed in.
const SMOOTHING: f64 = 0.9;
const GAIN: f64 = 4.0;
/// The threshold follows the trend upwards so fast, and downwards so fast, per millisecond.
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
const THRESHOLD_FIRST: f64 = 12.5;
const THRESHOLD_LEAST: f64 = 6.0;
const THRESHOLD_MOST: f64 = 600.0;
/// A trend so far above the threshold is no noise that it should follow.
const ADAPT_MAX: f64 = 15.0;
/// How long the trend must be above the threshold, in milliseconds.
const OVERUSE_MS: f64 = 10.0;
/// After a pause of so many microseconds the old trend says nothing.
const STALE_US: i64 = 1_000_000;

/// How long the shortest time on the way is believed, in microseconds: clocks that drift apart by
/// 100 ppm have moved by 3 ms then.
const BASE_US: i64 = 30_000_000;
/// What everything takes longer than that when a queue stands, in microseconds.
pub(crate) const STANDING_US: i64 = 100_000;

/// Whether a queue stands, full as it may be, and so does not grow: everything takes longer than
/// what was fastest in the last half minute.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// The shortest time on the way, and when it was last renewed; of this half minute, and the
    /// one before.
    fastest: [Option<i64>; 2],
    renewed_us: i64,
    /// The shortest since the last look.
    recent: Option<i64>,
}

impl Standing {
    pub(crate) fn handle_packet(&mut self, sent_us: i64, arrived_us: i64) {
        let takes = arrived_us - sent_us;
        if sent_us - self.renewed_us > BASE_US {
            self.fastest = [None, self.fastest[0]];
            self.renewed_us = sent_us;
        }
        let fastest = &mut self.fastest[0];
        *fastest = Some(fastest.map_or(takes, |least| least.min(takes)));
        self.recent = Some(self.recent.map_or(takes, |least| least.min(takes)));
    }

    /// Returns how long everything waited at least since the last look, in microseconds.
    pub(crate) fn look(&mut self) -> i64 {
        let base = self.fastest.iter().flatten().min();
        let recent = self.recent.take();
        recent.zip(base).map_or(0, |(recent, base)| recent - base)
    }
}

/// What the trend says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    #[default]
    Normal,
    /// A queue grows.
    Over,
    /// A queue drains.
    Under,
}

#[derive(Clone, Copy, Debug, Default)]
struct Group {
    first_sent_us: i64,
    sent_us: i64,
    arrived_us: i64,
}

/// The trend of the delay on one way.
#[derive(Clone, Debug)]
pub(crate) struct Delay {
    current: Option<Group>,
    previous: Option<Group>,
    first_arrived_us: Option<i64>,
    /// Arrival in milliseconds since the first, and the smoothed delay then.
    points: [(f64, f64); WINDOW],
    len: usize,
    groups: u32,
    accumulated: f64,
    smoothed: f64,
    threshold: f64,
    adapted_ms: Option<f64>,
    over_ms: f64,
    over_count: u32,
    last_trend: f64,
    usage: Usage,
}

impl Default for Delay {
    fn default() -> Self {
        Self {
            current: None,
            previous: None,
            first_arrived_us: None,
            points: [(0.0, 0.0); WINDOW],
            len: 0,
            groups: 0,
            accumulated: 0.0,
            smoothed: 0.0,
            threshold: THRESHOLD_FIRST,
            adapted_ms: None,
            over_ms: 0.0,
            over_count: 0,
            last_trend: 0.0,
            usage: Usage::Normal,
        }
    }
}

impl Delay {
    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// Begins a new trend; what is known of the noise stays.
    pub(crate) fn forget(&mut self) {
        let threshold = self.threshold;
        *self = Self {
            threshold,
            ..Self::default()
        };
    }

    /// Takes a packet that arrived, in the order in which they were sent.
    pub(crate) fn handle_packet(&mut self, sent_us: i64, arrived_us: i64) {
        let Some(current) = self.current.as_mut() else {
            self.current = Some(Group {
                first_sent_us: sent_us,
                sent_us,
                arrived_us,
            });
            return;
        };
        if sent_us < current.first_sent_us {
            return; // Of a group that is done with.
        }
        if sent_us - current.first_sent_us <= GROUP_US {
            current.sent_us = current.sent_us.max(sent_us);
            current.arrived_us = current.arrived_us.max(arrived_us);
            return;
        }
        let done = *current;
        if sent_us - done.sent_us > STALE_US {
            self.forget();
        } else {
            if let Some(previous) = self.previous {
                self.handle_group(&previous, &done);
            }
            self.previous = Some(done);
        }
        self.current = Some(Group {
            first_sent_us: sent_us,
            sent_us,
            arrived_us,
        });
    }

    fn handle_group(&mut self, previous: &Group, group: &Group) {
        let sent_ms = (group.sent_us - previous.sent_us) as f64 / 1000.0;
        let arrived_ms = (group.arrived_us - previous.arrived_us) as f64 / 1000.0;
        let first = *self.first_arrived_us.get_or_insert(group.arrived_us);
        let now_ms = (group.arrived_us - first) as f64 / 1000.0;
        self.groups = self.groups.saturating_add(1);
        self.accumulated += arrived_ms - sent_ms;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        if self.len == WINDOW {
            self.points.copy_within(1.., 0);
            self.len -= 1;
        }
        self.points[self.len] = (now_ms, self.smoothed);
        self.len += 1;
        let trend = match self.len == WINDOW {
            true => slope(&self.points).unwrap_or(self.last_trend),
            false => self.last_trend,
        };
        self.judge(trend, sent_ms, now_ms);
    }

    fn judge(&mut self, trend: f64, sent_ms: f64, now_ms: f64) {
        let scaled = f64::from(self.groups.min(60)) * trend * GAIN;
        if scaled > self.threshold {
            self.over_ms += match self.over_count {
                0 => sent_ms / 2.0,
                _ => sent_ms,
            };
            self.over_count += 1;
            if self.over_ms > OVERUSE_MS && self.over_count > 1 && trend >= self.last_trend {
                (self.over_ms, self.over_count) = (0.0, 0);
                self.usage = Usage::Over;
            }
        } else {
            (self.over_ms, self.over_count) = (0.0, 0);
            self.usage = match scaled < -self.threshold {
                true => Usage::Under,
                false => Usage::Normal,
            };
        }
        self.last_trend = trend;
        self.adapt(scaled.abs(), now_ms);
    }

    fn adapt(&mut self, trend: f64, now_ms: f64) {
        let last = self.adapted_ms.replace(now_ms).unwrap_or(now_ms);
        if trend > self.threshold + ADAPT_MAX {
            return;
        }
        let speed = match trend < self.threshold {
            true => THRESHOLD_DOWN,
            false => THRESHOLD_UP,
        };
        let elapsed = (now_ms - last).clamp(0.0, 100.0);
        self.threshold += speed * (trend - self.threshold) * elapsed;
        self.threshold = self.threshold.clamp(THRESHOLD_LEAST, THRESHOLD_MOST);
    }
}

/// Returns the slope of the line that lies closest to the points.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let (sum_x, sum_y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), (x, y)| {
        let step = x - mean_x;
        (above + step * (y - mean_y), below + step * step)
    });
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a group each 20 ms that takes so long on its way; returns what was seen.
    fn play(delays_us: impl IntoIterator<Item = i64>) -> Vec<Usage> {
        let mut delay = Delay::default();
        let mut seen = Vec::new();
        for (step, takes) in (0..).zip(delays_us) {
            let sent = step * 20_000;
            delay.handle_packet(sent, sent + takes);
            seen.push(delay.usage());
        }
        seen
    }

    #[test]
    fn a_steady_way_is_normal_whatever_it_takes_and_drifts() {
        // 100 ppm of 20 ms are 2 us a group.
        let drift = play((0..30_000).map(|step| 150_000 + step * 2));
        assert!(drift.iter().all(|usage| *usage == Usage::Normal));
    }

    #[test]
    fn a_growing_queue_is_seen_and_its_end_too() {
        let grows = (0..100).map(|step| {
            if step < 60 {
                20_000
            } else {
                20_000 + (step - 60) * 5_000
            }
        });
        let drains = (0..40).map(|step| 220_000 - step * 5_000);
        let seen = play(grows.chain(drains));
        let first = seen.iter().position(|usage| *usage == Usage::Over).unwrap();
        assert!((60..75).contains(&first), "{first}");
        assert!(seen[100..].contains(&Usage::Under));
    }

    #[test]
    fn jitter_is_no_queue() {
        let mut chance = 7u32;
        let jitter = (0..3000).map(|_| {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            20_000 + i64::from(chance >> 16) % 10_000
        });
        let over = play(jitter)
            .iter()
            .filter(|usage| **usage == Usage::Over)
            .count();
        assert!(over < 30, "{over}");
    }
}
