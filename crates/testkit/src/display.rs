//! A virtual screen of a test's own: Xvfb, ended with its handle.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::{PATIENCE, Program, Signal};

/// A running Xvfb.
#[derive(Debug)]
pub struct Display {
    name: String,
    server: Program,
}

impl Display {
    /// Starts a screen of this many pixels, 24 bits deep, on any free number.
    ///
    /// # Errors
    /// When Xvfb is missing or says no number in time.
    pub fn start(width: u32, height: u32) -> Result<Self> {
        let mut command = Command::new("Xvfb");
        command
            .args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0"])
            .arg(format!("{width}x{height}x24"));
        let server = Program::start(command).context("Debian's package xvfb has it")?;
        let number = server.wait_for_line("", PATIENCE)?;
        ensure!(
            number.trim().parse::<u32>().is_ok(),
            "Xvfb said `{number}` instead of its number"
        );
        Ok(Self {
            name: format!(":{}", number.trim()),
            server,
        })
    }

    /// Says what `DISPLAY` is to be.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Looks at the whole screen.
    ///
    /// # Errors
    /// When xwd is missing or cannot see the screen.
    pub fn picture(&self) -> Result<Screen> {
        let output = Command::new("xwd")
            .args(["-silent", "-root", "-display", &self.name])
            .output()
            .context("start xwd; Debian's package x11-apps has it")?;
        ensure!(output.status.success(), "xwd cannot see the screen");
        Screen::parse(output.stdout)
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        // Asked to end it takes its socket and its lock along; killed it would leave both.
        if self.server.signal(Signal::TERM).is_ok() {
            let deadline = Instant::now() + PATIENCE;
            while matches!(self.server.is_running(), Ok(true)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// What is on a screen, four bytes a pixel: blue, green, red, nothing.
#[derive(Debug)]
pub struct Screen {
    dump: Vec<u8>,
    pixels_at: usize,
}

impl Screen {
    /// Reads an X window dump (XWDFile.h) of a 24-bit screen on a little-endian server.
    fn parse(dump: Vec<u8>) -> Result<Self> {
        /// Size of a colour map entry.
        const COLOUR_LEN: usize = 12;
        let field = |index: usize| -> Result<usize> {
            let bytes = dump.get(index * 4..index * 4 + 4).context("a cut dump")?;
            Ok(u32::from_be_bytes(bytes.try_into()?) as usize)
        };
        let (header_len, colours) = (field(0)?, field(19)?);
        let (width, bytes_per_line) = (field(4)?, field(12)?);
        ensure!(
            (field(1)?, bytes_per_line) == (7, width * 4),
            "a kind of dump that is not read here"
        );
        let pixels_at = header_len + colours * COLOUR_LEN;
        ensure!(dump.len() > pixels_at, "a dump without pixels");
        Ok(Self { dump, pixels_at })
    }

    /// Counts the pixels of exactly this colour (red, green, blue).
    #[must_use]
    pub fn count(&self, [red, green, blue]: [u8; 3]) -> usize {
        let pixels = self.dump[self.pixels_at..].chunks_exact(4);
        pixels
            .filter(|pixel| pixel[..3] == [blue, green, red])
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn an_empty_screen_is_black_and_is_gone_after_its_end() -> Result<()> {
        let display = Display::start(64, 32)?;
        assert_eq!(display.picture()?.count([0, 0, 0]), 64 * 32);
        let socket = Path::new("/tmp/.X11-unix").join(display.name().replace(':', "X"));
        assert!(socket.exists());
        drop(display);
        assert!(!socket.exists());
        Ok(())
    }
}
