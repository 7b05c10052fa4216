//! Snug's client joins a server of the Membrane family as it is met in the world: by an https link
//! without a fingerprint, on port 443, behind networks that let UDP through or only TLS.

use anyhow::{Result, ensure};
use snug_testkit::membrane::{Certificate, Secluded, Settings, Transport};
use snug_testkit::netns::{Lan, with_rights};
use snug_testkit::process::{Join, PATIENCE};

const SERVER: &str = "10.77.0.1";
const HTTPS_PORT: u16 = 443;

/// Holds a call between two computers by way of a server on a third, and says how media went.
fn call(relays: Vec<Transport>, loses_udp: bool) -> Result<Vec<Transport>> {
    let mut lan = Lan::new()?;
    let there = lan.host(&["10.77.0.1/24"])?;
    let places = [lan.host(&["10.77.0.2/24"])?, lan.host(&["10.77.0.3/24"])?];
    let (certificate, authority) = Certificate::vouched_for(&[SERVER])?;
    let folder = tempfile::tempdir()?;
    let authorities = folder.path().join("authority.pem");
    std::fs::write(&authorities, authority)?;
    let settings = Settings {
        address: SERVER.parse()?,
        port: HTTPS_PORT,
        relays,
        loses_udp,
        certificate: Some(certificate),
        ..Settings::default()
    };
    let server = Secluded::start(&there.namespace, settings)?;
    let link = format!("https://{SERVER}/room/kitchen");
    let join = |name: &str| {
        Join::new(&link, name)
            .test_media()
            .with("--size")
            .with("320x240")
    };
    let stranger = join("Eve").start_in(Some(&places[0].namespace))?;
    let ended = stranger.program.ended(PATIENCE)?;
    ensure!(
        ended.code == Some(4),
        "nobody vouches for it here: {ended:?}"
    );

    let start = |name, place: usize| {
        let join = join(name).authorities(&authorities);
        join.start_in(Some(&places[place].namespace))
    };
    let (ann, bob) = (start("Ann", 0)?, start("Bob", 1)?);
    let (ann_id, bob_id) = (ann.joined()?, bob.joined()?);
    for kind in ["video", "audio"] {
        ann.first_frame(&bob_id, kind, PATIENCE)?;
        bob.first_frame(&ann_id, kind, PATIENCE)?;
    }
    let record = server.record();
    ensure!(record.refusals.is_empty(), "{:#?}", record.refusals);
    ann.leave()?;
    bob.leave()?;
    Ok(record.media_bytes.keys().copied().collect())
}

#[test]
fn an_https_link_is_joined_through_a_udp_relay() -> Result<()> {
    with_rights(|| {
        let all = vec![Transport::Udp, Transport::Tcp, Transport::Tls];
        ensure!(call(all, false)? == [Transport::Udp]);
        Ok(())
    })
}

#[test]
fn an_https_link_is_joined_through_a_tls_relay_where_nothing_else_gets_through() -> Result<()> {
    with_rights(|| {
        let relays = vec![Transport::Udp, Transport::Tls];
        ensure!(call(relays, true)? == [Transport::Tls]);
        Ok(())
    })
}
