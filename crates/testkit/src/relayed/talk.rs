//! Sound from one guest to another, across changes of way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Generation, Guest, Keys, Way};
use crate::turn::{PATIENCE, Turn};

/// How often a microphone makes a packet.
const FRAME: Duration = Duration::from_millis(20);

/// A guest that speaks until dropped, on whatever way it has now.
#[derive(Debug)]
pub struct Speaker {
    /// Who it is.
    pub guest: Guest,
    /// Its present ICE generation.
    pub generation: Generation,
    /// Its present way and its keys; whoever holds it interrupts the sound.
    pub outlet: Arc<Mutex<(Way, Keys)>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Speaker {
    /// Negotiates, connects by this TURN connection, and begins.
    ///
    /// # Errors
    /// When the server refuses anything of it.
    pub fn start(mut guest: Guest, turn: Turn) -> Result<Self> {
        let generation = guest.negotiate()?;
        let mut way = Way::open(turn, &generation)?;
        way.nominate(&generation)?;
        let keys = guest.shake(&mut way)?;
        let outlet = Arc::new(Mutex::new((way, keys)));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, is_over) = (Arc::clone(&outlet), Arc::clone(&stop));
        let thread = std::thread::spawn(move || -> Result<()> {
            let start = Instant::now();
            for sequence in 0u16.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                {
                    let mut outlet = shared.lock().expect("nobody panics with it");
                    let (way, keys) = &mut *outlet;
                    let packet = keys.seal(sequence)?;
                    way.turn.send(way.server, &packet)?;
                }
                let due = start + FRAME * (u32::from(sequence) + 1);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            Ok(())
        });
        Ok(Self {
            guest,
            generation,
            outlet,
            stop,
            thread: Some(thread),
        })
    }

    /// Restarts ICE with a new allocation; the old one is kept and returned.
    ///
    /// # Errors
    /// When the server refuses anything of it.
    pub fn restart(&mut self, turn: Turn) -> Result<Way> {
        self.guest.renegotiate()?;
        let generation = self.guest.negotiate()?;
        let mut way = Way::open(turn, &generation)?;
        way.nominate(&generation)?;
        self.generation = generation;
        let mut outlet = self.outlet.lock().expect("nobody panics with it");
        Ok(std::mem::replace(&mut outlet.0, way))
    }

    /// Falls silent, and stays connected.
    ///
    /// # Errors
    /// When it could not speak all the time.
    pub fn stop(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        let spoken = thread.join();
        spoken.map_err(|_| anyhow::anyhow!("the speaker panicked"))?
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("a speaker fell silent early: {error:#}");
        }
    }
}

/// A guest that listens.
#[derive(Debug)]
pub struct Listener {
    /// Who it is.
    pub guest: Guest,
    /// Its ways, the present one last.
    pub ways: Vec<Way>,
    keys: Keys,
    /// When each packet came, and its number.
    pub heard: Vec<(Instant, u16)>,
}

impl Listener {
    /// Negotiates, connects by this TURN connection, and begins.
    ///
    /// # Errors
    /// When the server refuses anything of it.
    pub fn start(mut guest: Guest, turn: Turn) -> Result<Self> {
        let generation = guest.negotiate()?;
        let mut way = Way::open(turn, &generation)?;
        way.nominate(&generation)?;
        let keys = guest.shake(&mut way)?;
        Ok(Self {
            guest,
            ways: vec![way],
            keys,
            heard: Vec::new(),
        })
    }

    /// Hears so many packets more, by whatever way.
    ///
    /// # Errors
    /// When they do not come in time.
    pub fn hear(&mut self, packets: usize) -> Result<()> {
        let (deadline, wanted) = (Instant::now() + PATIENCE * 2, self.heard.len() + packets);
        while self.heard.len() < wanted {
            ensure!(
                Instant::now() < deadline,
                "{} of {wanted} packets",
                self.heard.len()
            );
            for way in &mut self.ways {
                if let Some((at, data)) = way.turn.receive(Duration::from_millis(2))? {
                    self.heard
                        .extend(self.keys.open(&data).map(|number| (at, number)));
                }
            }
        }
        Ok(())
    }

    /// Restarts ICE with a new allocation, and listens on the old one too.
    ///
    /// # Errors
    /// When the server refuses anything of it.
    pub fn restart(&mut self, turn: Turn) -> Result<()> {
        self.guest.renegotiate()?;
        let generation = self.guest.negotiate()?;
        let mut way = Way::open(turn, &generation)?;
        way.nominate(&generation)?;
        self.ways.push(way);
        Ok(())
    }

    /// Checks that nothing was lost, and returns the longest silence.
    ///
    /// # Errors
    /// When a packet is missing.
    pub fn longest_gap(&mut self) -> Result<Duration> {
        self.heard.sort_unstable_by_key(|(_, number)| *number);
        for pair in self.heard.windows(2) {
            ensure!(
                pair[1].1 == pair[0].1 + 1,
                "lost between {} and {}",
                pair[0].1,
                pair[1].1
            );
        }
        self.heard.sort_unstable();
        let gaps = self.heard.windows(2).map(|pair| pair[1].0 - pair[0].0);
        gaps.max().context("nothing was heard")
    }
}
