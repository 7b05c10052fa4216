//! RTP, RTCP and VP8 payload views: packets, sequence and time types.
