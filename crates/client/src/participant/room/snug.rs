//! What only Snug programs say to each other: how high pictures are shown, who is heard, chat, hands
//! and reactions.

use snug_protocol::SnugEvent;

use super::Room;
use crate::Kind;
use crate::participant::media::Media;
use crate::signalling::Said;
use crate::social::Wish;

impl Room {
    /// Takes what a Snug server says.
    pub(super) fn handle_snug(&mut self, event: SnugEvent) {
        match event {
            SnugEvent::Presence { endpoint_id, state } => {
                self.session.handle_presence(&endpoint_id, state);
            }
            SnugEvent::InBrowser { endpoint_ids } => {
                self.session.handle_in_browser(&endpoint_ids);
            }
            SnugEvent::WantedEncodings {
                track_id,
                encodings,
            } => self.local.want(&track_id, &encodings),
            SnugEvent::PausedTracks { track_ids } => {
                self.paused = track_ids.into_iter().collect();
                self.stats_stale = true;
            }
            SnugEvent::Moderation(what) => self.handle_moderation(what),
            SnugEvent::Chat(chat) => {
                let told = self.social.handle_chat(chat);
                told.into_iter().for_each(|it| self.tell(it));
            }
            SnugEvent::Gesture(gesture) => {
                let me = self.session.me();
                let told = self.social.handle_gesture(gesture, me);
                told.into_iter().for_each(|it| self.tell(it));
            }
            _ => {}
        }
    }

    /// Says, raises or shows what the person wants.
    pub(super) fn socialise(&mut self, wish: Wish) {
        match self.social.handle_wish(wish) {
            Ok(Some(event)) if self.is_let_in() => self.signalling.say(Said::Snug(event)),
            Ok(_) => {}
            Err(told) => self.tell(told),
        }
    }

    /// Says again what the room may not have heard.
    pub(super) fn repeat_wishes(&mut self) {
        for event in self.social.repeat() {
            self.signalling.say(Said::Snug(event));
        }
    }

    /// Before the room has let us in, it hears nothing; then everything is said again.
    fn is_let_in(&self) -> bool {
        self.session.me().is_some()
    }

    /// Says how high each picture of others is shown, once somebody said so: a Snug server then
    /// sends no more than that. What is not looked at is hidden.
    pub(super) fn tell_heights(&mut self) {
        let is_snug = self.media.as_ref().is_some_and(Media::is_snug);
        let Some(mut heights) = self.heights.clone().filter(|_| is_snug && !self.takes_all) else {
            return;
        };
        for (_, peer) in self.session.roster().peers() {
            for (track, kind, _) in peer.tracks() {
                if kind == Kind::Video {
                    heights.entry(track.clone()).or_insert(0);
                }
            }
        }
        self.signalling
            .say(Said::Snug(SnugEvent::TileHeights { heights }));
    }
}
