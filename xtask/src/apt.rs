//! Debian packages: which ones Snug needs, which are missing, and installing those.

use anyhow::{Context, Result, bail};

use crate::process::{is_installed, output, program};

/// What compiling needs: C and C++ for libwebm and opus, clang for bindings, the codecs' and the
/// window's headers.
pub const BUILD: &[&str] = &[
    "build-essential",
    "cmake",
    "nasm",
    "clang",
    "libclang-dev",
    "pkg-config",
    "libasound2-dev",
    "libvpx-dev",
    "libwebkit2gtk-4.1-dev",
    "librsvg2-dev",
];

/// What making fixtures and looking at recordings needs.
pub const MEDIA: &[&str] = &["ffmpeg", "espeak-ng", "python3-pip"];

/// What the window decodes pictures with.
pub const WINDOW: &[&str] = &["gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good"];

/// What only the tests need: network namespaces, a display to open the window on and something to
/// press its buttons, a message bus and a sound server of their own; browsers for the guests.
pub const TEST: &[&str] = &[
    "iproute2",
    "xvfb",
    "x11-apps",
    "webkit2gtk-driver",
    "dbus",
    "pulseaudio",
    "pulseaudio-utils",
    "chromium",
    "firefox-esr",
];

/// What forwarding is measured against.
pub const BENCH: &[&str] = &["janus"];

/// What the slow suites need: an emulated machine and what its system is made of.
pub const SLOW: &[&str] = &["qemu-system-x86", "busybox-static", "cpio", "kmod"];

/// Installs the packages of `lists` that are missing.
///
/// Fails with a sentence and the next step when that takes rights this user has not. On a system
/// without dpkg it names the packages and goes on: what is really missing fails where it is used.
pub fn ensure(lists: &[&[&str]]) -> Result<()> {
    let wanted = lists.concat();
    if !is_installed("dpkg-query") {
        println!(
            "This is not Debian: see for yourself that the likes of these are installed: {}",
            wanted.join(" ")
        );
        return Ok(());
    }
    let missing = missing(&wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    println!("Installing {} (this can take minutes)", missing.join(" "));
    refresh()?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(&missing);
    apt_get(&install)
}

/// Learns which packages there are now.
pub fn refresh() -> Result<()> {
    apt_get(&["update", "-qq"])
}

fn missing<'a>(wanted: &[&'a str]) -> Result<Vec<&'a str>> {
    // dpkg-query exits with 1 when it knows nothing of a package, so the code says nothing here.
    let known = program("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\n"])
        .args(wanted)
        .output()
        .context("cannot ask dpkg-query what is installed")?;
    let known = String::from_utf8_lossy(&known.stdout);
    Ok(not_installed(&known, wanted))
}

fn not_installed<'a>(known: &str, wanted: &[&'a str]) -> Vec<&'a str> {
    let is_here = |name: &str| {
        known
            .lines()
            .any(|line| line == format!("{name} installed"))
    };
    wanted
        .iter()
        .copied()
        .filter(|name| !is_here(name))
        .collect()
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let is_root = output(program("id").arg("-u"))?.trim() == "0";
    let mut command = match (is_root, is_installed("sudo")) {
        (true, _) => program("apt-get"),
        (false, true) => {
            let mut sudo = program("sudo");
            sudo.arg("apt-get");
            sudo
        }
        (false, false) => bail!(
            "packages are missing and only root can install them. As root, run: apt-get {}",
            arguments.join(" ")
        ),
    };
    // Its thousands of lines help nobody; its last words stand in the error.
    output(
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_with_status_installed_count() {
        let known = "cmake installed\nnasm not-installed\nlibvpx-dev-extra installed\n";
        assert_eq!(
            not_installed(known, &["cmake", "nasm", "libvpx-dev"]),
            ["nasm", "libvpx-dev"]
        );
    }
}
