//! Why a server says no or ends something: one code on the wire, one sentence for people.

use std::fmt;

/// A reason that crosses the wire. The code never changes once released; the sentence may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReasonCode {
    /// The room could not be started; the code is the one of the Membrane tutorial.
    FailedToStartRoom,
    /// The channel crashed while joining; the code is Phoenix's own.
    JoinCrashed,
    /// No channel answers to that topic; the code is Phoenix's own.
    UnmatchedTopic,
    /// One socket asked for more channels than allowed; the code is Phoenix's own.
    TooManyChannels,
    /// Too many joins came from one address within a moment.
    TooManyJoins,
    /// The server hosts listed rooms only, and this is none of them.
    NoSuchRoom,
    /// The host closed the room while people were in it.
    RoomClosed,
    /// The host locked the room: nobody new comes in.
    RoomLocked,
    /// As many people wait to be let in as may.
    LobbyFull,
    /// Whoever may let people in said no this time.
    TurnedAway,
    /// The host removed this person and has not readmitted them.
    Barred,
    /// Only somebody with another role may do that.
    NotAllowed,
    /// The host ended the room for everybody.
    HostEnded,
    /// The room holds as many peers as it can.
    RoomFull,
    /// The server holds as many rooms as it can.
    ServerFull,
    /// The media connection was made with another key than the one announced for it.
    FingerprintMismatch,
    /// The peer's offer cannot be answered.
    BadOffer,
    /// The media connection could not be set up for another reason.
    MediaRefused,
    /// The server lost its media plane by a defect; no room on it goes on.
    MediaLost,
    /// The peer did not read what it was sent fast enough.
    SlowConsumer,
    /// The server is going down.
    ServerStopping,
}

/// The one mapping between reasons, codes and sentences.
const TABLE: &[(ReasonCode, &str, &str)] = &[
    (
        ReasonCode::FailedToStartRoom,
        "failed to start room",
        "The room could not be opened. Try again in a moment.",
    ),
    (
        ReasonCode::JoinCrashed,
        "join crashed",
        "The server failed while you were coming in. Try again in a moment.",
    ),
    (
        ReasonCode::UnmatchedTopic,
        "unmatched topic",
        "This server has no rooms of that kind. Check the link.",
    ),
    (
        ReasonCode::TooManyChannels,
        "too many channels joined",
        "This program is in too many rooms at once. Leave one of them.",
    ),
    (
        ReasonCode::TooManyJoins,
        "too_many_joins",
        "Too many people are joining from this network at once. Try again in a moment.",
    ),
    (
        ReasonCode::NoSuchRoom,
        "no such room",
        "There is no room of that name on this computer. Check the name, or ask its host to open it.",
    ),
    (
        ReasonCode::RoomClosed,
        "room_closed",
        "The host has closed the room. Ask its host to open it again.",
    ),
    (
        ReasonCode::RoomLocked,
        "room_locked",
        "The room is locked. Ask its host to unlock it.",
    ),
    (
        ReasonCode::LobbyFull,
        "lobby_full",
        "Many people are waiting to be let in. Try again in a moment.",
    ),
    (
        ReasonCode::TurnedAway,
        "turned_away",
        "The host did not let you in this time. Ask again, or ask the host.",
    ),
    (
        ReasonCode::Barred,
        "barred",
        "The host removed you from this room. Ask its host to let you in again.",
    ),
    (
        ReasonCode::NotAllowed,
        "not_allowed",
        "Only a host of the room can do that. Ask its host.",
    ),
    (
        ReasonCode::HostEnded,
        "host_ended",
        "The host ended the call for everybody. Ask its host before you join again.",
    ),
    (
        ReasonCode::RoomFull,
        "room_full",
        "The room is full. Try again when somebody has left.",
    ),
    (
        ReasonCode::ServerFull,
        "server_full",
        "This computer hosts as many rooms as it can. Join one of them, or try again later.",
    ),
    (
        ReasonCode::FingerprintMismatch,
        "fingerprint_mismatch",
        "The key of the media connection does not match its announced fingerprint, so it was \
         refused. Somebody may be in between: join again from a network that you trust.",
    ),
    (
        ReasonCode::BadOffer,
        "bad_offer",
        "The offered media connection cannot be used by this server. Update the program and join again.",
    ),
    (
        ReasonCode::MediaRefused,
        "media_refused",
        "The media connection was refused. Join again.",
    ),
    (
        ReasonCode::MediaLost,
        "media_lost",
        "The computer that hosts the room has lost sound and picture. Ask its host to start Snug again.",
    ),
    (
        ReasonCode::SlowConsumer,
        "slow_consumer",
        "Your connection could not keep up with the room. Join again.",
    ),
    (
        ReasonCode::ServerStopping,
        "server_stopping",
        "The computer that hosts the room is closing it. Ask its host.",
    ),
];

impl ReasonCode {
    /// Returns the code that stands on the wire, in `reason` of a join refusal or `code` of an
    /// `error` media event.
    pub fn code(self) -> &'static str {
        self.row().1
    }

    /// Returns what a person reads: what happened, then the next step.
    pub fn sentence(self) -> &'static str {
        self.row().2
    }

    /// Finds the reason that a code stands for; `None` for a code of a newer or another server.
    pub fn from_code(code: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == code).map(|row| row.0)
    }

    fn row(self) -> &'static (ReasonCode, &'static str, &'static str) {
        TABLE
            .iter()
            .find(|row| row.0 == self)
            .expect("a test finds a row for every reason")
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names every reason in a match, so that a new one does not compile until it is added here.
    fn all() -> Vec<ReasonCode> {
        use ReasonCode::*;
        let next = |reason| match reason {
            FailedToStartRoom => Some(JoinCrashed),
            JoinCrashed => Some(UnmatchedTopic),
            UnmatchedTopic => Some(TooManyChannels),
            TooManyChannels => Some(TooManyJoins),
            TooManyJoins => Some(NoSuchRoom),
            NoSuchRoom => Some(RoomClosed),
            RoomClosed => Some(RoomLocked),
            RoomLocked => Some(LobbyFull),
            LobbyFull => Some(TurnedAway),
            TurnedAway => Some(Barred),
            Barred => Some(NotAllowed),
            NotAllowed => Some(HostEnded),
            HostEnded => Some(RoomFull),
            RoomFull => Some(ServerFull),
            ServerFull => Some(FingerprintMismatch),
            FingerprintMismatch => Some(BadOffer),
            BadOffer => Some(MediaRefused),
            MediaRefused => Some(MediaLost),
            MediaLost => Some(SlowConsumer),
            SlowConsumer => Some(ServerStopping),
            ServerStopping => None,
        };
        std::iter::successors(Some(FailedToStartRoom), |reason| next(*reason)).collect()
    }

    #[test]
    fn every_reason_has_one_code_and_one_sentence() {
        assert_eq!(all().len(), TABLE.len());
        for reason in all() {
            assert_eq!(ReasonCode::from_code(reason.code()), Some(reason));
            assert!(reason.sentence().ends_with('.'), "{reason}");
        }
        assert_eq!(ReasonCode::from_code("another"), None);
    }

    #[test]
    fn a_wrong_fingerprint_is_named() {
        assert!(
            ReasonCode::FingerprintMismatch
                .sentence()
                .contains("fingerprint")
        );
    }
}
