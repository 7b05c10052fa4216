//! The times a client goes by.

use std::time::Duration;

/// Lists growing delays; the last one repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    steps: Vec<Duration>,
}

impl Backoff {
    /// Makes a backoff from its delays in milliseconds; without any, every delay is zero.
    pub fn from_millis(steps_ms: &[u64]) -> Self {
        Backoff {
            steps: steps_ms
                .iter()
                .copied()
                .map(Duration::from_millis)
                .collect(),
        }
    }

    /// Returns the delay before attempt `attempt`, counted from 0.
    pub fn delay(&self, attempt: usize) -> Duration {
        let step = self.steps.get(attempt).or(self.steps.last());
        step.copied().unwrap_or_default()
    }
}

/// Says how patient a client is. The default is what npm `phoenix` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How often a heartbeat goes out: 30 s; Snug uses 1 s because it is also its ping.
    pub heartbeat_interval: Duration,
    /// How long nothing at all may come back after a heartbeat before the connection counts as
    /// dead: 30 s.
    pub heartbeat_timeout: Duration,
    /// How long a join or a push waits for its reply: 10 s.
    pub reply_timeout: Duration,
    /// Delays before connecting again.
    pub reconnect: Backoff,
    /// Delays before joining again on a living connection.
    pub rejoin: Backoff,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            heartbeat_interval: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(30),
            reply_timeout: Duration::from_secs(10),
            reconnect: Backoff::from_millis(&[10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000]),
            rejoin: Backoff::from_millis(&[1000, 2000, 5000, 10_000]),
        }
    }
}
