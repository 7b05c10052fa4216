//! The three protection profiles: AES-GCM with ring for nearly everybody, AES-CM with
//! HMAC-SHA1 for clients that know nothing else.

use super::{INDEX_LEN, RTCP_HEADER_LEN, Refusal};
use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use rtc_crypto::{
    BlockCipherAlgorithm, HmacAlgorithm, Mac, RTCCrypto, StreamCipher, StreamCipherAlgorithm,
};
use snug_rtp::Header;

const GCM_TAG_LEN: usize = 16;
const GCM_SALT_LEN: usize = 12;
const CM_TAG_LEN: usize = 10;
const CM_SALT_LEN: usize = 14;
const SHA1_LEN: usize = 20;

/// A DTLS-SRTP protection profile (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// `SRTP_AEAD_AES_128_GCM`, the cheapest: a quarter of AES-CM's time.
    Gcm128,
    /// `SRTP_AEAD_AES_256_GCM`.
    Gcm256,
    /// `SRTP_AES128_CM_HMAC_SHA1_80`, which every client must know.
    Cm128Sha1,
}

impl Profile {
    pub(crate) fn key_len(self) -> usize {
        if self == Self::Gcm256 { 32 } else { 16 }
    }

    pub(crate) fn salt_len(self) -> usize {
        if self == Self::Cm128Sha1 {
            CM_SALT_LEN
        } else {
            GCM_SALT_LEN
        }
    }

    /// Returns how many bytes to export from DTLS: two keys and two salts.
    pub(crate) fn keying_material_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }
}

/// The master key and salt of one direction.
pub(super) struct SessionKeys<'a> {
    pub(super) key: &'a [u8],
    pub(super) salt: &'a [u8],
}

/// Seals or opens the packets of one direction, SRTP or SRTCP.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every peer uses the large one, and a box would cost it a cache miss a packet"
)]
pub(super) enum Cipher {
    Gcm {
        key: LessSafeKey,
        salt: [u8; GCM_SALT_LEN],
    },
    Cm {
        stream: Box<dyn StreamCipher>,
        mac: Box<dyn Mac>,
        salt: [u8; CM_SALT_LEN],
    },
}

/// The labels of the derived keys (RFC 3711 section 4.3.1).
struct Labels {
    encryption: u8,
    authentication: u8,
    salt: u8,
}

const RTP_LABELS: Labels = Labels {
    encryption: 0,
    authentication: 1,
    salt: 2,
};
const RTCP_LABELS: Labels = Labels {
    encryption: 3,
    authentication: 4,
    salt: 5,
};

impl Cipher {
    pub(super) fn for_rtp(
        profile: Profile,
        keys: &SessionKeys<'_>,
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, Refusal> {
        Self::new(profile, keys, &RTP_LABELS, crypto)
    }

    pub(super) fn for_rtcp(
        profile: Profile,
        keys: &SessionKeys<'_>,
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, Refusal> {
        Self::new(profile, keys, &RTCP_LABELS, crypto)
    }

    fn new(
        profile: Profile,
        keys: &SessionKeys<'_>,
        labels: &Labels,
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, Refusal> {
        let mut key = [0; 32];
        let key = &mut key[..profile.key_len()];
        derive(crypto, keys, labels.encryption, key)?;
        if profile == Profile::Cm128Sha1 {
            let (mut authentication, mut salt) = ([0; SHA1_LEN], [0; CM_SALT_LEN]);
            derive(crypto, keys, labels.authentication, &mut authentication)?;
            derive(crypto, keys, labels.salt, &mut salt)?;
            let stream = crypto.new_stream_cipher(StreamCipherAlgorithm::Aes128Ctr, key);
            let mac = crypto.new_hmac(HmacAlgorithm::Sha1, &authentication);
            let refuse = |_| Refusal::Malformed;
            return Ok(Self::Cm {
                stream: stream.map_err(refuse)?,
                mac: mac.map_err(refuse)?,
                salt,
            });
        }
        let algorithm = match profile {
            Profile::Gcm256 => &aead::AES_256_GCM,
            Profile::Gcm128 | Profile::Cm128Sha1 => &aead::AES_128_GCM,
        };
        let mut salt = [0; GCM_SALT_LEN];
        derive(crypto, keys, labels.salt, &mut salt)?;
        let key = UnboundKey::new(algorithm, key).map_err(|_| Refusal::Malformed)?;
        Ok(Self::Gcm {
            key: LessSafeKey::new(key),
            salt,
        })
    }

    /// Opens a packet whose index is known; returns its length without the tag.
    pub(super) fn open_rtp(
        &mut self,
        data: &mut [u8],
        header: &Header,
        index: u64,
    ) -> Result<usize, Refusal> {
        match self {
            Self::Gcm { key, salt } => {
                let (aad, sealed) = data.split_at_mut(header.len);
                let nonce = rtp_nonce(salt, header.ssrc, index);
                let opened = key.open_in_place(nonce, Aad::from(aad), sealed);
                Ok(header.len + opened.map_err(|_| Refusal::Forged)?.len())
            }
            Self::Cm { stream, mac, salt } => {
                let len = data
                    .len()
                    .checked_sub(CM_TAG_LEN)
                    .ok_or(Refusal::Malformed)?;
                let (packet, tag) = data.split_at_mut(len);
                let payload_start = Some(header.len).filter(|start| *start <= len);
                let payload_start = payload_start.ok_or(Refusal::Malformed)?;
                let rollover = ((index >> 16) as u32).to_be_bytes();
                verify(mac.as_mut(), &[packet, &rollover], tag)?;
                let iv = counter_block(salt, header.ssrc, index);
                apply(stream.as_mut(), &iv, &mut packet[payload_start..])?;
                Ok(len)
            }
        }
    }

    /// Seals the packet in the first `len` bytes of `buffer`; returns the new length.
    pub(super) fn seal_rtp(
        &mut self,
        buffer: &mut [u8],
        len: usize,
        header: &Header,
        index: u64,
    ) -> Result<usize, Refusal> {
        match self {
            Self::Gcm { key, salt } => {
                let nonce = rtp_nonce(salt, header.ssrc, index);
                seal_gcm(key, nonce, buffer, header.len, len, None)
            }
            Self::Cm { stream, mac, salt } => {
                let end = len + CM_TAG_LEN;
                let whole = buffer.get_mut(..end).ok_or(Refusal::Malformed)?;
                let (packet, tag) = whole.split_at_mut(len);
                let iv = counter_block(salt, header.ssrc, index);
                apply(stream.as_mut(), &iv, &mut packet[header.len..])?;
                let rollover = ((index >> 16) as u32).to_be_bytes();
                tag.copy_from_slice(&sign(mac.as_mut(), &[packet, &rollover])?);
                Ok(end)
            }
        }
    }

    /// Reads the word of an SRTCP packet that holds the E flag and the index.
    pub(super) fn rtcp_word(&self, data: &[u8]) -> Result<u32, Refusal> {
        let behind = if matches!(self, Self::Gcm { .. }) {
            0
        } else {
            CM_TAG_LEN
        };
        let end = data.len().checked_sub(behind).ok_or(Refusal::Malformed)?;
        let word = data[..end]
            .last_chunk::<INDEX_LEN>()
            .ok_or(Refusal::Malformed)?;
        Ok(u32::from_be_bytes(*word))
    }

    /// Opens an SRTCP packet; returns its length without index and tag.
    pub(super) fn open_rtcp(
        &mut self,
        data: &mut [u8],
        ssrc: u32,
        word: u32,
    ) -> Result<usize, Refusal> {
        let index = u64::from(word & 0x7FFF_FFFF);
        match self {
            Self::Gcm { key, salt } => {
                let len = data
                    .len()
                    .checked_sub(INDEX_LEN)
                    .ok_or(Refusal::Malformed)?;
                let sealed = data.get_mut(..len).ok_or(Refusal::Malformed)?;
                let (head, sealed) = sealed
                    .split_at_mut_checked(RTCP_HEADER_LEN)
                    .ok_or(Refusal::Malformed)?;
                let aad = rtcp_aad(head, word);
                let opened = key.open_in_place(rtcp_nonce(salt, ssrc, index), aad, sealed);
                Ok(RTCP_HEADER_LEN + opened.map_err(|_| Refusal::Forged)?.len())
            }
            Self::Cm { stream, mac, salt } => {
                let signed = data
                    .len()
                    .checked_sub(CM_TAG_LEN)
                    .ok_or(Refusal::Malformed)?;
                let len = signed.checked_sub(INDEX_LEN).ok_or(Refusal::Malformed)?;
                if len < RTCP_HEADER_LEN {
                    return Err(Refusal::Malformed);
                }
                let (packet, tag) = data.split_at_mut(signed);
                verify(mac.as_mut(), &[packet], tag)?;
                let iv = counter_block(salt, ssrc, index);
                apply(stream.as_mut(), &iv, &mut packet[RTCP_HEADER_LEN..len])?;
                Ok(len)
            }
        }
    }

    /// Seals the RTCP packet in the first `len` bytes of `buffer`; returns the new length.
    pub(super) fn seal_rtcp(
        &mut self,
        buffer: &mut [u8],
        len: usize,
        ssrc: u32,
        word: u32,
    ) -> Result<usize, Refusal> {
        let index = u64::from(word & 0x7FFF_FFFF);
        match self {
            Self::Gcm { key, salt } => {
                let nonce = rtcp_nonce(salt, ssrc, index);
                let sealed = seal_gcm(key, nonce, buffer, RTCP_HEADER_LEN, len, Some(word))?;
                let end = sealed + INDEX_LEN;
                let place = buffer.get_mut(sealed..end).ok_or(Refusal::Malformed)?;
                place.copy_from_slice(&word.to_be_bytes());
                Ok(end)
            }
            Self::Cm { stream, mac, salt } => {
                let (signed, end) = (len + INDEX_LEN, len + INDEX_LEN + CM_TAG_LEN);
                let whole = buffer.get_mut(..end).ok_or(Refusal::Malformed)?;
                let (packet, tag) = whole.split_at_mut(signed);
                let iv = counter_block(salt, ssrc, index);
                apply(stream.as_mut(), &iv, &mut packet[RTCP_HEADER_LEN..len])?;
                packet[len..].copy_from_slice(&word.to_be_bytes());
                tag.copy_from_slice(&sign(mac.as_mut(), &[packet])?);
                Ok(end)
            }
        }
    }
}

/// Seals `buffer[clear..len]` and appends the tag.
fn seal_gcm(
    key: &LessSafeKey,
    nonce: Nonce,
    buffer: &mut [u8],
    clear: usize,
    len: usize,
    word: Option<u32>,
) -> Result<usize, Refusal> {
    let end = len + GCM_TAG_LEN;
    let whole = buffer.get_mut(..end).ok_or(Refusal::Malformed)?;
    let (packet, place) = whole.split_at_mut(len);
    let (head, payload) = packet
        .split_at_mut_checked(clear)
        .ok_or(Refusal::Malformed)?;
    let tag = match word {
        Some(word) => key.seal_in_place_separate_tag(nonce, rtcp_aad(head, word), payload),
        None => key.seal_in_place_separate_tag(nonce, Aad::from(head), payload),
    };
    place.copy_from_slice(tag.map_err(|_| Refusal::Exhausted)?.as_ref());
    Ok(end)
}

/// The associated data of an encrypted SRTCP packet: its first eight bytes and the word with
/// flag and index (RFC 7714 section 9.2).
fn rtcp_aad(head: &[u8], word: u32) -> Aad<[u8; RTCP_HEADER_LEN + INDEX_LEN]> {
    let mut aad = [0; RTCP_HEADER_LEN + INDEX_LEN];
    aad[..RTCP_HEADER_LEN].copy_from_slice(head);
    aad[RTCP_HEADER_LEN..].copy_from_slice(&word.to_be_bytes());
    Aad::from(aad)
}

/// RFC 7714 section 8.1: two zero bytes, source, rollover counter, sequence number, salted.
fn rtp_nonce(salt: &[u8; GCM_SALT_LEN], ssrc: u32, index: u64) -> Nonce {
    let mut nonce = [0; GCM_SALT_LEN];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    nonce[6..].copy_from_slice(&index.to_be_bytes()[2..]);
    salted(nonce, salt)
}

/// RFC 7714 section 9.1: two zero bytes, source, two zero bytes, index, salted.
fn rtcp_nonce(salt: &[u8; GCM_SALT_LEN], ssrc: u32, index: u64) -> Nonce {
    let mut nonce = [0; GCM_SALT_LEN];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    nonce[8..].copy_from_slice(&index.to_be_bytes()[4..]);
    salted(nonce, salt)
}

fn salted(mut nonce: [u8; GCM_SALT_LEN], salt: &[u8; GCM_SALT_LEN]) -> Nonce {
    nonce
        .iter_mut()
        .zip(salt)
        .for_each(|(byte, salt)| *byte ^= salt);
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 3711 section 4.1.1: the first counter block of a packet.
fn counter_block(salt: &[u8; CM_SALT_LEN], ssrc: u32, index: u64) -> [u8; 16] {
    let mut block = [0; 16];
    block[..CM_SALT_LEN].copy_from_slice(salt);
    let mixed = ssrc
        .to_be_bytes()
        .into_iter()
        .chain(index.to_be_bytes().into_iter().skip(2));
    block[4..CM_SALT_LEN]
        .iter_mut()
        .zip(mixed)
        .for_each(|(byte, mixed)| *byte ^= mixed);
    block
}

/// RFC 3711 section 4.3.3 with a key derivation rate of zero; AES-256 per RFC 6188 section 3.
fn derive(
    crypto: &dyn RTCCrypto,
    keys: &SessionKeys<'_>,
    label: u8,
    out: &mut [u8],
) -> Result<(), Refusal> {
    let algorithm = match keys.key.len() {
        32 => BlockCipherAlgorithm::Aes256,
        _ => BlockCipherAlgorithm::Aes128,
    };
    for (counter, chunk) in (0u16..).zip(out.chunks_mut(16)) {
        let mut block = [0; 16];
        block[..keys.salt.len()].copy_from_slice(keys.salt);
        block[7] ^= label;
        block[14..].copy_from_slice(&counter.to_be_bytes());
        let encrypted = crypto.block_encrypt(algorithm, keys.key, &mut block);
        encrypted.map_err(|_| Refusal::Malformed)?;
        chunk.copy_from_slice(&block[..chunk.len()]);
    }
    Ok(())
}

fn apply(stream: &mut dyn StreamCipher, iv: &[u8; 16], data: &mut [u8]) -> Result<(), Refusal> {
    stream
        .apply_keystream(iv, data)
        .map_err(|_| Refusal::Exhausted)
}

fn sign(mac: &mut dyn Mac, input: &[&[u8]]) -> Result<[u8; CM_TAG_LEN], Refusal> {
    let mut full = [0; SHA1_LEN];
    mac.sign(input, &mut full).map_err(|_| Refusal::Exhausted)?;
    let (tag, _) = full
        .split_first_chunk()
        .expect("a SHA-1 tag is longer than 10 bytes");
    Ok(*tag)
}

fn verify(mac: &mut dyn Mac, input: &[&[u8]], tag: &[u8]) -> Result<(), Refusal> {
    let expected = sign(mac, input)?;
    // No early exit, so that the time taken tells nothing about the tag.
    let difference = expected
        .iter()
        .zip(tag)
        .fold(0, |sum, (one, two)| sum | (one ^ two));
    if difference == 0 && tag.len() == CM_TAG_LEN {
        Ok(())
    } else {
        Err(Refusal::Forged)
    }
}
