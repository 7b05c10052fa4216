//! The public face: join a room, hear what happens, publish, leave.

mod local;
mod media;
mod remote;
mod room;

use std::time::Duration;

use snug_media::{AudioSource, VideoSource};
use snug_protocol::{Ask, PeerId, Reaction, TrackId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::event::Event;
use crate::output::{Outputs, Watched};
use crate::publish::Source;
use crate::social::{Social, Wish};
use crate::stats::Stats;
use crate::subscribe::Subscriber;
use crate::{Error, JoinOptions, Kind};
use room::Room;

/// Room for events that nobody fetched yet: a hundred people who join with two tracks each.
/// Further ones are dropped and counted.
const EVENT_LANE: usize = 1024;

/// Requests waiting for a participant; more is refused as [`Error::Busy`].
const COMMAND_LANE: usize = 64;

/// Longest time that an orderly end may take before everything is dropped.
const END_WITHIN: Duration = Duration::from_secs(5);

/// What the owner asks of a running participant.
enum Command {
    /// Publish this instead of what is published of its kind, or nothing.
    Publish(Kind, Option<Source>, oneshot::Sender<Result<(), Error>>),
    /// Ask the owner of a track for a keyframe.
    Keyframe(TrackId),
    /// Ask the room about roles and rules.
    Moderate(Ask),
    /// Say, raise or show this.
    Social(Wish),
    /// Leave.
    Leave,
}

/// The lanes by which the owner asks.
struct Asked {
    commands: mpsc::Receiver<Command>,
    watched: watch::Receiver<Option<Vec<Watched>>>,
}

impl Asked {
    /// Waits for a change of what is watched; for ever once the owner is gone.
    async fn watched(watched: &mut watch::Receiver<Option<Vec<Watched>>>) -> Vec<Watched> {
        loop {
            if watched.changed().await.is_err() {
                return std::future::pending().await;
            }
            if let Some(watched) = watched.borrow_and_update().clone() {
                return watched;
            }
        }
    }
}

/// Someone in a room. Dropping it ends everything at once; [`Participant::leave`] says goodbye.
///
/// ```no_run
/// # async fn example() -> Result<(), snug_client::Error> {
/// use snug_client::{JoinOptions, Participant};
/// let link = "192.168.1.20/kitchen".parse().expect("a link");
/// let name = snug_protocol::DisplayName::parse("Ada").expect("a name");
/// let mut ada = Participant::join(JoinOptions::new(link, name, "known_hosts".into())).await?;
/// let mut events = ada.events();
/// while let Some(event) = events.recv().await {
///     println!("{event:?}");
/// }
/// ada.leave().await
/// # }
/// ```
pub struct Participant {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Event>,
    stats: watch::Receiver<Stats>,
    social: watch::Receiver<Social>,
    /// What is looked at; newest wins. Nothing before somebody said so.
    watched: watch::Sender<Option<Vec<Watched>>>,
    task: Task,
}

/// The room's task; ends with its owner.
struct Task(JoinHandle<Result<(), Error>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Participant {
    /// Joins a room. Comes back when we are in it; media follows.
    ///
    /// A recording that cannot be written is refused before anything is sent.
    ///
    /// # Errors
    /// Every reason for which one cannot join; see [`Error`].
    pub async fn join(mut options: JoinOptions) -> Result<Self, Error> {
        let (reports, heard) = mpsc::channel(EVENT_LANE);
        let outputs = Outputs {
            decode: options.decode,
            pictures: options.pictures.take(),
            frames: options.frames.take(),
            sound: options.sound.take(),
        };
        let subscriber = Subscriber::start(options.record.as_deref(), outputs, reports)?;
        let (commands, asked) = mpsc::channel(COMMAND_LANE);
        let (event_lane, events) = mpsc::channel(EVENT_LANE);
        let (stats_lane, stats) = watch::channel(Stats::default());
        let (social_lane, social) = watch::channel(Social::default());
        let (watched, watch_lane) = watch::channel(None);
        let (ready, joined) = oneshot::channel();
        let room = Room::new(
            options,
            (subscriber, heard),
            event_lane,
            stats_lane,
            social_lane,
        );
        let asked = Asked {
            commands: asked,
            watched: watch_lane,
        };
        let task = Task(tokio::spawn(room.run(asked, ready)));
        let participant = Self {
            commands,
            events,
            stats,
            social,
            watched,
            task,
        };
        match joined.await {
            Ok(()) => Ok(participant),
            // The task ended without being in the room; it knows why.
            Err(_) => match participant.leave().await {
                Ok(()) => Err(Error::Left),
                Err(error) => Err(error),
            },
        }
    }

    /// Takes the lane of events; a second call gets an empty one. It ends when we are out.
    pub fn events(&mut self) -> mpsc::Receiver<Event> {
        let (_, nothing) = mpsc::channel(1);
        std::mem::replace(&mut self.events, nothing)
    }

    /// Returns the latest statistics, at most a tenth of a second old.
    pub fn stats(&self) -> Stats {
        self.stats.borrow().clone()
    }

    /// Follows the statistics: renewed at once when people or tracks change, and ten times a
    /// second in between. The newest wins; it ends when we are out.
    pub fn watch_stats(&self) -> watch::Receiver<Stats> {
        self.stats.clone()
    }

    /// Follows chat, raised hands and reactions. The newest wins; it ends when we are out.
    pub fn watch_social(&self) -> watch::Receiver<Social> {
        self.social.clone()
    }

    /// Says something to everybody in the chat. Whether it was said shows [`Social`]; in a room
    /// without a chat nothing happens.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Left`].
    pub fn say(&self, text: String) -> Result<(), Error> {
        self.ask(Command::Social(Wish::Say(text)))
    }

    /// Raises or lowers our hand.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Left`].
    pub fn raise_hand(&self, is_up: bool) -> Result<(), Error> {
        self.ask(Command::Social(Wish::Hand(is_up)))
    }

    /// Takes somebody else's hand down, where the room lets us.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Left`].
    pub fn lower_hand(&self, whose: &PeerId) -> Result<(), Error> {
        self.ask(Command::Social(Wish::LowerHand(whose.clone())))
    }

    /// Shows everybody a reaction for a moment.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Left`].
    pub fn react(&self, reaction: Reaction) -> Result<(), Error> {
        self.ask(Command::Social(Wish::React(reaction)))
    }

    /// Says which pictures of others are looked at, all of them; what is not listed is neither
    /// handed out nor decoded. Each begins with a keyframe. Tracks that do not exist yet may be
    /// named. Until the first call, [`JoinOptions::pictures`] gets every picture, decoded, and
    /// [`JoinOptions::frames`] none.
    ///
    /// # Errors
    /// [`Error::Left`].
    pub fn watch(&self, watched: Vec<Watched>) -> Result<(), Error> {
        self.watched.send(Some(watched)).map_err(|_| Error::Left)
    }

    /// Asks for a keyframe of a watched track, because a picture of it had to be left out. Asked
    /// too often, it happens less often.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Left`].
    pub fn want_keyframe(&self, track: &TrackId) -> Result<(), Error> {
        self.ask(Command::Keyframe(track.clone()))
    }

    /// Asks the room about its rules and people; only hosts and co-hosts get what they ask for,
    /// except [`Ask::Resume`]. What comes of it is told by [`JoinOptions::rules`] and
    /// [`crate::Happening::AskRefused`].
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Left`].
    pub fn moderate(&self, ask: Ask) -> Result<(), Error> {
        self.ask(Command::Moderate(ask))
    }

    /// Publishes another picture, or none. Comes back when the change is under way.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Left`], or why the source cannot be used.
    pub async fn set_camera(&self, source: Option<Box<dyn VideoSource>>) -> Result<(), Error> {
        self.publish(Kind::Video, source.map(Source::Video)).await
    }

    /// Publishes another sound, or none. Comes back when the change is under way.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Left`], or why the source cannot be used.
    pub async fn set_microphone(&self, source: Option<Box<dyn AudioSource>>) -> Result<(), Error> {
        self.publish(Kind::Audio, source.map(Source::Audio)).await
    }

    /// Leaves: says goodbye, finishes the recording, and comes back when all is done.
    ///
    /// # Errors
    /// Why it had ended before, when it had.
    pub async fn leave(mut self) -> Result<(), Error> {
        // Waits for room: leaving is never refused. It fails only when all has ended already.
        drop(self.commands.send(Command::Leave).await);
        match tokio::time::timeout(END_WITHIN, &mut self.task.0).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(Error::Internal(error.to_string())),
            Err(_) => Err(Error::Internal("leaving took too long".to_owned())),
        }
    }

    async fn publish(&self, kind: Kind, source: Option<Source>) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Publish(kind, source, reply))?;
        answer.await.map_err(|_| Error::Left)?
    }

    fn ask(&self, command: Command) -> Result<(), Error> {
        self.commands
            .try_send(command)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::Busy,
                mpsc::error::TrySendError::Closed(_) => Error::Left,
            })
    }
}

#[cfg(test)]
mod tests;
