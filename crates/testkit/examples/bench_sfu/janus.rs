//! Janus and its video room as their guests see them: a private configuration on loopback, ICE-lite
//! as our own server, only what is needed loaded, spoken to over its WebSocket.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use snug_testkit::handshake::Identity;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use super::pin::SERVER_CORE;
use super::server::{Joined, Server};
use snug_testkit::endpoint::{Endpoint, Ice, PATIENCE, Part, Remote};

/// Where Debian keeps what Janus loads.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/janus";

/// How Janus divides its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loops {
    /// One thread for all connections.
    One,
    /// A thread for each, as it does unless told otherwise.
    Default,
}

/// A running Janus.
pub struct Janus {
    child: Child,
    socket: WebSocket<TcpStream>,
    count: u64,
    session: u64,
    identity: Identity,
    /// Where it listens for media: it ignores loopback.
    ip: IpAddr,
    /// Who sends in each room.
    feeds: Vec<u64>,
    _folder: TempDir,
}

impl Janus {
    /// Starts a Janus on one core.
    pub fn start(loops: Loops) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        configure(&folder, port, loops)?;
        let child = Command::new("taskset")
            .args(["-c", &SERVER_CORE.to_string(), "janus", "--configs-folder"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start janus (Debian: apt-get install janus)")?;
        let socket = connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
        let mut janus = Self {
            child,
            socket,
            count: 0,
            session: 0,
            identity: Identity::generate()?,
            ip: super::place::ADDRESS.into(),
            feeds: Vec::new(),
            _folder: folder,
        };
        let created = janus.ask(json!({"janus": "create"}), "success")?;
        janus.session = created["data"]["id"].as_u64().context("no session")?;
        Ok(janus)
    }

    /// Sends a request and waits for the answer of this kind to it.
    fn ask(&mut self, mut request: Value, kind: &str) -> Result<Value> {
        self.count += 1;
        let transaction = self.count.to_string();
        request["transaction"] = json!(transaction);
        if self.session != 0 {
            request["session_id"] = json!(self.session);
        }
        self.socket.send(Message::text(request.to_string()))?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let message = self.socket.read()?;
            let Ok(text) = message.to_text() else {
                continue;
            };
            let Ok(said) = serde_json::from_str::<Value>(text) else {
                continue;
            };
            if said["transaction"] != transaction.as_str() {
                continue;
            }
            if said["janus"] == "error" || !said["plugindata"]["data"]["error"].is_null() {
                bail!("Janus refuses {request}: {said}");
            }
            if said["janus"] == kind {
                return Ok(said);
            }
        }
        bail!("Janus does not answer {request}")
    }

    fn attach(&mut self) -> Result<u64> {
        let request = json!({"janus": "attach", "plugin": "janus.plugin.videoroom"});
        let attached = self.ask(request, "success")?;
        attached["data"]["id"].as_u64().context("no handle")
    }

    fn tell(&mut self, handle: u64, body: &Value, jsep: Option<&Value>) -> Result<Value> {
        let mut request = json!({"janus": "message", "handle_id": handle, "body": body});
        if let Some(jsep) = jsep {
            request["jsep"] = jsep.clone();
        }
        // A room is made at once; everything else is acknowledged and answered later.
        let is_immediate = body["request"] == "create";
        self.ask(request, if is_immediate { "success" } else { "event" })
    }
}

impl Server for Janus {
    fn process(&self) -> u32 {
        self.child.id()
    }

    fn publish(&mut self, room: usize, ssrc: u32) -> Result<Joined> {
        let handle = self.attach()?;
        let create = json!({
            "request": "create", "room": room + 1, "publishers": 2, "videocodec": "vp8",
            "bitrate": 0, "fir_freq": 0, "transport_wide_cc_ext": true, "notify_joining": false,
        });
        self.tell(handle, &create, None)?;
        let endpoint = Endpoint::open(self.ip)?;
        // It would be the client of whoever leaves the choice to it.
        let sdp = endpoint.describe(&self.identity, Part::Sends(ssrc), "active", "0")?;
        let offered = Instant::now();
        let join = json!({
            "request": "joinandconfigure", "room": room + 1, "ptype": "publisher",
            "video": true, "audio": false,
        });
        let jsep = json!({"type": "offer", "sdp": sdp});
        let joined = self.tell(handle, &join, Some(&jsep))?;
        let feed = joined["plugindata"]["data"]["id"].as_u64();
        self.feeds.push(feed.context("no feed")?);
        let answer = joined["jsep"]["sdp"].as_str().context("no answer")?;
        let connected = endpoint.connect(
            &self.identity,
            &Remote::read(answer, None)?,
            Ice::Controlled,
        )?;
        let took = offered.elapsed();
        Ok(Joined { connected, took })
    }

    fn subscribe(&mut self, room: usize) -> Result<Joined> {
        let handle = self.attach()?;
        let feed = *self.feeds.get(room).context("an empty room")?;
        let join = json!({
            "request": "join", "room": room + 1, "ptype": "subscriber",
            "streams": [{"feed": feed}],
        });
        let joined = self.tell(handle, &join, None)?;
        let offered = Instant::now();
        let offer = joined["jsep"]["sdp"].as_str().context("no offer")?;
        let mid = offer.lines().find_map(|line| line.strip_prefix("a=mid:"));
        let endpoint = Endpoint::open(self.ip)?;
        let mid = mid.context("no mid")?;
        let sdp = endpoint.describe(&self.identity, Part::Receives, "active", mid)?;
        let remote = Remote::read(offer, None)?;
        let jsep = json!({"type": "answer", "sdp": sdp});
        self.tell(handle, &json!({"request": "start"}), Some(&jsep))?;
        let connected = endpoint.connect(&self.identity, &remote, Ice::Controlling)?;
        let took = offered.elapsed();
        Ok(Joined { connected, took })
    }

    fn keep_alive(&mut self) -> Result<()> {
        self.ask(json!({"janus": "keepalive"}), "ack").map(drop)
    }
}

impl Drop for Janus {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Writes a configuration that loads the video room and the WebSocket alone.
fn configure(folder: &TempDir, port: u16, loops: Loops) -> Result<()> {
    let loops = match loops {
        Loops::One => "event_loops = 1",
        Loops::Default => "",
    };
    let path = folder.path();
    let mut main = String::new();
    write!(
        main,
        "general: {{\n configs_folder = \"{}\"\n plugins_folder = \"{LIBRARY}/plugins\"\n \
         transports_folder = \"{LIBRARY}/transports\"\n events_folder = \"{LIBRARY}/events\"\n \
         loggers_folder = \"{LIBRARY}/loggers\"\n debug_level = 2\n session_timeout = 0\n \
         {loops}\n}}\nmedia: {{\n ipv6 = false\n}}\n\
         nat: {{\n}}\n",
        path.display(),
    )?;
    for (section, folder, wanted) in [
        ("plugins", "plugins", "libjanus_videoroom.so"),
        ("transports", "transports", "libjanus_websockets.so"),
        ("loggers", "loggers", ""),
        ("events", "events", ""),
    ] {
        let mut others = Vec::new();
        for file in fs::read_dir(format!("{LIBRARY}/{folder}"))? {
            let name = file?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".so") && name != wanted {
                others.push(name);
            }
        }
        writeln!(
            main,
            "{section}: {{\n disable = \"{}\"\n}}",
            others.join(",")
        )?;
    }
    fs::write(path.join("janus.jcfg"), main)?;
    fs::write(
        path.join("janus.transport.websockets.jcfg"),
        format!(
            "general: {{\n json = \"compact\"\n ws = true\n ws_port = {port}\n \
             ws_ip = \"127.0.0.1\"\n wss = false\n}}\nadmin: {{\n admin_ws = false\n}}\n"
        ),
    )?;
    fs::write(path.join("janus.plugin.videoroom.jcfg"), "general: {\n}\n")?;
    Ok(())
}

/// Connects to its WebSocket as soon as there is one.
fn connect(address: SocketAddr) -> Result<WebSocket<TcpStream>> {
    let deadline = Instant::now() + PATIENCE;
    let stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) if Instant::now() > deadline => {
                return Err(error).context("Janus does not get ready");
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!("ws://{address}/").into_client_request()?;
    let protocol = "janus-protocol".parse()?;
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", protocol);
    let (socket, _) = tungstenite::client(request, stream)
        .map_err(|error| anyhow::anyhow!("Janus's WebSocket: {error}"))?;
    Ok(socket)
}
