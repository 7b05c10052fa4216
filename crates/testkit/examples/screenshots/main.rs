//! Photographs the window: `cargo xtask screenshots` and `cargo xtask demo --screenshot`.
//!
//! Arguments: the app, and a folder for a picture of every screen, or `--demo` and the file for
//! one picture of the demo's room.

mod demo;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use snug_testkit::netns;
use snug_testkit::tour;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [app, "--demo", file] => demo::photograph(app.as_ref(), file.as_ref()),
        [app, folder] => every_screen(app.as_ref(), folder.as_ref()),
        _ => bail!("give the app, and a folder or --demo FILE"),
    }
}

fn every_screen(app: &Path, folder: &Path) -> Result<()> {
    ensure!(
        netns::has_rights(),
        "the pictures of hosts that do not answer need a network namespace: run this as root"
    );
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let mut count = 0_u32;
    tour::walk(app, &mut |window, screen, look| {
        let (width, height) = look.size;
        let name = format!(
            "{screen}-{}-{}-{width}x{height}.png",
            look.theme, look.language
        );
        let file: PathBuf = folder.join(name);
        window.photograph(&file)?;
        count += 1;
        println!("{}", file.display());
        Ok(())
    })?;
    println!("{count} pictures in {}", folder.display());
    Ok(())
}
