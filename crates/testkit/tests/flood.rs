//! Eighty thousand frames a second on hand, and somebody who never reads: the memory of the server
//! stays as it is, and others hardly notice.
//!
//! What is too much waits in the flooders' own sockets, so the server never takes as many as are
//! offered. How many this machine's writers have on hand is measured where nothing pushes back.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use snug_testkit::bars::median;
use snug_testkit::process::{PATIENCE, Server};
use snug_testkit::scripted::Peer;
use snug_testkit::{lane, usage};
use tokio_tungstenite::tungstenite::Message;

const FLOODERS: usize = 8;
/// Two in each, so that what both may say at once does not fill the mailbox of either.
const ROOMS: usize = 4;
/// What all flooders together must have on hand, in frames a second.
const OFFERED_MIN: f64 = 80_000.0;
/// How much of their time flooders wait for TCP, if less than that was taken of them.
const PUSHED_BACK_MIN: f64 = 0.5;
/// What the flood may cost in memory.
const GROWTH_KIB_MAX: u64 = 2 * 1024;
/// How much longer others may wait for their answers.
const ROUND_TRIP_RATIO_MAX: f64 = 2.0;
/// Of their ratios the median counts: others work on this machine.
const ROUNDS: usize = 3;
const WARM_UP_ROUNDS: usize = 2;
const CALM: Duration = Duration::from_secs(2);
const FLOOD: Duration = Duration::from_secs(5);
/// Less often than anybody is told to rest.
const BETWEEN_WORDS: Duration = Duration::from_millis(50);
/// Written at once.
const BATCH: usize = 64;
/// Enough that somebody who does not read is full before silence is borne no longer.
const WORD_BYTES: usize = 6 * 1024;

#[test]
fn a_flood_of_metadata_costs_others_little_and_a_stuck_reader_is_told_why() -> Result<()> {
    flood(metadata, Stuck::IsTold)
}

#[test]
fn a_flood_of_heartbeats_and_of_frames_for_no_topic_costs_others_little() -> Result<()> {
    flood(|_| unheard(), Stuck::IsSlowedDown)
}

/// Words that everybody in this room hears.
fn metadata(room: &str) -> Vec<String> {
    // What changes nothing would be told to nobody.
    let word = |letter: &str| {
        let name = letter.repeat(WORD_BYTES);
        let event =
            json!({"type": "updateEndpointMetadata", "data": {"metadata": {"displayName": name}}});
        let topic = format!("room:{room}");
        json!([null, "9", topic, "mediaEvent", {"data": event.to_string()}]).to_string()
    };
    vec![word("a"), word("b")]
}

/// What only the server itself answers.
fn unheard() -> Vec<String> {
    vec![
        json!([null, "9", "phoenix", "heartbeat", {}]).to_string(),
        json!(["1", "9", "room:nowhere", "mediaEvent", {"data": "{}"}]).to_string(),
        json!(["1", "9", "nonsense", "say", {}]).to_string(),
        json!(["1", "9", "room:nowhere", "phx_leave", {}]).to_string(),
    ]
}

/// What becomes of who never reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stuck {
    /// It is sent more than it takes: closed, with a reason that it reads.
    IsTold,
    /// It is sent nothing but answers: no more of it is read.
    IsSlowedDown,
}

fn flood(texts: fn(&str) -> Vec<String>, stuck: Stuck) -> Result<()> {
    let _turn = lane::turn();
    let frames = |room: &str| wire(&texts(room));
    let on_hand = on_hand(&frames("flood-0"))?;
    println!("on hand: {on_hand:.0} frames a second");
    ensure!(on_hand >= OFFERED_MIN, "the writers are too slow");
    let server = Server::start()?;
    let mut calm = Calm::join(&server)?;
    // What the server holds anyway once it was busy.
    for _ in 0..WARM_UP_ROUNDS {
        round(&server, &mut calm, &frames, stuck)?;
    }
    let before_kib = usage::resident_kib(server.program.id())?;
    let rounds: Vec<Round> = (0..ROUNDS)
        .map(|_| round(&server, &mut calm, &frames, stuck))
        .collect::<Result<_>>()?;
    for round in &rounds {
        println!("{round:?}");
        let is_offered = round.taken >= OFFERED_MIN || round.pushed_back >= PUSHED_BACK_MIN;
        ensure!(is_offered, "it was no flood: {round:?}");
    }
    let most_kib = rounds.iter().map(|round| round.most_kib).max();
    let growth_kib = most_kib.context("no round")?.saturating_sub(before_kib);
    println!("grown by {growth_kib} KiB from {before_kib}");
    ensure!(growth_kib <= GROWTH_KIB_MAX, "grown by {growth_kib} KiB");
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    let (heartbeats, words) = (of(|it| it.heartbeats), of(|it| it.words));
    println!("round trips: heartbeats {heartbeats:.2} times as long, words {words:.2}");
    ensure!(
        heartbeats < ROUND_TRIP_RATIO_MAX,
        "heartbeats: {heartbeats:.2} times"
    );
    ensure!(words < ROUND_TRIP_RATIO_MAX, "words: {words:.2} times");
    Ok(())
}

/// What one flood showed.
#[derive(Debug)]
struct Round {
    /// How many frames a second TCP took of all flooders, most of them into its buffers.
    taken: f64,
    /// The part of their time that flooders waited for TCP.
    pushed_back: f64,
    /// How long heartbeats of others took, of what they take otherwise.
    heartbeats: f64,
    /// How long words to others took, of what they take otherwise.
    words: f64,
    most_kib: u64,
}

fn round(
    server: &Server,
    calm: &mut Calm,
    frames: &dyn Fn(&str) -> Vec<u8>,
    stuck: Stuck,
) -> Result<Round> {
    let (heartbeats, words) = calm.round_trips(CALM, || Ok(()))?;
    let dropped_before = server.metric("snug_sockets_slow_total")?;
    // It joins first and reads nothing of all that follows.
    let mut silent = Peer::join(address(server), "flood-0")?;
    silent.say(&json!({"type": "connect", "data": {"metadata": {"displayName": "silent"}}}))?;
    let mut flooders: Vec<Flooder> = (0..FLOODERS)
        .map(|number| Flooder::start(server, &format!("flood-{}", number % ROOMS), frames, true))
        .collect::<Result<_>>()?;
    if stuck == Stuck::IsSlowedDown {
        flooders.push(Flooder::start(server, "flood-0", frames, false)?);
    }
    let mut most_kib = 0;
    let mut is_dropped = false;
    let flooded = calm.round_trips(FLOOD, || {
        most_kib = most_kib.max(usage::resident_kib(server.program.id())?);
        if !is_dropped && server.metric("snug_sockets_slow_total")? > dropped_before {
            is_dropped = true;
            ensure!(is_told_why(&mut silent), "the stuck reader read no reason");
        }
        Ok(())
    })?;
    ensure!(
        is_dropped == (stuck == Stuck::IsTold),
        "a stuck reader: {stuck:?}, but dropped: {is_dropped}"
    );
    let written: Vec<Written> = flooders
        .into_iter()
        .map(Flooder::end)
        .collect::<Result<_>>()?;
    let dropped = server.metric("snug_sockets_slow_total")? - dropped_before;
    ensure!(
        dropped == u64::from(is_dropped),
        "{dropped} were dropped, flooders among them"
    );
    let batch_bytes = frames("flood-0").len() as f64;
    Ok(Round {
        taken: written.iter().map(|it| it.bytes_a_second).sum::<f64>() * BATCH as f64 / batch_bytes,
        pushed_back: written.iter().map(|it| it.pushed_back).sum::<f64>() / written.len() as f64,
        heartbeats: flooded.0 / heartbeats,
        words: flooded.1 / words,
        most_kib,
    })
}

/// Reads what there is, and whether it ends with the reason.
fn is_told_why(peer: &mut Peer) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match peer.socket.read_message(deadline) {
            Ok(Some(Message::Close(Some(frame)))) => {
                return u16::from(frame.code) == 1008 && frame.reason.as_str() == "slow_consumer";
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return false,
        }
    }
}

/// Two who talk in a room of their own.
struct Calm {
    speaker: Peer,
    listener: Peer,
    said: u64,
}

impl Calm {
    fn join(server: &Server) -> Result<Self> {
        let mut speaker = Peer::join(address(server), "calm")?;
        speaker.connect("speaker")?;
        let mut listener = Peer::join(address(server), "calm")?;
        listener.connect("listener")?;
        Ok(Self {
            speaker,
            listener,
            said: 0,
        })
    }

    /// Says how long a heartbeat and a word take, in milliseconds, the medians; `look` is called
    /// between any two.
    fn round_trips(
        &mut self,
        within: Duration,
        mut look: impl FnMut() -> Result<()>,
    ) -> Result<(f64, f64)> {
        let (mut heartbeats, mut words) = (Vec::new(), Vec::new());
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            heartbeats.push(self.heartbeat()?);
            words.push(self.word()?);
            look()?;
            std::thread::sleep(BETWEEN_WORDS);
        }
        Ok((median(heartbeats), median(words)))
    }

    fn heartbeat(&mut self) -> Result<f64> {
        let started = Instant::now();
        let socket = &mut self.speaker.socket;
        let reference = socket.push(None, "phoenix", "heartbeat", &json!({}))?;
        socket.reply(&reference, PATIENCE)?;
        Ok(started.elapsed().as_secs_f64() * 1000.0)
    }

    fn word(&mut self) -> Result<f64> {
        self.said += 1;
        let started = Instant::now();
        self.speaker.say(&json!({
            "type": "updateEndpointMetadata",
            "data": {"metadata": {"displayName": self.said.to_string()}},
        }))?;
        self.listener.hears("endpointUpdated", PATIENCE)?;
        Ok(started.elapsed().as_secs_f64() * 1000.0)
    }
}

/// Writes as fast as TCP takes it, until dropped.
struct Flooder {
    stream: TcpStream,
    is_over: Arc<AtomicBool>,
    writing: JoinHandle<Result<Written>>,
    reading: Option<JoinHandle<()>>,
}

struct Written {
    bytes_a_second: f64,
    pushed_back: f64,
}

impl Flooder {
    /// Joins the room that is flooded; `reads` what it hears as fast as it comes.
    fn start(
        server: &Server,
        room: &str,
        frames: &dyn Fn(&str) -> Vec<u8>,
        reads: bool,
    ) -> Result<Self> {
        let mut peer = Peer::join(address(server), room)?;
        peer.connect("flooder")?;
        let stream = peer.socket.stream().try_clone()?;
        let reading = match reads {
            true => Some(discard(stream.try_clone()?)?),
            false => None,
        };
        let is_over = Arc::new(AtomicBool::new(false));
        let writing = {
            let (stream, frames, is_over) =
                (stream.try_clone()?, frames(room), Arc::clone(&is_over));
            std::thread::spawn(move || write(&stream, &frames, &is_over))
        };
        Ok(Self {
            stream,
            is_over,
            writing,
            reading,
        })
    }

    fn end(self) -> Result<Written> {
        self.is_over.store(true, Ordering::Release);
        self.stream.shutdown(std::net::Shutdown::Both)?;
        if let Some(reading) = self.reading {
            reading
                .join()
                .map_err(|_| anyhow::anyhow!("a reader panicked"))?;
        }
        self.writing
            .join()
            .map_err(|_| anyhow::anyhow!("a writer panicked"))?
    }
}

/// Reads everything until the end of the connection.
fn discard(mut stream: TcpStream) -> Result<JoinHandle<()>> {
    stream.set_read_timeout(None)?;
    Ok(std::thread::spawn(move || {
        let mut chunk = vec![0; 64 * 1024];
        while stream.read(&mut chunk).is_ok_and(|count| count > 0) {}
    }))
}

/// Writes the same frames again and again until it is over.
fn write(mut stream: &TcpStream, frames: &[u8], is_over: &AtomicBool) -> Result<Written> {
    let (mut bytes, mut waited) = (0, Duration::ZERO);
    let started = Instant::now();
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(Duration::from_millis(100)))?;
    let mut at = 0;
    while !is_over.load(Ordering::Acquire) {
        let asked = Instant::now();
        let count = match stream.write(&frames[at..]) {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(_) if is_over.load(Ordering::Acquire) => break,
            Err(error) => return Err(error).context("a flooder was cut off"),
        };
        // What is taken at once takes microseconds.
        waited += Some(asked.elapsed())
            .filter(|it| it.as_millis() >= 1)
            .unwrap_or_default();
        bytes += count;
        at = (at + count) % frames.len();
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(Written {
        bytes_a_second: bytes as f64 / seconds,
        pushed_back: waited.as_secs_f64() / seconds,
    })
}

/// Says how many frames a second the writers have on hand: to somebody who takes them all.
fn on_hand(frames: &[u8]) -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let is_over = Arc::new(AtomicBool::new(false));
    let (mut writing, mut reading) = (Vec::new(), Vec::new());
    for _ in 0..FLOODERS {
        let near = TcpStream::connect(listener.local_addr()?)?;
        reading.push(discard(listener.accept()?.0)?);
        let (frames, is_over) = (frames.to_vec(), Arc::clone(&is_over));
        writing.push(std::thread::spawn(move || write(&near, &frames, &is_over)));
    }
    std::thread::sleep(Duration::from_secs(1));
    is_over.store(true, Ordering::Release);
    let mut bytes_a_second = 0.0;
    for writing in writing {
        let written = writing
            .join()
            .map_err(|_| anyhow::anyhow!("a writer panicked"))??;
        bytes_a_second += written.bytes_a_second;
    }
    for reading in reading {
        reading
            .join()
            .map_err(|_| anyhow::anyhow!("a reader panicked"))?;
    }
    Ok(bytes_a_second * BATCH as f64 / frames.len() as f64)
}

/// Writes texts as [`BATCH`] frames of a client (RFC 6455 section 5.2), with a mask of zeros.
fn wire(texts: &[String]) -> Vec<u8> {
    let mut frames = Vec::new();
    for text in texts.iter().cycle().take(BATCH) {
        frames.push(0x81);
        match u8::try_from(text.len()) {
            Ok(len) if len < 126 => frames.push(0x80 | len),
            _ => {
                frames.push(0x80 | 126);
                let len = u16::try_from(text.len()).expect("a short frame");
                frames.extend(len.to_be_bytes());
            }
        }
        frames.extend([0; 4]);
        frames.extend(text.as_bytes());
    }
    frames
}

fn address(server: &Server) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.port))
}
