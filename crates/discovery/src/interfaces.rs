//! Which of a computer's networks have people on them.
//!
//! Rules, each with its why:
//! - An interface counts by its *name*, not by its kind: containers and virtual machines name
//!   theirs in known ways, while a cable pair that somebody called `lan0` (or an adapter of any
//!   kind) may well lead to people.
//! - What is down, loops back or leads to one other end only (a tunnel) has no neighbours.
//! - Cables come before radio, and known names before others: they are asked and shown first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many addresses of ours are used: computers have few, servers of containers many.
pub const LINKS_MAX: usize = 16;

/// A sweep asks within a /24 at most, whatever the prefix: 254 computers.
const SWEEP_PREFIX_MIN: u8 = 24;

/// Names of interfaces that lead to containers, virtual machines or tunnels, by their beginnings.
const IGNORED: &[&str] = &[
    "docker",
    "podman",
    "veth",
    "virbr",
    "vnet",
    "vmnet",
    "vboxnet",
    "lxc",
    "lxd",
    "cni",
    "cali",
    "flannel",
    "tun",
    "tap",
    "utun",
    "wg",
    "ppp",
    "zt",
    "tailscale",
    "ipsec",
    "awdl",
    "llw",
    "dummy",
];

/// One address of this computer and the network it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What the system calls the interface.
    pub name: String,
    /// Its number, as IPv6 needs it for link-local addresses; 0 where unknown.
    pub index: u32,
    /// Our address there.
    pub address: IpAddr,
    /// How many bits of it are the network's, 0 to 128.
    pub prefix: u8,
    /// It works.
    pub is_up: bool,
    /// It leads to one other end only.
    pub is_tunnel: bool,
}

impl Link {
    /// Whether an address is on this network, so that no router lies between. A link-local address
    /// of IPv6 is, when it came with this interface's number.
    #[must_use]
    pub fn holds(&self, other: IpAddr, scope: u32) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                self.prefix > 0
                    && (own.to_bits() ^ other.to_bits()).leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(_), IpAddr::V6(other)) if other.is_unicast_link_local() => {
                scope == self.index
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                self.prefix > 0
                    && (own.to_bits() ^ other.to_bits()).leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }

    /// Where all computers of this IPv4 network hear: its last address (RFC 919).
    #[must_use]
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        let IpAddr::V4(own) = self.address else {
            return None;
        };
        // A network of two has none (RFC 3021).
        let is_shared = (1..=30).contains(&self.prefix);
        is_shared.then(|| Ipv4Addr::from_bits(own.to_bits() | (u32::MAX >> self.prefix)))
    }
}

/// Whether an interface of this name can lead to people.
#[must_use]
pub fn leads_to_people(name: &str) -> bool {
    // Docker names its bridges by twelve hexadecimal digits; `br0` and `br-lan` are people's own.
    let is_docker = name
        .strip_prefix("br-")
        .is_some_and(|rest| rest.len() == 12 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    !is_docker && !IGNORED.iter().any(|ignored| name.starts_with(ignored))
}

/// Picks the networks with people on them, the likeliest first, at most [`LINKS_MAX`].
#[must_use]
pub fn rank(mut links: Vec<Link>) -> Vec<Link> {
    links.retain(|link| {
        let is_usable = !link.address.is_loopback() && !link.address.is_unspecified();
        is_usable && link.is_up && !link.is_tunnel && leads_to_people(&link.name)
    });
    let class = |name: &str| match name {
        _ if name.starts_with("en") || name.starts_with("eth") => 0,
        _ if name.starts_with("wl") || name.starts_with("wifi") => 1,
        _ => 2,
    };
    links.sort_by(|a, b| {
        let key = |link: &Link| (class(&link.name), link.index, link.address.is_ipv6());
        key(a).cmp(&key(b)).then_with(|| a.address.cmp(&b.address))
    });
    links.truncate(LINKS_MAX);
    links
}

/// Lists whom a sweep asks: the neighbours on the best private IPv4 network, ourselves left out,
/// the nearest addresses first; at most 253.
#[must_use]
pub fn sweep_targets(ranked: &[Link]) -> Vec<Ipv4Addr> {
    let private = |link: &&Link| match link.address {
        // Nobody sweeps the internet: a public address has strangers beside it.
        IpAddr::V4(own) => own.is_private() || own.is_link_local(),
        IpAddr::V6(_) => false,
    };
    let Some(link) = ranked.iter().find(private) else {
        return Vec::new();
    };
    let IpAddr::V4(own) = link.address else {
        return Vec::new();
    };
    let own = own.to_bits();
    let mask = u32::MAX >> link.prefix.clamp(SWEEP_PREFIX_MIN, 31);
    let (first, last) = (own & !mask, own | mask);
    let mut targets: Vec<u32> = (first..=last)
        .filter(|&bits| bits != own && bits != first && bits != last)
        .collect();
    targets.sort_by_key(|bits| bits.abs_diff(own));
    targets.into_iter().map(Ipv4Addr::from_bits).collect()
}

/// Picks the addresses that others may dial besides the one they heard us at: those of IPv6 that
/// need no zone.
#[must_use]
pub fn dialable(ranked: &[Link]) -> Vec<IpAddr> {
    let is_plain = |ip: &Ipv6Addr| !ip.is_unicast_link_local();
    let all = ranked.iter().filter_map(|link| match link.address {
        IpAddr::V6(ip) => is_plain(&ip).then_some(link.address),
        IpAddr::V4(_) => None,
    });
    all.take(snug_protocol::ADVERT_ADDRESSES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, address: &str, prefix: u8) -> Link {
        Link {
            name: name.to_owned(),
            index: 2,
            address: address.parse().unwrap(),
            prefix,
            is_up: true,
            is_tunnel: false,
        }
    }

    #[test]
    fn containers_tunnels_and_what_is_down_do_not_count() {
        for name in [
            "docker0",
            "veth1a2b3c4",
            "br-0123456789ab",
            "virbr0",
            "tun0",
            "wg0",
        ] {
            assert!(!leads_to_people(name), "{name}");
        }
        for name in [
            "eth0", "wlan0", "lan0", "br0", "br-lan", "bridge0", "enp3s0",
        ] {
            assert!(leads_to_people(name), "{name}");
        }
        let down = Link {
            is_up: false,
            ..link("eth1", "10.1.0.1", 24)
        };
        let tunnel = Link {
            is_tunnel: true,
            ..link("office", "10.2.0.1", 24)
        };
        let all = vec![
            down,
            tunnel,
            link("lo", "127.0.0.1", 8),
            link("docker0", "172.17.0.1", 16),
            link("lan0", "10.3.0.1", 24),
            link("wlan0", "10.4.0.1", 24),
            link("eth0", "10.5.0.1", 24),
        ];
        let names: Vec<String> = rank(all).into_iter().map(|link| link.name).collect();
        assert_eq!(names, ["eth0", "wlan0", "lan0"]);
        let many = vec![link("eth0", "10.5.0.1", 24); 99];
        assert_eq!(rank(many).len(), LINKS_MAX);
    }

    #[test]
    fn a_network_ends_at_its_prefix() {
        let lan = link("eth0", "192.168.1.20", 24);
        assert!(lan.holds("192.168.1.7".parse().unwrap(), 0));
        assert!(!lan.holds("192.168.2.7".parse().unwrap(), 0));
        assert!(!lan.holds("fd00::1".parse().unwrap(), 0));
        assert_eq!(lan.broadcast(), Some(Ipv4Addr::new(192, 168, 1, 255)));
        assert_eq!(link("eth0", "10.0.0.1", 31).broadcast(), None);
        let six = link("eth0", "fd00::1", 64);
        assert!(six.holds("fd00::2".parse().unwrap(), 0));
        assert!(!six.holds("fd00:0:0:1::2".parse().unwrap(), 0));
        assert!(six.holds("fe80::2".parse().unwrap(), 2));
        assert!(!six.holds("fe80::2".parse().unwrap(), 3));
        assert!(!link("eth0", "10.0.0.1", 0).holds("8.8.8.8".parse().unwrap(), 0));
    }

    #[test]
    fn a_sweep_is_bounded_and_private() {
        let targets = sweep_targets(&[link("eth0", "10.1.2.3", 8)]);
        assert_eq!(targets.len(), 253);
        assert_eq!(targets[0].octets()[..3], [10, 1, 2]);
        assert!(!targets.contains(&Ipv4Addr::new(10, 1, 2, 3)));
        assert!(!targets.contains(&Ipv4Addr::new(10, 1, 2, 255)));
        assert!(sweep_targets(&[link("eth0", "203.0.113.9", 24)]).is_empty());
        assert!(sweep_targets(&[link("eth0", "fd00::1", 64)]).is_empty());
        assert_eq!(sweep_targets(&[link("eth0", "10.1.2.1", 30)]).len(), 1);
        assert!(sweep_targets(&[link("eth0", "10.1.2.1", 32)]).is_empty());
    }
}
