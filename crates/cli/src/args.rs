//! Arguments as types: parsed once, here, into values that cannot be wrong.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use snug_protocol::Link;

use crate::exit::Exit;
use crate::source::{CameraChoice, MicrophoneChoice};

const EXIT_CODES: &str = "Exit codes:
   0  done
   1  something unexpected
   2  the arguments do not make sense
   3  the host was not reached (unknown name, refused port, no answer in 5 s)
   4  the host's key is not the one expected
   5  the room or its host said no
   6  an input file (Y4M, WAV) cannot be used
   7  the recording cannot be written
   8  the port to serve on is taken
   9  what answered is neither a Snug nor a Phoenix server
  10  the connection was lost and did not come back

SNUG_LOG sets what is logged to standard error (error, warn, info, debug).";

#[derive(Parser)]
#[command(
    name = "snug-server",
    version,
    about = "Private video rooms on your own network."
)]
#[command(after_help = EXIT_CODES)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Host rooms until stopped. Prints one line with its addresses and key fingerprint.
    #[command(after_help = EXIT_CODES)]
    Serve(ServeArguments),
    /// Take part in a room without a window.
    #[command(after_help = EXIT_CODES)]
    Join(Box<JoinArguments>),
    /// List the rooms on this network.
    #[command(after_help = EXIT_CODES)]
    Rooms(RoomsArguments),
}

/// Arguments of `rooms`.
#[derive(Args)]
pub(crate) struct RoomsArguments {
    /// Look for this long, for example 3s, 500ms or 2m.
    #[arg(long = "for", value_name = "DURATION", default_value = "3s",
          value_parser = parse_duration)]
    pub duration: Duration,
    /// Print each change of the list at once as one line of JSON, instead of the list at the end.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `serve`.
#[derive(Args)]
pub(crate) struct ServeArguments {
    /// TCP and UDP port; 0 takes any free one.
    #[arg(long, default_value_t = 7684)]
    pub port: u16,
    /// Listen on this address only [default: every address of this computer].
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<IpAddr>,
    /// Folder for the server's identity key [default: the user's data folder].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Which rooms exist: `open` starts a room when somebody joins its name, `listed` knows only
    /// rooms hosted here.
    #[arg(long, value_enum, default_value = "open")]
    pub rooms: Rooms,
    /// How many people one room seats, 2 to 1000. More than 64 want a fast computer.
    #[arg(long, value_name = "N", default_value_t = 64,
        value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub people_max: u16,
    /// Answer unencrypted WebSockets from other computers too (loopback always may).
    #[arg(long)]
    pub allow_plain_ws: bool,
    /// Let pages of this origin connect, for example https://rooms.example (repeatable).
    #[arg(long = "allow-origin", value_name = "URL")]
    pub allow_origins: Vec<String>,
    /// Tell people this outside address of a port-forwarded host too (repeatable).
    #[arg(long, value_name = "ADDR[:PORT]")]
    pub announce: Vec<String>,
    /// Show this certificate (PEM, with its issuers) of an authority that browsers know, instead
    /// of one of our own. Start again when it was renewed.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The key of that certificate (PEM). People pin this key; keep it at renewals.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// How logs are written to standard error: `json` is an object a line, with who comes and goes,
    /// and without names and addresses.
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Send nothing to announce rooms on this network: they are joined by link only.
    #[arg(long)]
    pub no_discovery: bool,
}

/// In which form logs are written.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// An object of JSON a line.
    Json,
}

/// Which rooms a server has.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Rooms {
    /// Joining a name starts the room.
    Open,
    /// Only rooms that are hosted here.
    Listed,
}

/// Arguments of `join`.
#[derive(Args)]
pub(crate) struct JoinArguments {
    /// HOST[:PORT]/ROOM, snug://HOST[:PORT]/ROOM#k=KEY or https://HOST[:PORT]/room/ROOM#k=KEY.
    #[arg(value_parser = parse_link)]
    pub link: Link,
    /// The name that others see.
    #[arg(long, default_value = "Snug")]
    pub name: String,
    /// A Y4M file (looped), `test` for a moving pattern, or `none`.
    #[arg(long, value_name = "FILE.y4m|test|none", default_value = "none")]
    pub camera: CameraChoice,
    /// A WAV file (looped), `test` for a 1 kHz tone, or `none`.
    #[arg(long, value_name = "FILE.wav|test|none", default_value = "none")]
    pub microphone: MicrophoneChoice,
    /// Record what is received: a .webm file (everyone mixed), or a folder (one file a track).
    #[arg(long, value_name = "PATH")]
    pub record: Option<PathBuf>,
    /// Leave after this long, for example 20s, 500ms or 2m [default: until stopped].
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Print events at once and statistics once a second, each as one line of JSON.
    #[arg(long)]
    pub stats: bool,
    /// Read commands from standard input: `camera on|off`, `microphone on|off`,
    /// `hand up|down`, `react WORD`, `say TEXT`, `leave`.
    #[arg(long)]
    pub control: bool,
    /// Folder that remembers the keys of hosts [default: the user's data folder].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Video bit rate in bits a second (30000 to 20000000).
    #[arg(long, value_name = "BPS", default_value_t = 1_500_000,
          value_parser = clap::value_parser!(u32).range(30_000..=20_000_000))]
    pub bitrate: u32,
    /// Size of the test pattern, for example 1280x720.
    #[arg(long, value_name = "WxH", default_value = "640x360", value_parser = parse_size)]
    pub size: (u32, u32),
}

/// Parses the arguments; help, version and mistakes are printed here and end the program.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, ExitCode> {
    Program::try_parse_from(arguments)
        .map(|program| program.command)
        .map_err(|problem| {
            let exit = if problem.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            // Nothing is left to tell anybody when the terminal itself is gone.
            problem.print().map_or(Exit::Unexpected, |()| exit).into()
        })
}

/// The user's data folder for Snug, or `chosen` where one was given.
pub(crate) fn data_dir(chosen: Option<PathBuf>) -> PathBuf {
    chosen.unwrap_or_else(|| {
        dirs::data_dir()
            .unwrap_or_else(|| PathBuf::from("."))
            .join("snug")
    })
}

fn parse_link(text: &str) -> Result<Link, String> {
    text.parse::<Link>().map_err(|error| error.to_string())
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let count: u64 = digits.parse().map_err(|_| DURATION_HELP.to_owned())?;
    let duration = match unit {
        "ms" => Duration::from_millis(count),
        "" | "s" => Duration::from_secs(count),
        "m" => Duration::from_secs(count.saturating_mul(60)),
        _ => return Err(DURATION_HELP.to_owned()),
    };
    Ok(duration.min(DURATION_MAX))
}

/// The longest call. A century stands for "until stopped", and clocks can still count it.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

const DURATION_HELP: &str = "a duration is a whole number with ms, s or m, for example 20s";

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let parsed = text
        .split_once('x')
        .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    match parsed {
        Some((w, h))
            if (64..=4096).contains(&w) && (64..=4096).contains(&h) && w % 2 == 0 && h % 2 == 0 =>
        {
            Ok((w, h))
        }
        _ => Err("a size is even and from 64x64 to 4096x4096, for example 1280x720".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("18446744073709551615m"), Ok(DURATION_MAX));
        assert!(parse_duration("soon").is_err());
        assert!(parse_duration("2h").is_err());
    }

    #[test]
    fn sizes_are_even_and_bounded() {
        assert_eq!(parse_size("1280x720"), Ok((1280, 720)));
        for bad in ["1281x720", "0x0", "9000x9000", "big", "64x"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    /// What systemd is told to start has to be what this program understands.
    #[test]
    fn the_unit_of_systemd_starts_a_server() {
        let unit = include_str!("../../../packaging/snug-server.service");
        let start = unit
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="));
        let program = Program::try_parse_from(start.unwrap().split(' ')).unwrap();
        let Command::Serve(arguments) = program.command else {
            panic!("{start:?}")
        };
        assert_eq!(arguments.port, 7684);
        assert_eq!(arguments.data, Some("/var/lib/snug-server".into()));
        assert!(
            unit.lines()
                .any(|line| line == "StateDirectory=snug-server")
        );
    }

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory;
        Program::command().debug_assert();
    }
}
