//! The programs, in the two forms that the doors need.
//!
//! Whatever needs a program asks here: cargo builds a dependency again for each set of features,
//! and each set of packages and targets makes another.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{cargo, output, program, run};

/// Builds the programs and the examples for trying things. They share their dependencies with the
/// tests.
pub fn programs() -> Result<()> {
    println!("Building the app and the server");
    let options = ["build", "--workspace", "--bins", "--examples", "--locked"];
    run(cargo().args(options))
}

/// Builds the tests too.
pub fn programs_and_tests() -> Result<()> {
    run(cargo().args(["build", "--workspace", "--all-targets", "--locked"]))
}

/// Builds the programs as they are given away; returns the folder that holds them.
pub fn released() -> Result<PathBuf> {
    println!("Building the app and the server, optimised (this takes minutes)");
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--bins"]);
    build.args(["--package", "snug", "--package", "snug-cli"]);
    link_codec_statically(&mut build)?;
    run(&mut build)?;
    Ok(target_folder()?.join("release"))
}

/// Asks cargo where it builds.
pub fn target_folder() -> Result<PathBuf> {
    let metadata = metadata(&["--no-deps"])?;
    let folder = metadata["target_directory"].as_str();
    Ok(PathBuf::from(folder.context("cargo names no folder")?))
}

/// Asks cargo about the workspace.
pub fn metadata(options: &[&str]) -> Result<serde_json::Value> {
    let said = output(
        cargo()
            .args(["metadata", "--locked", "--format-version", "1"])
            .args(options),
    )?;
    serde_json::from_str(&said).context("cargo's metadata is no JSON")
}

/// Names what a build of this repository left beside this program.
pub fn built(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a running program has a path");
    this.with_file_name(name)
}

/// Names the server that [`programs`] made.
pub fn snug_server() -> PathBuf {
    built("snug-server")
}

/// Has the VP8 library linked into the programs: its name changes with each release of Debian, so
/// a package that depends on it would install on one release only.
fn link_codec_statically(build: &mut Command) -> Result<()> {
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
