//! Nonces that need no memory, and a bound on what strangers are answered.

use super::message::{self, Refusal, Request};
use crate::transport::stun::RESPONSE_LEN_MAX;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore as _;
use ring::hmac;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Names whose credentials are wanted.
pub(super) const REALM: &str = "snug";
/// How long a nonce is good, in minutes: RFC 8656 section 5 asks for at most an hour.
const NONCE_MINUTES_MAX: u16 = 60;
/// A nonce in base64: two bytes of time and four that prove it is ours. Nothing is signed with
/// it, so a short one does, and keeps the challenge short.
pub(super) const NONCE_LEN: usize = 8;
/// Challenges to the addresses of one bucket within [`CHALLENGE_WINDOW`]: a class of thirty behind
/// one address that joins at once, with four ways to each server. What is beyond comes again.
const CHALLENGES_MAX: u16 = 128;
const CHALLENGE_WINDOW: Duration = Duration::from_secs(1);
/// Addresses are counted in so many buckets.
const BUCKETS: usize = 1024;

/// Challenges strangers to name themselves.
pub(super) struct Challenger {
    key: hmac::Key,
    started_at: Instant,
    window: Instant,
    counts: Box<[u16; BUCKETS]>,
}

impl Challenger {
    pub(super) fn new(now: Instant) -> Self {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            started_at: now,
            window: now,
            counts: Box::new([0; BUCKETS]),
        }
    }

    /// Writes the answer to a request that is not authenticated; returns its length.
    pub(super) fn write(
        &self,
        request: &Request<'_>,
        refusal: Refusal,
        now: Instant,
        out: &mut [u8; RESPONSE_LEN_MAX],
    ) -> usize {
        match refusal {
            Refusal::Unauthenticated | Refusal::StaleNonce => {
                let nonce = self.nonce(now);
                message::write_challenge(out, request, refusal, REALM, &nonce)
            }
            _ => message::write_bare_error(out, request, refusal),
        }
    }

    fn nonce(&self, now: Instant) -> [u8; NONCE_LEN] {
        self.nonce_of(self.minute(now))
    }

    fn nonce_of(&self, minute: u16) -> [u8; NONCE_LEN] {
        let minute = minute.to_be_bytes();
        let proof = hmac::sign(&self.key, &minute);
        let mut raw = [0; 6];
        raw[..2].copy_from_slice(&minute);
        raw[2..].copy_from_slice(&proof.as_ref()[..4]);
        let mut nonce = [0; NONCE_LEN];
        URL_SAFE_NO_PAD
            .encode_slice(raw, &mut nonce)
            .expect("six bytes are eight in base64");
        nonce
    }

    /// Tells whether a nonce is ours and not too old.
    pub(super) fn is_fresh(&self, nonce: &[u8], now: Instant) -> bool {
        let mut raw = [0; 6];
        if !matches!(URL_SAFE_NO_PAD.decode_slice(nonce, &mut raw), Ok(6)) {
            return false;
        }
        let minute = u16::from_be_bytes([raw[0], raw[1]]);
        let age = self.minute(now).wrapping_sub(minute);
        age <= NONCE_MINUTES_MAX && nonce == self.nonce_of(minute)
    }

    /// Counts minutes around the 45 days that fit.
    fn minute(&self, now: Instant) -> u16 {
        let minutes = now.saturating_duration_since(self.started_at).as_secs() / 60;
        (minutes % (1 << 16)) as u16
    }

    /// Counts a challenge to an address; returns whether it may be sent.
    pub(super) fn may_challenge(&mut self, ip: IpAddr, now: Instant) -> bool {
        if now.saturating_duration_since(self.window) >= CHALLENGE_WINDOW {
            self.window = now;
            self.counts.fill(0);
        }
        let mark = match ip.to_canonical() {
            IpAddr::V4(ip) => hmac::sign(&self.key, &ip.octets()),
            // A home has a /64 of them.
            IpAddr::V6(ip) => hmac::sign(&self.key, &ip.octets()[..8]),
        };
        let bucket = u16::from_be_bytes([mark.as_ref()[0], mark.as_ref()[1]]);
        let count = &mut self.counts[usize::from(bucket) % BUCKETS];
        *count = count.saturating_add(1);
        *count <= CHALLENGES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_nonce_is_good_for_an_hour_and_only_here() {
        let now = Instant::now();
        let (ours, other) = (Challenger::new(now), Challenger::new(now));
        let nonce = ours.nonce(now);
        assert!(ours.is_fresh(&nonce, now) && !other.is_fresh(&nonce, now));
        assert!(ours.is_fresh(&nonce, now + 60 * MINUTE));
        assert!(!ours.is_fresh(&nonce, now + 61 * MINUTE));
        let later = now + (1 << 17) * MINUTE;
        assert!(ours.is_fresh(&ours.nonce(later), later));
        for bad in [
            &b""[..],
            b"AAAAAAAA",
            b"AAAA",
            b"AAAAAAAAAAAA",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(!ours.is_fresh(bad, now), "{bad:?}");
        }
    }

    #[test]
    fn an_address_is_challenged_so_often_a_second_and_no_more() {
        let now = Instant::now();
        let mut challenger = Challenger::new(now);
        let ip: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..CHALLENGES_MAX {
            assert!(challenger.may_challenge(ip, now));
        }
        assert!(!challenger.may_challenge(ip, now));
        assert!(!challenger.may_challenge("::ffff:192.0.2.1".parse().unwrap(), now));
        assert!(challenger.may_challenge(ip, now + CHALLENGE_WINDOW));
    }
}
