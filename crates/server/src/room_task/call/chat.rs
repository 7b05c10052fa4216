//! Chat: who says what to whom.

use std::time::Instant;

use snug_protocol::{Chat, EndpointMetadata, PeerId, SnugEvent};
use snug_room::{Heard, Saying};

use super::Call;

impl Call {
    /// Takes what a peer says to everybody; what only rooms say is ignored.
    pub(super) fn handle_chat(&mut self, peer: &PeerId, chat: Chat, at_ms: u64, now: Instant) {
        let Some(member) = self.members.get(peer).filter(|_| self.listens(peer)) else {
            return;
        };
        let Chat::Say { nonce, text } = chat else {
            return;
        };
        let name = EndpointMetadata::from_value(&member.metadata).display_name;
        let saying = Saying {
            peer,
            name: &name,
            nonce,
            text: &text,
            at_ms,
        };
        match self.chat.handle_say(&saying, now) {
            Ok(Heard::Said(message)) => self.tell_said(message, nonce, now),
            Ok(Heard::Again) => {}
            Err(reason) => {
                let refused = SnugEvent::Chat(Chat::Refused { nonce, reason });
                self.tell_listener(peer, &refused, now);
            }
        }
    }

    /// Tells a newcomer what was said before they came.
    pub(super) fn tell_chat_so_far(&mut self, peer: &PeerId, now: Instant) {
        let messages = self.chat.history();
        let history = SnugEvent::Chat(Chat::History { messages });
        self.tell_listener(peer, &history, now);
    }

    fn tell_said(&mut self, message: snug_protocol::ChatMessage, nonce: u32, now: Instant) {
        let speaker = message.endpoint_id.clone();
        let said = |nonce| {
            let message = message.clone();
            SnugEvent::Chat(Chat::Said { message, nonce })
        };
        self.share_except(&speaker, &said(None), now);
        self.tell_listener(&speaker, &said(Some(nonce)), now);
    }
}
