//! A call works wherever two computers reach each other, however poor the network: loopback only,
//! self-assigned addresses, IPv6, no way out. And nothing leaves for anywhere else.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use snug_testkit::lane;
use snug_testkit::netns::{Host, Lan, Namespace, with_rights};
use snug_testkit::process::{Join, PATIENCE, Server};
use snug_testkit::sniffer::Sniffer;

/// Holds a call between two computers by way of a server on the first, and checks every packet.
///
/// `places` are where server, first and second participant run; `networks` is home.
fn call_stays_home(
    places: [&Namespace; 3],
    server_host: &str,
    networks: &[(&str, u8)],
) -> Result<()> {
    let sniffers: Vec<Sniffer> = places
        .iter()
        .map(|place| Sniffer::start(place))
        .collect::<Result<_>>()?;
    let server = Server::start_with(Some(places[0]), &[])?;
    let link = server.link_by(server_host, "small");
    let join = |name, place: &Namespace| {
        Join::new(&link, name)
            .test_media()
            .with("--size")
            .with("320x240")
            .start_in(Some(place))
    };
    let (ann, bob) = (join("Ann", places[1])?, join("Bob", places[2])?);
    let (ann_id, bob_id) = (ann.joined()?, bob.joined()?);
    for kind in ["video", "audio"] {
        ann.first_frame(&bob_id, kind, PATIENCE)?;
        bob.first_frame(&ann_id, kind, PATIENCE)?;
    }
    ann.leave()?;
    bob.leave()?;
    drop(server);

    let home: Vec<(IpAddr, u8)> = networks
        .iter()
        .map(|(network, length)| Ok((network.parse()?, *length)))
        .collect::<Result<_>>()?;
    for (place, sniffer) in places.iter().zip(&sniffers) {
        let packets = sniffer.packets();
        ensure!(
            packets.len() > 20,
            "only {} packets seen in {}",
            packets.len(),
            place.name()
        );
        let leaving: Vec<_> = packets
            .iter()
            .filter(|packet| packet.leaves(&home))
            .collect();
        ensure!(
            leaving.is_empty(),
            "{} packets leave: {:?}",
            leaving.len(),
            leaving[0]
        );
    }
    Ok(())
}

fn three(lan: &mut Lan, addresses: [&str; 3]) -> Result<[Host; 3]> {
    let [a, b, c] = addresses;
    Ok([lan.host(&[a])?, lan.host(&[b])?, lan.host(&[c])?])
}

fn between(hosts: &[Host; 3], server_host: &str, networks: &[(&str, u8)]) -> Result<()> {
    let [a, b, c] = hosts;
    call_stays_home(
        [&a.namespace, &b.namespace, &c.namespace],
        server_host,
        networks,
    )
}

#[test]
fn with_only_loopback_up() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let alone = Namespace::new()?;
        call_stays_home([&alone, &alone, &alone], "127.0.0.1", &[])
    })
}

#[test]
fn with_self_assigned_addresses() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let mut lan = Lan::new()?;
        let hosts = three(
            &mut lan,
            ["169.254.7.1/16", "169.254.7.2/16", "169.254.200.3/16"],
        )?;
        between(&hosts, "169.254.7.1", &[("169.254.0.0", 16)])
    })
}

#[test]
fn over_ipv6() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let mut lan = Lan::new()?;
        let hosts = three(&mut lan, ["fd77::1/64", "fd77::2/64", "fd77::3/64"])?;
        between(&hosts, "[fd77::1]", &[("fd77::", 64), ("fe80::", 64)])
    })
}

#[test]
fn without_a_default_route_and_with_a_second_network() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let (mut lan, mut other) = (Lan::new()?, Lan::new()?);
        let hosts = three(&mut lan, ["10.77.0.1/24", "10.77.0.2/24", "10.77.0.3/24"])?;
        // Every computer is on another network as well, where the call has no business.
        for (host, address) in hosts
            .iter()
            .zip(["10.88.0.1/24", "10.88.0.2/24", "10.88.0.3/24"])
        {
            other.also(host, "lan1", &[address])?;
        }
        between(&hosts, "10.77.0.1", &[("10.77.0.0", 24)])
    })
}
