//! How often a passcode may be tried.
//!
//! Rules, each with its why:
//! - One source may fail five times at once, and then once a minute: a person mistypes, a program
//!   guesses. A source is an IPv4 address or an IPv6 /64, which is what one network gets.
//! - A room takes twenty failures in ten minutes from all sources together: whoever has many
//!   addresses gains nothing. From then on it takes no try at all until the oldest is ten minutes
//!   old, not even a right one: else a guess could still be told from the rest.
//! - A try counts when its proof is judged, before the answer goes out, in the one place that
//!   judges: a thousand at once are no more than a thousand in a row.
//! - What is kept is bounded by the room's own limit.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Failures of one source before it has to wait.
const SOURCE_FAILURES_MAX: usize = 5;

/// How long it then waits from one try to the next.
const SOURCE_REST: Duration = Duration::from_secs(60);

/// Failures of all sources together.
const ROOM_FAILURES_MAX: usize = 20;

/// For how long a failure counts.
const FAILURE_COUNTS: Duration = Duration::from_secs(600);

/// Why a passcode is not even looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRefused {
    /// This source has to wait until then.
    Source(Instant),
    /// The room has had too many; nobody may try until then. Its host is to be told.
    Room(Instant),
}

/// The failures of a room's last ten minutes, the oldest first.
#[derive(Debug, Default)]
pub struct Tries {
    failures: VecDeque<(IpAddr, Instant)>,
}

impl Tries {
    /// Says whether this address may try now.
    ///
    /// # Errors
    /// [`TryRefused`] says who has to wait, and until when.
    pub fn admit(&mut self, address: IpAddr, now: Instant) -> Result<(), TryRefused> {
        self.forget(now);
        if let Some(&(_, oldest)) = self.failures.front()
            && self.failures.len() >= ROOM_FAILURES_MAX
        {
            return Err(TryRefused::Room(oldest + FAILURE_COUNTS));
        }
        let source = source_of(address);
        let mut own = self.failures.iter().rev().filter(|it| it.0 == source);
        let last = own.next().map(|&(_, at)| at);
        match last {
            Some(last) if own.count() + 1 >= SOURCE_FAILURES_MAX && now < last + SOURCE_REST => {
                Err(TryRefused::Source(last + SOURCE_REST))
            }
            _ => Ok(()),
        }
    }

    /// Counts a failure of this address. Returns true for the one that closes the room.
    pub fn fail(&mut self, address: IpAddr, now: Instant) -> bool {
        self.forget(now);
        if self.failures.len() >= ROOM_FAILURES_MAX {
            return false;
        }
        self.failures.push_back((source_of(address), now));
        self.failures.len() == ROOM_FAILURES_MAX
    }

    fn forget(&mut self, now: Instant) {
        while let Some(&(_, at)) = self.failures.front()
            && now >= at + FAILURE_COUNTS
        {
            self.failures.pop_front();
        }
    }
}

/// Returns what stands for whoever has this address.
fn source_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => IpAddr::V4(address),
            None => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn zero() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "any instant serves as zero")]
        Instant::now()
    }

    fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_source_fails_five_times_and_then_once_a_minute() {
        let (mut tries, start) = (Tries::default(), zero());
        for _ in 0..5 {
            assert_eq!(tries.admit(v4(1), start), Ok(()));
            assert!(!tries.fail(v4(1), start));
        }
        let until = start + secs(60);
        assert_eq!(tries.admit(v4(1), start), Err(TryRefused::Source(until)));
        let before = until - Duration::from_millis(1);
        assert_eq!(tries.admit(v4(1), before), Err(TryRefused::Source(until)));
        assert_eq!(tries.admit(v4(2), start), Ok(()), "others may");
        for minute in 1..4 {
            let now = start + secs(60 * minute);
            assert_eq!(tries.admit(v4(1), now), Ok(()));
            tries.fail(v4(1), now);
            let next = Err(TryRefused::Source(now + secs(60)));
            assert_eq!(tries.admit(v4(1), now), next);
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_source_and_mapped_addresses_are_ipv4() {
        let (mut tries, now) = (Tries::default(), zero());
        for host in 0..5 {
            tries.fail(format!("2001:db8:0:1::{host}").parse().unwrap(), now);
            tries.fail(format!("::ffff:10.0.0.{host}").parse().unwrap(), now);
        }
        let may =
            |tries: &mut Tries, address: &str| tries.admit(address.parse().unwrap(), now).is_ok();
        assert!(!may(&mut tries, "2001:db8:0:1:ffff::9"));
        assert!(may(&mut tries, "2001:db8:0:2::1"));
        assert!(may(&mut tries, "10.0.0.1"));
        for _ in 0..4 {
            tries.fail("::ffff:10.0.0.1".parse().unwrap(), now);
        }
        assert!(!may(&mut tries, "10.0.0.1"));
    }

    #[test]
    fn two_hundred_sources_get_no_more_tries_than_the_room_takes() {
        let (mut tries, start) = (Tries::default(), zero());
        let (mut judged, mut closings) = (0, 0);
        for second in 0..600 {
            let now = start + secs(second);
            for source in 0..200 {
                if tries.admit(v4(source), now).is_ok() {
                    judged += 1;
                    closings += usize::from(tries.fail(v4(source), now));
                }
            }
        }
        assert_eq!((judged, closings), (20, 1));
        let until = start + secs(600);
        let refused = tries.admit(v4(250), until - secs(1));
        assert_eq!(refused, Err(TryRefused::Room(until)));
        assert_eq!(tries.admit(v4(250), until), Ok(()));
    }

    #[test]
    fn what_is_kept_is_bounded_whatever_fails() {
        let (mut tries, now) = (Tries::default(), zero());
        for n in 0..10_000u32 {
            tries.fail(IpAddr::from(n.to_be_bytes()), now);
        }
        assert_eq!(tries.failures.len(), ROOM_FAILURES_MAX);
    }
}
