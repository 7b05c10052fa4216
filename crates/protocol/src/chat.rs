//! Chat, as it is said inside the `snug` channel event.
//!
//! Rules, each with its why:
//! - A message comes back to whoever said it: what everybody reads is what the room numbered.
//! - Text is plain text. What would turn the direction of the words beside it, or cannot be seen,
//!   is taken out where it comes in, so that nobody has to when showing it.

use serde::{Deserialize, Serialize};

use crate::PeerId;

/// What a Snug program lists among its features when it understands chat, hands and reactions.
pub const CHAT_FEATURE: &str = "chat";

/// The longest text of one message, in bytes of UTF-8: a page of words.
pub const CHAT_TEXT_BYTES_MAX: usize = 4096;

/// The longest name kept with a message, in characters, as long as a person may be called.
const NAME_CHARS_MAX: usize = 64;

/// What is asked and told about chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Chat {
    /// To the room: say this to everybody.
    Say {
        /// The speaker's own number of it. It grows with each; one that was heard already is
        /// heard no second time, so that it may be said again after a connection broke.
        nonce: u32,
        /// At most [`CHAT_TEXT_BYTES_MAX`] bytes.
        text: String,
    },
    /// To the speaker: that was not said to anybody.
    Refused {
        /// Which.
        nonce: u32,
        /// Why.
        reason: ChatRefusal,
    },
    /// To everybody: somebody said this.
    Said {
        /// What.
        message: ChatMessage,
        /// To the speaker alone: which of theirs it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nonce: Option<u32>,
    },
    /// To a newcomer: what was said last, oldest first. It takes the place of all that was known.
    History {
        /// The messages.
        messages: Vec<ChatMessage>,
    },
}

/// Something that somebody said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatMessage {
    /// Counts the messages of a room, from 1.
    pub id: u64,
    /// Who said it; they may be gone.
    pub endpoint_id: PeerId,
    /// What they were called then; perhaps nothing.
    pub name: String,
    /// When, by the clock of the room's host, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The words; lines are parted by `\n`.
    pub text: String,
}

/// Why something was not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatRefusal {
    /// Nothing is left of it that could be shown.
    Empty,
    /// More than [`CHAT_TEXT_BYTES_MAX`] bytes.
    TooLong,
    /// Too much in too short a time.
    TooFast,
}

/// Brings a text into the form that is kept and told: without what cannot be seen or turns the
/// direction of text, lines parted by `\n`, nothing blank around it.
///
/// # Errors
/// [`ChatRefusal::TooLong`] or [`ChatRefusal::Empty`].
pub fn clean_chat_text(text: &str) -> Result<String, ChatRefusal> {
    if text.len() > CHAT_TEXT_BYTES_MAX {
        return Err(ChatRefusal::TooLong);
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept = |c: &char| matches!(c, '\n' | '\t') || !(c.is_control() || turns_or_hides(*c));
    let text: String = text.chars().filter(kept).collect();
    let text = text.trim();
    match text.is_empty() {
        true => Err(ChatRefusal::Empty),
        false => Ok(text.to_owned()),
    }
}

/// Brings a name that anybody may have chosen into the form that is kept with what they say.
pub fn clean_chat_name(name: &str) -> String {
    let kept = name
        .chars()
        .filter(|c| !(c.is_control() || turns_or_hides(*c)));
    let name: String = kept.take(NAME_CHARS_MAX).collect();
    name.trim().to_owned()
}

/// Whether a character turns the direction of the text after it (UAX #9 section 2), parts lines or
/// paragraphs in a way that not everybody shows, or marks invisible text (Unicode tags, interlinear
/// annotation, byte order). Joiners stay: several scripts and most pictures need them.
fn turns_or_hides(c: char) -> bool {
    matches!(c,
        '\u{061C}' | '\u{200E}' | '\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2066}'..='\u{206F}'
        | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::SnugEvent;

    #[test]
    fn chat_survives_the_wire() {
        let message = ChatMessage {
            id: 7,
            endpoint_id: PeerId::from_random([1; 16]),
            name: "Ada".into(),
            at_ms: 1_700_000_000_000,
            text: "<b>\"one\"</b>\ntwo".into(),
        };
        let said = |nonce| Chat::Said {
            message: message.clone(),
            nonce,
        };
        for event in [
            Chat::Say {
                nonce: 3,
                text: "hello".into(),
            },
            Chat::Refused {
                nonce: 3,
                reason: ChatRefusal::TooFast,
            },
            said(None),
            said(Some(3)),
            Chat::History {
                messages: vec![message.clone()],
            },
        ] {
            let event = SnugEvent::Chat(event);
            let payload = event.to_payload().to_string();
            assert_eq!(SnugEvent::from_payload(&payload), event, "{payload}");
        }
        let written = SnugEvent::Chat(said(None)).to_payload();
        let expected = json!({"type": "chat", "what": {"kind": "said", "message": {
            "id": 7, "endpointId": message.endpoint_id, "name": "Ada",
            "atMs": 1_700_000_000_000_u64, "text": "<b>\"one\"</b>\ntwo",
        }}});
        assert_eq!(written, expected);
    }

    #[test]
    fn what_turns_or_hides_text_is_taken_out_and_scripts_stay_whole() {
        let clean = |text: &str| clean_chat_text(text);
        assert_eq!(clean(" a\r\nb\rc\t\u{7}d \n"), Ok("a\nb\nc\td".into()));
        assert_eq!(
            clean("x\u{202E}gpj.exe\u{2066}y\u{200F}"),
            Ok("xgpj.exey".into())
        );
        assert_eq!(clean("\u{E0041}\u{FEFF}\u{2028}ok"), Ok("ok".into()));
        for whole in [
            "שלום עולם",
            "می‌خواهم",
            "👩‍👩‍👧 ✋🏽",
            "<img src=x onerror=alert(1)>",
        ] {
            assert_eq!(clean(whole), Ok(whole.to_owned()));
        }
        for nothing in ["", " \n\t", "\u{202E}", "\u{0}"] {
            assert_eq!(clean(nothing), Err(ChatRefusal::Empty));
        }
        let most = "é".repeat(CHAT_TEXT_BYTES_MAX / 2);
        assert_eq!(clean(&most), Ok(most.clone()));
        assert_eq!(clean(&format!("{most}x")), Err(ChatRefusal::TooLong));
        assert_eq!(clean_chat_name(" A\u{202E}d\na "), "Ada");
        assert_eq!(clean_chat_name(&"x".repeat(1000)).len(), NAME_CHARS_MAX);
    }
}
