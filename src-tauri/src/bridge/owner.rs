//! The task itself: everything that happens comes in here, one thing at a time.

mod answer;
mod happen;
mod nearby;
mod rules;
mod settle;
mod show;

use std::collections::BTreeSet;
use std::time::Duration;

use snug_client::{Event, Stats};
use snug_media::device::DeviceLists;
use snug_media::error::InputRole;
use snug_protocol::{Link, RoomState};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::call::Report;
use super::capture::Opened;
use super::devices::{Camera, Microphone, Speaker};
use super::enter::{Entered, KNOWN_HOSTS};
use super::keep::Kept;
use super::room::Room;
use super::sources::{Picture, Playback, Sound, Taps};
use super::speaker::Ears;
use super::{Letter, Outward, Setup};
use crate::ipc::{Notice, Problem, Snapshot, Social, Watching};
use crate::tiles::{Running, Tiles};
use nearby::Nearby;

/// News from threads and calls that may wait: every source there is ends at once, twice.
const NEWS_LANE: usize = 32;

/// How long leaving, stopping and saving may take when the program ends.
const END_WITHIN: Duration = Duration::from_secs(2);

/// How long a preview outlives the last look at it: a page that turns from one screen to the next
/// does not make the camera blink.
const PREVIEW_LINGERS: Duration = Duration::from_secs(1);

/// Ages from now: for a timer that is not wanted.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// The bridge's state. See the module above for its rules.
pub(super) struct Owner {
    requests: mpsc::Receiver<Letter>,
    snapshots: watch::Sender<Snapshot>,
    social: watch::Sender<Social>,
    /// Chat, hands or reactions changed, or who the person is to the room.
    is_social_stale: bool,
    outward: mpsc::Sender<Outward>,
    news: mpsc::Receiver<News>,
    newsroom: mpsc::Sender<News>,
    jobs: JoinSet<Done>,
    tiles: Tiles,
    running: Running,
    kept: Kept,
    /// What is kept changed since it was written.
    is_dirty: bool,
    is_saving: bool,
    port: u16,
    nearby: Nearby,
    place: Place,
    /// Counts attempts and calls, so that late news is known as such.
    count: u64,
    /// Calls that have not ended yet, the present one included.
    calls: BTreeSet<u64>,
    call_count: watch::Sender<usize>,
    /// The statistics of the latest call, for whoever asks how it goes.
    call_stats: watch::Sender<Option<watch::Receiver<Stats>>>,
    taps: Taps,
    devices: watch::Receiver<Option<DeviceLists>>,
    lists: Option<DeviceLists>,
    camera: Camera,
    microphone: Microphone,
    speaker: Speaker,
    ears: Ears,
    /// The person wants to hear themselves.
    is_listening: bool,
    chime: Chime,
    /// The preview is not looked at any more and ends then.
    picture_until: Option<Instant>,
    sound_until: Option<Instant>,
    watching: Watching,
    problem: Option<Problem>,
    notice: Option<Notice>,
    notice_count: u32,
    /// The program ends, at the latest then.
    ending: Option<Instant>,
}

/// Where the person is.
enum Place {
    Home,
    Joining(Attempt),
    Room(Box<Room>),
}

/// The chime that tries the speaker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chime {
    Silent,
    /// It sounds as soon as the speaker is open.
    Wanted,
    Sounding,
}

/// The way into a room.
struct Attempt {
    number: u64,
    room: String,
    /// The link, when somebody else hosts it.
    link: Option<Link>,
    /// It was found on this network: its key proves nothing.
    is_found: bool,
    steps: watch::Receiver<snug_client::JoinStep>,
    rules: watch::Receiver<RoomState>,
    job: AbortHandle,
}

/// A job that is done.
enum Done {
    Entered(u64, Box<Result<Entered, Problem>>),
    Left(u64),
    CameraOpened(Result<Opened<Picture>, Problem>),
    CameraStopped(Option<Picture>),
    MicrophoneOpened(Result<Opened<Sound>, Problem>),
    MicrophoneStopped(Option<Sound>),
    SpeakerOpened(Result<Opened<Playback>, Problem>),
    SpeakerStopped,
    Chimed,
    Verified(std::io::Result<()>),
    Saved(std::io::Result<()>),
}

/// What threads and calls tell.
enum News {
    /// A preview ended by itself.
    Ended(InputRole, Option<snug_media::Error>),
    /// A call did what it was asked.
    Call(u64, Report),
}

/// What woke the bridge up.
enum Input {
    Letter(Option<Letter>),
    Done(Result<Done, JoinError>),
    News(News),
    Event(Option<Event>),
    Stats,
    Social,
    Step,
    Devices,
    Watching,
    Stale(u32),
    Nearby,
    Due,
}

impl Owner {
    pub(super) fn new(
        setup: Setup,
        requests: mpsc::Receiver<Letter>,
    ) -> (Self, watch::Receiver<Snapshot>, watch::Receiver<Social>) {
        let (newsroom, news) = mpsc::channel(NEWS_LANE);
        let ears = Ears::default();
        let lists = setup.devices.borrow().clone();
        let mut owner = Self {
            requests,
            // Replaced below, before anybody can look.
            snapshots: watch::channel(Snapshot::default()).0,
            social: watch::channel(Social::default()).0,
            is_social_stale: false,
            outward: setup.outward,
            news,
            newsroom,
            jobs: JoinSet::new(),
            taps: Taps::new(setup.tiles.clone(), ears.clone()),
            tiles: setup.tiles,
            running: setup.running,
            nearby: Nearby::new(setup.discovers, setup.kept.folder.join(KNOWN_HOSTS)),
            kept: setup.kept,
            is_dirty: false,
            is_saving: false,
            port: setup.port,
            place: Place::Home,
            count: 0,
            calls: BTreeSet::new(),
            call_count: watch::channel(0).0,
            call_stats: watch::channel(None).0,
            lists,
            devices: setup.devices,
            camera: Camera::new(InputRole::Camera),
            microphone: Microphone::new(InputRole::Microphone),
            speaker: Speaker::new(InputRole::Speaker),
            ears,
            is_listening: false,
            chime: Chime::Silent,
            picture_until: None,
            sound_until: None,
            watching: Watching::default(),
            problem: None,
            notice: None,
            notice_count: 0,
            ending: None,
        };
        if setup.was_damaged {
            owner.notify_of_damage();
        }
        owner.learn_devices();
        if let Some(link) = setup.link {
            owner.open_link(&link);
        }
        let snapshots = watch::channel(owner.snapshot(1));
        owner.snapshots = snapshots.0;
        let social = owner.social.subscribe();
        (owner, snapshots.1, social)
    }

    /// Follows whose statistics are those of the present call.
    pub(super) fn calls(&self) -> watch::Receiver<Option<watch::Receiver<Stats>>> {
        self.call_stats.subscribe()
    }

    pub(super) async fn run(mut self) {
        loop {
            self.settle();
            self.show();
            self.show_social();
            if self.is_over() {
                break;
            }
            let input = self.next().await;
            self.handle(input);
        }
        if self.outward.send(Outward::Exit).await.is_err() {
            tracing::debug!("the window is gone already");
        }
    }

    /// Waits for whatever happens next.
    async fn next(&mut self) -> Input {
        let deadlines = [self.picture_until, self.sound_until, self.ending];
        let deadline = deadlines.into_iter().flatten().min();
        let deadline = deadline.unwrap_or_else(|| Instant::now() + NEVER);
        let (mut events, mut stats, mut social) = (None, None, None);
        let (mut steps, mut rules) = (None, None);
        match &mut self.place {
            Place::Home => {}
            Place::Joining(attempt) => {
                steps = Some(&mut attempt.steps);
                rules = Some(&mut attempt.rules);
            }
            Place::Room(room) => {
                events = Some(&mut room.events);
                stats = Some(&mut room.stats);
                social = Some(&mut room.social);
            }
        }
        tokio::select! {
            letter = self.requests.recv() => Input::Letter(letter),
            Some(done) = self.jobs.join_next() => Input::Done(done),
            Some(news) = self.news.recv() => Input::News(news),
            event = received(events) => Input::Event(event),
            () = changed(stats) => Input::Stats,
            () = changed(social) => Input::Social,
            () = changed(steps) => Input::Step,
            () = changed(rules) => Input::Step,
            Ok(()) = self.devices.changed() => Input::Devices,
            Ok(()) = self.running.watching.changed() => Input::Watching,
            Some(tile) = self.running.stale.recv() => Input::Stale(tile),
            () = self.nearby.changed() => Input::Nearby,
            () = sleep_until(deadline) => Input::Due,
        }
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Letter(Some(letter)) => {
                let answer = self.answer(letter.request);
                // Whoever asked may have gone.
                drop(letter.reply.send(answer));
            }
            Input::Letter(None) => self.end(),
            Input::Done(Ok(done)) => self.note_done(done),
            Input::Done(Err(error)) if error.is_cancelled() => {}
            Input::Done(Err(error)) => tracing::error!(%error, "a job failed"),
            Input::News(News::Ended(role, error)) => self.note_ended(role, error.as_ref()),
            Input::News(News::Call(call, report)) => self.note_report(call, report),
            Input::Event(event) => self.note_event(event),
            Input::Stats => self.note_stats(),
            Input::Social => self.is_social_stale = true,
            Input::Step | Input::Nearby => {}
            Input::Devices => self.note_devices(),
            Input::Watching => self.note_watching(),
            Input::Stale(tile) => {
                if let Place::Room(room) = &self.place {
                    room.refresh(tile);
                }
            }
            Input::Due => self.note_time(Instant::now()),
        }
    }

    /// Whether the program has nothing left to do.
    fn is_over(&self) -> bool {
        self.ending.is_some_and(|deadline| {
            let is_done = self.calls.is_empty() && !self.is_saving && !self.is_dirty;
            is_done || Instant::now() >= deadline
        })
    }
}

/// Waits for the next event, for ever where there is no call.
async fn received(events: Option<&mut mpsc::Receiver<Event>>) -> Option<Event> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

/// Waits for a change, for ever where there is nothing to follow or nobody to change it.
async fn changed<T>(value: Option<&mut watch::Receiver<T>>) {
    if let Some(value) = value
        && value.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
