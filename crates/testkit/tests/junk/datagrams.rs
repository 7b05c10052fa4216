//! Datagrams that were damaged on purpose, on the port that carries everybody's media: packets of
//! somebody in a room, damaged before they are sealed, checks of the way, and handshakes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use snug_testkit::endpoint::{Connected, MID, Part, TWCC, VP8};
use snug_testkit::guest::Guest;
use snug_testkit::handshake::{Carrier, Identity};
use snug_testkit::lane;
use snug_testkit::scripted::Peer;
use snug_testkit::turn::Message;

use crate::damage::bend;
use crate::house::{House, frames};

const SEED: u64 = 20_260_102;
/// So many go out before a check is answered: everything before it was read then, and nothing of
/// the quiet call is pushed out of the server's socket.
const BATCH: u32 = 32;
/// So many go before, until everything is as large as it gets.
const FRAMES_BEFORE: u32 = 5_000;
const SSRC: u32 = 7_000;
const HEARTBEAT: Duration = Duration::from_secs(1);
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// What is shorter cannot be sealed (RFC 3711 section 3.4).
const RTCP_LEN_MIN: usize = 8;
/// A datagram is no longer than this.
const LEN_MAX: usize = 1400;

/// Somebody in a room who shows a camera, and means no good.
struct Villain {
    connected: Connected,
    random: StdRng,
    /// Numbers of packets: what is repeated is dropped before it is looked at.
    sequence: u16,
    peer: Peer,
    heard_at: Instant,
}

impl Villain {
    fn join(house: &House) -> Result<Self> {
        let (identity, part) = (Identity::generate()?, Part::Sends(SSRC));
        let guest = Guest::join(house.address(), "junk", &identity, part)?;
        Ok(Self {
            connected: guest.connected,
            random: StdRng::seed_from_u64(SEED),
            sequence: 0,
            peer: guest.peer,
            heard_at: Instant::now(),
        })
    }

    /// Sends so many, made by `make`, which may fail to.
    fn pour(&mut self, count: u32, make: fn(&mut Self) -> Option<Vec<u8>>) -> Result<()> {
        let mut sent = 0;
        while sent < count {
            for _ in 0..BATCH.min(count - sent) {
                let Some(mut datagram) = std::iter::repeat_with(|| make(self))
                    .take(99)
                    .flatten()
                    .next()
                else {
                    bail!("nothing can be made");
                };
                datagram.truncate(LEN_MAX);
                self.connected.socket.send(&datagram)?;
                sent += 1;
            }
            self.wait_until_read()?;
            self.stay()?;
        }
        Ok(())
    }

    /// Keeps its place in the room.
    fn stay(&mut self) -> Result<()> {
        if self.heard_at.elapsed() > HEARTBEAT {
            self.heard_at = Instant::now();
            let socket = &mut self.peer.socket;
            while socket.next(Duration::ZERO)?.is_some() {}
            socket.push(None, "phoenix", "heartbeat", &json!({}))?;
        }
        Ok(())
    }

    /// Has a check answered, which comes after all that was sent before.
    fn wait_until_read(&self) -> Result<()> {
        let socket = &self.connected.socket;
        socket.send(&self.connected.check.bytes)?;
        socket.set_read_timeout(Some(ANSWER_MAX))?;
        let deadline = Instant::now() + ANSWER_MAX;
        let mut buffer = [0; 2048];
        while Instant::now() < deadline {
            let len = socket.recv(&mut buffer).context("no check is answered")?;
            let answer = Message::read(&buffer[..len]);
            if answer.is_some_and(|it| it.transaction() == self.connected.check.transaction()) {
                return Ok(());
            }
        }
        bail!("no check is answered")
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        if self.random.random_bool(0.95) {
            bend(bytes, &mut self.random);
        }
    }
}

/// A packet of the camera with some of it damaged, sealed as it should be.
fn rtp(villain: &mut Villain) -> Option<Vec<u8>> {
    villain.sequence = villain.sequence.wrapping_add(1);
    let number = villain.sequence.to_be_bytes();
    let mut packet = vec![0x90, VP8, number[0], number[1], 0, 0, 0, 9];
    packet.extend(SSRC.to_be_bytes());
    packet.extend([0xBE, 0xDE, 0, 2]);
    packet.extend([MID << 4, b'0', TWCC << 4 | 1, number[0], number[1], 0, 0, 0]);
    let tag = u8::from(villain.random.random_bool(0.9));
    packet.extend([0x90, 0xE0, 0x80 | number[0], number[1], 7, 0x20, tag]);
    packet.extend([0, 0, 0x9D, 1, 0x2A, 64, 0, 64, 0]);
    packet.resize(packet.len() + villain.random.random_range(0..900), 0x5A);
    villain.damage(&mut packet);
    // Far jumps would only be taken for packets of another turn of the numbers.
    packet.get_mut(2..4)?.copy_from_slice(&number);
    if snug_rtp::Packet::parse(&packet).is_err() {
        // The library cannot seal what is longer than it is; it goes out as it stands.
        return Some(packet);
    }
    // Nor what has no more than a header that it would write longer.
    packet.resize(packet.len() + 64, 0x5A);
    let sealed = villain.connected.contexts.seal.encrypt_rtp(&packet).ok()?;
    Some(sealed.to_vec())
}

/// A compound of everything that one may report, damaged and sealed.
fn rtcp(villain: &mut Villain) -> Option<Vec<u8>> {
    let ssrc = SSRC.to_be_bytes();
    let mut compound = Vec::new();
    let mut add = |count: u8, kind: u8, body: &[&[u8]]| {
        let body = body.concat();
        let words = (4 + body.len()) as u16 / 4;
        compound.extend([0x80 | count, kind]);
        compound.extend(words.to_be_bytes());
        compound.extend(ssrc);
        compound.extend(body);
    };
    add(1, 200, &[&[1; 20], &ssrc, &[0; 20]]);
    add(1, 201, &[&ssrc, &[0; 20]]);
    add(1, 205, &[&ssrc, &[0, 9, 0xFF, 0xFF]]);
    add(
        15,
        205,
        &[&ssrc, &[0, 1, 0, 4, 0, 0, 1, 1, 0x20, 4, 4, 4, 4, 4, 0, 0]],
    );
    add(1, 206, &[&ssrc]);
    add(4, 206, &[&ssrc, &ssrc, &[1, 0, 0, 0]]);
    add(15, 206, &[&[0; 4], b"REMB", &[1, 0x0B, 0xFF, 0xFF], &ssrc]);
    add(1, 202, &[&[1, 2, b'a', b'b', 0, 0, 0, 0]]);
    add(1, 203, &[]);
    villain.damage(&mut compound);
    if compound.len() < RTCP_LEN_MIN {
        return Some(compound);
    }
    let sealed = villain
        .connected
        .contexts
        .seal
        .encrypt_rtcp(&compound)
        .ok()?;
    Some(sealed.to_vec())
}

/// A check of the way, damaged before it is signed, after, or both.
fn stun(villain: &mut Villain) -> Option<Vec<u8>> {
    let whole = villain.connected.check.clone();
    // Without its signature and its fingerprint.
    let mut body = whole
        .bytes
        .get(20..whole.bytes.len().checked_sub(32)?)?
        .to_vec();
    villain.damage(&mut body);
    body.resize(body.len() / 4 * 4, 0);
    let mut check = Message::new(u16::from_be_bytes([whole.bytes[0], whole.bytes[1]]));
    check.bytes.extend(body);
    if villain.random.random_bool(0.7) {
        check.finish(&villain.connected.password);
    }
    if villain.random.random_bool(0.5) {
        villain.damage(&mut check.bytes);
    }
    Some(check.bytes)
}

/// The first words of a handshake, or something like a record, damaged.
fn dtls(villain: &mut Villain) -> Option<Vec<u8>> {
    let mut record = hello().as_ref().ok()?.clone();
    record[0] = villain.random.random_range(20..26);
    villain.damage(&mut record);
    // Whatever it is, it arrives as DTLS.
    let first = record.first_mut()?;
    *first = 20 + *first % 44;
    Some(record)
}

/// What a client says first, once made.
fn hello() -> &'static Result<Vec<u8>> {
    static HELLO: std::sync::OnceLock<Result<Vec<u8>>> = std::sync::OnceLock::new();
    HELLO.get_or_init(|| {
        let (mut said, short) = (Said::default(), Duration::from_millis(10));
        let ended = Identity::generate()?.shake(&mut said, short, short);
        said.0
            .with_context(|| format!("nothing was said: {ended:?}"))
    })
}

/// Keeps the first of what is sent; nobody answers.
#[derive(Default)]
struct Said(Option<Vec<u8>>);

impl Carrier for Said {
    fn send(&mut self, data: &[u8]) -> Result<()> {
        self.0.get_or_insert_with(|| data.to_vec());
        Ok(())
    }

    fn receive(&mut self, within: Duration) -> Result<Option<Vec<u8>>> {
        std::thread::sleep(within);
        Ok(None)
    }
}

#[test]
fn damaged_datagrams_of_every_kind_disturb_nobody() -> Result<()> {
    let _turn = lane::turn();
    let mut house = House::open()?;
    let mut villain = Villain::join(&house)?;
    type Make = fn(&mut Villain) -> Option<Vec<u8>>;
    let kinds: [(&str, Make); 4] = [("RTP", rtp), ("RTCP", rtcp), ("STUN", stun), ("DTLS", dtls)];
    for (_, make) in kinds {
        villain.pour(FRAMES_BEFORE, make)?;
    }
    for (what, make) in kinds {
        house.is_undisturbed_by(what, || villain.pour(frames(), make))?;
    }
    // All was read, and most of what was sealed was opened and looked at.
    let read = house.server.metric("snug_datagrams_received_total")?;
    let forged = house.server.metric("snug_srtp_forged_total")?;
    println!("{read} were read, {forged} did not open");
    let all = u64::from(frames());
    ensure!(read > 4 * all, "{read} datagrams were read");
    ensure!(forged < all / 2, "{forged} datagrams did not open");
    house.close()
}
