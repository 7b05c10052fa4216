//! Against the same library as client, in memory.

use super::*;
use rtc_dtls::config::HandshakeConfig;

type Profiles = &'static [SrtpProtectionProfile];

/// A client in memory.
struct Client {
    endpoint: Endpoint,
    fingerprint: [u8; 32],
}

impl Client {
    fn new(profiles: Profiles, now: Instant) -> Self {
        let identity = Identity::generate().unwrap();
        let config: HandshakeConfig = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&identity.provider))
            .with_certificates(vec![identity.certificate.clone()])
            .with_srtp_protection_profiles(profiles.to_vec())
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .build(true, None)
            .unwrap();
        let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
        endpoint.connect(now, PEER, Arc::new(config), None).unwrap();
        Self {
            endpoint,
            fingerprint: identity.fingerprint,
        }
    }

    fn flights(&mut self) -> Vec<BytesMut> {
        std::iter::from_fn(|| self.endpoint.poll_transmit())
            .map(|sent| sent.message)
            .collect()
    }
}

/// Carries datagrams until nobody sends any; returns what the server concluded.
fn shake(client: &mut Client, server: &mut Dtls, now: Instant) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for _ in 0..20 {
        let flights = client.flights();
        if flights.is_empty() {
            break;
        }
        for data in flights {
            outcomes.extend(server.handle_datagram(&data, now));
        }
        while let Some(data) = server.poll_transmit() {
            let result = client.endpoint.read(now, PEER, None, data);
            assert!(result.is_ok() || !outcomes.is_empty(), "{:?}", result.err());
        }
    }
    outcomes
}

fn serve(expected: [u8; 32]) -> Dtls {
    Dtls::new(Arc::new(Identity::generate().unwrap()), expected).unwrap()
}

#[test]
fn the_cheapest_common_profile_is_chosen() {
    use SrtpProtectionProfile as P;
    let cases: [(Profiles, SrtpProtectionProfile); 4] = [
        // What Chromium offers: its order must not decide.
        (
            &[
                P::Srtp_Aes128_Cm_Hmac_Sha1_80,
                P::Srtp_Aead_Aes_256_Gcm,
                P::Srtp_Aead_Aes_128_Gcm,
            ],
            P::Srtp_Aead_Aes_128_Gcm,
        ),
        (
            &[P::Srtp_Aead_Aes_128_Gcm, P::Srtp_Aead_Aes_256_Gcm],
            P::Srtp_Aead_Aes_128_Gcm,
        ),
        (
            &[P::Srtp_Aes128_Cm_Hmac_Sha1_80],
            P::Srtp_Aes128_Cm_Hmac_Sha1_80,
        ),
        (&[P::Srtp_Aead_Aes_256_Gcm], P::Srtp_Aead_Aes_256_Gcm),
    ];
    let now = Instant::now();
    for (offered, expected) in cases {
        let mut client = Client::new(offered, now);
        let mut server = serve(client.fingerprint);
        let mut outcomes = shake(&mut client, &mut server, now);
        let [Outcome::Connected(session)] = &mut outcomes[..] else {
            panic!("{}", outcomes.len())
        };
        let state = client.endpoint.get_connection_state(PEER).unwrap();
        assert_eq!(state.srtp_protection_profile(), expected);
        // Both sides hold the same keys.
        let profile = match expected {
            P::Srtp_Aead_Aes_128_Gcm => Profile::Gcm128,
            P::Srtp_Aead_Aes_256_Gcm => Profile::Gcm256,
            _ => Profile::Cm128Sha1,
        };
        let len = profile.keying_material_len();
        let material = state
            .export_keying_material(EXPORTER_LABEL, &[], len)
            .unwrap();
        let crypto = server.identity.provider.crypto();
        let mut theirs = Session::new(profile, material.as_ref(), crypto)
            .unwrap()
            .swapped();
        let mut buffer = [0x80; 64];
        let sealed = theirs.seal_rtp(&mut buffer, 30).unwrap();
        assert_eq!(session.open_rtp(&mut buffer[..sealed]).unwrap().1, 30);
    }
}

#[test]
fn another_certificate_is_refused_before_any_key() {
    let now = Instant::now();
    let mut client = Client::new(ATTEMPTS[0], now);
    let mut server = serve([7; 32]);
    let outcomes = shake(&mut client, &mut server, now);
    assert!(
        matches!(
            outcomes[..],
            [Outcome::Rejected(RejectReason::FingerprintMismatch), ..]
        ),
        "{}",
        outcomes.len()
    );
    assert!(
        !outcomes
            .iter()
            .any(|outcome| matches!(outcome, Outcome::Connected(_)))
    );
}

#[test]
fn no_common_profile_is_said() {
    let now = Instant::now();
    let mut client = Client::new(&[SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32], now);
    let mut server = serve(client.fingerprint);
    let outcomes = shake(&mut client, &mut server, now);
    let first = outcomes.first();
    assert!(matches!(
        first,
        Some(Outcome::Rejected(RejectReason::NoCommonProfile))
    ));
}

#[test]
fn an_end_is_told_and_heard() {
    let now = Instant::now();
    let mut client = Client::new(ATTEMPTS[0], now);
    let mut server = serve(client.fingerprint);
    shake(&mut client, &mut server, now);
    client.endpoint.close(now).unwrap();
    let outcomes = shake(&mut client, &mut server, now);
    assert!(matches!(outcomes[..], [Outcome::Closed]));
    let mut client = Client::new(ATTEMPTS[0], now);
    let mut server = serve(client.fingerprint);
    shake(&mut client, &mut server, now);
    server.close(now);
    let goodbye = server.poll_transmit().unwrap();
    let events = client.endpoint.read(now, PEER, None, goodbye).unwrap();
    assert!(matches!(events[..], [EndpointEvent::PeerClosed]));
}

#[test]
fn flights_are_repeated_ever_more_slowly_and_then_given_up() {
    let start = Instant::now();
    let mut client = Client::new(ATTEMPTS[0], start);
    let mut server = serve(client.fingerprint);
    // Up to the server's big flight, which is lost from then on.
    for data in client.flights() {
        assert!(server.handle_datagram(&data, start).is_none());
    }
    while let Some(data) = server.poll_transmit() {
        client.endpoint.read(start, PEER, None, data).unwrap();
    }
    for data in client.flights() {
        assert!(server.handle_datagram(&data, start).is_none());
    }
    while server.poll_transmit().is_some() {}
    let mut waits = Vec::new();
    let mut now = start;
    loop {
        let due = server.deadline().unwrap();
        waits.push((due - now).as_millis());
        now = due;
        if let Some(outcome) = server.handle_timeout(now) {
            assert!(matches!(
                outcome,
                Outcome::Rejected(RejectReason::HandshakeFailed)
            ));
            break;
        }
        assert!(server.poll_transmit().is_some());
        while server.poll_transmit().is_some() {}
    }
    assert_eq!(waits, [100, 100, 200, 400, 800, 1_600, 3_200, 6_400]);
}

#[test]
fn junk_is_survived() {
    let now = Instant::now();
    let mut client = Client::new(ATTEMPTS[0], now);
    let mut server = serve(client.fingerprint);
    for len in 0..150u8 {
        let junk: Vec<u8> = (0..len)
            .map(|index| 20 + (index.wrapping_mul(37) ^ len) % 44)
            .collect();
        server.handle_datagram(&junk, now);
        while server.poll_transmit().is_some() {}
    }
    let outcomes = shake(&mut client, &mut server, now);
    assert!(matches!(outcomes[..], [Outcome::Connected(_)]));
}

/// Records with a fragment of one byte each, of a message that never ends.
fn crumbs(datagram: u16, message: u16) -> Vec<u8> {
    const RECORDS: u16 = 50;
    let mut data = Vec::new();
    for crumb in datagram * RECORDS..(datagram + 1) * RECORDS {
        data.extend([HANDSHAKE, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0]);
        data.extend(crumb.to_be_bytes());
        data.extend([0, 13, 1, 0xFF, 0xFF, 0xFF]);
        data.extend(message.to_be_bytes());
        data.push(0);
        data.extend(crumb.to_be_bytes());
        data.extend([0, 0, 1, 0]);
    }
    data
}

#[test]
fn a_handshake_that_never_ends_is_refused() {
    let now = Instant::now();
    let mut server = serve([7; 32]);
    let outcomes: Vec<Outcome> = (0..50)
        .filter_map(|record| server.handle_datagram(&crumbs(record, 0), now))
        .collect();
    assert!(matches!(
        outcomes[..],
        [Outcome::Rejected(RejectReason::HandshakeFailed), ..]
    ));
}

#[test]
fn forged_handshakes_do_not_end_a_session() {
    let now = Instant::now();
    let mut client = Client::new(ATTEMPTS[0], now);
    let mut server = serve(client.fingerprint);
    shake(&mut client, &mut server, now);
    let dropped = (1..51)
        .filter_map(|record| server.handle_datagram(&crumbs(record, 9), now))
        .inspect(|outcome| assert!(matches!(outcome, Outcome::Failed)))
        .count();
    assert!(dropped >= 30, "{dropped}");
    client.endpoint.close(now).unwrap();
    let outcomes = shake(&mut client, &mut server, now);
    assert!(matches!(outcomes[..], [Outcome::Closed]));
}

#[test]
fn after_a_panic_of_the_library_it_is_not_called_again() {
    let now = Instant::now();
    let mut client = Client::new(&[SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm], now);
    let mut server = serve(client.fingerprint);
    let broken: Option<()> = guarded(&server.is_broken, || panic!("as a defect would"));
    assert!(broken.is_none() && server.is_broken.get());
    let outcome = server.handle_datagram(&client.flights()[0], now);
    assert!(matches!(
        outcome,
        Some(Outcome::Rejected(RejectReason::HandshakeFailed))
    ));
    assert!(server.deadline().is_none() && server.poll_transmit().is_none());
    server.close(now);
}
