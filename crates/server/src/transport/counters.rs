//! Counts of what the shard did and dropped, readable from other threads.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that one thread raises and others read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Raises the count. Only the shard's thread writes, so that a plain store is enough.
    pub(super) fn add(&self, count: u64) {
        self.0
            .store(self.get().wrapping_add(count), Ordering::Relaxed);
    }

    /// Sets the count to one that is kept elsewhere.
    pub(super) fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    /// Returns the count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything that a shard counts. Each drop of a datagram has a cause here or in
/// [`snug_sfu::Counters`].
#[derive(Debug, Default)]
pub struct Counters {
    /// Datagrams read.
    pub datagrams_received: Counter,
    /// Datagrams handed to the system.
    pub datagrams_sent: Counter,
    /// System calls made to send them.
    pub send_calls: Counter,
    /// Datagrams dropped because the socket's buffer was full.
    pub send_would_block: Counter,
    /// Datagrams that the system refused to send.
    pub send_failed: Counter,
    /// Runs of datagrams that had to be sent one by one.
    pub segment_fallbacks: Counter,
    /// Reads that failed other than by having nothing.
    pub receive_failed: Counter,
    /// Dropped: longer than a slot.
    pub truncated: Counter,
    /// Dropped: no known kind of datagram, or one that has no place where it came.
    pub unknown_kind: Counter,
    /// Dropped: STUN that does not parse, or is not for an ICE-lite server.
    pub stun_malformed: Counter,
    /// Dropped: checks with unknown, expired or wrong credentials.
    pub stun_refused: Counter,
    /// Checks answered.
    pub stun_answered: Counter,
    /// TURN requests answered, granted or not.
    pub turn_answered: Counter,
    /// Dropped: TURN messages that are not allowed here, or whose answer would be longer.
    pub turn_refused: Counter,
    /// Dropped: checks for another peer than the owner of the allocation that they came through.
    pub turn_foreign: Counter,
    /// Dropped: messages for a TCP connection to the TURN server that does not keep up.
    pub turn_stream_full: Counter,
    /// Dropped: a check from an address that another peer is using.
    pub address_taken: Counter,
    /// Dropped: media or DTLS from an address that no peer was checked on.
    pub unknown_address: Counter,
    /// Dropped: DTLS of a peer that was refused, or whose offer is not known yet.
    pub dtls_unexpected: Counter,
    /// DTLS datagrams that ended in an error.
    pub dtls_failed: Counter,
    /// DTLS application data, for which there is no use yet.
    pub dtls_data_unused: Counter,
    /// Dropped: media before the keys were agreed.
    pub media_early: Counter,
    /// Dropped: SRTP that is malformed or has too many sources.
    pub srtp_malformed: Counter,
    /// Dropped: SRTP received before, or too old.
    pub srtp_replayed: Counter,
    /// Dropped: SRTP whose tag is wrong.
    pub srtp_forged: Counter,
    /// Dropped: packets for a peer that cannot be sent to.
    pub unreachable: Counter,
    /// Dropped: packets that could not be sealed.
    pub seal_failed: Counter,
    /// Commands that named an unknown peer.
    pub commands_ignored: Counter,
    /// Events dropped because a peer's room does not read them.
    pub events_dropped: Counter,
    /// Peers forgotten because their room ended without removing them.
    pub peers_orphaned: Counter,
    /// Media packets taken in by the routers.
    pub media_received: Counter,
    /// Media packets written for subscribers.
    pub media_forwarded: Counter,
    /// Media packets that belong to no track, or cannot be read.
    pub media_unusable: Counter,
    /// Media packets that a subscriber did not get, waiting for a keyframe or on another layer.
    pub media_not_wanted: Counter,
    /// Keyframe requests sent to publishers.
    pub keyframe_requests: Counter,
    /// Missing packets that publishers were asked for, each request counted.
    pub missing_asked: Counter,
    /// Missing packets that publishers sent again in time.
    pub restored: Counter,
    /// Packets sent to subscribers again.
    pub repaired: Counter,
    /// Packets that subscribers asked for in vain: too old, never sent, or too many.
    pub repairs_refused: Counter,
    /// Packets that waited for their turn on a congested way.
    pub paced: Counter,
    /// Pictures not sent because too much waited already.
    pub pictures_dropped: Counter,
    /// Packets of padding sent to try out what ways carry.
    pub padding: Counter,
    /// Pictures paused because a way does not carry them.
    pub pauses: Counter,
}

impl Counters {
    /// Publishes the sums of all routers' counts.
    pub(super) fn publish(&self, sum: &snug_sfu::Counters) {
        self.media_received.set(sum.received);
        self.media_forwarded.set(sum.forwarded);
        self.media_unusable
            .set(sum.unknown_source + sum.too_many_sources + sum.retransmission + sum.malformed);
        self.media_not_wanted
            .set(sum.not_wanted + sum.overtaken + sum.too_large);
        self.keyframe_requests.set(sum.keyframe_requests);
        self.missing_asked.set(sum.missing_asked);
        self.restored.set(sum.restored);
        self.repaired.set(sum.repaired);
        self.repairs_refused.set(sum.repairs_refused);
        self.paced.set(sum.paced);
        self.pictures_dropped.set(sum.pictures_dropped);
        self.padding.set(sum.padding);
        self.pauses.set(sum.pauses);
    }
}
