//! SRTP and SRTCP of one peer, sealed and opened in place (RFC 3711, RFC 7714).
//!
//! Rules: no state is made for a source, and no window moves, before a packet of it proved
//! authentic; the rollover counter follows the nearest-number rule of RFC 3711 section 3.3.1, so
//! loss and reordering around the wrap do not lose it; what is sent is never longer than the
//! packet and [`OVERHEAD_MAX`].

mod cipher;
mod replay;

use super::keyed::KeyMap;
use cipher::{Cipher, SessionKeys};
use replay::Window;
use rtc_crypto::RTCCrypto;
use snug_rtp::{Header, SequenceNumber};

pub(super) use cipher::Profile;

/// The most bytes that sealing adds: a 16-byte tag and the SRTCP index.
pub(super) const OVERHEAD_MAX: usize = 20;
/// The most sources of one direction in the life of a session. None is forgotten, since a number
/// must never be sealed twice, and each track that comes and goes takes a new one: enough for a
/// camera that everybody of a full room toggles all day, at 1 MiB when it is used up.
const STREAMS_MAX: usize = 16_384;
const RTCP_HEADER_LEN: usize = 8;
const INDEX_LEN: usize = 4;
const ENCRYPTED_FLAG: u32 = 1 << 31;

/// Why a packet was not opened, or not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not an RTP or RTCP packet, or too short to carry a tag.
    Malformed,
    /// It was received before, or is too old to tell.
    Replayed,
    /// Its tag does not fit.
    Forged,
    /// There are too many sources, or its numbers are used up.
    Exhausted,
}

/// Both directions of one peer's media encryption.
pub(super) struct Session {
    inbound: Direction,
    outbound: Direction,
}

struct Direction {
    rtp: Cipher,
    rtcp: Cipher,
    streams: KeyMap<u32, Stream>,
    rtcp_streams: KeyMap<u32, Window>,
    /// The last SRTCP index sent. One counter for all sources keeps every nonce unique.
    rtcp_index: u32,
}

/// One source's place: the highest packet index (rollover counter and sequence number) and,
/// inbound, which below it were seen.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    window: Window,
}

impl Session {
    /// Splits the keying material that DTLS exported, for the server's side of it (RFC 5764
    /// section 4.2).
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it is not [`Profile::keying_material_len`] bytes long.
    pub(super) fn new(
        profile: Profile,
        material: &[u8],
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, Refusal> {
        if material.len() != profile.keying_material_len() {
            return Err(Refusal::Malformed);
        }
        let (keys, salts) = material.split_at(2 * profile.key_len());
        let (client_key, server_key) = keys.split_at(profile.key_len());
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        let direction = |key, salt| Direction::new(profile, &SessionKeys { key, salt }, crypto);
        Ok(Self {
            inbound: direction(client_key, client_salt)?,
            outbound: direction(server_key, server_salt)?,
        })
    }

    /// Turns the session round, for a test that plays the client.
    #[cfg(test)]
    pub(super) fn swapped(self) -> Self {
        Self {
            inbound: self.outbound,
            outbound: self.inbound,
        }
    }

    /// Opens an SRTP packet in place; returns its header and its length without the tag.
    pub(super) fn open_rtp(&mut self, data: &mut [u8]) -> Result<(Header, usize), Refusal> {
        let header = Header::parse(data).map_err(|_| Refusal::Malformed)?;
        let Direction { rtp, streams, .. } = &mut self.inbound;
        let known = streams.get(&header.ssrc).copied();
        if known.is_none() && streams.len() >= STREAMS_MAX {
            return Err(Refusal::Exhausted);
        }
        let mut stream = known.unwrap_or_default();
        let index = stream
            .window
            .place(header.sequence)
            .ok_or(Refusal::Replayed)?;
        if !stream.window.is_new(index) {
            return Err(Refusal::Replayed);
        }
        let len = rtp.open_rtp(data, &header, index)?;
        stream.window.accept(index);
        streams.insert(header.ssrc, stream);
        Ok((header, len))
    }

    /// Seals the RTP packet in the first `len` bytes of `buffer`; returns the new length.
    pub(super) fn seal_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refusal> {
        let packet = buffer.get(..len).ok_or(Refusal::Malformed)?;
        let header = Header::parse(packet).map_err(|_| Refusal::Malformed)?;
        let Direction { rtp, streams, .. } = &mut self.outbound;
        if streams.len() >= STREAMS_MAX && !streams.contains_key(&header.ssrc) {
            return Err(Refusal::Exhausted);
        }
        let stream = streams.entry(header.ssrc).or_default();
        let index = stream
            .window
            .place(header.sequence)
            .ok_or(Refusal::Exhausted)?;
        // Sealing two packets under one number would give their difference away.
        if !stream.window.is_new(index) {
            return Err(Refusal::Replayed);
        }
        stream.window.accept(index);
        rtp.seal_rtp(buffer, len, &header, index)
    }

    /// Opens an SRTCP packet in place; returns its length without index and tag.
    pub(super) fn open_rtcp(&mut self, data: &mut [u8]) -> Result<usize, Refusal> {
        let Direction {
            rtcp, rtcp_streams, ..
        } = &mut self.inbound;
        let (ssrc, word) = (rtcp_ssrc(data)?, rtcp.rtcp_word(data)?);
        // Everybody encrypts; a packet that only authenticates would be a downgrade.
        if word & ENCRYPTED_FLAG == 0 {
            return Err(Refusal::Forged);
        }
        let known = rtcp_streams.get(&ssrc).copied();
        if known.is_none() && rtcp_streams.len() >= STREAMS_MAX {
            return Err(Refusal::Exhausted);
        }
        let mut window = known.unwrap_or_default();
        let index = u64::from(word & !ENCRYPTED_FLAG);
        if !window.is_new(index) {
            return Err(Refusal::Replayed);
        }
        let len = rtcp.open_rtcp(data, ssrc, word)?;
        window.accept(index);
        rtcp_streams.insert(ssrc, window);
        Ok(len)
    }

    /// Seals the RTCP packet in the first `len` bytes of `buffer`; returns the new length.
    pub(super) fn seal_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refusal> {
        let ssrc = rtcp_ssrc(buffer.get(..len).ok_or(Refusal::Malformed)?)?;
        let Direction {
            rtcp, rtcp_index, ..
        } = &mut self.outbound;
        // 2^31 packets under one key (RFC 3711 section 9.2): years at any rate of ours.
        let next = rtcp_index
            .checked_add(1)
            .filter(|index| index & ENCRYPTED_FLAG == 0);
        *rtcp_index = next.ok_or(Refusal::Exhausted)?;
        rtcp.seal_rtcp(buffer, len, ssrc, *rtcp_index | ENCRYPTED_FLAG)
    }
}

impl Direction {
    fn new(
        profile: Profile,
        keys: &SessionKeys<'_>,
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            rtp: Cipher::for_rtp(profile, keys, crypto)?,
            rtcp: Cipher::for_rtcp(profile, keys, crypto)?,
            streams: KeyMap::default(),
            rtcp_streams: KeyMap::default(),
            rtcp_index: 0,
        })
    }
}

impl Window {
    /// Places a sequence number nearest to the highest index; none before the start of time.
    fn place(&self, sequence: SequenceNumber) -> Option<u64> {
        let Some(highest) = self.highest() else {
            return Some(u64::from(sequence.0));
        };
        let step = sequence.distance_from(SequenceNumber(highest as u16));
        highest
            .checked_add_signed(i64::from(step))
            .filter(|index| index >> 48 == 0)
    }
}

/// Reads the source of a compound's first packet.
fn rtcp_ssrc(data: &[u8]) -> Result<u32, Refusal> {
    let head = data
        .first_chunk::<RTCP_HEADER_LEN>()
        .ok_or(Refusal::Malformed)?;
    Ok(u32::from_be_bytes([head[4], head[5], head[6], head[7]]))
}

#[cfg(test)]
mod tests;
