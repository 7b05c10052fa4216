//! What goes wrong is said in a plain sentence with a next step and a documented exit code, and
//! nothing is lost over it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use snug_testkit::decode;
use snug_testkit::fixtures;
use snug_testkit::netns::{Namespace, with_rights};
use snug_testkit::process::{
    Ended, Join, PATIENCE, Program, Server, command, snug_server, track_sum,
};
use snug_testkit::proxy::{self, Identity};

/// Exit codes as `snug-server --help` documents them.
const USAGE: i32 = 2;
const NOT_REACHED: i32 = 3;
const BAD_INPUT: i32 = 6;
const BAD_OUTPUT: i32 = 7;
const PORT_IN_USE: i32 = 8;
const NOT_A_ROOM_SERVER: i32 = 9;

/// Checks the exit code, and that the complaint is for a person: what happened and what to do,
/// naming each of `words`, in words rather than in types.
fn plain(ended: &Ended, code: i32, words: &[&str]) -> Result<()> {
    let said = ended.stderr.trim();
    println!("{code}: {said}");
    ensure!(
        ended.code == Some(code),
        "exit code {:?} instead of {code}: {said}",
        ended.code
    );
    let sentences = said.matches(['.', '?', '!']).count();
    ensure!(
        said.ends_with(['.', '?', '!']) && sentences >= 2,
        "no next step: {said}"
    );
    for jargon in [
        "panicked", "Error(", "Err(", "Os {", "os error", "None", "unwrap",
    ] {
        ensure!(
            !said.contains(jargon),
            "`{jargon}` is not for people: {said}"
        );
    }
    for word in words {
        let lower = said.to_lowercase();
        ensure!(
            lower.contains(&word.to_lowercase()),
            "`{word}` is not named: {said}"
        );
    }
    Ok(())
}

fn join_ends(join: &Join) -> Result<Ended> {
    join.start()?.program.ended(PATIENCE)
}

#[test]
fn an_unknown_host() -> Result<()> {
    with_rights(|| {
        // In a namespace without a way out: the question must not go to anybody's name server.
        let alone = Namespace::new()?;
        let started = Instant::now();
        let join = Join::new("snug://no-such-host.invalid/room", "Ann").start_in(Some(&alone))?;
        let ended = join.program.ended(PATIENCE)?;
        plain(&ended, NOT_REACHED, &["no-such-host.invalid"])?;
        ensure!(
            started.elapsed() < Duration::from_secs(10),
            "took {:?}",
            started.elapsed()
        );
        Ok(())
    })
}

#[test]
fn a_refused_port() -> Result<()> {
    let port = free_port()?;
    let started = Instant::now();
    let ended = join_ends(&Join::new(&format!("snug://127.0.0.1:{port}/room"), "Ann"))?;
    plain(&ended, NOT_REACHED, &[&format!("127.0.0.1:{port}")])?;
    ensure!(
        started.elapsed() < Duration::from_secs(4),
        "took {:?}",
        started.elapsed()
    );
    Ok(())
}

#[test]
fn a_silent_port() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let started = Instant::now();
    let ended = join_ends(&Join::new(&format!("snug://127.0.0.1:{port}/room"), "Ann"))?;
    plain(&ended, NOT_REACHED, &[&format!("127.0.0.1:{port}")])?;
    let took = started.elapsed();
    ensure!(
        (5.0..7.0).contains(&took.as_secs_f64()),
        "gave up after {took:?} instead of 5 s"
    );
    Ok(())
}

#[test]
fn a_port_in_use() -> Result<()> {
    let server = Server::start()?;
    let port = server.port.to_string();
    let data = tempfile::tempdir()?;
    let mut second = command(None);
    second
        .args(["serve", "--no-discovery", "--port", &port, "--data"])
        .arg(data.path());
    let ended = Program::start(second)?.ended(PATIENCE)?;
    plain(&ended, PORT_IN_USE, &[&port])?;
    ensure!(server.health().is_ok(), "the first server was disturbed");
    Ok(())
}

#[test]
fn illegal_room_names() -> Result<()> {
    let long = "x".repeat(65);
    for room in [
        "a%2Fb",
        "a%07b",
        "a%E2%80%AEb",
        "%20%20",
        "%FF%FE",
        "",
        &long,
    ] {
        let ended = join_ends(&Join::new(&format!("snug://127.0.0.1:9/{room}"), "Ann"))?;
        // The arguments are wrong: nothing was connected to, and the usage is shown.
        ensure!(
            ended.code == Some(USAGE),
            "`{room}`: {:?} {}",
            ended.code,
            ended.stderr
        );
        ensure!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ensure!(
            ended.stderr.to_lowercase().contains("room"),
            "`{room}`: {}",
            ended.stderr
        );
    }
    Ok(())
}

#[test]
fn unusual_but_legal_room_names_work() -> Result<()> {
    let server = Server::start()?;
    for room in [
        "caf%C3%A9",
        "%E9%83%A8%E5%B1%8B",
        "%F0%9F%90%88%20cat",
        &"y".repeat(64),
    ] {
        let ann = Join::new(&server.link(room), "Ann").start()?;
        ann.joined().with_context(|| format!("room {room}"))?;
        ann.leave()?;
    }
    Ok(())
}

/// Servers that are neither Snug nor Phoenix: a mail server's greeting, plain HTTP, HTTP over
/// TLS that knows no `/socket`.
#[test]
fn servers_of_another_kind() -> Result<()> {
    const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    for greeting in ["220 mail.example ESMTP\r\n", NOT_FOUND] {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let answers = thread::spawn(move || answer(&listener, greeting));
        let ended = join_ends(&Join::new(&format!("snug://127.0.0.1:{port}/room"), "Ann"))?;
        plain(&ended, NOT_A_ROOM_SERVER, &[&format!("127.0.0.1:{port}")])?;
        answers
            .join()
            .map_err(|_| anyhow::anyhow!("the listener panicked"))??;
    }
    let identity = Identity::new()?;
    let web = proxy::Proxy::answering(&identity, NOT_FOUND)?;
    let link = format!("snug://{}/room#k={}", web.address, identity.pin());
    plain(
        &join_ends(&Join::new(&link, "Ann"))?,
        NOT_A_ROOM_SERVER,
        &["127.0.0.1"],
    )
}

/// Greets one connection and keeps it until the other side has had enough.
fn answer(listener: &TcpListener, greeting: &str) -> Result<()> {
    let mut stream = listener.accept()?.0;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(greeting.as_bytes())?;
    // Whether it hangs up or resets is its business.
    stream.read_to_end(&mut Vec::new()).ok();
    Ok(())
}

/// A socket that upgrades, but where nobody speaks Phoenix.
#[test]
fn a_websocket_without_phoenix() -> Result<()> {
    let server = Server::start()?;
    let identity = Identity::new()?;
    let deaf = Arc::new(|_, _| "[]".to_owned());
    let proxy = proxy::Proxy::start(&identity, server.port, deaf)?;
    let link = format!("snug://{}/room#k={}", proxy.address, identity.pin());
    plain(
        &join_ends(&Join::new(&link, "Ann"))?,
        NOT_A_ROOM_SERVER,
        &["127.0.0.1"],
    )
}

#[test]
fn broken_input_files() -> Result<()> {
    let server = Server::start()?;
    let link = server.link("files");
    let folder = tempfile::tempdir()?;
    let file = |name: &str, content: &[u8]| -> Result<std::path::PathBuf> {
        let path = folder.path().join(name);
        std::fs::write(&path, content)?;
        Ok(path)
    };
    let clip = std::fs::read(fixtures::film())?;
    let header = clip
        .split(|byte| *byte == b'\n')
        .next()
        .context("no header")?;
    let header_only = file("empty.y4m", header)?;
    let no_clip = file("not.y4m", b"this is no film")?;
    for path in [&header_only, &no_clip, &folder.path().join("missing.y4m")] {
        let ended = join_ends(&Join::new(&link, "Ann").camera(path))?;
        plain(&ended, BAD_INPUT, &[name_of(path)])?;
    }
    let no_sound = file("not.wav", b"RIFF....WAVEjunk")?;
    for path in [&no_sound, &folder.path().join("missing.wav")] {
        let ended = join_ends(&Join::new(&link, "Ann").microphone(path))?;
        plain(&ended, BAD_INPUT, &[name_of(path)])?;
    }
    Ok(())
}

/// A film that ends inside a frame is played as far as it goes, and somebody is told.
#[test]
fn a_truncated_film() -> Result<()> {
    let server = Server::start()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cut.y4m");
    let clip = std::fs::read(fixtures::film())?;
    std::fs::write(&path, &clip[..clip.len() - 1000])?;
    let link = server.link("files");
    let viewer = Join::new(&link, "viewer").start()?;
    let sender = Join::new(&link, "sender").camera(&path).start()?;
    let sender_id = sender.joined()?;
    viewer.first_frame(&sender_id, "video", PATIENCE)?;
    plain(
        &sender.leave()?,
        0,
        &["cut.y4m", "cut short", "1000 bytes", "131 whole frames"],
    )
}

fn name_of(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

#[test]
fn a_recording_that_cannot_be_written() -> Result<()> {
    let server = Server::start()?;
    let folder = tempfile::tempdir()?;
    let no_folder = folder.path().join("missing").join("out.webm");
    for path in [no_folder.as_path(), Path::new("/proc/out.webm")] {
        let join = Join::new(&server.link("tape"), "Ann")
            .with("--record")
            .with(path);
        plain(&join_ends(&join)?, BAD_OUTPUT, &["out.webm"])?;
    }
    Ok(())
}

/// The disk fills up while recording: the call goes on, what was recorded until then plays.
#[test]
fn a_full_disk() -> Result<()> {
    with_rights(|| {
        let server = Server::start()?;
        let link = server.link("tape");
        let sender = Join::new(&link, "sender").test_media().start()?;
        let sender_id = sender.joined()?;

        let folder = tempfile::tempdir()?;
        let saved = folder.path().join("saved.webm");
        let disk = folder.path().join("disk");
        std::fs::create_dir(&disk)?;
        // A disk of 400 kB in a mount namespace of its own, gone with the process.
        let script = "mount -t tmpfs -o size=400k tmpfs \"$1\" || exit 99; disk=$1; saved=$2; shift 2; \
            \"$@\"; code=$?; cp \"$disk/out.webm\" \"$saved\"; exit $code";
        let mut tape = Command::new("unshare");
        tape.args(["--mount", "sh", "-c", script, "sh"])
            .arg(&disk)
            .arg(&saved)
            .arg(snug_server());
        tape.args([
            "join",
            &link,
            "--name",
            "tape",
            "--stats",
            "--control",
            "--data",
        ]);
        tape.arg(folder.path())
            .arg("--record")
            .arg(disk.join("out.webm"));
        let mut tape = Program::start(tape)?;
        tape.wait_for("first frame", PATIENCE, |event| event.kind == "first_frame")?;

        // 1.5 Mb/s fill it in little more than two seconds.
        thread::sleep(Duration::from_secs(5));
        ensure!(
            tape.is_running()?,
            "the call ended over a full disk\n{tape:?}"
        );
        let events = tape.events();
        let last = events
            .iter()
            .rev()
            .find(|event| event.kind == "stats")
            .context("no stats")?;
        let earlier = events
            .iter()
            .find(|event| event.kind == "stats")
            .context("no stats")?;
        let decoded = |stats| track_sum(stats, &sender_id, "video", "packets_received");
        ensure!(
            decoded(last) > decoded(earlier) + 50,
            "nothing is received any more\n{tape:?}"
        );
        tape.type_line("leave")?;
        let ended = tape.ended(PATIENCE)?;
        plain(&ended, BAD_OUTPUT, &["out.webm"])?;
        let pictures = decode::pictures(&saved, |_| ())?;
        ensure!(
            pictures.len() > 10,
            "only {} pictures were kept",
            pictures.len()
        );
        Ok(())
    })
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
