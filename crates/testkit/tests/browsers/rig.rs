//! What every scenario of the browser suite stands on: a network with a server on one computer
//! and a browser on another, and guests who join with one release of the clients each.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use snug_protocol::{PeerId, RoomName};
use snug_server::{Config, Server as Hosted};
use snug_testkit::browser::{Browser, Kind, ORIGINS, Page};
use snug_testkit::cable::Cable;
use snug_testkit::lane;
use snug_testkit::netns::{Host, Lan, with_rights};
use snug_testkit::process::{PATIENCE, Server, Signal};
use snug_testkit::profile::Profile;

/// The server's computer.
pub const SERVER: &str = "10.77.0.1";

/// The server's port, the same as everybody's.
pub const PORT: u16 = 7684;

/// What a browser says whose peer is out: clients do not close the connection that they had as that
/// peer, and its relay ended with it.
pub const RELAY_ENDED: &str = r#""type":"icecandidateerror","errorCode":401"#;

/// What Firefox says when a relay of a negotiation long past has ended: it keeps every one that it
/// ever asked for, two in each negotiation, and the server keeps eight.
pub const RETIRED_RELAY: &str = r#""type":"icecandidateerror","errorCode":701"#;

/// What Chromium said now and then in a call of a minute: it also asks the relay as a STUN server.
pub const STUN_UNANSWERED: &str = "STUN binding request timed out";

/// What Chromium says of a computer with two cables, one of which does not lead to a relay.
pub const TWO_CABLES: &str = "Address not associated with the desired network interface";

/// Which client a guest has: a release of `phoenix` and one of what speaks media events.
#[derive(Debug, Clone, Copy)]
pub struct Release {
    pub phoenix: &'static str,
    pub client: &'static str,
}

impl Release {
    /// The pair that most applications of today have.
    pub const MAIN: Self = Self::new("phoenix-1.8", "membrane-0.7.1");

    pub const fn new(phoenix: &'static str, client: &'static str) -> Self {
        Self { phoenix, client }
    }
}

/// A network of its own, with a server that allows the suite's pages.
pub struct Rig {
    // Fields end in this order: who uses, then what is used.
    pub server: Server,
    pub guests: Host,
    host: Host,
    _lan: Lan,
}

impl Rig {
    fn new(arguments: &[&str]) -> Result<Self> {
        let mut lan = Lan::new()?;
        let host = lan.host(&["10.77.0.1/24"])?;
        let guests = lan.host(&["10.77.0.2/24"])?;
        // Nothing lies behind it, but Firefox takes its own address from the way to the world.
        let route = ["route", "add", "default", "via", SERVER];
        guests.namespace.ip(&route)?;
        let server = serve(&host, arguments)?;
        Ok(Self {
            server,
            guests,
            host,
            _lan: lan,
        })
    }

    /// Lays another cable between the two computers, at whose far end the server can be reached.
    pub fn cable(&self, profile: Profile, seed: u64) -> Result<Cable> {
        Cable::lay(&self.guests.namespace, &self.host.namespace, profile, seed)
    }

    /// Drops every datagram that comes to the server's computer from now on, without a word, as a
    /// firewall does that lets only TCP through.
    pub fn drop_datagrams(&self) -> Result<()> {
        // What is for this computer is looked up first of all; the rule has to stand before.
        for rule in [
            ["add", "pref", "10", "lookup", "local"].as_slice(),
            &["add", "pref", "1", "ipproto", "udp", "blackhole"],
            &["del", "pref", "0"],
        ] {
            self.host.namespace.ip(&[&["rule"], rule].concat())?;
        }
        Ok(())
    }

    /// Kills the server, as a crash would, and starts another in its place.
    pub fn crash_and_serve_again(&self) -> Result<Server> {
        self.server.program.signal(Signal::KILL)?;
        let state = format!("/proc/{}/stat", self.server.program.id());
        let deadline = Instant::now() + PATIENCE;
        // What is left of it then holds no port any more.
        while std::fs::read_to_string(&state).is_ok_and(|state| !state.contains(") Z ")) {
            ensure!(Instant::now() < deadline, "the server does not die");
            std::thread::sleep(Duration::from_millis(5));
        }
        serve(&self.host, &[])
    }

    /// Starts a browser on the guests' computer.
    pub fn browser(&self, kind: Kind) -> Result<Browser> {
        Browser::start(kind, &self.guests.namespace)
    }

    /// Starts a browser on the server's computer, whose every way to the server is a good one.
    pub fn browser_beside_server(&self, kind: Kind) -> Result<Browser> {
        Browser::start(kind, &self.host.namespace)
    }

    /// Says the link of a room for a program of ours on the guests' computer.
    pub fn link(&self, room: &str) -> String {
        self.server.link_by(SERVER, room)
    }
}

fn serve(host: &Host, arguments: &[&str]) -> Result<Server> {
    let mut all = vec!["--port", "7684", "--allow-plain-ws"];
    all.extend(
        ORIGINS
            .iter()
            .flat_map(|origin| ["--allow-origin", *origin]),
    );
    all.extend_from_slice(arguments);
    Server::start_with(Some(&host.namespace), &all)
}

/// A server inside this program, beside the rig's own: it can be asked for what none that is shipped
/// does.
pub struct OwnServer {
    orders: Option<tokio::sync::mpsc::Sender<Order>>,
    thread: Option<std::thread::JoinHandle<Result<()>>>,
    _data: tempfile::TempDir,
}

/// What a server inside this program is asked for, by the room and who is in it.
enum Demand {
    CrashRoom,
    CrashPeer(PeerId),
    Kick(PeerId),
}

/// What to do in which room, and who hears whether it was there.
type Order = (String, Demand, std::sync::mpsc::Sender<bool>);

impl OwnServer {
    /// What `snug.join` takes for a room on it, besides the rest.
    pub const OPTIONS: &str = "{url: 'ws://10.77.0.1:7685/socket'}";

    /// Starts it on the server's computer.
    pub fn start(rig: &Rig) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let config = Config {
            port: PORT + 1,
            data_dir: data.path().to_owned(),
            allow_plain_ws: true,
            allow_origins: ORIGINS.map(str::to_owned).to_vec(),
            ..Config::default()
        };
        let (orders, taken) = tokio::sync::mpsc::channel(1);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = rig.host.namespace.spawn(move || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(host(config, ready, taken))
        })?;
        is_ready
            .recv_timeout(PATIENCE)
            .context("it does not start")?;
        Ok(Self {
            orders: Some(orders),
            thread: Some(thread),
            _data: data,
        })
    }

    /// Makes a room's task panic.
    pub fn crash_room(&self, name: &str) -> Result<()> {
        self.order(name, Demand::CrashRoom)
    }

    /// Makes a room panic over what it does for one peer.
    pub fn crash_peer(&self, name: &str, peer: &str) -> Result<()> {
        self.order(name, Demand::CrashPeer(peer.parse()?))
    }

    /// Puts a peer out of a room.
    pub fn kick(&self, name: &str, peer: &str) -> Result<()> {
        self.order(name, Demand::Kick(peer.parse()?))
    }

    fn order(&self, name: &str, demand: Demand) -> Result<()> {
        let (reply, answer) = std::sync::mpsc::channel();
        let orders = self.orders.as_ref().context("it has ended")?;
        orders.blocking_send((name.to_owned(), demand, reply))?;
        ensure!(answer.recv_timeout(PATIENCE)?, "nobody is there in {name}");
        Ok(())
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // Without orders to come it shuts down.
        self.orders = None;
        let ended = self.thread.take().map(std::thread::JoinHandle::join);
        if let Some(Err(_) | Ok(Err(_))) = ended {
            eprintln!("the server in this program did not end well");
        }
    }
}

/// Hosts rooms until nobody can give orders any more.
async fn host(
    config: Config,
    ready: std::sync::mpsc::Sender<()>,
    mut orders: tokio::sync::mpsc::Receiver<Order>,
) -> Result<()> {
    let server = Hosted::start(config).await?;
    ready.send(())?;
    while let Some((name, demand, reply)) = orders.recv().await {
        let name = RoomName::parse(&name)?;
        reply.send(match demand {
            Demand::CrashRoom => server.crash_room(&name).await,
            Demand::CrashPeer(peer) => server.crash_peer(&name, &peer).await,
            Demand::Kick(peer) => server.kick(&name, &peer).await,
        })?;
    }
    server.shutdown().await;
    Ok(())
}

/// Runs a scenario on a rig, alone on the machine, and shows the server's words when it fails.
pub fn scenario(run: impl FnOnce(&Rig) -> Result<()>) -> Result<()> {
    scenario_with(&[], run)
}

/// The same with further arguments for the server.
pub fn scenario_with(arguments: &[&str], run: impl FnOnce(&Rig) -> Result<()>) -> Result<()> {
    with_rights(|| {
        let _turn = lane::turn();
        let rig = Rig::new(arguments)?;
        run(&rig).with_context(|| format!("{:?}", rig.server))?;
        let said = rig.server.program.complaints();
        ensure!(!said.contains("panicked"), "the server panicked: {said}");
        Ok(())
    })
}

/// Somebody in a room, in a page.
#[derive(Debug)]
pub struct Guest<'a> {
    pub page: Page<'a>,
    pub id: String,
}

impl<'a> Guest<'a> {
    /// Opens a page and joins with it.
    pub fn join(browser: &'a Browser, name: &str, release: Release, room: &str) -> Result<Self> {
        Self::join_in(browser.open(name)?, release, room)
    }

    /// Joins in a page that is open.
    pub fn join_in(page: Page<'a>, release: Release, room: &str) -> Result<Self> {
        Self::join_with(page, release, room, "{}")
    }

    /// The same, with more of what `snug.join` takes, as a page writes it.
    pub fn join_with(page: Page<'a>, release: Release, room: &str, more: &str) -> Result<Self> {
        Self::join_at(SERVER, page, release, room, more)
    }

    /// The same, by another address of the server's computer.
    pub fn join_at(
        server: &str,
        page: Page<'a>,
        release: Release,
        room: &str,
        more: &str,
    ) -> Result<Self> {
        let url = format!("ws://{server}:{PORT}/socket");
        let Release { phoenix, client } = release;
        let options = json!({
            "phoenix": phoenix, "client": client, "url": url, "room": room, "name": page.name(),
        });
        let id = page.run(&format!("snug.join({{...{options}, ...{more}}})"))?;
        let id = id.as_str().context("no id")?.to_owned();
        Ok(Self { page, id })
    }

    /// Shows the browser's fake camera.
    pub fn camera(&self) -> Result<()> {
        self.page.run("snug.addCamera()").map(drop)
    }

    /// Says a tone of that many hertz.
    pub fn tone(&self, hertz: u32) -> Result<()> {
        self.page.run(&format!("snug.addTone({hertz})")).map(drop)
    }

    /// Waits until this many tracks of a kind of somebody else are decoded.
    pub fn receives(&self, whom: &str, kind: &str, count: usize, within: Duration) -> Result<()> {
        let what = format!("{kind} of {whom}");
        let holds = format!("snug.receives('{whom}', '{kind}', {count})");
        self.page.until(&what, within, &holds).map(drop)
    }

    /// Waits until a camera and a microphone of somebody else are decoded.
    pub fn sees_and_hears(&self, whom: &str, within: Duration) -> Result<()> {
        self.receives(whom, "video", 1, within)?;
        self.receives(whom, "audio", 1, within)
    }

    /// Waits until somebody else's tone is this one, within what the ear can tell.
    pub fn hears_tone(&self, whom: &str, hertz: u32) -> Result<()> {
        let holds = format!(
            "snug.of('{whom}', 'audio').some((view) => Math.abs(view.hertz - {hertz}) < 25)"
        );
        let what = format!("{hertz} Hz of {whom}");
        self.page.until(&what, PATIENCE, &holds).map(drop)
    }

    /// Says how much of a kind of somebody else was decoded so far.
    pub fn frames(&self, whom: &str, kind: &str) -> Result<u64> {
        let frames = self.page.run(&format!("snug.frames('{whom}', '{kind}')"))?;
        frames.as_u64().context("no number")
    }

    /// Waits until more of somebody else arrives than did before, sound and pictures.
    pub fn still_receives(&self, whom: &str) -> Result<()> {
        self.still_receives_kind(whom, "video")?;
        self.still_receives_kind(whom, "audio")
    }

    /// Waits until more of a kind of somebody else arrives than did before.
    pub fn still_receives_kind(&self, whom: &str, kind: &str) -> Result<()> {
        let before = self.frames(whom, kind)?;
        let what = format!("more {kind} of {whom}");
        let holds = format!("snug.frames('{whom}', '{kind}') > {before} + 5");
        self.page.until(&what, PATIENCE, &holds).map(drop)
    }

    /// Starts measuring for how long nothing arrives.
    pub fn measure_gaps(&self) -> Result<()> {
        self.page.run("snug.measureGaps()").map(drop)
    }

    /// Says for how long nothing of a kind of somebody else arrived since measuring began.
    pub fn gap(&self, whom: &str, kind: &str) -> Result<Duration> {
        let gap = self.page.run(&format!("snug.gap('{whom}', '{kind}')"))?;
        Ok(Duration::from_millis(gap.as_u64().context("no number")?))
    }

    /// Waits until somebody else is not there any more.
    pub fn sees_gone(&self, whom: &str, within: Duration) -> Result<()> {
        let holds = format!("!snug.others.has('{whom}') && snug.of('{whom}').length === 0");
        let what = format!("end of {whom}");
        self.page.until(&what, within, &holds).map(drop)
    }

    /// Fails unless sound and picture of each person came in one stream.
    pub fn shares_streams(&self) -> Result<()> {
        let several = self.page.run(
            "[...snug.others.keys()].filter((id) =>
                new Set(snug.of(id).flatMap((view) => [...view.streamIds])).size !== 1)",
        )?;
        ensure!(several == json!([]), "several streams of {several}");
        Ok(())
    }

    /// Waits until every received track was announced, and became ready, exactly once. One that was
    /// gone again at once may never have become ready.
    pub fn ready_once(&self) -> Result<()> {
        let holds = "[...snug.views.values()]
            .every((v) => v.added === 1 && (v.readies === 1 || (v.removed && !v.readies)))";
        let what = "track that was announced once and became ready once";
        self.page.until(what, PATIENCE, holds).map(drop)
    }
}
