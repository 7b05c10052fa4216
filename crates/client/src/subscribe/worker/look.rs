//! Who looks at which pictures, and when they are due.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use snug_media::I420Frame;
use snug_media::playout::TrackClock;
use snug_protocol::TrackId;
use snug_rtp::RtpTime;

use super::{Media, PeerClock, Track, Worker};
use crate::Error;
use crate::output::{Form, Outputs, Watched};
use crate::subscribe::decode::Decode;
use crate::subscribe::view::{Out, Stamps, View};

impl Worker {
    /// Starts a decoder when somebody wants to have every picture decoded.
    pub(super) fn decode(&self, id: &TrackId) -> Result<Option<Decode>, Error> {
        let Outputs {
            decode, pictures, ..
        } = &self.outputs;
        if !decode && (self.watched.is_some() || pictures.is_none()) {
            return Ok(None);
        }
        let (pictures, chosen) = (pictures.clone(), Arc::clone(&self.chosen));
        let id = id.clone();
        let show = move |picture: &I420Frame| {
            if let Some(pictures) = pictures.as_ref().filter(|_| !chosen.load(Relaxed)) {
                pictures.show(&id, picture);
            }
        };
        Decode::start(show).map(Some)
    }

    /// Makes a view when somebody looks at this track.
    pub(super) fn view(&self, id: &TrackId) -> Result<Option<View>, Error> {
        let form = self.watched.as_ref().and_then(|watched| watched.get(id));
        let out = match (form, &self.outputs) {
            (
                Some(Form::Encoded),
                Outputs {
                    frames: Some(sink), ..
                },
            ) => Out::Frames(
                Arc::clone(sink),
                id.clone(),
                Stamps::new(self.start.elapsed()),
            ),
            (
                Some(Form::Decoded),
                Outputs {
                    pictures: Some(sink),
                    ..
                },
            ) => {
                let (sink, id) = (Arc::clone(sink), id.clone());
                Out::Pictures(Decode::start(move |picture| sink.show(&id, picture))?)
            }
            _ => return Ok(None),
        };
        Ok(Some(View::new(out, Arc::clone(&self.pictures_dropped))))
    }

    /// Takes which pictures are looked at. Views that are there already go on undisturbed.
    pub(super) fn watch(&mut self, watched: Vec<Watched>) {
        let forms = watched.into_iter().map(|it| (it.track, it.form));
        self.watched = Some(forms.collect());
        self.chosen.store(true, Relaxed);
        let now = Instant::now();
        let mut tracks = std::mem::take(&mut self.tracks);
        for track in tracks.values_mut() {
            let Media::Video(video) = &mut track.media else {
                continue;
            };
            if !self.outputs.decode {
                video.stop_decoding();
            }
            let wanted = self
                .watched
                .as_ref()
                .and_then(|it| it.get(&track.remote.id));
            if video.view().map(|view| view.form()) == wanted.copied() {
                continue;
            }
            match self.view(&track.remote.id) {
                Ok(view) => video.look(view, now),
                Err(error) => tracing::error!(%error, "a picture cannot be shown"),
            }
        }
        self.tracks = tracks;
    }

    /// Starts a view afresh: whoever looks had to leave out a picture.
    pub(super) fn want_keyframe(&mut self, id: &TrackId) {
        let mut tracks = self.tracks.values_mut();
        let track = tracks.find(|track| track.remote.id == *id);
        if let Some(Track {
            media: Media::Video(video),
            ..
        }) = track
            && let Some(view) = video.view()
        {
            view.break_off();
            video.want_keyframe(Instant::now());
        }
    }

    /// Returns when sound or a picture is due.
    pub(super) fn deadline(&mut self) -> Instant {
        let mut deadline = self.pacer.deadline();
        let now = Instant::now();
        for track in self.tracks.values_mut() {
            let Media::Video(video) = &mut track.media else {
                continue;
            };
            let clock = self.clocks.get(&track.remote.peer).zip(track.clock);
            let due = video.view().and_then(|view| view.due(heard(clock, now)));
            deadline = due.map_or(deadline, |due| deadline.min(due));
        }
        deadline
    }

    /// Hands pictures to whoever looks at them, next to their sound.
    pub(super) fn show_pictures(&mut self, now: Instant) {
        for track in self.tracks.values_mut() {
            let Media::Video(video) = &mut track.media else {
                continue;
            };
            let clock = self.clocks.get(&track.remote.peer).zip(track.clock);
            let shown = video.view().map(|view| view.show(now, heard(clock, now)));
            if shown == Some(true) {
                video.want_keyframe(now);
            }
        }
    }
}

/// Says when a moment of a track is heard; nothing while there is no sound to wait for.
fn heard(
    clock: Option<(&PeerClock, TrackClock)>,
    now: Instant,
) -> impl Fn(RtpTime) -> Option<Instant> {
    let clock = clock.filter(|(clock, _)| clock.plays(now));
    move |timestamp| {
        let (clock, track) = clock?;
        clock.timeline.playout_at(track, timestamp, now)
    }
}
