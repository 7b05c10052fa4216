//! Network namespaces: hosts of our own on one machine, without a way out.
//!
//! A [`Lan`] is a switch (a bridge in a namespace of its own) and hosts on it, each with one
//! interface called `lan0`. [`Host::cut`] makes the switch drop everything to and from a host
//! while the host itself sees no change at all: no carrier loss, no FIN, no ICMP. That is what a
//! pulled cable behind a switch or a dead access point looks like. No namespace has a default
//! route, and everything is removed on drop.
//!
//! Needs iproute2 and the rights of root over these namespaces; [`with_rights`] gets them for a
//! test that an ordinary user runs.

use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Bridge port states of the kernel (linux/if_bridge.h): drops everything, or works.
const PORT_DISABLED: &str = "0";
const PORT_FORWARDING: &str = "3";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Runs a scenario that makes namespaces or mounts, with the rights it takes.
///
/// As root it is simply run. As anybody else the test runs itself once more as the root of a user
/// namespace of its own, which Linux allows everybody, and the outcome of that counts.
///
/// # Errors
/// When the scenario fails, or user namespaces are switched off.
pub fn with_rights(scenario: impl FnOnce() -> Result<()>) -> Result<()> {
    if has_rights() {
        return scenario();
    }
    let thread = thread::current();
    let test = thread.name().filter(|name| *name != "main");
    let test = test.context("the test's name is its thread's: run with more than one thread")?;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--net", "sh", "-c"])
        // `ip netns` keeps its namespaces under /run, where we may not write outside.
        .arg("mount -t tmpfs tmpfs /run && ip link set lo up && exec \"$@\"")
        .arg("sh")
        .arg(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .output()
        .context("start unshare; Debian's package util-linux has it")?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    ensure!(
        output.status.success(),
        "{test} failed in its user namespace: {said}"
    );
    ensure!(
        said.contains("1 passed"),
        "{test} did not run in its user namespace: {said}"
    );
    Ok(())
}

/// Says whether this process may make namespaces as it is.
#[must_use]
pub fn has_rights() -> bool {
    rustix::process::geteuid().is_root()
}

/// A network namespace with `lo` up and nothing else; removed on drop.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace in which only `lo` is up.
    ///
    /// # Errors
    /// When `ip` is missing or we may not make namespaces.
    pub fn new() -> Result<Self> {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("snug-{}-{count}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"])?;
        // Addresses at once: duplicate address detection would keep an IPv6 address unusable for
        // a second, and there is nobody to be a duplicate of.
        namespace.sysctl("net/ipv6/conf/default/accept_dad", "0")?;
        Ok(namespace)
    }

    /// Says what `ip netns` calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` inside.
    ///
    /// # Errors
    /// When `ip` fails; the error holds what it said.
    pub fn ip(&self, arguments: &[&str]) -> Result<()> {
        let mut all = vec!["-n", &self.name];
        all.extend_from_slice(arguments);
        ip(&all)
    }

    /// Makes a command that runs `program` inside, under the process id that the command gets.
    #[must_use]
    pub fn command(&self, program: &std::ffi::OsStr) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs `inside` on a new thread of this process that lives in the namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn spawn<T: Send + 'static>(
        &self,
        inside: impl FnOnce() -> T + Send + 'static,
    ) -> Result<thread::JoinHandle<T>> {
        let path = format!("/run/netns/{}", self.name);
        let file = std::fs::File::open(&path).with_context(|| format!("open {path}"))?;
        let (entered, outcome) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let moved = move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network));
            let failed = moved.is_err();
            entered.send(moved).expect("the parent waits for this");
            // A thread that stayed outside must not do what was meant for the inside.
            assert!(!failed, "not inside the namespace");
            inside()
        });
        outcome
            .recv()
            .context("the thread ended early")?
            .context("enter the namespace")?;
        Ok(thread)
    }

    fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let (path, value) = (format!("/proc/sys/{key}"), value.to_owned());
        let write = self.spawn(move || std::fs::write(path, value))?;
        let written = write
            .join()
            .map_err(|_| anyhow::anyhow!("the sysctl thread panicked"))?;
        written.with_context(|| format!("set {key}"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = ip(&["netns", "del", &self.name]) {
            eprintln!("namespace {} stays behind: {error:#}", self.name);
        }
    }
}

/// A switch and the hosts plugged into it.
#[derive(Debug)]
pub struct Lan {
    switch: Namespace,
    ports: u32,
}

impl Lan {
    /// Makes a switch without hosts.
    ///
    /// # Errors
    /// When namespaces or bridges cannot be made.
    pub fn new() -> Result<Self> {
        let switch = Namespace::new()?;
        switch.ip(&["link", "add", "br0", "type", "bridge", "stp_state", "0"])?;
        switch.ip(&[
            "link",
            "set",
            "br0",
            "type",
            "bridge",
            "mcast_snooping",
            "0",
        ])?;
        // The switch itself takes no part: without this it would speak IPv6 on its own.
        switch.sysctl("net/ipv6/conf/br0/disable_ipv6", "1")?;
        switch.sysctl("net/ipv6/conf/default/disable_ipv6", "1")?;
        switch.ip(&["link", "set", "br0", "up"])?;
        Ok(Self { switch, ports: 0 })
    }

    /// Plugs in a host with these addresses, each with its prefix length.
    ///
    /// # Errors
    /// When the host cannot be made or an address is not one.
    pub fn host(&mut self, addresses: &[&str]) -> Result<Host> {
        let namespace = Namespace::new()?;
        let port = self.plug(&namespace, "lan0", addresses)?;
        let switch = self.switch.name().to_owned();
        Ok(Host {
            namespace,
            switch,
            port,
        })
    }

    /// Gives a host on another network one more interface, on this one.
    ///
    /// # Errors
    /// When the interface cannot be made or an address is not one.
    pub fn also(&mut self, host: &Host, interface: &str, addresses: &[&str]) -> Result<()> {
        self.plug(&host.namespace, interface, addresses).map(drop)
    }

    fn plug(&mut self, host: &Namespace, name: &str, addresses: &[&str]) -> Result<String> {
        let port = format!("port{}", self.ports);
        self.ports += 1;
        let switch = &self.switch;
        switch.ip(&[
            "link",
            "add",
            &port,
            "type",
            "veth",
            "peer",
            "name",
            name,
            "netns",
            host.name(),
        ])?;
        switch.ip(&["link", "set", &port, "master", "br0", "up"])?;
        host.ip(&["link", "set", name, "up"])?;
        for address in addresses {
            let mut words = vec!["address", "add", address, "dev", name];
            if address.contains(':') {
                words.push("nodad");
            }
            host.ip(&words)?;
        }
        Ok(port)
    }
}

/// A computer on the switch.
#[derive(Debug)]
pub struct Host {
    /// Where its programs run.
    pub namespace: Namespace,
    switch: String,
    port: String,
}

impl Host {
    /// Drops every packet to and from this host from now on, unknown to both ends.
    ///
    /// # Errors
    /// When the switch does not obey.
    pub fn cut(&self) -> Result<()> {
        self.set_port(PORT_DISABLED)
    }

    /// Lets packets through again.
    ///
    /// # Errors
    /// When the switch does not obey.
    pub fn mend(&self) -> Result<()> {
        self.set_port(PORT_FORWARDING)
    }

    /// Drops what comes for all or for many (broadcast and multicast) on its way to this host, as
    /// some access points do; what is for this host alone arrives.
    ///
    /// # Errors
    /// When the switch does not obey.
    pub fn drop_multicast(&self) -> Result<()> {
        let mut words = vec!["-n", &self.switch, "link", "set", "dev", &self.port];
        words.extend(["mcast_flood", "off", "bcast_flood", "off"]);
        run("bridge", &words)
    }

    /// Tells this host where a neighbour is, so that it need not ask everybody.
    ///
    /// # Errors
    /// When the neighbour has no `lan0` or the address is not one.
    pub fn knows(&self, address: &str, neighbour: &Host) -> Result<()> {
        let path = "/sys/class/net/lan0/address";
        let output = neighbour
            .namespace
            .command("cat".as_ref())
            .arg(path)
            .output()?;
        let link = String::from_utf8(output.stdout)?;
        let mut words = vec!["neighbour", "replace", address, "lladdr", link.trim()];
        words.extend(["dev", "lan0", "nud", "permanent"]);
        self.namespace.ip(&words)
    }

    fn set_port(&self, state: &str) -> Result<()> {
        // Not `ip link set ... type bridge_slave state`: iproute2 6.1 accepts that without effect.
        run(
            "bridge",
            &[
                "-n",
                &self.switch,
                "link",
                "set",
                "dev",
                &self.port,
                "state",
                state,
            ],
        )
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("start {program}; Debian's package iproute2 has it"))?;
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "{program} {} failed: {}",
        arguments.join(" "),
        message.trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::time::Duration;

    /// Sends one datagram from `from` to a socket on `to` and says whether it arrived.
    fn arrives(from: &Host, to: &Host, address: &'static str) -> Result<bool> {
        let (bound, ready) = std::sync::mpsc::channel();
        let receiver = to.namespace.spawn(move || {
            let socket = UdpSocket::bind((address, 5000)).expect("the address is ours");
            socket
                .set_read_timeout(Some(Duration::from_millis(300)))
                .expect("a timeout");
            bound.send(()).expect("the test waits");
            socket.recv(&mut [0; 8]).is_ok()
        })?;
        ready.recv()?;
        let sender = from.namespace.spawn(move || {
            let any = if address.contains(':') {
                "[::]:0"
            } else {
                "0.0.0.0:0"
            };
            let socket = UdpSocket::bind(any).expect("any port");
            socket.send_to(b"hello", (address, 5000)).is_ok()
        })?;
        assert!(
            sender.join().expect("no panic"),
            "a cut must not show at the sender"
        );
        Ok(receiver.join().expect("no panic"))
    }

    #[test]
    fn a_cut_drops_both_ways_without_a_sign_and_is_mended() -> Result<()> {
        with_rights(|| {
            let mut lan = Lan::new()?;
            let a = lan.host(&["10.77.0.1/24"])?;
            let b = lan.host(&["10.77.0.2/24"])?;
            assert!(arrives(&a, &b, "10.77.0.2")?);
            b.cut()?;
            assert!(!arrives(&a, &b, "10.77.0.2")?);
            assert!(!arrives(&b, &a, "10.77.0.1")?);
            b.mend()?;
            assert!(arrives(&a, &b, "10.77.0.2")?);
            assert!(arrives(&b, &a, "10.77.0.1")?);
            Ok(())
        })
    }

    #[test]
    fn ipv6_works_at_once() -> Result<()> {
        with_rights(|| {
            let mut lan = Lan::new()?;
            let a = lan.host(&["fd77::1/64"])?;
            let b = lan.host(&["fd77::2/64"])?;
            assert!(arrives(&a, &b, "fd77::2")?);
            Ok(())
        })
    }

    #[test]
    fn a_namespace_is_gone_after_its_end() -> Result<()> {
        with_rights(|| {
            let namespace = Namespace::new()?;
            let path = format!("/run/netns/{}", namespace.name());
            assert!(std::fs::exists(&path)?);
            drop(namespace);
            assert!(!std::fs::exists(&path)?);
            Ok(())
        })
    }

    #[test]
    fn there_is_no_way_out() -> Result<()> {
        with_rights(|| {
            let mut lan = Lan::new()?;
            let host = lan.host(&["10.77.0.1/24"])?;
            let outside = host.namespace.spawn(|| {
                let socket = UdpSocket::bind("0.0.0.0:0").expect("any port");
                socket.send_to(b"x", "192.0.2.1:9").is_ok()
            })?;
            assert!(!outside.join().expect("no panic"));
            Ok(())
        })
    }
}
