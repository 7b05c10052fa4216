//! What a peer hears last, and how its channel ends.

use snug_protocol::{PeerId, ReasonCode, ServerEvent};
use snug_room::Departure;

use super::{HangUp, Letter, Member};

/// Why a peer is removed, in words; only generation A asks for them.
const UNHEARD: &str = "The connection was lost. Join again.";
const KICKED: &str = "You were removed from the room. Ask its host before you join again.";

/// Returns what a peer hears last, and how its channel ends.
pub(super) fn goodbye(
    peer: &PeerId,
    member: &Member,
    why: Departure,
) -> (Option<Letter>, Option<HangUp>) {
    let is_snug = member.journal.is_some();
    let removal = |sentence| Some(Letter::removal(peer, member.dialect, sentence));
    match why {
        Departure::Left | Departure::SocketClosed => (None, None),
        // A Snug program joins anew by itself; others are told that they are out.
        Departure::Vanished if is_snug => (None, Some(HangUp::Crash)),
        Departure::Vanished => (removal(UNHEARD), Some(HangUp::Close)),
        // It joins anew by itself as well; the seed's page shows the sentence and stays out.
        Departure::Crashed if is_snug => (None, Some(HangUp::Crash)),
        Departure::Crashed => (Some(Letter::crash()), Some(HangUp::Close)),
        // Snug's own page says it in words of its own; others know their own id alone.
        Departure::Kicked if member.hears_rules && !is_snug => {
            let letter = Letter::media(&error_event(ReasonCode::Barred));
            (Some(letter), Some(HangUp::Close))
        }
        Departure::Kicked => (removal(KICKED), Some(HangUp::Close)),
        Departure::Removed(reason) => {
            let letter = Letter::media(&error_event(reason));
            (Some(letter), Some(HangUp::Close))
        }
    }
}

fn error_event(reason: ReasonCode) -> ServerEvent {
    let code = Some(reason.code().to_owned());
    ServerEvent::Error {
        message: reason.sentence().to_owned(),
        code,
    }
}
