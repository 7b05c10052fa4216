//! Chat, hands and reactions of the room, as the page shows them.

use std::collections::BTreeSet;

use snug_client as client;
use snug_protocol::{ChatRefusal, PeerId, Reaction as Said};

use crate::ipc::{ChatMessage, ChatRefused, ChatRefusedFor, Reacted, Reaction, Social};

/// The person themselves, as in [`crate::ipc::Person::id`].
const ME: &str = "me";

/// Returns what the page shows; `mine` are the ids that the person has had in this room.
pub(crate) fn shown(social: &client::Social, mine: &BTreeSet<PeerId>) -> Social {
    let person = |id: &PeerId| match mine.contains(id) {
        true => ME.to_owned(),
        false => id.to_string(),
    };
    Social {
        is_there: social.is_there,
        messages: social
            .messages
            .iter()
            .map(|message| ChatMessage {
                id: message.id,
                person: person(&message.endpoint_id),
                name: message.name.clone(),
                at_ms: message.at_ms,
                text: message.text.clone(),
            })
            .collect(),
        refused: social.refused.as_ref().map(|unsaid| ChatRefused {
            number: unsaid.number,
            reason: reason(unsaid.reason),
            text: unsaid.text.clone(),
        }),
        hands: social.hands.iter().map(person).collect(),
        reactions: social
            .reactions
            .iter()
            .map(|reacted| Reacted {
                number: reacted.number,
                person: person(&reacted.peer_id),
                reaction: reaction(reacted.reaction),
            })
            .collect(),
    }
}

/// Returns what the room is told of a reaction that the page asks for.
pub(crate) fn said(reaction: Reaction) -> Said {
    match reaction {
        Reaction::Yes => Said::Yes,
        Reaction::No => Said::No,
        Reaction::Heart => Said::Heart,
        Reaction::Laugh => Said::Laugh,
        Reaction::Cheer => Said::Cheer,
    }
}

fn reaction(said: Said) -> Reaction {
    match said {
        Said::Yes => Reaction::Yes,
        Said::No => Reaction::No,
        Said::Heart => Reaction::Heart,
        Said::Laugh => Reaction::Laugh,
        Said::Cheer => Reaction::Cheer,
    }
}

fn reason(refusal: ChatRefusal) -> ChatRefusedFor {
    match refusal {
        ChatRefusal::Empty => ChatRefusedFor::Empty,
        ChatRefusal::TooLong => ChatRefusedFor::TooLong,
        ChatRefusal::TooFast => ChatRefusedFor::TooFast,
    }
}
