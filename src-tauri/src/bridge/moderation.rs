//! Roles and rules: from the room's words to the page's, and back.

use snug_protocol::{Ask, Medium, PeerId, RoomState};

use crate::ipc::{Barred, HostAction, Knock, Person, Role, Rules};

/// Says the rules as the page shows them.
pub(crate) fn shown(state: &RoomState, me: Option<&PeerId>) -> Rules {
    let knock = |it: &snug_protocol::Waiting| Knock {
        id: it.endpoint_id.to_string(),
        name: it.name.clone(),
        is_in_browser: it.in_browser,
    };
    let barred = |it: &snug_protocol::Removed| Barred {
        bar: it.bar,
        name: it.name.clone(),
    };
    let mine = me.and_then(|me| state.silenced.get(me)).copied();
    let mine = mine.unwrap_or_default();
    Rules {
        role: role(state.role),
        is_locked: state.is_locked,
        has_lobby: state.has_lobby,
        waiting: state.waiting.iter().map(knock).collect(),
        removed: state.removed.iter().map(barred).collect(),
        is_muted_by_host: mine.audio,
        is_hidden_by_host: mine.video,
    }
}

/// Says of somebody what the rules say of them.
pub(crate) fn mark(person: &mut Person, state: &RoomState) {
    if person.is_me {
        person.role = role(state.role);
        return;
    }
    let id: Option<PeerId> = person.id.parse().ok();
    let of = id.as_ref();
    person.role = of
        .and_then(|id| state.roles.get(id))
        .map_or(Role::Member, |it| role(*it));
    let stopped = of.and_then(|id| state.silenced.get(id)).copied();
    let stopped = stopped.unwrap_or_default();
    person.is_muted_by_host = stopped.audio;
    person.is_hidden_by_host = stopped.video;
    if stopped.audio && person.microphone == crate::ipc::MicrophoneState::Live {
        person.microphone = crate::ipc::MicrophoneState::Muted;
    }
    if stopped.video {
        person.tile = None;
        person.picture_size = None;
    }
}

/// Says what the room is asked; nothing where it names nobody.
pub(crate) fn asked(action: HostAction) -> Option<Ask> {
    let silence = |person: String, medium, is_on| {
        Some(Ask::Silence {
            endpoint_id: person.parse().ok()?,
            medium,
            is_on,
        })
    };
    match action {
        HostAction::Mute { person, on } => silence(person, Medium::Audio, on),
        HostAction::StopVideo { person, on } => silence(person, Medium::Video, on),
        HostAction::Remove { person } => Some(Ask::Remove {
            endpoint_id: person.parse().ok()?,
        }),
        HostAction::Readmit { bar } => Some(Ask::Readmit { bar }),
        HostAction::CoHost { person, on } => Some(Ask::CoHost {
            endpoint_id: person.parse().ok()?,
            is_on: on,
        }),
        HostAction::Admit { person } => Some(Ask::Admit {
            endpoint_id: person.parse().ok()?,
        }),
        HostAction::Deny { person } => Some(Ask::Deny {
            endpoint_id: person.parse().ok()?,
        }),
        HostAction::Lock { on } => Some(Ask::Lock { is_on: on }),
        HostAction::Lobby { on } => Some(Ask::Lobby { is_on: on }),
        HostAction::EndForAll => Some(Ask::EndForAll),
    }
}

fn role(role: snug_protocol::Role) -> Role {
    match role {
        snug_protocol::Role::Member => Role::Member,
        snug_protocol::Role::CoHost => Role::CoHost,
        snug_protocol::Role::Host => Role::Host,
    }
}
