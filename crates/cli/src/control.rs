//! Commands on standard input while a call goes on.

use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

/// One line of standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Camera(bool),
    Microphone(bool),
    Leave,
}

impl Control {
    fn parse(line: &str) -> Option<Control> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["camera", state] => Some(Control::Camera(on_or_off(state)?)),
            ["microphone", state] => Some(Control::Microphone(on_or_off(state)?)),
            ["leave"] => Some(Control::Leave),
            _ => None,
        }
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
                        "`{line}` is not a command. Use camera on|off, microphone on|off or leave."
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
        assert_eq!(Control::parse("leave"), Some(Control::Leave));
        assert_eq!(Control::parse("camera maybe"), None);
        assert_eq!(Control::parse(""), None);
    }
}
