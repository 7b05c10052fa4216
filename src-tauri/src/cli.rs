//! The arguments: those of the window are read here, all others belong to the headless commands.

use std::ffi::OsString;
use std::path::PathBuf;

use snug_protocol::Link;

/// What `snug --help` says before the headless commands' own help.
const WINDOW_HELP: &str = "\
Usage: snug [LINK] [--data DIR] [--no-discovery] [--port N]

Opens the window; with a LINK, joins that room at once.

  LINK            snug://HOST[:PORT]/ROOM#k=KEY, https://HOST[:PORT]/room/ROOM#k=KEY or HOST/ROOM
  --data DIR      Folder for settings, keys and logs [default: the user's data folder]
  --port N        Port to host rooms on; 0 takes any free one [default: 7684]
  --no-discovery  Neither announce rooms on this network nor look for them

Without a window:
";

/// What the program was started for.
#[derive(Debug, PartialEq)]
pub enum Start {
    /// To open the window.
    Window(WindowArguments),
    /// For a headless command, with all arguments as they came.
    Headless(Vec<OsString>),
}

/// How the window was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowArguments {
    /// The room to join at once, as it was written: what is wrong with it is told in the window.
    pub link: Option<String>,
    /// Folder for everything that is kept.
    pub data: PathBuf,
    /// Send nothing to announce rooms. Announcing is not built yet.
    pub no_discovery: bool,
    /// Port to host on, and whether another one may be taken where it is in use.
    pub port: u16,
}

impl Default for WindowArguments {
    fn default() -> Self {
        Self {
            link: None,
            data: data_dir(),
            no_discovery: false,
            port: snug_server::PORT,
        }
    }
}

/// Says what `arguments` ask for; the first one is the program's name.
///
/// Whatever is no legal way to open the window belongs to the headless commands, which also know
/// how to say what is wrong with it.
pub fn parse(arguments: Vec<OsString>) -> Start {
    match window_arguments(arguments.iter().skip(1)) {
        Some(window) => Start::Window(window),
        None => Start::Headless(arguments),
    }
}

/// Prints how the window is opened, where `arguments` ask for help with the whole program.
///
/// # Errors
/// When nobody is there to read it.
pub fn print_help(arguments: &[OsString]) -> std::io::Result<()> {
    use std::io::Write as _;
    let asks = |argument: &OsString| argument == "--help" || argument == "-h" || argument == "help";
    match arguments.get(1) {
        Some(argument) if arguments.len() == 2 && asks(argument) => {
            writeln!(std::io::stdout().lock(), "{WINDOW_HELP}")
        }
        _ => Ok(()),
    }
}

/// The folder for Snug's data when none is given; that of the headless commands too, so that a
/// host has one identity.
fn data_dir() -> PathBuf {
    dirs::data_dir()
        .unwrap_or_else(|| PathBuf::from("."))
        .join("snug")
}

fn window_arguments<'a>(
    mut arguments: impl Iterator<Item = &'a OsString>,
) -> Option<WindowArguments> {
    let mut window = WindowArguments::default();
    while let Some(argument) = arguments.next() {
        let text = argument.to_str()?;
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(OsString::from(value))),
            _ => (text, None),
        };
        let mut value = || attached.clone().or_else(|| arguments.next().cloned());
        match name {
            "--data" => window.data = PathBuf::from(value()?),
            "--port" => window.port = value()?.to_str()?.parse().ok()?,
            "--no-discovery" if attached.is_none() => window.no_discovery = true,
            _ if window.link.is_none() && is_link(text) => window.link = Some(text.to_owned()),
            _ => return None,
        }
    }
    Some(window)
}

/// Whether a person or the system meant this as a link, perhaps a broken one.
fn is_link(text: &str) -> bool {
    text.starts_with("snug:") || text.contains("://") || text.parse::<Link>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(words: &[&str]) -> Start {
        let program = std::iter::once("snug");
        parse(
            program
                .chain(words.iter().copied())
                .map(Into::into)
                .collect(),
        )
    }

    fn window(words: &[&str]) -> WindowArguments {
        match start(words) {
            Start::Window(window) => window,
            Start::Headless(_) => panic!("{words:?} opens no window"),
        }
    }

    #[test]
    fn nothing_opens_the_window_with_defaults() {
        assert_eq!(window(&[]), WindowArguments::default());
        assert_eq!(window(&[]).port, 7684);
    }

    #[test]
    fn the_windows_arguments_come_in_any_order() {
        let wanted = WindowArguments {
            link: Some("host/kitchen".to_owned()),
            data: "/tmp/a".into(),
            no_discovery: true,
            port: 0,
        };
        let orders: [&[&str]; 2] = [
            &[
                "--data",
                "/tmp/a",
                "host/kitchen",
                "--port",
                "0",
                "--no-discovery",
            ],
            &[
                "--no-discovery",
                "--port=0",
                "--data=/tmp/a",
                "host/kitchen",
            ],
        ];
        for words in orders {
            assert_eq!(window(words), wanted);
        }
    }

    #[test]
    fn a_broken_link_is_told_in_the_window() {
        for text in ["snug://nonsense", "ftp://host/room", "snug:room"] {
            assert_eq!(window(&[text]).link.as_deref(), Some(text));
        }
    }

    #[test]
    fn everything_else_is_headless() {
        for words in [
            &["serve"][..],
            &["join", "host/room"],
            &["--help"],
            &["jion"],
            &["--port", "much"],
            &["--port"],
            &["--data"],
            &["--no-discovery=1"],
            &["host/a", "host/b"],
        ] {
            assert!(matches!(start(words), Start::Headless(_)), "{words:?}");
        }
    }
}
