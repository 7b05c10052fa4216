//! The camera's slow suite: a small machine of its own, emulated, with the kernel's test camera
//! (vivid) in it.
//!
//! Debian's kernel is unpacked, never installed: a test has no business with what a computer boots.
//! The machine has no disk and no network; its whole system is one archive with the kernel's
//! modules, busybox and the programs that try the camera.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::build::built;
use crate::process::{output, program, run as run_command, tee};
use crate::tally::Tally;
use crate::{apt, build, tool};

/// Package that depends on the newest kernel.
const NEWEST: &str = "linux-image-amd64";

/// The test camera's module; loaded by the trials, the others before them.
const CAMERA: &str = "vivid";

/// The example to run in the machine.
const TRIAL: &str = "camera_trial";

/// Longest life of the machine. It takes half a minute where nothing else runs.
const SECONDS_MAX: &str = "900";

/// What the machine does: mounts what programs expect, loads the modules that the camera needs,
/// runs the trials, and goes out.
const INIT: &str = "\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox ip link set lo up
for module in /modules/[0-9]*; do
    /bin/busybox insmod $module || echo \"cannot load $module\"
done
for trial in /trials/*; do
    $trial || echo \"$trial failed\"
done
/bin/busybox dmesg | /bin/busybox grep -E 'WARNING:|BUG:|Oops|segfault'
/bin/busybox poweroff -f
";

/// Boots the machine and counts its tests.
pub fn run(tally: &mut Tally) -> Result<()> {
    apt::ensure(&[apt::SLOW])?;
    let kernel = kernel()?;
    let folder = built("camera-machine");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("cannot clear away the last camera machine")?;
    }
    let root = folder.join("root");
    furnish(&root, &kernel)?;
    add_trial(&root)?;
    let archive = folder.join("initramfs");
    pack(&root, &archive)?;
    let before = tally.clone();
    boot(&kernel.join("vmlinuz"), &archive, tally)?;
    let passed = tally.passed - before.passed;
    if tally.failed > before.failed || passed == 0 {
        bail!("a camera trial failed, or the machine did not get to it; what it said stands above");
    }
    Ok(())
}

/// Fetches the newest kernel of this Debian once; gives the folder with `vmlinuz` and the modules
/// of the camera, numbered in the order of loading.
fn kernel() -> Result<PathBuf> {
    let package = newest_kernel()?;
    let version = package.trim_start_matches("linux-image-");
    let folder = tool::cache_folder().join(format!("linux-{version}"));
    if folder.join("vmlinuz").is_file() {
        return Ok(folder);
    }
    println!("Unpacking {package}, once");
    let work = tool::cache_folder().join(format!("linux-{version}.part"));
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(&work)?;
    fetch(&package, &work)?;
    let unpacked = work.join("unpacked");
    let name = only_file(&work)?;
    run_command(program("dpkg-deb").arg("-x").arg(name).arg(&unpacked))?;
    let kept = work.join("kept");
    fs::create_dir(&kept)?;
    for (number, module) in modules(&unpacked, version)?.into_iter().enumerate() {
        let name = module.file_name().context("a module has a name")?;
        let name = name.to_string_lossy();
        let kept_as = if name.starts_with(CAMERA) {
            name.into_owned()
        } else {
            format!("{number:02}-{name}")
        };
        fs::copy(&module, kept.join(kept_as))?;
    }
    let image = unpacked.join(format!("boot/vmlinuz-{version}"));
    fs::copy(image, kept.join("vmlinuz"))?;
    fs::rename(&kept, &folder)?;
    fs::remove_dir_all(&work)?;
    Ok(folder)
}

fn newest_kernel() -> Result<String> {
    for refreshed in [false, true] {
        if refreshed {
            apt::refresh()?;
        }
        // It fails when it has never heard of the package.
        let known = output(program("apt-cache").args(["depends", NEWEST])).unwrap_or_default();
        if let Some(package) = first_kernel(&known) {
            return Ok(package.to_owned());
        }
    }
    bail!(
        "no Debian package {NEWEST} is known here. The camera's slow suite boots Debian's kernel: \
         run it on Debian"
    )
}

fn first_kernel(depends: &str) -> Option<&str> {
    let mut names = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    names.find(|name| name.starts_with("linux-image-"))
}

/// Fetches a package; an old list of packages may name one that is no longer there.
fn fetch(package: &str, into: &Path) -> Result<()> {
    let download = || {
        output(
            program("apt-get")
                .args(["download", package])
                .current_dir(into),
        )
    };
    if download().is_err() {
        apt::refresh()?;
        download()?;
    }
    Ok(())
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let mut files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get left no package behind")
}

/// Lists the camera's module and all it needs, in the order of loading.
fn modules(unpacked: &Path, version: &str) -> Result<Vec<PathBuf>> {
    run_command(program("depmod").arg("-b").arg(unpacked).arg(version))?;
    let shown = output(program("modprobe").arg("-d").arg(unpacked).args([
        "-S",
        version,
        "--show-depends",
        CAMERA,
    ]))?;
    Ok(insmod_lines(&shown))
}

fn insmod_lines(shown: &str) -> Vec<PathBuf> {
    let lines = shown
        .lines()
        .filter_map(|line| line.strip_prefix("insmod "));
    // Options may follow the path.
    lines
        .filter_map(|line| line.split_whitespace().next().map(PathBuf::from))
        .collect()
}

/// Puts into `root` what the machine is, before any trial.
fn furnish(root: &Path, kernel: &Path) -> Result<()> {
    for folder in ["bin", "dev", "modules", "proc", "sys", "tmp", "trials"] {
        fs::create_dir_all(root.join(folder))?;
    }
    copy_in(root, Path::new("/bin/busybox"))?;
    for entry in fs::read_dir(kernel)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ko") {
            let name = path.file_name().context("a module has a name")?;
            fs::copy(&path, root.join("modules").join(name))?;
        }
    }
    let init = root.join("init");
    fs::write(&init, INIT)?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Builds the trial and copies it in, with the libraries that it loads.
fn add_trial(root: &Path) -> Result<()> {
    build::programs()?;
    let made = built("examples").join(TRIAL);
    let trial = root.join("trials").join(TRIAL);
    // A quarter of the size: the emulated machine unpacks it byte by byte.
    run_command(program("strip").arg("-o").arg(&trial).arg(&made))?;
    let libraries = output(program("ldd").arg(&made))?;
    for library in ldd_paths(&libraries) {
        copy_in(root, library)?;
    }
    Ok(())
}

fn ldd_paths(shown: &str) -> Vec<&Path> {
    let words = shown
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    words.map(Path::new).collect()
}

/// Copies a file of this system to the same place in `root`.
fn copy_in(root: &Path, file: &Path) -> Result<()> {
    let inside = root.join(file.strip_prefix("/").context("an absolute path")?);
    let folder = inside.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder)?;
    fs::copy(file, &inside)
        .with_context(|| format!("cannot copy {} into the machine", file.display()))?;
    Ok(())
}

fn pack(root: &Path, archive: &Path) -> Result<()> {
    let script = "find . | cpio -o -H newc --quiet > \"$0\"";
    run_command(
        program("sh")
            .args(["-ec", script])
            .arg(archive)
            .current_dir(root),
    )
}

fn boot(kernel: &Path, archive: &Path, tally: &mut Tally) -> Result<()> {
    let mut machine = program("timeout");
    machine
        .args([SECONDS_MAX, "qemu-system-x86_64"])
        // Emulated throughout: half a minute, and the same wherever tests run. The processor's help
        // is not there in most of those places, or fails when it is used.
        .args(["-accel", "tcg"])
        .args(["-cpu", "max", "-smp", "2", "-m", "512"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(archive)
        // The clock of an emulated processor does not pass the kernel's own tests of it.
        .args([
            "-append",
            "console=ttyS0 quiet panic=-1 no_timer_check tsc=reliable",
        ])
        // No screen at all: on a serial line its firmware would clear this terminal.
        .args(["-nic", "none", "-vga", "none", "-display", "none"])
        .args(["-monitor", "none", "-serial", "stdio", "-no-reboot"])
        .stdin(std::process::Stdio::null());
    let ended = tee(&mut machine, |line| tally.read_cargo(line.trim_end()))?;
    if !ended {
        bail!("the camera machine did not start, or did not end within {SECONDS_MAX} s");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_kernel_is_the_one_that_is_depended_on() {
        let depends = "linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n";
        assert_eq!(first_kernel(depends), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(first_kernel("linux-image-amd64\n"), None);
    }

    #[test]
    fn modules_come_in_the_order_of_loading() {
        let shown = "insmod /x/mc.ko \nbuiltin y\ninsmod /x/vivid.ko n_devs=1\n";
        let paths = insmod_lines(shown);
        assert_eq!(paths, [Path::new("/x/mc.ko"), Path::new("/x/vivid.ko")]);
    }

    #[test]
    fn libraries_are_found_with_and_without_an_arrow() {
        let shown = "\tlinux-vdso.so.1 (0x7ffe)\n\tlibm.so.6 => /lib/libm.so.6 (0x7f)\n\
                     \t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
        let paths = [
            Path::new("/lib/libm.so.6"),
            Path::new("/lib64/ld-linux-x86-64.so.2"),
        ];
        assert_eq!(ldd_paths(shown), paths);
    }
}
