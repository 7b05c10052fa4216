//! The app as a person starts it: with a display its window shows the page, without one it says
//! so in a sentence.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a window may take to show its page on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The lamp of the icon, which is `--accent` of tokens.css.
const LAMP: [u8; 3] = [0xf6, 0xb5, 0x45];
/// The card that the words stand on: `--surface`, light and dark.
const SURFACES: [[u8; 3]; 2] = [[0xff, 0xff, 0xff], [0x16, 0x1e, 0x1b]];

#[test]
fn the_window_opens_and_shows_its_page() {
    let display = Display::start();
    let mut app = display.run(env!("CARGO_BIN_EXE_snug"));
    let started = Instant::now();
    loop {
        let picture = display.screenshot();
        let lamp = picture.count(LAMP);
        let card = SURFACES.iter().map(|surface| picture.count(*surface)).max();
        // The icon's lit part and the card, at their smallest plausible sizes.
        if lamp > 200 && card > Some(50_000) {
            break;
        }
        let ended = app.0.try_wait().expect("a child can be asked");
        assert!(ended.is_none(), "the app ended by itself: {ended:?}");
        assert!(
            started.elapsed() < PATIENCE,
            "after {PATIENCE:?} the screen has {lamp} pixels of the lamp, {card:?} of the card"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn without_a_display_it_says_so_in_a_sentence() {
    let output = Command::new(env!("CARGO_BIN_EXE_snug"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .expect("the app starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no display") && !said.contains("panicked"),
        "{said}"
    );
}

#[test]
fn headless_commands_need_no_display() {
    let run = |argument| {
        Command::new(env!("CARGO_BIN_EXE_snug"))
            .arg(argument)
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .output()
            .expect("the app starts")
    };
    let help = run("--help");
    assert!(help.status.success());
    assert!(
        String::from_utf8_lossy(&help.stdout).contains("serve"),
        "{help:?}"
    );
    // A slip of the pen is told, and opens no window.
    assert_eq!(run("jion").status.code(), Some(2));
}

/// A program that is ended when the test is.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        if self.0.kill().is_ok() {
            self.0.wait().ok();
        }
    }
}

/// A virtual screen of its own.
struct Display {
    name: String,
    _server: Ended,
}

impl Display {
    fn start() -> Display {
        let mut server = Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "1280x800x24",
                "-nolisten",
                "tcp",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is installed by cargo xtask setup");
        let output = server.stdout.take().expect("asked to be piped");
        let server = Ended(server);
        let mut number = String::new();
        BufReader::new(output)
            .read_line(&mut number)
            .expect("Xvfb says its number");
        Display {
            name: format!(":{}", number.trim()),
            _server: server,
        }
    }

    fn run(&self, program: &str) -> Ended {
        let child = Command::new(program).env("DISPLAY", &self.name).spawn();
        Ended(child.expect("the program starts"))
    }

    fn screenshot(&self) -> Picture {
        let output = Command::new("xwd")
            .args(["-silent", "-root", "-display", &self.name])
            .output()
            .expect("xwd is installed by cargo xtask setup");
        assert!(output.status.success(), "xwd cannot see the screen");
        Picture::parse(output.stdout)
    }
}

/// What is on the screen, four bytes a pixel: blue, green, red, nothing.
struct Picture {
    dump: Vec<u8>,
    pixels_at: usize,
}

impl Picture {
    /// Reads an X window dump (XWDFile.h) of a 24-bit screen on a little-endian server.
    fn parse(dump: Vec<u8>) -> Picture {
        let field = |index: usize| {
            let bytes = dump[index * 4..][..4].try_into().expect("four bytes");
            u32::from_be_bytes(bytes) as usize
        };
        let (header_len, colours) = (field(0), field(19));
        let (width, bytes_per_line) = (field(4), field(12));
        assert_eq!(
            (field(1), bytes_per_line),
            (7, width * 4),
            "the only kind this test reads"
        );
        /// A colour map entry's size.
        const COLOUR_LEN: usize = 12;
        Picture {
            pixels_at: header_len + colours * COLOUR_LEN,
            dump,
        }
    }

    fn count(&self, [red, green, blue]: [u8; 3]) -> usize {
        let pixels = self.dump[self.pixels_at..].chunks_exact(4);
        pixels
            .filter(|pixel| pixel[..3] == [blue, green, red])
            .count()
    }
}
