//! Both means of input and output, over loopback.

use super::*;
use std::time::Instant;

fn ports(bind: Option<IpAddr>) -> Vec<Box<dyn DatagramIo>> {
    let portable = portable::PortableIo::new(bind_socket(bind, 0).unwrap()).unwrap();
    vec![open(bind, 0).unwrap(), Box::new(portable)]
}

fn receive(io: &mut dyn DatagramIo, inbox: &mut Inbox) {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        io.receive(inbox, Duration::from_secs(1)).unwrap();
        if inbox.len() > 0 {
            return;
        }
        assert!(Instant::now() < end, "nothing came");
    }
}

#[test]
fn answers_leave_from_the_address_that_was_asked() {
    let counters = Counters::default();
    for to in ["127.0.0.1", "127.0.0.2", "::1"] {
        let to: IpAddr = to.parse().unwrap();
        for mut io in ports(None) {
            let port = io.local_addr().unwrap().port();
            let from = if to.is_ipv4() {
                "127.0.0.1:0"
            } else {
                "[::1]:0"
            };
            let Ok(client) = UdpSocket::bind(from) else {
                continue;
            };
            client
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            client.send_to(b"hello", (to, port)).unwrap();
            let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
            receive(io.as_mut(), &mut inbox);
            let (received, bytes) = inbox.datagram(0);
            assert_eq!(bytes, b"hello");
            assert_eq!(
                received.path.remote.ip().to_canonical(),
                client.local_addr().unwrap().ip()
            );
            outbox.slot()[..5].copy_from_slice(b"world");
            outbox.commit(5, received.path);
            io.send(&mut outbox, &counters);
            assert!(outbox.is_empty());
            let mut buffer = [0; 16];
            let (len, sender) = client.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], b"world");
            if received.path.local.is_some() {
                assert_eq!(sender, SocketAddr::new(to, port));
            }
        }
    }
    assert_eq!(counters.send_failed.get(), 0);
}

#[test]
fn a_run_of_datagrams_arrives_as_datagrams() {
    let counters = Counters::default();
    let bind = Some(Ipv4Addr::LOCALHOST.into());
    for mut io in ports(bind) {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let path = Path::direct(client.local_addr().unwrap(), None);
        let mut outbox = Outbox::new();
        let lens = [1200, 1200, 1200, 700, 1200, 1201, 9, 9];
        for (index, len) in lens.into_iter().enumerate() {
            outbox.slot()[..len].fill(index as u8);
            outbox.commit(len, path);
        }
        assert_eq!(outbox.messages.len(), 4, "1200 x3 + 700, 1200, 1201 + 9, 9");
        io.send(&mut outbox, &counters);
        let mut buffer = [0; 2048];
        for (index, len) in lens.into_iter().enumerate() {
            assert_eq!(client.recv(&mut buffer).unwrap(), len);
            assert!(buffer[..len].iter().all(|byte| *byte == index as u8));
        }
    }
    assert_eq!(counters.datagrams_sent.get(), 16);
}

#[test]
fn what_cannot_be_sent_is_counted_and_the_rest_goes_out() {
    for mut io in ports(Some(Ipv4Addr::LOCALHOST.into())) {
        let counters = Counters::default();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        // Port 0 cannot be sent to.
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut outbox = Outbox::new();
        for remote in [nowhere, client.local_addr().unwrap()] {
            outbox.slot()[0] = 1;
            outbox.commit(1, Path::direct(remote, None));
        }
        io.send(&mut outbox, &counters);
        assert_eq!(client.recv(&mut [0; 8]).unwrap(), 1);
        assert_eq!(
            (counters.send_failed.get(), counters.datagrams_sent.get()),
            (1, 1)
        );
    }
}

#[test]
fn a_wake_ends_the_wait() {
    for mut io in ports(None) {
        let waker = io.waker();
        let thread = std::thread::spawn(move || waker.wake());
        let start = Instant::now();
        io.receive(&mut Inbox::new(), Duration::from_secs(30))
            .unwrap();
        assert!(start.elapsed() < Duration::from_secs(10));
        thread.join().unwrap();
    }
}

#[test]
fn a_datagram_that_is_too_long_is_marked() {
    for mut io in ports(Some(Ipv4Addr::LOCALHOST.into())) {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .send_to(&[7; DATAGRAM_LEN_MAX + 1], io.local_addr().unwrap())
            .unwrap();
        let mut inbox = Inbox::new();
        receive(io.as_mut(), &mut inbox);
        assert!(inbox.datagram(0).0.is_truncated);
    }
}

#[test]
fn the_outbox_says_when_it_is_full() {
    let path = Path::direct(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)), None);
    let mut outbox = Outbox::new();
    let mut count = 0;
    while !outbox.is_full() {
        outbox.commit(1500, path);
        count += 1;
    }
    assert!(
        (300..400).contains(&count),
        "{count} datagrams of 1500 in 512 KiB"
    );
    outbox.clear();
    assert!(!outbox.is_full());
}
