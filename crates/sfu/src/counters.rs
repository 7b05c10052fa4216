//! Counts of everything that a router took in, gave out or dropped.

/// What happened to packets, one count for each cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Media packets that belong to a track.
    pub received: u64,
    /// Packets written for subscribers.
    pub forwarded: u64,
    /// Dropped: no track has this source, or its payload type.
    pub unknown_source: u64,
    /// Dropped: a peer used more sources than its tracks can need.
    pub too_many_sources: u64,
    /// Dropped: a retransmission of what was not missing, or a probe.
    pub retransmission: u64,
    /// Dropped: the VP8 descriptor does not parse.
    pub malformed: u64,
    /// Not forwarded: the subscriber waits for a keyframe, or watches another encoding.
    pub not_wanted: u64,
    /// Not forwarded: the packet was overtaken by the keyframe that the subscriber started with.
    pub overtaken: u64,
    /// Not forwarded: the packet does not fit the outgoing buffer.
    pub too_large: u64,
    /// Keyframe requests sent to publishers.
    pub keyframe_requests: u64,
    /// Keyframe requests that came from subscribers.
    pub keyframe_requests_received: u64,
    /// Missing packets that publishers were asked for, each request counted.
    pub missing_asked: u64,
    /// Missing packets that publishers sent again in time.
    pub restored: u64,
    /// Packets sent to subscribers again.
    pub repaired: u64,
    /// Packets that subscribers asked for in vain: too old, never sent, or too many.
    pub repairs_refused: u64,
    /// RTCP datagrams that broke off at a packet that does not parse.
    pub malformed_rtcp: u64,
    /// Publications ignored: an illegal mid, too many, or a track that another peer publishes.
    pub refused_publications: u64,
    /// Subscriptions ignored: an illegal mid, or too many.
    pub refused_subscriptions: u64,
    /// Notices dropped because the control side takes none.
    pub notices_dropped: u64,
    /// Packets that waited for their turn on a congested way.
    pub paced: u64,
    /// Pictures not sent because too much waited already.
    pub pictures_dropped: u64,
    /// Packets of padding sent to try out what ways carry.
    pub padding: u64,
    /// Transport-wide feedback sent to publishers.
    pub feedback_sent: u64,
    /// Transport-wide feedback that came from subscribers.
    pub feedback_received: u64,
    /// Pictures paused because a way does not carry them.
    pub pauses: u64,
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        // Naming every field makes a forgotten one an error.
        let Self {
            received,
            forwarded,
            unknown_source,
            too_many_sources,
            retransmission,
            malformed,
            not_wanted,
            overtaken,
            too_large,
            keyframe_requests,
            keyframe_requests_received,
            missing_asked,
            restored,
            repaired,
            repairs_refused,
            malformed_rtcp,
            refused_publications,
            refused_subscriptions,
            notices_dropped,
            paced,
            pictures_dropped,
            padding,
            feedback_sent,
            feedback_received,
            pauses,
        } = other;
        self.received += received;
        self.forwarded += forwarded;
        self.unknown_source += unknown_source;
        self.too_many_sources += too_many_sources;
        self.retransmission += retransmission;
        self.malformed += malformed;
        self.not_wanted += not_wanted;
        self.overtaken += overtaken;
        self.too_large += too_large;
        self.keyframe_requests += keyframe_requests;
        self.keyframe_requests_received += keyframe_requests_received;
        self.missing_asked += missing_asked;
        self.restored += restored;
        self.repaired += repaired;
        self.repairs_refused += repairs_refused;
        self.malformed_rtcp += malformed_rtcp;
        self.refused_publications += refused_publications;
        self.refused_subscriptions += refused_subscriptions;
        self.notices_dropped += notices_dropped;
        self.paced += paced;
        self.pictures_dropped += pictures_dropped;
        self.padding += padding;
        self.feedback_sent += feedback_sent;
        self.feedback_received += feedback_received;
        self.pauses += pauses;
    }
}
