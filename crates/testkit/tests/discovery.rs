//! Rooms on this network appear by themselves, are dialled where they were found, and go when they
//! are over; nothing is sent beyond the link, and nothing at all where nobody wants it.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use snug_testkit::lane;
use snug_testkit::netns::{Host, Lan, Namespace, with_rights};
use snug_testkit::process::{Join, PATIENCE, Participant, Program, Server, command, now_ms};
use snug_testkit::sniffer::{Packet, Sniffer};

/// A room is listed so soon after somebody starts to look.
const LISTED_WITHIN_MS: u64 = 3000;

/// It is gone so soon after its host ended as hosts should.
const GONE_WITHIN_MS: u64 = 1000;

/// And so soon after its host was killed or cut off.
const LOST_WITHIN_MS: u64 = 5000;

/// What stays on the link: of IPv4 what is for neighbours and the group of mDNS, of IPv6 whatever
/// has the scope of a link.
const GROUPS: [(&str, u8); 4] = [
    ("224.0.0.0", 24),
    ("ff02::", 16),
    ("fe80::", 64),
    ("fd77::", 64),
];

/// `snug-server rooms` at work.
struct Looking {
    program: Program,
    since_ms: u64,
}

impl Looking {
    fn start(place: &Namespace) -> Result<Self> {
        let mut command = command(Some(place));
        command.args(["rooms", "--json", "--for", "2m"]);
        let since_ms = now_ms();
        let program = Program::start(command)?;
        Ok(Self { program, since_ms })
    }

    /// Waits until so many rooms are listed. Returns them, and when that was.
    fn shows(&self, count: usize) -> Result<(Vec<Value>, u64)> {
        let listed = |body: &Value| body["rooms"].as_array().cloned().unwrap_or_default();
        let event = self.program.wait_for_last(
            &format!("list of {count} rooms"),
            PATIENCE,
            |event| event.kind == "rooms",
            |event| listed(&event.body).len() == count,
        )?;
        Ok((listed(&event.body), event.at_ms))
    }

    /// Waits until just these links are listed. A host that is heard by a link-local address first
    /// is listed by that until it is heard by another. Returns the rooms, and when that was.
    fn shows_links(&self, links: &[String]) -> Result<(Vec<Value>, u64)> {
        let listed = |body: &Value| body["rooms"].as_array().cloned().unwrap_or_default();
        let is_among = |room: &Value| links.iter().any(|link| room["link"] == link.as_str());
        let event = self.program.wait_for_last(
            &format!("list of {links:?}"),
            PATIENCE,
            |event| event.kind == "rooms",
            |event| {
                let rooms = listed(&event.body);
                rooms.len() == links.len() && rooms.iter().all(is_among)
            },
        )?;
        Ok((listed(&event.body), event.at_ms))
    }

    /// Waits for one room, which has to be listed in time since the start. Returns it.
    fn finds_one(&self) -> Result<Value> {
        let (mut rooms, at_ms) = self.shows(1)?;
        let after_ms = at_ms - self.since_ms;
        println!("listed after {after_ms} ms");
        ensure!(after_ms <= LISTED_WITHIN_MS, "listed after {after_ms} ms");
        Ok(rooms.remove(0))
    }

    /// Waits until no room is listed, which has to be in time since then.
    fn loses_all(&self, since_ms: u64, within_ms: u64) -> Result<()> {
        let (_, at_ms) = self.shows(0)?;
        ensure!(at_ms >= since_ms, "gone before it was over");
        let after_ms = at_ms - since_ms;
        println!("gone after {after_ms} ms");
        ensure!(after_ms <= within_ms, "gone after {after_ms} ms");
        Ok(())
    }
}

/// Starts a server with one person in a room, on the server's own computer.
fn hosted(place: &Namespace, room: &str) -> Result<(Server, Participant)> {
    let server = Server::start_announcing(place)?;
    let person = Join::new(&server.link(room), "Ann").start_in(Some(place))?;
    person.joined()?;
    Ok((server, person))
}

fn text<'a>(room: &'a Value, field: &str) -> Result<&'a str> {
    room[field]
        .as_str()
        .with_context(|| format!("no {field} in {room}"))
}

/// Joins by the link that was listed: by its address, with its key.
fn is_joined_where_found(room: &Value, place: &Namespace) -> Result<()> {
    let guest = Join::new(text(room, "link")?, "Bob").start_in(Some(place))?;
    guest.joined()?;
    guest.leave()?;
    Ok(())
}

/// Checks that nothing any of these sent went beyond the link.
fn stayed_home(sniffers: &[Sniffer], network: (&str, u8)) -> Result<()> {
    let mut home: Vec<(IpAddr, u8)> = vec![(network.0.parse()?, network.1)];
    for (group, length) in GROUPS {
        home.push((group.parse()?, length));
    }
    for sniffer in sniffers {
        let packets = sniffer.packets();
        ensure!(packets.len() > 5, "only {} packets seen", packets.len());
        let leaving: Vec<_> = packets
            .iter()
            .filter(|packet| packet.leaves(&home))
            .collect();
        ensure!(leaving.is_empty(), "packets leave: {:?}", leaving[0]);
    }
    Ok(())
}

fn sniffers(hosts: &[&Host]) -> Result<Vec<Sniffer>> {
    hosts
        .iter()
        .map(|host| Sniffer::start(&host.namespace))
        .collect()
}

/// A room comes and goes three times: ended, killed, cut off.
fn comes_and_goes(host: &Host, guest: &Host, other: &Host) -> Result<()> {
    let (server, ann) = hosted(&host.namespace, "Stand%20up")?;
    let looking = Looking::start(&guest.namespace)?;
    let room = looking.finds_one()?;
    ensure!(text(&room, "room")? == "Stand up", "{room}");
    ensure!(!text(&room, "host")?.is_empty(), "{room}");
    ensure!(room["people"] == 1 && room["locked"] == false, "{room}");
    ensure!(
        text(&room, "link")?.ends_with(&server.fingerprint),
        "{room}"
    );
    is_joined_where_found(&room, &other.namespace)?;
    let since_ms = now_ms();
    server.program.signal(Signal::INT)?;
    looking.loses_all(since_ms, GONE_WITHIN_MS)?;
    drop((server, ann));

    let (server, ann) = hosted(&host.namespace, "b")?;
    looking.shows(1)?;
    let since_ms = now_ms();
    server.program.signal(Signal::KILL)?;
    looking.loses_all(since_ms, LOST_WITHIN_MS)?;
    drop((server, ann, looking));

    let (server, ann) = hosted(&host.namespace, "c")?;
    let looking = Looking::start(&guest.namespace)?;
    looking.finds_one()?;
    let since_ms = now_ms();
    host.cut()?;
    looking.loses_all(since_ms, LOST_WITHIN_MS)?;
    host.mend()?;
    looking.shows(1)?;
    drop((server, ann));
    Ok(())
}

#[test]
fn a_room_is_listed_joined_and_gone() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let mut lan = Lan::new()?;
        let host = lan.host(&["10.77.0.1/24"])?;
        let guest = lan.host(&["10.77.0.2/24"])?;
        let other = lan.host(&["10.77.0.3/24"])?;
        let sniffers = sniffers(&[&host, &guest, &other])?;
        comes_and_goes(&host, &guest, &other)?;
        stayed_home(&sniffers, ("10.77.0.0", 24))
    })
}

#[test]
fn over_ipv6_alone() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let mut lan = Lan::new()?;
        let host = lan.host(&["fd77::1/64"])?;
        let guest = lan.host(&["fd77::2/64"])?;
        let other = lan.host(&["fd77::3/64"])?;
        let sniffers = sniffers(&[&host, &guest, &other])?;
        comes_and_goes(&host, &guest, &other)?;
        stayed_home(&sniffers, ("fd77::", 64))
    })
}

/// Says whether a datagram for everybody gets from one host to the other.
fn everybody_hears(from: &Host, to: &Host) -> Result<bool> {
    let (bound, ready) = std::sync::mpsc::channel();
    let receiver = to.namespace.spawn(move || {
        let socket = UdpSocket::bind("0.0.0.0:5000").expect("a port");
        let timeout = Some(Duration::from_millis(500));
        socket.set_read_timeout(timeout).expect("a timeout");
        bound.send(()).expect("the test waits");
        socket.recv(&mut [0; 8]).is_ok()
    })?;
    ready.recv()?;
    let sender = from.namespace.spawn(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a port");
        socket.set_broadcast(true).expect("an option");
        socket.send_to(b"hello", "10.77.0.255:5000").is_ok()
    })?;
    ensure!(sender.join().expect("no panic"), "nothing was sent");
    Ok(receiver.join().expect("no panic"))
}

#[test]
fn where_multicast_is_dropped() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let mut lan = Lan::new()?;
        let host = lan.host(&["10.77.0.1/24"])?;
        let guest = lan.host(&["10.77.0.2/24"])?;
        let other = lan.host(&["10.77.0.3/24"])?;
        ensure!(
            everybody_hears(&guest, &host)?,
            "this network carries broadcast"
        );
        let all = [
            (&host, "10.77.0.1"),
            (&guest, "10.77.0.2"),
            (&other, "10.77.0.3"),
        ];
        for (one, own) in all {
            for (neighbour, address) in all.iter().filter(|(_, address)| *address != own) {
                one.knows(address, neighbour)?;
            }
            one.drop_multicast()?;
        }
        ensure!(
            !everybody_hears(&guest, &host)?,
            "broadcast is still carried"
        );
        let sniffers = sniffers(&[&host, &guest, &other])?;
        comes_and_goes(&host, &guest, &other)?;
        // Neither mDNS nor the questions for all arrived: the sweep has found it.
        let is_for_all = |packet: &&Packet| match packet.to {
            IpAddr::V4(to) => to.is_multicast() || to.octets()[3] == 255,
            IpAddr::V6(to) => to.is_multicast(),
        };
        let own: [IpAddr; 1] = ["10.77.0.2".parse()?];
        let packets = sniffers[0].packets();
        let heard = packets
            .iter()
            .filter(is_for_all)
            .find(|packet| own.contains(&packet.from));
        ensure!(heard.is_none(), "the host heard {heard:?}");
        stayed_home(&sniffers, ("10.77.0.0", 24))
    })
}

#[test]
fn two_hosts_of_one_room_name_are_two() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let mut lan = Lan::new()?;
        let first = lan.host(&["10.77.0.1/24"])?;
        let second = lan.host(&["10.77.0.2/24"])?;
        let guest = lan.host(&["10.77.0.3/24"])?;
        let (one, _ann) = hosted(&first.namespace, "a")?;
        let (two, _bob) = hosted(&second.namespace, "a")?;
        let looking = Looking::start(&guest.namespace)?;
        let link = |server: &Server, host| format!("snug://{host}/a#k={}", server.fingerprint);
        let links = [link(&one, "10.77.0.1"), link(&two, "10.77.0.2")];
        let (rooms, at_ms) = looking.shows_links(&links)?;
        ensure!(at_ms - looking.since_ms <= LISTED_WITHIN_MS, "too late");
        for room in &rooms {
            is_joined_where_found(room, &guest.namespace)?;
        }
        one.program.signal(Signal::INT)?;
        let (rooms, _) = looking.shows(1)?;
        ensure!(text(&rooms[0], "link")?.contains("10.77.0.2"), "{rooms:?}");
        Ok(())
    })
}

/// What a host sends on the network by itself, within the time in which an announcing one would.
fn sent_by_itself(server: impl FnOnce(&Namespace) -> Result<Server>) -> Result<Vec<Packet>> {
    let mut lan = Lan::new()?;
    let host = lan.host(&["10.77.0.1/24", "fd77::1/64"])?;
    let sniffer = Sniffer::start(&host.namespace)?;
    let server = server(&host.namespace)?;
    let ann = Join::new(&server.link("a"), "Ann").start_in(Some(&host.namespace))?;
    ann.joined()?;
    std::thread::sleep(Duration::from_secs(4));
    ann.leave()?;
    drop(server);
    let packets = sniffer.packets();
    // What the computer itself says to be on the network, with any program or none: IGMP and
    // ICMPv6.
    let is_said =
        |packet: &&Packet| !packet.to.is_loopback() && ![2, 58].contains(&packet.protocol);
    Ok(packets.iter().filter(is_said).copied().collect())
}

#[test]
fn nothing_is_sent_where_nobody_wants_it() -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let announced = sent_by_itself(Server::start_announcing)?;
        ensure!(
            !announced.is_empty(),
            "this test would not see what is sent"
        );
        let silent = sent_by_itself(|place| Server::start_with(Some(place), &["--port", "7684"]))?;
        ensure!(silent.is_empty(), "sent all the same: {:?}", silent[0]);

        // Nor is anything told to who asks.
        let mut lan = Lan::new()?;
        let host = lan.host(&["10.77.0.1/24"])?;
        let guest = lan.host(&["10.77.0.2/24"])?;
        let server = Server::start_with(Some(&host.namespace), &["--port", "7684"])?;
        let ann = Join::new(&server.link("a"), "Ann").start_in(Some(&host.namespace))?;
        ann.joined()?;
        let looking = Looking::start(&guest.namespace)?;
        std::thread::sleep(Duration::from_millis(LISTED_WITHIN_MS) + Duration::from_secs(1));
        let lists = looking.program.events();
        let is_listed = |list: &Value| list["rooms"].as_array().is_none_or(|it| !it.is_empty());
        ensure!(!lists.is_empty(), "nothing was printed");
        ensure!(
            !lists.iter().any(|event| is_listed(&event.body)),
            "{lists:?}"
        );
        Ok(())
    })
}
