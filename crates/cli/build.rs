//! Writes the list of the files of the page for browsers, which the program embeds.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where `npm run build` in `ui/` puts that page. Without it the program serves rooms all the
/// same, and says to browsers that it holds no page.
const BUILT: &str = "../../ui/dist-guest";

fn main() -> ExitCode {
    println!("cargo:rerun-if-changed={BUILT}");
    match write_list() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The page for browsers in {BUILT} cannot be embedded: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_list() -> io::Result<()> {
    let missing = |name: &str| io::Error::other(format!("cargo does not say {name}"));
    let folder = std::env::var_os("CARGO_MANIFEST_DIR");
    let root = PathBuf::from(folder.ok_or_else(|| missing("where it is"))?).join(BUILT);
    let mut files = Vec::new();
    if root.is_dir() {
        collect(&root, &mut files)?;
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in files {
        let relative = file.strip_prefix(&root).map_err(io::Error::other)?;
        let path: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        let (path, file) = (path.join("/"), file.to_string_lossy());
        list += &format!("PageFile {{ path: {path:?}, content: include_bytes!({file:?}) }},\n");
    }
    list += "]\n";
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| missing("where to write"))?;
    std::fs::write(Path::new(&out).join("pages.rs"), list)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => collect(&entry.path(), files)?,
            false => files.push(entry.path()),
        }
    }
    Ok(())
}
