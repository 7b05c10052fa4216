//! A guest's side on real networks: asks, hears, and keeps the list for whoever shows it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use snug_protocol::{Advert, DEFAULT_PORT};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::check::Checker;
use crate::interfaces::sweep_targets;
use crate::listing::{FoundRoom, Listing, Output};
use crate::mdns::Pointers;
use crate::sockets::{Pair, links};

/// How many computers a sweep asks at once: more would look like an attack to a small router.
const SWEEP_AT_ONCE: usize = 64;

/// Answers on their way to the list; more wait in their tasks.
const ANSWERS_LANE: usize = 64;

/// Wishes to look again; one more than one means nothing.
const WISHES_LANE: usize = 1;

/// How often it is seen to which networks we are.
const LOOK_AT_LINKS_EVERY: Duration = Duration::from_secs(2);

/// Looks for rooms on this network until dropped.
#[derive(Debug)]
pub struct Looker {
    rooms: watch::Receiver<Vec<FoundRoom>>,
    wishes: mpsc::Sender<()>,
    task: AbortHandle,
}

impl Looker {
    /// Starts looking. Must be called inside a tokio runtime.
    #[must_use]
    pub fn start() -> Self {
        let (list, rooms) = watch::channel(Vec::new());
        let (wishes, wished) = mpsc::channel(WISHES_LANE);
        let task = tokio::spawn(run(list, wished)).abort_handle();
        Self {
            rooms,
            wishes,
            task,
        }
    }

    /// Follows the list: sorted by name, at most 256.
    #[must_use]
    pub fn rooms(&self) -> watch::Receiver<Vec<FoundRoom>> {
        self.rooms.clone()
    }

    /// Asks everybody again, and the neighbours one by one.
    pub fn look_again(&self) {
        // A wish that waits already is as good as this one.
        if self.wishes.try_send(()).is_err() {
            tracing::trace!("it is about to look again anyway");
        }
    }
}

impl Drop for Looker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Answer = (SocketAddr, Option<Advert>);

/// What woke the task.
enum Woken {
    Heard((SocketAddr, Vec<u8>)),
    Pointed(Vec<SocketAddr>),
    Answered(Answer),
    Wished,
    Time,
}

/// What checks need; what it starts ends with the task.
struct Checks {
    checker: Checker,
    at_once: Arc<Semaphore>,
    answers: mpsc::Sender<Answer>,
    running: JoinSet<()>,
}

async fn run(list: watch::Sender<Vec<FoundRoom>>, mut wished: mpsc::Receiver<()>) {
    let pair = Pair::own();
    let mut pointers = Pointers::start();
    let (answers, mut answered) = mpsc::channel(ANSWERS_LANE);
    let mut checks = Checks {
        checker: Checker::new(),
        at_once: Arc::new(Semaphore::new(SWEEP_AT_ONCE)),
        answers,
        running: JoinSet::new(),
    };
    let mut networks = links();
    let mut looked_at = Instant::now();
    let mut core = Listing::new(rand::random(), looked_at);
    core.handle_links(networks.clone());
    loop {
        let due = core.deadline().unwrap_or(looked_at + LOOK_AT_LINKS_EVERY);
        let woken = tokio::select! {
            heard = pair.receive() => Woken::Heard(heard),
            found = next(&mut pointers) => Woken::Pointed(found),
            Some(answer) = answered.recv() => Woken::Answered(answer),
            Some(()) = wished.recv() => Woken::Wished,
            () = tokio::time::sleep_until(due.into()) => Woken::Time,
        };
        let now = Instant::now();
        if now.duration_since(looked_at) >= LOOK_AT_LINKS_EVERY {
            looked_at = now;
            networks = links();
            core.handle_links(networks.clone());
        }
        match woken {
            Woken::Heard((from, bytes)) => core.handle_datagram(from, &bytes, now),
            Woken::Pointed(found) => found.into_iter().for_each(|at| core.handle_pointer(at)),
            Woken::Answered((address, told)) => core.handle_check(address, told, now),
            Woken::Wished => core.handle_look_again(now),
            Woken::Time => {}
        }
        // Chatter must not keep what is due from being done.
        if core.deadline().is_some_and(|due| due <= now) {
            core.handle_timeout(now);
        }
        while let Some(output) = core.poll_output() {
            match output {
                Output::AskAll(bytes) => pair.send_all(&networks, &bytes).await,
                Output::Ask(to, bytes) => pair.send(to, &bytes).await,
                Output::Check(address) => checks.check(address),
                Output::Sweep => checks.sweep(sweep_targets(&networks)),
            }
        }
        while checks.running.try_join_next().is_some() {}
        let rooms = core.rooms();
        list.send_if_modified(|shown| {
            let is_new = *shown != rooms;
            *shown = rooms;
            is_new
        });
    }
}

async fn next(pointers: &mut Option<Pointers>) -> Vec<SocketAddr> {
    match pointers {
        Some(pointers) => pointers.next().await,
        None => std::future::pending().await,
    }
}

impl Checks {
    /// Asks one address that is known; its silence is an answer.
    fn check(&mut self, address: SocketAddr) {
        let (checker, answers) = (self.checker.clone(), self.answers.clone());
        self.running.spawn(async move {
            let told = checker.ask(address).await;
            // Nobody looks any more.
            drop(answers.send((address, told)).await);
        });
    }

    /// Asks neighbours; only who answers is told. A sweep that is under way is enough.
    fn sweep(&mut self, targets: Vec<Ipv4Addr>) {
        if self.at_once.available_permits() < SWEEP_AT_ONCE {
            return;
        }
        tracing::debug!(count = targets.len(), "asking the neighbours one by one");
        for target in targets {
            let address = SocketAddr::from((target, DEFAULT_PORT));
            let (checker, answers) = (self.checker.clone(), self.answers.clone());
            let at_once = Arc::clone(&self.at_once);
            self.running.spawn(async move {
                let _place = at_once.acquire_owned().await;
                if let Some(told) = checker.ask(address).await {
                    drop(answers.send((address, Some(told))).await);
                }
            });
        }
    }
}
