//! Tells when a device comes or goes.
//!
//! Rules. The sound server sends its news; for cameras, and where there is no server, a look at what
//! the system keeps in small files shows whether anything changed, and only then the lists are made.
//! News come in swarms: the lists are made when it has been quiet for a moment, and told only when
//! they differ.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
#[cfg(target_os = "linux")]
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::sound::SoundSystem;
use super::{DeviceInfo, DeviceLists, camera};
use crate::error::{DeviceProblem, Error, InputRole};

/// How often the system's small files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(400);
/// Looks after which a sound system that did not answer is asked again: every two seconds.
const LOOKS_BEFORE_RETRY: u32 = 5;
/// How long it has to be quiet before the lists are made.
#[cfg(target_os = "linux")]
const QUIET_TIME: Duration = Duration::from_millis(50);
/// News after which the lists are made though it is never quiet: with the above less than a second.
#[cfg(target_os = "linux")]
const NEWS_MAX: u32 = 10;

/// Watches the devices of this computer until it is dropped.
#[derive(Debug)]
pub struct DeviceWatch {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Stop {
    is_wanted: AtomicBool,
    #[cfg(target_os = "linux")]
    server: Mutex<Option<super::pulse::Stopper>>,
}

impl DeviceWatch {
    /// Calls `on_change` with all devices once at the start, and within a second of every change.
    ///
    /// It is called on a thread of the watch, one call at a time, and must not drop the watch.
    ///
    /// # Errors
    /// [`Error::Device`] when the system has no thread to give.
    pub fn start(on_change: impl Fn(DeviceLists) + Send + 'static) -> Result<Self, Error> {
        let stop = Arc::new(Stop::default());
        let theirs = stop.clone();
        let thread = thread::Builder::new()
            .name("device watch".into())
            .spawn(move || watch(&theirs, &on_change))
            .map_err(|error| {
                let problem = DeviceProblem::Backend(error.to_string());
                Error::device(InputRole::Microphone, "", problem)
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for DeviceWatch {
    fn drop(&mut self) {
        self.stop.is_wanted.store(true, Relaxed);
        #[cfg(target_os = "linux")]
        if let Some(server) = self.stop.server().as_ref() {
            server.stop();
        }
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the device watch has panicked");
            }
        }
    }
}

impl Stop {
    #[cfg(target_os = "linux")]
    fn server(&self) -> std::sync::MutexGuard<'_, Option<super::pulse::Stopper>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn watch(stop: &Stop, on_change: &impl Fn(DeviceLists)) {
    let mut told = None;
    let mut system = None;
    while !stop.is_wanted.load(Relaxed) {
        // Before the lists are made: what changes meanwhile is then seen as a change.
        let marks = Marks::look();
        system = system.or_else(|| reach(stop));
        let lists = lists(system.as_mut(), told.as_ref());
        if told.as_ref() != Some(&lists) {
            on_change(lists.clone());
            told = Some(lists);
        }
        system = await_change(stop, system, &marks);
    }
}

/// Connects to the sound system, in a way that [`DeviceWatch`] can end.
fn reach(stop: &Stop) -> Option<SoundSystem> {
    let system = SoundSystem::reach();
    #[cfg(target_os = "linux")]
    let system = system.and_then(|mut system| {
        let mut server = None;
        if let SoundSystem::Server(connection) = &mut system {
            connection.subscribe()?;
            server = Some(connection.stopper()?);
        }
        *stop.server() = server;
        Ok(system)
    });
    #[cfg(not(target_os = "linux"))]
    let _ = stop;
    match system {
        Ok(system) => Some(system),
        Err(problem) => {
            tracing::debug!(?problem, "no sound system");
            None
        }
    }
}

/// Makes the lists; what cannot be asked for stays as it was told.
fn lists(system: Option<&mut SoundSystem>, told: Option<&DeviceLists>) -> DeviceLists {
    let mut lists = told.cloned().unwrap_or_default();
    lists.cameras = super::cameras().unwrap_or(lists.cameras);
    let Some(system) = system else {
        return lists;
    };
    let keep = |list: Result<Vec<DeviceInfo>, DeviceProblem>, old| list.unwrap_or(old);
    lists.microphones = keep(system.list(InputRole::Microphone), lists.microphones);
    lists.speakers = keep(system.list(InputRole::Speaker), lists.speakers);
    lists
}

/// Returns when anything may have changed, or when the watch is to end. Gives back the sound system
/// if it can still be asked.
fn await_change(stop: &Stop, system: Option<SoundSystem>, before: &Marks) -> Option<SoundSystem> {
    match system {
        #[cfg(target_os = "linux")]
        Some(SoundSystem::Server(connection)) => await_news(stop, connection, before),
        system => {
            // A sound server that would not answer may do so later.
            let mut looks_left = if system.is_some() {
                u32::MAX
            } else {
                LOOKS_BEFORE_RETRY
            };
            while !stop.is_wanted.load(Relaxed) && looks_left > 0 {
                thread::park_timeout(LOOK_INTERVAL);
                looks_left -= 1;
                if Marks::look() != *before || system.is_some() && has_server() {
                    break;
                }
            }
            None
        }
    }
}

#[cfg(target_os = "linux")]
fn await_news(
    stop: &Stop,
    mut connection: Box<super::pulse::Connection>,
    before: &Marks,
) -> Option<SoundSystem> {
    use super::pulse::Waited;
    while !stop.is_wanted.load(Relaxed) {
        match connection.wait(LOOK_INTERVAL) {
            Waited::News(_) => {
                let mut left = NEWS_MAX;
                while left > 0 && matches!(connection.wait(QUIET_TIME), Waited::News(_)) {
                    left -= 1;
                }
                break;
            }
            Waited::Quiet if Marks::look() != *before => break,
            Waited::Quiet => {}
            Waited::Gone => return None,
        }
    }
    Some(SoundSystem::Server(connection))
}

#[cfg(target_os = "linux")]
fn has_server() -> bool {
    super::pulse::is_there()
}

#[cfg(not(target_os = "linux"))]
fn has_server() -> bool {
    false
}

/// What shows at little cost that devices have come or gone.
#[derive(Debug, PartialEq, Eq)]
struct Marks {
    cameras: camera::Mark,
    sound: String,
}

impl Marks {
    fn look() -> Self {
        Self {
            cameras: camera::mark(),
            sound: sound_mark(),
        }
    }
}

/// Gives the system's own list of sound cards; without a card there may be no such file.
#[cfg(target_os = "linux")]
fn sound_mark() -> String {
    std::fs::read_to_string("/proc/asound/cards").unwrap_or_default()
}

/// Elsewhere there is nothing cheaper than the lists themselves.
#[cfg(not(target_os = "linux"))]
fn sound_mark() -> String {
    format!(
        "{:?} {:?}",
        super::microphones().ok(),
        super::speakers().ok()
    )
}
