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

use crate::process::{program, relative, repository, run as run_command};
use crate::{apt, build, ui};

/// Builds the package, and looks at it on a clean system when asked to.
pub fn run(options: &[&str]) -> Result<()> {
    match options {
        [] => package().map(drop),
        ["--check"] => clean_root::check(&package()?),
        ["--check", package] => clean_root::check(Path::new(package)),
        _ => bail!("`deb` takes nothing, --check, or --check FILE"),
    }
}

/// Builds the programs and the package; returns where it lies.
fn package() -> Result<PathBuf> {
    apt::ensure(&[apt::BUILD, apt::WINDOW])?;
    ui::build()?;
    pack(&build::released()?)
}

/// Packs what was built in `programs`.
fn pack(programs: &Path) -> Result<PathBuf> {
    let papers = programs.join("bundle/papers");
    std::fs::create_dir_all(&papers).context("cannot make the folder of the package's papers")?;
    std::fs::write(papers.join("copyright"), notices::copyright()?)?;
    std::fs::write(papers.join("third-party-licences"), notices::third_party()?)?;
    let files = json!({
        "/usr/bin/snug-server": programs.join("snug-server"),
        "/usr/lib/systemd/system/snug-server.service": repository().join("packaging/snug-server.service"),
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
            .args(["bundle", "--ci", "--bundles", "deb"])
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
