//! Commands on standard input while a call goes on.

use snug_protocol::{Ask, Reaction};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

/// One line of standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Camera(bool),
    Microphone(bool),
    /// Asked of the room, in the words of its `moderation` event.
    Ask(Ask),
    Hand(bool),
    React(Reaction),
    /// In the chat; `\n` in the line parts lines.
    Say(String),
    Leave,
}

impl Control {
    fn parse(line: &str) -> Option<Control> {
        if let Some(text) = line.trim_start().strip_prefix("say ") {
            return Some(Control::Say(text.replace("\\n", "\n")));
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["camera", state] => Some(Control::Camera(on_or_off(state)?)),
            ["microphone", state] => Some(Control::Microphone(on_or_off(state)?)),
            ["hand", "up"] => Some(Control::Hand(true)),
            ["hand", "down"] => Some(Control::Hand(false)),
            ["react", word] => Some(Control::React(reaction(word)?)),
            ["leave"] => Some(Control::Leave),
            ["ask", ..] => {
                let json = line.trim_start().strip_prefix("ask")?;
                serde_json::from_str(json).ok().map(Control::Ask)
            }
            _ => None,
        }
    }
}

fn reaction(word: &str) -> Option<Reaction> {
    match word {
        "yes" => Some(Reaction::Yes),
        "no" => Some(Reaction::No),
        "heart" => Some(Reaction::Heart),
        "laugh" => Some(Reaction::Laugh),
        "cheer" => Some(Reaction::Cheer),
        _ => None,
    }
}

fn on_or_off(word: &str) -> Option<bool> {
    match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// Reads commands; without `--control` it never has one.
pub(crate) struct Controls(Option<Lines<BufReader<Stdin>>>);

impl Controls {
    /// Opens standard input when `wanted`.
    pub(crate) fn new(wanted: bool) -> Controls {
        Controls(wanted.then(|| BufReader::new(tokio::io::stdin()).lines()))
    }

    /// Waits for the next command. A line that is none is named on standard error and skipped;
    /// the end of the input ends the commands, not the call. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Control {
        loop {
            let Some(lines) = &mut self.0 else {
                return std::future::pending().await;
            };
            match lines.next_line().await {
                Ok(Some(line)) => match Control::parse(&line) {
                    Some(control) => return control,
                    None => eprintln!(
                        "`{line}` is not a command. Use camera on|off, microphone on|off, \
                         hand up|down, react yes|no|heart|laugh|cheer, say TEXT, leave, or ask and \
                         what the room is asked, such as ask {{\"do\":\"lock\",\"isOn\":true}}."
                    ),
                },
                Ok(None) | Err(_) => self.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_commands() {
        assert_eq!(Control::parse("camera on"), Some(Control::Camera(true)));
        assert_eq!(
            Control::parse("  microphone   off "),
            Some(Control::Microphone(false))
        );
        let said = Control::Say("two  words\nand a line".to_owned());
        assert_eq!(Control::parse(r"say two  words\nand a line"), Some(said));
        assert_eq!(Control::parse("hand up"), Some(Control::Hand(true)));
        assert_eq!(Control::parse("hand down"), Some(Control::Hand(false)));
        let cheer = Some(Control::React(Reaction::Cheer));
        assert_eq!(Control::parse("react cheer"), cheer);
        assert_eq!(Control::parse("react <b>"), None);
        assert_eq!(Control::parse("leave"), Some(Control::Leave));
        assert_eq!(
            Control::parse(r#"ask {"do":"lock","isOn":true}"#),
            Some(Control::Ask(Ask::Lock { is_on: true }))
        );
        assert_eq!(Control::parse(r#"ask {"do":"fly"}"#), None);
        assert_eq!(Control::parse("camera maybe"), None);
        assert_eq!(Control::parse(""), None);
    }
}
