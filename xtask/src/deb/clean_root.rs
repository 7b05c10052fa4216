//! A Debian in a folder with nothing on it but the package: does it install, start and go?
//!
//! Rules, each with its why:
//! - The packages come from wherever this computer gets its own: its settings of apt are copied.
//! - Programs run in namespaces of their own: they end with this one, their mounts are seen by
//!   nobody, and what the window does happens without any network.
//! - Only what the package depends on is installed before the programs are looked at.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::apt;
use crate::build::target_folder;
use crate::process::{output, program, relative, repository, run as run_command};

/// What this takes from the computer it runs on.
const TOOLS: &[&str] = &["debootstrap", "ffmpeg", "iproute2"];

/// What looks at the package from inside: a display, and what a desktop has.
const LOOKERS: &str = "xvfb desktop-file-utils xdg-utils";

/// How this computer's apt is set up.
const APT_SETTINGS: [&str; 7] = [
    "apt.conf.d",
    "auth.conf.d",
    "keyrings",
    "preferences.d",
    "sources.list",
    "sources.list.d",
    "trusted.gpg.d",
];

/// The size of the display, which the window fills.
const SIZE: (usize, usize) = (1120, 720);

/// How long the window may take to show its page, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A page has many shades, as letters have soft edges; an empty window has a few.
const COLOURS_MIN: usize = 100;

/// Where the picture of the window goes.
const PICTURE: &str = "reports/deb.png";

/// Installs, starts and removes the package.
pub fn check(package: &Path) -> Result<()> {
    apt::ensure(&[TOOLS])?;
    let root = Root::make(&std::path::absolute(package)?)?;
    println!("Installing the package with nothing but what it depends on");
    root.run("apt-get install -qq -y --no-install-recommends /snug.deb")?;
    programs_start(&root)?;
    println!("Installing a display and the tools of a desktop");
    root.run(&format!(
        "apt-get install -qq -y --no-install-recommends {LOOKERS}"
    ))?;
    desktop_knows_it(&root)?;
    window_shows_its_page(&root)?;
    removal_leaves_nothing(&root)?;
    println!("The package installs, starts and goes; look at {PICTURE}");
    Ok(())
}

fn programs_start(root: &Root) -> Result<()> {
    let missing = root.ask("ldd /usr/bin/snug /usr/bin/snug-server | grep 'not found' || true")?;
    ensure!(missing.is_empty(), "libraries are missing:\n{missing}");
    for (program, word) in [
        ("snug", "Usage: snug "),
        ("snug-server", "Usage: snug-server "),
    ] {
        let help = root.ask(&format!("{program} --help"))?;
        ensure!(help.contains(word), "`{program} --help` says:\n{help}");
    }
    let decoder = root.ask("ls /usr/lib/*/gstreamer-1.0/libgstvpx.so")?;
    ensure!(!decoder.is_empty(), "the page cannot decode VP8");
    let papers = root.ask("ls /usr/share/doc/snug")?;
    for paper in ["copyright", "third-party-licences"] {
        ensure!(papers.contains(paper), "{paper} is missing: {papers}");
    }
    Ok(())
}

fn desktop_knows_it(root: &Root) -> Result<()> {
    let entry = root.ask("dpkg -L snug | grep '\\.desktop$'")?;
    let entry = entry.trim();
    let said = root.ask(&format!("desktop-file-validate {entry} && cat {entry}"))?;
    ensure!(
        said.starts_with("[Desktop Entry]"),
        "the desktop entry is not as it should be:\n{said}"
    );
    for line in ["Exec=snug %u", "Icon=snug", "Categories=Network;"] {
        ensure!(
            said.contains(line),
            "no `{line}` in the desktop entry:\n{said}"
        );
    }
    let handler = root.ask("xdg-mime query default x-scheme-handler/snug")?;
    ensure!(
        entry.ends_with(handler.trim()) && !handler.trim().is_empty(),
        "snug: links open `{}`",
        handler.trim()
    );
    let icons = root.ask("ls /usr/share/icons/hicolor/*/apps/snug.png")?;
    ensure!(icons.lines().count() >= 3, "too few icons: {icons}");
    Ok(())
}

/// Starts the app as a person does and waits until its page is drawn.
fn window_shows_its_page(root: &Root) -> Result<()> {
    println!("Opening the window, without a network");
    let (width, height) = SIZE;
    let mut session = root.start(&format!(
        "useradd --create-home person
         install --directory --owner person /display
         install --directory --mode 1777 /tmp/.X11-unix
         cd /home/person
         setpriv --reuid person --regid person --clear-groups env -i \
           HOME=/home/person USER=person PATH=/usr/bin:/bin LANG=C.UTF-8 DISPLAY=:7 \
           sh -c 'Xvfb :7 -screen 0 {width}x{height}x24 -fbdir /display -nolisten tcp &
             while ! [ -e /tmp/.X11-unix/X7 ]; do sleep 0.1; done
             exec snug' &
         wait $!"
    ))?;
    let screen = root.folder.join("display/Xvfb_screen0");
    let started = Instant::now();
    let mut last = Vec::new();
    loop {
        std::thread::sleep(Duration::from_secs(1));
        if let Some(status) = session.child.try_wait()? {
            bail!("the window closed by itself ({status})");
        }
        let picture = pixels(&screen).unwrap_or_default();
        // Twice the same: it is drawn and stays.
        if colours(&picture) >= COLOURS_MIN && picture == last {
            break;
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "no page after {PATIENCE:?}: {} colours",
            colours(&picture)
        );
        last = picture;
    }
    println!("It shows its page after {:.0?}", started.elapsed());
    let picture = repository().join(PICTURE);
    std::fs::create_dir_all(picture.parent().expect("it lies in a folder"))?;
    output(
        ffmpeg(&screen)
            .args(["-frames:v", "1", "-update", "1", "-y"])
            .arg(&picture),
    )?;
    Ok(())
}

fn removal_leaves_nothing(root: &Root) -> Result<()> {
    let files = root.ask("dpkg -L snug")?;
    root.run("apt-get purge -qq -y snug")?;
    let ours = |path: &&str| path.contains("snug") || path.contains("Snug");
    for path in files.lines().filter(ours) {
        let inside = root.folder.join(path.trim_start_matches('/'));
        ensure!(!inside.exists(), "{path} is still there");
    }
    let left = root.ask(
        "find / -xdev -iname '*snug*' -not -path '/home/*' -not -path '/snug.deb' -not -path '/proc/*'",
    )?;
    ensure!(left.is_empty(), "this is left:\n{left}");
    let handler = root.ask("xdg-mime query default x-scheme-handler/snug")?;
    ensure!(
        handler.trim().is_empty(),
        "snug: links still open {handler}"
    );
    Ok(())
}

/// A Debian in a folder, removed when dropped.
struct Root {
    folder: PathBuf,
}

/// Programs inside, ended when dropped.
struct Session {
    child: Child,
}

impl Root {
    fn make(package: &Path) -> Result<Self> {
        ensure!(
            output(program("id").arg("-u"))?.trim() == "0",
            "only root can make a clean system in a folder. Run `cargo xtask deb --check` as root."
        );
        let folder = target_folder()?.join("clean-root");
        // Of a run that was killed.
        remove(&folder)?;
        let root = Self { folder };
        println!(
            "Making a clean system in {}",
            relative(&root.folder).display()
        );
        let (release, mirror) = (release()?, mirror()?);
        output(
            program("debootstrap")
                .args(["--variant=minbase", &release])
                .arg(&root.folder)
                .arg(mirror),
        )?;
        for name in APT_SETTINGS {
            let (from, to) = (
                Path::new("/etc/apt").join(name),
                root.folder.join("etc/apt"),
            );
            if from.exists() {
                run_command(program("cp").arg("-a").arg(from).arg(to))?;
            }
        }
        for name in ["resolv.conf", "hosts"] {
            std::fs::copy(
                Path::new("/etc").join(name),
                root.folder.join("etc").join(name),
            )?;
        }
        std::fs::copy(package, root.folder.join("snug.deb"))
            .with_context(|| format!("cannot copy {}", package.display()))?;
        root.run("apt-get update -qq")?;
        Ok(root)
    }

    /// Runs a script inside; fails with its last words.
    fn run(&self, script: &str) -> Result<()> {
        output(&mut self.command(script, &[])).map(drop)
    }

    /// Runs a script inside and returns what it printed.
    fn ask(&self, script: &str) -> Result<String> {
        output(&mut self.command(script, &[]))
    }

    /// Starts a script inside, without a network.
    fn start(&self, script: &str) -> Result<Session> {
        let child = self
            .command(script, &["--net"])
            .spawn()
            .context("cannot start unshare")?;
        Ok(Session { child })
    }

    fn command(&self, script: &str, namespaces: &[&str]) -> Command {
        // The loopback card of a new network is off; with a network of ours there is none to set.
        let inside = "mount -t proc proc \"$1/proc\"
            mkdir -p \"$1/dev/shm\" && mount -t tmpfs tmpfs \"$1/dev/shm\"
            [ -z \"$3\" ] || ip link set lo up
            exec chroot \"$1\" sh -euc \"$2\"";
        let mut command = program("unshare");
        command
            .args(["--mount", "--pid", "--ipc", "--fork", "--kill-child"])
            .args(namespaces)
            .args(["sh", "-euc", inside, "sh"])
            .arg(&self.folder)
            .args([script, namespaces.first().unwrap_or(&"")])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C.UTF-8")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.folder) {
            eprintln!("{error:#}");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // With unshare ends the first process inside, and with that one all others. It is a
        // shell that stays root: the kernel forgets the order to end with its parent when a
        // process becomes somebody else.
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}

fn remove(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Names this computer's release of Debian.
fn release() -> Result<String> {
    let text = std::fs::read_to_string("/etc/os-release").context("this is not Debian")?;
    let codename = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let codename = codename.context("/etc/os-release names no release")?;
    Ok(codename.trim_matches('"').to_owned())
}

/// Finds where this computer gets its packages: the first source of either form.
fn mirror() -> Result<String> {
    let mut texts = Vec::new();
    texts.extend(std::fs::read_to_string("/etc/apt/sources.list"));
    if let Ok(folder) = std::fs::read_dir("/etc/apt/sources.list.d") {
        let mut files: Vec<PathBuf> = folder.filter_map(|it| Some(it.ok()?.path())).collect();
        files.sort();
        texts.extend(
            files
                .iter()
                .filter_map(|it| std::fs::read_to_string(it).ok()),
        );
    }
    texts
        .iter()
        .flat_map(|text| text.lines())
        .find_map(source_of)
        .context("apt knows no source of packages")
}

/// Reads the address in a line of apt's sources: `URIs: ADDRESS` or `deb [options] ADDRESS ...`.
fn source_of(line: &str) -> Option<String> {
    let rest = line
        .strip_prefix("URIs:")
        .or_else(|| line.strip_prefix("deb "))?;
    rest.split_whitespace()
        .find(|word| word.contains("://"))
        .map(str::to_owned)
}

fn ffmpeg(screen: &Path) -> Command {
    let mut command = program("ffmpeg");
    command
        .args(["-v", "error", "-f", "xwd_pipe", "-i"])
        .arg(screen);
    command
}

/// Reads the display as one number a pixel.
fn pixels(screen: &Path) -> Option<Vec<u32>> {
    let said = ffmpeg(screen)
        .args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb0", "-"])
        .output()
        .ok()?;
    let (pixels, rest) = said.stdout.as_chunks::<4>();
    (rest.is_empty() && pixels.len() == SIZE.0 * SIZE.1)
        .then(|| pixels.iter().copied().map(u32::from_be_bytes).collect())
}

fn colours(pixels: &[u32]) -> usize {
    pixels
        .iter()
        .collect::<std::collections::HashSet<_>>()
        .len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_in_both_forms() {
        let address = Some("http://a.example/debian".to_owned());
        for line in [
            "URIs: http://a.example/debian http://b.example/debian",
            "deb http://a.example/debian stable main",
            "deb [signed-by=/k.gpg] http://a.example/debian stable main",
        ] {
            assert_eq!(source_of(line), address, "{line}");
        }
        assert_eq!(source_of("# deb http://a.example/debian stable main"), None);
        assert_eq!(source_of("Types: deb"), None);
    }
}
