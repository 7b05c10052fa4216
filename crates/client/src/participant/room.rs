//! The task of a participant: everything that happens comes in here, one thing at a time.
//!
//! The cores decide (session, liveness, negotiation); this shell collects what happened, feeds it
//! to them, and carries out what they want.

mod losing;
mod moderation;
mod snug;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use snug_protocol::{PeerId, Pin, RoomState, TrackId};
use tokio::sync::{mpsc, oneshot, watch};

use super::local::Local;
use super::media::{Media, MediaInput, Wanted};
use super::{Asked, Command};
use crate::connect::{Connector, KeyStanding, Secrets};
use crate::event::{Event, Happening};
use crate::output::Watched;
use crate::publish::{Source, SourceEnded};
use crate::session::{Ending, Output, Session};
use crate::signalling::{Admission, LineEvent, LineId, Liveness, Said, Signalling, Verdict};
use crate::social::{Social, SocialState};
use crate::stats::Stats;
use crate::subscribe::{Report, Subscriber};
use crate::{Error, JoinOptions, Timeouts};
use telling::{joined, recording_stopped};

/// Pause between two snapshots of the statistics.
const STATS_INTERVAL: Duration = Duration::from_millis(100);

/// Time for devices to be let go of: a camera may need a second for its last picture.
const FREE_WITHIN: Duration = Duration::from_millis(1_500);

/// A room that lost us and says no so often in a row, once a second, means it.
const REFUSALS_MAX: u32 = 3;

/// A place that is lost before its media stood, and sooner than this, was no good.
const STEADY_AFTER: Duration = Duration::from_secs(10);

/// A room that gives us so many places in a row that are no good has none.
const FRUITLESS_MAX: u32 = 5;

/// What is said then.
const FRUITLESS: &str = "The room lets us in and drops us at once, again and again. \
    Ask its host whether the server works.";

/// What happened.
enum Input {
    Line(LineId, LineEvent),
    Media(MediaInput),
    Received(Report),
    SourceEnded(SourceEnded),
    Asked(Option<Command>),
    Watched(Vec<Watched>),
    Due,
}

/// The participant's own state.
pub(super) struct Room {
    pub(super) target: String,
    room: String,
    pub(super) timeouts: Timeouts,
    signalling: Signalling,
    lines: mpsc::Receiver<(LineId, LineEvent)>,
    liveness: Option<Liveness>,
    key: (KeyStanding, Option<Pin>),
    /// Until when the room has to let us in after the first admission.
    let_in_by: Option<Instant>,
    joined_at: Option<Instant>,
    /// Why the last line that did not get in was turned away, and how often the room said no,
    /// since we were in.
    turned_away: Option<Error>,
    refusals: u32,
    /// What the server complained of last, since we were in.
    complaint: Option<String>,
    /// How many places in a row were no good, and since when we have the current one.
    fruitless: u32,
    /// Who follows roles and rules.
    rules: Option<watch::Sender<RoomState>>,
    admitted_at: Option<Instant>,
    pub(super) session: Session,
    pub(super) media: Option<Media>,
    pub(super) local: Local,
    /// Sources may be ready to run: looked at once all outputs are carried out, so that sound and
    /// picture start together.
    pub(super) start_due: bool,
    source_ends: mpsc::Receiver<SourceEnded>,
    pub(super) subscriber: Subscriber,
    received: mpsc::Receiver<Report>,
    events: mpsc::Sender<Event>,
    events_dropped: u64,
    stats: watch::Sender<Stats>,
    next_stats: Instant,
    /// People or tracks changed since the last statistics.
    pub(super) stats_stale: bool,
    /// Every picture is of use, also those that nobody looks at.
    takes_all: bool,
    /// How high the pictures are shown that are looked at, once somebody said so.
    heights: Option<BTreeMap<TrackId, u16>>,
    /// Tracks whose pictures the room holds back, because our way from it carries no more.
    paused: BTreeSet<TrackId>,
    /// Chat, hands and reactions.
    social: SocialState,
}

impl Room {
    pub(super) fn new(
        options: JoinOptions,
        (subscriber, received): (Subscriber, mpsc::Receiver<Report>),
        events: mpsc::Sender<Event>,
        stats: watch::Sender<Stats>,
        social: watch::Sender<Social>,
    ) -> Self {
        let JoinOptions {
            link,
            name,
            known_hosts,
            video,
            audio,
            ..
        } = options;
        let (target, topic) = (link.authority(), link.room.topic());
        let room = link.room.to_string();
        let secrets = Secrets::beside(&known_hosts, &link);
        let connector = Connector::new(link, known_hosts).with(options.is_told, options.steps);
        let (signalling, lines) = Signalling::new(connector, topic, options.timeouts);
        let signalling = signalling.with_secrets(secrets, options.host);
        let sources = audio
            .map(Source::Audio)
            .into_iter()
            .chain(video.map(Source::Video));
        let (local, source_ends) = Local::new(sources, options.video_bitrate_bps);
        Self {
            target,
            room,
            timeouts: options.timeouts,
            signalling,
            lines,
            liveness: None,
            key: (KeyStanding::New, None),
            let_in_by: None,
            joined_at: None,
            turned_away: None,
            refusals: 0,
            complaint: None,
            fruitless: 0,
            rules: options.rules,
            admitted_at: None,
            session: Session::new(name.to_string()),
            media: None,
            local,
            start_due: false,
            source_ends,
            subscriber,
            received,
            events,
            events_dropped: 0,
            stats,
            next_stats: Instant::now(),
            stats_stale: false,
            takes_all: options.record.is_some() || options.decode,
            heights: None,
            paused: BTreeSet::new(),
            social: SocialState::new(social),
        }
    }

    /// Runs until asked to leave, or until it cannot go on. `ready` hears when we are in.
    pub(super) async fn run(
        mut self,
        mut asked: Asked,
        ready: oneshot::Sender<()>,
    ) -> Result<(), Error> {
        self.signalling.dial_first();
        let mut ready = Some(ready);
        let result = loop {
            let input = self.next(&mut asked).await;
            if matches!(input, Input::Asked(None | Some(Command::Leave))) {
                break Ok(());
            }
            if let Err(error) = self.handle(input).await {
                break Err(error);
            }
            if self.joined_at.is_some()
                && let Some(ready) = ready.take()
                && ready.send(()).is_err()
            {
                // Whoever wanted to join has lost interest.
                break Ok(());
            }
        };
        self.end(result).await
    }

    async fn next(&mut self, asked: &mut Asked) -> Input {
        let deadline = self.deadline();
        let Self {
            lines,
            media,
            received,
            source_ends,
            ..
        } = self;
        tokio::select! {
            Some((id, event)) = lines.recv() => Input::Line(id, event),
            input = Media::next(media) => Input::Media(input),
            Some(report) = received.recv() => Input::Received(report),
            Some(ended) = source_ends.recv() => Input::SourceEnded(ended),
            command = asked.commands.recv() => Input::Asked(command),
            watched = Asked::watched(&mut asked.watched) => Input::Watched(watched),
            () = tokio::time::sleep_until(deadline.into()) => Input::Due,
        }
    }

    fn deadline(&self) -> Instant {
        let liveness = self.liveness.as_ref().and_then(Liveness::deadline);
        let media = self.media.as_ref().and_then(|media| media.connect_by);
        let held = self.media.as_ref().and_then(|media| media.held.as_ref());
        let held = held.map(|held| held.until);
        let others = [liveness, media, self.let_in_by, held];
        others
            .into_iter()
            .flatten()
            .fold(self.next_stats, Instant::min)
    }

    async fn handle(&mut self, input: Input) -> Result<(), Error> {
        match input {
            Input::Line(id, event) => self.handle_line(id, event).await?,
            Input::Media(input) => self.handle_media(input).await?,
            Input::Received(report) => self.handle_report(report).await,
            Input::SourceEnded(ended) => self.handle_source_end(ended),
            Input::Asked(Some(Command::Publish(kind, source, reply))) => {
                let me = self.session.me().cloned();
                let place = Media::place(&self.media, me.as_ref());
                let done = self
                    .local
                    .replace(kind, source, place, &mut self.session)
                    .await;
                let done = done.map_err(|error| Error::Internal(error.to_string()));
                self.start_due = true;
                self.stats_stale = true;
                // The asker may have gone away meanwhile.
                drop(reply.send(done));
            }
            Input::Asked(Some(Command::Keyframe(track))) => self.subscriber.want_keyframe(&track),
            Input::Asked(Some(Command::Moderate(ask))) => self.moderate(ask),
            Input::Asked(Some(Command::Social(wish))) => self.socialise(wish),
            Input::Asked(_) => {}
            Input::Watched(watched) => {
                let rows = watched.iter().map(|it| (it.track.clone(), it.rows));
                self.heights = Some(rows.collect());
                self.tell_heights();
                self.subscriber.watch(watched);
            }
            Input::Due => self.handle_due().await?,
        }
        self.settle().await?;
        if std::mem::take(&mut self.stats_stale) {
            self.publish_stats();
        }
        Ok(())
    }

    async fn handle_due(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let held = self.media.as_ref().and_then(|media| media.held.as_ref());
        if held.is_some_and(|held| held.until <= now) {
            self.make_held_offer().await;
        }
        if let Some(liveness) = &mut self.liveness {
            liveness.handle_timeout(now);
        }
        if self.let_in_by.is_some_and(|by| by <= now) {
            let detail = "it joins but does not let anybody in".to_owned();
            return Err(Error::NotSnug {
                target: self.target.clone(),
                detail,
            });
        }
        if self
            .media
            .as_ref()
            .and_then(|media| media.connect_by)
            .is_some_and(|by| by <= now)
        {
            return Err(Error::MediaUnreachable {
                target: self.target.clone(),
            });
        }
        if self.next_stats <= now {
            self.next_stats = now + STATS_INTERVAL;
            self.follow_uplink();
            self.local.tell_withheld(&mut self.session);
            self.publish_stats();
        }
        Ok(())
    }

    async fn handle_line(&mut self, id: LineId, event: LineEvent) -> Result<(), Error> {
        if !self.signalling.knows(id) {
            return Ok(());
        }
        let now = Instant::now();
        let current = self.signalling.is_current(id);
        match event {
            LineEvent::Joined(admission) => self.admit(id, admission).await?,
            LineEvent::Media(data) if current => self.session.handle_data(&data),
            LineEvent::Snug(event) if current => self.handle_snug(event),
            LineEvent::Simulcast(taken) if current => {
                if let Some(media) = &mut self.media {
                    media.simulcast |= taken;
                }
            }
            LineEvent::Heard if current => {
                if let Some(liveness) = &mut self.liveness {
                    liveness.handle_heard(now);
                }
            }
            LineEvent::Closed if current && !self.signalling.may_be_outrun(now) => {
                return Err(self.name_close());
            }
            LineEvent::Complaint(message) if current => {
                tracing::warn!(%message, "the server complains");
                self.complaint = Some(message);
            }
            // The room moved our place to another line: one that is about to say so itself, or
            // one that we ended meanwhile, and then the place is free to be taken again.
            LineEvent::Closed => self.lose(id, now),
            LineEvent::Failed(error) => {
                if self.liveness.is_none() {
                    return Err(error);
                }
                tracing::debug!(%error, %id, "a line ended");
                if current {
                    self.judge_place(now)?;
                }
                self.lose(id, now);
                if !current {
                    self.note_failure(error)?;
                }
            }
            LineEvent::Media(_)
            | LineEvent::Snug(_)
            | LineEvent::Simulcast(_)
            | LineEvent::Heard
            | LineEvent::Complaint(_) => {}
        }
        Ok(())
    }

    /// Goes on with a line that is in the room: in the same place, or in a new one.
    async fn admit(&mut self, id: LineId, admission: Admission) -> Result<(), Error> {
        self.signalling.adopt(id, &admission);
        self.key = (admission.standing, admission.pin);
        self.refusals = 0;
        self.turned_away = None;
        self.complaint = None;
        let now = Instant::now();
        self.admitted_at = Some(now);
        let resumed = self.session.me().is_some()
            && self.media.is_some()
            && admission
                .reply
                .snug
                .as_ref()
                .is_some_and(|snug| snug.resumed);
        if resumed {
            self.session.resume();
            self.tell_heights();
            self.repeat_wishes();
            if let Some(media) = &mut self.media
                && media.transport.move_to(admission.local)
            {
                media.restart = true;
                self.session.ask();
            }
        } else {
            self.let_in_by = Some(now + self.timeouts.answer);
            let is_snug = admission.reply.snug.is_some();
            self.paused.clear();
            self.social.start_over(is_snug);
            self.start_over(admission.local, is_snug).await?;
        }
        match &mut self.liveness {
            Some(liveness) => liveness.handle_admitted(resumed, now),
            None => self.liveness = Some(Liveness::new(now)),
        }
        Ok(())
    }

    /// Carries out everything that the cores want by now.
    async fn settle(&mut self) -> Result<(), Error> {
        loop {
            if let Some(output) = self.session.poll_output() {
                self.act(output).await?;
            } else if let Some(verdict) = self.liveness.as_mut().and_then(Liveness::poll_output) {
                self.obey(verdict).await?;
            } else if std::mem::take(&mut self.start_due) {
                self.start_sources();
            } else {
                return Ok(());
            }
        }
    }

    async fn act(&mut self, output: Output) -> Result<(), Error> {
        match output {
            Output::Send(event) => self.signalling.say(Said::Media(event.to_json())),
            Output::Relay(servers) => self.relay_through(&servers).await,
            Output::Offer {
                number,
                audio,
                video,
                roll_back,
            } => {
                let wanted = Wanted {
                    number,
                    audio,
                    video,
                    roll_back,
                };
                self.make_offer(wanted).await;
            }
            Output::Answer { number, sdp } => self.apply_answer(number, &sdp).await?,
            Output::Candidate(candidate) => self.add_candidate(&candidate).await,
            Output::Ready(me) => self.enter(me).await?,
            Output::Start { track, simulcast } => {
                self.local.agree(&track, simulcast);
                self.start_due = true;
            }
            Output::Receive { mid, track } => self.subscriber.bind(&mid, track),
            Output::Forget(track) => self.subscriber.forget(&track),
            Output::Tell(happening) => self.tell(happening),
            Output::End(Ending::Removed) => {
                return Err(Error::Removed {
                    room: self.room.clone(),
                });
            }
            Output::End(Ending::Refused { code, message }) => {
                return Err(Error::from_refusal(&self.target, &code, Some(&message)));
            }
        }
        Ok(())
    }

    /// We are let in: say so, and publish what there is.
    async fn enter(&mut self, me: PeerId) -> Result<(), Error> {
        self.let_in_by = None;
        self.joined_at.get_or_insert_with(Instant::now);
        self.tell(joined(&me, self.key));
        self.tell_heights();
        self.repeat_wishes();
        self.announce(&me).await
    }

    /// Has our own tracks take what the way to the room carries.
    fn follow_uplink(&mut self) {
        if let Some(media) = &self.media {
            let uplink = media.transport.uplink();
            uplink.want(self.local.wanted_bps());
            self.local.limit(uplink.estimate());
        }
    }

    async fn obey(&mut self, verdict: Verdict) -> Result<(), Error> {
        match verdict {
            Verdict::TellReconnecting => self.tell(Happening::Reconnecting),
            Verdict::TellResumed => self.tell(Happening::Resumed),
            Verdict::Dial => self.signalling.dial_again(),
            Verdict::StopCapture => {
                let capturing = self.local.has_sources();
                self.local.pause();
                if capturing {
                    self.tell(Happening::CaptureStopped);
                }
            }
            Verdict::ResumeCapture => {
                self.local.unpause();
                self.start_due = true;
                if self.local.has_sources() {
                    self.tell(Happening::CaptureResumed);
                }
            }
            Verdict::GiveUp => {
                let lost = Error::ConnectionLost {
                    target: self.target.clone(),
                };
                return Err(self.turned_away.take().unwrap_or(lost));
            }
        }
        Ok(())
    }

    /// Says goodbye first, so that the others see us go at once; then winds everything down.
    async fn end(mut self, result: Result<(), Error>) -> Result<(), Error> {
        if let Err(error) = &result {
            let (code, message) = (error.code().to_owned(), error.to_string());
            self.tell(Happening::Failed {
                code,
                message,
                hint: error.hint(),
            });
        }
        // Devices are let go of while we say goodbye, and are free when we are out.
        self.local.close();
        self.signalling.close(true).await;
        if let Some(media) = self.media.take() {
            media.close().await;
        }
        let mut source_ends = self.source_ends;
        let freed = async { while source_ends.recv().await.is_some() {} };
        if tokio::time::timeout(FREE_WITHIN, freed).await.is_err() {
            tracing::warn!("a camera or microphone is still not free");
        }
        let recorded = self.subscriber.stop().await;
        let last = Event::now(Happening::Left);
        if let Err(error) = recorded {
            let stopped = Event::now(recording_stopped(error));
            // Nobody may listen any more.
            drop(self.events.try_send(stopped));
        }
        drop(self.events.try_send(last));
        result
    }
}
