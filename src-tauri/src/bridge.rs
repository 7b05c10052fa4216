//! The bridge between the page and the call: one task that owns everything and decides.
//!
//! Knows: what the page may ask, where the person is, what runs. Refuses to know: Tauri, so that
//! it is tried without a window. Start from [`Bridge`].
//!
//! Rules: requests come in over one bounded lane and are answered at once, so nothing here waits;
//! what takes time (joining, opening a device, saving) runs in tasks that the bridge owns and
//! comes back as news. What the page shows goes out as one snapshot, of which the newest wins.

mod call;
mod capture;
mod choose;
mod devices;
mod enter;
mod keep;
mod moderation;
mod owner;
mod people;
mod problem;
mod room;
mod social;
mod sources;
mod speaker;

use snug_client::Stats;
use snug_media::device::DeviceLists;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::ipc::{Health, HostAction, Problem, Reaction, Snapshot, Social};
use crate::settings::{Appearance, CameraChoice, Graphics, Language, MicrophoneChoice};
use crate::tiles::{Running, Tiles};
use owner::Owner;

pub use keep::Kept;

/// Requests that may wait: more than a person can make while one is looked at.
const REQUEST_LANE: usize = 64;

/// What the page, the window and the system ask for.
#[derive(Debug)]
pub enum Request {
    /// What the others call the person.
    SetName(String),
    /// Open a room of this name and go in.
    HostRoom(String),
    /// Go into a room: a known one's name, or a link.
    JoinRoom(String),
    /// Go into a room on this network, by its link from the snapshot.
    JoinFound(String),
    /// Look for rooms on this network once more.
    LookAgain,
    /// The same as joining, from outside the page, which has to be told when it goes wrong.
    OpenLink(String),
    /// Stay at home after all.
    CancelJoining,
    /// The problem was read.
    DismissProblem,
    /// The notice of this number was read.
    DismissNotice(u32),
    /// The words of the host's key were compared with what the host sees: they match.
    WordsMatch,
    /// Leave the room.
    LeaveRoom,
    /// Ask the room for what hosts may do.
    Moderate(HostAction),
    /// Say this in the chat.
    Say(String),
    /// Raise the hand, or lower it.
    RaiseHand(bool),
    /// Take the hand of the person of this id down.
    LowerHand(String),
    /// Show a reaction.
    React(Reaction),
    /// Camera on or off.
    SetCameraOn(bool),
    /// Microphone on or off.
    SetMicrophoneOn(bool),
    /// Use this camera.
    ChooseCamera(CameraChoice),
    /// Use this microphone.
    ChooseMicrophone(MicrophoneChoice),
    /// Use this speaker; nothing is the system's favourite.
    ChooseSpeaker(Option<String>),
    /// Let the person hear their own microphone, or stop.
    SetListening(bool),
    /// Play a chime.
    TestSpeaker,
    /// Show one's own picture as in a mirror.
    SetMirror(bool),
    /// Light or dark.
    SetAppearance(Appearance),
    /// What the page speaks.
    SetLanguage(Language),
    /// Whether the graphics processor is used, from the next start on.
    SetGraphics(Graphics),
    /// A link was put on the clipboard.
    LinkCopied,
    /// Forget a room joined before.
    ForgetRecent(String),
    /// The window was asked to close.
    CloseAsked,
    /// Close it, whatever is under way.
    Quit,
}

/// What the bridge wants of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outward {
    /// Ask the person whether to leave the call.
    AskToClose,
    /// Hide: what is left to do needs no window.
    Hide,
    /// All is done.
    Exit,
}

/// What a bridge is started with.
pub struct Setup {
    /// What was kept.
    pub kept: Kept,
    /// A file of it was damaged and put aside.
    pub was_damaged: bool,
    /// Port to host on; 0 is any.
    pub port: u16,
    /// Rooms are looked for on this network, and ours are told there.
    pub discovers: bool,
    /// Room to join at once.
    pub link: Option<String>,
    /// Where pictures go.
    pub tiles: Tiles,
    /// What the page says it shows.
    pub running: Running,
    /// What this computer has, once that is known.
    pub devices: watch::Receiver<Option<DeviceLists>>,
    /// Takes what the window has to do.
    pub outward: mpsc::Sender<Outward>,
}

/// A request and who waits for the answer.
struct Letter {
    request: Request,
    reply: oneshot::Sender<Result<(), Problem>>,
}

/// The public face of the bridge. It ends after [`Request::Quit`], or with its last face.
#[derive(Clone)]
pub struct Bridge {
    requests: mpsc::Sender<Letter>,
    snapshots: watch::Receiver<Snapshot>,
    calls: watch::Receiver<Option<watch::Receiver<Stats>>>,
    social: watch::Receiver<Social>,
}

impl Bridge {
    /// Starts the bridge. Must be called inside a tokio runtime.
    pub fn start(setup: Setup) -> (Self, JoinHandle<()>) {
        let (requests, asked) = mpsc::channel(REQUEST_LANE);
        let (owner, snapshots, social) = Owner::new(setup, asked);
        let calls = owner.calls();
        let task = tokio::spawn(owner.run());
        let bridge = Self {
            requests,
            snapshots,
            calls,
            social,
        };
        (bridge, task)
    }

    /// Asks for something. The answer says whether it was taken; what comes of it is shown by
    /// later snapshots.
    ///
    /// # Errors
    /// Why it was not: code `busy` when too much waits, `ending` when the program is closing.
    pub async fn ask(&self, request: Request) -> Result<(), Problem> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .try_send(Letter { request, reply })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => problem::busy(),
                mpsc::error::TrySendError::Closed(_) => problem::ending(),
            })?;
        answer.await.map_err(|_| problem::ending())?
    }

    /// Asks for something whose answer nobody waits for. Says whether it could be asked.
    pub fn tell(&self, request: Request) -> bool {
        let (reply, _) = oneshot::channel();
        self.requests.try_send(Letter { request, reply }).is_ok()
    }

    /// Returns everything on screen as it is now.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshots.borrow().clone()
    }

    /// Returns how the present call goes; nothing outside a room.
    pub fn health(&self) -> Option<Health> {
        let call = self.calls.borrow();
        let stats = call.as_ref()?;
        // Its other end goes with the call.
        stats.has_changed().ok()?;
        Some(Health::of(&stats.borrow()))
    }

    /// Follows chat, hands and reactions of the room that the person is in.
    pub fn social(&self) -> watch::Receiver<Social> {
        self.social.clone()
    }

    /// Follows what is on screen.
    pub fn snapshots(&self) -> watch::Receiver<Snapshot> {
        self.snapshots.clone()
    }
}

#[cfg(test)]
mod tests;
