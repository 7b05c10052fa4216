//! How often people may join rooms from one address, as plain data.
//!
//! Rules, each with its why:
//! - An address may bring everybody at once who may be connected from there: a school whose
//!   lesson begins. Who joins on and on is refused for a moment, with a reason; clients try again
//!   by themselves.
//! - Programs of this computer are not counted: everybody may come through one of them, a proxy
//!   or a tunnel.
//! - Memory is bounded. An address of which nothing is owed is forgotten first; a flood of
//!   addresses is the system's to stop, and is let in rather than that it shut out others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::listener::{Group, OPEN_PER_ADDRESS_MAX};

/// What a join costs: twenty a second go on for ever. What it costs a full room, news to 63 others
/// of a person who comes and goes, is some thousand letters a second then.
const JOIN: Duration = Duration::from_millis(50);

/// Joins that an address may save up.
const SAVED_MAX: Duration = JOIN.saturating_mul(OPEN_PER_ADDRESS_MAX as u32);

/// Addresses remembered.
const GROUPS_MAX: usize = 4096;

/// Counts the joins of every address.
#[derive(Debug, Default)]
pub(crate) struct Joins {
    /// When all joins of an address are paid for.
    paid_at: Mutex<HashMap<Group, Instant>>,
}

impl Joins {
    /// Counts a join from `ip`. Returns false when it has to wait.
    pub fn admit(&self, ip: IpAddr, now: Instant) -> bool {
        if ip.to_canonical().is_loopback() {
            return true;
        }
        let mut all = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        let group = Group::of(ip);
        if all.len() >= GROUPS_MAX && !all.contains_key(&group) {
            all.retain(|_, paid_at| *paid_at > now);
            if all.len() >= GROUPS_MAX {
                return true;
            }
        }
        let paid_at = all.entry(group).or_insert(now);
        let next = (*paid_at).max(now) + JOIN;
        let may = next <= now + SAVED_MAX;
        if may {
            *paid_at = next;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_school_comes_in_at_once_and_one_more_waits_for_its_moment() {
        let (joins, now) = (Joins::default(), Instant::now());
        let school = ip("10.0.0.1");
        assert!((0..OPEN_PER_ADDRESS_MAX).all(|_| joins.admit(school, now)));
        assert!(!joins.admit(school, now), "one past the limit");
        assert!(joins.admit(ip("10.0.0.2"), now), "others have their own");
        assert!(joins.admit(school, now + JOIN));
        assert!(!joins.admit(school, now + JOIN));
        let later = now + Duration::from_secs(10) + JOIN;
        let admitted = (0..1000).filter(|_| joins.admit(school, later)).count();
        assert_eq!(admitted, 200, "twenty a second");
    }

    #[test]
    fn programs_of_this_computer_are_not_counted() {
        let (joins, now) = (Joins::default(), Instant::now());
        let all = 0..2 * OPEN_PER_ADDRESS_MAX;
        assert!(all.clone().all(|_| joins.admit(ip("127.0.0.1"), now)));
        assert!(all.clone().all(|_| joins.admit(ip("::1"), now)));
        assert!(joins.paid_at.lock().unwrap().is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_nobody_is_shut_out_by_others() {
        let (joins, now) = (Joins::default(), Instant::now());
        for number in 0..2 * GROUPS_MAX {
            let number = u32::try_from(number).unwrap();
            assert!(joins.admit(IpAddr::V4((0x0a00_0000 + number).into()), now));
        }
        let remembered = |joins: &Joins| joins.paid_at.lock().unwrap().len();
        assert_eq!(remembered(&joins), GROUPS_MAX);
        assert!(joins.admit(ip("192.0.2.1"), now + JOIN));
        assert_eq!(remembered(&joins), 1, "those who owe nothing are forgotten");
    }
}
