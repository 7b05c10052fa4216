//! `cargo xtask deb`: one package for Debian and its relatives, made by Tauri's own tool.
//!
//! The programs are built here, both at once, so that they share their dependencies; the tool only
//! packs them. What never changes stands in `tauri.conf.json` and `packaging/`. `--check` then
//! installs the package on a clean system; see [`clean_root`].

mod clean_root;
mod notices;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::process::{cargo, output, program, relative, run as run_command};
use crate::{apt, ui};

/// Tauri must be told that this is no development build.
const FEATURES: &str = "tauri/custom-protocol";

/// Builds the package, and looks at it on a clean system when asked to.
pub fn run(options: &[&str]) -> Result<()> {
    match options {
        [] => build().map(drop),
        ["--check"] => clean_root::check(&build()?),
        ["--check", package] => clean_root::check(Path::new(package)),
        _ => bail!("`deb` takes nothing, --check, or --check FILE"),
    }
}

/// Builds the programs and the package; returns where it lies.
pub fn build() -> Result<PathBuf> {
    apt::ensure(&[apt::BUILD, apt::WINDOW])?;
    ui::build()?;
    println!("Building the app and the server, optimised (this takes minutes)");
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--bins"]);
    build.args(["--package", "snug", "--package", "snug-cli"]);
    build.args(["--features", FEATURES]);
    link_codec_statically(&mut build)?;
    run_command(&mut build)?;
    let programs = target_folder()?.join("release");
    pack(&programs)
}

/// Has the VP8 library linked into the programs: its name changes with each release of Debian, so
/// a package that depends on it would install on one release only.
fn link_codec_statically(build: &mut std::process::Command) -> Result<()> {
    let version = output(program("pkg-config").args(["--modversion", "vpx"]))?;
    // The compiler answers with the bare name when it finds no such file.
    let library = output(program("cc").arg("-print-file-name=libvpx.a"))?;
    let Some(folder) = Path::new(library.trim()).parent().filter(|it| it.is_dir()) else {
        bail!("there is no libvpx.a. Install libvpx-dev as Debian has it.");
    };
    build
        .env("VPX_LIB_DIR", folder)
        .env("VPX_VERSION", version.trim())
        .env("VPX_STATIC", "1");
    Ok(())
}

/// Packs what was built in `programs`.
fn pack(programs: &Path) -> Result<PathBuf> {
    let papers = programs.join("bundle/papers");
    std::fs::create_dir_all(&papers).context("cannot make the folder of the package's papers")?;
    std::fs::write(papers.join("copyright"), notices::copyright()?)?;
    std::fs::write(papers.join("third-party-licences"), notices::third_party()?)?;
    let files = json!({
        "/usr/bin/snug-server": programs.join("snug-server"),
        "/usr/share/doc/snug/copyright": papers.join("copyright"),
        "/usr/share/doc/snug/third-party-licences": papers.join("third-party-licences"),
    });
    let config = json!({"bundle": {"linux": {"deb": {"files": files}}}});
    let folder = programs.join("bundle/deb");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("cannot remove the last package")?;
    }
    run_command(
        program(ui::program_of("tauri"))
            .args(["bundle", "--ci", "--bundles", "deb", "--features", FEATURES])
            .arg("--config")
            .arg(config.to_string()),
    )?;
    let package = only_package(&folder)?;
    for file in [
        &package,
        &programs.join("snug"),
        &programs.join("snug-server"),
    ] {
        let bytes = std::fs::metadata(file)?.len();
        let megabytes = bytes as f64 / 1e6;
        println!("{megabytes:8.1} MB  {}", relative(file).display());
    }
    Ok(package)
}

fn only_package(folder: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).context("there is no package")?;
    let mut packages = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "deb"));
    let package = packages.next().context("there is no package")?;
    match packages.next() {
        None => Ok(package),
        Some(_) => bail!("{} holds more than one package", folder.display()),
    }
}

/// Asks cargo where it builds.
fn target_folder() -> Result<PathBuf> {
    let metadata = metadata(&["--no-deps"])?;
    let folder = metadata["target_directory"].as_str();
    Ok(PathBuf::from(folder.context("cargo names no folder")?))
}

fn metadata(options: &[&str]) -> Result<serde_json::Value> {
    let said = output(
        cargo()
            .args(["metadata", "--locked", "--format-version", "1"])
            .args(options),
    )?;
    serde_json::from_str(&said).context("cargo's metadata is no JSON")
}
