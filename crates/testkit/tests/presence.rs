//! Who left, who crashed, who vanished and who came back: how soon the others know.
//!
//! Product rule (States) and protocol.md 8: gone at once on leave, and on socket close without a
//! resume token; otherwise gone 10 s after the last packet with a token, 5 s without, and shown
//! as reconnecting within 3 s.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use snug_testkit::netns::{Host, Lan, with_rights};
use snug_testkit::process::{
    Event, Join, PATIENCE, Participant, Program, Server, Signal, ms, now_ms, track_sum,
};
use snug_testkit::sniffer::Sniffer;

/// With a resume token: gone this long after the last packet.
const GONE_WITH_TOKEN_MS: std::ops::RangeInclusive<u64> = 10_000..=11_000;
/// Without one.
const GONE_WITHOUT_MS: std::ops::RangeInclusive<u64> = 5_000..=6_000;
const RECONNECTING_MS_MAX: u64 = 3_000;
const AT_ONCE_MS_MAX: u64 = 1_000;
/// Clocks are read in several processes of one machine, in whole milliseconds.
const SLACK_MS: u64 = 5;

fn observer(link: &str) -> Result<Participant> {
    let observer = Join::new(link, "observer").start()?;
    observer.joined()?;
    Ok(observer)
}

/// Joins with a microphone, so that packets flow until the very end, and waits to be heard.
fn speaker(
    link: &str,
    observer: &Participant,
    host: Option<&Host>,
) -> Result<(Participant, String)> {
    let join = Join::new(link, "speaker").microphone("test");
    let speaker = join.start_in(host.map(|host| &host.namespace))?;
    let id = speaker.joined()?;
    observer.first_frame(&id, "audio", PATIENCE)?;
    Ok((speaker, id))
}

fn tokenless(
    server: SocketAddr,
    room: &str,
    observer: &Participant,
    host: Option<&Host>,
) -> Result<(Program, String)> {
    let program = env!("CARGO_BIN_EXE_tokenless_peer");
    let mut command = match host {
        Some(host) => host.namespace.command(program.as_ref()),
        None => Command::new(program),
    };
    command.arg(server.to_string()).arg(room);
    let program = Program::start(command)?;
    let joined = program.wait_for("joined", PATIENCE, |event| event.kind == "joined")?;
    let id = joined.text("peer_id").to_owned();
    observer.hears("peer_joined", &id, PATIENCE)?;
    // It has answered a ping, so its silence is judged from there.
    program.wait_for("written pong", PATIENCE, |event| event.kind == "wrote")?;
    Ok((program, id))
}

fn after(event: &Event, since_ms: u64) -> Result<u64> {
    (event.at_ms + SLACK_MS)
        .checked_sub(since_ms)
        .with_context(|| format!("{event:?} came early"))
}

/// Checks both what is said of somebody who vanished with a resume token, and when.
fn vanishes_with_token(observer: &Participant, id: &str, last_ms: u64) -> Result<()> {
    let dimmed = observer.hears("peer_reconnecting", id, Duration::from_secs(5))?;
    let dimmed_ms = after(&dimmed, last_ms)?;
    let gone = observer.hears("peer_left", id, Duration::from_secs(13))?;
    let gone_ms = after(&gone, last_ms)?;
    println!("with token: reconnecting after {dimmed_ms} ms, gone after {gone_ms} ms");
    ensure!(
        dimmed_ms <= RECONNECTING_MS_MAX,
        "reconnecting only after {dimmed_ms} ms"
    );
    let range = *GONE_WITH_TOKEN_MS.start()..=GONE_WITH_TOKEN_MS.end() + SLACK_MS;
    ensure!(
        range.contains(&gone_ms),
        "gone after {gone_ms} ms with a token"
    );
    Ok(())
}

fn vanishes_without_token(observer: &Participant, id: &str, last_ms: u64) -> Result<()> {
    let gone = observer.hears("peer_left", id, Duration::from_secs(9))?;
    let gone_ms = after(&gone, last_ms)?;
    println!("without token: gone after {gone_ms} ms");
    let range = *GONE_WITHOUT_MS.start()..=GONE_WITHOUT_MS.end() + SLACK_MS;
    ensure!(
        range.contains(&gone_ms),
        "gone after {gone_ms} ms without a token"
    );
    Ok(())
}

/// Sends the speaker away for nine seconds by `away` and expects the same peer back.
fn comes_back(
    observer: &Participant,
    speaker: &Participant,
    id: &str,
    mut away: impl FnMut(bool) -> Result<()>,
) -> Result<()> {
    let negotiations = observer.negotiations();
    away(true)?;
    let away_ms = now_ms();
    observer.hears("peer_reconnecting", id, Duration::from_secs(5))?;
    std::thread::sleep(Duration::from_millis(
        (away_ms + 9_000).saturating_sub(now_ms()),
    ));
    away(false)?;
    let back_ms = now_ms();
    observer.hears("peer_live", id, Duration::from_secs(5))?;
    let before = observer.statistics_after(back_ms)?;
    let later = observer.statistics_after(before.at_ms + 1_500)?;
    let heard = |stats| track_sum(stats, id, "audio", "packets_received");
    ensure!(
        heard(&later) > heard(&before),
        "back, but not heard\n{observer:?}\n{speaker:?}"
    );
    let gone = observer
        .program
        .events()
        .into_iter()
        .find(|event| event.kind == "peer_left");
    ensure!(gone.is_none(), "was taken for gone: {gone:?}");
    let joins = observer
        .program
        .events()
        .iter()
        .filter(|event| event.kind == "peer_joined")
        .count();
    ensure!(joins == 1, "came back as somebody else\n{observer:?}");
    ensure!(
        observer.negotiations() == negotiations,
        "the others negotiated again ({negotiations} then {})",
        observer.negotiations()
    );
    Ok(())
}

#[test]
fn leaving_and_crashing_are_known_at_once() -> Result<()> {
    let server = Server::start()?;
    let link = server.link("brief");
    let observer = observer(&link)?;

    let (mut leaver, leaver_id) = speaker(&link, &observer, None)?;
    let left_ms = now_ms();
    leaver.control("leave")?;
    let gone_ms = after(&observer.hears("peer_left", &leaver_id, PATIENCE)?, left_ms)?;
    println!("leave: gone after {gone_ms} ms");
    ensure!(
        gone_ms <= AT_ONCE_MS_MAX,
        "gone only {gone_ms} ms after leaving"
    );

    let (crasher, crasher_id) = speaker(&link, &observer, None)?;
    let killed_ms = now_ms();
    crasher.program.signal(Signal::KILL)?;
    let told = observer
        .program
        .wait_for("word of the crash", PATIENCE, |event| {
            ["peer_left", "peer_reconnecting"].contains(&event.kind.as_str())
                && event.text("peer_id") == crasher_id
        })?;
    let told_ms = after(&told, killed_ms)?;
    println!("SIGKILL: {} after {told_ms} ms", told.kind);
    ensure!(
        told_ms <= AT_ONCE_MS_MAX,
        "told only {told_ms} ms after SIGKILL"
    );
    // Nobody is there to use the token: never a ghost.
    observer.hears("peer_left", &crasher_id, Duration::from_secs(12))?;
    Ok(())
}

#[test]
fn stopped_programs_are_noticed() -> Result<()> {
    let server = Server::start()?;
    let address = SocketAddr::from(([127, 0, 0, 1], server.port));
    let link = server.link("stopped");
    let observer = observer(&link)?;
    let (stopped, stopped_id) = speaker(&link, &observer, None)?;
    let (silent, silent_id) = tokenless(address, "stopped", &observer, None)?;
    stopped.program.signal(Signal::STOP)?;
    let stopped_ms = now_ms();
    silent.signal(Signal::STOP)?;
    let last_written = |event: &&Event| event.kind == "wrote" || event.kind == "joined";
    let wrote_ms = silent
        .events()
        .iter()
        .rev()
        .find(last_written)
        .context("wrote nothing")?
        .at_ms;
    vanishes_without_token(&observer, &silent_id, wrote_ms)?;
    vanishes_with_token(&observer, &stopped_id, stopped_ms)
}

#[test]
fn a_program_that_stood_still_for_nine_seconds_comes_back() -> Result<()> {
    let server = Server::start()?;
    let link = server.link("nap");
    let observer = observer(&link)?;
    let (sleeper, id) = speaker(&link, &observer, None)?;
    comes_back(&observer, &sleeper, &id, |away| {
        sleeper
            .program
            .signal(if away { Signal::STOP } else { Signal::CONT })
    })
}

/// A room on a small network: server and observer on one computer, which is never cut.
struct Office {
    lan: Lan,
    observer: Participant,
    server: Server,
    sniffer: Sniffer,
    desk: Host,
}

impl Office {
    const SERVER: &str = "10.77.0.1";

    fn open(room: &str) -> Result<Self> {
        let mut lan = Lan::new()?;
        let desk = lan.host(&["10.77.0.1/24"])?;
        let sniffer = Sniffer::start(&desk.namespace)?;
        let server = Server::start_with(Some(&desk.namespace), &["--allow-plain-ws"])?;
        let link = server.link_by(Self::SERVER, room);
        let observer = Join::new(&link, "observer").start_in(Some(&desk.namespace))?;
        observer.joined()?;
        Ok(Self {
            lan,
            observer,
            server,
            sniffer,
            desk,
        })
    }

    fn last_packet_ms(&self, from: &str) -> Result<u64> {
        Ok(ms(self
            .sniffer
            .last_from(from.parse()?)
            .context("never heard of")?))
    }
}

#[test]
fn a_cut_network_is_noticed() -> Result<()> {
    with_rights(|| {
        let mut office = Office::open("cut")?;
        let (with, without) = (
            office.lan.host(&["10.77.0.2/24"])?,
            office.lan.host(&["10.77.0.3/24"])?,
        );
        let link = office.server.link_by(Office::SERVER, "cut");
        let (_speaker, speaker_id) = speaker(&link, &office.observer, Some(&with))?;
        let server = SocketAddr::new(Office::SERVER.parse()?, office.server.port);
        let (_silent, silent_id) = tokenless(server, "cut", &office.observer, Some(&without))?;
        with.cut()?;
        without.cut()?;
        // What was under way is in by then; nothing comes after.
        std::thread::sleep(Duration::from_millis(200));
        let without_ms = office.last_packet_ms("10.77.0.3")?;
        vanishes_without_token(&office.observer, &silent_id, without_ms)?;
        let with_ms = office.last_packet_ms("10.77.0.2")?;
        vanishes_with_token(&office.observer, &speaker_id, with_ms)?;
        drop(office.desk);
        Ok(())
    })
}

#[test]
fn a_network_that_returns_after_nine_seconds_brings_the_same_peer() -> Result<()> {
    with_rights(|| {
        let mut office = Office::open("back")?;
        let host = office.lan.host(&["10.77.0.2/24"])?;
        let link = office.server.link_by(Office::SERVER, "back");
        let (speaker, id) = speaker(&link, &office.observer, Some(&host))?;
        comes_back(&office.observer, &speaker, &id, |away| {
            if away { host.cut() } else { host.mend() }
        })
    })
}
