//! A sound server of a test's own: a PulseAudio daemon with a private socket, cookie and home, whose
//! loudspeakers and microphones are made up, are played into and recorded from, and can be unplugged.
//!
//! Nothing of it touches the sound of whoever runs the tests. Programs reach it by the variables of
//! [`Pulse::environment`]. It ends with its owner; should that be killed, by itself, a while after its
//! last client is gone.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::process::{PATIENCE, Program, Signal};
use crate::wav::Sound;

/// Seconds after which a daemon without clients ends: longer than any step of a test.
const IDLE_SECONDS: u32 = 300;
/// What the sink that a microphone hears is called after its name.
const ROOM: &str = "_room";
/// The rate at which tones are played and sinks recorded.
const RATE_HZ: u32 = 48_000;

/// A running sound server. It starts without any device.
#[derive(Debug)]
pub struct Pulse {
    daemon: Program,
    folder: TempDir,
}

/// A made-up device, until it is unplugged.
#[derive(Debug)]
pub struct Plugged {
    /// Its name in the server.
    pub name: String,
    /// The sink to play into or to record from: a microphone hears what its own sink is played.
    pub sink: String,
    /// The number of the module that made what programs see.
    module: String,
}

impl Pulse {
    /// Starts a server without devices.
    ///
    /// # Errors
    /// When PulseAudio is not installed or does not come up; it tells why.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
        let mut command = Command::new("pulseaudio");
        // Without the modules of a desktop it looks for no hardware and no message bus.
        command
            .args([
                "-n",
                "--daemonize=no",
                "--use-pid-file=no",
                "--disable-shm=yes",
            ])
            .args(["--disallow-exit=no", "--log-target=stderr"])
            .arg(format!("--exit-idle-time={IDLE_SECONDS}"))
            .arg("-L")
            .arg(format!(
                "module-native-protocol-unix socket={} auth-cookie={}",
                folder.path().join("native").display(),
                folder.path().join("cookie").display(),
            ))
            .env("HOME", folder.path())
            .env("XDG_RUNTIME_DIR", folder.path())
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env_remove("PULSE_SERVER")
            .env_remove("DISPLAY");
        let daemon = Program::start(command).context("is pulseaudio installed?")?;
        let pulse = Self { daemon, folder };
        let deadline = Instant::now() + PATIENCE;
        while pulse.control(&["info"]).is_err() {
            ensure!(
                Instant::now() < deadline,
                "pulseaudio does not come up\n{:?}",
                pulse.daemon
            );
            thread::sleep(Duration::from_millis(20));
        }
        Ok(pulse)
    }

    /// Gives the variables by which a program finds this server, and no other.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, OsString); 2] {
        let mut server = OsString::from("unix:");
        server.push(self.folder.path().join("native"));
        let cookie = self.folder.path().join("cookie").into_os_string();
        [("PULSE_SERVER", server), ("PULSE_COOKIE", cookie)]
    }

    /// Gives the variables by which a program finds no sound server at all.
    #[must_use]
    pub fn nowhere(folder: &Path) -> [(&'static str, OsString); 3] {
        let mut server = OsString::from("unix:");
        server.push(folder.join("none"));
        [
            ("PULSE_SERVER", server),
            ("XDG_RUNTIME_DIR", folder.into()),
            ("HOME", folder.into()),
        ]
    }

    /// Says the daemon's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.daemon.id()
    }

    /// Stops the daemon for good, as a crash would: its clients find their sockets closed.
    pub fn kill(self) {
        drop(self);
    }

    /// Lets the daemon stand still, or go on.
    ///
    /// # Errors
    /// When it is gone.
    pub fn freeze(&self, is_frozen: bool) -> Result<()> {
        self.daemon.signal(if is_frozen {
            Signal::STOP
        } else {
            Signal::CONT
        })
    }

    /// Plugs in a loudspeaker of `rate_hz` that people know as `label`.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn plug_speaker(&self, name: &str, label: &str, rate_hz: u32) -> Result<Plugged> {
        let module = self.load_sink(name, label, rate_hz)?;
        // The room around a microphone must not be what programs play into by themselves.
        if self.control(&["get-default-sink"])?.trim().ends_with(ROOM) {
            self.prefer_speaker(name)?;
        }
        Ok(Plugged {
            name: name.to_owned(),
            sink: name.to_owned(),
            module,
        })
    }

    /// Plugs in a microphone of `rate_hz` that people know as `label`. It hears what is played into
    /// its `sink`, and looks like a real one: the sink's own monitor would be taken for a copy of
    /// what a loudspeaker plays.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn plug_microphone(&self, name: &str, label: &str, rate_hz: u32) -> Result<Plugged> {
        let sink = format!("{name}{ROOM}");
        self.load_sink(&sink, "The room around a microphone", rate_hz)?;
        let module = self.load(&[
            "module-remap-source",
            &format!("source_name={name}"),
            &format!("master={sink}.monitor"),
            &format!("source_properties='device.description=\"{label}\"'"),
        ])?;
        Ok(Plugged {
            name: name.to_owned(),
            sink,
            module,
        })
    }

    fn load_sink(&self, name: &str, label: &str, rate_hz: u32) -> Result<String> {
        self.load(&[
            "module-null-sink",
            &format!("sink_name={name}"),
            "format=float32le",
            &format!("rate={rate_hz}"),
            &format!("sink_properties='device.description=\"{label}\"'"),
        ])
    }

    fn load(&self, module: &[&str]) -> Result<String> {
        let arguments = [&["load-module"], module].concat();
        Ok(self.control(&arguments)?.trim().to_owned())
    }

    /// Pulls a device out.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn unplug(&self, device: Plugged) -> Result<()> {
        self.control(&["unload-module", &device.module]).map(drop)
    }

    /// Makes a microphone the one that programs get when they do not choose.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn prefer_microphone(&self, name: &str) -> Result<()> {
        self.control(&["set-default-source", name]).map(drop)
    }

    /// Makes a loudspeaker the one that programs get when they do not choose.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn prefer_speaker(&self, name: &str) -> Result<()> {
        self.control(&["set-default-sink", name]).map(drop)
    }

    /// Runs `pactl` with this server and gives what it prints.
    ///
    /// # Errors
    /// When it fails; the error shows its complaint.
    pub fn control(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command("pactl").args(arguments).output()?;
        ensure!(
            output.status.success(),
            "pactl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Plays a sound into a sink over and over until the handle is dropped.
    ///
    /// # Errors
    /// When the player cannot be started.
    pub fn play(&self, sink: &str, sound: &Sound) -> Result<Playing> {
        let mut command = self.raw("pacat");
        command
            .args(["--playback", &format!("--device={sink}")])
            .arg(format!("--rate={}", sound.rate_hz))
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut player = command.spawn().context("start pacat")?;
        let mut input = player.stdin.take().context("its input")?;
        let bytes: Vec<u8> = sound.samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        // Ends when the player has closed its end.
        let feeder = thread::spawn(move || while input.write_all(&bytes).is_ok() {});
        Ok(Playing {
            player,
            feeder: Some(feeder),
        })
    }

    /// Plays a sine of `frequency_hz` and of `amplitude` (0 to 1) into a sink until the handle is
    /// dropped.
    ///
    /// # Errors
    /// When the player cannot be started.
    pub fn play_tone(&self, sink: &str, frequency_hz: u32, amplitude: f32) -> Result<Playing> {
        // A whole number of periods: the end meets the beginning.
        self.play(
            sink,
            &Sound::sine(RATE_HZ, f64::from(frequency_hz), amplitude, 1.0),
        )
    }

    /// Records what a sink is played, as one channel of 48 kHz, until it is stopped.
    ///
    /// # Errors
    /// When the recorder cannot be started.
    pub fn record(&self, sink: &str) -> Result<Recording> {
        let path = self.folder.path().join(format!("{sink}.raw"));
        let recorder = self
            .raw("parec")
            .arg(format!("--device={sink}.monitor"))
            .arg(format!("--rate={RATE_HZ}"))
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&path)?)
            .spawn()
            .context("start parec")?;
        Ok(Recording { recorder, path })
    }

    /// A player or recorder of raw samples of one channel. Its buffer is long: it stands for the
    /// world around the devices, which has no gaps.
    fn raw(&self, program: &str) -> Command {
        let mut command = self.command(program);
        command.args([
            "--raw",
            "--format=float32le",
            "--channels=1",
            "--latency-msec=200",
        ]);
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .envs(self.environment())
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path());
        command
    }
}

/// A sound that plays until this is dropped.
#[derive(Debug)]
pub struct Playing {
    player: Child,
    feeder: Option<JoinHandle<()>>,
}

impl Drop for Playing {
    fn drop(&mut self) {
        // A player that has ended by itself is as good.
        self.player.kill().ok();
        self.player.wait().ok();
        if let Some(feeder) = self.feeder.take() {
            feeder.join().ok();
        }
    }
}

/// What a sink is played, as it is being recorded.
#[derive(Debug)]
pub struct Recording {
    recorder: Child,
    path: PathBuf,
}

impl Recording {
    /// Ends the recording and gives it.
    ///
    /// # Errors
    /// When nothing was recorded.
    pub fn stop(mut self) -> Result<Sound> {
        self.recorder.kill()?;
        self.recorder.wait()?;
        let bytes = std::fs::read(&self.path)?;
        let (samples, _) = bytes.as_chunks::<4>();
        let samples: Vec<f32> = samples.iter().map(|s| f32::from_le_bytes(*s)).collect();
        ensure!(!samples.is_empty(), "nothing was recorded");
        Ok(Sound {
            rate_hz: RATE_HZ,
            samples,
        })
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // After `stop` it is gone already.
        self.recorder.kill().ok();
        self.recorder.wait().ok();
    }
}
