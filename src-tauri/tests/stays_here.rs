//! The page asks nobody but its own program: on a computer of its own, where every packet is
//! counted, a whole visit sends nothing anywhere else.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use snug_testkit::netns::{Lan, with_rights};
use snug_testkit::process::PATIENCE;
use snug_testkit::sniffer::Sniffer;

use crate::desk::{OWN, host, opening};

/// Past the window's start and its timers that look for news, were there any.
const LONG_ENOUGH: Duration = Duration::from_secs(3);

#[test]
fn a_window_that_hosts_sends_nothing_out() -> Result<()> {
    with_rights(|| {
        let mut lan = Lan::new()?;
        let computer = lan.host(&["10.77.0.1/24", "fd77::1/64"])?;
        // A way out that leads nowhere: without one, an attempt would not even become a packet.
        let router = ["10.77.0.9", "lladdr", "02:00:00:00:00:09", "dev", "lan0"];
        let namespace = &computer.namespace;
        namespace.ip(&[&["neigh", "add"], &router[..]].concat())?;
        namespace.ip(&["route", "add", "default", "via", "10.77.0.9"])?;
        let sniffer = Sniffer::start(namespace)?;
        let leaving = || {
            let mut packets = sniffer.packets();
            packets.retain(|packet| packet.leaves(&[]));
            packets
        };

        let window = opening().namespace(namespace).open()?;
        host(&window)?;
        window.strip(OWN, PATIENCE)?;
        window.click("invite-button")?;
        std::thread::sleep(LONG_ENOUGH);
        ensure!(leaving().is_empty(), "{:?}", leaving());
        let resources = window.script(
            "return performance.getEntriesByType('resource').map(it => it.name)
                .filter(it => !/^(tauri|ipc|ws):|^http:..ipc.localhost/.test(it))",
            json!([]),
        )?;
        ensure!(resources == json!([]), "{resources}");

        // The counter counts: a page that breaks out is stopped by the policy, a program is not.
        let fetched = window.script_async(
            "const done = arguments[0];
            fetch('http://10.77.0.9/').then(() => done('sent'), error => done(String(error)))",
            json!([]),
        )?;
        ensure!(fetched != "sent", "the policy let the page out");
        ensure!(leaving().is_empty(), "{:?}", leaving());
        namespace
            .spawn(|| std::net::UdpSocket::bind("0.0.0.0:0")?.send_to(b"x", "10.77.0.9:9"))?
            .join()
            .expect("no panic")?;
        std::thread::sleep(Duration::from_millis(200));
        ensure!(!leaving().is_empty(), "the counter saw nothing at all");
        Ok(())
    })
}
