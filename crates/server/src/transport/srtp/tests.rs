//! Both ends of a session against each other, and against `rtc-srtp`.

use super::*;
use proptest::prelude::*;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::RingProvider;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use snug_rtp::{Fields, RtpTime, write_packet};

const PROFILES: [Profile; 3] = [Profile::Gcm128, Profile::Gcm256, Profile::Cm128Sha1];
/// A receiver report with one block, and a PLI behind it.
const COMPOUND: [u8; 20] = [
    0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 206, 0, 2, 0, 0, 0, 7, 0, 0, 0, 9,
];

fn material(profile: Profile) -> Vec<u8> {
    (0..profile.keying_material_len())
        .map(|index| index as u8 ^ 0x5A)
        .collect()
}

fn server(profile: Profile) -> Session {
    let provider = RingProvider::new();
    Session::new(profile, &material(profile), provider.crypto()).unwrap()
}

/// The other side of the same keys.
fn client(profile: Profile) -> Session {
    server(profile).swapped()
}

fn packet(sequence: u16) -> ([u8; 128], usize) {
    let fields = Fields {
        marker: false,
        payload_type: 96,
        sequence: SequenceNumber(sequence),
        timestamp: RtpTime(5),
        ssrc: 0xCAFE_F00D,
    };
    let mut buffer = [0; 128];
    let len = write_packet(&mut buffer, &fields, &[(3, b"mid")], b"some payload")
        .unwrap()
        .len;
    (buffer, len)
}

fn seal(session: &mut Session, sequence: u16) -> Vec<u8> {
    let (mut buffer, len) = packet(sequence);
    let len = session.seal_rtp(&mut buffer, len).unwrap();
    buffer[..len].to_vec()
}

#[test]
fn what_is_sealed_is_opened_once() {
    for profile in PROFILES {
        let (mut client, mut server) = (client(profile), server(profile));
        let mut sealed = seal(&mut client, 1);
        let mut again = sealed.clone();
        let (plain, plain_len) = packet(1);
        let (header, len) = server.open_rtp(&mut sealed).unwrap();
        assert_eq!(&sealed[..len], &plain[..plain_len], "{profile:?}");
        assert_eq!(header.sequence.0, 1);
        assert_eq!(server.open_rtp(&mut again), Err(Refusal::Replayed));
        let mut forged = seal(&mut client, 2);
        let original = forged.clone();
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(server.open_rtp(&mut forged), Err(Refusal::Forged));
        assert!(
            server.open_rtp(&mut original.clone()).is_ok(),
            "a forgery moves no window"
        );
    }
}

#[test]
fn control_packets_are_opened_once_and_only_encrypted() {
    for profile in PROFILES {
        let (mut client, mut server) = (client(profile), server(profile));
        let mut buffer = [0; 64];
        buffer[..COMPOUND.len()].copy_from_slice(&COMPOUND);
        let len = client.seal_rtcp(&mut buffer, COMPOUND.len()).unwrap();
        assert!(len <= COMPOUND.len() + OVERHEAD_MAX);
        let mut again = buffer;
        let opened = server.open_rtcp(&mut buffer[..len]).unwrap();
        assert_eq!(buffer[..opened], COMPOUND, "{profile:?}");
        assert_eq!(server.open_rtcp(&mut again[..len]), Err(Refusal::Replayed));
        for cut in 0..len {
            assert!(server.open_rtcp(&mut again[..cut]).is_err());
        }
    }
}

#[test]
fn the_rollover_counter_survives_loss_around_the_wrap() {
    for profile in PROFILES {
        let (mut client, mut server) = (client(profile), server(profile));
        // Everything between 65 000 and the next turn's 20 000 is lost, twice round.
        let numbers = [65_000u16, 20_000, 50_000, 10_000, 40_000, 65_535, 1, 0];
        for number in numbers {
            let mut sealed = seal(&mut client, number);
            assert!(server.open_rtp(&mut sealed).is_ok(), "{profile:?} {number}");
        }
    }
}

#[test]
fn rtc_srtp_understands_us_and_we_understand_it() {
    let names = [
        ProtectionProfile::AeadAes128Gcm,
        ProtectionProfile::AeadAes256Gcm,
        ProtectionProfile::Aes128CmHmacSha1_80,
    ];
    let provider = RingProvider::new();
    for (profile, name) in PROFILES.into_iter().zip(names) {
        let material = material(profile);
        let (key, salt) = (profile.key_len(), profile.salt_len());
        let context = |key_at: usize, salt_at: usize| {
            let (key, salt) = (
                &material[key_at..key_at + key],
                &material[salt_at..salt_at + salt],
            );
            Context::new(key, salt, name, None, None, provider.crypto()).unwrap()
        };
        let (mut from_client, mut from_server) =
            (context(0, 2 * key), context(key, 2 * key + salt));
        let mut server = server(profile);
        for number in [65_534u16, 65_535, 0, 1] {
            let (buffer, len) = packet(number);
            let mut sealed = from_client.encrypt_rtp(&buffer[..len]).unwrap().to_vec();
            let (_, opened) = server.open_rtp(&mut sealed).unwrap();
            assert_eq!(&sealed[..opened], &buffer[..len], "{profile:?}");
            let ours = seal(&mut server, number);
            let opened = from_server.decrypt_rtp(&ours).unwrap();
            assert_eq!(&opened[..], &buffer[..len], "{profile:?}");
        }
        let mut sealed = from_client.encrypt_rtcp(&COMPOUND).unwrap().to_vec();
        let opened = server.open_rtcp(&mut sealed).unwrap();
        assert_eq!(&sealed[..opened], COMPOUND, "{profile:?}");
        let mut buffer = [0; 64];
        buffer[..COMPOUND.len()].copy_from_slice(&COMPOUND);
        let len = server.seal_rtcp(&mut buffer, COMPOUND.len()).unwrap();
        let opened = from_server.decrypt_rtcp(&buffer[..len]).unwrap();
        assert_eq!(&opened[..], COMPOUND, "{profile:?}");
    }
}

#[test]
fn tracks_may_come_and_go_all_day() {
    let (mut client, mut server) = (client(Profile::Gcm128), server(Profile::Gcm128));
    for ssrc in 1..=5_000u32 {
        let (mut buffer, len) = packet(7);
        buffer[8..12].copy_from_slice(&ssrc.to_be_bytes());
        let len = client.seal_rtp(&mut buffer, len).unwrap();
        server.open_rtp(&mut buffer[..len]).unwrap();
    }
}

#[test]
fn the_same_number_is_never_sealed_twice() {
    let mut server = server(Profile::Gcm128);
    seal(&mut server, 9);
    let (mut buffer, len) = packet(9);
    assert_eq!(server.seal_rtp(&mut buffer, len), Err(Refusal::Replayed));
    let (mut buffer, len) = packet(10);
    assert_eq!(
        server.seal_rtp(&mut buffer[..len], len),
        Err(Refusal::Malformed),
        "no room"
    );
}

proptest! {
    #[test]
    fn loss_and_reordering_keep_both_ends_together(
        start: u16,
        steps in prop::collection::vec((1u16..3_000, any::<bool>()), 10..200),
    ) {
        let (mut client, mut server) = (client(Profile::Gcm128), server(Profile::Gcm128));
        let mut number = start & 0x7FFF;
        let mut held: Option<Vec<u8>> = None;
        for (step, is_held) in steps {
            number = number.wrapping_add(step);
            let mut sealed = seal(&mut client, number);
            if is_held && held.is_none() && step < 50 {
                held = Some(sealed);
                continue;
            }
            prop_assert!(server.open_rtp(&mut sealed).is_ok());
            if let Some(mut late) = held.take() {
                // One that was overtaken: fine while the window reaches back to it.
                let result = server.open_rtp(&mut late);
                prop_assert!(result.is_ok() || result == Err(Refusal::Replayed));
            }
        }
    }

    #[test]
    fn any_bytes_are_safe(mut data: Vec<u8>) {
        for profile in PROFILES {
            let mut server = server(profile);
            prop_assert!(server.open_rtp(&mut data).is_err());
            prop_assert!(server.open_rtcp(&mut data).is_err());
        }
    }
}
